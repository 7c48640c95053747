/** The whole life of a key: what was done to it, from the audit log, and what came by itself, from the key. Pure. */
import type { ApiKey, Audit } from "../../api/types";

export type Moment = { kind: "entry"; at: string; entry: Audit } | { kind: "firstUsed" | "lastUsed" | "expired" | "previousEnded"; at: string };

type Times = Pick<ApiKey, "first_used_at" | "last_used_at" | "expires_at" | "previous_until" | "revoked_at">;

/** Newest first. `complete`: whether all entries are read; what lies before the oldest that is read waits for the others. */
export function momentsOf(row: Times, entries: readonly Audit[], complete: boolean, now: number): Moment[] {
  const { first_used_at: first, last_used_at: last, expires_at: end, previous_until: previous, revoked_at: revoked } = row;
  const past = (at: string | null | undefined): at is string => Boolean(at) && Date.parse(at ?? "") <= now;
  const byItself: Moment[] = [];
  if (first) byItself.push({ kind: "firstUsed", at: first });
  if (last && last !== first) byItself.push({ kind: "lastUsed", at: last });
  if (past(end) && !(revoked && revoked < end)) byItself.push({ kind: "expired", at: end });
  if (past(previous)) byItself.push({ kind: "previousEnded", at: previous });
  const oldest = complete ? "" : (entries.at(-1)?.at ?? "");
  const all: Moment[] = [...entries.map((entry): Moment => ({ kind: "entry", at: entry.at, entry })), ...byItself.filter((moment) => Date.parse(moment.at) >= (oldest ? Date.parse(oldest) : 0))];
  return all.sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
}
