/**
 * The main job in a real browser: two windows on Users, a file uploaded in one, progress moving and rows appearing in both,
 * no reload, no breach of the content policy, no error. CSV names the file; its people should be new to the hub.
 */
import { readFileSync } from "node:fs";
import { BASE, check, equal, finish, open, signIn, until, watched } from "./browser.mjs";

const csv = process.env.CSV;
if (!csv) {
  console.error("CSV is not set. Give the path of a file of people, with a column `email` or `E-mail`.");
  process.exit(2);
}
/** How long the hub may take over the whole file, in milliseconds. */
const LIMIT = Number(process.env.LIMIT_MS ?? 300_000);
const text = readFileSync(csv, "utf8");
const rows = text.trimEnd().split("\n").length - 1;

const browser = await open();
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const first = await watched(context);
const second = await watched(context);
const windows = [first, second];

const total = async (page) => Number((await page.getByTestId("total").innerText()).replace(/\D/g, "") || 0);
const count = async (page, name) => Number((await page.locator(`[data-count=${name}]`).innerText()).replace(/\D/g, ""));

/** What a window shows, noted in the page itself each frame, so that nothing between two looks is missed. */
const observe = (page) =>
  page.evaluate(() => {
    window.seen = { born: Math.random(), progress: [], totals: [], rows: new Set() };
    const look = () => {
      const seen = window.seen;
      const note = (list, value) => value && list.at(-1) !== value && list.push(value);
      note(seen.progress, document.querySelector("[data-testid=dock] [data-testid=progress]")?.textContent);
      note(seen.totals, document.querySelector("[data-testid=total]")?.textContent);
      for (const row of document.querySelectorAll("[role=grid] [role=rowgroup] [role=row][id]")) seen.rows.add(row.id);
      requestAnimationFrame(look);
    };
    look();
    return window.seen.born;
  });
const seen = (page) => page.evaluate(() => ({ ...window.seen, rows: window.seen.rows.size }));

let before = 0;
let born = [];

await check("signs in and opens Users in two windows", async () => {
  await signIn(first.page);
  for (const { page } of windows) {
    await page.goto(`${BASE}/users`);
    await page.getByRole("grid", { name: "Users" }).getByRole("row").nth(1).waitFor();
    await until("the pill to say live", () => page.locator("[data-state=live]").count());
  }
  before = await total(first.page);
  equal(await total(second.page), before, "total in the second window");
  born = await Promise.all(windows.map(({ page }) => observe(page)));
  for (const each of windows) each.loads = 0;
});

await check("uploads the file, shows its first rows and the guessed columns", async () => {
  const { page } = first;
  await page.getByRole("link", { name: "Import", exact: true }).click();
  await page.locator("input[type=file]").setInputFiles(csv);
  await page.getByText(/First( \d+)? rows?/).first().waitFor({ timeout: LIMIT });
  equal(await page.getByLabel(/^E-?mail/).inputValue().then((value) => value !== ""), true, "a column is guessed for the address");
});

let inserted = 0;
await check("checks the file without writing: every row is accounted for", async () => {
  const { page } = first;
  await page.getByRole("button", { name: "Check the file" }).click();
  await page.locator("[data-testid=import][data-state=succeeded]").waitFor({ timeout: LIMIT });
  await until("all rows counted", async () => (await count(page, "total")) >= rows);
  const [sum, ...parts] = await Promise.all(["total", "inserted", "updated", "unchanged", "rejected"].map((name) => count(page, name)));
  equal(sum, parts.reduce((a, b) => a + b, 0), "total = inserted + updated + unchanged + rejected");
  inserted = parts[0];
  equal(await total(second.page), before, "people after the check");
});

await check("imports, and both windows watch it without a reload", async () => {
  for (const { page } of windows) await page.evaluate(() => Object.assign(window.seen, { progress: [], totals: [], rows: new Set() }));
  await first.page.getByRole("button", { name: "Import these rows" }).click();
  await first.page.getByRole("link", { name: "See users" }).click();
  for (const { page } of windows) {
    await page.getByTestId("dock").getByText("Running").first().waitFor({ timeout: 20_000 }).catch(() => {});
    await until("the dock to say the import succeeded", () => page.evaluate(() => [...document.querySelectorAll("[data-testid=dock] li")].every((entry) => /Succeeded/.test(entry.textContent))), LIMIT);
  }
});

for (const [index, { page }] of windows.entries()) {
  const name = index === 0 ? "first" : "second";
  await check(`the ${name} window saw progress move, rows appear and the total grow`, async () => {
    await until("the total to be complete", async () => (await total(page)) === before + inserted);
    const { progress, totals, rows: appeared } = await seen(page);
    const done = progress.map((shown) => Number(shown.split("/")[0].replace(/\D/g, "")));
    console.log(`     ${progress.length} looks of progress, ${totals.length} totals, ${appeared} rows shown`);
    if (new Set(done).size < 3) throw new Error(`progress did not move: ${progress.slice(0, 8).join(" | ")}`);
    if (totals.length < 2) throw new Error(`the total did not move: ${totals.join(" | ")}`);
    if (inserted > 0 && appeared < 20) throw new Error(`only ${appeared} rows were shown`);
  });
  await check(`the ${name} window was never loaded again`, async () => {
    equal(windows[index].loads, 0, "documents loaded");
    equal(await page.evaluate(() => window.seen.born), born[index], "the page's own mark");
  });
}

await check("the audit log says who imported what", async () => {
  const { page } = first;
  await page.getByRole("link", { name: "Audit log" }).click();
  await page.getByRole("grid", { name: "Audit log" }).getByText(/imports?\.\w+|users\.import/).first().waitFor();
});

for (const [index, { faults }] of windows.entries()) {
  await check(`window ${index + 1}: no console error, no breach of the content policy, no other origin`, () => equal(faults, [], "faults"));
}

await browser.close();
finish();
