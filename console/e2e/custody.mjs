/**
 * Acting as somebody else and back, in two tabs; one act on all that match; a view that somebody keeps and a colleague sees appear.
 */
import { BASE, check, equal, finish, open, OWNER, signIn, until, watched } from "./browser.mjs";

const browser = await open();
const stamp = Date.now().toString(36);
const wide = { viewport: { width: 1440, height: 900 } };
const shot = (page, name) => (process.env.SHOTS ? page.screenshot({ path: `${process.env.SHOTS}/${name}.png` }) : undefined);

// People are made over REST, as a program would.
const call = async (method, path, body, token) => {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${BASE}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};
const { access_token: owner } = await call("POST", "/auth/login", OWNER);
const roles = (await call("GET", "/roles", undefined, owner)).items;
const person = async (name, role, more) => {
  const person = { name: `${name} ${stamp}`, email: `${name.toLowerCase()}-${stamp}@example.com`, password: `a long password ${stamp}`, ...more, ...(role && { roles: [roles.find((one) => one.name === role).id] }) };
  return { ...person, id: (await call("POST", "/users", person, owner)).id };
};
const grid = (page) => page.getByRole("grid", { name: "Users" });

await check("who acts as somebody sees it in every tab, may only look, and comes back as themselves", async () => {
  const manager = await person("Manager", "manager");
  const context = await browser.newContext(wide);
  const { page } = await watched(context);
  await signIn(page, OWNER);
  const other = await context.newPage();
  await other.goto(`${BASE}/users`);
  await grid(other).waitFor();
  await page.goto(`${BASE}/users?open=${manager.id}`);
  await page.getByRole("button", { name: "Impersonate" }).click();
  await page.getByLabel("Reason").fill("They report an error");
  await shot(page, "act-as");
  await page.getByRole("dialog").getByRole("button", { name: "Impersonate" }).click();
  for (const tab of [page, other]) {
    await tab.getByTestId("acting").getByText(`You are impersonating ${manager.name}`).waitFor();
    equal(await tab.getByTestId("acting").getByText("read-only").count(), 1, "read-only");
  }
  await page.reload();
  await page.getByTestId("acting").waitFor();
  for (const tab of [page, other]) await until("live as them too", () => tab.locator("[data-state=live]").count());
  await shot(page, "acting");
  // What is the person's own is not offered, and then refused, to somebody who acts as them.
  await other.goto(`${BASE}/account?section=sign-in`);
  await other.getByText("are theirs alone and are not shown here").waitFor();
  equal([await other.getByLabel("Current password").count(), await other.getByRole("button", { name: "Sign out" }).count()], [0, 0], "what is theirs alone");
  await page.getByRole("button", { name: "Allow changes" }).click();
  await page.getByLabel("Reason").fill("They asked me to");
  await page.getByRole("dialog").getByRole("button", { name: "Allow changes" }).click();
  await page.getByTestId("acting").getByText("you may change things for").waitFor();
  await shot(page, "acting-elevated");
  await page.getByTestId("acting").getByRole("button", { name: "End" }).click();
  await grid(page).waitFor();
  await until("nobody acts in any tab", async () => (await page.getByTestId("acting").count()) + (await other.getByTestId("acting").count()) === 0);
  const me = await page.evaluate(() => fetch("/api/v1/me").then((answer) => answer.json()));
  equal([me.user.email, me.impersonation ?? null], [OWNER.email, null], "oneself again");
  await context.close();
});

await check("where nothing can be done to the person one has chosen, the bar says why", async () => {
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  await signIn(page, OWNER);
  await page.goto(`${BASE}/users?q=${encodeURIComponent(OWNER.email)}`);
  await until("one row", () => grid(page).locator("[role=rowgroup] [role=row][id]").count().then((n) => n === 1));
  await grid(page).locator("[role=rowgroup] [role=row][id] input[type=checkbox]").first().check();
  await page.getByRole("toolbar").getByText("You cannot act on this person").waitFor();
  equal([await page.getByRole("toolbar").getByRole("button").count(), faults], [1, []], "buttons but the one that clears, and faults");
  await context.close();
});

await check("all that match are counted, confirmed, and changed by a job", async () => {
  const department = `Dept ${stamp}`;
  for (let n = 0; n < 3; n += 1) await person(`Many${n}`, undefined, { department });
  const context = await browser.newContext(wide);
  const { page } = await watched(context);
  await signIn(page, OWNER);
  await page.goto(`${BASE}/users?department=${encodeURIComponent(department)}`);
  await until("three rows", () => grid(page).locator("[role=rowgroup] [role=row][id]").count().then((n) => n === 3));
  await grid(page).locator("[role=rowgroup] [role=row][id] input[type=checkbox]").first().check();
  await shot(page, "bulk-bar");
  await page.getByLabel("Select all").check();
  await page.getByRole("toolbar").getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Suspend" }).click();
  await page.getByRole("dialog").getByText("Suspend 3 people?").waitFor();
  await page.getByLabel("Reason").fill("Leave");
  await shot(page, "bulk-question");
  await page.getByRole("dialog").getByRole("button", { name: "Suspend" }).click();
  await page.getByText("All 3 done").waitFor();
  await shot(page, "bulk-done");
  await context.close();
});

await check("a view that is shared appears before a colleague, and opens the page for whoever chose it", async () => {
  const colleague = await person("Colleague", "viewer");
  const [mine, theirs] = [await browser.newContext(wide), await browser.newContext(wide)];
  const [{ page }, { page: other }] = [await watched(mine), await watched(theirs)];
  await signIn(page, OWNER);
  await signIn(other, colleague);
  await other.goto(`${BASE}/users`);
  await until("live", () => other.locator("[data-state=live]").count());
  // filters nobody has kept yet: the button names the first view that has them
  await page.goto(`${BASE}/users?status=banned&q=${stamp}`);
  await page.getByTestId("views").click();
  await page.getByRole("menuitem", { name: "Save this view" }).click();
  // not the page's search box, which has "name" in its label too
  await page.getByRole("dialog").getByLabel("Name").fill(`Shut out ${stamp}`);
  await page.getByLabel("Visible to").selectOption("everyone");
  await shot(page, "view-save");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByTestId("views").getByText(`Shut out ${stamp}`).waitFor();
  await other.getByTestId("views").click();
  await other.getByRole("menuitem", { name: `Shut out ${stamp}` }).click();
  await until("the view's filter is in the address", () => new URL(other.url()).searchParams.get("status") === "banned");
  await other.getByTestId("views").click();
  await other.getByRole("menuitem", { name: "Manage views" }).click();
  await shot(other, "views");
  const kept = other.getByRole("dialog").getByRole("listitem").filter({ hasText: `Shut out ${stamp}` });
  await kept.getByRole("button", { name: "Open this page with it" }).click();
  await kept.getByRole("button", { name: "Open this page without it" }).waitFor();
  await other.goto(`${BASE}/users`);
  await until("the page opens with it", () => new URL(other.url()).searchParams.get("status") === "banned");
  // each list has views of its own
  const role = roles.find((one) => one.name === "viewer").id;
  await page.goto(`${BASE}/sessions?role=${role}`);
  await page.getByTestId("views").click();
  equal(await page.getByRole("menuitem", { name: `Shut out ${stamp}` }).count(), 0, "a view of people on the page of sessions");
  await page.getByRole("menuitem", { name: "Save this view" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill(`Viewers ${stamp}`);
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.goto(`${BASE}/sessions`);
  await page.getByTestId("views").click();
  await page.getByRole("menuitem", { name: `Viewers ${stamp}` }).click();
  await until("the role to be in the address", () => new URL(page.url()).searchParams.get("role") === role);
  await mine.close();
  await theirs.close();
});

await browser.close();
finish();
