/** Every list: server windows, virtual rows, selection, columns, newcomers that wait. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { number, t } from "../i18n";
import { useOffer } from "../keys/registry";
import type { Row } from "../live/apply";
import type { LiveList } from "../live/useLiveList";
import { tellCut } from "./cut";
import { Icon } from "./Icon";
import { ErrorState } from "./states";
import { rowHeight } from "../theme/density";
import css from "./table.module.css";
import { Ghosts, Head, Single, TableRow } from "./TableParts";
import { placeIn } from "./place";
import { useCalm } from "./useCalm";
import { usePhone } from "./usePhone";
import type { Selection } from "./useSelection";

export interface Column<T> {
  id: string;
  header: string;
  /** A CSS grid track. */
  width: string;
  cell: (row: T) => ReactNode;
  numeric?: boolean;
  /** The two orders the hub knows for this column: the first is taken first. */
  sort?: [string, string];
}

interface Props<T extends Row> {
  label: string;
  list: LiveList<T>;
  columns: Column<T>[];
  hidden?: Record<string, boolean>;
  /** The two-line form for narrow screens. */
  phone: (row: T) => ReactNode;
  name: (row: T) => string;
  toolbar?: ReactNode;
  empty: ReactNode;
  /** What stands below the last row, where it is not "that is all". */
  end?: string;
  selection?: Selection<T>;
  openId?: string;
  onOpen?: (row: T) => void;
  onFull?: (row: T) => void;
  /** Shows what can be done to the row, beside `anchor`. */
  onActs?: (row: T, anchor: HTMLElement) => void;
  /** Why a row is shown although it no longer belongs, or null. */
  dim?: (row: T) => string | null;
  sort?: string;
  onSort?: (sort: string) => void;
  onCalm: (calm: boolean) => void;
  /** Whether the list is held still, where the page offers that as a button too. */
  pause?: Pause;
}

export type Pause = [paused: boolean, set: (paused: boolean) => void];
export const usePause = (): Pause => useState(false);

/** The height of a row of two lines, in pixels. */
const PHONE_ROW = 56;

export function DataTable<T extends Row>(props: Props<T>) {
  const { list, columns, selection, onOpen, onFull, onActs, onCalm } = props;
  const phone = usePhone();
  const scroll = useRef<HTMLDivElement>(null);
  const hidden = props.hidden ?? NOTHING;
  const { rows } = list;
  const shown = useMemo(() => columns.filter((column) => !hidden[column.id]), [columns, hidden]);

  const height = phone ? PHONE_ROW : rowHeight();
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroll.current, estimateSize: () => height, overscan: 8, getItemKey: (index) => rows[index]?.id ?? index });
  useEffect(() => virtual.measure(), [virtual, height]);

  // The cursor stays on its row, wherever that goes when others step in above it.
  const [cursor, setCursor] = useState({ id: "", index: -1 });
  const active = placeIn(rows, cursor);
  const ownPause = usePause();
  const [paused, setPaused] = props.pause ?? ownPause;
  const calm = useCalm(scroll, onCalm, paused || (selection?.rows.size ?? 0) > 0);
  const last = virtual.getVirtualItems().at(-1)?.index ?? 0;
  const { loadMore, more } = list;
  useEffect(() => {
    if (more && last >= rows.length - 20) loadMore();
  }, [last, rows.length, more, loadMore]);

  const move = (by: number) => {
    const next = Math.min(rows.length - 1, Math.max(0, active + by));
    setCursor({ id: rows[next]?.id ?? "", index: next });
    virtual.scrollToIndex(next);
  };
  const at = (index: number): T | undefined => rows[index];
  const onActive = (act: ((row: T) => void) | undefined) => () => {
    const row = at(active);
    if (row) act?.(row);
  };
  const anchor = useRef({ id: "", index: -1 });
  const key = (id: string, keys: string, label: string, run: () => void) => ({ id: `list.${id}`, keys, label, run, group: t("keys.list"), keyOnly: true });
  useOffer([
    key("down", "j", t("keys.down"), () => move(1)),
    key("up", "k", t("keys.up"), () => move(-1)),
    key("open", "enter", t("keys.open"), onActive(onOpen)),
    key("peek", "space", t("keys.peek"), onActive(onOpen)),
    key("full", "shift+enter", t("keys.full"), onActive(onFull)),
    key("new", "r", t("keys.showNew"), list.showNew),
    key("pause", "p", t("keys.pause"), () => setPaused(!paused)),
    ...(onActs
      ? [
          key("acts", ".", t("keys.acts"), onActive((row) => {
            const anchor = document.getElementById(`row-${row.id}`);
            if (anchor) onActs(row, anchor);
          })),
        ]
      : []),
    ...(selection
      ? [
          key("select", "x", t("keys.select"), onActive((row) => {
            anchor.current = { id: row.id, index: active };
            selection.toggle(row);
          })),
          key("range", "shift+x", t("keys.range"), () => {
            const start = placeIn(rows, anchor.current);
            const [from, to] = [start < 0 ? active : start, active].sort((a, b) => a - b) as [number, number];
            selection.set(rows.slice(from, to + 1), true);
          }),
        ]
      : []),
  ]);

  const open = useCallback((row: T, index: number) => {
    setCursor({ id: row.id, index });
    onOpen?.(row);
  }, [onOpen]);

  const tracks = phone ? `${selection ? "auto " : ""}minmax(0, 1fr)` : `${selection ? "var(--s5) " : ""}${shown.map((column) => column.width).join(" ")}`;
  const some = selection ? list.rows.filter((row) => selection.rows.has(row.id)).length : 0;
  return (
    <div className={css.frame}>
      {props.toolbar}
      <div className={css.window}>
        {paused ? (
          <button type="button" className={`${css.waiting} ${css.paused}`} onClick={() => setPaused(false)}>
            <Icon name="play" small />
            {t("list.paused", { n: list.waiting })}
          </button>
        ) : (
          list.waiting > 0 &&
          !(calm && list.stepsIn) && (
            <button type="button" className={css.waiting} onClick={list.showNew}>
              {t("list.new", { n: list.waiting })}
            </button>
          )
        )}
        <div
          ref={scroll}
          className={css.scroll}
          role="grid"
          aria-label={props.label}
          aria-rowcount={list.total && !list.total.estimate ? list.total.value + 1 : -1}
          aria-colcount={shown.length}
          aria-busy={list.pending}
          aria-multiselectable={selection ? true : undefined}
          tabIndex={0}
          aria-activedescendant={rows[active] ? `row-${rows[active].id}` : undefined}
          style={{ "--columns": tracks } as React.CSSProperties}
          onMouseOver={tellCut}
          onKeyDown={(event) => {
            if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
            event.preventDefault();
            move(event.key === "ArrowDown" ? 1 : -1);
          }}
        >
          {!phone && (
            <div className={css.head} role="row" aria-rowindex={1}>
              {selection && (
                <span role="columnheader" className={css.check}>
                  <input type="checkbox" aria-label={t("list.selectAll")} checked={some > 0 && some === list.rows.length} ref={(box) => void (box && (box.indeterminate = some > 0 && some < list.rows.length))} onChange={(event) => selection.set(list.rows, event.target.checked)} />
                </span>
              )}
              {shown.map((column) => (
                <Head key={column.id} column={column} sort={props.sort} onSort={props.onSort} />
              ))}
            </div>
          )}
          {list.pending ? (
            <Ghosts height={height} />
          ) : list.error ? (
            <Single><ErrorState problem={list.error} retry={list.reload} /></Single>
          ) : rows.length === 0 ? (
            <Single>{props.empty}</Single>
          ) : (
            <div className={css.body} role="rowgroup" style={{ height: virtual.getTotalSize() }}>
              {virtual.getVirtualItems().map((item) => {
                const row = at(item.index);
                if (!row) return null;
                return (
                  <TableRow
                    key={row.id}
                    row={row}
                    index={item.index}
                    start={item.start}
                    height={height}
                    columns={shown as Column<Row>[]}
                    phone={phone ? (props.phone as (row: Row) => ReactNode) : null}
                    name={props.name as (row: Row) => string}
                    chosen={selection ? selection.rows.has(row.id) : null}
                    toggle={selection?.toggle as ((row: Row) => void) | undefined}
                    active={item.index === active}
                    open={row.id === props.openId}
                    why={row.gone ? t("list.gone") : (props.dim?.(row) ?? null)}
                    onOpen={open as unknown as (row: Row, index: number) => void}
                  />
                );
              })}
            </div>
          )}
          {!list.pending && !list.error && rows.length > 0 && (
            <div className={css.foot} role="presentation">{more ? t("list.loading") : (props.end ?? t("list.end", { n: number(rows.length) }))}</div>
          )}
        </div>
      </div>
    </div>
  );
}

const NOTHING: Record<string, boolean> = {};
