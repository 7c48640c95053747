import { expect, it } from "vitest";
import { FOUND, rank } from "./rank";

const of = (typed: string, label: string, group = "Go to") => rank("id", typed, [label, group]);

it("takes whole words and no strewn letters", () => {
  expect([of("ada", "Addresses"), of("ada", "Switch between light and dark"), of("aud", "Audit log") > 0]).toEqual([0, 0, true]);
  expect(of("log audit", "Audit log")).toBeGreaterThan(0);
  expect(of("go aud", "Audit log")).toBeGreaterThan(0);
});

it("puts what begins so first, people next, and what only has it last", () => {
  const people = rank("id", "se", [FOUND]);
  const [begins, word, inside] = [of("se", "Settings"), of("se", "API session"), of("se", "Users")];
  expect([begins > word, word > people, people > inside]).toEqual([true, true, true]);
});

it("shows everything where nothing is typed", () => expect(of("", "Users")).toBeGreaterThan(0));
