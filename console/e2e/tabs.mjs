/**
 * Many tabs on one socket: three tabs are one connection of the hub, an event reaches all of them, a break and a hub that is
 * killed cost nothing, and signing out in one signs out all. A tab without a shared worker has a connection of its own.
 *
 * SIGNALBOX names the hub's binary: this test starts a hub of its own, behind a door that it shuts and opens.
 */
import { gateBefore } from "./gate.mjs";
import { ownHub } from "./hub.mjs";

const hub = await ownHub();
await hub.start();
const gate = await gateBefore(new URL(hub.url).port);
process.env.BASE_URL = gate.url;
const { BASE, check, equal, failures, finish, open, OWNER, signIn, until, watched } = await import("./browser.mjs");

const browser = await open();
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const tabs = [await watched(context), await watched(context), await watched(context)];
const pages = tabs.map(({ page }) => page);
/** What the browser says while the door is shut or the hub away; nothing else is excused. */
const AWAY = /WebSocket connection|ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|net::ERR_FAILED|Failed to load resource/;

// Straight to the hub, past the door.
const call = async (method, path, body, token) => {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${hub.url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};
const { access_token: owner } = await call("POST", "/auth/login", OWNER);
const someone = await call("POST", "/users", { name: "Tab Watcher", email: "tabs@example.com", password: "a long password for tabs" }, owner);
const change = (department) => call("PATCH", `/users/${someone.id}`, { department }, owner);

const pill = (page) => page.getByRole("button", { name: /^Live connection/ });
const state = (page) => pill(page).getAttribute("data-state");
/** Waits for the pill to say it, which it may do for a moment only; what it said. */
const says = async (page, words) => {
  let said;
  await until(`the pill to say ${words}`, async () => {
    said = (await pill(page).textContent().catch(() => "")) ?? "";
    return words.test(said);
  });
  return said;
};
const shows = (page, department) => page.getByRole("grid", { name: "Users" }).getByText(department, { exact: true }).waitFor();
/** Sockets that the hub counts. */
const connections = async () => {
  const told = await (await fetch(`${hub.url}/metrics`)).text();
  return Number(/^signalbox_live_connections\{transport="websocket"\} (\d+)/m.exec(told)?.[1] ?? 0);
};
/** What the pill's card says of one thing. */
const card = async (page, name) => {
  await page.bringToFront();
  await pill(page).click();
  const told = await page.getByRole("region", { name: "Live connection" }).locator("dt", { hasText: name }).locator("+ dd").innerText();
  await page.keyboard.press("Escape");
  await page.getByRole("region", { name: "Live connection" }).waitFor({ state: "detached" });
  return told;
};

await check("three tabs are one connection of the hub, and say so", async () => {
  await signIn(pages[0]);
  for (const page of pages) {
    await page.goto(`${BASE}/users`);
    await until("live", async () => (await state(page)) === "live");
  }
  await until("one connection", async () => (await connections()) === 1);
  for (const page of pages) equal(await card(page, "Shared by"), "3 tabs", "the card");
  equal(await card(pages[1], "Transport"), "WebSocket", "the card's transport");
  await until("a latency", async () => /^[\d.]+ (µs|ms|s)$/.test(await card(pages[2], "Latency")));
});

await check("an event reaches all three, and each tells its age", async () => {
  await change("Once");
  for (const page of pages) await shows(page, "Once");
  for (const page of pages) await says(page, /Live · \d+s ago/);
});

await check("after a break all three say what they missed, and show it", async () => {
  for (const tab of tabs) tab.expected.push(AWAY);
  gate.shut();
  for (const page of pages) await until("reconnecting", async () => (await state(page)) === "reconnecting");
  for (const department of ["Twice", "Thrice", "Four times"]) await change(department);
  gate.open();
  const counted = await Promise.all(pages.map((page) => says(page, /Resumed · [1-9]\d* events/)));
  for (const page of pages) await shows(page, "Four times");
  equal(new Set(counted).size, 1, `what the three say: ${counted.join(", ")}`);
});

await check("a hub that is killed and comes back: all three resume on one connection, none is loaded again", async () => {
  for (const tab of tabs) tab.loads = 0;
  await hub.kill();
  for (const page of pages) await until("reconnecting", async () => (await state(page)) === "reconnecting");
  await hub.start();
  await Promise.all(pages.map((page) => says(page, /^Resumed/)));
  await until("one connection", async () => (await connections()) === 1);
  await change("Five times");
  for (const page of pages) await shows(page, "Five times");
  equal(tabs.map((tab) => tab.loads), [0, 0, 0], "documents loaded");
});

await check("a tab that crashes is noticed by the others", async () => {
  const crashed = await context.newPage();
  await crashed.goto(`${BASE}/users`);
  await until("live", async () => (await state(crashed)) === "live");
  equal(await card(pages[0], "Shared by"), "4 tabs", "the card");
  const debug = await context.newCDPSession(crashed);
  await Promise.race([debug.send("Page.crash").catch(() => {}), new Promise((gone) => crashed.once("crash", gone))]);
  await until("the card to count three", async () => (await card(pages[0], "Shared by")) === "3 tabs");
  await crashed.close();
});

await check("a worker that the browser ended is replaced, and the tabs resume", async () => {
  const debug = await browser.newBrowserCDPSession();
  const workers = async () => (await debug.send("Target.getTargets", { filter: [{ type: "shared_worker" }] })).targetInfos.map((target) => target.targetId);
  const before = await workers();
  equal(before.length, 1, "workers");
  await debug.send("Target.closeTarget", { targetId: before[0] });
  await Promise.all(pages.map((page) => says(page, /^Resumed/)));
  const after = await workers();
  equal([after.length, after[0] === before[0]], [1, false], "workers, and whether it is the same");
  await change("Five and a half");
  for (const page of pages) await shows(page, "Five and a half");
  await until("one connection", async () => (await connections()) === 1);
});

await check("a browser without shared workers has a connection for each tab, which lives as well", async () => {
  const plain = await browser.newContext();
  const alone = await watched(plain);
  await alone.page.addInitScript(() => delete window.SharedWorker);
  await signIn(alone.page);
  await alone.page.goto(`${BASE}/users`);
  await until("live", async () => (await state(alone.page)) === "live");
  equal(await card(alone.page, "Shared by"), "only this tab", "the card");
  await until("two connections", async () => (await connections()) === 2);
  await change("Six times");
  await shows(alone.page, "Six times");
  alone.expected.push(AWAY);
  gate.shut();
  await until("reconnecting", async () => (await state(alone.page)) === "reconnecting");
  await change("Seven times");
  gate.open();
  await says(alone.page, /Resumed · [1-9]\d* event/);
  await shows(alone.page, "Seven times");
  equal(alone.faults, [], "faults");
  await plain.close();
});

await check("somebody else who signs in in another tab ends the link of all others, which say why", async () => {
  for (const page of pages) await shows(page, "Seven times");
  await signIn(pages[2], { email: "tabs@example.com", password: "a long password for tabs" });
  for (const page of pages.slice(0, 2)) await page.getByText("Somebody else signed in here").waitFor();
  await until("the newcomer to be live", async () => (await state(pages[2])) === "live");
  await until("one connection", async () => (await connections()) === 1);
});

await check("whoever signs in again in another tab stays where they are in the others, by the new session", async () => {
  await signIn(pages[0]);
  await pages[1].goto(`${BASE}/users`);
  await until("live", async () => (await state(pages[1])) === "live");
  const session = (page) => page.evaluate(() => fetch("/api/v1/me/sessions").then((answer) => answer.json()).then((all) => all.items.find((one) => one.current).id));
  const before = await session(pages[1]);
  await signIn(pages[2]);
  await until("another session", async () => (await session(pages[1]).catch(() => before)) !== before);
  for (const page of pages.slice(0, 2)) await until("live", async () => (await state(page)) === "live");
  equal(new URL(pages[1].url()).pathname, "/users", "where it is");
});

await check("signing out in one tab signs out all, and the socket is gone", async () => {
  await signIn(pages[0]);
  await until("live", async () => (await state(pages[1])) === "live");
  await pages[0].bringToFront();
  await pages[0].getByRole("button", { name: /^Account of/ }).click();
  await pages[0].getByRole("menuitem", { name: "Sign out" }).click();
  for (const page of pages) await page.getByRole("heading", { name: "Sign in to Signalbox" }).waitFor();
  await until("no connection", async () => (await connections()) === 0);
});

await check("whoever signs in in one tab goes on in another as soon as they look at it", async () => {
  await signIn(pages[0]);
  await pages[1].evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await until("live", async () => (await state(pages[1])) === "live");
});

for (const [index, { faults }] of tabs.entries()) {
  await check(`tab ${index + 1}: no console error, no breach of the content policy, no other origin`, () => equal(faults, [], "faults"));
}

await browser.close();
gate.end();
await hub.end(failures() > 0);
finish();
