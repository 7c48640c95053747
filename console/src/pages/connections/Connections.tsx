/** Who is connected now, by node, user, transport, queue and latency. Read again every two seconds while it is seen. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from "react";
import { PageFrame } from "../../app/shell/PageFrame";
import { useMay } from "../../auth/session";
import { number, t } from "../../i18n";
import "../../i18n/live";
import { type Filters, isWhole } from "../../live/kinds";
import { holdChannel } from "../../live/store";
import { useSamples } from "../../live/useSamples";
import { DataTable, usePause } from "../../parts/DataTable";
import { Inspector, InspectorGhost } from "../../parts/Inspector";
import { PauseButton } from "../../parts/PauseButton";
import { Stale } from "../../parts/Stale";
import { EmptyState } from "../../parts/states";
import { useSelection } from "../../parts/useSelection";
import { PhoneRow, useColumns } from "./columns";
import { Nodes } from "./Nodes";
import { type ConnectionRow, DEFAULT_SORT, fetchConnections, holder, nodesQuery } from "./queries";
import { Toolbar } from "./Toolbar";

const ConnectionView = lazy(() => import("./ConnectionView"));
const DisconnectMany = lazy(() => import("./DisconnectMany"));
const ConnectionMenu = lazy(() => import("./ConnectionMenu"));

export type Search = { q?: string; user?: string; node?: string; transport?: string; sort?: string; open?: string };

const nameOf = (row: ConnectionRow) => holder(row, t("connections.nobody"));

export default function Connections() {
  const search = useSearch({ from: "/shell/connections" });
  const { q, user, node, transport, sort = DEFAULT_SORT, open } = search;
  const navigate = useNavigate({ from: "/connections" });
  const mayDisconnect = useMay("live:disconnect");
  useEffect(() => holdChannel("feed:live"), []);
  const nodes = useQuery(nodesQuery);
  const filters: Filters = useMemo(() => ({ q, user, node, transport, sort }), [q, user, node, transport, sort]);
  const fetchPage = useMemo(() => fetchConnections(filters), [filters]);
  const [calm, setCalm] = useState(true);
  const pause = usePause();
  const list = useSamples<ConnectionRow>({ queryKey: ["connections", "list", filters], fetchPage, calm: calm && !open, paused: pause[0] });
  const selection = useSelection<ConnectionRow>();
  const columns = useColumns();
  const [acting, setActing] = useState<{ row: ConnectionRow; anchor: HTMLElement } | null>(null);
  const change = useCallback((next: Search) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }), [navigate]);
  const show = useCallback((row: ConnectionRow) => void navigate({ search: (before) => ({ ...before, open: row.id }) }), [navigate]);
  const acts = useCallback((row: ConnectionRow, anchor: HTMLElement) => setActing({ row, anchor }), []);
  const clear = () => change({ q: undefined, user: undefined, node: undefined, transport: undefined });
  return (
    <PageFrame
      title={t("nav.connections")}
      name={t("nav.connections")}
      count={<span data-testid="total">{list.total ? number(list.total.value) : ""}</span>}
      fill
      actions={<PauseButton pause={pause} />}
    >
      <Nodes nodes={nodes.data} chosen={node} choose={(next) => change({ node: next })} />
      <Stale missing={list.missing} since={list.staleSince} />
      <DataTable
        label={t("nav.connections")}
        list={list}
        columns={columns}
        phone={PhoneRow}
        name={nameOf}
        selection={mayDisconnect ? selection : undefined}
        openId={open}
        onOpen={show}
        onActs={acts}
        dim={(row) => (row.ended ? t("connections.ended") : null)}
        sort={sort}
        onSort={(next) => change({ sort: next === DEFAULT_SORT ? undefined : next })}
        onCalm={setCalm}
        pause={pause}
        toolbar={<Toolbar filters={filters} change={change} nodes={nodes.data?.items ?? []} rows={list.rows} />}
        empty={
          isWhole(filters) ? (
            <EmptyState icon="connections" title={t("connections.empty.title")} text={t("connections.empty.text")} />
          ) : (
            <EmptyState icon="search" title={t("connections.none.title")} text={t("connections.none.text")}>
              <Button variant="outlined" onClick={clear}>{t("users.none.action")}</Button>
            </EmptyState>
          )
        }
      />
      {open && (
        <Inspector title={t("connections.one")} onClose={() => change({ open: undefined })}>
          <Suspense fallback={<InspectorGhost />}>
            <ConnectionView key={open} client={open} />
          </Suspense>
        </Inspector>
      )}
      <Suspense>
        {acting && <ConnectionMenu row={acting.row} anchor={acting.anchor} onOpen={() => show(acting.row)} onDone={() => setActing(null)} />}
        {selection.rows.size > 0 && <DisconnectMany selection={selection} />}
      </Suspense>
    </PageFrame>
  );
}
