import { describe, expect, it } from "vitest";
import { changesIn, conflictsIn, draftOf, FIELDS, isWritable, merged } from "./merge";

const was = draftOf({ name: "Ada", email: "ada@example.com", phone: null, department: "Growth" });

describe("two editors of one person", () => {
  it("sends only what was changed, and null for what was emptied", () => {
    expect(changesIn(was, { ...was, name: " Ada L ", department: "" })).toEqual({ name: "Ada L", department: null });
  });

  it("takes an object of the operator's own as JSON, whatever its layout, and null for an empty one", () => {
    const own = draftOf({ name: "Ada", metadata: { plan: "pro", seats: 3 } });
    expect(own.metadata).toBe('{\n  "plan": "pro",\n  "seats": 3\n}');
    expect(changesIn(own, { ...own, metadata: ' {"plan":"pro","seats":3} ' })).toEqual({});
    expect(changesIn(own, { ...own, metadata: '{"plan":"free","seats":3}' })).toEqual({ metadata: { plan: "free", seats: 3 } });
    expect(changesIn(own, { ...own, metadata: "{}" })).toEqual({ metadata: null });
  });

  it("refuses as an object what is a list, a word or no JSON, before it is sent", () => {
    expect(["", "{}", '{"a":[1]}'].map((text) => isWritable("metadata", text))).toEqual([true, true, true]);
    expect(["[1]", '"word"', "null", "{a:1}"].map((text) => isWritable("employment_equity", text))).toEqual([false, false, false, false]);
    expect(isWritable("department", "[1]")).toBe(true);
  });

  it("merges fields that do not overlap without asking", () => {
    const theirs = { ...was, phone: "+49 30 1" };
    const mine = { ...was, name: "Ada L" };
    expect(conflictsIn(was, theirs, mine)).toEqual([]);
    expect(merged(was, theirs, mine, new Set())).toEqual({ ...was, phone: "+49 30 1", name: "Ada L" });
  });

  it("asks where both changed one field to different values", () => {
    expect(conflictsIn(was, { ...was, name: "Augusta" }, { ...was, name: "Ada L" })).toEqual([{ field: "name", was: "Ada", theirs: "Augusta", mine: "Ada L" }]);
  });

  it("does not ask where both wanted the same", () => {
    expect(conflictsIn(was, { ...was, name: "Ada L" }, { ...was, name: "Ada L" })).toEqual([]);
  });

  it("never loses a value that only one of them wrote", () => {
    const values = ["", "one", "two"];
    for (let code = 0; code < 3 ** 6; code += 1) {
      const pick = (index: number) => values[Math.floor(code / 3 ** index) % 3] ?? "";
      const theirs = { ...was, name: pick(0) || "Ada", phone: pick(1), department: pick(2) || "Growth" };
      const mine = { ...was, name: pick(3) || "Ada", phone: pick(4), department: pick(5) || "Growth" };
      const collide = new Set(conflictsIn(was, theirs, mine).map((conflict) => conflict.field));
      const result = merged(was, theirs, mine, collide);
      for (const field of FIELDS) {
        const expected = mine[field] === was[field] ? theirs[field] : mine[field];
        expect(result[field]).toBe(expected);
      }
    }
  });
});
