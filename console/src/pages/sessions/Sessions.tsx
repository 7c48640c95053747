/** Who is signed in now, from where and with what; by person and role; and the end of one, of many, of all. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from "react";
import { PageFrame } from "../../app/shell/PageFrame";
import { useMay, useWhy } from "../../auth/session";
import { number, roleName, t } from "../../i18n";
import "../../i18n/sessions";
import { type Filters, isWhole } from "../../live/kinds";
import { holdChannel } from "../../live/store";
import { useLiveList } from "../../live/useLiveList";
import { Act } from "../../parts/Act";
import { DataTable } from "../../parts/DataTable";
import { Choice } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import { EmptyState } from "../../parts/states";
import table from "../../parts/table.module.css";
import Views from "../../parts/views/Views";
import { rolesQuery } from "../users/queries";
import { columns, nameOf, PhoneRow } from "./columns";
import { fetchSessions, type Session, type Whose } from "./queries";
import css from "./sessions.module.css";

const EndAll = lazy(() => import("./EndAll"));
const SessionMenu = lazy(() => import("./SessionMenu"));

export default function Sessions() {
  const { user, role } = useSearch({ from: "/shell/sessions" });
  const navigate = useNavigate({ from: "/sessions" });
  const mayRead = useMay("settings:read");
  const [whyMany, whyAll] = [useWhy("sessions:revoke"), useWhy("sessions:revoke", "settings:update")];
  const roles = useQuery({ ...rolesQuery, enabled: useMay("roles:read") }).data?.items ?? [];
  const filters: Filters = useMemo(() => ({ user, role }), [user, role]);
  const fetchPage = useMemo(() => fetchSessions(filters), [filters]);
  const [calm, setCalm] = useState(true);
  const [acting, setActing] = useState<{ row: Session; anchor: HTMLElement } | null>(null);
  const [ending, setEnding] = useState<Whose | null>(null);
  const list = useLiveList<Session>({ kind: "session", key: "sessions", filters, fetchPage, newestFirst: true, calm: calm && !acting });
  useEffect(() => holdChannel("feed:sessions"), []);
  const change = useCallback((next: { user?: string; role?: string }) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }), [navigate]);
  const acts = useCallback((row: Session, anchor: HTMLElement) => setActing({ row, anchor }), []);
  const of = useCallback((row: Session) => change({ user: row.user.id }), [change]);
  const person = user ? (list.rows.find((row) => row.user.id === user)?.user.name ?? user) : "";
  const chosen = roles.find((one) => one.id === role);
  const whose: Whose = user ? { user } : role ? { role } : "everybody";
  return (
    <PageFrame
      title={t("nav.sessions")}
      name={t("nav.sessions")}
      count={<span data-testid="total">{list.total ? number(list.total.value) : ""}</span>}
      fill
      actions={
        <>
          {mayRead && <Button variant="outlined" component={Link} to="/settings" search={{ section: "sessions" } as never}>{t("sessions.times")}</Button>}
          <Act variant="outlined" color="error" onClick={() => setEnding(whose)} why={whose === "everybody" ? whyAll : whyMany}>
            {whose === "everybody" ? t("sessions.endEverybody") : t("sessions.endThese")}
          </Act>
        </>
      }
    >
      <DataTable
        label={t("nav.sessions")}
        list={list}
        columns={columns()}
        phone={PhoneRow}
        name={nameOf}
        onOpen={of}
        onActs={acts}
        dim={(row) => (row.over ? t("sessions.over") : null)}
        onCalm={setCalm}
        toolbar={
          <div className={table.toolbar}>
            {roles.length > 0 && (
              <span className={table.choice}>
                <Choice label={t("field.role")} hideLabel value={role ?? ""} onValue={(next) => change({ role: next || undefined })} options={[{ value: "", label: t("sessions.anyRole") }, ...roles.map((one) => ({ value: one.id, label: roleName(one) }))]} />
              </span>
            )}
            {user && (
              <button type="button" className={css.only} onClick={() => change({ user: undefined })}>
                {t("sessions.only", { name: person })}
                <Icon name="close" small />
              </button>
            )}
            <span className={table.grow} />
            <Views page="sessions" />
          </div>
        }
        empty={
          isWhole(filters) ? (
            <EmptyState icon="key" title={t("sessions.empty.title")} text={t("sessions.empty.text")} />
          ) : (
            <EmptyState icon="search" title={t("sessions.none.title")} text={t("sessions.none.text")}>
              <Button variant="outlined" onClick={() => change({ user: undefined, role: undefined })}>{t("users.none.action")}</Button>
            </EmptyState>
          )
        }
      />
      <Suspense>
        {ending !== null && <EndAll whose={ending} name={user ? person : chosen ? roleName(chosen) : ""} onClose={() => setEnding(null)} />}
        {acting && <SessionMenu row={acting.row} anchor={acting.anchor} onDone={() => setActing(null)} onOnly={() => of(acting.row)} />}
      </Suspense>
    </PageFrame>
  );
}
