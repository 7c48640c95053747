/** One event of the live link, as the hub sends it. */
export interface LiveEvent {
  id?: string;
  channel?: string;
  /** Absent on what is not kept: progress, counters, the state of actors. */
  offset?: number;
  at: string;
  type: string;
  actor?: { id?: string | null; name?: string | null } | null;
  subject?: { kind: string; id: string; version?: number } | null;
  patch?: Record<string, unknown> | null;
  acts?: string[];
  cause?: string | null;
  severity?: string;
  text?: string;
  masked?: string[];
  /** The row was there before, and out of this viewer's sight. */
  came?: boolean;
  rows?: Record<string, unknown>[];
  data?: Record<string, unknown>;
  counters?: Record<string, number>;
  progress?: { done: number; total?: number | null; phase?: string | null };
  /** Sessions and how many live connections hang on each. */
  sockets?: Record<string, number>;
  items?: unknown[];
  node?: string;
}

/** A place in a channel's stream. */
export interface Position {
  epoch: string;
  offset: number;
}
