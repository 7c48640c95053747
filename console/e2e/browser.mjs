/**
 * What the browser tests share: a headless Chromium that counts what must not happen (console errors, breaches of the
 * content policy, requests to another origin, reloads), and a list of checks that ends with one line.
 *
 * BASE_URL, OWNER_EMAIL and OWNER_PASSWORD come from the environment; CHROMIUM names another binary.
 */
import { chromium } from "playwright-core";

const need = (name) => {
  const value = process.env[name];
  if (!value) {
    console.error(`${name} is not set. Start a hub and give BASE_URL, OWNER_EMAIL and OWNER_PASSWORD.`);
    process.exit(2);
  }
  return value;
};

export const BASE = need("BASE_URL").replace(/\/$/, "");
export const OWNER = { email: need("OWNER_EMAIL"), password: need("OWNER_PASSWORD") };

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const open = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });

let passed = 0;
let failed = 0;

/** Runs one check; its failure is told and stops no other. */
export async function check(name, run) {
  try {
    await run();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n     ${String(error?.message ?? error).split("\n").slice(0, 12).join("\n     ")}`);
  }
}

/** How many checks failed so far. */
export const failures = () => failed;

export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

export function equal(actual, expected, what) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: expected ${b}, found ${a}`);
}

/** Asks until `test` answers something true, at most `limit` milliseconds. */
export async function until(what, test, limit = 30_000) {
  const end = Date.now() + limit;
  for (;;) {
    const answer = await test();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${limit} ms for ${what}`);
    await new Promise((resume) => setTimeout(resume, 50));
  }
}

/** A window whose faults are gathered in `faults`; `loads` counts documents loaded since it was opened. */
export async function watched(context) {
  const page = await context.newPage();
  const watch = { page, faults: [], loads: 0, expected: [] };
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    const text = `${message.text()} ${message.location().url ?? ""}`;
    if (!watch.expected.some((pattern) => pattern.test(text))) watch.faults.push(`console: ${text}`);
  });
  page.on("pageerror", (error) => watch.faults.push(`uncaught: ${error.message}`));
  page.on("request", (request) => {
    if (request.isNavigationRequest() && request.frame() === page.mainFrame()) watch.loads += 1;
    if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== new URL(BASE).origin) watch.faults.push(`other origin: ${request.url()}`);
  });
  await page.exposeFunction("tellBreach", (breach) => watch.faults.push(`content policy: ${breach}`));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => window.tellBreach(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ""}:${event.lineNumber}`));
  });
  return watch;
}

export async function signIn(page, { email, password } = OWNER) {
  await page.goto(`${BASE}/sign-in`);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("navigation").or(page.getByRole("button", { name: "Open navigation" })).first().waitFor();
}
