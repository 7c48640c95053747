import { expect, it } from "vitest";
import { namesIn } from "./pasted";

const id = "0199ab12-34cd-7ef0-8123-456789abcdef";

it("finds addresses and ids however they were copied", () => {
  expect(namesIn(`Ada <Ada@example.com>, bob@example.com;\n${id}\tcleo@example.com`)).toEqual(["ada@example.com", "bob@example.com", id, "cleo@example.com"]);
});
it("names nobody twice, and nobody who is not there", () => {
  expect(namesIn("ada@example.com ADA@example.com")).toEqual(["ada@example.com"]);
  expect(namesIn("Ada Lovelace, Bob")).toEqual([]);
});
