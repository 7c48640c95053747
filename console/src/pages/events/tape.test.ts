import { describe, expect, it } from "vitest";
import { BYTES, entryOf, KEPT, matches, Tape } from "./tape";

const event = (type: string, id = "u1") => ({ offset: 7, data: { type, subject: { kind: "user", id }, actor: { name: "Ann" } } });

describe("the tape of live events", () => {
  it("tells of an event what it says of itself", () => {
    expect(entryOf(1, "feed:users", event("user.banned"), 5)).toMatchObject({ at: 5, channel: "feed:users", offset: 7, type: "user.banned", subject: { kind: "user", id: "u1" }, actor: "Ann" });
  });

  it("calls the subject as its row is called, where the event brings the row", () => {
    const of = (patch: unknown) => entryOf(1, "feed:users", { data: { type: "x", subject: { kind: "user", id: "u1" }, patch } }, 5);
    expect([{ name: "Ada" }, { action: "users.ban" }, { name: 7 }, undefined].map((patch) => of(patch).subject?.name)).toEqual(["Ada", "users.ban", null, null]);
    expect(matches(of({ name: "Ada Lovelace" }), "lovelace")).toBe(true);
  });

  it.each([null, 7, "words", [1, 2], { type: 3, subject: "x" }, undefined])("takes whatever an application publishes: %j", (data) => {
    expect(entryOf(1, "chat:lobby", { data }, 5)).toMatchObject({ type: null, subject: null, actor: null, data });
  });

  it("counts bytes and not letters", () => {
    expect(entryOf(1, "chat:lobby", { data: "ü" }, 5).size).toBe(4);
  });

  it("keeps the newest and knows how many came", () => {
    const tape = new Tape();
    for (let n = 0; n < KEPT + 10; n += 1) tape.add("feed:users", event("user.updated"), n);
    const read = tape.read("");
    expect([read.length, read[0]?.at, read.at(-1)?.at, tape.count]).toEqual([KEPT, KEPT + 9, 10, KEPT + 10]);
  });

  it("keeps fewer where they are large, but always the last", () => {
    const tape = new Tape();
    for (let n = 0; n < 5; n += 1) tape.add("feed:users", { data: "x".repeat(BYTES / 3) }, n);
    expect(tape.read("").length).toBe(2);
    tape.add("feed:users", { data: "x".repeat(BYTES * 2) }, 9);
    expect(tape.read("").map((entry) => entry.at)).toEqual([9]);
  });

  it("finds by every word, in channel, type, subject or actor", () => {
    const entry = entryOf(1, "feed:users", event("user.banned", "0198c1f2"), 5);
    expect(["", "banned", "USERS ann", "user 0198", "nobody", "banned nobody"].map((wanted) => matches(entry, wanted))).toEqual([true, true, true, true, false, false]);
  });
});
