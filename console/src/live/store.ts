/** Joins the link and the query cache: one batch of events in, every cached list and item up to date. */
import type { QueryKey } from "@tanstack/react-query";
import type { Activity, JobDetail, Overview } from "../api/types";
import { queries } from "../app/queries";
import { lookForUpdate } from "../app/update";
import { permissions } from "../auth/session";
import { type Batch, applyToList, applyToSet, batchOf, type ListData, type ListPage, patchRow, type Row, type View, type WholeSet } from "./apply";
import { noteCounters } from "./counters";
import type { LiveEvent } from "./event";
import { endsSession } from "./codes";
import { type Filters, isWhole, KINDS } from "./kinds";
import { openLine } from "./exchange/line";
import type { Arrival, Present } from "./exchange/wire";
import { perFrame } from "./frames";
import { hungOnTeams, type MemberPages, withMember } from "./members";
import { Link } from "./link";
import { pill } from "./pill";
import { applyKeyUse } from "./keyUse";
import { applySessions } from "./sessions";
import { forgetProgress, type Progress, setProgress } from "./progress";

type AnyRow = Row & Record<string, unknown>;

let link: Link | null = null;

/** Reading again is spread over this many milliseconds, so that a thousand consoles do not come at once. */
const JITTER = 800;

export const jitter = (): number => Math.random() * JITTER;

function viewFor(kind: string, filters: Filters): View<AnyRow> {
  return { matches: (row) => KINDS[kind]?.matches(row, filters) ?? true, whole: isWhole(filters), may: permissions() };
}

function patchLists(kind: string, key: string, batch: Batch): void {
  for (const [queryKey, data] of queries.getQueriesData<ListData<AnyRow>>({ queryKey: [key, "list"] })) {
    if (data) queries.setQueryData(queryKey, applyToList(data, batch, viewFor(kind, filtersOf(queryKey))));
  }
}

function patchSet(key: string, batch: Batch): void {
  queries.setQueryData<WholeSet<AnyRow>>([key, "all"], (set) => set && applyToSet(set, batch, permissions()));
}

const filtersOf = (key: QueryKey) => (key[2] ?? {}) as Filters;

function patchItems(key: string, batch: Batch): void {
  const may = permissions();
  for (const change of batch.changes.values()) {
    // nothing of it may be shown any more; whoever looks at it is told that it is not there
    if (change.removed) void queries.resetQueries({ queryKey: [key, "one", change.id] });
    else queries.setQueryData<AnyRow>([key, "one", change.id], (row) => row && patchRow(row, change, may));
  }
}

/** The ledger's line and the event about it are written by two clocks: within two seconds they are the same. */
const near = (a: string, b: string) => Math.abs(Date.parse(a) - Date.parse(b)) < 2000;

/** A detail's own history: what happened to this subject, newest first. */
function addActivity(events: LiveEvent[]): void {
  for (const event of events) {
    if (event.subject?.kind !== "user" || !event.id || event.type === "user.removed") continue;
    const entry = { id: event.id, at: event.at, action: event.type, actor: event.actor, subject: event.subject, text: event.text ?? "" } as Activity;
    queries.setQueryData<ListData<Activity & Row>>(["users", "activity", event.subject.id], (data) => {
      const first = data?.pages[0];
      if (!data || !first || first.items.some((item) => item.id === entry.id || (item.text === entry.text && near(item.at, entry.at)))) return data;
      return { ...data, pages: [{ ...first, items: [entry, ...first.items] }, ...data.pages.slice(1)] };
    });
  }
}

function addJobEvents(events: LiveEvent[]): void {
  for (const event of events) {
    if (event.subject?.kind !== "job" || event.offset === undefined) continue;
    const { at, type, subject } = event;
    if (/succeeded|failed|cancelled|quarantined/.test(type)) forgetProgress(subject.id);
    const kind = type.replace(/^job\./, "");
    queries.setQueryData<JobDetail>(["jobs", "one", subject.id], (job) => {
      if (!job || job.events.some((known) => known.kind.replace(/^job\./, "") === kind && near(known.at, at))) return job;
      return { ...job, events: [...job.events, { at, kind, detail: event.data ?? null } as JobDetail["events"][number]] };
    });
  }
}

/** An import's state is its job's; its counts come with each chunk. */
function patchImports(events: LiveEvent[]): void {
  const patches = new Map<string, Record<string, unknown>>();
  const add = (id: string, patch: Record<string, unknown>) => patches.set(id, { ...patches.get(id), ...patch });
  for (const { type, patch, data } of events) {
    const subject = patch?.subject as { kind?: string; id?: string } | undefined;
    if (type.startsWith("job.") && subject?.kind === "import" && subject.id) {
      const { state, error, finished_at } = patch ?? {};
      add(subject.id, { state, error, finished_at });
    }
    if (type === "users.imported" && typeof data?.import_id === "string" && data.counts) add(data.import_id, { counts: data.counts });
  }
  if (patches.size === 0) return;
  const patched = <T extends { id: string }>(row: T): T => (patches.has(row.id) ? { ...row, ...patches.get(row.id) } : row);
  for (const id of patches.keys()) queries.setQueryData<AnyRow>(["imports", "one", id], (row) => row && patched(row));
  for (const [key, data] of queries.getQueriesData<ListData<AnyRow>>({ queryKey: ["imports", "list"] })) {
    if (data) queries.setQueryData(key, { ...data, pages: data.pages.map((page) => ({ ...page, items: page.items.map(patched) })) });
  }
}

function applyState(events: LiveEvent[]): void {
  const progress = new Map<string, Progress>();
  for (const event of events) {
    if (event.type === "counters.changed" && event.counters) {
      const counters = event.counters as Overview["counters"];
      noteCounters(counters, Date.parse(event.at));
      queries.setQueryData<Overview>(["overview"], (data) => data && { ...data, counters: { ...data.counters, ...counters } });
    } else if (event.type === "system.actors") {
      queries.setQueryData(["system", "actors"], { node: event.node, items: event.items });
    } else if (event.type === "live.nodes" && event.items) {
      queries.setQueryData(["live", "nodes"], (told: object | undefined) => told && { ...told, items: event.items });
    } else if (event.type === "job.progress" && event.subject && event.progress) {
      progress.set(event.subject.id, event.progress);
    }
  }
  setProgress(progress);
}

/** Who holds a role, as its open list of members has it. */
function patchMembers(events: LiveEvent[]): void {
  for (const [key, data] of queries.getQueriesData<MemberPages>({ queryKey: ["roles", "members"] })) {
    const changed = data && events.reduce((pages, event) => withMember(pages, String(key[2]), event), data);
    if (changed !== data) queries.setQueryData(key, changed);
  }
}

/** The least time between two counts of who is in what, in milliseconds. */
const COUNT_APART = 2000;
const counted = new Map<string, ReturnType<typeof setTimeout>>();

/** How many hold each role, or are in each team, stands in no event: it is counted anew while somebody looks at it. */
function countAgain(events: LiveEvent[]): void {
  const people = events.filter((event) => event.type.startsWith("user.") || event.type === "users.imported");
  for (const [key, moved] of [["roles", /roles_changed|created|deleted|imported/], ["teams", /teams_changed|deleted/]] as const) {
    if (counted.has(key) || !people.some((event) => moved.test(event.type))) continue;
    const again = () => {
      counted.delete(key);
      void queries.invalidateQueries({ queryKey: [key, "all"] });
    };
    counted.set(key, setTimeout(again, COUNT_APART / 2 + jitter()));
  }
}

function grantsChanged(events: LiveEvent[], me: string): boolean {
  return events.some((event) => {
    const mine = event.channel?.startsWith("inbox:") || (event.subject?.kind === "user" && event.subject.id === me);
    return mine && /roles|grants|permission|teams|impersonation_elevated/.test(event.type);
  });
}

function apply(events: LiveEvent[], me: string): void {
  for (const [kind, { key, channel }] of Object.entries(KINDS)) {
    const batch = batchOf(events, kind, channel);
    if (batch.changes.size + batch.bulks.length === 0) continue;
    patchLists(kind, key, batch);
    patchSet(key, batch);
    patchItems(key, batch);
  }
  patchMembers(events);
  countAgain(events);
  addActivity(events);
  addJobEvents(events);
  patchImports(events);
  applyState(events);
  for (const queryKey of hungOnTeams(events)) void queries.invalidateQueries({ queryKey });
  applySessions(queries, events);
  applyKeyUse(queries, events);
  // an event says that a page has other views, not which: they are few, and read when somebody looks
  if (events.some((event) => event.type.startsWith("saved_filter."))) void queries.invalidateQueries({ queryKey: ["saved_filters"] });
  if (events.some((event) => event.type === "personal_data.exported")) void queries.invalidateQueries({ queryKey: ["personal_data"] });
  for (const event of events) if (event.type.startsWith("user.erasure_")) void queries.invalidateQueries({ queryKey: ["users", "erasure", event.subject?.id] });
  if (grantsChanged(events, me)) setTimeout(() => void queries.invalidateQueries(), jitter());
}

/** Everything read from this channel is read again. */
function readAgain(channel: string): void {
  const keys = Object.values(KINDS).filter((kind) => kind.channel === channel).map((kind) => kind.key);
  if (channel.startsWith("job:")) keys.push("jobs", "imports");
  if (channel === "feed:saved_filters") keys.push("saved_filters");
  setTimeout(() => {
    for (const key of keys) void queries.invalidateQueries({ queryKey: [key] });
  }, jitter());
}

/** The hub answers again: what could not be read while it was away is read now, and it may be a newer one. */
function connected(again: boolean): void {
  if (again) setTimeout(() => void lookForUpdate(), jitter());
  void queries.refetchQueries({ predicate: (query) => query.state.status === "error" && query.isActive() });
}

type Tap = (channel: string, arrival: Arrival) => void;
type Refusal = (channel: string) => void;
type Watch = (people: Present[]) => void;

const taps = new Set<Tap>();
const refusals = new Set<Refusal>();
const watches = new Map<string, Set<Watch>>();

export function startLive(me: string, ended: (code: number) => void): void {
  if (link) return;
  link = new Link((hear) => openLine(me, hear), me, {
    event: perFrame((batch: LiveEvent[]) => apply(batch, me)),
    arrived: (channel, arrival) => taps.forEach((tap) => tap(channel, arrival)),
    refused: (channel) => refusals.forEach((refusal) => refusal(channel)),
    present: (channel, people) => watches.get(channel)?.forEach((watch) => watch(people)),
    connected,
    lost: readAgain,
    ended: (code, reason) => {
      if (endsSession(code)) pill.ended();
      else pill.stopped(reason);
      ended(code);
    },
  });
  link.follow(`inbox:${me}`);
}

/** `signedOut`: in all tabs of this browser. */
export function stopLive(signedOut: boolean): void {
  link?.close(signedOut);
  link = null;
}

export const connectAgain = (): void => link?.again();
/** The session goes on under a new id: the link moves over to it and misses nothing. */
export const renewLink = (): void => link?.renew();
export const measureLatency = (): void => link?.measure();

/** Hears everything that arrives, in whichever channel, as it came. The returned function ends it. */
export function tapArrivals(tap: Tap): () => void {
  taps.add(tap);
  return () => taps.delete(tap);
}

/** Hears of channels that the hub does not let this person follow. The returned function ends it. */
export function onRefused(refusal: Refusal): () => void {
  refusals.add(refusal);
  return () => refusals.delete(refusal);
}

/** Is present in a page's channel, and told who else is, until the returned function is called. */
export function watchPresent(channel: string, watch: Watch): () => void {
  const watching = watches.get(channel) ?? new Set();
  watches.set(channel, watching.add(watch));
  const leave = holdChannel(channel);
  return () => {
    watching.delete(watch);
    if (watching.size === 0) watches.delete(channel);
    leave();
  };
}

// A worker may not hear of the network by itself.
addEventListener("online", () => link?.network(true));
addEventListener("offline", () => link?.network(false));

/** A row the hub answered to our own act: shown at once, the event that follows finds it done. */
export function showRow(kind: string, row: Row): void {
  const key = KINDS[kind]?.key;
  if (!key) return;
  const replaced = (old: AnyRow) => (old.id === row.id && (old.version ?? 0) < (row.version ?? 0) ? { ...old, ...row } : old);
  queries.setQueryData<AnyRow>([key, "one", row.id], (old) => old && replaced(old));
  queries.setQueryData<WholeSet<AnyRow>>([key, "all"], (set) => set && { ...set, items: set.items.map(replaced) });
  queries.setQueriesData<ListData<AnyRow>>({ queryKey: [key, "list"] }, (data) => data && { ...data, pages: data.pages.map((page: ListPage<AnyRow>) => ({ ...page, items: page.items.map(replaced) })) });
}

/** As `level`, of a set that is read at once. */
export function levelSet<T extends Row>(kind: string, set: WholeSet<T>, key: QueryKey): WholeSet<T> {
  const channel = KINDS[kind]?.channel;
  if (!link || !channel || set.epoch === undefined || set.offset === undefined) return set;
  const covered = link.follow(channel, { epoch: set.epoch, offset: set.offset });
  if (!covered) setTimeout(() => void queries.invalidateQueries({ queryKey: key }), jitter());
  const missed = link.since(channel, set.offset);
  return missed.length === 0 ? set : applyToSet(set, batchOf(missed, kind, channel), permissions());
}

export const followChannel = (channel: string): boolean => link?.follow(channel) ?? false;
export const holdChannel = (channel: string): (() => void) => link?.hold(channel) ?? (() => {});

/**
 * Brings a page that was just read up to the present, and follows its channel from there on. `first` pages also decide
 * where the stream begins.
 */
export function level<T extends Row>(kind: string, page: ListPage<T>, filters: Filters, key: QueryKey): ListPage<T> {
  const channel = KINDS[kind]?.channel;
  if (!link || !channel || page.epoch === undefined || page.offset === undefined) return page;
  const covered = link.follow(channel, { epoch: page.epoch, offset: page.offset });
  if (!covered) setTimeout(() => void queries.invalidateQueries({ queryKey: key }), jitter());
  const missed = link.since(channel, page.offset);
  if (missed.length === 0) return page;
  const data = { pages: [page], pageParams: [null] } as unknown as ListData<AnyRow>;
  const [after] = applyToList(data, batchOf(missed, kind, channel), viewFor(kind, filters)).pages;
  return (after ?? page) as unknown as ListPage<T>;
}
