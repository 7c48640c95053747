/** All roles as a list, with how many hold each. */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useState } from "react";
import type { Role } from "../../api/types";
import { opening, useMe } from "../../auth/session";
import { number, roleName, t } from "../../i18n";
import { holdChannel } from "../../live/store";
import { useSet } from "../../live/useSet";
import { Pill } from "../../parts/basics";
import { type Column, DataTable } from "../../parts/DataTable";
import { EmptyState } from "../../parts/states";
import table from "../../parts/table.module.css";
import { rolesQuery } from "../users/queries";
import { namesOf } from "./words";

export default function RoleList({ open, onOpen }: { open?: string; onOpen: (id: string) => void }) {
  const list = useSet<Role>(useQuery({ ...rolesQuery, select: undefined }));
  const navigate = useNavigate();
  const [, setCalm] = useState(true);
  const me = useMe();
  const seesPeople = opening(me).includes("users:read");
  // How many hold each role changes with the people.
  useEffect(() => (seesPeople ? holdChannel("feed:users") : undefined), [seesPeople]);
  const columns = useColumns(list.rows);
  const show = useCallback((row: Role) => onOpen(row.id), [onOpen]);
  const full = useCallback((row: Role) => void navigate({ to: "/roles/$id", params: { id: row.id } }), [navigate]);
  return <DataTable label={t("nav.roles")} list={list} columns={columns} phone={PhoneRow} name={roleName} openId={open} onOpen={show} onFull={full} onCalm={setCalm} empty={<EmptyState icon="shield" title={t("roles.empty.title")} text={t("roles.empty.text")} />} />;
}

/** Beyond this the hub counts no further. */
const COUNTED = 10_000;
const members = ({ members }: Role) => (members > COUNTED ? t("roles.manyMembers", { n: number(COUNTED) }) : number(members));

const Name = ({ role }: { role: Role }) => (
  <span className={table.two}>
    <div>
      <Link to="/roles/$id" params={{ id: role.id }} tabIndex={-1}>{roleName(role)}</Link>
      <small>{role.description}</small>
    </div>
  </span>
);

const Kind = ({ role }: { role: Role }) => (role.predefined ? <Pill tone="idle">{t("roles.system")}</Pill> : <Pill tone="info">{t("roles.custom")}</Pill>);

const PhoneRow = (role: Role) => (
  <>
    <Name role={role} />
    <span className={table.aside}>
      {members(role)}
      <small>{t("roles.memberWord", { n: role.members })}</small>
    </span>
  </>
);

function useColumns(roles: Role[]): Column<Role>[] {
  return useMemo(
    () => [
      { id: "name", header: t("field.role"), width: "minmax(0, 2.4fr)", cell: (role) => <Name role={role} /> },
      { id: "kind", header: t("roles.kind"), width: "minmax(var(--col-state), 0.8fr)", cell: (role) => <Kind role={role} /> },
      { id: "inherits", header: t("roles.inherits"), width: "minmax(0, 1.4fr)", cell: (role) => namesOf(role.inherits, roles) || "–" },
      { id: "says", header: t("roles.says"), width: "minmax(var(--col-time), 0.6fr)", numeric: true, cell: (role) => number(role.statements.length) },
      { id: "members", header: t("roles.members"), width: "minmax(var(--col-time), 0.6fr)", numeric: true, cell: members },
    ],
    [roles],
  );
}
