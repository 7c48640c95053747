import { describe, expect, it } from "vitest";
import { actText, actTone } from "./words";

describe("an act in words", () => {
  it("has a sentence of its own where the catalogue knows it", () => expect(actText("users.ban", "Ada")).toBe("banned Ada"));
  it("falls back on the hub's template, without the actor who is named before it", () => expect(actText("users.clone", "Ada", "{actor} cloned {subject}")).toBe("cloned Ada"));
  it("names nobody wrongly where the subject has no name", () => expect(actText("users.ban", null)).toBe("banned someone"));
  it("is told by the tone of what it does", () => expect(["users.ban", "users.unban", "user.banned", "auth.login_failed", "users.reset_password", "users.update"].map(actTone)).toEqual(["bad", "ok", "bad", "bad", "warn", "info"]));
});
