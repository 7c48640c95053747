/**
 * A page's texts are there when it is opened: each text that is named in a piece of the console stands in a catalogue which
 * that piece, or every piece that leads to it, brings along. What is missing would be shown as its bare id.
 */
import { expect, it } from "vitest";

const sources = import.meta.glob<string>(["../**/*.{ts,tsx}", "!../**/*.test.ts", "!../**/*.gen.ts"], { query: "?raw", import: "default", eager: true });
const texts = import.meta.glob<Record<string, string>>("./*texts.json", { import: "default", eager: true });

/** Where `name` leads from the file `from`, both below /src. */
const step = (from: string, name: string) => new URL(name, `file://${from}`).pathname;
const path = (key: string) => step("/src/i18n/", key);
const files = new Map(Object.entries(sources).map(([key, source]) => [path(key), source]));
const found = (from: string, name: string) => ["", ".ts", ".tsx", "/index.ts"].map((end) => step(from, name) + end).find((file) => files.has(file));
const named = (file: string, pattern: RegExp) => [...(files.get(file) ?? "").matchAll(pattern)].map((match) => found(file, match[1] ?? "")).filter((other): other is string => other !== undefined);

const imports = (file: string) => named(file, /^(?:import|export)\s+(?!type\b)(?:[^;"']*?from\s+)?"(\.[^"]*)"/gm);
const opens = (file: string) => named(file, /\bimport\("(\.[^"]+)"\)/g);

function piece(file: string, seen = new Set<string>()): Set<string> {
  if (!seen.has(file)) {
    seen.add(file);
    for (const next of imports(file)) piece(next, seen);
  }
  return seen;
}

/** The module that brings a catalogue: `roles.en.texts.json` comes with `roles.ts`. */
const bringer = (catalogue: string) => path(`./${/^\.\/(\w+)\.en\./.exec(catalogue)?.[1] ?? "index"}.ts`);
const homes = new Map<string, string[]>();
for (const [catalogue, ids] of Object.entries(texts)) for (const id of Object.keys(ids)) homes.set(id, [...(homes.get(id) ?? []), bringer(catalogue)]);
const catalogues = [...new Set([...homes.values()].flat())];

const main = piece("/src/main.tsx");
const pieces = new Map([...new Set([...files.keys()].flatMap(opens))].map((file) => [file, piece(file)]));
const leading = (file: string) => [...pieces].filter(([other, inside]) => other !== file && [...inside].some((one) => !main.has(one) && opens(one).includes(file))).map(([other]) => other);

/** What is there when a piece runs: its own, and what all that lead to it have in common. */
function brought(): Map<string, Set<string>> {
  const there = new Map([...pieces.keys()].map((file) => [file, new Set(catalogues)]));
  const ways = new Map([...pieces.keys()].map((file) => [file, { direct: [...main].some((one) => opens(one).includes(file)), from: leading(file) }]));
  for (let changed = true; changed; ) {
    changed = false;
    for (const [file, inside] of pieces) {
      const { direct, from } = ways.get(file) ?? { direct: true, from: [] };
      const next = new Set(catalogues.filter((one) => main.has(one) || inside.has(one) || (!direct && from.length > 0 && from.every((other) => there.get(other)?.has(one)))));
      if (next.size !== there.get(file)?.size) changed = true;
      there.set(file, next);
    }
  }
  return there;
}

it("has every text a page names", () => {
  const there = brought();
  const missing = [...pieces].flatMap(([start, inside]) =>
    [...inside].flatMap((file) =>
      [...(files.get(file) ?? "").matchAll(/\bt\(([^)]*)\)/g)]
        .flatMap((call) => [...(call[1] ?? "").matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? ""))
        .filter((id) => homes.has(id) && !homes.get(id)?.some((home) => there.get(start)?.has(home)))
        .map((id) => `${id} (${file}, opened as ${start})`),
    ),
  );
  expect(pieces.size).toBeGreaterThan(40);
  expect(missing).toEqual([]);
});
