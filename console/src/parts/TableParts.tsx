/** What a DataTable is made of: its heads, its rows, its ghosts while it loads. */
import Skeleton from "@mui/material/Skeleton";
import { memo, type ReactNode, useRef } from "react";
import { t } from "../i18n";
import type { Row } from "../live/apply";
import type { Column } from "./DataTable";
import css from "./table.module.css";

export function Single({ children }: { children: ReactNode }) {
  return (
    <div role="rowgroup">
      <div role="row">
        <div role="gridcell">{children}</div>
      </div>
    </div>
  );
}

export function Ghosts({ height }: { height: number }) {
  return (
    <div role="rowgroup">
      {Array.from({ length: 14 }, (_, index) => (
        <div key={index} role="row" className={css.row} style={{ position: "relative", height }}>
          <span role="gridcell" style={{ gridColumn: "1 / -1" }} className={css.cell}>
            <Skeleton variant="rounded" height={16} width={`${90 - ((index * 7) % 40)}%`} />
          </span>
        </div>
      ))}
    </div>
  );
}

export function Head<T>({ column, sort, onSort }: { column: Column<T>; sort?: string; onSort?: (sort: string) => void }) {
  const orders = column.sort;
  const by = orders && sort && orders.includes(sort) ? sort : null;
  const name = by ? (by.startsWith("-") ? "descending" : "ascending") : undefined;
  return (
    <span role="columnheader" aria-sort={name} className={`${css.cell} ${column.numeric ? css.numeric : ""}`}>
      {orders && onSort ? (
        <button type="button" className={css.sort} onClick={() => onSort(by === orders[0] ? orders[1] : orders[0])}>
          {column.header}
          {by && <span aria-hidden="true">{by.startsWith("-") ? "↓" : "↑"}</span>}
        </button>
      ) : (
        column.header
      )}
    </span>
  );
}

interface RowProps {
  row: Row;
  index: number;
  start: number;
  height: number;
  columns: Column<Row>[];
  phone: ((row: Row) => ReactNode) | null;
  name: (row: Row) => string;
  chosen: boolean | null;
  toggle?: (row: Row) => void;
  active: boolean;
  open: boolean;
  why: string | null;
  onOpen: (row: Row, index: number) => void;
}

export const TableRow = memo(function TableRow({ row, index, start, height, columns, phone, name, chosen, toggle, active, open, why, onOpen }: RowProps) {
  const first = useRef(row.version);
  // Two names for one animation: each change starts it anew without rebuilding the row.
  const changed = first.current !== row.version && ((row.version ?? 0) % 2 === 0 ? css.changedEven : css.changedOdd);
  const classes = [css.row, chosen && css.chosen, active && css.active, open && css.open, why && css.dim, changed].filter(Boolean).join(" ");
  // Captured before the link sees it: a plain click opens beside the list, with a key held it is the link's own.
  const click = (event: React.MouseEvent) => {
    const link = (event.target as HTMLElement).closest("a");
    if (link && (event.ctrlKey || event.metaKey || event.shiftKey)) return;
    if ((event.target as HTMLElement).closest("input, label, button")) return;
    if (link) event.preventDefault();
    onOpen(row, index);
  };
  return (
    <div id={`row-${row.id}`} role="row" aria-rowindex={index + 2} aria-selected={chosen ?? undefined} className={classes} style={{ height, transform: `translateY(${start}px)` }} onClickCapture={click}>
      {toggle && (
        <span role="gridcell" className={css.check}>
          <label>
            <input type="checkbox" checked={chosen ?? false} onChange={() => toggle(row)} aria-label={t("list.select", { name: name(row) })} />
          </label>
        </span>
      )}
      {phone ? (
        <span role="gridcell" className={css.phone}>{phone(row)}</span>
      ) : (
        columns.map((column) => (
          <span key={column.id} role="gridcell" className={`${css.cell} ${column.numeric ? css.numeric : ""}`}>
            {column.cell(row)}
          </span>
        ))
      )}
      {why && <span role="gridcell" className={css.why}>{why}</span>}
    </div>
  );
});
