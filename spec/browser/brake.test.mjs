// The pages of what is held and of rules on trial, with JavaScript and without. The server's policy is the strict one. BRAKE is the
// directory with the pages, WEB that of the scripts and the stylesheet, SCREENSHOTS where pictures go.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { NARROW, focused, inaccessible, invalid, press, stage } from "./stage.mjs";

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
  + "form-action 'self'; base-uri 'none'; frame-ancestors 'self'";
const TYPES = { css: "text/css", js: "text/javascript" };
const pages = Object.fromEntries(readdirSync(process.env.BRAKE).sort().map((file) =>
  [file.replace(/\.html$/, ""), readFileSync(`${process.env.BRAKE}/${file}`, "utf8")]));
const names = Object.keys(pages);
const inWords = /-(no|sv|da|de|nl)$/; // they look like the English ones

function content(url) {
  const name = url.replace("/leadcat/", "").replace(/\?.*/, "");
  if (/\.(css|js)$/.test(name)) {
    return { body: readFileSync(`${process.env.WEB}/${name}`), type: TYPES[name.match(/\w+$/)] };
  }
  return { body: pages[name] ?? pages["held-none"], type: "text/html; charset=utf-8" };
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
    assert.equal(page.alerts, 0);
  }, settings);
}

for (const name of names) {
  test(`the page ${name} is valid HTML`, async () => {
    assert.deepEqual(await invalid(pages[name]), []);
  });

  for (const colorScheme of inWords.test(name) ? [] : ["light", "dark"]) {
    test(`the page ${name} is accessible (${colorScheme})`, () => open(name, async (page) => {
      assert.deepEqual(await inaccessible(page), []);
    }, { colorScheme, bypassCSP: true }));
  }

  test(`the page ${name} fits a screen of 320 pixels`, () => open(name, async (page) => {
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 320);
    if (!inWords.test(name)) {
      mkdirSync(process.env.SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/brake-${name}.png`, fullPage: true });
    }
  }, { viewport: NARROW }));
}

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "" : ", without JavaScript";

  test(`what was ticked is released${how}`, () => open("held-en", async (page) => {
    await page.getByLabel("Choose Fjord Shipping").check();
    await page.getByRole("button", { name: "Release the chosen" }).click();
    await page.waitForURL("**/held");
    assert.deepEqual(show.posts(), [{ method: "POST", url: "/leadcat/held",
      body: "rule=&entry.1796040000004=on&action=release" }]);
  }, { javaScriptEnabled }));

  test(`all is dropped by one button${how}`, () => open("held-en", async (page) => {
    await page.getByRole("button", { name: "Drop all" }).click();
    await page.waitForURL("**/held");
    assert.equal(show.posts()[0].body, "rule=&action=drop_all");
  }, { javaScriptEnabled }));

  test(`a rule on trial is switched on by one click, for the version that was seen${how}`, () => open("trials-en", async (page) => {
    await page.getByRole("button", { name: "Switch it on for real" }).first().click();
    await page.waitForURL("**/trials");
    assert.deepEqual(show.posts(), [{ method: "POST", url: "/leadcat/trials", body: "rule=sale_won&revision=7" }]);
  }, { javaScriptEnabled }));
}

test("the keyboard reaches every box and every button of what is held", () => open("held-en", async (page) => {
  await page.getByLabel("Choose Brødrene Ærlig AS").focus();
  await press(page, "Space", "Tab", "Tab", "Tab", "Space", "Tab");
  assert.equal(await focused(page), "Release the chosen");
  await press(page, "Tab", "Tab", "Tab");
  assert.equal(await focused(page), "Drop all");
  await page.getByRole("button", { name: "Drop the chosen" }).press("Enter");
  await page.waitForURL("**/held");
  assert.equal(show.posts()[0].body, "rule=&entry.1796040000001=on&entry.1796040000004=on&action=drop");
}));
