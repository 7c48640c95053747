import { beforeEach, describe, expect, it, vi } from "vitest";
import type { LiveEvent } from "./event";
import type { LinkFacts, Say, Tell } from "./exchange/wire";
import { Link } from "./link";
import { pill } from "./pill";

vi.mock("../api/client", () => ({ api: {}, must: () => Promise.reject(new Error("offline")) }));

const at = (offset: number, epoch = "e") => ({ epoch, offset });
const facts = (state: LinkFacts["state"]): Tell => ({ is: "link", facts: { state, client: "c", node: null, transport: "websocket", since: 0, latency: null, tabs: 1 } });
const arrivals = (...offsets: number[]) => offsets.map((offset) => ({ offset, data: { at: "", type: "user.updated" } }));
const followed = (channel: string, recovered: boolean, top: number, ...offsets: number[]): Tell => ({ is: "followed", channel, recovered, position: at(top), events: arrivals(...offsets) });

function tab() {
  const said: Say[] = [];
  const events: LiveEvent[] = [];
  const lost: string[] = [];
  const again: boolean[] = [];
  let hear: (...tells: Tell[]) => void = () => {};
  const link = new Link(
    (heard) => {
      hear = (...tells) => heard(tells);
      return { say: (say) => said.push(say), close: () => {} };
    },
    "ann",
    { event: (event) => events.push(event), arrived: () => {}, refused: () => {}, present: () => {}, connected: (is) => again.push(is), lost: (channel) => lost.push(channel), ended: () => {} },
  );
  return { link, said, events, lost, again, hear: (...tells: Tell[]) => hear(...tells) };
}

describe("a tab's end of the link", () => {
  beforeEach(() => void vi.useFakeTimers());

  it("asks for its channels once it is welcome, and again from what it has seen where another exchange welcomes it", () => {
    const { link, said, hear } = tab();
    link.follow("feed:users", at(4));
    expect(said).toEqual([]);
    hear({ is: "welcome", lock: "a" }, facts("live"), followed("feed:users", true, 6, 5, 6));
    hear({ is: "welcome", lock: "b" });
    expect(said.filter((say) => say.do === "follow").map((say) => say.since)).toEqual([at(4), at(6)]);
  });

  it("says how many events it took, so that more may come", () => {
    const { link, said, hear } = tab();
    link.follow("feed:users", at(4));
    hear({ is: "welcome", lock: null }, followed("feed:users", true, 6, 5, 6));
    expect(said.at(-1)).toEqual({ do: "took", count: 2 });
  });

  it("tells what a break cost once every channel is open again: the events of all of them", () => {
    const { link, again, hear } = tab();
    link.follow("feed:users", at(4));
    link.follow("feed:jobs", at(1));
    hear({ is: "welcome", lock: null }, facts("live"), followed("feed:users", true, 4), followed("feed:jobs", true, 1));
    expect(pill.get().state).toBe("live");
    hear(facts("reconnecting"));
    expect(pill.get().state).toBe("reconnecting");
    hear(facts("live"), followed("feed:users", true, 6, 5, 6));
    expect(pill.get().state).toBe("reconnecting");
    hear(followed("feed:jobs", true, 2, 2));
    expect(pill.get()).toMatchObject({ state: "resumed", resumedEvents: 3 });
    expect(again).toEqual([false, true]);
    vi.advanceTimersByTime(10_000);
    expect(pill.get().state).toBe("live");
  });

  it("does not count what it had already", () => {
    const { link, events, hear } = tab();
    link.follow("feed:users", at(4));
    hear({ is: "welcome", lock: null }, facts("live"), followed("feed:users", true, 5, 5), facts("reconnecting"), facts("live"), followed("feed:users", true, 6, 5, 6));
    expect(pill.get().resumedEvents).toBe(1);
    expect(events.map((event) => event.offset)).toEqual([5, 6]);
  });

  it("tells that it read again where one of the channels could not be resumed", () => {
    const { link, lost, hear } = tab();
    link.follow("feed:users", at(4));
    link.follow("feed:jobs", at(1));
    hear({ is: "welcome", lock: null }, facts("live"), followed("feed:users", true, 4), followed("feed:jobs", true, 1));
    hear(facts("reconnecting"), facts("live"), followed("feed:users", false, 900), followed("feed:jobs", true, 2, 2));
    expect(pill.get().state).toBe("refetched");
    expect(lost).toEqual(["feed:users"]);
    expect(link.follow("feed:users", at(899))).toBe(false);
    expect(link.follow("feed:users", at(900))).toBe(true);
  });

  it("does not wait for a channel that the hub refuses", () => {
    const { link, hear } = tab();
    link.follow("feed:users", at(4));
    link.follow("feed:audit", at(1));
    hear({ is: "welcome", lock: null }, facts("live"), facts("reconnecting"), facts("live"), followed("feed:users", true, 4), { is: "refused", channel: "feed:audit", code: 103 });
    expect(pill.get()).toMatchObject({ state: "resumed", resumedEvents: 0 });
  });

  it("asks anew from a page's place where that belongs to another stream", () => {
    const { link, said, hear } = tab();
    link.follow("feed:users", at(90));
    hear({ is: "welcome", lock: null }, facts("live"), followed("feed:users", true, 90));
    expect(link.follow("feed:users", at(2, "f"))).toBe(true);
    expect(said.at(-1)).toEqual({ do: "follow", channel: "feed:users", since: at(2, "f") });
  });

  it("leaves a channel when the last who held it lets go, unless a list follows it for good", () => {
    const { link, said, hear } = tab();
    hear({ is: "welcome", lock: null });
    const [one, other] = [link.hold("job:1"), link.hold("job:1")];
    one();
    expect(said.some((say) => say.do === "leave")).toBe(false);
    other();
    expect(said.at(-1)).toEqual({ do: "leave", channel: "job:1" });
    const held = link.hold("feed:users");
    link.follow("feed:users", at(4));
    held();
    expect(said.filter((say) => say.do === "leave").length).toBe(1);
  });

  it("never takes a publication of the operator's application for an event of the hub", () => {
    const { link, events, hear } = tab();
    link.hold("chat:lobby");
    hear({ is: "welcome", lock: null }, { is: "events", channel: "chat:lobby", events: [{ offset: 1, data: { type: "user.updated", subject: { kind: "user", id: "x", version: 99 } } }] });
    expect(events).toEqual([]);
  });

  it("says that it reconnects while another worker takes the place of one that ended", () => {
    const { link, hear } = tab();
    link.follow("feed:users", at(4));
    hear({ is: "welcome", lock: "a" }, facts("live"), followed("feed:users", true, 4));
    hear({ is: "welcome", lock: "b" }, facts("connecting"));
    expect(pill.get().state).toBe("reconnecting");
    hear(facts("live"), followed("feed:users", true, 5, 5));
    expect(pill.get()).toMatchObject({ state: "resumed", resumedEvents: 1 });
  });
});
