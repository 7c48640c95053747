/**
 * People: somebody is invited, follows the link of the mail and is in; has forgotten the password and chooses another by a link;
 * decides who sees what they say of themselves; wallets are linked by them and by whoever may; the organization's settings are changed. The mails are read in the development
 * outbox, as whoever tries the hub reads them.
 */
import { BASE, check, equal, finish, open, OWNER, signIn, until, watched } from "./browser.mjs";

const browser = await open();
const stamp = Date.now().toString(36);
const ada = { name: `Ada ${stamp}`, email: `ada.${stamp}@example.com`, password: "correct horse battery" };
const again = "battery staple horse";
/** What a refused request leaves in the browser's console; nothing else is excused. */
const REFUSED = /\b(410)\b|Gone/;
let made = 0;

const owner = await watched(await browser.newContext({ viewport: { width: 1440, height: 900 } }));
await signIn(owner.page);

/** Somebody with a role, made over REST. */
async function somebody(role) {
  const call = async (method, path, body, token) => {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(`${BASE}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const { access_token: token } = await call("POST", "/auth/login", OWNER);
  const { items } = await call("GET", "/roles", undefined, token);
  made += 1;
  const person = { name: `Other ${made} ${stamp}`, email: `other.${made}.${stamp}@example.com`, password: "a long one to remember" };
  await call("POST", "/users", { ...person, roles: [items.find((one) => one.name === role).id] }, token);
  return person;
}

/** The link of the newest mail to Ada with `path`, as the development outbox shows it. */
async function link(path) {
  await owner.page.goto(`${BASE}/settings?section=outbox`);
  const found = () => owner.page.getByTestId("outbox").getByRole("listitem").filter({ hasText: ada.email }).filter({ hasText: path }).first();
  const text = await until(`a mail with ${path}`, async () => ((await found().count()) > 0 ? found().innerText() : null));
  return `${BASE}${path}#${/#([\w-]{43})/.exec(text)[1]}`;
}

const hers = await watched(await browser.newContext({ viewport: { width: 1440, height: 900 } }));
hers.expected.push(REFUSED);
const inside = () => hers.page.getByRole("navigation").or(hers.page.getByRole("button", { name: "Open navigation" })).first().waitFor();

async function choose(password, action) {
  await hers.page.getByLabel("Password", { exact: true }).fill(password);
  await hers.page.getByLabel("Repeat the password").fill(password);
  await hers.page.getByRole("button", { name: action }).click();
}

await check("somebody is invited and stands in the list as open", async () => {
  await owner.page.goto(`${BASE}/invitations`);
  await owner.page.getByRole("button", { name: "Invite somebody" }).first().click();
  const dialog = owner.page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(ada.name);
  await dialog.getByLabel("Email").fill(ada.email);
  await dialog.getByRole("checkbox", { name: "Viewer" }).check();
  await dialog.getByRole("button", { name: "Send the invitation" }).click();
  await owner.page.getByTestId("invitations").getByRole("listitem").filter({ hasText: ada.name }).getByText("Open").waitFor();
});

await check("the link of the mail lets them in once, with the password they choose", async () => {
  const invitation = await link("/invitation");
  await hers.page.goto(invitation);
  await hers.page.getByText(ada.email).waitFor();
  equal(new URL(hers.page.url()).hash, "", "the token in the address");
  await choose(ada.password, "Accept");
  await inside();
  const other = await watched(await browser.newContext());
  other.expected.push(REFUSED);
  await other.page.goto(invitation);
  await other.page.getByRole("heading", { name: "This link no longer works" }).waitFor();
  equal(other.faults, [], "faults");
});

await check("what they say of themselves shows to others as they decide", async () => {
  await hers.page.goto(`${BASE}/account`);
  await hers.page.getByRole("textbox", { name: "Title" }).fill("Countess");
  await hers.page.getByRole("textbox", { name: "Bio" }).fill("Private words");
  await hers.page.getByRole("button", { name: "Save" }).click();
  await hers.page.getByText("Saved").waitFor();
  await hers.page.locator("section").filter({ has: hers.page.getByRole("heading", { name: "Privacy" }) }).getByLabel("Bio").selectOption("nobody");
  const seen = await until("the privacy to be kept", async () => {
    const privacy = await hers.page.evaluate(async () => (await fetch("/api/v1/me/privacy", { headers: { "X-Signalbox-Client": "console" } })).json());
    return privacy.bio === "nobody" && privacy;
  });
  equal(seen.title, "organization", "what was not changed");
  // Whoever answers for people sees all of it, and to whom it is shown; a viewer sees what is shown to everybody.
  const id = await hers.page.evaluate(async () => (await (await fetch("/api/v1/me", { headers: { "X-Signalbox-Client": "console" } })).json()).user.id);
  await owner.page.goto(`${BASE}/users/${id}?tab=about`);
  const about = owner.page.getByRole("tabpanel");
  await about.getByText("Countess").waitFor();
  await about.getByText("Private words").waitFor();
  equal([await about.getByText("Shown to nobody else").count(), await about.getByText("Shown to everybody who may see profiles").count()], [1, 1], "to whom it is shown");
  const viewer = await watched(await browser.newContext({ viewport: { width: 1440, height: 900 } }));
  await signIn(viewer.page, await somebody("viewer"));
  await viewer.page.goto(`${BASE}/users/${id}?tab=about`);
  const seenByOthers = viewer.page.getByRole("tabpanel");
  await seenByOthers.getByText("Countess").waitFor();
  await seenByOthers.getByText("Not shown to you").waitFor();
  equal([await seenByOthers.getByText("Private words").count(), await seenByOthers.getByText(/^Shown to/).count(), viewer.faults], [0, 0, []], "what is not shown to others");
});

await check("a wallet is linked to somebody by whoever may: what is wrong is told at its field, whose it is already too", async () => {
  const { page, faults } = owner;
  const address = (end) => `0x${end.padStart(40, "0")}`;
  const [hersNow, taken] = [address(`a${Date.now()}`), address(`b${Date.now()}`)];
  const { user } = await hers.page.evaluate(async () => (await fetch("/api/v1/me", { headers: { "X-Signalbox-Client": "console" } })).json());
  await page.goto(`${BASE}/users/${user.id}?tab=about`);
  const listed = (where) => where.getByTestId("wallets").getByRole("listitem");
  const dialog = page.getByRole("dialog");
  const field = dialog.getByLabel("Address");
  const link = (one = page) => one.getByRole("button", { name: "Link wallet" }).first().click();
  await page.getByText("No wallets linked.").waitFor();
  await link();
  equal(await dialog.getByRole("button", { name: "Link wallet" }).isDisabled(), true, "the button without an address");
  await field.fill("0x123");
  await field.press("Enter");
  await dialog.getByText("An address here is 0x and 40 hex digits.").waitFor();
  equal(await field.getAttribute("aria-invalid"), "true", "the field that is wrong");
  await field.fill(taken);
  await dialog.getByLabel("What you call it").fill("Payouts");
  await dialog.getByRole("button", { name: "Link wallet" }).click();
  await dialog.waitFor({ state: "detached" });
  await listed(page).filter({ hasText: "Payouts" }).filter({ hasText: new RegExp(taken, "i") }).waitFor();
  // What she links herself shows on her page while it is looked at, and is refused to everybody else.
  await hers.page.goto(`${BASE}/account`);
  await link(hers.page);
  await hers.page.getByRole("dialog").getByLabel("Address").fill(hersNow);
  await hers.page.getByRole("dialog").getByRole("button", { name: "Link wallet" }).click();
  await listed(page).nth(1).waitFor();
  equal([await listed(hers.page).count(), await listed(page).count()], [2, 2], "wallets that she and the owner see");
  const before = faults.length;
  await page.goto(`${BASE}/account`);
  await link();
  await field.fill(taken);
  await dialog.getByRole("button", { name: "Link wallet" }).click();
  await dialog.getByText("This wallet is linked to a person already").waitFor();
  equal([await field.getAttribute("aria-invalid"), await dialog.getByRole("alert").count()], ["true", 0], "where it is told");
  equal(faults.splice(before).filter((fault) => !/\b409\b/.test(fault)), [], "faults");
  await page.keyboard.press("Escape");
  await page.goto(`${BASE}/users/${user.id}?tab=about`);
  await listed(page).filter({ hasText: "Payouts" }).getByRole("button", { name: "Unlink" }).click();
  await dialog.getByText(new RegExp(taken, "i")).waitFor();
  await dialog.getByRole("button", { name: "Unlink" }).click();
  await dialog.waitFor({ state: "detached" });
  await until("one to be left", async () => (await listed(page).count()) === 1);
  // Whoever may only look sees why.
  const viewer = await watched(await browser.newContext({ viewport: { width: 1440, height: 900 } }));
  await signIn(viewer.page, await somebody("viewer"));
  await viewer.page.goto(`${BASE}/users/${user.id}?tab=about`);
  await listed(viewer.page).waitFor();
  const off = viewer.page.getByRole("button", { name: "Link wallet" });
  equal([await off.getAttribute("aria-disabled"), await viewer.page.getByRole("button", { name: "Unlink" }).count()], ["true", 0], "what a viewer can press");
  await off.click({ force: true });
  await viewer.page.getByRole("status").getByText("You need the permission profiles:update for this.").waitFor();
  equal(viewer.faults, [], "faults");
});

await check("a forgotten password is replaced by a link, and the session of before is over", async () => {
  const before = await watched(await browser.newContext());
  await before.page.goto(`${BASE}/forgot-password`);
  await before.page.getByLabel("Email").fill(ada.email);
  await before.page.getByRole("button", { name: "Send me a link" }).click();
  await before.page.getByRole("heading", { name: "Check your mailbox" }).waitFor();
  const reset = await link("/reset-password");
  await before.page.goto(reset);
  await before.page.getByLabel("Password", { exact: true }).fill(again);
  await before.page.getByLabel("Repeat the password").fill(again);
  await before.page.getByRole("button", { name: "Set password" }).click();
  await before.page.getByRole("navigation").first().waitFor();
  await hers.page.getByRole("heading", { name: "Sign in to Signalbox" }).waitFor();
  equal(before.faults, [], "faults");
});

await check("settings are changed and stay", async () => {
  const { page } = owner;
  await page.goto(`${BASE}/settings?section=people`);
  const days = page.getByLabel("Invitations expire after (days)");
  await days.fill("9");
  await page.getByRole("button", { name: "Save" }).first().click();
  await page.getByText("Saved").waitFor();
  await page.reload();
  equal(await page.getByLabel("Invitations expire after (days)").inputValue(), "9", "days");
  await page.getByLabel("Invitations expire after (days)").fill("0");
  await page.getByRole("button", { name: "Save" }).first().click();
  await page.getByText("1 to 90 days.").waitFor();
  await page.goto(`${BASE}/sessions`);
  await page.getByRole("link", { name: "Session lifetimes" }).click();
  await page.getByLabel("Idle timeout").selectOption({ label: "7 days" });
  await page.getByRole("button", { name: "Save" }).click();
  await until("the time to be kept", async () => {
    const now = await page.evaluate(async () => (await fetch("/api/v1/settings", { headers: { "X-Signalbox-Client": "console" } })).json());
    return now.sessions.idle_seconds === 7 * 86_400;
  });
  await page.getByLabel("Idle timeout").selectOption({ label: "Default of this installation" });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Save", disabled: true }).waitFor();
});

await check("no console error and no breach of the content policy", () => {
  // a refused value and an ended session are answers that the browser tells of
  const strange = [...owner.faults, ...hers.faults].filter((fault) => !/\b(401|422)\b/.test(fault));
  equal(strange, [], "faults");
});

await browser.close();
finish();
