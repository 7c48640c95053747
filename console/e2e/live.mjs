/**
 * What operators see of live delivery itself: events as they arrive, connections and channels, who else is on a page.
 *
 * The hub must have a namespace `chat` with history: SIGNALBOX__LIVE__NAMESPACES__CHAT__HISTORY_SIZE and HISTORY_TTL.
 */
import { BASE, check, equal, finish, open, OWNER, signIn, until, watched } from "./browser.mjs";
import { listen } from "./stream.mjs";

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
const roles = (await call("GET", "/roles", undefined, owner)).items;
const viewer = { name: `Onlooker ${stamp}`, email: `onlooker-${stamp}@example.com`, password: `a long password ${stamp}`, roles: [roles.find((role) => role.name.toLowerCase() === "viewer").id] };
viewer.id = (await call("POST", "/users", viewer, owner)).id;
const pill = (page) => page.getByRole("button", { name: /^Live connection/ });
const live = (page) => until("live", () => page.locator("[data-state=live]").count());
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
  const row = rows(page, "Live events").filter({ hasText: person.name }).first();
  await row.getByText("user.updated").waitFor();
  equal(/\d+ B|kB/.test(await row.innerText()), true, "a size");
  await row.click();
  const event = page.getByRole("complementary", { name: "Event" });
  await event.getByRole("region", { name: "Raw JSON" }).getByText('"department": "First"').waitFor();
  equal(await event.getByRole("link", { name: person.name }).getAttribute("href"), `/users/${person.id}`, "the way to the subject");
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

const program = listen(BASE, owner, ["feed:users"]);
await check("connections of all kinds are listed, and filters and order stand in the address", async () => {
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  await signIn(page);
  await page.goto(`${BASE}/connections`);
  const list = rows(page, "Connections");
  await list.filter({ hasText: "This browser" }).waitFor();
  await list.filter({ hasText: "EventSource" }).first().waitFor();
  await until("the node's numbers", async () => /[1-9]\d* connections?/.test(await page.getByTestId("nodes").innerText()));
  await page.getByLabel("Transport").selectOption("websocket");
  await until("no program", async () => (await list.filter({ hasText: "EventSource" }).count()) === 0);
  await page.getByRole("columnheader", { name: "Queued" }).getByRole("button").click();
  await page.getByTestId("nodes").getByRole("button").first().click();
  await until("the address", () => ["transport=websocket", "sort=-queue_bytes", "node="].every((part) => page.url().includes(part)));
  await page.reload();
  await list.filter({ hasText: "This browser" }).click();
  const detail = page.getByRole("complementary", { name: "Connection" });
  await detail.getByRole("link", { name: "feed:live" }).waitFor();
  await detail.getByRole("button", { name: "All of theirs" }).click();
  await page.getByRole("button", { name: /^Only / }).click();
  await until("the address without the user", () => !page.url().includes("user="));
  equal(faults, [], "faults");
  await context.close();
});
program.stop();

await check("a connection is ended with a reason, which the other end is shown and may come back from; the audit log keeps it", async () => {
  const [mine, theirs] = [await browser.newContext(wide), await browser.newContext(wide)];
  const [here, there] = [await watched(mine), await watched(theirs)];
  await signIn(there.page, viewer);
  await there.page.goto(`${BASE}/connections`);
  await live(there.page);
  await rows(there.page, "Connections").first().waitFor();
  equal(await there.page.getByRole("checkbox").count(), 0, "choices offered to whoever may not disconnect");
  await signIn(here.page);
  await here.page.goto(`${BASE}/connections?q=${encodeURIComponent(viewer.name)}`);
  const list = rows(here.page, "Connections");
  await list.getByRole("checkbox").check();
  await here.page.getByRole("toolbar", { name: "Selected connections" }).getByRole("button", { name: "Disconnect" }).click();
  const dialog = here.page.getByRole("dialog");
  await dialog.getByText(/Ends 1 connection of 1 person/).waitFor();
  equal(await dialog.getByRole("button", { name: "Disconnect" }).isDisabled(), true, "the button without a reason");
  await dialog.getByLabel("Reason").fill("Browser test");
  await dialog.getByRole("button", { name: "Disconnect" }).click();
  await dialog.getByText("All 1 done").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  await until("the other end not to be live", async () => (await pill(there.page).textContent()) === "Not live");
  await until("nobody in the list", async () => (await list.count()) === 0);
  await change("While away");
  await pill(there.page).click();
  const card = there.page.getByRole("region", { name: "Live connection" });
  await card.getByText("The hub says: Browser test").waitFor();
  await card.getByRole("button", { name: "Connect again" }).click();
  await until("the other end to be back", async () => /^(Live|Resumed)/.test(await pill(there.page).textContent()));
  await list.waitFor();
  await here.page.goto(`${BASE}/audit?action=live.disconnect`);
  const entry = rows(here.page, "Audit log").first();
  await entry.getByText(`disconnected ${viewer.name}`).waitFor();
  await entry.click();
  await here.page.getByRole("complementary", { name: "Audit entry" }).getByText("Browser test").first().waitFor();
  equal([here.faults, there.faults], [[], []], "faults");
  await mine.close();
  await theirs.close();
});

await check("a channel of the application shows its followers; a test message reaches them and is among its last publications", async () => {
  const channel = `chat:lobby-${stamp}`;
  const context = await browser.newContext(wide);
  const [follows, looks] = [await watched(context), await watched(context)];
  await signIn(follows.page);
  await follows.page.goto(`${BASE}/events?channels=${channel}`);
  await live(follows.page);
  await looks.page.goto(`${BASE}/channels?q=${channel}`);
  const row = rows(looks.page, "Channels").filter({ hasText: channel });
  await row.getByText("Your application").waitFor();
  await row.click();
  const detail = looks.page.getByRole("complementary", { name: "Channel" });
  await detail.getByLabel("Message (JSON)").fill("{ no JSON");
  equal(await detail.getByRole("button", { name: "Publish" }).isDisabled(), true, "the button while it is no JSON");
  await detail.getByLabel("Message (JSON)").fill(`{"text": "Hello ${stamp}"}`);
  await detail.getByRole("button", { name: "Publish" }).click();
  await detail.getByTestId("last").locator("summary", { hasText: `Hello ${stamp}` }).waitFor();
  const event = rows(follows.page, "Live events").filter({ hasText: channel }).first();
  await event.click();
  await follows.page.getByRole("complementary", { name: "Event" }).getByText(`"text": "Hello ${stamp}"`).waitFor();
  equal([follows.faults, looks.faults], [[], []], "faults");
  await context.close();
});

const file = new FormData();
file.append("file", new Blob([`email,name\nimported-${stamp}@example.com,Imported\n`]), "people.csv");
file.append("kind", "users");
file.append("mode", "dry_run");
const submitted = await fetch(`${BASE}/api/v1/imports`, { method: "POST", headers: { Authorization: `Bearer ${owner}` }, body: file });
if (!submitted.ok) throw new Error(`the import was not taken: ${submitted.status} ${await submitted.text()}`);
const { id, job_id: job } = await submitted.json();
// In the inspector beside a list it is the same item.
for (const [what, page, elsewhere] of [
  ["person", `/users/${person.id}`, `/users?open=${person.id}`],
  ["job", `/jobs/${job}`, `/jobs?open=${job}`],
  ["import", `/imports/${id}`, `/imports/${id}`],
]) {
  await check(`two people who look at one ${what} see each other, by name, until one leaves`, async () => {
    const [mine, theirs] = [await browser.newContext(wide), await browser.newContext(wide)];
    const [here, there] = [await watched(mine), await watched(theirs)];
    await signIn(here.page);
    await signIn(there.page, viewer);
    await here.page.goto(BASE + page);
    await live(here.page);
    equal(await here.page.getByTestId("here").count(), 0, "others before anybody came");
    await there.page.goto(BASE + elsewhere);
    await here.page.getByRole("img", { name: `Also here: ${viewer.name}` }).waitFor();
    await there.page.getByRole("img", { name: /^Also here: / }).waitFor();
    await theirs.close();
    await here.page.getByTestId("here").waitFor({ state: "detached" });
    equal([here.faults, there.faults], [[], []], "faults");
    await mine.close();
  });
}

await browser.close();
finish();
