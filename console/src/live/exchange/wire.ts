/**
 * What a tab and the exchange say to each other, over the port of a shared worker or within one tab. Both ends come from
 * one build: a newer console has a worker of its own.
 */
import type { Position } from "../event";

/** One publication as it came, before anyone makes sense of it. */
export interface Arrival {
  /** Absent on what is not kept. */
  offset?: number;
  data: unknown;
}

/** Somebody who is present in a channel: one of their connections. */
export interface Present {
  client: string;
  user: string;
  name?: string;
}

/** A tab speaks. */
export type Say =
  /** The first word, and the first again after `ended`. */
  | { do: "hello"; user: string; lock: string | null }
  /** Everything behind `since`; from now on without it. Saying it again asks anew from there. */
  | { do: "follow"; channel: string; since?: Position }
  | { do: "leave"; channel: string }
  | { do: "token"; ask: number; token: string | null; refused: boolean }
  /** So many arrivals were taken: more may come. */
  | { do: "took"; count: number }
  | { do: "measure" }
  /** The session has a new id: the socket is opened anew. */
  | { do: "renew" }
  /** The browser says so. */
  | { do: "network"; online: boolean }
  | { do: "bye"; signedOut: boolean };

export interface LinkFacts {
  state: "connecting" | "live" | "reconnecting";
  /** Of this connection, as the hub calls it. */
  client: string | null;
  node: string | null;
  transport: string | null;
  /** Milliseconds of the clock since when the link stands; null while it does not. */
  since: number | null;
  /** Of a question to the hub and back, in milliseconds. */
  latency: number | null;
  /** How many tabs share the link, this one included. */
  tabs: number;
}

/** The exchange speaks. */
export type Tell =
  /** `lock` is held for as long as the worker lives; null where it lives in the tab itself. */
  | { is: "welcome"; lock: string | null }
  | { is: "link"; facts: LinkFacts }
  | { is: "ended"; code: number; reason: string }
  | { is: "token"; ask: number }
  /**
   * The channel is open, or open again. `recovered`: nothing lies between what the tab had and `events`. Otherwise it has to
   * read again what it shows. `position` is that behind `events`; null where the channel keeps none.
   */
  | { is: "followed"; channel: string; recovered: boolean; position: Position | null; events: Arrival[] }
  | { is: "refused"; channel: string; code: number }
  | { is: "events"; channel: string; events: Arrival[] }
  | { is: "present"; channel: string; people: Present[] };

/** The tab's side of the way to an exchange. */
export interface Line {
  say: (say: Say) => void;
  close: () => void;
}
