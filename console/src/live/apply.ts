/**
 * How events change what is on the screen. Pure: rows and events in, rows out.
 *
 * Invariant: a row changes only to a higher version, so repeats, jumps and any order of arrival are harmless. A row never
 * moves here: what is new waits in `fresh`, what is deleted stays and says so. Only what this viewer may no longer see vanishes.
 */
import type { InfiniteData } from "@tanstack/react-query";
import type { LiveEvent } from "./event";

export interface Row {
  id: string;
  version?: number;
  can?: string[];
  /** Set here, never by the hub: deleted while it was on the screen. */
  gone?: boolean;
}

export interface ListPage<T extends Row> {
  items: T[];
  next_cursor?: string | null;
  epoch?: string;
  offset?: number;
  /** `ahead`: how many the first events behind `offset` tell of that are counted in `value` already. */
  total?: { value: number; estimate: boolean; ahead?: number };
  /** First page only. Newcomers that wait for the person, newest first. */
  fresh?: T[];
  /** First page only. Newcomers, or rows changed in bulk, that the event did not carry: only reading again shows them. */
  unread?: number;
  /** First page only. The place in the list's own channel up to which comings and goings are counted here. */
  counted?: number;
}

export type ListData<T extends Row> = InfiniteData<ListPage<T>, string | null>;

export interface Change {
  id: string;
  version: number;
  patch: Record<string, unknown> | null;
  acts?: string[];
  deleted: boolean;
  /** Out of this viewer's sight now: nothing of it may be shown any more. */
  removed?: boolean;
  /** Where in the list's own channel the row came, and where it went: only there do places say what is counted already. */
  born?: number;
  died?: number;
}

/** The bulk part of a batch: rows that changed without being carried. */
interface Bulk {
  offset: number;
  inserted: number;
  updated: number;
  carried: Change[];
}

export interface Batch {
  changes: Map<string, Change>;
  bulks: Bulk[];
}

export interface View<T extends Row> {
  matches: (row: T) => boolean;
  /** Whether nothing is filtered, so that a bulk act's count is this list's count. */
  whole: boolean;
  may: ReadonlySet<string>;
}

/** Newcomers kept for the person; beyond it they are only counted. */
const FRESH = 200;

const CREATING = new Set(["user.created", "audit.recorded", "job.enqueued", "import.submitted", "api_key.created", "role.created", "team.created"]);

/** Of an event that carries no place: behind all others. */
const NO_PLACE = Number.MAX_SAFE_INTEGER;
const placeOf = (event: LiveEvent): number => event.offset ?? NO_PLACE;

function changeOf(event: LiveEvent, own: boolean): Change | null {
  const subject = event.subject;
  if (!subject) return null;
  const deleted = event.type.endsWith(".deleted");
  const removed = event.type.endsWith(".removed");
  if (!event.patch && !deleted && !removed) return null;
  return {
    id: subject.id,
    version: subject.version ?? Number(event.patch?.version ?? 1),
    patch: event.patch ?? null,
    acts: event.acts,
    deleted,
    removed,
    born: own && (CREATING.has(event.type) || event.came === true) ? placeOf(event) : undefined,
    died: own && (deleted || removed) ? placeOf(event) : undefined,
  };
}

function carriedRows(event: LiveEvent): Change[] {
  return (event.rows ?? []).map((row) => {
    const version = Number(row.version ?? 1);
    const acts = Array.isArray(row.acts) ? (row.acts as string[]) : event.acts;
    return { id: String(row.id), version, patch: row, acts, deleted: false, born: version === 1 ? placeOf(event) : undefined };
  });
}

/**
 * Folds the events about one kind of subject; of several about one row the highest version wins, and stays born where it
 * was. The same event may come on other channels too, where places count differently: there it changes rows, no more.
 */
/** Events that carry rows of many people. */
const TOGETHER: ReadonlySet<string> = new Set(["users.imported", "users.bulk_changed"]);

export function batchOf(events: LiveEvent[], kind: string, channel?: string): Batch {
  const changes = new Map<string, Change>();
  const bulks: Bulk[] = [];
  const put = (change: Change) => {
    const other = changes.get(change.id);
    const newer = other && other.version > change.version ? other : change;
    const [born, died] = [other?.born ?? change.born, other?.died ?? change.died];
    // out of sight and back, or the other way round: as many are seen as before
    const both = (other?.removed || change.removed) && born !== undefined && died !== undefined;
    changes.set(change.id, { ...newer, born: both ? undefined : born, died: both ? undefined : died });
  };
  for (const event of events) {
    if (TOGETHER.has(event.type) && kind === "user") {
      const carried = carriedRows(event);
      carried.forEach(put);
      const count = (key: string) => Number(event.data?.[key] ?? 0);
      bulks.push({ offset: placeOf(event), inserted: count("inserted"), updated: count("updated"), carried });
    } else if (event.subject?.kind === kind) {
      const change = changeOf(event, channel === undefined || event.channel === undefined || event.channel === channel);
      if (change) put(change);
    }
  }
  return { changes, bulks };
}

/** Acts that need another permission than the one of their own name: `users.ban` is what the row allows, `users:ban` what the viewer may. */
const NEEDS: Readonly<Record<string, string>> = {
  "users.unban": "users:ban",
  "personal_data.export": "users:export",
  "api_keys.update": "api_keys:manage",
  "api_keys.rotate": "api_keys:manage",
  "api_keys.revoke": "api_keys:manage",
  "teams.update": "teams:manage",
  "teams.delete": "teams:manage",
  "teams.add_member": "teams:manage",
  "teams.remove_member": "teams:manage",
};
const needOf = (act: string): string => NEEDS[act] ?? act.replace(".", ":");

/** Acts on people and teams: in any state of theirs one of each permission is possible, so that `can` tells of each whether it is held on this row. */
const TOLD_EACH = /^(users|roles|teams|personal_data)\./;

/**
 * What of `acts` the viewer may do. A permission can be held on some rows only, and nobody acts on who stands above them: of a
 * row that was read, `before` says so, and an event changes nothing about it.
 */
function cut(acts: string[], may: ReadonlySet<string>, before?: string[]): string[] {
  const held = before && new Set(before.map(needOf));
  return acts.filter((act) => (held && TOLD_EACH.test(act) ? held.has(needOf(act)) : may.has(needOf(act))));
}

/** Events name people by their id alone where the name is looked up at reading: a name that is known stays. */
function named(row: object, patch: Record<string, unknown> | null): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const field of ["requested_by", "created_by"]) {
    const [before, after] = [(row as Record<string, unknown>)[field], patch?.[field]] as ({ id?: string; name?: string } | null | undefined)[];
    if (before && after && after.id === before.id && !after.name) kept[field] = before;
  }
  return { ...patch, ...kept };
}

/** Whether what the row's person holds is as before: with another role they may stand above the viewer, or no longer. */
function sameHolder(row: object, patch: Record<string, unknown> | null): boolean {
  const roles = (of: unknown) => JSON.stringify((of as { roles?: unknown } | null)?.roles ?? null);
  return roles(row) === roles(patch);
}

export function patchRow<T extends Row>(row: T, change: Change | undefined, may: ReadonlySet<string>): T {
  if (!change || change.version <= (row.version ?? 0)) return row;
  const can = change.acts ? cut(change.acts, may, sameHolder(row, change.patch) ? row.can : undefined) : row.can;
  return { ...row, ...named(row, change.patch), id: row.id, version: change.version, can, gone: change.deleted || row.gone };
}

/** Whether a change takes a row out of sight. */
const takes = (change: Change | undefined, row: Row): boolean => change?.removed === true && change.version >= (row.version ?? 0);

function patchRows<T extends Row>(rows: T[], batch: Batch, may: ReadonlySet<string>): T[] {
  let changed = false;
  const next = rows.flatMap((row) => {
    const change = batch.changes.get(row.id);
    const after = takes(change, row) ? [] : [patchRow(row, change, may)];
    changed ||= after[0] !== row;
    return after;
  });
  return changed ? next : rows;
}

function newcomer<T extends Row>(change: Change, may: ReadonlySet<string>): T {
  return { can: cut(change.acts ?? [], may), ...change.patch, id: change.id, version: change.version } as unknown as T;
}

const inserted = (bulks: Bulk[]) => bulks.reduce((n, bulk) => n + bulk.inserted, 0);

/**
 * What of a batch the total held before. The hub counts rows that are committed, and their events come a moment later: those
 * are the next to come. `shown` newcomers stood in the list already and were not added, `added` were, `gone` were taken off.
 */
function counted(ahead: number, shown: number, added: number, gone: number): { ahead: number; again: number } {
  if (ahead < 0) {
    const again = Math.min(-ahead, gone);
    return { ahead: ahead + again, again: -again };
  }
  const left = Math.max(0, ahead - shown);
  const again = Math.min(left, added);
  return { ahead: left - again, again };
}

const idsOf = <T extends Row>(pages: ListPage<T>[]): Set<string> =>
  new Set(pages.flatMap((page) => [...page.items, ...(page.fresh ?? [])].map((row) => row.id)));

/** `before`: the pages before anything was taken out of sight. */
function withNewcomers<T extends Row>(pages: ListPage<T>[], before: ListPage<T>[], batch: Batch, view: View<T>): ListPage<T>[] {
  const first = pages[0];
  if (!first) return pages;
  const from = first.counted ?? first.offset ?? 0;
  const behind = (offset: number | undefined): offset is number => offset !== undefined && offset > from;
  const candidates = [...batch.changes.values()].filter((change) => !change.deleted && !change.removed && behind(change.born));
  const lost = [...batch.changes.values()].filter((change) => behind(change.died));
  const bulks = batch.bulks.filter((bulk) => behind(bulk.offset));
  if (candidates.length + lost.length + bulks.length === 0) return pages;

  const [known, was] = [idsOf(pages), idsOf(before)];
  const carried = new Set(bulks.flatMap((bulk) => bulk.carried.map((change) => change.id)));
  const came = candidates.filter((change) => !known.has(change.id)).map((change) => newcomer<T>(change, view.may)).filter(view.matches);

  let unread = first.unread ?? 0;
  let total = first.total?.value ?? 0;
  for (const bulk of bulks) {
    const told = bulk.carried.filter((change) => change.born !== undefined).length;
    unread += Math.max(0, bulk.inserted - told);
    // Rows changed in bulk may be on the screen without having been carried: one unread mark is enough to read again.
    if (bulk.updated > bulk.carried.length - told) unread += 1;
    if (view.whole) total += bulk.inserted;
  }
  const single = came.filter((row) => !carried.has(row.id)).length;
  total += single - lost.filter((change) => was.has(change.id) || view.whole).length;
  const shown = candidates.filter((change) => known.has(change.id) && !carried.has(change.id)).length;
  const { ahead, again } = counted(first.total?.ahead ?? 0, shown, single + inserted(bulks), lost.length);
  total -= again;

  const fresh = [...came.reverse(), ...(first.fresh ?? [])];
  unread += Math.max(0, fresh.length - FRESH);
  const next = first.total && { ...first.total, value: Math.max(0, total), ahead };
  const places = [...candidates, ...lost].map((change) => change.died ?? change.born ?? 0).concat(bulks.map((bulk) => bulk.offset));
  const upTo = Math.max(from, ...places.filter((place) => place < NO_PLACE));
  return [{ ...first, fresh: fresh.slice(0, FRESH), unread, counted: upTo, ...(next && { total: next }) }, ...pages.slice(1)];
}

export function applyToList<T extends Row>(data: ListData<T>, batch: Batch, view: View<T>): ListData<T> {
  let changed = false;
  const patched = data.pages.map((page) => {
    const items = patchRows(page.items, batch, view.may);
    const fresh = page.fresh && patchRows(page.fresh, batch, view.may);
    if (items === page.items && fresh === page.fresh) return page;
    changed = true;
    return { ...page, items, ...(fresh && { fresh }) };
  });
  const pages = withNewcomers(patched, data.pages, batch, view);
  return changed || pages !== patched ? { ...data, pages } : data;
}

/** The waiting newcomers step to the top. */
export function takeFresh<T extends Row>(data: ListData<T>): ListData<T> {
  const [first, ...rest] = data.pages;
  if (!first?.fresh?.length) return data;
  return { ...data, pages: [{ ...first, items: [...first.fresh, ...first.items], fresh: [] }, ...rest] };
}

/** All of something at once, without pages: roles, teams. What is deleted stays and says so, as in a list. */
export interface WholeSet<T extends Row> {
  items: T[];
  epoch?: string;
  offset?: number;
}

export function applyToSet<T extends Row>(set: WholeSet<T>, batch: Batch, may: ReadonlySet<string>): WholeSet<T> {
  const items = patchRows(set.items, batch, may);
  const known = new Set(items.map((row) => row.id));
  const came = [...batch.changes.values()].filter((change) => change.born !== undefined && !change.deleted && !change.removed && !known.has(change.id));
  if (items === set.items && came.length === 0) return set;
  return { ...set, items: [...items, ...came.map((change) => newcomer<T>(change, may))] };
}
