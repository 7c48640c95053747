/**
 * Every page in both schemes, wide and narrow: no sideways scroll, no error, no breach of the content policy, no accessibility
 * violation, overlays included; and the first load within its budget. SHOTS names a folder for pictures, ONLY a pattern of the
 * addresses to look at.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { BASE, check, equal, finish, open, signIn, until, watched } from "./browser.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** JavaScript and styles of a first load, in bytes of gzip; and of one route's own chunk. */
const FIRST_LOAD = 250_000;
const CHUNK = 60_000;

const browser = await open();

/** What axe finds; in the second scheme of the same page only colours can differ. */
async function violations(page, scheme) {
  // Evaluated through the debugger: the content policy of the page is not loosened for the test.
  if (scheme === "light") await page.evaluate(axe);
  const only = scheme === "dark" ? { runOnly: { type: "rule", values: ["color-contrast"] } } : {};
  const found = await page.evaluate((only) => window.axe.run(document, { resultTypes: ["violations"], ...only }), only);
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? node.all[0]?.message ?? node.none[0]?.message ?? ""}`).join(" ; ")}`);
}

async function inspect(watch, name, width) {
  const { page } = watch;
  await until("the page to have loaded", () => page.evaluate(() => !document.querySelector("[aria-busy=true]")));
  await check(`${name}, ${width}: no sideways scroll`, async () => {
    const wide = await page.evaluate(() => ({ page: document.documentElement.scrollWidth - innerWidth, main: (document.querySelector("main")?.scrollWidth ?? 0) - (document.querySelector("main")?.clientWidth ?? 0) }));
    if (wide.page > 0 || wide.main > 0) throw new Error(`wider than the window by ${wide.page} (main: ${wide.main})`);
  });
  for (const scheme of ["light", "dark"]) {
    // The scheme is a matter of the style sheet alone: no page is loaded again for it.
    await page.emulateMedia({ colorScheme: scheme });
    // Colours in transition are no colours to judge.
    await until("animations to end", () => page.evaluate(() => document.getAnimations().every((animation) => animation.playState !== "running" || animation.effect?.getTiming().iterations === Number.POSITIVE_INFINITY)));
    if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `${name.replace(/\W+/g, "-")}-${width}-${scheme}.png`) });
    await check(`${name}, ${width} ${scheme}: no accessibility violation`, async () => equal(await violations(page, scheme), [], "violations"));
  }
  await check(`${name}, ${width}: no console error, no breach of the content policy`, () => equal(watch.faults.splice(0), [], "faults"));
}

/** Ids of something of each kind, asked from the hub with the session of this page. */
const ids = (page) =>
  page.evaluate(async () => {
    const first = async (path) => (await (await fetch(`/api/v1/${path}?limit=1`, { headers: { "X-Signalbox-Client": "console" } })).json()).items?.[0]?.id;
    return { user: await first("users"), role: await first("roles"), team: await first("teams"), key: await first("api_keys"), job: await first("jobs"), import: await first("imports") };
  });

/** The id of a refusal: without the session's token against forged requests nothing is written. */
const refusal = async (context) => (await (await context.request.post(`${BASE}/api/v1/roles/what_if`, { data: {} })).json()).explain_id;

async function overlays(watch, width) {
  const { page } = watch;
  await page.goto(`${BASE}/users`);
  await page.getByRole("grid").getByRole("link").first().waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog").waitFor();
  await inspect(watch, "palette", width);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await inspect(watch, "keyboard sheet", width);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("button", { name: /^Live connection/ }).click();
  await page.getByRole("region", { name: "Live connection" }).getByText("Latency").waitFor();
  await inspect(watch, "connection card", width);
  await page.keyboard.press("Escape");
  await page.goto(`${BASE}/users?create=1`);
  await page.getByRole("dialog").getByRole("checkbox").first().waitFor();
  await inspect(watch, "new user", width);
  await page.goto(`${BASE}/keys`);
  await page.getByRole("button", { name: /^Max lifetime/ }).click();
  await page.getByRole("dialog").waitFor();
  await inspect(watch, "longest life of keys", width);
  if (width === 390) return;
  await page.goto(`${BASE}/roles?view=matrix`);
  await page.getByRole("grid").locator("[data-permission]").first().click();
  await page.getByRole("dialog").waitFor();
  await inspect(watch, "cell of the matrix", width);
}

async function wholeWidth(width, height) {
  const context = await browser.newContext({ viewport: { width, height }, reducedMotion: "reduce" });
  const watch = await watched(context);
  await watch.page.goto(`${BASE}/sign-in`);
  await watch.page.getByLabel("Email").waitFor();
  await inspect(watch, "sign-in", width);
  // Pages that links in mail lead to; a link that is none says so, and the browser tells of the answer.
  watch.expected.push(/invitations\/look/);
  for (const path of ["/invitation#none", "/forgot-password", "/reset-password#none", "/confirm-email#none", "/sign-up", "/confirm-sign-up#none"]) {
    await watch.page.goto(BASE + path);
    await watch.page.locator("h1").first().waitFor();
    await inspect(watch, path, width);
  }
  await watch.page.goto(`${BASE}/sign-in`);
  await watch.page.getByLabel("Email").waitFor();
  await signIn(watch.page);
  const known = await ids(watch.page);
  const pages = ["/", "/events", "/events?channels=-", "/connections", "/connections?user=nobody", "/channels", "/channels?open=feed:users", "/users", "/users?status=banned", "/users?q=nobody-has-this-name", `/users?open=${known.user}`, `/users/${known.user}`, `/users/${known.user}?tab=about`, `/users/${known.user}?tab=sessions`, `/users/${known.user}?tab=activity`, `/users/${known.user}?tab=raw`, `/users/${known.user}?tab=access`, "/roles", "/roles?view=matrix", "/roles?view=who", "/roles?view=who&permission=users:update", "/roles?create=1", `/roles?open=${known.role}`, `/roles/${known.role}`, `/roles/${known.role}?tab=members`, `/roles/${known.role}?tab=history`, "/teams", "/teams?create=1", "/teams?open=none", `/refusals/${await refusal(context)}`, "/imports", "/imports/new", "/jobs", "/sessions", "/sessions?user=00000000-0000-7000-8000-000000000000", "/audit", "/keys", "/keys?create=1", "/addresses", "/providers", "/signing-keys", "/system", "/invitations", "/invitations?create=1", "/settings", "/settings?section=people", "/settings?section=sessions", "/settings?section=outbox", "/account", "/account?section=sign-in", "/account?section=sessions", "/account?section=linked", "/account?section=keys", "/account?section=data", "/account?section=preferences", "/no-such-page"];
  if (known.job) pages.push(`/jobs?open=${known.job}`, `/jobs/${known.job}`);
  if (known.team) pages.push(`/teams?open=${known.team}`, `/users?team=${known.team}`);
  if (known.key) pages.push(`/keys?open=${known.key}`);
  if (known.import) pages.push(`/imports/${known.import}`);
  const only = new RegExp(process.env.ONLY ?? "");
  for (const path of pages.filter((path) => only.test(path))) {
    await watch.page.goto(BASE + path);
    await watch.page.locator("main h1, main h2").first().waitFor();
    await inspect(watch, path.replace(/[0-9a-f-]{36}/, "id").replace(/refusals.+/, "refusals/id"), width);
  }
  if (!process.env.ONLY) await overlays(watch, width);
  await context.close();
}

// SIZES=1 measures the first loads alone. Both widths at once: most of the time is spent in the pages' own processes.
if (!process.env.SIZES) await Promise.all([wholeWidth(1440, 900), wholeWidth(390, 844)]);

if (!process.env.ONLY) await check(`a first load of any page costs at most ${FIRST_LOAD / 1000} kB of script and style`, async () => {
  const first = await browser.newContext();
  await signIn((await watched(first)).page);
  const signedIn = await first.storageState();
  await first.close();
  for (const path of ["/sign-in", "/", "/events", "/connections", "/channels", "/users", "/roles?view=matrix", "/teams", "/imports/new", "/jobs", "/sessions", "/audit", "/keys", "/addresses", "/system", "/settings", "/invitations", "/providers", "/account"]) {
    const context = await browser.newContext({ storageState: path === "/sign-in" ? undefined : signedIn });
    const { page } = await watched(context);
    // The page's own list of what it fetched is complete, but for the worker's script, which the browser tells of here.
    const fetched = [];
    page.on("request", (request) => fetched.push(request.url()));
    await page.goto(BASE + path);
    await page.locator("main h1, main h2, h1").first().waitFor();
    if (path !== "/sign-in") await until("the link to be live", () => page.locator("[data-state=live]").count());
    await until("the page to have loaded", () => page.evaluate(() => !document.querySelector("[aria-busy=true]")));
    fetched.push(...(await page.evaluate(() => performance.getEntriesByType("resource").map((entry) => entry.name))));
    equal(fetched.some((url) => /\/assets\/worker-/.test(url)), path !== "/sign-in", `the worker's script among what ${path} fetched`);
    const sizes = new Map();
    for (const url of new Set(fetched.filter((name) => /\.(js|css)$/.test(new URL(name).pathname)))) {
      sizes.set(url, gzipSync(await (await context.request.get(url)).body(), { level: 9 }).length);
    }
    const sum = [...sizes.values()].reduce((a, b) => a + b, 0);
    console.log(`     ${path}: ${(sum / 1000).toFixed(1)} kB in ${sizes.size} files`);
    if (sum > FIRST_LOAD) throw new Error(`${path}: ${sum} bytes`);
    const shared = [...sizes].filter(([url]) => !/\/(index|vendor|controls|overlays|shared)-/.test(url)).filter(([, size]) => size > CHUNK);
    equal(shared, [], `chunks of ${path} over ${CHUNK} bytes`);
    await context.close();
  }
});

await browser.close();
finish();
