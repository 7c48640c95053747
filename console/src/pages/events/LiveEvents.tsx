/** Events of chosen channels as they arrive. The address holds the channels and the filter; the events are in this tab only. */
import Button from "@mui/material/Button";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { PageFrame } from "../../app/shell/PageFrame";
import { useMe } from "../../auth/session";
import { bytes, number, t } from "../../i18n";
import "../../i18n/live";
import { useOffer } from "../../keys/registry";
import { Pill, useLater } from "../../parts/basics";
import { type Column, DataTable, usePause } from "../../parts/DataTable";
import { Field } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import { Inspector } from "../../parts/Inspector";
import { PauseButton } from "../../parts/PauseButton";
import { EmptyState } from "../../parts/states";
import parts from "../../parts/parts.module.css";
import table from "../../parts/table.module.css";
import { type Feed, feedsOf, named, NONE, split } from "./channels";
import { clockTime } from "../../parts/times";
import { EventView, subjectOf, toneOf } from "./EventView";
import { type Entry, KEPT } from "./tape";
import { type TapeList, useTape } from "./useTape";
import css from "./events.module.css";

export default function LiveEvents() {
  const { channels, q } = useSearch({ from: "/shell/events" });
  const navigate = useNavigate({ from: "/events" });
  const me = useMe();
  const feeds = useMemo(() => feedsOf(me), [me]);
  const chosen = useMemo(() => (channels === undefined ? feeds.filter((feed) => feed.first).map((feed) => feed.channel) : split(channels)), [channels, feeds]);
  const [calm, setCalm] = useState(true);
  const [entry, setEntry] = useState<Entry | null>(null);
  const pause = usePause();
  const list = useTape(chosen, q ?? "", calm && !entry);
  const columns = useColumns();
  const change = useCallback((next: { channels?: string; q?: string }) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }), [navigate]);
  const choose = useCallback((next: string[]) => change({ channels: next.length === 0 ? NONE : next.join(",") }), [change]);
  useOffer([{ id: "events.clear", keys: "c", label: t("events.clear"), group: t("keys.page"), run: list.clear }]);
  return (
    <PageFrame
      title={t("nav.events")}
      name={t("nav.events")}
      count={list.total && list.total.value > 0 ? t("events.count", { n: list.total.value }) : undefined}
      fill
      actions={
        <>
          <Button variant="outlined" onClick={list.clear} startIcon={<Icon name="trash" small />}>{t("events.clear")}</Button>
          <PauseButton pause={pause} />
        </>
      }
    >
      <DataTable
        label={t("nav.events")}
        list={list}
        columns={columns}
        phone={PhoneRow}
        name={(row) => row.type ?? row.channel}
        openId={entry?.id}
        onOpen={setEntry}
        onCalm={setCalm}
        pause={pause}
        toolbar={<Toolbar feeds={feeds} chosen={chosen} choose={choose} list={list} wanted={q ?? ""} onWanted={(next) => change({ q: next || undefined })} />}
        end={t("events.end", { n: list.rows.length, kept: number(KEPT) })}
        empty={
          chosen.length === 0 ? (
            <EmptyState icon="events" title={t("events.none.title")} text={t("events.none.text")} />
          ) : q && (list.total?.value ?? 0) > 0 ? (
            <EmptyState icon="search" title={t("events.nomatch.title")} text={t("events.nomatch.text")} />
          ) : (
            <EmptyState icon="events" title={t("events.empty.title")} text={t("events.empty.text")} />
          )
        }
      />
      {entry && (
        <Inspector title={t("events.one")} onClose={() => setEntry(null)}>
          <EventView entry={entry} />
        </Inspector>
      )}
    </PageFrame>
  );
}

interface ToolbarProps {
  feeds: Feed[];
  chosen: string[];
  choose: (channels: string[]) => void;
  list: TapeList;
  wanted: string;
  onWanted: (wanted: string) => void;
}

function Toolbar({ feeds, chosen, choose, list, wanted, onWanted }: ToolbarProps) {
  const box = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(wanted);
  const later = useLater(text.trim(), 200);
  useEffect(() => {
    if (later !== wanted) onWanted(later);
    // Only what was typed leads.
  }, [later]);
  useOffer([{ id: "events.filter", keys: "/", label: t("keys.filter"), group: t("keys.page"), run: () => box.current?.focus(), keyOnly: true }]);
  const toggle = (channel: string) => choose(chosen.includes(channel) ? chosen.filter((name) => name !== channel) : [...chosen, channel]);
  const offered = feeds.map((feed) => feed.channel);
  const shown = [...feeds, ...chosen.filter((name) => !offered.includes(name)).map((channel) => ({ channel, first: false }))];
  return (
    <div className={css.bar}>
      <div className={css.channels} role="group" aria-label={t("events.channels")}>
        {shown.map(({ channel }) => (
          <Chip key={channel} channel={channel} on={chosen.includes(channel)} refused={list.refused.has(channel)} toggle={() => toggle(channel)} />
        ))}
      </div>
      <div className={table.search}>
        <Field label={t("events.filter")} hideLabel placeholder={t("events.filter")} value={text} onValue={setText} inputRef={box} startAdornment={<Icon name="search" small />} />
      </div>
      <Other add={(channels) => choose([...new Set([...chosen, ...channels])])} />
    </div>
  );
}

function Chip({ channel, on, refused, toggle }: { channel: string; on: boolean; refused: boolean; toggle: () => void }) {
  return (
    <button type="button" className={`${css.chip} ${on ? (refused ? css.refused : css.on) : ""}`} aria-pressed={on} onClick={toggle} title={refused ? t("events.refused", { channel }) : channel}>
      {on && <Icon name={refused ? "ban" : "check"} small />}
      {named(channel)}
      {refused && <span className="visually-hidden">{t("events.refused", { channel })}</span>}
    </button>
  );
}

function Other({ add }: { add: (channels: string[]) => void }) {
  const [text, setText] = useState("");
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    // A name with a comma is two in the address.
    add(split(text));
    setText("");
  };
  return (
    <form className={css.other} onSubmit={submit}>
      <Field label={t("events.other")} hideLabel placeholder={t("events.other")} value={text} onValue={setText} mono />
    </form>
  );
}

const Type = ({ entry }: { entry: Entry }) => (entry.type ? <Pill tone={toneOf(entry.type)}>{entry.type}</Pill> : <>{t("events.untyped")}</>);

const PhoneRow = (entry: Entry) => (
  <>
    <span className={table.two}>
      <div>
        <b>{entry.type ?? t("events.untyped")}</b>
        <small>{[entry.channel, subjectOf(entry)].filter(Boolean).join(" · ")}</small>
      </div>
    </span>
    <time className={css.moment}>{clockTime(entry.at)}</time>
  </>
);

function useColumns(): Column<Entry>[] {
  return useMemo(
    () => [
      { id: "at", header: t("field.at"), width: "minmax(var(--col-state), 0.6fr)", cell: (row) => <time className={css.moment}>{clockTime(row.at)}</time> },
      { id: "channel", header: t("field.channel"), width: "minmax(0, 1fr)", cell: (row) => <code className={parts.code}>{row.channel}</code> },
      { id: "type", header: t("field.type"), width: "minmax(0, 1.2fr)", cell: (row) => <Type entry={row} /> },
      { id: "subject", header: t("field.subject"), width: "minmax(0, 1.6fr)", cell: (row) => subjectOf(row) ?? "–" },
      { id: "offset", header: t("field.offset"), width: "minmax(var(--col-number), 0.5fr)", numeric: true, cell: (row) => (row.offset === undefined ? "–" : number(row.offset)) },
      { id: "size", header: t("field.size"), width: "minmax(var(--col-number), 0.5fr)", numeric: true, cell: (row) => bytes(row.size) },
    ],
    [],
  );
}
