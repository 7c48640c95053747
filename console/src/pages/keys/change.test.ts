import { describe, expect, it } from "vitest";
import { changeOf, limitsIn, limitsText } from "./change";
import { momentsOf } from "./life";

const key = { name: "Export", scopes: ["a:b", "c:d"], addresses: ["192.0.2.0/24"], requests_per_minute: 60, resource_limits: { a: 5, c: 9 }, expires_at: "2026-12-01T00:00:00Z" };
const same = { name: " Export ", scopes: ["c:d", "a:b"], addresses: ["192.0.2.0/24"], pace: "60", limits: { c: 9, a: 5 }, end: undefined };

describe("a change of a key", () => {
  it("names nothing that is as it was, whatever its order", () => expect(changeOf(key, same)).toEqual({}));
  it("names each thing that differs", () => expect(changeOf(key, { name: "Nightly", scopes: ["a:b"], addresses: [], pace: "", limits: { a: 6 }, end: null })).toEqual({ name: "Nightly", scopes: ["a:b"], addresses: [], requests_per_minute: null, resource_limits: { a: 6 }, expires_at: null }));
  it("reads limits as they are written", () => {
    expect(limitsIn(" users 60\nroles: 5,\n\n")).toEqual({ users: 60, roles: 5 });
    expect(limitsIn(limitsText({ users: 60, roles: 5 }))).toEqual({ users: 60, roles: 5 });
    expect(limitsIn("")).toEqual({});
  });
  it("takes no limit for none", () => expect(changeOf({ ...key, requests_per_minute: undefined }, { ...same, pace: " " })).toEqual({}));
});

describe("the life of a key", () => {
  const entry = (at: string) => ({ id: at, at, action: "api_keys.update" }) as never;
  const now = Date.parse("2026-06-01T00:00:00Z");
  const row = { first_used_at: "2026-01-02T00:00:00Z", last_used_at: "2026-03-01T00:00:00Z", expires_at: "2026-05-01T00:00:00Z", previous_until: null, revoked_at: null };
  const told = (entries: string[], complete = true, of: typeof row | object = row) => momentsOf({ ...row, ...of }, entries.map(entry), complete, now).map((moment) => (moment.kind === "entry" ? moment.at.slice(5, 7) : moment.kind));

  it("puts its uses and its end among what was done to it, newest first", () => expect(told(["2026-04-01T00:00:00Z", "2026-01-01T00:00:00Z"])).toEqual(["expired", "04", "lastUsed", "firstUsed", "01"]));
  it("does not tell of an end that is to come, or that a revocation came before", () => {
    expect(told([], true, { expires_at: "2027-01-01T00:00:00Z" })).toEqual(["lastUsed", "firstUsed"]);
    expect(told([], true, { revoked_at: "2026-04-01T00:00:00Z" })).toEqual(["lastUsed", "firstUsed"]);
  });
  it("tells one use once", () => expect(told([], true, { expires_at: null, last_used_at: row.first_used_at })).toEqual(["firstUsed"]));
  it("keeps back what lies before the oldest entry that is read, until the others are", () => expect(told(["2026-04-01T00:00:00Z"], false)).toEqual(["expired", "04"]));
});
