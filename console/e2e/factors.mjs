/**
 * Second factors, with Chromium's own virtual authenticator: a passkey is added and signs in alone and as the second step; an app's
 * code and a recovery code do; an act in an old session asks who one is and is then done; a role that demands a factor has it
 * set up at the next sign-in.
 *
 * Passkeys belong to names, so the hub is opened as localhost, whatever address it was given by.
 */
import { code, early } from "./totp.mjs";

process.env.BASE_URL = process.env.BASE_URL?.replace("127.0.0.1", "localhost");
const { BASE, check, equal, finish, open, OWNER, until, watched } = await import("./browser.mjs");

const browser = await open();
const stamp = Date.now().toString(36);
const PERSON = { email: `factors-${stamp}@example.com`, password: "a long one to remember" };
/** What a refused request leaves in the browser's console; nothing else is excused. */
const REFUSED = /\b(403)\b|Forbidden/;

const call = async (method, path, body, token) => {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${BASE}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  return { status: answer.status, body: await answer.json().catch(() => null) };
};

const { body: owner } = await call("POST", "/auth/login", OWNER);
const { body: roles } = await call("GET", "/roles", undefined, owner.access_token);
const { body: role } = await call("POST", "/roles", { name: `Factors ${stamp}`, statements: [{ permission: "users:read", effect: "grant" }] }, owner.access_token);
await call("POST", "/users", { ...PERSON, name: "Fay Factor", roles: [role?.id ?? roles.items[0].id] }, owner.access_token);

const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, permissions: ["clipboard-read", "clipboard-write"] });
const { page, faults, expected } = await watched(context);
const devtools = await context.newCDPSession(page);
await devtools.send("WebAuthn.enable");
const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
  options: { protocol: "ctap2", ctap2Version: "ctap2_1", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
});

const typePassword = async () => {
  await page.goto(`${BASE}/sign-in`);
  await page.getByLabel("Email").fill(PERSON.email);
  await page.getByLabel("Password").fill(PERSON.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
};
const isIn = () => page.getByRole("navigation").first().waitFor();
const signOut = async () => {
  // What a section asks for once one is signed out is refused, and the browser writes that down: it is read first.
  const read = ["email", "profile", "privacy"].map((what) => page.waitForResponse((answer) => answer.url().endsWith(`/api/v1/me/${what}`)));
  await page.goto(`${BASE}/account`);
  await Promise.all(read);
  await page.getByRole("button", { name: "Sign out" }).first().click();
  await page.getByLabel("Email").waitFor();
};
let codes = [];
let secret = "";

await check("a passkey is added, with recovery codes that are shown once", async () => {
  await typePassword();
  await isIn();
  await page.goto(`${BASE}/account?section=sign-in`);
  await page.getByText("No second factor yet").waitFor();
  await page.getByRole("button", { name: "Add" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Laptop");
  await dialog.getByRole("button", { name: /^Passkey/ }).click();
  const shown = page.getByTestId("recovery-codes").locator("li");
  await shown.first().waitFor();
  codes = await shown.allInnerTexts();
  equal(codes.length, 10, "recovery codes");
  await page.getByRole("button", { name: "I have saved them" }).click();
  await page.getByRole("list", { name: "Second factors" }).getByText("Laptop").waitFor();
  const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId });
  equal([credentials.length, credentials[0].isResidentCredential, credentials[0].rpId], [1, true, "localhost"], "the passkey");
});

await check("it signs in alone, without a password", async () => {
  await signOut();
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await isIn();
});

await check("after the password it is the second step", async () => {
  await signOut();
  await typePassword();
  await page.getByRole("heading", { name: "One more step" }).waitFor();
  await page.getByRole("button", { name: "Use the passkey" }).click();
  await isIn();
});

await check("an app is added by its picture or its secret, and confirmed with a code", async () => {
  await page.goto(`${BASE}/account?section=sign-in`);
  await page.getByRole("button", { name: "Add" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: /^Authenticator app/ }).click();
  await dialog.getByRole("img", { name: "Picture for an authenticator app" }).waitFor();
  secret = await page.getByTestId("totp-secret").innerText();
  await early();
  await dialog.getByLabel("Code").fill(code(secret, -1));
  await dialog.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("list", { name: "Second factors" }).getByText("Authenticator app").first().waitFor();
});

await check("its code signs in, a wrong one does not, and a recovery code does once", async () => {
  expected.push(REFUSED);
  await signOut();
  await typePassword();
  await page.getByRole("button", { name: "Use a code of my app" }).click();
  await page.getByLabel("Code").fill("000000");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByText("This code is not right, or was used already. Wait until the app shows the next one.").waitFor();
  equal(/[0-9a-f]{32}|refusal/i.test(await page.locator("main").innerText()), false, "an id that nobody can do anything with");
  await page.getByLabel("Code").fill(code(secret));
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await isIn();
  await signOut();
  await typePassword();
  await page.getByRole("button", { name: "Use a recovery code" }).click();
  await page.getByLabel("Recovery code").fill(codes[0].toUpperCase());
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await isIn();
});

await check("an act in a session of which nobody proved anything lately asks who one is, and is then done", async () => {
  // What the hub answers after ten minutes, once: nobody waits for them here.
  let refused = false;
  await page.route("**/api/v1/me/factors/*", (route) => {
    if (refused || route.request().method() !== "DELETE") return route.fallback();
    refused = true;
    const problem = { type: "urn:signalbox:problem:auth.step_up_needed", title: "Forbidden", status: 403, code: "auth.step_up_needed", detail: "Prove again who you are.", trace_id: "0".repeat(32), errors: [] };
    return route.fulfill({ status: 403, contentType: "application/problem+json", body: JSON.stringify(problem) });
  });
  await page.goto(`${BASE}/account?section=sign-in`);
  const list = page.getByRole("list", { name: "Second factors" });
  const app = list.getByRole("listitem").filter({ hasText: "Authenticator app" });
  const session = () => page.evaluate(async () => (await (await fetch("/api/v1/me", { headers: { "X-Signalbox-Client": "console" } })).json()).session_id);
  const before = await session();
  await app.getByRole("button", { name: "Remove" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await page.getByRole("heading", { name: "Is it you?" }).waitFor();
  await page.getByRole("button", { name: "Use the passkey" }).click();
  // While a dialog is open, no role is found behind it: the list must be there again before it can lack something.
  await list.waitFor();
  await app.waitFor({ state: "detached" });
  equal((await session()) === before, false, "the session kept its id");
  await until("the live link to stand in the new session", () => page.locator("header button[data-state=live]").count());
});

await check("a role that demands a factor lets nobody in who has none, until they set one up", async () => {
  await page.getByRole("button", { name: "Remove" }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await page.getByText("No second factor yet").waitFor();
  equal((await call("PATCH", `/roles/${role.id}`, { requires_factor: true }, owner.access_token)).status, 200, "demanded");
  await signOut();
  await typePassword();
  await page.getByRole("heading", { name: "Set up a second factor" }).waitFor();
  await page.getByRole("button", { name: /^Authenticator app/ }).click();
  secret = await page.getByTestId("totp-secret").innerText();
  await page.getByLabel("Code").fill(code(secret));
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("button", { name: "I have saved them" }).click();
  await isIn();
  await page.goto(`${BASE}/account?section=sign-in`);
  await page.getByText("A role of yours needs a second factor").waitFor();
  equal(await page.getByRole("button", { name: "Remove" }).isDisabled(), true, "the last one can be removed");
});

await check("nothing broke on the way", () => equal(faults, [], "faults"));

await context.close();
await browser.close();
finish();
