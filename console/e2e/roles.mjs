/**
 * Roles: one is made, the matrix is changed by keyboard and by pointer, looked at before it is saved, and saved beside somebody
 * else who saves the same role; several changed roles are one look and one save; people are given it by their addresses; what follows shows on a person's page and in another
 * window at once; a team carries a role for its people; what is refused leads to why.
 */
import { BASE, check, equal, finish, open, OWNER, signIn, until, watched } from "./browser.mjs";

const browser = await open();
const stamp = Date.now().toString(36);
const wide = { viewport: { width: 1440, height: 900 } };
/** What a refused request leaves in the browser's console; nothing else is excused. */
const REFUSED = /\b(403|412)\b|Forbidden|Precondition/;

const call = async (method, path, body, token) => {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${BASE}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};
const { access_token: owner } = await call("POST", "/auth/login", OWNER);
const person = async (name, roles = []) => {
  const someone = { name: `${name} ${stamp}`, email: `${name.toLowerCase()}-${stamp}@example.com`, password: `a long password ${stamp}`, roles };
  return { ...someone, id: (await call("POST", "/users", someone, owner)).id };
};
const grant = (permission) => ({ permission, effect: "grant" });
const roleNamed = async (name) => (await call("GET", "/roles", undefined, owner)).items.find((role) => role.name === name);
const said = async (name) => (await roleNamed(name)).statements.map(({ permission, effect, on }) => `${permission} ${effect === "deny" ? "deny" : on}`);

const name = `Helpers ${stamp}`;
const second = `Night ${stamp}`;
const [ada, bob] = [await person("Ada"), await person("Bob")];
const context = await browser.newContext(wide);
const { page, faults, expected } = await watched(context);
await signIn(page);
const matrix = page.getByRole("grid", { name: "Permission matrix" });
const cell = (permission, on = page, role = name) => on.locator(`button[aria-label^="${permission}, ${role}:"]`);
const dialog = page.getByRole("dialog");
const state = (permission) => cell(permission).getAttribute("data-state");

await check("a role is made that inherits from another, and stands in the list with nobody in it", async () => {
  await page.goto(`${BASE}/roles`);
  await page.getByRole("grid", { name: "Roles" }).waitFor();
  await page.keyboard.press("c");
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel("Viewer").check();
  await dialog.getByRole("button", { name: "Create role" }).click();
  await dialog.waitFor({ state: "detached" });
  const row = page.getByRole("grid", { name: "Roles" }).getByRole("row").filter({ hasText: name });
  await row.getByText("Viewer").waitFor();
  await page.keyboard.press("Escape");
});

await check("people are given it by pasted addresses, and each is told what came of it", async () => {
  const { id } = await roleNamed(name);
  await page.goto(`${BASE}/roles?open=${id}&tab=members`);
  await page.getByRole("button", { name: "Add people" }).click();
  await dialog.getByLabel("Email addresses or ids").fill(`Ada <${ada.email}>, nobody-${stamp}@example.com\n${bob.id}`);
  await dialog.getByRole("button", { name: "Assign to 3 people" }).click();
  await dialog.getByText("2 done, 1 failed").waitFor();
  await dialog.getByText("Nobody has this address or id.").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.getByTestId("members").getByText(ada.name).waitFor();
  await page.getByTestId("members").getByText(bob.name).waitFor();
});

await check("what is inherited shows as inherited; the hub's own roles are shut and say why", async () => {
  // On a hub with many roles the latest are shown first, and the one that is named.
  await page.goto(`${BASE}/roles?view=matrix&role=${(await roleNamed("owner")).id}`);
  await matrix.waitFor();
  equal([await state("users:read"), await state("users:ban")], ["inherited", "none"], "states");
  await matrix.locator('button[aria-label^="users:ban, Owner:"]').click();
  await dialog.getByText("System roles cannot be changed").waitFor();
  equal(await dialog.getByRole("radio").count(), 0, "choices");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
});

await check("cells are changed by keyboard and pointer, and nothing is saved before it was looked at", async () => {
  await cell("users:ban").focus();
  await page.keyboard.press("a");
  await until("the cell to be granted", async () => (await state("users:ban")) === "granted");
  await page.keyboard.press("ArrowDown");
  equal(await page.evaluate(() => document.activeElement?.dataset.permission), "users:create", "the cell below");
  await cell("audit:read").click();
  await dialog.getByRole("radio", { name: "Denied" }).click();
  await dialog.waitFor({ state: "detached" });
  equal(await state("audit:read"), "denied", "state");
  await page.getByText("2 changes in 1 role, not saved").waitFor();
  equal(await said(name), [], "what the hub knows");
  await page.getByRole("link", { name: "All roles" }).click();
  await page.getByRole("link", { name: /Permission matrix/ }).click();
  await page.getByText("2 changes in 1 role, not saved").waitFor();
  await page.keyboard.press("s");
  await dialog.getByTestId("impact").getByText("2 people looked at: 2 permissions gained, 2 lost").waitFor();
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  equal((await said(name)).sort(), ["audit:read deny", "users:ban everywhere"], "what the role says");
});

await check("what somebody else saves comes in at once; other cells merge, and the same cell is decided by a person", async () => {
  const before = await roleNamed(name);
  await cell("users:ban").focus();
  await page.keyboard.press("Backspace");
  await cell("jobs:cancel").focus();
  await page.keyboard.press("a");
  await page.getByText("2 changes in 1 role, not saved").waitFor();
  await call("PATCH", `/roles/${before.id}`, { statements: [{ permission: "users:ban", effect: "grant", on: "team" }, { permission: "audit:read", effect: "deny" }, grant("imports:create")] }, owner);
  await until("their cell", async () => (await state("imports:create")) === "granted");
  await page.getByText("In 1 role somebody else changed the same.").waitFor();
  await page.keyboard.press("s");
  await dialog.getByText("Choose what is to stand").waitFor();
  equal(await dialog.getByRole("button", { name: "Save" }).isDisabled(), true, "the button while it is not decided");
  await dialog.getByRole("button", { name: "Theirs: Granted within their teams" }).click();
  await dialog.getByText("Choose what is to stand").waitFor({ state: "detached" });
  await until("the button", () => dialog.getByRole("button", { name: "Save" }).isEnabled());
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  equal((await said(name)).sort(), ["audit:read deny", "imports:create everywhere", "jobs:cancel everywhere", "users:ban team"], "what the role says");
});

await check("two changed roles are looked at together and saved at once", async () => {
  await call("POST", "/roles", { name: second, statements: [grant("sessions:revoke")] }, owner);
  await call("PUT", `/users/${bob.id}/roles`, { roles: [(await roleNamed(name)).id, (await roleNamed(second)).id] }, owner);
  await cell("sessions:revoke", page, second).waitFor();
  // What goes from one to the other is lost by nobody who holds both.
  await cell("sessions:revoke", page, second).focus();
  await page.keyboard.press("Backspace");
  await cell("sessions:revoke").focus();
  await page.keyboard.press("a");
  await page.getByText("2 changes in 2 roles, not saved").waitFor();
  await page.keyboard.press("s");
  await dialog.getByRole("heading", { name: "What this does, all together" }).waitFor();
  await dialog.getByTestId("impact").getByText("2 people looked at: 1 permission gained, nothing lost").waitFor();
  equal([await dialog.getByTestId("impact").count(), await dialog.getByTestId("review").count()], [1, 2], "previews and roles");
  let requests = 0;
  const count = (request) => (requests += request.method() === "PATCH" ? 1 : 0);
  page.on("request", count);
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  page.off("request", count);
  await page.getByText("2 roles were saved").waitFor();
  equal([requests, await said(second), (await said(name)).includes("sessions:revoke everywhere")], [1, [], true], "requests, and what the roles say");
});

await check("where somebody else is faster with one of two, neither is saved, and the page says so", async () => {
  const before = [await roleNamed(name), await roleNamed(second)];
  await cell("teams:read", page, second).focus();
  await page.keyboard.press("a");
  await cell("teams:read").focus();
  await page.keyboard.press("d");
  await page.keyboard.press("s");
  await until("the button", () => dialog.getByRole("button", { name: "Save" }).isEnabled());
  // They save in the instant between the click and the hub.
  let faster = false;
  await page.route("**/api/v1/roles", async (route) => {
    if (route.request().method() === "PATCH" && !faster) {
      faster = true;
      await call("PATCH", `/roles/${before[1].id}`, { statements: [grant("imports:read")] }, owner);
    }
    await route.fallback();
  });
  expected.push(REFUSED);
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByRole("alert").getByText(`Nothing was saved: somebody changed ${second} a moment before you.`).waitFor();
  equal([(await roleNamed(name)).version, await said(second)], [before[0].version, ["imports:read everywhere"]], "what the hub knows");
  await until("the button, after another look", () => dialog.getByRole("button", { name: "Save" }).isEnabled());
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.unroute("**/api/v1/roles");
  equal([(await said(second)).sort(), (await said(name)).includes("teams:read deny")], [["imports:read everywhere", "teams:read everywhere"], true], "what the roles say");
  await call("PUT", `/users/${bob.id}/roles`, { roles: [before[0].id] }, owner);
  await call("DELETE", `/roles/${before[1].id}`, undefined, owner);
});

await check("what the matrix shows of the role is what the hub lets its holders do", async () => {
  const { held } = await call("GET", `/users/${bob.id}/permissions`, undefined, owner);
  const shown = await matrix.locator("button[data-permission]").evaluateAll((cells, role) => cells.filter((one) => one.getAttribute("aria-label").includes(`, ${role}: Granted on everything`)).map((one) => one.dataset.permission), name);
  equal(shown.sort(), held.filter((one) => one.everywhere).map((one) => one.permission).sort(), "permissions");
  equal(shown.length > 8, true, "some of them");
});

await check("the history tells who changed what, as differences", async () => {
  const { id } = await roleNamed(name);
  await page.goto(`${BASE}/roles/${id}?tab=history`);
  const history = page.getByTestId("history");
  await history.getByText("users:ban Granted on everything → Granted within their teams").waitFor();
  await history.getByText("audit:read Not set → Denied").waitFor();
});

await check("a person's page says what they may do and why, and follows what is changed elsewhere", async () => {
  await page.goto(`${BASE}/users/${ada.id}?tab=access`);
  const held = page.getByTestId("held");
  await held.getByText("jobs:cancel").waitFor();
  await page.getByRole("button", { name: "Why jobs:cancel?" }).click();
  await page.getByTestId("reasons").getByText(`They hold ${name}, which grants it on everything`).waitFor();
  await page.getByTestId("reasons").getByText("given by").waitFor();
  await call("PUT", `/users/${ada.id}/permissions`, { statements: [{ permission: "jobs:cancel", effect: "deny" }] }, owner);
  await held.getByText("jobs:cancel").waitFor({ state: "detached" });
  await page.getByText("Denied · given by").waitFor();
});

await check("somebody who may look and not change is told which permission they lack, and reads what a refusal was about", async () => {
  const viewer = await person("Looker", [(await roleNamed("viewer")).id]);
  const { access_token: theirs } = await call("POST", "/auth/login", { email: viewer.email, password: viewer.password });
  const refused = await (await fetch(`${BASE}/api/v1/roles`, { method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${theirs}` }, body: JSON.stringify({ name: "x" }) })).json();
  const other = await browser.newContext(wide);
  const watch = await watched(other);
  watch.expected.push(REFUSED);
  await signIn(watch.page, viewer);
  await watch.page.goto(`${BASE}/roles`);
  const make = watch.page.getByRole("button", { name: "New role" });
  equal(await make.getAttribute("aria-disabled"), "true", "the button");
  equal(await make.getAttribute("aria-describedby").then((id) => watch.page.locator(`[id="${id}"]`).innerText()), "You need the permission roles:manage to change roles.", "why");
  await watch.page.goto(`${BASE}/refusals/${refused.explain_id}`);
  await watch.page.getByText(viewer.name).waitFor();
  await watch.page.getByTestId("reasons").getByText("Nothing grants it.").waitFor();
  equal(watch.faults, [], "faults");
  await other.close();
});

await check("something is said of a person directly, on one row, after a look at what it does", async () => {
  await page.goto(`${BASE}/users/${bob.id}?tab=access`);
  await page.getByRole("button", { name: "Change permissions" }).click();
  await dialog.getByLabel("Permission").selectOption("users:delete");
  await dialog.getByLabel("Effect").selectOption({ label: "Granted on a single row" });
  await dialog.getByLabel("Which one").fill(ada.name);
  await dialog.getByRole("button", { name: ada.name }).click();
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await dialog.getByTestId("impact").getByText("1 person looked at: 1 permission gained, nothing lost").waitFor();
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByTestId("held").getByText("on 1 single row").waitFor();
  await page.getByLabel("Permission").selectOption("users:delete");
  await page.getByLabel("To whom").fill(ada.name);
  await page.getByRole("button", { name: ada.name }).click();
  await page.getByTestId("reasons").getByText("It is granted on this one row.").waitFor();
});

await check("what is made and given in another window shows in the open list of roles", async () => {
  await page.goto(`${BASE}/roles`);
  const list = page.getByRole("grid", { name: "Roles" });
  await list.getByRole("row").filter({ hasText: name }).waitFor();
  await until("live", () => page.locator("[data-state=live]").count());
  const late = await call("POST", "/roles", { name: `Late ${stamp}` }, owner);
  const row = list.getByRole("row").filter({ hasText: late.name });
  await row.waitFor();
  await call("PUT", `/users/${bob.id}/roles`, { roles: [(await roleNamed(name)).id, late.id] }, owner);
  await until("the count of its members", async () => /1$/.test(await row.innerText()));
  await call("PUT", `/users/${bob.id}/roles`, { roles: [(await roleNamed(name)).id] }, owner);
  await call("DELETE", `/roles/${late.id}`, undefined, owner);
  await row.getByText("Deleted").waitFor();
});

await check("who may see nothing of it is told so, with the refusal's id, and not led to where they may not go", async () => {
  const nobody = await person("Nobody", [(await roleNamed("user")).id]);
  const other = await browser.newContext(wide);
  const watch = await watched(other);
  watch.expected.push(REFUSED);
  await signIn(watch.page, nobody);
  equal(await watch.page.getByRole("link", { name: "Roles" }).count(), 0, "ways to the roles");
  await watch.page.goto(`${BASE}/roles`);
  await watch.page.getByRole("heading", { name: "You may not see this" }).waitFor();
  await watch.page.getByText("Id of this refusal").waitFor();
  equal(await watch.page.getByRole("link", { name: "Why?" }).count(), 0, "links to the reasons");
  equal(watch.faults, [], "faults");
  await other.close();
});

await check("a team is made and filled, and narrows the list of people", async () => {
  const team = `Desk ${stamp}`;
  await page.goto(`${BASE}/teams`);
  await page.getByRole("button", { name: "New team" }).click();
  await dialog.getByLabel("Name").fill(team);
  await dialog.getByRole("button", { name: "Create team" }).click();
  await dialog.waitFor({ state: "detached" });
  const view = page.getByRole("complementary", { name: "Team" });
  await view.getByLabel("Add a member").fill(ada.name);
  await view.getByRole("button", { name: ada.name }).click();
  await view.getByTestId("team-members").getByRole("link", { name: ada.name }).waitFor();
  await view.getByRole("link", { name: "Show in Users" }).click();
  const users = page.getByRole("grid", { name: "Users" });
  await users.getByRole("row").filter({ hasText: ada.name }).waitFor();
  await until("one row", async () => (await users.locator("[role=rowgroup] [role=row][id]").count()) === 1);
  await users.getByText(team).waitFor();
});

await check("a team is given a role after a look at what that does, and its people hold it through the team", async () => {
  const team = `Desk ${stamp}`;
  const { id: finance } = await roleNamed("finance");
  const { id } = (await call("GET", "/teams", undefined, owner)).items.find((one) => one.name === team);
  await page.goto(`${BASE}/teams?open=${id}`);
  const view = page.getByRole("complementary", { name: "Team" });
  await view.getByRole("button", { name: "Change roles" }).click();
  await dialog.getByLabel("Finance").check();
  await dialog.getByTestId("impact").getByText(ada.name).first().waitFor();
  equal(await dialog.getByLabel("Owner", { exact: true }).count(), 0, "the owner role, which no team carries");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  await view.getByTestId("team-roles").getByRole("link", { name: "Finance" }).waitFor();
  await page.goto(`${BASE}/roles?open=${finance}&tab=members`);
  await page.getByTestId("members").getByRole("listitem").filter({ hasText: ada.name }).getByText(`Through ${team}`).waitFor();
  await page.goto(`${BASE}/users/${ada.id}?tab=access`);
  const carried = page.getByTestId("carried");
  await carried.getByRole("link", { name: "Finance" }).waitFor();
  await carried.getByRole("link", { name: team }).waitFor();
  await page.getByRole("button", { name: "Why users:read_pii?" }).click();
  await page.getByTestId("reasons").getByText(`They hold Finance through the team ${team}`).first().waitFor();
  // Taken by somebody else, it goes from the open page.
  await call("DELETE", `/teams/${id}/roles/${finance}`, undefined, owner);
  await carried.waitFor({ state: "detached" });
});

await check("who may do something is found, on one person too", async () => {
  await page.goto(`${BASE}/roles?view=who&permission=users:ban`);
  const holders = page.getByTestId("holders");
  await holders.getByText("Owner").first().waitFor();
  await holders.getByText(ada.name).waitFor();
  await page.getByLabel("To whom").fill(bob.name);
  await page.getByRole("button", { name: bob.name }).click();
  await holders.getByText(ada.name).waitFor({ state: "detached" });
});

await check("the role is taken from all, and deleted", async () => {
  const { id } = await roleNamed(name);
  await page.goto(`${BASE}/roles?open=${id}&tab=members`);
  const members = page.getByTestId("members");
  await members.getByLabel(`Select ${ada.name}`).check();
  await members.getByLabel(`Select ${bob.name}`).check();
  await page.getByRole("button", { name: "Revoke role" }).click();
  await dialog.getByRole("button", { name: "Revoke role" }).click();
  await dialog.getByText("All 2 done").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  const detail = page.getByRole("complementary", { name: "Role" });
  await until("the button", async () => (await detail.getByRole("button", { name: "Delete" }).getAttribute("aria-disabled")) === null);
  await detail.getByRole("button", { name: "Delete" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await dialog.waitFor({ state: "detached" });
  equal(await roleNamed(name), undefined, "the role");
});

expected.push(REFUSED);
await check("nothing broke on the way", () => equal(faults, [], "faults"));

await context.close();
await browser.close();
finish();
