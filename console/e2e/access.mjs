/**
 * Who gets in, what they see, and how they are put out: the forced change of a password, a viewer before whom addresses are
 * hidden, a ban that ends an open tab and says why, the way about on a phone, and a ban by the keyboard alone.
 */
import { BASE, check, equal, finish, open, OWNER, signIn, until, watched } from "./browser.mjs";

const browser = await open();
const stamp = Date.now().toString(36);
const wide = { viewport: { width: 1440, height: 900 } };
/** What a refused request leaves in the browser's console; nothing else is excused. */
const REFUSED = /\b(401|403)\b|Unauthorized|Forbidden/;

// People are made over REST, as a program would: the console's own way of making them is flow.mjs's matter.
const call = async (method, path, body, token) => {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${BASE}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};
const { access_token: owner } = await call("POST", "/auth/login", OWNER);
const roles = (await call("GET", "/roles", undefined, owner)).items;
const roleNamed = (name) => roles.find((role) => role.name.toLowerCase() === name).id;
const person = async (name, role) => {
  const person = { name: `${name} ${stamp}`, email: `${name.toLowerCase()}-${stamp}@example.com`, password: `a long password ${stamp}`, phone: "+49 30 5550123", ...(role && { roles: [roleNamed(role)] }) };
  return { ...person, id: (await call("POST", "/users", person, owner)).id };
};
const grid = (page) => page.getByRole("grid", { name: "Users" });
const rowOf = (page, { name }) => grid(page).getByRole("row").filter({ hasText: name });

await check("a one-time password lets in as far as choosing a password of one's own, and no further", async () => {
  const someone = await person("Newcomer", "viewer");
  const { one_time_password: once } = await call("POST", `/users/${someone.id}/reset_password`, {}, owner);
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  await page.goto(`${BASE}/users`);
  await page.getByLabel("Email").fill(someone.email);
  await page.getByLabel("Password").fill(once);
  await page.keyboard.press("Enter");
  await page.getByText("Choose a password of your own to go on").waitFor();
  equal(await page.getByRole("link", { name: "Users" }).count(), 0, "ways to other pages");
  await page.goto(`${BASE}/users`);
  await page.getByText("Choose a password of your own to go on").waitFor();
  equal(new URL(page.url()).pathname, "/account", "path");
  const own = `another long password ${stamp}`;
  await page.getByLabel("Current password").fill(once);
  await page.getByLabel("New password", { exact: true }).fill(own);
  await page.getByLabel("Repeat the new password").fill(`${own}!`);
  await page.getByText("The two new passwords differ.").waitFor();
  equal(await page.getByRole("button", { name: "Change password" }).isDisabled(), true, "the button while they differ");
  await page.getByLabel("Repeat the new password").fill(own);
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByRole("link", { name: "Users" }).click();
  await grid(page).locator("[role=rowgroup] [role=row][id]").first().waitFor();
  equal(faults, [], "faults");
  await context.close();
});

const viewer = await person("Viewer", "viewer");
const subject = await person("Subject");

await check("a viewer sees addresses and numbers hidden: in the list, in the detail, and in a row that changes live", async () => {
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  // With a socket of its own, whose frames can be read here.
  await page.addInitScript(() => delete window.SharedWorker);
  const received = [];
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => received.push(String(payload))));
  page.on("response", async (response) => {
    if (new URL(response.url()).pathname.startsWith("/api/v1/users")) received.push(await response.text().catch(() => ""));
  });
  await signIn(page, viewer);
  await page.goto(`${BASE}/users?q=${encodeURIComponent(subject.name)}`);
  await rowOf(page, subject).getByText("Hidden").first().waitFor();
  await until("live", () => page.locator("[data-state=live]").count());
  await call("PATCH", `/users/${subject.id}`, { department: "Watched", phone: "+49 30 5550199" }, owner);
  await rowOf(page, subject).getByText("Watched").waitFor();
  equal(await rowOf(page, subject).getByText("Hidden").count(), 2, "hidden cells of the changed row");
  await rowOf(page, subject).getByRole("link").click();
  const detail = page.getByRole("complementary", { name: "User" });
  await detail.getByRole("heading", { name: "User" }).waitFor();
  await detail.getByText("Hidden").first().waitFor();
  equal(await detail.getByRole("button", { name: /^(Edit|Ban|Delete|Reset password)$/ }).count(), 0, "acts offered to a viewer");
  await detail.getByRole("tab", { name: "Raw" }).click();
  await detail.getByText('"masked"').waitFor();
  const shown = `${await page.locator("body").innerText()}\n${received.join("\n")}`;
  equal([subject.email, "5550123", "5550199"].filter((secret) => shown.includes(secret)), [], "what reached the viewer's browser");
  equal(faults, [], "faults");
  await context.close();
});

await check("what a viewer may not do says which permission it needs, and does nothing", async () => {
  const context = await browser.newContext(wide);
  const watch = await watched(context);
  const { page } = watch;
  await signIn(page, viewer);
  const off = [["/users", "New user", "users:create"], ["/users", "Import", "users:import"], ["/invitations", "Invite somebody", "invitations:manage"], ["/sessions", "End everybody's sessions", "sessions:revoke"], ["/teams", "New team", "teams:manage"], ["/roles", "New role", "roles:manage"], ["/imports", "New import", "users:import"]];
  for (const [path, name, permission] of off) {
    await page.goto(BASE + path);
    const button = page.locator("main").getByRole("button", { name, exact: true }).first();
    await button.waitFor();
    const why = await button.evaluate((element) => element.ariaDisabled === "true" && document.getElementById(element.getAttribute("aria-describedby"))?.textContent);
    equal(String(why).includes(permission), true, `why "${name}" is off: ${why}`);
    await button.click({ force: true });
    equal([await page.getByRole("dialog").count(), new URL(page.url()).pathname], [0, path], `what "${name}" did`);
  }
  await page.goto(`${BASE}/users?open=${subject.id}`);
  await page.getByRole("complementary", { name: "User" }).getByText("that needs users:update").waitFor();
  await page.goto(`${BASE}/settings`);
  await page.getByText("that needs the permission settings:update").first().waitFor();
  equal(watch.faults, [], "faults");
  // A page that is not theirs is not in the navigation, and its address says what it needs.
  watch.expected.push(REFUSED);
  equal(await page.getByRole("navigation").getByRole("link", { name: "Sign-in providers" }).count(), 0, "links to what they may not see");
  await page.goto(`${BASE}/providers`);
  await page.getByRole("alert").getByText("This needs the permission providers:read").waitFor();
  await context.close();
});

await check("a viewer finds nobody by an address, neither by filter nor by palette, though by name", async () => {
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  await signIn(page, viewer);
  await page.goto(`${BASE}/users?q=${encodeURIComponent(subject.email)}`);
  await page.getByRole("heading", { name: "Nobody matches" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type(subject.email);
  await page.getByText("Nothing found.").waitFor();
  await page.getByRole("combobox").fill(subject.name);
  await page.getByRole("option").filter({ hasText: subject.name }).waitFor();
  equal(faults, [], "faults");
  await context.close();
});

await check("the palette leads to a person by a pasted id", async () => {
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  await signIn(page);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill(subject.id);
  await page.getByRole("option").filter({ hasText: subject.name }).waitFor();
  await page.keyboard.press("Enter");
  await until("the person's page", () => new URL(page.url()).pathname === `/users/${subject.id}`);
  equal(faults, [], "faults");
  await context.close();
});

await check("a ban ends the open tab at once, says why, and the tab does not try again", async () => {
  const victim = await person("Victim", "viewer");
  const context = await browser.newContext(wide);
  const watch = await watched(context);
  const { page } = watch;
  // Time goes on as ever, until it is wound forward below.
  await page.clock.install();
  await signIn(page, victim);
  await page.goto(`${BASE}/users`);
  await until("live", () => page.locator("[data-state=live]").count());
  watch.loads = 0;
  watch.expected.push(REFUSED);
  await call("POST", `/users/${victim.id}/ban`, { reason: "Browser test" }, owner);
  await page.getByRole("heading", { name: "Sign in to Signalbox" }).waitFor();
  await page.getByText("Your access was ended.").waitFor();
  equal(watch.loads, 0, "documents loaded");
  // From here on the tab must be still: a client that went on trying would do so within the next minute.
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("websocket", (socket) => asked.push(socket.url()));
  await page.clock.fastForward(60_000);
  await page.evaluate(() => new Promise((resume) => requestAnimationFrame(() => requestAnimationFrame(resume))));
  equal(asked, [], "requests of the tab after it was signed out");
  await page.getByLabel("Email").fill(victim.email);
  await page.getByLabel("Password").fill(victim.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("alert").filter({ hasText: "This account is banned" }).waitFor();
  equal(watch.faults, [], "faults");
  await context.close();
});

await check("at 390 px every page is reached through the sheet, which closes behind", async () => {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const { page, faults } = await watched(context);
  await signIn(page);
  equal(await page.getByRole("navigation", { name: "Main navigation" }).count(), 0, "side bars in the page");
  for (const [name, path] of [["Users", "/users"], ["Live events", "/events"], ["Connections", "/connections"], ["Channels", "/channels"], ["Jobs", "/jobs"], ["Imports", "/imports"], ["Audit log", "/audit"], ["System", "/system"], ["Overview", "/"]]) {
    await page.getByRole("button", { name: "Open navigation" }).tap();
    await page.getByRole("navigation", { name: "Main navigation" }).getByRole("link", { name }).tap();
    await until(`${name} to be open`, () => new URL(page.url()).pathname === path);
    await page.getByRole("navigation", { name: "Main navigation" }).waitFor({ state: "detached" });
    await page.getByRole("heading", { level: 1, name }).waitFor();
  }
  await page.goto(`${BASE}/users?q=${encodeURIComponent(subject.email)}`);
  await rowOf(page, subject).getByRole("link").tap();
  await page.getByRole("complementary", { name: "User" }).getByText(subject.email).first().waitFor();
  equal(faults, [], "faults");
  await context.close();
});

await check("signs in, finds a person, bans and takes it back by the keyboard alone", async () => {
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
  const tabTo = async (name) => {
    for (let steps = 0; (await focused()) !== name; steps += 1) {
      if (steps > 60) throw new Error(`no way to "${name}" by Tab; the focus is on "${await focused()}"`);
      await page.keyboard.press("Tab");
    }
  };
  await page.goto(`${BASE}/sign-in`);
  await page.getByLabel("Email").waitFor();
  await until("the focus to be in the first field", () => page.evaluate(() => document.activeElement?.getAttribute("type") === "email"));
  await page.keyboard.type(OWNER.email);
  await page.keyboard.press("Tab");
  await page.keyboard.type(OWNER.password);
  await page.keyboard.press("Enter");
  await page.getByRole("navigation", { name: "Main navigation" }).waitFor();
  // By Tab first: a person who knows no shortcut must get there too.
  await page.keyboard.press("Tab");
  equal(await focused(), "Skip to content", "the first stop");
  await page.keyboard.press("g");
  await page.keyboard.press("u");
  await grid(page).locator("[role=rowgroup] [role=row][id]").first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type(subject.email);
  await until("one row", async () => (await grid(page).locator("[role=rowgroup] [role=row][id]").count()) === 1);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Tab");
  await tabTo("Users");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press(".");
  await page.getByRole("menu").waitFor();
  await page.keyboard.press("ArrowDown");
  await until("the focus to be on Ban", async () => (await focused()) === "Ban");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").waitFor();
  await until("the focus to be in the reason", () => page.evaluate(() => document.activeElement?.tagName === "TEXTAREA"));
  await page.keyboard.type("By keyboard");
  await tabTo("Ban");
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  await rowOf(page, subject).getByText("Banned").waitFor();
  await page.keyboard.press("u");
  await rowOf(page, subject).getByText("Active").waitFor();
  equal((await call("GET", `/users/${subject.id}`, undefined, owner)).status, "active", "state at the hub");
  equal(faults, [], "faults");
  await context.close();
});

await check("p holds the list still: newcomers wait until it is pressed again", async () => {
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  await signIn(page);
  await page.goto(`${BASE}/users`);
  await until("live", () => page.locator("[data-state=live]").count());
  await grid(page).locator("[role=rowgroup] [role=row][id]").first().waitFor();
  await page.keyboard.press("p");
  await page.getByRole("button", { name: "Paused" }).waitFor();
  const late = await person("Latecomer");
  await page.getByRole("button", { name: "Paused · 1 new" }).waitFor();
  equal(await rowOf(page, late).count(), 0, "rows of the newcomer while paused");
  await page.keyboard.press("p");
  await rowOf(page, late).waitFor();
  equal(faults, [], "faults");
  await context.close();
});

await check("in an order of its own a list takes newcomers only when asked, and says how many wait", async () => {
  const context = await browser.newContext(wide);
  const { page, faults } = await watched(context);
  await signIn(page);
  await page.goto(`${BASE}/users?sort=name&q=${encodeURIComponent(`Orderly ${stamp}`)}`);
  await page.getByRole("heading", { name: "Nobody matches" }).waitFor();
  await until("live", () => page.locator("[data-state=live]").count());
  const late = await person("Orderly");
  await page.getByRole("button", { name: "1 new" }).waitFor();
  equal(await rowOf(page, late).count(), 0, "rows of the newcomer before it is asked for");
  await page.keyboard.press("r");
  await rowOf(page, late).waitFor();
  await page.getByRole("button", { name: "1 new" }).waitFor({ state: "detached" });
  equal(faults, [], "faults");
  await context.close();
});

await check("a hub that serves a newer console says so, and the next page is taken from it", async () => {
  const context = await browser.newContext(wide);
  const watch = await watched(context);
  const { page } = watch;
  // With a socket of its own: what is taken offline below is the page, not a worker.
  await page.addInitScript(() => delete window.SharedWorker);
  await signIn(page);
  await page.goto(`${BASE}/users`);
  await until("live", () => page.locator("[data-state=live]").count());
  // The page as a newer hub would serve it, to the console's question only.
  await page.route(`${BASE}/`, async (route) => {
    if (route.request().isNavigationRequest()) return route.continue();
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: (await answer.text()).replace(/\/assets\/index-[^"]+\.js/, "/assets/index-newer.js") });
  });
  watch.loads = 0;
  watch.expected.push(/WebSocket|ERR_INTERNET_DISCONNECTED|Failed to load/);
  await context.setOffline(true);
  await page.evaluate(() => dispatchEvent(new Event("offline")));
  await page.locator("[data-state=reconnecting]").waitFor({ timeout: 60_000 });
  await context.setOffline(false);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await page.getByRole("button", { name: "Update ready" }).waitFor({ timeout: 60_000 });
  equal(watch.loads, 0, "documents loaded by the notice");
  await page.getByRole("link", { name: "Jobs" }).click();
  await page.getByRole("heading", { level: 1, name: "Jobs" }).waitFor();
  equal(watch.loads, 1, "documents loaded by the next page");
  equal(watch.faults, [], "faults");
  await context.close();
});

await check("rows stand as close, and times are told in the time zone, as a person chose, on every page and after a reload", async () => {
  const context = await browser.newContext({ ...wide, timezoneId: "Europe/Berlin" });
  const { page, faults } = await watched(context);
  await signIn(page);
  const row = () => grid(page).getByRole("row").nth(1);
  // rows come and go while the list is read
  const isHigh = (height) => until(`rows ${height} pixels high`, async () => (await row().boundingBox())?.height === height);
  const seen = async () => row().locator("time").first().getAttribute("title");
  await page.goto(`${BASE}/users`);
  await row().waitFor();
  await isHigh(44);
  equal(/ GMT\+[12]$| CES?T$/.test(await seen()), true, `Berlin's time: ${await seen()}`);
  await page.goto(`${BASE}/account?section=preferences`);
  await page.getByLabel("Rows").selectOption("compact");
  await page.getByLabel("Times in").selectOption("Asia/Tokyo");
  for (const load of [() => page.goto(`${BASE}/users`), () => page.reload()]) {
    await load();
    await row().waitFor();
    await isHigh(36);
    equal(/ GMT\+9$| JST$/.test(await seen()), true, `Tokyo's time: ${await seen()}`);
  }
  await page.goto(`${BASE}/account?section=preferences`);
  await page.getByLabel("Rows").selectOption("comfortable");
  await page.getByLabel("Times in").selectOption("");
  await page.goto(`${BASE}/users`);
  await row().waitFor();
  await isHigh(44);
  equal(faults, [], "faults");
  await context.close();
});

await browser.close();
finish();
