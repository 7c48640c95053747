import { describe, expect, it } from "vitest";
import { ANOTHER_USER, SIGNED_OUT_ELSEWHERE } from "../codes";
import { KEPT } from "./channel";
import { UNTAKEN } from "./exchange";
import { Refused } from "./socket";
import { at, Hub, type Tab, turn } from "./stage";

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
