/** What operators see of live delivery itself: events as they arrive. */
import { BASE, check, equal, finish, open, OWNER, signIn, until, watched } from "./browser.mjs";

const browser = await open();
const stamp = Date.now().toString(36);
const wide = { viewport: { width: 1440, height: 900 } };

const call = async (method, path, body, token) => {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${BASE}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};
const { access_token: owner } = await call("POST", "/auth/login", OWNER);
const person = { name: `Watched ${stamp}`, email: `watched-${stamp}@example.com`, password: `a long password ${stamp}` };
person.id = (await call("POST", "/users", person, owner)).id;
const change = (department) => call("PATCH", `/users/${person.id}`, { department }, owner);
const rows = (page, name) => page.getByRole("grid", { name }).locator("[role=rowgroup] [role=row][id]");

await check("events of the chosen channels appear as they happen, with type, subject and size, and one opens in full", async () => {
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  await signIn(page);
  await page.goto(`${BASE}/events?channels=feed:users`);
  await until("live", () => page.locator("[data-state=live]").count());
  await page.getByRole("heading", { name: "Waiting for events" }).waitFor();
  await change("First");
  const row = rows(page, "Live events").filter({ hasText: person.id }).first();
  await row.getByText("user.updated").waitFor();
  equal(/\d+ B|kB/.test(await row.innerText()), true, "a size");
  await row.click();
  const event = page.getByRole("complementary", { name: "Event" });
  await event.getByRole("region", { name: "Raw JSON" }).getByText('"department": "First"').waitFor();
  equal(await event.getByRole("link", { name: "Open the person" }).getAttribute("href"), `/users/${person.id}`, "the way to the subject");
  await page.keyboard.press("Escape");
  await event.waitFor({ state: "detached" });
  equal(faults, [], "faults");
  await context.close();
});

await check("a pause holds the events still and says how many wait; a filter and the channels stand in the address", async () => {
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  await signIn(page);
  await page.goto(`${BASE}/events?channels=feed:users,feed:audit`);
  await until("live", () => page.locator("[data-state=live]").count());
  await page.getByRole("heading", { name: "Waiting for events" }).waitFor();
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await change("Second");
  await page.getByRole("button", { name: /^Paused · [12] new$/ }).waitFor();
  equal(await rows(page, "Live events").count(), 0, "rows while paused");
  await page.keyboard.press("p");
  await until("two rows", async () => (await rows(page, "Live events").count()) === 2);
  await page.getByLabel("Filter by type, subject or actor").fill("audit");
  await until("one row", async () => (await rows(page, "Live events").count()) === 1);
  await page.getByRole("button", { name: "audit", exact: true }).click();
  await until("the address", () => /channels=feed(:|%3A)users&q=audit$/.test(page.url()));
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByRole("heading", { name: "Waiting for events" }).waitFor();
  equal(faults, [], "faults");
  await context.close();
});

await check("whoever may read nothing watches their own inbox, and is told which channel they may not follow", async () => {
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  await signIn(page, person);
  await page.goto(`${BASE}/events`);
  await until("live", () => page.locator("[data-state=live]").count());
  equal(await page.getByRole("group", { name: "Channels" }).getByRole("button").allInnerTexts(), ["my inbox"], "channels offered");
  await page.getByLabel("Another channel").fill("feed:users");
  await page.keyboard.press("Enter");
  await page.getByText("You may not follow feed:users").first().waitFor();
  equal(faults, [], "faults");
  await context.close();
});

await browser.close();
finish();
