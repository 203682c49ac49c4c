// What the answers teach, the settings with a suggested rule in them, and why, of a moment of the past; with JavaScript and without. SUGGEST
// is the directory with the pages, WEB that of the scripts and the stylesheet, SCREENSHOTS where pictures go.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { NARROW, inaccessible, invalid, stage } from "./stage.mjs";

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
  + "form-action 'self'; base-uri 'none'; frame-ancestors 'self'";
const TYPES = { css: "text/css", js: "text/javascript" };
const pages = Object.fromEntries(readdirSync(process.env.SUGGEST).filter((file) => file.endsWith(".html")).sort()
  .map((file) => [file.replace(/\.html$/, ""), readFileSync(`${process.env.SUGGEST}/${file}`, "utf8")]));

function content(url) {
  const name = url.replace("/leadcat/", "").replace(/\?.*/, "");
  if (/\.(css|js)$/.test(name)) {
    return { body: readFileSync(`${process.env.WEB}/${name}`), type: TYPES[name.match(/\w+$/)] };
  }
  const page = url.includes("settings?refine") ? "settings-en" : url.includes("at=") ? "then-en" : name;
  return { body: pages[page] ?? pages["none-en"], type: "text/html; charset=utf-8" };
}

const show = stage((request, _, response) => {
  const { body, type } = content(request.url);
  response.writeHead(200, { "Content-Security-Policy": POLICY, "Content-Type": type });
  response.end(body);
});

async function open(name, look, settings) {
  await show.open(`/leadcat/${name}`, async (page) => {
    await look(page);
    assert.deepEqual(page.refused, []);
  }, settings);
}

for (const name of Object.keys(pages)) {
  test(`the page ${name} is valid HTML`, async () => {
    assert.deepEqual(await invalid(pages[name]), []);
  });

  for (const colorScheme of name.endsWith("-en") ? ["light", "dark"] : []) {
    test(`the page ${name} is accessible (${colorScheme})`, () => open(name, async (page) => {
      assert.deepEqual(await inaccessible(page), []);
    }, { colorScheme, bypassCSP: true }));
  }

  test(`the page ${name} fits a screen of 320 pixels`, () => open(name, async (page) => {
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 320);
    mkdirSync(process.env.SCREENSHOTS, { recursive: true });
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/suggest-${name}.png`, fullPage: true });
  }, { viewport: NARROW }));
}

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "" : ", without JavaScript";

  test(`a suggestion opens the settings with the rule, which are sent off with it only when saved${how}`, () =>
    open("suggestions-en", async (page) => {
      await page.getByRole("link", { name: "Add this rule" }).click();
      await page.waitForURL(/settings\?refine/);
      assert.match(await page.locator("main").innerText(), /has been added, and is not saved yet/);
      assert.deepEqual(show.posts(), []);
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await assert.doesNotReject(async () => {
        for (let i = 0; i < 100 && !show.posts()[0]; i++) await page.waitForTimeout(100);
        const sent = new URLSearchParams(show.posts()[0].body);
        assert.equal(sent.get("rule.sale_won.set_category"), "10");
        assert.equal(sent.get("rule.sale_won.1.when.1.1.value"), "500000");
        assert.equal(sent.get("rule.sale_won.1.of"), "new");
      });
    }, { javaScriptEnabled }));

  test(`a day leads to what was so then${how}`, () => open("entry-en", async (page) => {
    await page.getByLabel("On (optional)").fill("2026-11-30");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.waitForURL(/at=2026-11-30/);
    assert.match(await page.locator("main").innerText(), /under version 1 of the rules/);
    assert.equal(await page.getByLabel("On (optional)").inputValue(), "2026-11-30");
  }, { javaScriptEnabled }));
}
