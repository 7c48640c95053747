/** What operators do all day: sign in, create, edit beside each other, ban, search, by keyboard alone where they like. */
import { BASE, check, equal, finish, open, OWNER, signIn, until, watched } from "./browser.mjs";

const browser = await open();
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const here = await watched(context);
const { page } = here;
// A name of its own for each run, so that the tests can run twice on one hub.
const stamp = Date.now().toString(36);
const person = { name: `Flow Tester ${stamp}`, email: `flow-${stamp}@example.com` };
const row = () => page.getByRole("grid", { name: "Users" }).getByRole("row").filter({ hasText: person.email });
const inspector = (on = page) => on.getByRole("complementary", { name: "User" });

await check("a wrong password is refused with a sentence, and the address is kept", async () => {
  here.expected.push(/401|Unauthorized/);
  await page.goto(`${BASE}/users`);
  await page.getByLabel("Email").fill(OWNER.email);
  await page.getByLabel("Password").fill("certainly not the password");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("alert").waitFor();
  equal(await page.getByLabel("Email").inputValue(), OWNER.email, "address");
  equal(await page.getByLabel("Password").inputValue(), "", "password");
});

await check("signing in leads to the page that was asked for", async () => {
  await page.getByLabel("Password").fill(OWNER.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("grid", { name: "Users" }).locator("[role=rowgroup] [role=row][id]").first().waitFor();
  equal(new URL(page.url()).pathname, "/users", "path");
  here.expected.length = 0;
});

await check("creates a person with the keyboard alone, who then stands in the list", async () => {
  await page.keyboard.press("n");
  await page.getByRole("dialog").getByLabel("Name").waitFor();
  await page.keyboard.type(person.name);
  await page.keyboard.press("Tab");
  await page.keyboard.type(person.email);
  await page.keyboard.press("Enter");
  await inspector().getByText(person.email).first().waitFor();
  await page.keyboard.press("Escape");
  await inspector().waitFor({ state: "detached" });
  await row().waitFor();
});

await check("refuses a second person with the same address, next to the field", async () => {
  here.expected.push(/409|422|400|Conflict/);
  await page.getByRole("button", { name: "New user" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Somebody Else");
  await page.getByRole("dialog").getByLabel("Email").fill(person.email);
  await page.getByRole("button", { name: "Create user" }).click();
  await until("an error in the dialog", () => page.getByRole("dialog").locator("[class*=fieldError]").count());
  await page.getByRole("button", { name: "Cancel" }).click();
  here.expected.length = 0;
});

await check("filters by what is typed and keeps the filter in the address", async () => {
  await page.keyboard.press("/");
  await page.keyboard.type(person.email);
  await until("the address to hold the filter", () => page.url().includes(stamp));
  await until("one row", async () => (await page.getByRole("grid").locator("[role=rowgroup] [role=row][id]").count()) === 1);
  await page.reload();
  await row().waitFor();
});

await check("Escape leaves the field, then what is being edited, and never takes unsaved words away", async () => {
  await page.keyboard.press("/");
  await page.keyboard.press("Escape");
  equal(await page.evaluate(() => document.activeElement?.tagName), "BODY", "who has the focus after Escape in the filter");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await inspector().getByRole("button", { name: "Edit" }).waitFor();
  await page.keyboard.press("e");
  await inspector().getByLabel("Department").fill("Not yet");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  equal(await inspector().getByLabel("Department").inputValue(), "Not yet", "what was typed");
  await inspector().getByRole("button", { name: "Cancel" }).click();
  await page.keyboard.press("e");
  await inspector().getByLabel("Department").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await inspector().getByRole("button", { name: "Edit" }).waitFor();
  await page.keyboard.press("Escape");
  await inspector().waitFor({ state: "detached" });
});

const other = await watched(context);
await check("opens a person with j and Enter, edits, and the other window shows it without a reload", async () => {
  await other.page.goto(`${BASE}/users?q=${encodeURIComponent(person.email)}`);
  await other.page.getByText(person.email).first().waitFor();
  await until("the other window to be live", () => other.page.locator("[data-state=live]").count());
  await page.keyboard.press("Escape");
  await page.getByRole("grid").focus();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await inspector().getByRole("button", { name: "Edit" }).waitFor();
  await page.keyboard.press("e");
  await inspector().getByLabel("Department").fill("Night shift");
  await page.keyboard.press("Enter");
  await other.page.getByRole("grid").getByText("Night shift").waitFor();
});

await check("two editors: fields that do not overlap merge, the same field asks", async () => {
  here.expected.push(/412|Precondition/);
  other.expected.push(/412|Precondition/);
  await other.page.getByRole("grid").getByRole("link", { name: person.name }).click();
  await inspector(other.page).getByRole("button", { name: "Edit" }).click();
  await inspector(other.page).getByLabel("Name").fill(`${person.name} Second`);
  await inspector(other.page).getByLabel("Phone").fill("+49 30 5550100");
  await inspector().getByRole("button", { name: "Edit" }).click();
  await inspector().getByLabel("Name").fill(`${person.name} First`);
  await inspector().getByRole("button", { name: "Save" }).click();
  await inspector().getByRole("button", { name: "Edit" }).waitFor();
  await inspector(other.page).getByRole("button", { name: "Save" }).click();
  await inspector(other.page).getByRole("radio").first().waitFor();
  await inspector(other.page).getByRole("radio").nth(1).check();
  await inspector(other.page).getByRole("button", { name: "Save this choice" }).click();
  await inspector().getByText(`${person.name} Second`).first().waitFor();
  await inspector().getByText("+49 30 5550100").waitFor();
  here.expected.length = 0;
  other.expected.length = 0;
});

await check("keeps employment equity and metadata as objects, refuses what is none before it is sent, and takes it back", async () => {
  await inspector().getByRole("button", { name: "Edit" }).click();
  await inspector().getByLabel("Metadata").fill('{"plan": ');
  await inspector().getByText("Write a JSON object").waitFor();
  equal(await inspector().getByRole("button", { name: "Save" }).isDisabled(), true, "the button while it is no object");
  await inspector().getByLabel("Metadata").fill('{"plan":"professional","seats":3}');
  await inspector().getByLabel("Employment equity").fill('{"group":"northern"}');
  await inspector().getByRole("button", { name: "Save" }).click();
  for (const window of [page, other.page]) {
    await inspector(window).getByText("professional").waitFor();
    await inspector(window).getByText("northern").waitFor();
  }
  await page.getByRole("status").getByRole("button", { name: /^Undo/ }).click();
  for (const window of [page, other.page]) await inspector(window).getByText("professional").waitFor({ state: "detached" });
});

await check("ends a session of a person, whose list of sessions is then without it", async () => {
  // A session of the owner's own, beside the one of this window.
  await fetch(`${BASE}/api/v1/auth/login`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(OWNER) });
  const me = await page.evaluate(async () => (await (await fetch("/api/v1/me", { headers: { "X-Signalbox-Client": "console" } })).json()).user.id);
  const third = await watched(context);
  await third.page.goto(`${BASE}/users/${me}?tab=sessions`);
  const ends = third.page.getByRole("tabpanel").getByRole("button", { name: "End", exact: true });
  await ends.first().waitFor();
  const open = await ends.count();
  await ends.first().click();
  await third.page.getByRole("dialog").getByRole("button", { name: "End", exact: true }).click();
  await until("one session less", async () => (await ends.count()) === open - 1);
  equal(third.faults, [], "faults");
  await third.page.close();
});

await check("bans with a reason after showing the impact; both windows show it", async () => {
  await inspector().getByRole("button", { name: "Ban", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(/session/).first().waitFor();
  equal(await dialog.getByRole("button", { name: "Ban", exact: true }).isDisabled(), true, "the button without a reason");
  await dialog.getByLabel("Reason").fill("Browser test");
  await dialog.getByRole("button", { name: "Ban", exact: true }).click();
  await inspector().getByText("Browser test").waitFor();
  await other.page.getByRole("grid").getByText("Banned").waitFor();
});

await check("lifts the ban for the chosen rows and tells what became of each", async () => {
  await page.keyboard.press("Escape");
  await inspector().waitFor({ state: "detached" });
  await row().getByRole("checkbox").check();
  await page.getByRole("toolbar", { name: "Selected users" }).getByRole("button", { name: "Lift ban" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Lift ban" }).click();
  await page.getByRole("dialog").getByText("All 1 done").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await other.page.getByRole("grid").getByText("Banned").waitFor({ state: "detached" });
});

await check("the palette finds a person and a page by a few letters", async () => {
  await page.keyboard.press("Control+k");
  await page.keyboard.type(person.email);
  await page.getByRole("option").filter({ hasText: person.email }).waitFor();
  await page.keyboard.press("Enter");
  await until("the person's page", () => /\/users\/[0-9a-f-]{36}$/.test(new URL(page.url()).pathname));
  await page.keyboard.press("Control+k");
  await page.keyboard.type("audit");
  await page.getByRole("option", { name: /Audit log/ }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("grid", { name: "Audit log" }).getByText("users.ban").first().waitFor();
});

await check("goes everywhere by g and a letter, and ? tells the keys", async () => {
  for (const [letter, path] of [["o", "/"], ["e", "/events"], ["c", "/connections"], ["h", "/channels"], ["u", "/users"], ["j", "/jobs"], ["i", "/imports"], ["s", "/system"], ["a", "/audit"], ["m", "/account"]]) {
    await page.keyboard.press("g");
    await page.keyboard.press(letter);
    await until(`g ${letter}`, () => new URL(page.url()).pathname === path);
    await page.getByRole("heading", { level: 1 }).waitFor();
  }
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
});

await check("a broken connection is told and resumed without a reload", async () => {
  await page.goto(`${BASE}/users`);
  await until("live", () => page.locator("[data-state=live]").count());
  here.loads = 0;
  here.expected.push(/WebSocket|ERR_INTERNET_DISCONNECTED|Failed to load/);
  await context.setOffline(true);
  await page.evaluate(() => dispatchEvent(new Event("offline")));
  await page.locator("[data-state=reconnecting]").waitFor({ timeout: 60_000 });
  await context.setOffline(false);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await page.locator("[data-state=live], [data-state=resumed]").waitFor({ timeout: 60_000 });
  equal(here.loads, 0, "documents loaded");
});

await check("deletes the person after asking", async () => {
  await page.goto(`${BASE}/users?q=${encodeURIComponent(person.email)}`);
  await row().getByRole("link").click();
  await inspector().getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await row().getByText("Deleted").waitFor();
});

await check("signing out ends on the sign-in page, and Back does not lead in again", async () => {
  here.expected.push(/401|403|Unauthorized/);
  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to Signalbox" }).waitFor();
  await page.goBack();
  await page.getByRole("heading", { name: "Sign in to Signalbox" }).waitFor();
});

for (const [name, { faults }] of [["this", here], ["the other", other]]) {
  await check(`${name} window: no console error, no breach of the content policy, no other origin`, () => equal(faults.filter((fault) => !/401/.test(fault)), [], "faults"));
}
await browser.close();
finish();
