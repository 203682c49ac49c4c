// The manual, opened as the files that they are: each page is readable by everybody, and asks for nothing from elsewhere. MANUAL is
// the directory that `make doc` builds.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { NARROW, inaccessible, visitor } from "./stage.mjs";

const directory = process.env.MANUAL;
const pages = readdirSync(directory).filter((file) => file.endsWith(".html")).sort();
const site = visitor({ origin: `file://${directory}/` });
const KINDS = ["index.html", "start-nginx.html", "api.html", "http.html", "operations.html"]; // all are made in these ways

for (const name of KINDS) {
  for (const colorScheme of ["light", "dark"]) {
    test(`the manual's page ${name} is accessible (${colorScheme})`, () => site.open(name, async (page) => {
      assert.deepEqual(await inaccessible(page), []);
    }, { colorScheme, bypassCSP: true }));
  }
}

test("the manual's pages fit a screen of 320 pixels, and are text", async () => {
  assert.ok(pages.length > 20);
  for (const name of pages) {
    await site.open(name, async (page) => {
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 320, name);
      assert.equal(await page.locator("script, img, iframe").count(), 0, name);
    }, { viewport: NARROW });
  }
});

test("a page of the manual is reached by the keyboard, and leads to its content", () => site.open("http.html", async (page) => {
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "To the content");
  await page.keyboard.press("Enter");
  assert.match(page.url(), /#content$/);
}));
