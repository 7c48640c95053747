/** The Centrifuge client, as little of it as the exchange needs. */
import { Centrifuge, type Subscription, SubscriptionState, UnauthorizedError } from "centrifuge";
import type { Position } from "../event";
import type { Arrival, Present } from "./wire";

export interface Opened {
  /** Where the stream stands; null where the channel keeps none. */
  position: Position | null;
  /** Whether everything behind the place that was asked for follows. False too where none was asked for. */
  recovered: boolean;
}

export interface ChannelEvents {
  opened: (opened: Opened) => void;
  arrived: (arrival: Arrival) => void;
  /** For good: nobody tries again. */
  refused: (code: number) => void;
  present: (people: Present[]) => void;
}

export interface Following {
  close: () => void;
}

export interface Socket {
  follow: (channel: string, since: Position | undefined, on: ChannelEvents) => Following;
  /** A question to the hub and back, in milliseconds. */
  measure: () => Promise<number>;
  /** Opens anew with another token; what is followed goes on from where it stands. */
  renew: () => void;
  close: () => void;
}

export interface SocketEvents {
  connected: (facts: { client: string; transport: string; node: string | null }) => void;
  /** Not connected now; the client tries by itself. */
  broken: () => void;
  /** For good. */
  ended: (code: number, reason: string) => void;
}

/** A token that the hub will not give, rather than one that could not be fetched. */
export class Refused extends Error {}

/** `network` tells of "online" and "offline". */
export function openSocket(on: SocketEvents, token: () => Promise<string>, network: EventTarget): Socket {
  const address = new URL("/connection/websocket", location.origin);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const getToken = () =>
    token().catch((error: unknown) => {
      throw error instanceof Refused ? new UnauthorizedError(error.message) : error;
    });
  const client = new Centrifuge(address.href, { getToken, name: "console", networkEventTarget: network });
  client.on("connected", ({ client: id, transport, data }) => on.connected({ client: id, transport, node: nodeOf(data) }));
  client.on("connecting", ({ code }) => code !== 0 && on.broken());
  client.on("disconnected", ({ code, reason }) => code !== 0 && on.ended(code, reason));
  client.connect();
  return {
    follow: (channel, since, events) => follow(client, channel, since, events),
    measure: async () => {
      const began = performance.now();
      // The hub offers no such procedure; that it says so is the answer.
      await client.rpc("ping", {}).catch(() => {});
      return performance.now() - began;
    },
    renew: () => {
      client.disconnect();
      client.setToken("");
      client.connect();
    },
    close: () => client.disconnect(),
  };
}

function nodeOf(data: unknown): string | null {
  const node = (data as { node?: unknown } | null | undefined)?.node;
  return typeof node === "string" ? node : null;
}

/** Codes below are the client's own: closed from here. */
const REFUSED = 100;

/** Presence alone is asked for where a page tells who looks at it. */
const tellsWho = (channel: string) => channel.startsWith("page:");

function follow(client: Centrifuge, channel: string, since: Position | undefined, on: ChannelEvents): Following {
  const subscription = client.newSubscription(channel, { ...(since && { since: { ...since } }), joinLeave: tellsWho(channel) });
  subscription.on("subscribed", ({ streamPosition, wasRecovering, recovered }) => {
    const position = streamPosition ? { epoch: streamPosition.epoch, offset: streamPosition.offset } : null;
    on.opened({ position, recovered: wasRecovering && recovered });
  });
  subscription.on("publication", ({ data, offset }) => on.arrived({ data: data as unknown, ...(offset !== undefined && { offset }) }));
  subscription.on("unsubscribed", ({ code }) => code >= REFUSED && on.refused(code));
  const unwatch = tellsWho(channel) ? watchPresence(subscription, on.present) : () => {};
  subscription.subscribe();
  return {
    close: () => {
      unwatch();
      client.removeSubscription(subscription);
    },
  };
}

/** Present at most, so that a page open everywhere does not fill a tab with names. */
const PRESENT = 100;
/** Comings and goings are told once and not kept: who is there is asked again after so many milliseconds. */
const ASKED_AGAIN = 20_000;

interface Info {
  client: string;
  user: string;
  connInfo?: unknown;
}

/** The returned function ends it. */
function watchPresence(subscription: Subscription, tell: (people: Present[]) => void): () => void {
  const here = new Map<string, Present>();
  const put = ({ client, user, connInfo }: Info) => {
    const name = (connInfo as { name?: unknown } | undefined)?.name;
    if (here.size < PRESENT) here.set(client, { client, user, ...(typeof name === "string" && { name }) });
  };
  const say = () => tell([...here.values()]);
  const ask = () => {
    if (subscription.state !== SubscriptionState.Subscribed) return;
    subscription.presence().then(
      ({ clients }) => {
        here.clear();
        for (const info of Object.values(clients)) put(info as Info);
        say();
      },
      () => {},
    );
  };
  subscription.on("subscribed", ask);
  const timer = setInterval(ask, ASKED_AGAIN);
  subscription.on("join", ({ info }) => {
    put(info as Info);
    say();
  });
  subscription.on("leave", ({ info }) => {
    if (here.delete(info.client)) say();
  });
  return () => clearInterval(timer);
}
