/** Roles: who may do what. The list, the matrix of everything that every role says, and the search for who may. */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from "react";
import type { Role } from "../../api/types";
import { PageFrame } from "../../app/shell/PageFrame";
import { opening, useMay, useMe } from "../../auth/session";
import { number, roleName, t } from "../../i18n";
import "../../i18n/roles";
import { useOffer } from "../../keys/registry";
import { holdChannel } from "../../live/store";
import { useSet } from "../../live/useSet";
import { Act } from "../../parts/Act";
import { Pill } from "../../parts/basics";
import { type Column, DataTable } from "../../parts/DataTable";
import { Icon } from "../../parts/Icon";
import { Inspector, InspectorGhost } from "../../parts/Inspector";
import { EmptyState, Lines } from "../../parts/states";
import table from "../../parts/table.module.css";
import { rolesQuery } from "../users/queries";
import { useEdits } from "./draft";
import { countOf } from "./edits";
import css from "./roles.module.css";
import { namesOf } from "./words";

const Matrix = lazy(() => import("./Matrix"));
const WhoCan = lazy(() => import("./WhoCan"));
const RoleDetail = lazy(() => import("./RoleDetail"));
const EditRole = lazy(() => import("./EditRole"));

const VIEWS = ["", "matrix", "who"] as const;
const NAMES = { "": "roles.list", matrix: "roles.matrix", who: "roles.who" } as const;

export default function Roles() {
  const search = useSearch({ from: "/shell/roles" });
  const navigate = useNavigate({ from: "/roles" });
  const may = useMay("roles:manage");
  const mayWho = useMay("users:read");
  const unsaved = countOf(useEdits());
  const { view = "", open, create } = search;
  const change = useCallback((next: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }), [navigate]);
  const make = () => change({ create: "1" });
  useOffer(may ? [{ id: "roles.create", keys: "c", label: t("roles.create"), group: t("keys.page"), run: make }] : []);
  const views = VIEWS.filter((name) => name !== "who" || mayWho);
  return (
    <PageFrame
      title={t("nav.roles")}
      name={t("nav.roles")}
      fill
      actions={
        <Act variant="contained" startIcon={<Icon name="plus" small />} onClick={make} why={may ? null : t("lock.manage")}>
          {t("roles.create")}
        </Act>
      }
    >
      <nav className={css.views} aria-label={t("roles.views")}>
        {views.map((name) => (
          <Link key={name} to="/roles" search={name ? { view: name } : {}} aria-current={view === name ? "page" : undefined} activeOptions={EXACTLY}>
            {t(NAMES[name])}
            {name === "matrix" && unsaved > 0 && <Pill tone="warn">{t("matrix.unsaved", { n: unsaved })}</Pill>}
          </Link>
        ))}
      </nav>
      <Suspense fallback={<Lines count={8} height={36} />}>
        {view === "matrix" ? <Matrix onOpen={(id) => change({ open: id })} /> : view === "who" && mayWho ? <WhoCan /> : <List open={open} onOpen={(id) => change({ open: id })} />}
      </Suspense>
      {open && (
        <Inspector title={t("roles.one")} onClose={() => change({ open: undefined, tab: undefined })} full={`/roles/${open}`}>
          <Suspense fallback={<InspectorGhost />}>
            <RoleDetail key={open} id={open} tab={search.tab ?? "role"} onTab={(tab) => change({ tab: tab === "role" ? undefined : tab })} onDeleted={() => change({ open: undefined, tab: undefined })} />
          </Suspense>
        </Inspector>
      )}
      <Suspense>{create && <EditRole onClose={(id) => change({ create: undefined, ...(id && { open: id }) })} />}</Suspense>
    </PageFrame>
  );
}

/** A link to the list is not the page while another view is shown. */
const EXACTLY = { exact: true, includeSearch: true };

function List({ open, onOpen }: { open?: string; onOpen: (id: string) => void }) {
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
      <small>{t("roles.members")}</small>
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
