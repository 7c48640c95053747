import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { chooseZone, chosenZone, clockTime, DEVICE, dayOf, wholeTime, zones } from "./times";

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal("localStorage", { setItem: (key: string, value: string) => kept.set(key, value), removeItem: (key: string) => kept.delete(key) });
});
afterEach(() => chooseZone(DEVICE));

const AT = Date.UTC(2026, 0, 1, 2, 3, 4, 5);

test("times are written in the zone that was chosen", () => {
  chooseZone("Asia/Tokyo");
  expect(clockTime(AT)).toBe("11:03:04.005");
  chooseZone("America/Los_Angeles");
  expect(clockTime(AT)).toBe("18:03:04.005");
  expect(dayOf(AT)).toContain("31");
  expect(wholeTime("2026-01-01T02:03:04Z")).toContain("6:03:04");
  expect(chosenZone()).toBe("America/Los_Angeles");
});

test("every zone that is offered can be chosen, and each is offered once", () => {
  const offered = zones();
  expect(new Set(offered).size).toBe(offered.length);
  for (const zone of offered) chooseZone(zone);
});

test("a zone that nobody knows is refused and changes nothing", () => {
  chooseZone("UTC");
  expect(() => chooseZone("Mars/Olympus")).toThrow();
  expect(chosenZone()).toBe("UTC");
});
