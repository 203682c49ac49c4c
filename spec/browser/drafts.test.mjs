// The pages of drafts, with JavaScript and without. The server's policy is the strict one. DRAFTS is the directory with the pages, WEB
// that of the scripts and the stylesheet, SCREENSHOTS where pictures go.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { NARROW, focused, inaccessible, invalid, press, stage } from "./stage.mjs";

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
  + "form-action 'self'; base-uri 'none'; frame-ancestors 'self'";
const TYPES = { css: "text/css", js: "text/javascript" };
const pages = Object.fromEntries(readdirSync(process.env.DRAFTS).sort().map((file) =>
  [file.replace(/\.html$/, ""), readFileSync(`${process.env.DRAFTS}/${file}`, "utf8")]));
const names = Object.keys(pages);
const inWords = /-(no|sv|da|de|nl)$/; // they look like the English ones

function content(url) {
  const name = url.replace("/leadcat/", "").replace(/\?.*/, "");
  if (/\.(css|js)$/.test(name)) {
    return { body: readFileSync(`${process.env.WEB}/${name}`), type: TYPES[name.match(/\w+$/)] };
  }
  return { body: pages[name] ?? pages["list-none"], type: "text/html; charset=utf-8" };
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
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/drafts-${name}.png`, fullPage: true });
    }
  }, { viewport: NARROW }));
}

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "" : ", without JavaScript";

  test(`a draft is approved, now and for later, and discarded${how}`, async () => {
    const ways = [
      [async (page) => page.getByRole("button", { name: "Approve and use now" }).click(), "action=approve"],
      [async (page) => {
        await page.getByLabel("Use from (UTC)").fill("2036-01-01T06:00");
        await page.getByRole("button", { name: "Approve for then" }).click();
      }, "when=later&at=2036-01-01T06%3A00&action=approve"],
      [async (page) => page.getByRole("button", { name: "Discard draft" }).click(), "action=discard"],
    ];
    for (const [act, body] of ways) {
      await open("one-en", async (page) => {
        await act(page);
        await page.waitForURL("**/drafts/1796040000003");
        assert.deepEqual(show.posts(), [{ method: "POST", url: "/leadcat/drafts/1796040000003", body }]);
      }, { javaScriptEnabled });
    }
  });
}

test("the keyboard reaches the buttons", () => open("one-en", async (page) => {
  await page.getByRole("button", { name: "Approve and use now" }).focus();
  await press(page, "Tab");
  await page.keyboard.type("01012036");
  assert.ok(await page.getByLabel("Use from (UTC)").evaluate((input) => document.activeElement === input));
  await page.getByRole("button", { name: "Approve for then" }).focus();
  await press(page, "Tab");
  assert.equal(await focused(page), "Discard draft");
  await press(page, "Enter");
  await page.waitForURL("**/drafts/1796040000003");
  assert.equal(show.posts()[0].body, "action=discard");
}));
