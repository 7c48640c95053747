import { useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import type { Import } from "../../api/types";
import { PageFrame } from "../../app/shell/PageFrame";
import { useWhy } from "../../auth/session";
import { bytes, number, t } from "../../i18n";
import "../../i18n/imports";
import { useLiveList } from "../../live/useLiveList";
import { Act } from "../../parts/Act";
import { StatePill, Time } from "../../parts/basics";
import { type Column, DataTable } from "../../parts/DataTable";
import { Icon } from "../../parts/Icon";
import { EmptyState } from "../../parts/states";
import table from "../../parts/table.module.css";
import { fetchImports } from "./queries";

const NO_FILTERS = {};

export default function Imports() {
  const navigate = useNavigate();
  const why = useWhy("users:import");
  const [calm, setCalm] = useState(true);
  const list = useLiveList<Import>({ kind: "import", key: "imports", filters: NO_FILTERS, fetchPage: fetchImports, newestFirst: true, calm });
  const columns = useColumns();
  const open = useCallback((row: Import) => void (row.mode === "preview" ? navigate({ to: "/imports/new", search: { file: row.id } }) : navigate({ to: "/imports/$id", params: { id: row.id } })), [navigate]);
  const action = <Act variant="contained" to="/imports/new" startIcon={<Icon name="upload" small />} why={why}>{t("imports.new")}</Act>;
  return (
    <PageFrame title={t("nav.imports")} name={t("nav.imports")} fill actions={action}>
      <DataTable label={t("nav.imports")} list={list} columns={columns} phone={PhoneRow} name={(row) => row.file?.name ?? row.id} onOpen={open} onFull={open} onCalm={setCalm} empty={<EmptyState icon="imports" title={t("imports.empty.title")} text={t("imports.empty.text")}>{action}</EmptyState>} />
    </PageFrame>
  );
}

const Name = ({ row }: { row: Import }) => (
  <span className={table.two}>
    <div>
      <b>{row.file?.name}</b>
      <small>{t(`mode.${row.mode}` as "mode.commit")} · {bytes(row.file?.size ?? 0)}</small>
    </div>
  </span>
);

const State = ({ row }: { row: Import }) => (row.mode === "preview" ? <span>–</span> : <StatePill state={row.state} />);

const PhoneRow = (row: Import) => (
  <>
    <Name row={row} />
    <State row={row} />
  </>
);

function useColumns(): Column<Import>[] {
  return useMemo(
    () => [
      { id: "file", header: t("field.file"), width: "minmax(0, 2fr)", cell: (row) => <Name row={row} /> },
      { id: "state", header: t("field.state"), width: "minmax(var(--col-state), 0.8fr)", cell: (row) => <State row={row} /> },
      { id: "by", header: t("field.by"), width: "minmax(0, 1fr)", cell: (row) => row.created_by?.name ?? "–" },
      ...(["total", "inserted", "updated", "rejected"] as const).map((name): Column<Import> => ({ id: name, header: t(`count.${name}`), width: "minmax(var(--col-number), 0.6fr)", numeric: true, cell: (row) => number(row.counts?.[name] ?? 0) })),
      { id: "created", header: t("field.created"), width: "minmax(var(--col-time), 0.7fr)", numeric: true, cell: (row) => <Time at={row.created_at} /> },
    ],
    [],
  );
}
