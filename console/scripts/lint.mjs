/**
 * The rules of the console that a compiler does not hold. Prints each breach with its place and ends red.
 * Colours and pixels are named in src/theme only, so that both schemes and every density change in one place.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

const root = join(import.meta.dirname, "..");
const all = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));

const themed = (file) => file.startsWith(join(root, "src/theme/"));
const breaches = [];

/** @param {(file: string) => boolean} where @param {RegExp} pattern @param {string} why */
function forbid(where, pattern, why) {
  for (const file of all.filter(where)) {
    readFileSync(file, "utf8").split("\n").forEach((line, index) => {
      if (pattern.test(line)) breaches.push(`${relative(root, file)}:${index + 1}: ${why}`);
    });
  }
}

const css = (file) => file.endsWith(".css") && !themed(file);
const code = (file) => /\.tsx?$/.test(file) && !themed(file) && !file.endsWith(".test.ts") && !file.endsWith(".gen.d.ts");

forbid(css, /#[0-9a-f]{3,8}\b|\b(rgb|hsl|oklch)a?\(/i, "a colour outside the token sheet");
// A media query cannot read a custom property: the one width there is the same in all sheets.
forbid(css, /^(?!@media \(max-width: (820|1100)px\)).*\b\d*\.?\d+(px|rem)\b/, "a pixel outside the token sheet");
forbid(code, /["'`(]#[0-9a-f]{3,8}["'`)]/i, "a colour outside the token sheet");
forbid(code, /(?<!max-width: )\b\d+px\b/, "a pixel outside the token sheet");
forbid(code, /\bsx=\{/, "`sx`: use a CSS module on tokens");
forbid(code, /dangerouslySetInnerHTML|\.innerHTML\s*=|\beval\(|new Function\(/, "breaks Trusted Types");
forbid((file) => code(file) && !file.endsWith("live/exchange/line.ts"), /createPolicy/, "a Trusted Types policy: the one there is makes the live worker's address");
forbid(code, /\bconsole\.(log|debug|info)\(/, "a left-over console call");
forbid(code, /@ts-(ignore|nocheck)|eslint-disable|biome-ignore/, "a silenced check");
forbid(code, /from "@mui\/material"/, "import the component's own path: the barrel makes the bundle grow");
forbid(code, /https?:\/\//, "an address of another origin");

// Every token that is read is defined. The table sets its columns itself.
const defined = new Set([...readFileSync(join(root, "src/theme/tokens.css"), "utf8").matchAll(/^ {2}(--[\w-]+):/gm)].map((match) => match[1]).concat("--columns"));
for (const file of all.filter((name) => /\.(css|tsx?)$/.test(name))) {
  for (const [, token] of readFileSync(file, "utf8").matchAll(/var\((--[\w-]+)/g)) {
    if (!defined.has(token)) breaches.push(`${relative(root, file)}: ${token} is no token`);
  }
}

// Every text of a catalogue is used somewhere, or belongs to a family whose ids are made at run time.
const FAMILIES = /^(sessions\.network|did|event|job|phase|state|mode|tab|pill|transport|count|bulk|act|audit\.by|kind|role|category|chain|privacy|many|view\.audience|data\.state|factors\.(kind|instead|about|refused))\./;
const sources = all.filter((file) => /\.tsx?$/.test(file)).map((file) => readFileSync(file, "utf8")).join("\n");
for (const file of all.filter((name) => name.endsWith(".texts.json"))) {
  for (const id of Object.keys(JSON.parse(readFileSync(file, "utf8")))) {
    if (!FAMILIES.test(id) && !sources.includes(`"${id}"`)) breaches.push(`${relative(root, file)}: "${id}" is not used`);
  }
}

// The lock file must install from whichever registry the machine is set to.
if (readFileSync(join(root, "package-lock.json"), "utf8").includes('"resolved"')) breaches.push("package-lock.json names a registry: npm install with omit-lockfile-registry-resolved");

for (const file of all.filter(code)) {
  const lines = readFileSync(file, "utf8").split("\n").length;
  if (lines > 300) breaches.push(`${relative(root, file)}: ${lines} lines, over 300`);
}

if (breaches.length > 0) {
  console.error(breaches.join("\n"));
  process.exit(1);
}
console.log(`lint: ${all.length} files, no breach`);
