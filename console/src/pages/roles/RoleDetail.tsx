/** Everything about one role: in the inspector and as a page of its own. */
import Tab from "@mui/material/Tab";
import Tabs from "@mui/material/Tabs";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { asProblem } from "../../api/problem";
import type { Role } from "../../api/types";
import { useMay, useMe } from "../../auth/session";
import { number, roleName, t } from "../../i18n";
import "../../i18n/factors";
import "../../i18n/people";
import "../../i18n/roles";
import { useOffer } from "../../keys/registry";
import { Act } from "../../parts/Act";
import { AlsoHere } from "../../parts/AlsoHere";
import { Facts, Id, Pill, Raw } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { rolesQuery } from "../users/queries";
import { Demand } from "./Demand";
import EditRole from "./EditRole";
import { History } from "./History";
import { Members } from "./Members";
import { lockOf, RoleModel } from "./model";
import { deleteRole } from "./queries";
import css from "./roles.module.css";
import { lockWords, namesOf } from "./words";
import { Gives } from "./Gives";

export default function RoleDetail({ id, tab, onTab, onDeleted }: { id: string; tab: string; onTab: (tab: string) => void; onDeleted: () => void }) {
  const query = useQuery({ ...rolesQuery, select: undefined });
  const roles = query.data?.items;
  const role = roles?.find((one) => one.id === id);
  if (query.error && !roles) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!roles) return <div className={css.detail}><Lines count={8} height={28} /></div>;
  if (!role) return <EmptyState icon="search" title={t("roles.none.title")} text={t("roles.none.text")} />;
  return <Detail role={role} roles={roles} tab={tab} onTab={onTab} onDeleted={onDeleted} />;
}

interface Props {
  role: Role;
  roles: Role[];
  tab: string;
  onTab: (tab: string) => void;
  onDeleted: () => void;
}

function Detail({ role, roles, tab, onTab, onDeleted }: Props) {
  const mayPeople = useMay("users:read");
  const mayAudit = useMay("audit:read");
  const tabs = (["role", "members", "history", "raw"] as const).filter((name) => (name !== "members" || mayPeople) && (name !== "history" || mayAudit));
  const shown = tabs.find((name) => name === tab) ?? "role";
  return (
    <article aria-label={roleName(role)} className={css.detail}>
      <div className={parts.spread}>
        <b className={css.title}>{roleName(role)}</b>
        <AlsoHere path={`/roles/${role.id}`} />
        {role.gone ? <Pill tone="bad">{t("list.gone")}</Pill> : <Pill tone={role.predefined ? "idle" : "info"}>{t(role.predefined ? "roles.system" : "roles.custom")}</Pill>}
      </div>
      {!role.gone && <Acts role={role} roles={roles} onDeleted={onDeleted} />}
      <Tabs value={shown} onChange={(_, value: string) => onTab(value)} aria-label={t("roles.one")} variant="scrollable" scrollButtons={false}>
        {tabs.map((name) => (
          <Tab key={name} value={name} id={`role-tab-${name}`} aria-controls="role-panel" label={t(TABS[name])} />
        ))}
      </Tabs>
      <div role="tabpanel" id="role-panel" aria-labelledby={`role-tab-${shown}`}>
        {shown === "role" && <About role={role} roles={roles} />}
        {shown === "members" && <Members role={role} />}
        {shown === "history" && <History role={role} roles={roles} />}
        {shown === "raw" && <Raw value={role} />}
      </div>
    </article>
  );
}

const TABS = { role: "roles.one", members: "roles.members", history: "roles.history", raw: "tab.raw" } as const;

function Acts({ role, roles, onDeleted }: { role: Role; roles: Role[]; onDeleted: () => void }) {
  const me = useMe();
  const [asked, setAsked] = useState<"edit" | "delete" | null>(null);
  const model = useMemo(() => new RoleModel(roles.filter((one) => !one.gone)), [roles]);
  const locked = lockWords(lockOf(role, model, new Set(me.permissions)));
  const heirs = roles.filter((one) => !one.gone && one.inherits.includes(role.id));
  const used = role.members > 0 ? t("roles.inUse.members", { n: role.members }) : heirs.length > 0 ? t("roles.inUse.heirs", { names: heirs.map(roleName).join(", ") }) : null;
  useOffer(locked ? [] : [{ id: "role.edit", keys: "e", label: t("roles.edit"), group: t("keys.page"), run: () => setAsked("edit") }]);
  const remove = async () => {
    await deleteRole(role);
    toast(t("roles.deleted", { name: role.name }));
    onDeleted();
  };
  return (
    <div className={parts.row}>
      <Act variant="outlined" startIcon={<Icon name="edit" small />} why={locked} onClick={() => setAsked("edit")}>{t("roles.edit")}</Act>
      <Act variant="outlined" color="error" why={locked ?? used} onClick={() => setAsked("delete")}>{t("roles.delete")}</Act>
      {me.permissions.includes("roles:manage") && <Demand role={role} />}
      <Link className={css.to} to="/roles" search={{ view: "matrix", role: role.id }}>{t("roles.toMatrix")}</Link>
      {asked === "edit" && <EditRole role={role} onClose={() => setAsked(null)} />}
      <ConfirmWithImpact open={asked === "delete"} onClose={() => setAsked(null)} title={t("roles.delete.title", { name: role.name })} text={t("roles.delete.text")} impact={t("roles.delete.impact", { n: role.statements.length })} action={t("roles.delete")} run={remove} />
    </div>
  );
}

function About({ role, roles }: { role: Role; roles: Role[] }) {
  const heirs = roles.filter((one) => !one.gone && one.inherits.includes(role.id));
  return (
    <div className={css.about}>
      <Facts
        facts={[
          [t("roles.description"), role.description || "–"],
          [t("roles.inherits"), role.inherits.length > 0 ? <RoleLinks key="parents" ids={role.inherits} roles={roles} /> : "–"],
          [t("roles.heirs"), heirs.length > 0 ? <RoleLinks key="heirs" ids={heirs.map((heir) => heir.id)} roles={roles} /> : "–"],
          [t("factors.demand.fact"), t(role.requires_factor ? "factors.demand.yes" : "factors.demand.no")],
          [t("roles.members"), number(role.members)],
          [t("field.version"), role.version],
          [t("field.id"), <Id key="id" value={role.id} />],
        ]}
      />
      <Gives role={role} roles={roles} />
    </div>
  );
}

function RoleLinks({ ids, roles }: { ids: string[]; roles: Role[] }) {
  return (
    <span className={css.links}>
      {ids.map((id) => (
        <Link key={id} to="/roles/$id" params={{ id }}>{namesOf([id], roles)}</Link>
      ))}
    </span>
  );
}
