/** Which channels somebody follows now. Read again every two seconds while it is seen. */
import Button from "@mui/material/Button";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { PageFrame } from "../../app/shell/PageFrame";
import { number, t } from "../../i18n";
import "../../i18n/live";
import { useOffer } from "../../keys/registry";
import { useSamples } from "../../live/useSamples";
import { Pill, useLater } from "../../parts/basics";
import { type Column, DataTable, usePause } from "../../parts/DataTable";
import { Field } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import { Inspector, InspectorGhost } from "../../parts/Inspector";
import { PauseButton } from "../../parts/PauseButton";
import parts from "../../parts/parts.module.css";
import { Stale } from "../../parts/Stale";
import { EmptyState } from "../../parts/states";
import table from "../../parts/table.module.css";
import { type ChannelRow, fetchChannels } from "./queries";

const ChannelView = lazy(() => import("./ChannelView"));

type Search = { q?: string; open?: string };

export default function Channels() {
  const { q, open } = useSearch({ from: "/shell/channels" });
  const navigate = useNavigate({ from: "/channels" });
  const fetchPage = useMemo(() => fetchChannels(q), [q]);
  const [calm, setCalm] = useState(true);
  const pause = usePause();
  const list = useSamples<ChannelRow>({ queryKey: ["channels", "list", q ?? ""], fetchPage, calm: calm && !open, paused: pause[0] });
  const columns = useColumns();
  const change = useCallback((next: Search) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }), [navigate]);
  const show = useCallback((row: ChannelRow) => void navigate({ search: (before) => ({ ...before, open: row.channel }) }), [navigate]);
  return (
    <PageFrame title={t("nav.channels")} name={t("nav.channels")} fill actions={<PauseButton pause={pause} />}>
      <Stale missing={list.missing} since={list.staleSince} />
      <DataTable
        label={t("nav.channels")}
        list={list}
        columns={columns}
        phone={PhoneRow}
        name={(row) => row.channel}
        openId={open}
        onOpen={show}
        dim={(row) => (row.ended ? t("channels.ended") : null)}
        onCalm={setCalm}
        pause={pause}
        toolbar={<Toolbar q={q ?? ""} onQuery={(next) => change({ q: next || undefined })} />}
        empty={
          q ? (
            <EmptyState icon="search" title={t("channels.none.title")} text={t("channels.none.text")}>
              <Button variant="outlined" onClick={() => change({ open: q })}>{t("channels.openAnyway", { name: q })}</Button>
            </EmptyState>
          ) : (
            <EmptyState icon="channels" title={t("channels.empty.title")} text={t("channels.empty.text")} />
          )
        }
      />
      {open && (
        <Inspector title={t("channels.one")} onClose={() => change({ open: undefined })}>
          <Suspense fallback={<InspectorGhost />}>
            <ChannelView key={open} channel={open} />
          </Suspense>
        </Inspector>
      )}
    </PageFrame>
  );
}

function Toolbar({ q, onQuery }: { q: string; onQuery: (q: string) => void }) {
  const box = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(q);
  const later = useLater(text.trim(), 300);
  useEffect(() => {
    if (later !== q) onQuery(later);
    // Only what was typed leads; the address leads at the start.
  }, [later]);
  useOffer([{ id: "channels.filter", keys: "/", label: t("keys.filter"), group: t("keys.page"), run: () => box.current?.focus(), keyOnly: true }]);
  return (
    <div className={table.toolbar}>
      <div className={table.search}>
        <Field label={t("channels.search")} hideLabel placeholder={t("channels.search")} value={text} onValue={setText} inputRef={box} startAdornment={<Icon name="search" small />} />
      </div>
    </div>
  );
}

const rates = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 });

/** Publications a second, as a person reads it. */
export const rate = (value: number): string => (value < 0.01 ? "0" : rates.format(value));

const Whose = ({ row }: { row: Pick<ChannelRow, "application"> }) => <Pill tone={row.application ? "info" : "idle"}>{t(row.application ? "channels.application" : "channels.hub")}</Pill>;

const PhoneRow = (row: ChannelRow) => (
  <>
    <span className={table.two}>
      <div>
        <b>{row.channel}</b>
        <small>{t("channels.followers", { n: row.subscribers })}</small>
      </div>
    </span>
    <span className={table.aside}>
      <span>{t("channels.perSecond", { rate: rate(row.rate) })}</span>
      <small>{row.offset == null ? "–" : number(row.offset)}</small>
    </span>
  </>
);

function useColumns(): Column<ChannelRow>[] {
  return useMemo(
    () => [
      { id: "channel", header: t("field.channel"), width: "minmax(0, 2.4fr)", cell: (row) => <code className={parts.code} title={row.channel}>{row.channel}</code> },
      { id: "whose", header: t("channels.whose"), width: "minmax(var(--col-state), 0.8fr)", cell: (row) => <Whose row={row} /> },
      { id: "subscribers", header: t("channels.subscribers"), width: "minmax(var(--col-time), 0.6fr)", numeric: true, cell: (row) => number(row.subscribers) },
      { id: "rate", header: t("channels.rate"), width: "minmax(var(--col-time), 0.6fr)", numeric: true, cell: (row) => (row.rate < 0.01 ? <span className={parts.muted}>0</span> : rate(row.rate)) },
      { id: "offset", header: t("channels.position"), width: "minmax(var(--col-time), 0.6fr)", numeric: true, cell: (row) => (row.offset == null ? <span className={parts.muted}>–</span> : number(row.offset)) },
    ],
    [],
  );
}
