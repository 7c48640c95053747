/**
 * The events of the chosen channels as they came, newest last.
 *
 * Invariant: memory is bounded, by number and by size: the oldest go first, and how many came in all is known.
 */
import type { Row } from "../../live/apply";
import type { Arrival } from "../../live/exchange/wire";

/** Events kept, and their size in bytes of JSON. */
export const KEPT = 2000;
export const BYTES = 8_000_000;

export interface Entry extends Row {
  /** When it reached this tab, in milliseconds of the clock. */
  at: number;
  channel: string;
  offset?: number;
  type: string | null;
  /** `name`: as the row itself is called, where the event brings the row. */
  subject: { kind: string; id: string; name: string | null } | null;
  actor: string | null;
  /** Bytes of the event's JSON. */
  size: number;
  data: unknown;
}

const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);
const fields = (value: unknown): Record<string, unknown> => (typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {});

const bytes = new TextEncoder();

/** Events of an application may be anything: what they do not tell stays empty. */
export function entryOf(id: number, channel: string, { offset, data }: Arrival, at: number): Entry {
  const event = fields(data);
  const subject = fields(event.subject);
  const [kind, subjectId] = [text(subject.kind), text(subject.id)];
  const row = fields(event.patch);
  return {
    id: `event-${id}`,
    at,
    channel,
    type: text(event.type),
    subject: kind && subjectId ? { kind, id: subjectId, name: text(row.name) ?? text(row.action) } : null,
    actor: text(fields(event.actor).name),
    size: bytes.encode(JSON.stringify(data) ?? "").length,
    data,
    ...(offset !== undefined && { offset }),
  };
}

/** Whether every word of `wanted` stands in the entry's channel, type, subject, its name or actor. */
export function matches(entry: Entry, wanted: string): boolean {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const told = [entry.channel, entry.type, entry.subject?.kind, entry.subject?.id, entry.subject?.name, entry.actor].join(" ").toLowerCase();
  return words.every((word) => told.includes(word));
}

export class Tape {
  private entries: Entry[] = [];
  private size = 0;
  /** Came in all, kept or not. */
  count = 0;

  add(channel: string, arrival: Arrival, at: number): Entry {
    this.count += 1;
    const entry = entryOf(this.count, channel, arrival, at);
    this.entries.push(entry);
    this.size += entry.size;
    while (this.entries.length > KEPT || (this.size > BYTES && this.entries.length > 1)) this.size -= this.entries.shift()?.size ?? 0;
    return entry;
  }

  clear(): void {
    this.entries = [];
    this.size = 0;
    this.count = 0;
  }

  /** The newest first, as a new list. */
  read(wanted: string): Entry[] {
    return this.entries.filter((entry) => matches(entry, wanted)).reverse();
  }
}
