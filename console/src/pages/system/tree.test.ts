import { expect, it } from "vitest";
import type { Actor } from "../../api/types";
import { tree } from "./tree";

const actor = (name: string, parent: string | null) => ({ name, parent }) as Actor;

it("sets children under their parents and orphans at the root", () => {
  const rows = tree([actor("hub.0", "hub"), actor("hub", "root"), actor("root", null), actor("lost", "gone")]);
  expect(rows.map(({ actor: { name }, depth }) => `${depth} ${name}`)).toEqual(["0 root", "1 hub", "2 hub.0", "0 lost"]);
});

it("shows actors that name each other as parents once, rather than never ending", () => {
  expect(tree([actor("a", "b"), actor("b", "a"), actor("c", "c")]).map(({ actor: { name } }) => name)).toEqual(["a", "b", "c"]);
});
