// The dashboard in a real browser, against a running Hythe with at least one deployed app.
//
//   HYTHE_URL=http://127.0.0.1:7070 HYTHE_TOKEN=… HYTHE_TEST_APP=hello HYTHE_TEST_SITE=docs \
//     npm run test:browser
//
// The app has answered a request for / before; the other one is a static site.
//
// HYTHE_SCREENSHOTS=FOLDER   keeps what it saw
// HYTHE_CHROMIUM=PATH        another browser than /usr/bin/chromium
//
// Exit code 0: all steps passed; 1: one failed, and it says which.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** @param {string} name */
function given(name) {
  const value = process.env[name];
  if (!value) {
    console.error(`${name} is not set: this test needs a running Hythe`);
    process.exit(2);
  }
  return value;
}

const url = new URL(given("HYTHE_URL"));
const token = given("HYTHE_TOKEN");
const app = given("HYTHE_TEST_APP");
const site = given("HYTHE_TEST_SITE");
const screenshots = process.env.HYTHE_SCREENSHOTS;

/** The way of a deployment that went live. */
const STAGES = ["requested", "queued", "building", "built", "starting", "healthy", "switching"];

/** The id of no deployment. */
const NOBODY = "00000000-0000-7000-8000-000000000000";

const browser = await chromium.launch({
  executablePath: process.env.HYTHE_CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
context.setDefaultTimeout(20_000);
const page = await context.newPage();

/** Whether questions may still be under way of which nobody wants to know the answer. */
let leaving = false;
/** Whether the page is to be older than the server, which has other files then. */
let upgraded = false;
/** What must not happen. */
const faults = /** @type {string[]} */ ([]);

await context.addInitScript(() => {
  document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`);
  });
});
page.on("pageerror", (error) => faults.push(`error in the page: ${error.message}`));
page.on("console", (message) => {
  if (message.type() !== "error" && message.type() !== "warning") return;
  // The browser itself reports answers of 400 and above, also those that are asked for here.
  const asked = message.location().url;
  if (/\b401\b/.test(message.text()) && asked.endsWith("/api/v1/session")) return;
  if (/\b404\b/.test(message.text()) && asked.endsWith(NOBODY)) return;
  // An app that is made from a folder has no webhooks, and the API says so.
  if (/\b409\b/.test(message.text()) && asked.includes("/api/v1/hooks?app=")) return;
  // What is on its way is asked about as a canary, and may be none, or none any more.
  if (/\b404\b/.test(message.text()) && asked.endsWith("/canary")) return;
  if (/\b401\b/.test(message.text()) && leaving) return;
  // The page's own file is gone, and what was loaded beside it is for nothing.
  if (upgraded && /\b404\b|preload/.test(message.text())) return;
  faults.push(`${message.type()} in the console: ${message.text()} ${asked}`);
});
await context.route("**/*", (route) => {
  const asked = route.request().url();
  if (new URL(asked).origin === url.origin || asked.startsWith("data:")) return route.continue();
  faults.push(`request to elsewhere: ${asked}`);
  return route.abort();
});

/** The connection for events, so that it can be broken. */
let events = /** @type {import("playwright-core").WebSocketRoute | undefined} */ (undefined);
await context.routeWebSocket(/\/api\/v1\/events/, (socket) => {
  events = socket;
  socket.connectToServer();
});

/**
 * A browser gives up what it loads when the machine's networks change, as they do when a container ends.
 *
 * @param {string} address
 */
async function go(address) {
  for (let left = 3; ; left -= 1) {
    try {
      return await page.goto(address);
    } catch (error) {
      if (left === 0 || !String(error).includes("ERR_NETWORK_CHANGED")) throw error;
    }
  }
}

/** In the page: how wide it is where that is too wide, and what sticks out of it. */
function sticksOut() {
  const { clientWidth, scrollWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return "";
  const out = [...document.body.querySelectorAll("*")].filter(
    (one) => one.getBoundingClientRect().right > clientWidth + 0.5,
  );
  const inmost = out.filter((one) => !out.some((other) => other !== one && one.contains(other)));
  const words = inmost.map(
    (one) => `<${one.tagName} ${one.className}> ${one.textContent?.slice(0, 40)}`,
  );
  return `${scrollWidth} pixels wide: ${words.slice(0, 5).join("; ")}`;
}

let count = 0;
/** @param {string} name */
async function shot(name) {
  if (!screenshots) return;
  await mkdir(screenshots, { recursive: true });
  count += 1;
  const file = `${String(count).padStart(2, "0")}-${name}.png`;
  await page.screenshot({ path: join(screenshots, file), fullPage: true });
}

/** @param {string} path */
async function api(path) {
  const answer = await context.request.get(new URL(path, url).href);
  assert.equal(answer.status(), 200, `GET ${path}`);
  return answer.json();
}

/** @type {[string, () => Promise<void>][]} */
const steps = [
  [
    "a wrong token is refused, with a reason",
    async () => {
      const answer = await go(url.href);
      const policy = answer?.headers()["content-security-policy"] ?? "";
      assert.match(policy, /default-src 'none'/, "the page comes with a strict policy");
      assert.doesNotMatch(policy, /unsafe-/);
      await page.getByLabel("Owner token").fill("not-the-token");
      await shot("sign-in");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("alert").getByText("Not the right token").waitFor();
      await shot("sign-in-refused");
    },
  ],
  [
    "a link with the token fills it in, and the token leaves the address",
    async () => {
      // Another fragment alone would not load the page anew.
      await go("about:blank");
      await go(new URL(`/#token=${encodeURIComponent(token)}`, url).href);
      assert.equal(await page.getByLabel("Owner token").inputValue(), token);
      assert.equal(page.url(), url.href);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("heading", { name: "Apps", level: 1 }).waitFor();
      const kept = await page.evaluate(() =>
        JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
      );
      assert.ok(!kept.includes(token), "no script can read the token");
    },
  ],
  [
    "the app is there with its status and address",
    async () => {
      const row = page.locator(`tr[data-app="${app}"]`);
      await row.getByText("running", { exact: true }).waitFor();
      const { url: address } = await api(`/api/v1/apps/${app}`);
      const link = row.getByRole("link", { name: address.replace(/^https?:\/\//, "") });
      assert.equal(await link.getAttribute("href"), address);
      await page.getByText("Connected", { exact: true }).waitFor();
      await shot("apps");
    },
  ],
  [
    "the app's page shows its settings, replicas and deployments",
    async () => {
      await page.getByRole("link", { name: app, exact: true }).click();
      await page.getByRole("heading", { name: app, level: 1 }).waitFor();
      const focused = await page.evaluate(() => document.activeElement?.tagName);
      assert.equal(focused, "H1", "the focus goes to the new page's heading");
      const { settings } = await api(`/api/v1/apps/${app}`);
      await page.getByText(settings.repository).waitFor();
      await page.locator(".replicas").getByText("healthy").first().waitFor();
      await shot("app");
    },
  ],
  [
    "a domain is added, shown with the records to set, and removed, by the keyboard alone",
    async () => {
      const host = "browser-test.example.com";
      await page.getByRole("link", { name: "Domains", exact: true }).focus();
      await page.keyboard.press("Enter");
      await page.getByLabel("Domain", { exact: true }).focus();
      await page.keyboard.type(host);
      await page.keyboard.press("Enter");
      const card = page.getByRole("article", { name: host });
      await card.waitFor();
      const { proof } = await api(`/api/v1/apps/${app}/domains/${host}`);
      await card.getByRole("cell", { name: proof.name }).waitFor();
      await card.getByRole("cell", { name: proof.value }).waitFor();
      await shot("domains");
      await card.getByRole("button", { name: `Remove ${host}` }).focus();
      await page.keyboard.press("Enter");
      // The focus is on what does nothing.
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await card.waitFor({ state: "detached" });
      await page.waitForFunction(() => document.activeElement?.textContent === "Domains");
      await page.getByRole("link", { name: "Overview", exact: true }).click();
    },
  ],
  [
    "its newest deployment shows all its stages",
    async () => {
      const { latest } = await api(`/api/v1/apps/${app}`);
      await page.getByRole("link", { name: `#${latest.number}`, exact: true }).click();
      await page.waitForURL(`**/deployments/${latest.id}`);
      await page.locator('[data-stage="live"][data-state="end"]').waitFor();
      const shown = await page
        .locator(".stage")
        .evaluateAll((stages) => stages.map((stage) => stage.getAttribute("data-stage")));
      const { stages } = await api(`/api/v1/deployments/${latest.id}`);
      assert.deepEqual(
        shown,
        stages.map((/** @type {{ stage: string }} */ { stage }) => stage),
      );
      for (const stage of STAGES) {
        if (!shown.includes(stage)) continue;
        const time = await page.locator(`[data-stage="${stage}"] .stage-time`).innerText();
        assert.match(time, /^[\d.]+ (ms|s|min)/, `how long ${stage} took`);
      }
      assert.ok(shown.includes("building") && shown.includes("starting"), shown.join(" "));
    },
  ],
  [
    "its build log is complete",
    async () => {
      const { latest } = await api(`/api/v1/apps/${app}`);
      let lines = 0;
      for (let from = ""; ; ) {
        const log = await api(`/api/v1/deployments/${latest.id}/logs?limit=5000${from}`);
        for (const { type } of log.items) lines += type === "line" ? 1 : 0;
        if (!log.more) break;
        from = `&cursor=${encodeURIComponent(log.next)}`;
      }
      assert.ok(lines > 0, "the build said something");
      await page.getByText("complete", { exact: true }).waitFor();
      const counted = `${lines.toLocaleString("en")} line${lines === 1 ? "" : "s"}`;
      await page.getByText(counted, { exact: true }).waitFor();
      // The first line is there once one goes up.
      const scroller = page.getByRole("region", { name: "Lines of the build log" });
      await scroller.focus();
      await page.keyboard.press("Home");
      await page.locator(".log-row[data-stream]").first().waitFor();
      await shot("deployment");
    },
  ],
  [
    "requests are told, and found by their status",
    async () => {
      await go(new URL(`/apps/${app}/logs`, url).href);
      await page.getByRole("link", { name: "Requests", exact: true }).click();
      const log = page.getByRole("region", { name: `Requests to ${app}` });
      await log.getByText(`${app}.localhost/`).first().waitFor();
      await shot("requests");
      await page.getByLabel("Host and path contain").fill("/nowhere-at-all");
      await page.getByText("Others show as they come.").waitFor();
    },
  ],
  [
    "certificates, and how they are ordered",
    async () => {
      await page.getByRole("link", { name: "Certificates", exact: true }).click();
      await page.getByRole("heading", { name: "Certificates", level: 1 }).waitFor();
      await page.getByText("No authority is asked for anything").waitFor();
      await shot("certificates");
    },
  ],
  [
    "what happened, and why, up to the request",
    async () => {
      await go(new URL(`/apps/${app}/activity`, url).href);
      await page
        .getByRole("button", { name: /^Why did event/ })
        .first()
        .click();
      await page.getByText(/^It began with|^What it began with/).waitFor();
      await shot("activity");
    },
  ],
  [
    "how the server is doing, with its workers",
    async () => {
      await page.getByRole("link", { name: "Server", exact: true }).click();
      await page.getByRole("heading", { name: "Server", level: 1 }).waitFor();
      await page.getByRole("region", { name: "Workers" }).getByText("ready").first().waitFor();
      await page.getByText("No backup was ever made", { exact: false }).first().waitFor();
      const keeping = page.getByRole("region", { name: "Housekeeping" });
      await keeping.getByRole("button", { name: "Look what may go" }).click();
      await keeping.getByText("What stays:").waitFor();
      await shot("server");
    },
  ],
  [
    "an app is put at a path of a host, and taken away",
    async () => {
      const place = `${site}.localhost/browser-test`;
      await go(new URL(`/apps/${app}/traffic`, url).href);
      await page.getByLabel("Host and path").fill(place);
      await page.getByRole("button", { name: "Add the path" }).click();
      await page.getByText(`${app} is to be at ${place}.`).waitFor();
      await shot("traffic");
      await page.getByRole("button", { name: `Remove ${place}` }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
      await page.getByText(`${app} is at ${place} no more.`).waitFor();
    },
  ],
  [
    "a static site shows its files in the place of replicas",
    async () => {
      await go(new URL(`/apps/${site}`, url).href);
      const files = page.getByRole("region", { name: "Static site" });
      await files.getByText("1 file,").waitFor();
      await shot("site");
    },
  ],
  [
    "a version is deployed as a canary, and taken back",
    async () => {
      await go(new URL(`/apps/${app}`, url).href);
      await page.getByRole("button", { name: "Deploy", exact: true }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("As a canary").check();
      await dialog.getByRole("button", { name: "Deploy" }).click();
      // It is built and started before.
      const link = page.getByRole("link", { name: "promote it, or take it back" });
      await link.click({ timeout: 120_000 });
      const canary = page.getByRole("region", { name: "Canary" });
      await canary.getByText("takes 10% of the requests").waitFor();
      await shot("canary");
      await canary.getByRole("button", { name: "Take it back" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Take it back" }).click();
      await page.getByText("is taken back.").waitFor();
      await canary.waitFor({ state: "detached" });
    },
  ],
  [
    "a lost connection is said, and comes back",
    async () => {
      assert.ok(events, "the page listens for events");
      const before = events;
      await before.close({ code: 1011, reason: "for the test" });
      await page.getByText("Reconnecting to Hythe.").waitFor();
      await page.getByText("Connected", { exact: true }).waitFor();
      assert.notEqual(events, before);
    },
  ],
  [
    "a page that is gone after an upgrade is said, and is there once all is loaded again",
    async () => {
      upgraded = true;
      await go(url.href);
      const files = "**/assets/ProjectsPage-*.js";
      await page.route(files, (route) => route.fulfill({ status: 404, body: "" }));
      await page.getByRole("link", { name: "Projects", exact: true }).click();
      await page.getByRole("alert").getByText("This page could not be loaded").waitFor();
      await shot("gone");
      await page.unroute(files);
      await page.getByRole("button", { name: "Load again" }).click();
      await page.getByRole("heading", { name: "Projects", level: 1 }).waitFor();
      upgraded = false;
    },
  ],
  [
    "an address that leads nowhere is a clear message",
    async () => {
      await go(new URL(`/deployments/${NOBODY}`, url).href);
      await page.getByRole("link", { name: "All apps" }).waitFor();
      await shot("not-found");
    },
  ],
  [
    "the keyboard reaches everything, beginning with a way past the header",
    async () => {
      await go(url.href);
      await page.getByRole("heading", { name: "Apps", level: 1 }).waitFor();
      await page.keyboard.press("Tab");
      const first = await page.evaluate(() => document.activeElement?.textContent);
      assert.equal(first, "Skip to the content");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Tab");
      const next = await page.evaluate(() => document.activeElement?.closest("main")?.id);
      assert.equal(next, "main");
    },
  ],
  [
    "nothing sticks out on a phone, in the light or in the dark",
    async () => {
      const { latest } = await api(`/api/v1/apps/${app}`);
      await page.setViewportSize({ width: 320, height: 640 });
      /** @type {string[]} */
      const wide = [];
      for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
        await page.emulateMedia({ colorScheme });
        for (const [name, path] of [
          ["apps", "/"],
          ["app", `/apps/${app}`],
          ["certificates", "/certificates"],
          ["activity", "/events"],
          ["server", "/server"],
          ["projects", "/projects"],
          ["app-activity", `/apps/${app}/activity`],
          ["logs", `/apps/${app}/logs`],
          ["requests", `/apps/${app}/logs?log=requests`],
          ["domains", `/apps/${app}/domains`],
          ["traffic", `/apps/${app}/traffic`],
          ["automation", `/apps/${app}/automation`],
          ["settings", `/apps/${app}/settings`],
          ["deployment", `/deployments/${latest.id}`],
        ]) {
          await go(new URL(path ?? "/", url).href);
          await page.getByRole("heading", { level: 1 }).waitFor();
          await page.getByText("Connected", { exact: true }).waitFor();
          await page.waitForFunction(() => !document.querySelector(".skeleton, .loading"));
          const out = await page.evaluate(sticksOut);
          if (out) wide.push(`${name} is ${out}`);
          await shot(`phone-${colorScheme}-${name}`);
        }
      }
      assert.deepEqual(wide, []);
    },
  ],
  [
    "signing out ends the session",
    async () => {
      leaving = true;
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByLabel("Owner token").waitFor();
      const answer = await context.request.get(new URL("/api/v1/apps", url).href);
      assert.equal(answer.status(), 401);
    },
  ],
];

let failed = false;
for (const [name, step] of steps) {
  const from = performance.now();
  try {
    await step();
    assert.deepEqual(faults, [], "nothing went wrong on the way");
    console.log(`ok    ${name} (${Math.round(performance.now() - from)} ms)`);
  } catch (error) {
    console.log(`FAIL  ${name}`);
    console.log(error instanceof Error ? error.message : error);
    await shot("failed").catch(() => {});
    failed = true;
    break;
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
