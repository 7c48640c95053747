import { describe, expect, it } from "vitest";
import { actText, actTone, entryText, entryTone, valuesOf, valueText, whoDid } from "./words";

describe("an act in words", () => {
  it("has a sentence of its own where the catalogue knows it", () => expect(actText("users.ban", "Ada")).toBe("banned Ada"));
  it("falls back on the hub's template, without the actor who is named before it", () => expect(actText("users.clone", "Ada", "{actor} cloned {subject}")).toBe("cloned Ada"));
  it("names nobody wrongly where the subject has no name", () => expect(actText("users.ban", null)).toBe("banned someone"));
  it("is told by the tone of what it does", () => expect(["users.ban", "users.unban", "user.banned", "auth.login_failed", "users.reset_password", "users.update"].map(actTone)).toEqual(["bad", "ok", "bad", "bad", "warn", "info"]));
});

it("names a person by their name, every part of the hub as the system, and nobody who has not signed in", () => {
  expect([whoDid({ kind: "user", id: "1", name: "Ada" }), whoDid({ kind: "user", id: null, name: null }), whoDid({ kind: "system", name: "bootstrap" }), whoDid({ name: "api_keys" }), whoDid(null)]).toEqual(["Ada", "Someone", "System", "System", "System"]);
  // "System failed to sign in as Ada" was never true.
  expect([whoDid({ kind: "system", name: "auth" }), whoDid({ id: null, name: "auth" })]).toEqual(["Someone", "Someone"]);
});

it("tells the end of an import with its numbers, and a check apart from a writing", () => {
  const entry = (mode: string, state = "succeeded") => entryText({ action: "imports.finish", subject: { kind: "import", id: "1" } as never, details: { mode, state, counts: { inserted: 2961, updated: 2, rejected: 3 } } });
  expect(entry("commit")).toBe("imported people: 2,961 added, 2 updated, 3 rejected");
  expect(entry("dry_run")).toBe("checked a file: 2,961 to add, 2 to update, 3 to reject");
  expect(entry("commit", "failed")).toBe("could not import a file");
  expect(["failed", "cancelled", "succeeded"].map((state) => entryTone({ action: "imports.finish", details: { state } }))).toEqual(["bad", "warn", "ok"]);
  expect(entry("commit", "cancelled")).toBe("stopped an import after 2,961 added, 2 updated");
  expect(entryText({ action: "users.ban", subject: { kind: "user", id: "1", label: "Ada" } as never })).toBe("banned Ada");
});

it("writes a list of values as a list", () => {
  expect([["teams:read", "users:read"], [], null, "", 0, false, { a: 1 }].map(valueText)).toEqual(["teams:read, users:read", "–", "–", "–", "0", "false", '{"a":1}']);
});

it("tells half a sign-in apart from a whole one", () => {
  const entry = (id: string | null) => entryText({ action: "auth.login", actor: { id }, subject: { kind: "user", id: "1", label: "Ada" } as never });
  expect([entry("1"), entry(null)]).toEqual(["signed in", "gave the right password of Ada"]);
});

it("offers as filters what the entries hold, people by their name", () => {
  const row = (action: string, actor: object, subject: object) => ({ action, actor, subject }) as never;
  const rows = [row("users.ban", { id: "2", name: "Bo" }, { id: "9", label: "Cy" }), row("auth.login", { id: "1", name: "Ada" }, { id: "8", label: null }), row("users.ban", { id: null, name: "auth" }, { id: "9", label: "Cy" })];
  expect(valuesOf(rows)).toEqual({ action: [{ value: "auth.login" }, { value: "users.ban" }], actor: [{ value: "1", label: "Ada" }, { value: "2", label: "Bo" }], subject: [{ value: "9", label: "Cy" }] });
});
