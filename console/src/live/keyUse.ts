/** When and from where API keys were used, told as a state: no change of the key, so its version stays. */
import type { QueryClient } from "@tanstack/react-query";
import type { ListData, Row } from "./apply";
import type { LiveEvent } from "./event";

type Uses = ReadonlyMap<string, Record<string, unknown>>;

/** What a batch tells of each key; of several, the last. */
const usesIn = (events: LiveEvent[]): Uses => new Map(events.flatMap(({ type, subject, data }) => (type === "api_key.used" && subject && data ? [[subject.id, data] as const] : [])));

/** The rows with their uses; the same array where nothing is told of any. */
export function withUses<T extends Row>(rows: T[], events: LiveEvent[]): T[] {
  const uses = usesIn(events);
  return rows.some((row) => uses.has(row.id)) ? rows.map((row) => ({ ...row, ...uses.get(row.id) })) : rows;
}

export function applyKeyUse(queries: QueryClient, events: LiveEvent[]): void {
  const ours = events.filter(({ type }) => type === "api_key.used");
  if (ours.length === 0) return;
  queries.setQueriesData<ListData<Row>>({ queryKey: ["api_keys", "list"] }, (data) => data && { ...data, pages: data.pages.map((page) => ({ ...page, items: withUses(page.items, ours), ...(page.fresh && { fresh: withUses(page.fresh, ours) }) })) });
  queries.setQueriesData<Row[]>({ queryKey: ["api_keys", "own"] }, (rows) => rows && withUses(rows, ours));
  for (const [id, use] of usesIn(ours)) queries.setQueryData<Row>(["api_keys", "one", id], (row) => row && { ...row, ...use });
}
