/**
 * Lists of what changes without events: connections, channels. They are read again every so often, and a row is what the last
 * reading said.
 *
 * Invariant: while somebody looks closely no row moves and none goes: what is no longer there says so, and newcomers wait.
 */
import type { Row } from "./apply";

export interface Sampled extends Row {
  /** Set here: it was not in the last reading. */
  ended?: boolean;
}

export interface Held<T extends Sampled> {
  rows: T[];
  waiting: number;
  /** Pages of the reading that are among the rows. */
  pages: number;
}

/** A row may stand on two pages of one reading, where its place changed between them. */
function distinct<T extends Sampled>(pages: T[][]): T[] {
  return [...new Map(pages.flat().map((row) => [row.id, row])).values()];
}

export const fresh = <T extends Sampled>(pages: T[][]): Held<T> => ({ rows: distinct(pages), waiting: 0, pages: pages.length });

/** The rows that were held, as the new reading has them; pages that were asked for since follow at their end. */
export function settle<T extends Sampled>(held: Held<T>, pages: T[][]): Held<T> {
  const now = new Map(pages.flat().map((row) => [row.id, row]));
  const known = new Set(held.rows.map((row) => row.id));
  const rows = held.rows.map((row) => now.get(row.id) ?? (row.ended ? row : { ...row, ended: true }));
  const newcomers = new Set(pages.slice(0, held.pages).flat().map((row) => row.id).filter((id) => !known.has(id)));
  const added = distinct(pages.slice(held.pages)).filter((row) => !known.has(row.id) && !newcomers.has(row.id));
  return { rows: [...rows, ...added], waiting: newcomers.size, pages: pages.length };
}
