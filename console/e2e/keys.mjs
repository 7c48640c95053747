/**
 * API keys, addresses and signing keys: a key is made and its secret shown once, it lets a program in, what others do to it shows in the open
 * list, it is revoked and lets nobody in; a network that would shut out whoever allows it is refused with the reason;
 * tokens are signed with a new key and nobody is signed out.
 */
import { BASE, check, equal, finish, open, OWNER, signIn, until, watched } from "./browser.mjs";

const browser = await open();
const stamp = Date.now().toString(36);
const name = `Nightly export ${stamp}`;
/** What a refused request leaves in the browser's console; nothing else is excused. */
const REFUSED = /\b(409)\b|Conflict/;

const call = async (method, path, body, token) => {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  return fetch(`${BASE}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
};
const { access_token: owner } = await (await call("POST", "/auth/login", OWNER)).json();

const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, permissions: ["clipboard-read", "clipboard-write"] });
const { page, faults, expected } = await watched(context);
await signIn(page);
const grid = page.getByRole("grid", { name: "API keys" });
let secret = "";

await check("a key is made with scopes, and its secret is shown once and copied", async () => {
  await page.goto(`${BASE}/keys`);
  await page.getByRole("button", { name: "New API key" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  equal(await dialog.getByRole("button", { name: "Create key" }).isDisabled(), true, "the button without a scope");
  await dialog.getByLabel("users:read", { exact: true }).check();
  await dialog.getByLabel("Allowed IP addresses").fill("127.0.0.0/8\n::1");
  await dialog.getByRole("button", { name: "Create key" }).click();
  secret = await page.getByTestId("secret").innerText();
  equal(/^sbx_live_[0-9A-Za-z]{49}$/.test(secret), true, "the secret's form");
  await page.getByRole("button", { name: "Copy the secret" }).click();
  await until("the clipboard to have it", async () => (await page.evaluate(() => navigator.clipboard.readText())) === secret);
  await page.getByRole("button", { name: "I have copied it" }).click();
  await grid.getByRole("row").filter({ hasText: name }).waitFor();
  equal((await page.content()).includes(secret), false, "the secret is on the page");
});

await check("a program comes in by it, and what it may not do is refused", async () => {
  equal((await call("GET", "/users", undefined, secret)).status, 200, "users");
  equal((await call("GET", "/audit", undefined, secret)).status, 403, "audit");
});

await check("what somebody else does to it shows in the open list and in its life", async () => {
  const { items } = await (await call("GET", "/api_keys", undefined, owner)).json();
  const key = items.find((item) => item.name === name);
  equal((await call("PATCH", `/api_keys/${key.id}`, { name: `${name} renamed` }, owner)).status, 200, "renamed");
  await grid.getByRole("row").filter({ hasText: `${name} renamed` }).waitFor();
  await page.getByTestId("life").getByText("changed an API key").waitFor();
});

await check("it is changed, loses a right, and its life tells what", async () => {
  await page.getByRole("button", { name: "Edit" }).click();
  const dialog = page.getByRole("dialog");
  equal(await dialog.getByRole("button", { name: "Save" }).isDisabled(), true, "the button while nothing differs");
  await dialog.getByLabel("teams:read", { exact: true }).check();
  await dialog.getByLabel("Rate limit (requests a minute)").fill("600");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  const life = page.getByTestId("life");
  await life.getByText("+ teams:read").waitFor();
  await life.getByText("Rate limit: No limit → 600").waitFor();
  await life.getByText("First used").waitFor();
});

await check("the organization's longest life shortens what would live longer, and shows", async () => {
  await page.goto(`${BASE}/keys`);
  await page.getByRole("button", { name: "Max lifetime: none" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Days").fill("30");
  await dialog.getByText("Keys that would live longer are shortened").waitFor();
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Max lifetime: 30 days" }).click();
  await dialog.getByLabel("Days").fill("");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Max lifetime: none" }).waitFor();
  const { items } = await (await call("GET", "/api_keys", undefined, owner)).json();
  const end = Date.parse(items.find((item) => item.name.startsWith(name)).expires_at);
  equal(end < Date.now() + 31 * 24 * 3600 * 1000, true, "its end");
  await grid.getByRole("row").filter({ hasText: name }).click();
});

await check("it is replaced, and then revoked for a reason, and lets nobody in", async () => {
  await page.getByRole("button", { name: "Rotate secret" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Rotate secret" }).click();
  const next = await page.getByTestId("secret").innerText();
  await page.getByRole("button", { name: "I have copied it" }).click();
  equal([(await call("GET", "/users", undefined, secret)).status, (await call("GET", "/users", undefined, next)).status], [401, 200], "before and after");
  await page.getByRole("button", { name: "Revoke" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("Not needed any more");
  await dialog.getByRole("button", { name: "Revoke" }).click();
  await grid.getByRole("row").filter({ hasText: name }).getByText("Revoked").waitFor();
  await page.getByTestId("life").getByText("Not needed any more").waitFor();
  equal((await call("GET", "/users", undefined, next)).status, 401, "after the end");
});

await check("a network that would shut out whoever allows it is refused, and one of theirs is allowed and taken away", async () => {
  expected.push(REFUSED);
  await page.goto(`${BASE}/addresses`);
  await page.getByRole("heading", { name: "Every address is allowed" }).waitFor();
  await page.getByRole("button", { name: "Allow a network" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("IP address or network").fill("192.0.2.0/24");
  await dialog.getByRole("button", { name: "Allow", exact: true }).click();
  await dialog.getByText("This would shut out the address you come from").waitFor();
  await dialog.getByLabel("IP address or network").fill("127.0.0.0/8");
  await dialog.getByLabel("Note").fill("This machine");
  await dialog.getByRole("button", { name: "Allow", exact: true }).click();
  await page.getByTestId("rules").getByText("This machine").waitFor();
  await page.getByRole("button", { name: "Remove" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await page.getByRole("heading", { name: "Every address is allowed" }).waitFor();
});

await check("tokens are signed with a new key: the page says what happens, nobody is signed out, and it shows by itself when the key signs", async () => {
  await page.goto(`${BASE}/signing-keys`);
  const rows = page.getByTestId("signing-keys").getByRole("listitem");
  await rows.filter({ hasText: "Signing now" }).waitFor();
  await page.getByRole("button", { name: /jwks\.json/ }).click();
  const address = await until("the clipboard to have it", async () => (await page.evaluate(() => navigator.clipboard.readText())).match(/^http.*/)?.[0]);
  equal(address, `${BASE}/.well-known/jwks.json`, "the address that is copied");
  const known = async () => (await (await fetch(address)).json()).keys.map(({ kid }) => kid);
  const before = await known();
  const act = page.getByRole("button", { name: "Rotate" });
  // One rotation after the other, a minute apart: whoever ran this file a moment ago waits.
  await until("a key that signs", async () => (await act.getAttribute("aria-disabled")) === null, 120_000);
  await act.click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Nobody is signed out.").waitFor();
  // The hub lets it sign in a minute; here the page is told of a moment, and must look again after it.
  let asked = 0;
  await page.route(/\/api\/v1\/signing-keys$/, async (route) => {
    const answer = await route.fetch();
    const { items } = await answer.json();
    const [next, signs, ...rest] = items;
    if (next.state !== "next") return route.fulfill({ response: answer });
    asked += 1;
    next.active_from = new Date(Date.now() + (asked === 1 ? 500 : -500)).toISOString();
    if (asked > 1) [next.state, signs.state] = ["signs", "verifies"];
    return route.fulfill({ response: answer, json: { items: [next, signs, ...rest] } });
  });
  await dialog.getByRole("button", { name: "Rotate" }).click();
  await rows.first().getByText("Signs soon").waitFor();
  equal(await act.getAttribute("aria-disabled"), "true", "the button while the new key does not sign");
  // it keeps its place and its focus, so that it can be asked why
  await act.click({ force: true });
  await page.getByRole("status").getByText("The newest key does not sign yet.").waitFor();
  await rows.first().getByText("Signing now").waitFor();
  await rows.nth(1).getByText("Still accepted").waitFor();
  await page.unroute(/\/api\/v1\/signing-keys$/);
  // each node reads the keys again every ten seconds
  await until("programs to read the new key beside all of before", async () => {
    const after = await known();
    return after.length > before.length && before.every((kid) => after.includes(kid));
  });
  equal((await call("GET", "/users", undefined, owner)).status, 200, "a token of before");
});

await check("who may look at signing keys and not rotate them reads why; who may not look has no such page", async () => {
  const roles = (await (await call("GET", "/roles", undefined, owner)).json()).items;
  const seen = async (role) => {
    const person = { name: `${role} ${stamp}`, email: `${role}.${stamp}@example.com`, password: "a long one to remember" };
    equal((await call("POST", "/users", { ...person, roles: [roles.find((one) => one.name === role).id] }, owner)).status, 201, "somebody made");
    const other = await watched(await browser.newContext({ viewport: { width: 1440, height: 900 } }));
    await signIn(other.page, person);
    await other.page.goto(`${BASE}/users`);
    await other.page.getByRole("navigation").getByRole("link", { name: "Users", exact: true }).waitFor();
    return other;
  };
  const admin = await seen("admin");
  await admin.page.getByRole("link", { name: "Signing keys" }).click();
  await admin.page.getByTestId("signing-keys").waitFor();
  await admin.page.getByRole("button", { name: "Rotate" }).click({ force: true });
  await admin.page.getByRole("status").getByText("You need the permission signing_keys:rotate for this.").waitFor();
  const viewer = await seen("viewer");
  equal([await viewer.page.getByRole("link", { name: "Signing keys" }).count(), admin.faults, viewer.faults], [0, [], []], "the link of a viewer, and faults");
});

await check("nothing broke on the way", () => equal(faults, [], "faults"));

await context.close();
await browser.close();
finish();
