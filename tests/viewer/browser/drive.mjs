// Drives one headless Chromium for the tests. Commands come as lines of JSON on standard input:
// {"page": "/path.html", "scenario": "name", "words": "…", "options": {…}}; each answer is a line
// with the scenario's result and everything that a page must not do.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import * as scenarios from "./scenarios.mjs";

const [folder, executablePath] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/package.json`)("playwright-core");
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
];
const browser = await chromium.launch({ executablePath, args: flags });

/** What every scenario needs: the page, and short ways to its boxes. */
function toolsFor(page, path, words) {
  const file = (name) => join(dirname(path), name);
  const item = (label) =>
    page
      .locator(`#stage [data-item][aria-label^="${label}"]:not([aria-hidden])`)
      .first();
  const still = () => page.waitForTimeout(520);
  const middle = async (label) => {
    const box = await item(label).locator(".body").first().boundingBox();
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  };
  return {
    page,
    words,
    file,
    item,
    still,
    middle,
    texts: (selector) => page.locator(selector).allTextContents(),
    count: (selector) => page.locator(selector).count(),
    shot: (name) => page.screenshot({ path: file(name) }),
    click: async (label) => {
      const { x, y } = await middle(label);
      await page.mouse.click(x, y);
    },
    twice: async (label) => {
      const { x, y } = await middle(label);
      await page.mouse.dblclick(x, y);
      await still();
    },
  };
}

async function run({ page: path, scenario, words, options = {} }) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    acceptDownloads: true,
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  const url = pathToFileURL(path).href;
  const requests = [];
  const errors = [];
  await context.route("**/*", (route) => {
    const wanted = route.request().url();
    if (wanted === url) return route.continue();
    requests.push(wanted);
    return route.abort();
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()))
      errors.push(message.text());
  });
  page.on("dialog", (dialog) => {
    errors.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  try {
    await page.goto(url);
    await page.waitForSelector("html[data-ready]");
    const result = await scenarios[scenario](toolsFor(page, path, words));
    return { result: result ?? null, requests, errors };
  } catch (error) {
    return { failure: String(error), requests, errors };
  } finally {
    await context.close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
}
await browser.close();
