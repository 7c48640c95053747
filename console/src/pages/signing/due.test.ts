import { expect, it } from "vitest";
import { askAgain } from "./due";

const now = Date.parse("2026-11-30T12:00:00Z");
const signs = { state: "signs", active_from: null, verifies_until: null } as const;

it("asks for the keys again as the new one begins to sign", () => {
  expect(askAgain([{ state: "next", active_from: "2026-11-30T12:00:20Z", verifies_until: null }, { ...signs, verifies_until: "2026-11-30T13:02:00Z" }], now)).toBe(22_000);
});

it("asks as a key ends, and once a minute where nothing is due", () => {
  expect(askAgain([signs, { state: "verifies", active_from: "2026-11-01T00:00:00Z", verifies_until: "2026-11-30T12:00:05Z" }], now)).toBe(7_000);
  expect(askAgain([signs], now)).toBe(60_000);
  expect(askAgain([], now)).toBe(60_000);
});

it("does not ask without pause where this clock is ahead of the hub's", () => {
  expect(askAgain([{ state: "next", active_from: "2026-11-30T11:59:00Z", verifies_until: null }], now)).toBe(2_000);
});
