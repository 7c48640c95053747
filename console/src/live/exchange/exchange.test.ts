import { describe, expect, it } from "vitest";
import { KEPT } from "./channel";
import { at, Hub, type Tab, turn } from "./stage";

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
