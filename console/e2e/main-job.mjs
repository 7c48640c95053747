/**
 * The main job in a real browser: two windows on Users, a file uploaded in one, progress moving and rows appearing in both,
 * no reload, no breach of the content policy, no error; a program on the stream hears what the windows hear. In the middle
 * of the import the hub is killed with SIGKILL and comes back on the same data and address: nothing is lost, nothing
 * doubled, and both windows go on by themselves.
 *
 * SIGNALBOX names the hub's binary: this test starts a hub of its own. CSV names the file. SHOTS names a folder for pictures.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ownHub } from "./hub.mjs";
import { listen } from "./stream.mjs";

const csv = process.env.CSV;
if (!csv) {
  console.error("CSV is not set. Give the path of a file of people, with a column `email` or `E-mail`.");
  process.exit(2);
}
/** How long the hub may take over the whole file, in milliseconds. */
const LIMIT = Number(process.env.LIMIT_MS ?? 300_000);
/** How soon a window must be level again once the hub is back, in milliseconds: the client backs off while it is away. */
const BACK = 30_000;

/** The addresses of the file, read here and not by the hub: none of its cells holds a comma or a quote. */
const lines = readFileSync(csv, "utf8").trimEnd().split("\n");
const column = lines[0].split(",").findIndex((name) => /^e-?mail$/i.test(name.trim()));
const addresses = new Set(lines.slice(1).map((line) => line.split(",")[column].trim().toLowerCase()));
const rows = lines.length - 1;

const hub = await ownHub();
await hub.start();
process.env.BASE_URL = hub.url;
const { BASE, check, equal, failures, finish, open, OWNER, signIn, until, watched } = await import("./browser.mjs");

const browser = await open();
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const first = await watched(context);
const second = await watched(context);
const windows = [first, second];

const total = async (page) => Number((await page.getByTestId("total").innerText()).replace(/\D/g, "") || 0);
const count = async (page, name) => Number((await page.locator(`[data-count=${name}]`).innerText()).replace(/\D/g, ""));
const shot = (page, name) => process.env.SHOTS && page.screenshot({ path: join(process.env.SHOTS, `${name}.png`) });
const pill = (page) => page.getByRole("button", { name: /^Live connection/ }).getAttribute("data-state");

/** Ids of the events about imported people that a window was sent by the worker that holds the socket, in order. */
async function overhear(watch) {
  watch.imported = new Map();
  await watch.page.exposeFunction("tellImported", (events) => {
    for (const event of events) watch.imported.set(event.id, event);
  });
  await watch.page.addInitScript(() => {
    window.SharedWorker = class extends SharedWorker {
      constructor(...told) {
        super(...told);
        this.port.addEventListener("message", ({ data }) => {
          const imported = data.flatMap((tell) => tell.events ?? []).map((arrival) => arrival.data).filter((event) => event.type === "users.imported");
          if (imported.length > 0) window.tellImported(imported);
        });
      }
    };
  });
}
for (const each of windows) await overhear(each);

/** What a window shows, noted in the page itself each frame, so that nothing between two looks is missed. */
const observe = (page) =>
  page.evaluate(() => {
    window.seen = { born: Math.random(), progress: [], totals: [], rows: new Set(), pills: [] };
    const look = () => {
      const seen = window.seen;
      const note = (list, value) => value && list.at(-1) !== value && list.push(value);
      note(seen.progress, document.querySelector("[data-testid=dock] [data-testid=progress]")?.textContent);
      note(seen.totals, document.querySelector("[data-testid=total]")?.textContent);
      note(seen.pills, document.querySelector("button[data-state]")?.dataset.state);
      for (const row of document.querySelectorAll("[role=grid] [role=rowgroup] [role=row][id]")) seen.rows.add(row.id);
      requestAnimationFrame(look);
    };
    look();
    return window.seen.born;
  });
const seen = (page) => page.evaluate(() => ({ ...window.seen, rows: window.seen.rows.size }));
const done = (progress) => progress.map((shown) => Number(shown.split("/")[0].replace(/\D/g, "")));
/** How far the import is, as the dock of a window tells it. */
const dock = async (page) => {
  const shown = await page.getByTestId("dock").getByTestId("progress").first().textContent({ timeout: 1000 }).catch(() => "");
  const [at, of] = shown.split("/").map((part) => Number(part.replace(/\D/g, "")));
  return { at, of };
};

let before = 0;
let born = [];
let stream = null;
let token = "";

await check("signs in and opens Users in two windows, and a program follows the stream", async () => {
  await signIn(first.page);
  for (const { page } of windows) {
    await page.goto(`${BASE}/users`);
    await page.getByRole("grid", { name: "Users" }).locator("[role=rowgroup] [role=row][id]").first().waitFor();
    await until("the pill to say live", () => page.locator("[data-state=live]").count());
  }
  before = await total(first.page);
  equal(await total(second.page), before, "total in the second window");
  born = await Promise.all(windows.map(({ page }) => observe(page)));
  for (const each of windows) each.loads = 0;
  const signedIn = await fetch(`${BASE}/api/v1/auth/login`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(OWNER) });
  token = (await signedIn.json()).access_token;
  stream = listen(BASE, token, ["feed:users"]);
  await until("the stream to be open", () => stream.open);
});

await check("uploads the file, shows its first rows and the guessed columns", async () => {
  const { page } = first;
  await page.getByRole("link", { name: "Import", exact: true }).click();
  await page.locator("input[type=file]").setInputFiles(csv);
  await page.getByText(/First( \d+)? rows?/).first().waitFor({ timeout: LIMIT });
  equal(await page.getByLabel(/^E-?mail/).inputValue().then((value) => value !== ""), true, "a column is guessed for the address");
  await shot(page, "wizard-columns");
});

await check("checks the file without writing: every row is accounted for", async () => {
  const { page } = first;
  await page.getByRole("button", { name: "Check the file" }).click();
  await page.locator("[data-testid=import][data-state=running]").waitFor({ timeout: LIMIT });
  await shot(page, "wizard-checking");
  await page.locator("[data-testid=import][data-state=succeeded]").waitFor({ timeout: LIMIT });
  await until("all rows counted", async () => (await count(page, "total")) >= rows);
  await shot(page, "wizard-checked");
  const [sum, ...parts] = await Promise.all(["total", "inserted", "updated", "unchanged", "rejected"].map((name) => count(page, name)));
  equal(sum, parts.reduce((a, b) => a + b, 0), "total = inserted + updated + unchanged + rejected");
  equal(parts[0], addresses.size, "people that would be added");
  equal(await total(second.page), before, "people after the check");
});

await check("imports: rows appear in both windows while it runs", async () => {
  for (const { page } of windows) await page.evaluate(() => Object.assign(window.seen, { progress: [], totals: [], rows: new Set(), pills: [] }));
  await first.page.getByRole("button", { name: "Import these rows" }).click();
  await first.page.getByRole("link", { name: "See users" }).click();
  for (const { page } of windows) {
    await until("the dock to say how far", async () => (await dock(page)).at > 0, LIMIT);
    await until("a fifth of the people", async () => (await total(page)) > before + addresses.size / 5, LIMIT);
  }
  await shot(second.page, "import-running");
});

await check("kill -9 of the hub in the middle: both windows say that the connection is gone and keep their rows", async () => {
  // The browser tells each refused attempt to reconnect; nothing else is excused.
  for (const each of windows) each.expected.push(/WebSocket connection|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|net::ERR_FAILED/);
  await hub.kill();
  const reached = await total(second.page);
  console.log(`     killed with ${reached - before} of ${addresses.size} people on the screen`);
  if (reached >= before + addresses.size) throw new Error("the import was over before the hub was killed");
  for (const { page } of windows) {
    await until("the pill to say reconnecting", async () => (await pill(page)) === "reconnecting");
    await page.getByRole("grid", { name: "Users" }).locator("[role=rowgroup] [role=row][id]").first().waitFor();
  }
  await shot(second.page, "hub-away");
});

await check("the hub comes back on the same data and both windows go on by themselves", async () => {
  await hub.start();
  for (const { page } of windows) {
    await until("the pill to say that it is connected", async () => ["live", "resumed", "refetched"].includes(await pill(page)), BACK);
  }
  await shot(second.page, "hub-back");
});

await check("the import is rescued and finishes, told by both docks", async () => {
  for (const { page } of windows) {
    await until("the dock to say the import succeeded", () => page.evaluate(() => {
      const entries = [...document.querySelectorAll("[data-testid=dock] li")];
      return entries.length > 0 && entries.every((entry) => /Succeeded/.test(entry.textContent));
    }), LIMIT);
  }
  await shot(second.page, "import-done");
});

for (const [index, { page }] of windows.entries()) {
  const name = index === 0 ? "first" : "second";
  await check(`the ${name} window saw progress move, rows appear and the total grow to exactly all people`, async () => {
    await until("the total to be complete", async () => (await total(page)) === before + addresses.size);
    const { progress, totals, rows: appeared, pills } = await seen(page);
    console.log(`     ${progress.length} looks of progress, ${totals.length} totals, ${appeared} rows shown, pill: ${pills.join(" ")}`);
    if (new Set(done(progress)).size < 3) throw new Error(`progress did not move: ${progress.slice(0, 8).join(" | ")}`);
    if (totals.length < 2) throw new Error(`the total did not move: ${totals.join(" | ")}`);
    const numbers = totals.map((shown) => Number(shown.replace(/\D/g, "")));
    equal(numbers.filter((value, at) => at > 0 && value < numbers[at - 1]), [], "totals that went backwards");
    if (appeared < 20) throw new Error(`only ${appeared} rows were shown`);
  });
  await check(`the ${name} window was never loaded again`, async () => {
    equal(windows[index].loads, 0, "documents loaded");
    equal(await page.evaluate(() => window.seen.born), born[index], "the page's own mark");
  });
}

await check("nothing is lost and nothing doubled: the hub's people are exactly those of the file", async () => {
  const found = new Map();
  for (let cursor = null, more = true; more; ) {
    const query = new URLSearchParams({ limit: "1000", sort: "email", ...(cursor && { cursor }) });
    const answer = await fetch(`${BASE}/api/v1/users?${query}`, { headers: { Authorization: `Bearer ${token}` } });
    const page = await answer.json();
    if (!answer.ok) throw new Error(JSON.stringify(page));
    for (const { email } of page.items) found.set(email, (found.get(email) ?? 0) + 1);
    cursor = page.next_cursor;
    more = Boolean(cursor);
  }
  equal([...found].filter(([, times]) => times > 1), [], "people who stand there twice");
  equal([...addresses].filter((address) => !found.has(address)).slice(0, 5), [], "people who are missing");
  equal(found.size, before + addresses.size, "people in all");
});

await check("the stream and both windows heard the same events, each once, and together they tell of every person", async () => {
  const sum = (events) => [...events.values()].reduce((n, event) => n + Number(event.data.inserted), 0);
  const imported = () => new Map([...stream.heard].filter(([, event]) => event.type === "users.imported"));
  await until("the stream to be level", () => sum(imported()) >= addresses.size, BACK);
  stream.stop();
  console.log(`     ${imported().size} events of imported people, the stream broke ${stream.breaks} times`);
  equal(sum(imported()), addresses.size, "people told of by the stream");
  equal(stream.repeated, 0, "events the stream told twice");
  for (const watch of windows) equal([...watch.imported.keys()].sort(), [...imported().keys()].sort(), "ids of events");
});

await check("the audit log says who imported what, once", async () => {
  const { page } = first;
  await page.getByRole("link", { name: "Audit log" }).click();
  const answer = await fetch(`${BASE}/api/v1/audit?action=imports.finish`, { headers: { Authorization: `Bearer ${token}` } });
  const written = (await answer.json()).items.filter((item) => item.details.mode === "commit");
  equal(written.map((item) => [item.actor.name, item.details.state, item.details.counts.inserted]), [[written[0]?.actor.name, "succeeded", addresses.size]], "imports that ended");
  const words = `imported people: ${addresses.size.toLocaleString("en")} added`;
  await page.getByRole("grid", { name: "Audit log" }).getByText(words).click();
  const entry = page.getByRole("complementary", { name: "Audit entry" });
  await entry.getByText(written[0].actor.name).first().waitFor();
  await shot(page, "audit");
  await entry.getByRole("link", { name: "Open the import" }).click();
  await page.getByRole("heading").getByText(csv.split("/").at(-1)).waitFor();
});

for (const [index, { faults }] of windows.entries()) {
  await check(`window ${index + 1}: no console error, no breach of the content policy, no other origin`, () => equal(faults, [], "faults"));
}

stream?.stop();
await browser.close();
await hub.end(failures() > 0);
finish();
