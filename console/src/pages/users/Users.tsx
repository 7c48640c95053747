import Button from "@mui/material/Button";
import IconButton from "@mui/material/IconButton";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useMemo, useRef, useState } from "react";
import type { User } from "../../api/types";
import { PageFrame } from "../../app/shell/PageFrame";
import { useMay, useWhy } from "../../auth/session";
import { number, roleName, t } from "../../i18n";
import "../../i18n/people";
import { singleKeys, useOffer } from "../../keys/registry";
import type { ListPage, Row } from "../../live/apply";
import { type Filters, isWhole, KINDS } from "../../live/kinds";
import { useLiveList } from "../../live/useLiveList";
import { Act } from "../../parts/Act";
import { Face, Hint, Keys, StatePill, Time } from "../../parts/basics";
import { type Column, DataTable } from "../../parts/DataTable";
import { Choice, Field } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import { Inspector, InspectorGhost } from "../../parts/Inspector";
import { EmptyState } from "../../parts/states";
import table from "../../parts/table.module.css";
import { useHidden } from "../../parts/useHidden";
import { usePhone } from "../../parts/usePhone";
import { useSelection } from "../../parts/useSelection";
import { useTyped } from "../../parts/useTyped";
import Views from "../../parts/views/Views";
import { DEFAULT_SORT, fetchUsers, rolesQuery, TeamNames, useTeams } from "./queries";
import css from "./users.module.css";

const ActionMenu = lazy(() => import("../../parts/ActionMenu"));
const BulkBar = lazy(() => import("./BulkBar"));
const CreateUser = lazy(() => import("./CreateUser"));
const UserDetail = lazy(() => import("./UserDetail"));
const UserMenu = lazy(() => import("./UserActs"));

const STATUSES = ["", "active", "invited", "suspended", "banned"] as const;

export default function Users() {
  const search = useSearch({ from: "/shell/users" });
  const navigate = useNavigate({ from: "/users" });
  const { q, status, role, team, department, sort = DEFAULT_SORT, open } = search;
  const filters: Filters = useMemo(() => ({ q, status, role, team, department, sort }), [q, status, role, team, department, sort]);
  const [calm, setCalm] = useState(true);
  const fetchPage = useMemo(() => fetchUsers(filters) as (cursor: string | null, signal: AbortSignal) => Promise<ListPage<User>>, [filters]);
  const list = useLiveList<User>({ kind: "user", key: "users", filters, fetchPage, newestFirst: sort === DEFAULT_SORT, calm });
  const selection = useSelection<User>();
  const columns = useColumns();
  const [hidden, hide] = useHidden("users");
  const [whyCreate, whyImport] = [useWhy("users:create"), useWhy("users:import")];

  const change = useCallback((next: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }), [navigate]);
  const show = useCallback((row: User) => void navigate({ search: (before) => ({ ...before, open: row.id }) }), [navigate]);
  const full = useCallback((row: User) => void navigate({ to: "/users/$id", params: { id: row.id } }), [navigate]);
  const close = useCallback(() => void navigate({ search: ({ open: _, tab: __, ...before }) => before }), [navigate]);
  const create = () => change({ create: "1" });
  const [acting, setActing] = useState<{ user: User; anchor: HTMLElement } | null>(null);
  const acts = useCallback((user: User, anchor: HTMLElement) => setActing({ user, anchor }), []);
  useOffer(whyCreate === null ? [{ id: "users.create", keys: "n", label: t("users.create"), group: t("keys.page"), run: create }] : []);

  const dim = useCallback((row: User) => (KINDS.user?.matches(row as unknown as Row & Record<string, unknown>, filters) ? null : t("list.nomatch")), [filters]);
  const total = list.total && `${list.total.estimate ? t("list.about", { n: number(list.total.value) }) : number(list.total.value)}`;
  return (
    <PageFrame
      title={t("nav.users")}
      name={t("nav.users")}
      count={<span data-testid="total">{total ?? ""}</span>}
      fill
      actions={
        <>
          <Act variant="outlined" startIcon={<Icon name="upload" small />} to="/imports/new" why={whyImport}>{t("users.import")}</Act>
          <Act variant="contained" startIcon={<Icon name="plus" small />} onClick={create} why={whyCreate}>{t("users.create")}</Act>
        </>
      }
    >
      <DataTable
        label={t("nav.users")}
        list={list}
        columns={columns}
        hidden={hidden}
        phone={PhoneRow}
        name={nameOf}
        selection={selection}
        openId={open}
        onOpen={show}
        onFull={full}
        onActs={acts}
        dim={dim}
        sort={sort}
        onSort={(next) => change({ sort: next === DEFAULT_SORT ? undefined : next })}
        onCalm={setCalm}
        toolbar={<Toolbar filters={filters} rows={list.rows} change={change} columns={columns} hidden={hidden} hide={hide} />}
        empty={<Nobody filtered={!isWhole(filters)} clear={() => change({ q: undefined, status: undefined, role: undefined, team: undefined, department: undefined })} />}
      />
      {open && (
        <Inspector title={t("user.title")} onClose={close} full={`/users/${open}`}>
          <Suspense fallback={<InspectorGhost />}>
            <UserDetail key={open} id={open} tab={search.tab ?? "profile"} onTab={(tab) => change({ tab: tab === "profile" ? undefined : tab })} />
          </Suspense>
        </Inspector>
      )}
      <Suspense>
        {acting && <UserMenu user={acting.user} anchor={acting.anchor} onOpen={() => show(acting.user)} onDone={() => setActing(null)} />}
        {selection.rows.size > 0 && <BulkBar selection={selection} filters={filters} total={list.total?.value ?? null} loaded={list.rows.length} />}
        {search.create && <CreateUser onClose={(id) => change({ create: undefined, ...(id && { open: id }) })} />}
      </Suspense>
    </PageFrame>
  );
}

/** A link to "all" is not the page while a filter is on. */
const EXACTLY = { exact: true, includeSearch: true };

const nameOf = (user: User) => user.name;
const masked = (user: User, field: "email" | "phone") => (user.masked?.includes(field) ? t("masked") : (user[field] ?? ""));

function Who({ user }: { user: User }) {
  return (
    <span className={table.two}>
      <Face name={user.name} id={user.id} />
      <div>
        <Link to="/users/$id" params={{ id: user.id }} tabIndex={-1}>{user.name}</Link>
        <small>{masked(user, "email")}</small>
      </div>
    </span>
  );
}

const PhoneRow = (user: User) => (
  <>
    <Who user={user} />
    <StatePill state={user.status} />
  </>
);

function useColumns(): Column<User>[] {
  return useMemo(
    () => [
      { id: "name", header: t("field.user"), width: "minmax(0, 2.4fr)", sort: ["name", "-name"], cell: (user) => <Who user={user} /> },
      { id: "status", header: t("field.status"), width: "minmax(var(--col-state), 1fr)", cell: (user) => <StatePill state={user.status} /> },
      { id: "roles", header: t("field.roles"), width: "minmax(0, 1.2fr)", cell: (user) => user.roles?.map(roleName).join(", ") || "–" },
      { id: "teams", header: t("users.teams"), width: "minmax(0, 1fr)", cell: (user) => <TeamNames user={user} /> },
      { id: "department", header: t("field.department"), width: "minmax(0, 1.2fr)", cell: (user) => user.department ?? "–" },
      { id: "phone", header: t("field.phone"), width: "minmax(0, 1.2fr)", cell: (user) => masked(user, "phone") || "–" },
      { id: "last_login", header: t("field.lastLogin"), width: "minmax(var(--col-time), 0.8fr)", numeric: true, sort: ["-last_login_at", "last_login_at"], cell: (user) => <Time at={user.last_login_at} /> },
      { id: "created", header: t("field.created"), width: "minmax(var(--col-time), 0.8fr)", numeric: true, sort: ["-created_at", "created_at"], cell: (user) => <Time at={user.created_at} /> },
    ],
    [],
  );
}

interface ToolbarProps {
  filters: Filters;
  rows: User[];
  change: (next: Record<string, string | undefined>) => void;
  columns: Column<User>[];
  hidden: Record<string, boolean>;
  hide: (id: string, hidden: boolean) => void;
}

function Toolbar({ filters, rows, change, columns, hidden, hide }: ToolbarProps) {
  const phone = usePhone();
  const mayRoles = useMay("roles:read");
  const roles = useQuery({ ...rolesQuery, enabled: mayRoles }).data?.items ?? [];
  const teams = useTeams();
  const box = useRef<HTMLInputElement>(null);
  const [text, setText] = useTyped(filters.q ?? "", 200, (typed) => change({ q: typed || undefined }));
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  useOffer([{ id: "users.filter", keys: "/", label: t("keys.filter"), group: t("keys.page"), run: () => box.current?.focus(), keyOnly: true }]);
  const departments = useMemo(() => [...new Set([filters.department, ...rows.map((row) => row.department)].filter((name): name is string => Boolean(name)))].sort().slice(0, 100), [rows, filters.department]);
  return (
    <>
      <nav className={css.tabs} aria-label={t("field.status")}>
        {STATUSES.map((status) => (
          <Link key={status} from="/users" to="/users" search={(before) => ({ ...before, status: status || undefined })} replace activeOptions={EXACTLY}>
            {status ? t(`state.${status}`) : t("users.all")}
          </Link>
        ))}
      </nav>
      <div className={table.toolbar}>
        <div className={table.search}>
          <Field label={t("users.search")} hideLabel placeholder={t("users.search")} value={text} onValue={setText} inputRef={box} startAdornment={<Icon name="search" small />} />
        </div>
        {roles.length > 0 && (
          <span className={table.choice}>
            <Choice label={t("field.role")} hideLabel value={filters.role ?? ""} onValue={(role) => change({ role: role || undefined })} options={[{ value: "", label: t("users.anyRole") }, ...roles.map((role) => ({ value: role.id, label: roleName(role) }))]} />
          </span>
        )}
        {teams.length > 0 && (
          <span className={table.choice}>
            <Choice label={t("users.team")} hideLabel value={filters.team ?? ""} onValue={(team) => change({ team: team || undefined })} options={[{ value: "", label: t("users.anyTeam") }, ...teams.map((team) => ({ value: team.id, label: team.name }))]} />
          </span>
        )}
        <span className={table.choice}>
          <Choice label={t("field.department")} hideLabel value={filters.department ?? ""} onValue={(department) => change({ department: department || undefined })} options={[{ value: "", label: t("users.anyDepartment") }, ...departments.map((name) => ({ value: name, label: name }))]} />
        </span>
        <span className={table.grow} />
        <KeysHint />
        <Views page="users" />
        {!phone && (
          <Hint text={t("list.columns")}>
            <IconButton aria-label={t("list.columns")} aria-haspopup="menu" onClick={(event) => setAnchor(event.currentTarget)}>
              <Icon name="columns" />
            </IconButton>
          </Hint>
        )}
        <Suspense>
          {anchor && <ActionMenu anchor={anchor} onClose={() => setAnchor(null)} actions={columns.slice(1).map((column) => ({ id: column.id, label: column.header, checked: !hidden[column.id], run: () => hide(column.id, !hidden[column.id]) }))} />}
        </Suspense>
      </div>
    </>
  );
}

/** Two keys a newcomer should meet; `?` shows the rest. */
function KeysHint() {
  if (!singleKeys()) return null;
  return (
    <span className={css.keys} aria-hidden="true">
      <Keys keys="j k" /> {t("keys.hintMove")} · <Keys keys="x" /> {t("keys.hintSelect")}
    </span>
  );
}

function Nobody({ filtered, clear }: { filtered: boolean; clear: () => void }) {
  const mayImport = useMay("users:import");
  if (filtered) {
    return (
      <EmptyState icon="search" title={t("users.none.title")} text={t("users.none.text")}>
        <Button variant="outlined" onClick={clear}>{t("users.none.action")}</Button>
      </EmptyState>
    );
  }
  return (
    <EmptyState icon="users" title={t("users.empty.title")} text={t("users.empty.text")}>
      {mayImport && (
        <Button variant="outlined" component={Link} to="/imports/new">{t("users.import")}</Button>
      )}
    </EmptyState>
  );
}
