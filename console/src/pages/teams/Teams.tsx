/** Teams: who works together. What is held "on the team" reaches everybody who shares one. */
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from "react";
import type { Team } from "../../api/types";
import { PageFrame } from "../../app/shell/PageFrame";
import { opening, useMay, useMe } from "../../auth/session";
import { number, t } from "../../i18n";
import "../../i18n/roles";
import { useOffer } from "../../keys/registry";
import { holdChannel } from "../../live/store";
import { useSet } from "../../live/useSet";
import { Act } from "../../parts/Act";
import { Time } from "../../parts/basics";
import { type Column, DataTable } from "../../parts/DataTable";
import { Icon } from "../../parts/Icon";
import { Inspector, InspectorGhost } from "../../parts/Inspector";
import { EmptyState } from "../../parts/states";
import table from "../../parts/table.module.css";
import { teamsQuery } from "../users/queries";

const TeamView = lazy(() => import("./TeamView"));
const EditTeam = lazy(() => import("./EditTeam"));

export default function Teams() {
  const { open, create } = useSearch({ from: "/shell/teams" });
  const navigate = useNavigate({ from: "/teams" });
  const may = useMay("teams:manage");
  const list = useSet<Team>(useQuery({ ...teamsQuery, select: undefined }));
  const me = useMe();
  const seesPeople = opening(me).includes("users:read");
  // How many are in each team changes with the people.
  useEffect(() => (seesPeople ? holdChannel("feed:users") : undefined), [seesPeople]);
  const columns = useColumns();
  const [, setCalm] = useState(true);
  const change = useCallback((next: { open?: string; create?: string }) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }), [navigate]);
  const show = useCallback((team: Team) => change({ open: team.id }), [change]);
  const make = () => change({ create: "1" });
  useOffer(may ? [{ id: "teams.create", keys: "c", label: t("teams.create"), group: t("keys.page"), run: make }] : []);
  const action = (
    <Act variant="contained" startIcon={<Icon name="plus" small />} onClick={make} why={may ? null : t("teams.why")}>{t("teams.create")}</Act>
  );
  return (
    <PageFrame title={t("nav.teams")} name={t("nav.teams")} count={list.total ? number(list.total.value) : ""} fill actions={action}>
      <DataTable label={t("nav.teams")} list={list} columns={columns} phone={PhoneRow} name={nameOf} openId={open} onOpen={show} onCalm={setCalm} empty={<EmptyState icon="teams" title={t("teams.empty.title")} text={t("teams.empty.text")} />} />
      {open && (
        <Inspector title={t("teams.one")} onClose={() => change({ open: undefined })}>
          <Suspense fallback={<InspectorGhost />}>
            <TeamView key={open} id={open} onDeleted={() => change({ open: undefined })} />
          </Suspense>
        </Inspector>
      )}
      <Suspense>{create && <EditTeam onClose={(id) => change({ create: undefined, ...(id && { open: id }) })} />}</Suspense>
    </PageFrame>
  );
}

const nameOf = (team: Team) => team.name;
const sizeOf = (team: Team) => (typeof team.members === "number" ? number(team.members) : "–");

const Name = ({ team }: { team: Team }) => (
  <span className={table.two}>
    <div>
      <b>{team.name}</b>
      <small>{team.description}</small>
    </div>
  </span>
);

const PhoneRow = (team: Team) => (
  <>
    <Name team={team} />
    <span className={table.aside}>
      {sizeOf(team)}
      <small>{t("teams.peopleWord", { n: team.members ?? 0 })}</small>
    </span>
  </>
);

function useColumns(): Column<Team>[] {
  return useMemo(
    () => [
      { id: "name", header: t("teams.one"), width: "minmax(0, 3fr)", cell: (team) => <Name team={team} /> },
      { id: "people", header: t("teams.people"), width: "minmax(var(--col-number), 0.5fr)", numeric: true, cell: sizeOf },
      { id: "updated", header: t("field.updated"), width: "minmax(var(--col-time), 0.5fr)", numeric: true, cell: (team) => <Time at={team.updated_at} /> },
    ],
    [],
  );
}
