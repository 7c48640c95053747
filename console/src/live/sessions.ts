/**
 * Sessions on the screen. Their events carry no row: what begins is read, what ends says so, and how many connections hang on
 * each comes as a state of its own, which names every session that has any.
 */
import type { QueryClient } from "@tanstack/react-query";
import type { ListData, Row } from "./apply";
import type { LiveEvent } from "./event";

export interface SessionRow extends Row {
  user: { id: string };
  sockets?: number | null;
  /** Set here, never by the hub: it ended while it was on the screen. */
  over?: boolean;
}

const OF_PERSON = "sessions:";
/** The least time between two readings of what an event did not carry, in milliseconds. */
const APART = 1000;

/** The rows as the events have them; the same array where nothing of it changed. */
export function patchSessions<T extends SessionRow>(items: T[], events: LiveEvent[]): T[] {
  let changed = false;
  const next = items.map((item) => {
    const after = events.reduce((row, event) => patched(row, event), item);
    changed ||= after !== item;
    return after;
  });
  return changed ? next : items;
}

function patched<T extends SessionRow>(row: T, event: LiveEvent): T {
  if (event.type === "session.sockets" && event.sockets) {
    const person = event.channel?.startsWith(OF_PERSON) ? event.channel.slice(OF_PERSON.length) : null;
    const sockets = event.sockets[row.id] ?? 0;
    return (person === null || person === row.user.id) && row.sockets !== sockets ? { ...row, sockets } : row;
  }
  const ends = event.type === "session.revoked" || event.type === "session.succeeded";
  return ends && event.subject?.id === row.id && !row.over ? { ...row, over: true } : row;
}

/** Sessions began that nothing was told of but that they did. */
const begun = (events: LiveEvent[]): number => events.filter(({ type, channel }) => (type === "session.created" || type === "session.succeeded") && channel === "feed:sessions").length;
/** Many ended at once, without being named. */
const swept = (events: LiveEvent[]): boolean => events.some(({ type }) => type === "session.all_revoked" || type === "session.others_revoked" || type === "session.timeouts_changed");

let reading: ReturnType<typeof setTimeout> | null = null;

function readSoon(queries: QueryClient, key: readonly string[]): void {
  reading ??= setTimeout(() => {
    reading = null;
    void queries.invalidateQueries({ queryKey: key });
  }, APART * Math.random());
}

export function applySessions(queries: QueryClient, events: LiveEvent[]): void {
  const ours = events.filter(({ type }) => type.startsWith("session."));
  if (ours.length === 0) return;
  const newcomers = begun(ours);
  queries.setQueriesData<ListData<SessionRow>>({ queryKey: ["sessions", "list"] }, (data) => data && patchList(data, ours, newcomers));
  queries.setQueriesData<{ items: SessionRow[] }>({ queryKey: ["sessions", "of"] }, (data) => {
    const items = data && patchSessions(data.items, ours);
    return items === data?.items ? data : data && items && { ...data, items };
  });
  if (swept(ours)) readSoon(queries, ["sessions"]);
  else if (ours.some(({ type }) => type === "session.created" || type === "session.succeeded")) readSoon(queries, ["sessions", "of"]);
}

function patchList(data: ListData<SessionRow>, events: LiveEvent[], newcomers: number): ListData<SessionRow> {
  let changed = newcomers > 0;
  const pages = data.pages.map((page, at) => {
    const items = patchSessions(page.items, events);
    const unread = at === 0 && newcomers > 0 ? (page.unread ?? 0) + newcomers : page.unread;
    if (items === page.items && unread === page.unread) return page;
    changed = true;
    return { ...page, items, unread };
  });
  return changed ? { ...data, pages } : data;
}
