import { expect, it } from "vitest";
import type { LiveEvent } from "./event";
import { hungOnTeams, type MemberPages, withMember } from "./members";

const at = "2026-01-01T00:00:00Z";
const pages: MemberPages = { pages: [{ items: [{ user: "ada", name: "Ada", granted_at: at }], next_cursor: null }], pageParams: [null] };
const event = (type: string, id: string, roles: string[] | null, name = id): LiveEvent => ({ at, type, actor: { id: "me" }, subject: { kind: "user", id, version: 2 }, patch: roles && { id, name, roles: roles.map((role) => ({ id: role })) } });
const after = (told: LiveEvent) => withMember(pages, "r", told).pages[0]?.items;

it("puts who was given the role at the top, with who gave it", () => expect(after(event("user.roles_changed", "bob", ["r"]))).toMatchObject([{ user: "bob", granted_by: "me" }, { user: "ada" }]));
it("says of who lost it that they are gone, and does not move them", () => expect(after(event("user.roles_changed", "ada", []))).toMatchObject([{ user: "ada", gone: true }]));
it("takes back that somebody is gone who holds it again", () => {
  const gone = withMember(pages, "r", event("user.roles_changed", "ada", []));
  expect(withMember(gone, "r", event("user.roles_changed", "ada", ["r"])).pages[0]?.items).toMatchObject([{ user: "ada", gone: false }]);
});
it("takes who was deleted for gone", () => expect(after(event("user.deleted", "ada", null))).toMatchObject([{ gone: true }]));
it("adds nobody whose other fields changed, for they may stand further down", () => expect(withMember(pages, "r", event("user.updated", "bob", ["r"]))).toBe(pages));
it("keeps who holds it through a team, whatever is taken from them, until they leave the team", () => {
  const first = { user: "ada", name: "Ada", granted_at: at, direct: true, teams: [{ id: "t", name: "Support" }] };
  const carried: MemberPages = { pages: [{ items: [first], next_cursor: null }], pageParams: [null] };
  const told = (teams: string[]): LiveEvent => ({ ...event("user.roles_changed", "ada", [], "Ada"), patch: { id: "ada", name: "Ada", roles: [], teams: teams.map((id) => ({ id })) } });
  expect(withMember(carried, "r", told(["t"])).pages[0]?.items).toMatchObject([{ user: "ada", direct: false, gone: false }]);
  expect(withMember(carried, "r", told([])).pages[0]?.items).toMatchObject([{ user: "ada", gone: true }]);
});
it("names what is to be read again where what a team carries, or who is in it, has changed", () => {
  expect(hungOnTeams([event("team.roles_changed", "t", null), event("user.updated", "ada", null)])).toContainEqual(["roles", "members"]);
  expect(hungOnTeams([event("user.updated", "ada", null), event("team.updated", "t", null)])).toEqual([]);
});
it("is the very same where nothing of it changed", () => expect(withMember(pages, "r", event("user.updated", "ada", ["r"], "Ada"))).toBe(pages));
