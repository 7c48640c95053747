import { expect, it } from "vitest";
import { placeIn } from "./place";

const rows = ["a", "b", "c"].map((id) => ({ id }));

it("stays on its row when others step in above it", () => {
  expect(placeIn(rows, { id: "b", index: 1 })).toBe(1);
  expect(placeIn([{ id: "new" }, ...rows], { id: "b", index: 1 })).toBe(2);
});

it("keeps its place where the row is gone, within what is left", () => {
  expect([placeIn(rows, { id: "x", index: 1 }), placeIn(rows, { id: "x", index: 7 }), placeIn([], { id: "x", index: 1 })]).toEqual([1, 2, -1]);
  expect(placeIn(rows, { id: "", index: -1 })).toBe(-1);
});
