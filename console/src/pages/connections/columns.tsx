/** A connection as a row, wide and narrow. */
import { useMemo } from "react";
import { bytes, number, t, tOr } from "../../i18n";
import { usePill } from "../../live/pill";
import { duration, Face, Pill, Time } from "../../parts/basics";
import type { Column } from "../../parts/DataTable";
import parts from "../../parts/parts.module.css";
import table from "../../parts/table.module.css";
import { type ConnectionRow, holder, shortNode } from "./queries";

/** From here on a queue is worth a look: a quarter of what ends a connection by default, in bytes. */
const LONG = 256 * 1024;
/** From here on an answer is slow, in milliseconds. */
const SLOW = 250;

export const transport = (name: string): string => tOr(`transport.${name}`, name);
const program = (row: ConnectionRow) => [row.name, row.sdk].filter(Boolean).join(" ") || t("connections.unnamed");

function Who({ row }: { row: ConnectionRow }) {
  const mine = usePill().facts?.client === row.client;
  const name = holder(row, t("connections.nobody"));
  return (
    <span className={table.two}>
      <Face name={name} id={row.user} />
      <div>
        <b>{name}</b>
        <small>{mine ? t("connections.mine") : row.application ? t("connections.ofApplication", { program: program(row) }) : program(row)}</small>
      </div>
    </span>
  );
}

function Queue({ value }: { value: number }) {
  if (value === 0) return <span className={parts.muted}>0</span>;
  return value >= LONG ? <Pill tone="warn">{bytes(value)}</Pill> : <>{bytes(value)}</>;
}

function Latency({ value }: { value: number | null | undefined }) {
  if (value === null || value === undefined) return <span className={parts.muted}>–</span>;
  return value >= SLOW ? <Pill tone="warn">{duration(value)}</Pill> : <>{duration(value)}</>;
}

export const PhoneRow = (row: ConnectionRow) => (
  <>
    <Who row={row} />
    <span className={table.aside}>
      <span>{transport(row.transport)}</span>
      <small>{row.queue_bytes > 0 ? bytes(row.queue_bytes) : row.latency_ms == null ? "–" : duration(row.latency_ms)}</small>
    </span>
  </>
);

export function useColumns(): Column<ConnectionRow>[] {
  return useMemo(
    () => [
      { id: "user", header: t("field.user"), width: "minmax(0, 1.8fr)", cell: (row) => <Who row={row} /> },
      { id: "transport", header: t("field.transport"), width: "minmax(0, 1.1fr)", cell: (row) => `${transport(row.transport)}${row.protocol === "protobuf" ? " · Protobuf" : ""}` },
      { id: "node", header: t("field.node"), width: "minmax(0, 0.8fr)", cell: (row) => <code className={parts.code} title={row.node}>{shortNode(row.node)}</code> },
      { id: "address", header: t("field.address"), width: "minmax(0, 1fr)", cell: (row) => row.address ?? "–" },
      { id: "channels", header: t("field.channels"), width: "minmax(var(--col-number), 0.5fr)", numeric: true, cell: (row) => number(row.channels) },
      { id: "queue", header: t("field.queueBytes"), width: "minmax(var(--col-time), 0.6fr)", numeric: true, sort: ["-queue_bytes", "-queue_bytes"], cell: (row) => <Queue value={row.queue_bytes} /> },
      { id: "latency", header: t("field.latency"), width: "minmax(var(--col-time), 0.6fr)", numeric: true, sort: ["-latency", "-latency"], cell: (row) => <Latency value={row.latency_ms} /> },
      { id: "connected", header: t("field.connected"), width: "minmax(var(--col-time), 0.7fr)", numeric: true, sort: ["-connected_at", "connected_at"], cell: (row) => <Time at={row.connected_at} /> },
    ],
    [],
  );
}
