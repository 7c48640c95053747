import { describe, expect, it } from "vitest";
import { queries } from "../app/queries";
import { isWhole, KINDS } from "./kinds";

const person = { id: "1", version: 1, name: "Ada Lovelace", email: "ada@example.com", department: "Growth", status: "active", roles: [{ id: "r1", name: "Admin" }] };
const matches = (filters: Record<string, string | undefined>) => KINDS.user?.matches(person, filters);

describe("the filters of a list", () => {
  it("admits a person who fits every filter", () => {
    expect(matches({ status: "active", department: "Growth", role: "r1", q: "love", sort: "name" })).toBe(true);
  });

  it("refuses a person who misses one", () => {
    for (const filters of [{ status: "banned" }, { department: "Sales" }, { role: "r2" }, { q: "hopper" }]) expect(matches(filters)).toBe(false);
  });

  it("admits whoever holds the role through a team of theirs", () => {
    queries.setQueryData(["teams", "all"], { items: [{ id: "t1", roles: [{ id: "r2", name: "Reader" }] }, { id: "t2", roles: [] }] });
    const within = (team: string) => KINDS.user?.matches({ ...person, teams: [{ id: team, role: "member" }] }, { role: "r2" });
    expect([within("t1"), within("t2")]).toEqual([true, false]);
    queries.removeQueries({ queryKey: ["teams", "all"] });
    expect(within("t2")).toBe(true);
  });

  it("knows that an order alone narrows nothing", () => {
    expect(isWhole({ sort: "name", q: undefined })).toBe(true);
    expect(isWhole({ q: "ada" })).toBe(false);
  });
});
