/** What the tests of the exchange stand on: a hub and tabs without sockets, locks or a browser. */
import type { Position } from "../event";
import { Exchange } from "./exchange";
import type { ChannelEvents, SocketEvents } from "./socket";
import type { LinkFacts, Say, Tell } from "./wire";

export const turn = () => new Promise<void>((resume) => setTimeout(resume, 0));
export const at = (offset: number, epoch = "e"): Position => ({ epoch, offset });

/** A hub with one way in: every subscription of every socket, newest last. */
export class Hub {
  sockets: { on: SocketEvents; token: () => Promise<string>; open: boolean; renewed: number }[] = [];
  subscriptions: { channel: string; since?: Position; on: ChannelEvents; open: boolean }[] = [];
  private waits = new Map<string, () => void>();
  exchange = new Exchange({
    open: (on, token) => {
      const socket = { on, token, open: true, renewed: 0 };
      this.sockets.push(socket);
      return {
        follow: (channel, since, on) => {
          const subscription = { channel, on, open: true, ...(since && { since }) };
          this.subscriptions.push(subscription);
          return { close: () => void (subscription.open = false) };
        },
        measure: () => Promise.resolve(7),
        renew: () => {
          socket.renewed += 1;
        },
        close: () => void (socket.open = false),
      };
    },
    whenFree: (lock, gone) => this.waits.set(lock, gone),
    lock: "worker",
  });

  tab(user = "ann", lock = `tab-${this.waits.size}`): Tab {
    return new Tab(this.exchange, user, lock);
  }
  /** The tab with this lock was closed, or crashed. */
  dies(lock: string): void {
    this.waits.get(lock)?.();
  }
  up(): void {
    this.socket.on.connected({ client: "c", transport: "websocket", node: "n" });
  }
  get socket() {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }
  sub(channel = "feed:users") {
    const subscription = this.subscriptions.findLast((each) => each.channel === channel);
    if (!subscription) throw new Error("nobody follows it");
    return subscription;
  }
  opens(top: Position | null, recovered = false, ...offsets: number[]): void {
    const { on } = this.sub();
    on.opened({ position: top, recovered });
    this.publishes(...offsets);
  }
  publishes(...offsets: number[]): void {
    for (const offset of offsets) this.sub().on.arrived({ offset, data: { n: offset } });
  }
}

export class Tab {
  heard: Tell[] = [];
  say: (say: Say) => void;
  constructor(exchange: Exchange, user: string, lock: string) {
    this.say = exchange.join((tells) => this.heard.push(...tells));
    this.say({ do: "hello", user, lock });
  }
  follow(since?: Position): void {
    this.say({ do: "follow", channel: "feed:users", ...(since && { since }) });
  }
  /** What happened in the channel, in the order it was told; a loss as a word. */
  get story(): (number | "lost" | undefined)[] {
    return this.heard.flatMap((tell) => (tell.is === "followed" ? [...(tell.recovered ? [] : ["lost" as const]), ...tell.events.map((each) => each.offset)] : tell.is === "events" ? tell.events.map((each) => each.offset) : []));
  }
  get facts(): LinkFacts | undefined {
    return this.heard.flatMap((tell) => (tell.is === "link" ? [tell.facts] : [])).at(-1);
  }
  get ended(): number | undefined {
    return this.heard.flatMap((tell) => (tell.is === "ended" ? [tell.code] : [])).at(-1);
  }
}
