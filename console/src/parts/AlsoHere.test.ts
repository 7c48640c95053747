import { describe, expect, it, vi } from "vitest";

vi.mock("../auth/session", () => ({ useMe: () => ({ user: { id: "me" } }) }));
vi.mock("../live/store", () => ({ watchPresent: () => () => {} }));
vi.mock("./usePhone", () => ({ usePhone: () => false }));
vi.mock("./basics", () => ({ Face: () => null, Hint: () => null }));

const { othersOf } = await import("./AlsoHere");

describe("who else is here", () => {
  it("counts a person once, however many connections they have, and leaves oneself out", () => {
    const people = [
      { client: "1", user: "me", name: "Me" },
      { client: "2", user: "b", name: "Bob" },
      { client: "3", user: "a", name: "Ann" },
      { client: "4", user: "b" },
    ];
    expect(othersOf(people, "me")).toEqual([{ id: "a", name: "Ann" }, { id: "b", name: "Bob" }]);
  });

  it("says someone where a name is not told, and nothing of nobody", () => {
    expect(othersOf([{ client: "1", user: "x" }, { client: "2", user: "" }], "me")).toEqual([{ id: "x", name: "someone" }]);
  });
});
