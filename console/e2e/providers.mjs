/**
 * Sign-in through a real OpenID provider in a real browser: an owner adds the provider and tests it, somebody new signs in
 * through it and is a person, somebody who was there before links their account and takes the link away.
 *
 * SIGNALBOX names the hub's binary: this test starts a hub of its own, which knows its own address. SHOTS names a folder for
 * pictures.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ownHub } from "./hub.mjs";
import { code, early } from "./totp.mjs";

const hub = await ownHub();
process.env.SIGNALBOX__SERVER__PUBLIC_URL = hub.url;
await hub.start();
process.env.BASE_URL = hub.url;
const { BASE, check, equal, failures, finish, open, OWNER, signIn, watched } = await import("./browser.mjs");

const provider = spawn("node", [new URL("../../tests/live/provider.mjs", import.meta.url).pathname], { stdio: ["pipe", "pipe", "ignore"] });
const lines = createInterface({ input: provider.stdout })[Symbol.asyncIterator]();
// Beside its answers the library warns in words.
const told = async () => {
  for (;;) {
    const { value } = await lines.next();
    if (value.startsWith("{")) return JSON.parse(value);
  }
};
const { issuer } = await told();
const order = async (what) => {
  provider.stdin.write(`${JSON.stringify(what)}\n`);
  equal((await told()).done, true, "what the provider was told");
};
await order({
  client: { client_id: "hub", client_secret: "browser test", redirect_uris: [`${BASE}/sign-in/callback`], response_types: ["code"], grant_types: ["authorization_code"] },
  people: { ada: { email: "ada@example.com", email_verified: true, name: "Ada" }, bob: { email: "bob@example.com", email_verified: true, name: "Bob" } },
});

const browser = await open();
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const owner = await watched(context);
const shot = (page, name) => process.env.SHOTS && page.screenshot({ path: join(process.env.SHOTS, `${name}.png`), fullPage: true });

/** Says at the provider's own page who it is. */
async function nameAtProvider(page, login) {
  await page.locator("input[name=login]").fill(login);
  await page.locator("input[name=password]").fill("any");
  await page.locator("button[type=submit]").click();
}

/** And consents, the first time. */
async function atProvider(page, login) {
  await nameAtProvider(page, login);
  await page.locator("input[value=consent]").waitFor({ state: "attached" });
  await page.locator("button[type=submit]").click();
}

await check("an owner adds a provider and tests it", async () => {
  const { page } = owner;
  await signIn(page);
  await page.goto(`${BASE}/providers`);
  await page.getByText("No providers yet").waitFor();
  await page.getByRole("button", { name: "Add a provider" }).first().click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Name", { exact: true }).fill("Staff");
  await form.getByLabel("Issuer").fill(issuer);
  await form.getByLabel("Client ID").fill("hub");
  await form.getByLabel("Client secret").fill("browser test");
  await form.getByLabel("Create people on their first sign-in").check();
  await shot(page, "providers-form");
  await form.getByRole("button", { name: "Add provider" }).click();
  await form.waitFor({ state: "detached" });
  await page.getByText(`${BASE}/sign-in/callback`).waitFor();
  await page.getByRole("button", { name: "Test" }).click();
  await page.getByText(/Staff answers as it should/).waitFor();
  await shot(page, "providers");
  equal((await page.content()).includes("browser test"), false, "the secret is on the page");
});

await check("somebody new signs in through it and comes to the page that was asked for", async () => {
  const away = await browser.newContext();
  const page = await away.newPage();
  await page.goto(`${BASE}/account?section=linked`);
  await page.getByRole("button", { name: "Continue with Staff" }).waitFor();
  await shot(page, "sign-in");
  await page.getByRole("button", { name: "Continue with Staff" }).click();
  await atProvider(page, "ada");
  await page.waitForURL(`${BASE}/account?section=linked`);
  await page.getByText("This is your only way in").waitFor();
  await shot(page, "linked-only");
  equal(await page.getByRole("button", { name: "Unlink" }).isDisabled(), true, "the last way in stays");
  await away.close();
});

await check("whoever has nothing to show but the provider, where they signed in long ago, proves who they are there", async () => {
  const away = await browser.newContext();
  const page = await away.newPage();
  await order({ spoil: { claims: { auth_time: Math.floor(Date.now() / 1_000) - 3_600 }, header: {} } });
  await page.goto(`${BASE}/account?section=sign-in`);
  await page.getByRole("button", { name: "Continue with Staff" }).click();
  await atProvider(page, "ada");
  await page.waitForURL(`${BASE}/account?section=sign-in`);
  const add = async () => {
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: /^Authenticator app/ }).click();
  };
  await add();
  const question = page.getByRole("dialog", { name: "Is it you?" });
  await question.getByRole("button", { name: "Sign in again through Staff" }).waitFor();
  equal(await question.getByLabel("Password").count(), 0, "boxes for a password that nobody has");
  await shot(page, "step-up-provider");
  await question.getByRole("button", { name: "Sign in again through Staff" }).click();
  // they are signed in there, and are asked all the same
  await nameAtProvider(page, "ada");
  await page.waitForURL(`${BASE}/account?section=sign-in`);
  await add();
  await page.getByTestId("totp-secret").waitFor();
  await away.close();
});

await check("the owner links an account and signs in through it", async () => {
  const { page } = owner;
  await page.goto(`${BASE}/account?section=linked`);
  await page.getByRole("button", { name: "Link Staff" }).click();
  await atProvider(page, "bob");
  await page.waitForURL(`${BASE}/account?section=linked`);
  await page.getByTestId("linked").getByText("Staff").waitFor();
  const other = await browser.newContext();
  const through = await other.newPage();
  await through.goto(`${BASE}/sign-in`);
  await through.getByRole("button", { name: "Continue with Staff" }).click();
  await atProvider(through, "bob");
  await through.getByRole("navigation").first().waitFor();
  const me = await through.evaluate(async () => (await (await fetch("/api/v1/me", { headers: { "X-Signalbox-Client": "console" } })).json()).user.email);
  equal(me, OWNER.email, "who signed in");
  await other.close();
});

await check("whoever has a second factor is asked for it on the way back, and comes to the page that was asked for", async () => {
  const call = async (method, path, body, token) => {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(`${BASE}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  };
  const { access_token: token } = await call("POST", "/auth/login", OWNER);
  const { enrollment, secret } = await call("POST", "/me/factors", { kind: "totp" }, token);
  await early();
  const { factor } = await call("POST", "/me/factors/confirm", { enrollment, name: "App", code: code(secret, -1) }, token);
  const away = await browser.newContext();
  const { page } = await watched(away);
  await page.goto(`${BASE}/account?section=linked`);
  await page.getByRole("button", { name: "Continue with Staff" }).click();
  await atProvider(page, "bob");
  await page.getByRole("heading", { name: "One more step" }).waitFor();
  await shot(page, "callback-second-step");
  await page.getByLabel("Code").fill(code(secret));
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL(`${BASE}/account?section=linked`);
  await page.getByTestId("linked").getByText("Staff").waitFor();
  await away.close();
  await call("DELETE", `/me/factors/${factor.id}`, undefined, token);
});

await check("the owner takes the link away", async () => {
  const { page } = owner;
  await page.getByRole("button", { name: "Unlink" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Unlink" }).click();
  await page.getByText("No account elsewhere is linked to yours.").waitFor();
  await shot(page, "linked-none");
});

await check("an answer that belongs to no sign-in leads back with its reason", async () => {
  const { page } = owner;
  await page.goto(`${BASE}/sign-in/callback?state=s.x&code=y`);
  await page.getByText(/belongs to no sign-in/).waitFor();
  await shot(page, "callback-failed");
  await page.getByRole("link", { name: "Back to sign-in" }).waitFor();
});

await browser.close();
provider.kill();
await hub.end(failures() > 0);
finish();
