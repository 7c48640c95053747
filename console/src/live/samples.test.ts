import { describe, expect, it } from "vitest";
import { fresh, type Sampled, settle } from "./samples";

interface Connection extends Sampled {
  queue: number;
}
const row = (id: string, queue = 0): Connection => ({ id, queue });
const ids = (rows: Connection[]) => rows.map((each) => `${each.id}${each.ended ? "!" : ""}`).join(" ");

describe("a list of samples that somebody looks at closely", () => {
  it("keeps the order and takes the values", () => {
    const held = settle(fresh([[row("a", 1), row("b", 2)]]), [[row("b", 9), row("a", 3)]]);
    expect(held.rows.map((each) => [each.id, each.queue])).toEqual([["a", 3], ["b", 9]]);
  });

  it("says of a row that it ended, and forgets it when it is back", () => {
    const held = settle(fresh([[row("a"), row("b")]]), [[row("b")]]);
    expect(ids(held.rows)).toBe("a! b");
    expect(ids(settle(held, [[row("b"), row("a")]]).rows)).toBe("a b");
  });

  it("lets newcomers wait and counts each once", () => {
    const held = settle(fresh([[row("a")]]), [[row("n"), row("a")], [row("n")]]);
    expect([ids(held.rows), held.waiting]).toEqual(["a", 1]);
  });

  it("appends a page that was asked for", () => {
    const held = settle(fresh([[row("a"), row("b")]]), [[row("n"), row("a")], [row("b"), row("c")]]);
    expect([ids(held.rows), held.waiting]).toEqual(["a b c", 1]);
  });

  it("shows a row once that stands on two pages of one reading", () => {
    expect(ids(fresh([[row("a"), row("b")], [row("b"), row("c")]]).rows)).toBe("a b c");
  });

  it("leaves rows of which nothing changed the very same objects", () => {
    const pages = [[row("a"), row("b")]];
    const held = fresh(pages);
    expect(settle(held, pages).rows[0]).toBe(held.rows[0]);
  });
});
