import { describe, expect, it } from "vitest";
import { ChannelLog } from "./log";

const at = (offset: number) => ({ epoch: "e", offset });
const event = (offset: number) => ({ offset, at: "", type: "user.updated" });

describe("the log of a channel", () => {
  it("lets each offset pass once", () => {
    const log = new ChannelLog(at(0));
    expect([1, 2, 2, 1, 3].map((offset) => log.take(event(offset)))).toEqual([true, true, false, false, true]);
  });

  it("lets what has no offset pass always and does not keep it", () => {
    const log = new ChannelLog(at(0));
    const progress = { at: "", type: "job.progress" };
    expect([log.take(progress), log.take(progress)]).toEqual([true, true]);
    expect(log.since(0)).toEqual([]);
  });

  it("gives a list that was read meanwhile the events behind its position", () => {
    const log = new ChannelLog(at(4));
    for (const offset of [5, 6, 7]) log.take(event(offset));
    expect(log.since(5).map((each) => each.offset)).toEqual([6, 7]);
  });

  it("knows how far back it reaches, also after it forgot", () => {
    const log = new ChannelLog(at(4));
    expect(log.covers(4)).toBe(true);
    expect(log.covers(3)).toBe(false);
    for (let offset = 5; offset < 1005; offset += 1) log.take(event(offset));
    expect(log.covers(4)).toBe(false);
    expect(log.covers(1000)).toBe(true);
  });

  it("begins anew after a loss, at a lower offset too", () => {
    const log = new ChannelLog(at(0));
    log.take(event(90));
    log.reset({ epoch: "f", offset: 3 });
    expect(log.take(event(4))).toBe(true);
    expect(log.since(0).map((each) => each.offset)).toEqual([4]);
  });
});
