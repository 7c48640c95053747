import { describe, expect, it } from "vitest";
import type { Role } from "../../api/types";
import { collisions, countOf, decided, differences, edited, NO_EDITS, rolesWith, settled, statementsWith, without } from "./edits";
import { type Says, saying, statementOf } from "./model";

const role = (says: Record<string, Says>, version = 1): Role => ({ id: "r", name: "R", description: "", predefined: false, permissions: [], inherits: [], members: 0, version, statements: Object.entries(says).map(([permission, said]) => statementOf(permission, said)) });
const before = role({ "users:ban": "everywhere", "jobs:read": "deny" });

describe("unsaved changes", () => {
  it("are what differs, and gone when put back", () => {
    const one = edited(NO_EDITS, before, "users:ban", "own");
    expect(countOf(one)).toBe(1);
    expect(countOf(edited(one, before, "users:ban", "everywhere"))).toBe(0);
  });

  it("make the statements that are sent, sorted, with silence left out", () => {
    const edits = edited(edited(edited(NO_EDITS, before, "users:ban", null), before, "audit:read", "everywhere"), before, "jobs:read", "everywhere");
    expect(statementsWith(before, edits)).toEqual([statementOf("audit:read", "everywhere"), statementOf("jobs:read", "everywhere")]);
    expect(rolesWith([before], edits)[0]?.statements).toHaveLength(2);
    expect(statementsWith(before, without(edits, "r"))).toBe(before.statements);
  });

  it("lose what came true by itself, and those of a role that is gone", () => {
    const edits = edited(edited(NO_EDITS, before, "users:ban", "own"), before, "audit:read", "everywhere");
    expect(countOf(settled(edits, [role({ "users:ban": "own" })]))).toBe(1);
    expect(countOf(settled(edits, [{ ...before, gone: true }]))).toBe(0);
    expect(settled(edits, [before])).toBe(edits);
  });
});

describe("two editors of one role", () => {
  const mine = edited(edited(NO_EDITS, before, "users:ban", "own"), before, "audit:read", "everywhere");

  it("merge where they changed different cells", () => {
    const theirs = role({ "users:ban": "everywhere", "jobs:read": "everywhere" }, 2);
    expect(collisions(theirs, mine)).toEqual([]);
    expect(saying(statementsWith(theirs, mine), "jobs:read")).toBe("everywhere");
  });

  it("collide where they changed the same cell to different things, until somebody decides", () => {
    const theirs = role({ "users:ban": "team", "jobs:read": "deny" }, 2);
    expect(collisions(theirs, mine)).toEqual([{ permission: "users:ban", was: "everywhere", theirs: "team", mine: "own" }]);
    const kept = decided(mine, theirs, "users:ban", true);
    expect([collisions(theirs, kept), saying(statementsWith(theirs, kept), "users:ban")]).toEqual([[], "own"]);
    const taken = decided(mine, theirs, "users:ban", false);
    expect([collisions(theirs, taken), saying(statementsWith(theirs, taken), "users:ban"), countOf(taken)]).toEqual([[], "team", 1]);
  });

  it("still collide when I change my mind after they saved", () => {
    const theirs = role({ "users:ban": "team" }, 2);
    expect(collisions(theirs, edited(mine, theirs, "users:ban", "deny"))).toHaveLength(1);
  });

  it("agree where they changed the same cell to the same thing", () => expect(collisions(role({ "users:ban": "own" }, 2), mine)).toEqual([]));
});

it("tells what is said differently, by permission", () => {
  const after = role({ "users:ban": "own", "audit:read": "everywhere" });
  expect(differences(before.statements, after.statements)).toEqual([
    { permission: "audit:read", before: null, after: "everywhere" },
    { permission: "jobs:read", before: "deny", after: null },
    { permission: "users:ban", before: "everywhere", after: "own" },
  ]);
});
