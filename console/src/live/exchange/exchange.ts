/**
 * Joins many tabs to one link. It lives in a shared worker, or in the tab itself where there is none; it knows neither.
 *
 * Invariant: one user at a time. Whoever signs out, or in as somebody else, ends the link for all tabs. What waits for a tab
 * that takes nothing is bounded: it is left behind and catches up when it can.
 */
import { ANOTHER_USER, SIGNED_OUT_ELSEWHERE } from "../codes";
import { type Listener, SharedChannel } from "./channel";
import { Refused, type Socket, type SocketEvents } from "./socket";
import type { LinkFacts, Say, Tell } from "./wire";

/** Arrivals on their way to a tab beyond which it counts as behind. */
export const UNTAKEN = 1024;
/** How long a tab may take to fetch a token before another is asked, in milliseconds. */
const TOKEN = 6000;

export interface World {
  open: (on: SocketEvents, token: () => Promise<string>, network: EventTarget) => Socket;
  /** Calls back once the lock is free: whoever held it is gone. */
  whenFree: (lock: string, gone: () => void) => void;
  /** Held while this exchange lives; null where it lives and dies with its only tab. */
  lock: string | null;
}

/** A tab, as the exchange's end of its line knows it. */
class Member implements Listener {
  private out: Tell[] = [];
  private untaken = 0;
  private stalled = false;
  heard = 0;

  constructor(private post: (tells: Tell[]) => void) {}

  get behind(): boolean {
    return this.stalled;
  }

  /** Gathers what is told in one turn into one message. */
  tell(tell: Tell): void {
    if (tell.is === "events" || tell.is === "followed") this.untaken += tell.events.length;
    this.stalled ||= this.untaken > UNTAKEN;
    this.out.push(tell);
    if (this.out.length > 1) return;
    queueMicrotask(() => {
      const out = this.out;
      this.out = [];
      this.post(out);
    });
  }

  /** True when it was behind and has now taken everything. */
  took(count: number): boolean {
    this.untaken = Math.max(0, this.untaken - count);
    if (!this.stalled || this.untaken > 0) return false;
    this.stalled = false;
    return true;
  }
}

interface Ask {
  answer: (token: string) => void;
  fail: (error: Error) => void;
}

const DOWN: Omit<LinkFacts, "tabs"> = { state: "connecting", client: null, node: null, transport: null, since: null, latency: null };

export class Exchange {
  private members = new Set<Member>();
  private channels = new Map<string, SharedChannel>();
  private socket: Socket | null = null;
  private user: string | null = null;
  private network = new EventTarget();
  private facts = DOWN;
  private asks = new Map<number, Ask>();
  private asked = 0;
  private turns = 0;

  constructor(private world: World) {}

  /** A tab has called. Answers how to hand on what it says. */
  join(post: (tells: Tell[]) => void): (say: Say) => void {
    const member = new Member(post);
    return (say) => this.hear(member, say);
  }

  private hear(member: Member, say: Say): void {
    if (say.do === "hello") return this.hello(member, say.user, say.lock);
    if (!this.members.has(member)) return;
    member.heard = this.turns += 1;
    switch (say.do) {
      case "follow":
        return this.channel(say.channel)?.follow(member, say.since);
      case "leave":
        return this.left(say.channel, member);
      case "took":
        if (member.took(say.count)) for (const channel of this.channels.values()) channel.catchUp(member);
        return;
      case "token":
        return this.tokenCame(say);
      case "renew":
        return this.socket?.renew();
      case "measure":
        return void this.measure();
      case "network":
        return void this.network.dispatchEvent(new Event(say.online ? "online" : "offline"));
      case "bye":
        return say.signedOut ? this.over(SIGNED_OUT_ELSEWHERE, "", member) : this.gone(member);
    }
  }

  private hello(member: Member, user: string, lock: string | null): void {
    if (this.user !== null && this.user !== user) this.over(ANOTHER_USER, "");
    this.user = user;
    this.members.add(member);
    member.heard = this.turns += 1;
    if (lock) this.world.whenFree(lock, () => this.gone(member));
    member.tell({ is: "welcome", lock: this.world.lock });
    this.socket ??= this.connect();
    this.tellFacts();
  }

  private connect(): Socket {
    let up = false;
    const facts = (next: Partial<LinkFacts>) => {
      if (this.socket !== socket) return;
      this.facts = { ...DOWN, ...next };
      this.tellFacts();
    };
    const socket = this.world.open(
      {
        connected: (told) => {
          up = true;
          facts({ ...told, state: "live", since: Date.now() });
        },
        broken: () => facts({ state: up ? "reconnecting" : "connecting" }),
        ended: (code, reason) => this.socket === socket && this.over(code, reason),
      },
      () => this.token(),
      this.network,
    );
    return socket;
  }

  private tellFacts(): void {
    for (const member of this.members) member.tell({ is: "link", facts: { ...this.facts, tabs: this.members.size } });
  }

  private async measure(): Promise<void> {
    const { socket, facts } = this;
    if (!socket || facts.state !== "live") return;
    const latency = await socket.measure();
    // An answer of a connection that is no more says nothing about this one.
    if (this.facts.since !== facts.since) return;
    this.facts = { ...this.facts, latency };
    this.tellFacts();
  }

  private channel(name: string): SharedChannel | null {
    if (!this.socket) return null;
    let channel = this.channels.get(name);
    if (!channel) {
      channel = new SharedChannel(name, this.socket, () => this.channels.delete(name));
      this.channels.set(name, channel);
    }
    return channel;
  }

  private left(name: string, member: Member): void {
    const channel = this.channels.get(name);
    channel?.leave(member);
    if (channel?.empty) this.channels.delete(name);
  }

  private gone(member: Member): void {
    if (!this.members.delete(member)) return;
    for (const name of [...this.channels.keys()]) this.left(name, member);
    if (this.members.size === 0) this.hangUp();
    else this.tellFacts();
  }

  /** The link is over for everybody but `but`, who knows. */
  private over(code: number, reason: string, but?: Member): void {
    for (const member of this.members) if (member !== but) member.tell({ is: "ended", code, reason });
    this.members.clear();
    this.hangUp();
  }

  private hangUp(): void {
    const { socket } = this;
    this.socket = null;
    this.user = null;
    this.facts = DOWN;
    this.channels.clear();
    for (const ask of this.asks.values()) ask.fail(new Error("nobody is there"));
    socket?.close();
  }

  /** Asks the tabs, one after another, those first that were heard of last. */
  private async token(): Promise<string> {
    const members = [...this.members].sort((a, b) => b.heard - a.heard);
    for (const member of members) {
      try {
        return await this.ask(member);
      } catch (error) {
        if (error instanceof Refused) throw error;
      }
    }
    throw new Error("no tab could fetch a token");
  }

  private ask(member: Member): Promise<string> {
    const ask = (this.asked += 1);
    return new Promise<string>((answer, fail) => {
      const timer = setTimeout(() => this.asks.get(ask)?.fail(new Error("late")), TOKEN);
      const settle = <T>(run: (value: T) => void) => (value: T) => {
        clearTimeout(timer);
        this.asks.delete(ask);
        run(value);
      };
      this.asks.set(ask, { answer: settle(answer), fail: settle(fail) });
      member.tell({ is: "token", ask });
    });
  }

  private tokenCame({ ask, token, refused }: Extract<Say, { do: "token" }>): void {
    if (token !== null) this.asks.get(ask)?.answer(token);
    else this.asks.get(ask)?.fail(refused ? new Refused("the hub gives no token") : new Error("no token came"));
  }
}
