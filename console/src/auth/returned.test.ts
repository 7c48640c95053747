import { describe, expect, it } from "vitest";
import { isLink, nextOf } from "./returned";

const answer = (next: string | null) => ({ headers: new Headers(next === null ? {} : { "x-signalbox-next": next }) }) as Response;

describe("coming back from a provider", () => {
  it("goes on at a path of the console and nowhere else", () => {
    expect(nextOf(answer("/users?q=a"))).toBe("/users?q=a");
    for (const next of [null, "", "https://evil.example.com", "//evil.example.com", "/\\evil.example.com", "users"]) expect(nextOf(answer(next))).toBe("/");
  });
  it("knows by the state whether an account is linked or somebody signs in", () => {
    expect(isLink({ state: "l.abc" })).toBe(true);
    expect(isLink({ state: "s.abc" })).toBe(false);
  });
});
