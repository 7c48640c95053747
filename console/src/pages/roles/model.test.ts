import { describe, expect, it } from "vitest";
import type { Statement } from "../../api/types";
import { beyond, choicesFor, lockOf, RoleModel, type RoleLike, type Says, statementOf } from "./model";

const role = (id: string, inherits: string[], says: Record<string, Says>, predefined = false): RoleLike => ({ id, name: id, inherits, predefined, statements: Object.entries(says).map(([permission, said]): Statement => statementOf(permission, said)) });

// The example of docs/ACCESS.md.
const roles = [
  role("support", [], { "users:read": "everywhere", "users:update": "team" }),
  role("senior", ["support"], { "users:update": "everywhere" }),
  role("night", ["senior"], { "users:delete": "deny" }),
  role("child", ["night"], { "users:delete": "everywhere" }),
  role("both", ["support", "owning"], {}),
  role("owning", [], { "users:update": "own" }),
];
const model = new RoleModel(roles);

describe("what a role gives", () => {
  it("is what it grants itself, whatever its parents' conditions", () => expect(model.cell("senior", "users:update")).toMatchObject({ state: "granted", gives: "everywhere" }));
  it("is what its parents give where it says nothing, and says from whom", () => expect(model.cell("night", "users:read")).toEqual({ state: "inherited", says: null, gives: "everywhere", from: ["support"] }));
  it("is added up over several parents", () => expect(model.cell("both", "users:update")).toMatchObject({ gives: "own_or_team", from: ["support", "owning"] }));
  it("is nothing where it is denied, by itself or by any ancestor, whatever it grants", () => {
    expect(model.cell("night", "users:delete").state).toBe("denied");
    expect(model.cell("child", "users:delete")).toEqual({ state: "barred", says: "everywhere", gives: null, from: ["night"] });
  });
  it("is nothing where nobody says anything", () => expect(model.cell("support", "jobs:read").state).toBe("none"));
  it("lists all of it", () => expect(model.gives("night")).toEqual(["users:read", "users:update"]));
  it("survives a circle", () => {
    const circle = new RoleModel([role("a", ["b"], {}), role("b", ["a"], { "x:y": "own" })]);
    expect(circle.cell("a", "x:y")).toMatchObject({ state: "inherited", gives: "own" });
  });
});

it("knows which parents would make a circle", () => expect(model.below("senior")).toEqual(new Set(["senior", "night", "child"])));

describe("what this viewer may change", () => {
  const all = new Set(["roles:manage", "users:read", "users:update"]);
  const lock = (id: string, held: Set<string>) => lockOf(roles.find((one) => one.id === id) as RoleLike, model, held);
  it("is nothing without the permission to manage roles", () => expect(lock("support", new Set(["users:read"]))).toEqual({ why: "manage" }));
  it("is nothing of the hub's own roles", () => expect(lockOf(role("owner", [], {}, true), model, all)).toEqual({ why: "predefined" }));
  it("is nothing of a role that gives what they lack", () => expect(lock("senior", new Set(["roles:manage", "users:read"]))).toEqual({ why: "above", permissions: ["users:update"] }));
  it("is the rest", () => expect(lock("senior", all)).toBeNull());
  it("names what a role would give beyond them", () => expect(beyond(roles[0] as RoleLike, model, new Set(["users:read"]))).toEqual(["users:update"]));
});

describe("the choices of a cell", () => {
  const permission = { name: "users:ban", category: "users", description: "", row_kind: "user" };
  const open = (says: Says | null, held: boolean, kind: string | null = "user") => choicesFor({ ...permission, row_kind: kind }, { says }, held).filter((choice) => choice.open).map((choice) => choice.says);
  it("are all for whoever holds it", () => expect(open(null, true)).toEqual(["everywhere", "own", "team", "own_or_team", "deny", null]));
  it("have no conditions where the permission knows no rows", () => expect(open(null, true, null)).toEqual(["everywhere", "deny", null]));
  it("are denial and silence for whoever does not hold it", () => expect(open("own", false)).toEqual(["own", "deny", null]));
  it("do not lift a denial for whoever does not hold it", () => expect(open("deny", false)).toEqual(["deny"]));
});
