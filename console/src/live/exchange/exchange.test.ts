import { describe, expect, it } from "vitest";
import { ANOTHER_USER, SIGNED_OUT_ELSEWHERE } from "../codes";
import type { Position } from "../event";
import { KEPT } from "./channel";
import { Exchange, UNTAKEN } from "./exchange";
import { type ChannelEvents, Refused, type SocketEvents } from "./socket";
import type { LinkFacts, Say, Tell } from "./wire";

const turn = () => new Promise<void>((resume) => setTimeout(resume, 0));
const at = (offset: number, epoch = "e"): Position => ({ epoch, offset });

/** A hub with one way in: every subscription of every socket, newest last. */
class Hub {
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

class Tab {
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

describe("many tabs on one link", () => {
  it("opens one socket and one subscription, and tells every tab what arrives", async () => {
    const hub = new Hub();
    const tabs = [hub.tab(), hub.tab(), hub.tab()];
    for (const tab of tabs) tab.follow(at(4));
    hub.up();
    hub.opens(at(4), true, 5);
    await turn();
    hub.publishes(6);
    await turn();
    expect([hub.sockets.length, hub.subscriptions.length]).toEqual([1, 1]);
    expect(tabs.map((tab) => tab.story)).toEqual([[5, 6], [5, 6], [5, 6]]);
    expect(tabs[0]?.facts).toMatchObject({ state: "live", client: "c", node: "n", transport: "websocket", tabs: 3 });
  });

  it("gives a tab that comes later what lies between its place and the present, once", async () => {
    const hub = new Hub();
    hub.tab().follow(at(4));
    hub.opens(at(4), true, 5, 6, 7);
    await turn();
    const late = hub.tab();
    late.follow(at(5));
    hub.publishes(8);
    await turn();
    expect(late.story).toEqual([6, 7, 8]);
    expect(hub.subscriptions.length).toBe(1);
  });

  it("tells a tab nothing that its snapshot held already", async () => {
    const hub = new Hub();
    hub.tab().follow(at(4));
    hub.opens(at(4), true);
    await turn();
    const ahead = hub.tab();
    ahead.follow(at(6));
    hub.publishes(5, 6, 7);
    await turn();
    expect(ahead.story).toEqual([7]);
  });

  it("tells a tab to read again whose place lies before what is kept, and it alone", async () => {
    const hub = new Hub();
    const first = hub.tab();
    first.follow(at(0));
    hub.opens(at(0), true, ...Array.from({ length: KEPT + 10 }, (_, index) => index + 1));
    await turn();
    const early = hub.tab();
    early.follow(at(5));
    hub.publishes(1000);
    await turn();
    expect(early.story).toEqual(["lost", 1000]);
    expect(first.story).not.toContain("lost");
  });

  it("gives a tab without a place what comes from now on", async () => {
    const hub = new Hub();
    hub.tab().follow(at(4));
    hub.opens(at(4), true, 5);
    await turn();
    const plain = hub.tab();
    plain.follow();
    hub.publishes(6);
    await turn();
    expect(plain.story).toEqual([6]);
    expect(plain.heard).toContainEqual(expect.objectContaining({ is: "followed", recovered: true, position: at(5) }));
  });

  it("opens a channel anew for a place that comes while it is being opened without one", async () => {
    const hub = new Hub();
    hub.tab().follow();
    const placed = hub.tab();
    placed.follow(at(4));
    expect(hub.subscriptions.map((each) => [each.since, each.open])).toEqual([[undefined, false], [at(4), true]]);
    hub.opens(at(4), true, 5);
    await turn();
    expect(placed.story).toEqual([5]);
  });

  it("asks the hub which of two streams is the present one; the tabs of the other read again", async () => {
    const hub = new Hub();
    const [old, fresh] = [hub.tab(), hub.tab()];
    old.follow(at(90));
    hub.opens(at(90), true);
    await turn();
    fresh.follow(at(2, "f"));
    expect(hub.sub().since).toEqual(at(2, "f"));
    hub.opens(at(2, "f"), true, 3);
    await turn();
    expect(old.story).toEqual(["lost"]);
    expect(fresh.story).toEqual([3]);
  });

  it("tells all to read again when the hub cannot resume", async () => {
    const hub = new Hub();
    const tabs = [hub.tab(), hub.tab()];
    for (const tab of tabs) tab.follow(at(4));
    hub.opens(at(4), true);
    await turn();
    hub.opens(at(900, "f"), false);
    await turn();
    hub.publishes(901);
    await turn();
    expect(tabs.map((tab) => tab.story)).toEqual([["lost", 901], ["lost", 901]]);
  });

  it("resumes all tabs after a break with what they missed, and drops what comes twice", async () => {
    const hub = new Hub();
    const tabs = [hub.tab(), hub.tab()];
    for (const tab of tabs) tab.follow(at(4));
    hub.up();
    hub.opens(at(4), true, 5);
    await turn();
    hub.socket.on.broken();
    await turn();
    expect(tabs[1]?.facts?.state).toBe("reconnecting");
    hub.up();
    hub.opens(at(5), true, 5, 6, 7);
    await turn();
    expect(tabs.map((tab) => tab.story)).toEqual([[5, 6, 7], [5, 6, 7]]);
  });

  it("passes on what has no offset to all who are there, and keeps none of it", async () => {
    const hub = new Hub();
    const tab = hub.tab();
    tab.follow();
    hub.opens(null);
    await turn();
    hub.sub().on.arrived({ data: { progress: 1 } });
    await turn();
    const late = hub.tab();
    late.follow();
    await turn();
    expect(tab.heard.filter((tell) => tell.is === "events").length).toBe(1);
    expect(late.heard.filter((tell) => tell.is === "events").length).toBe(0);
  });
});

describe("tabs that go, stall or sign out", () => {
  it("notices a tab that went without a word, leaves its channels, and hangs up after the last", async () => {
    const hub = new Hub();
    const stays = hub.tab("ann", "stays");
    hub.tab("ann", "goes").follow(at(1));
    hub.dies("goes");
    await turn();
    expect(hub.sub().open).toBe(false);
    expect(stays.facts?.tabs).toBe(1);
    expect(hub.socket.open).toBe(true);
    hub.dies("stays");
    expect(hub.socket.open).toBe(false);
  });

  it("keeps a channel open while another tab follows it", () => {
    const hub = new Hub();
    const [one, other] = [hub.tab(), hub.tab()];
    one.follow(at(1));
    other.follow(at(1));
    one.say({ do: "leave", channel: "feed:users" });
    expect(hub.sub().open).toBe(true);
    other.say({ do: "bye", signedOut: false });
    expect(hub.sub().open).toBe(false);
  });

  it("ends the link for all tabs when one signs out", async () => {
    const hub = new Hub();
    const [one, other] = [hub.tab(), hub.tab()];
    one.say({ do: "bye", signedOut: true });
    await turn();
    expect([one.ended, other.ended, hub.socket.open]).toEqual([undefined, SIGNED_OUT_ELSEWHERE, false]);
  });

  it("ends the link of one user when another comes, and hears the first no more", async () => {
    const hub = new Hub();
    const [ann, bob] = [hub.tab("ann"), hub.tab("bob")];
    ann.follow(at(1));
    await turn();
    expect(ann.ended).toBe(ANOTHER_USER);
    expect([hub.sockets.length, hub.sockets[0]?.open, hub.socket.open]).toEqual([2, false, true]);
    expect(hub.subscriptions.length).toBe(0);
    expect(bob.facts?.tabs).toBe(1);
  });

  it("tells every tab that the hub ended the link, and opens another when one asks", async () => {
    const hub = new Hub();
    const tabs = [hub.tab("ann", "one"), hub.tab("ann", "other")];
    hub.socket.on.ended(3503, "maintenance");
    await turn();
    expect(tabs.map((tab) => tab.ended)).toEqual([3503, 3503]);
    tabs[0]?.say({ do: "hello", user: "ann", lock: null });
    expect(hub.sockets.length).toBe(2);
  });

  it("leaves a tab behind that takes nothing, and fills the gap when it can take again", async () => {
    const hub = new Hub();
    const [quick, slow] = [hub.tab(), hub.tab()];
    for (const tab of [quick, slow]) tab.follow(at(0));
    hub.opens(at(0), true);
    await turn();
    const many = UNTAKEN + 1;
    for (let offset = 1; offset <= many + 100; offset += 1) {
      hub.publishes(offset);
      quick.say({ do: "took", count: 1 });
    }
    await turn();
    expect(slow.story.length).toBe(many);
    slow.say({ do: "took", count: many });
    await turn();
    expect(slow.story).toEqual(quick.story);
    hub.publishes(many + 101);
    await turn();
    expect(slow.story).toEqual(quick.story);
  });

  it("tells a tab to read again that was behind by more than is kept", async () => {
    const hub = new Hub();
    const slow = hub.tab();
    slow.follow(at(0));
    hub.opens(at(0), true);
    await turn();
    const many = UNTAKEN + 1;
    hub.publishes(...Array.from({ length: many + KEPT + 5 }, (_, index) => index + 1));
    await turn();
    slow.say({ do: "took", count: many });
    hub.publishes(5000);
    await turn();
    expect(slow.story.slice(many)).toEqual(["lost", 5000]);
  });

  it("lets a channel that the hub refused be asked for again", async () => {
    const hub = new Hub();
    const tab = hub.tab();
    tab.follow(at(1));
    hub.sub().on.refused(103);
    await turn();
    expect(tab.heard).toContainEqual({ is: "refused", channel: "feed:users", code: 103 });
    tab.follow(at(1));
    expect(hub.subscriptions.filter((each) => each.open).length).toBe(1);
  });
});

describe("the token", () => {
  const asked = (tab: Tab) => tab.heard.flatMap((tell) => (tell.is === "token" ? [tell.ask] : [])).at(-1) ?? -1;

  it("is fetched by the tab that was heard of last", async () => {
    const hub = new Hub();
    const [one, other] = [hub.tab(), hub.tab()];
    one.follow();
    const token = hub.socket.token();
    await turn();
    expect(asked(other)).toBe(-1);
    one.say({ do: "token", ask: asked(one), token: "t", refused: false });
    expect(await token).toBe("t");
  });

  it("is fetched anew for all tabs where the session of one has another id", () => {
    const hub = new Hub();
    const [one, other] = [hub.tab(), hub.tab()];
    one.say({ do: "renew" });
    expect([hub.sockets.length, hub.socket.renewed, hub.socket.open]).toEqual([1, 1, true]);
    expect(other.heard.some((tell) => tell.is === "ended")).toBe(false);
  });

  it("is fetched by another where one cannot", async () => {
    const hub = new Hub();
    const [one, other] = [hub.tab(), hub.tab()];
    const token = hub.socket.token();
    await turn();
    other.say({ do: "token", ask: asked(other), token: null, refused: false });
    await turn();
    one.say({ do: "token", ask: asked(one), token: "t", refused: false });
    expect(await token).toBe("t");
  });

  it("is asked of nobody else once the hub refused it", async () => {
    const hub = new Hub();
    const [one, other] = [hub.tab(), hub.tab()];
    const token = hub.socket.token();
    await turn();
    other.say({ do: "token", ask: asked(other), token: null, refused: true });
    await expect(token).rejects.toBeInstanceOf(Refused);
    expect(asked(one)).toBe(-1);
  });
});

/** A small seeded generator: the same runs every time. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe("any order", () => {
  it("leaves no tab with a gap or a repeat, whatever comes when", async () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const next = random(seed);
      const hub = new Hub();
      const tabs: { tab: Tab; from: number }[] = [];
      let top = 0;
      let seen = 0;
      let up = false;
      const come = () => {
        const tab = hub.tab();
        // A snapshot may be a little older than the present, or read just ahead of what the link has told.
        const from = Math.max(0, top - next(4));
        tab.follow(at(from));
        tabs.push({ tab, from });
      };
      come();
      for (let step = 0; step < 40; step += 1) {
        const what = next(6);
        if (what === 0) come();
        else if (what === 1 && up) {
          up = false;
          hub.socket.on.broken();
        } else if (what === 2 && !up) {
          up = true;
          const since = hub.sub().since?.offset ?? 0;
          const from = Math.max(seen, since);
          hub.up();
          hub.opens(at(from), true, ...Array.from({ length: top - from }, (_, index) => from + 1 + index));
          seen = top;
        } else {
          top += 1;
          if (up) {
            hub.publishes(top);
            seen = top;
          }
        }
        if (next(2) === 0) await Promise.resolve();
      }
      if (!up) hub.opens(at(seen), true, ...Array.from({ length: top - seen }, (_, index) => seen + 1 + index));
      await turn();
      for (const { tab, from } of tabs) {
        const story = tab.story;
        if (story.includes("lost")) continue;
        expect(story).toEqual(Array.from({ length: top - from }, (_, index) => from + 1 + index));
      }
      expect(tabs.filter(({ tab }) => !tab.story.includes("lost")).length).toBeGreaterThan(0);
    }
  });
});
