/** The keys by which programs come in. */
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useMemo, useState } from "react";
import type { ApiKey } from "../../api/types";
import { PageFrame } from "../../app/shell/PageFrame";
import { useWhy } from "../../auth/session";
import { number, t } from "../../i18n";
import "../../i18n/access";
import { useOffer } from "../../keys/registry";
import { useLiveList } from "../../live/useLiveList";
import { Act } from "../../parts/Act";
import { StatePill, Time } from "../../parts/basics";
import { type Column, DataTable } from "../../parts/DataTable";
import { Icon } from "../../parts/Icon";
import { Inspector, InspectorGhost } from "../../parts/Inspector";
import parts from "../../parts/parts.module.css";
import { EmptyState } from "../../parts/states";
import table from "../../parts/table.module.css";
import { KeyPolicy } from "./KeyPolicy";
import { fetchKeys } from "./queries";
import { Until } from "../../parts/Until";

const KeyView = lazy(() => import("./KeyView"));
const CreateKey = lazy(() => import("./CreateKey"));

const NO_FILTERS = {};

export default function ApiKeys() {
  const { open, create } = useSearch({ from: "/shell/keys" });
  const navigate = useNavigate({ from: "/keys" });
  const why = useWhy("api_keys:manage");
  const [calm, setCalm] = useState(true);
  const list = useLiveList<ApiKey>({ kind: "api_key", key: "api_keys", filters: NO_FILTERS, fetchPage: fetchKeys, newestFirst: true, calm: calm && !open && !create });
  const columns = useColumns();
  const change = useCallback((next: { open?: string; create?: string }) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }), [navigate]);
  const show = useCallback((row: ApiKey) => change({ open: row.id }), [change]);
  useOffer(why === null ? [{ id: "keys.create", keys: "c", label: t("keys.create"), group: t("keys.page"), run: () => change({ create: "1" }) }] : []);
  const action = <Act variant="contained" startIcon={<Icon name="plus" small />} onClick={() => change({ create: "1" })} why={why}>{t("keys.create")}</Act>;
  const made = (id?: string) => {
    if (id) list.reload();
    change({ create: undefined, open: id ?? open });
  };
  return (
    <PageFrame title={t("nav.apiKeys")} name={t("nav.apiKeys")} fill actions={<><KeyPolicy onChanged={list.reload} />{action}</>}>
      <DataTable label={t("nav.apiKeys")} list={list} columns={columns} phone={PhoneRow} name={(row) => row.name} openId={open} onOpen={show} onCalm={setCalm} empty={<EmptyState icon="key" title={t("keys.empty.title")} text={t("keys.empty.text")}>{action}</EmptyState>} />
      {open && (
        <Inspector title={t("keys.one")} onClose={() => change({ open: undefined })}>
          <Suspense fallback={<InspectorGhost />}>
            <KeyView key={open} id={open} />
          </Suspense>
        </Inspector>
      )}
      <Suspense>{create && <CreateKey onClose={made} />}</Suspense>
    </PageFrame>
  );
}

const Name = ({ row }: { row: ApiKey }) => (
  <span className={table.two}>
    <div>
      <b>{row.name}</b>
      <small><code className={parts.code}>{row.hint}…</code></small>
    </div>
  </span>
);

const Used = ({ row }: { row: ApiKey }) => (row.last_used_at ? <Time at={row.last_used_at} /> : <span className={parts.muted}>{t("keys.never")}</span>);

const PhoneRow = (row: ApiKey) => (
  <>
    <Name row={row} />
    <StatePill state={row.state} />
  </>
);

function useColumns(): Column<ApiKey>[] {
  return useMemo(
    () => [
      { id: "name", header: t("field.name"), width: "minmax(0, 1.6fr)", cell: (row) => <Name row={row} /> },
      { id: "state", header: t("field.state"), width: "minmax(var(--col-state), 0.8fr)", cell: (row) => <StatePill state={row.state} /> },
      { id: "owner", header: t("keys.owner"), width: "minmax(0, 1fr)", cell: (row) => row.created_by.name ?? "–" },
      { id: "scopes", header: t("keys.scopes"), width: "minmax(var(--col-number), 0.5fr)", numeric: true, cell: (row) => number(row.scopes.length) },
      { id: "used", header: t("keys.used"), width: "minmax(var(--col-time), 0.7fr)", numeric: true, cell: (row) => <Used row={row} /> },
      { id: "end", header: t("keys.end"), width: "minmax(var(--col-time), 0.7fr)", numeric: true, cell: (row) => (row.expires_at ? <Until at={row.expires_at} /> : t("keys.noEnd")) },
    ],
    [],
  );
}
