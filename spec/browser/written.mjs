// Pages that a program in Lua has written into a directory, given by a server under the strict policy, and what is true of each of
// them. WEB is the directory of the scripts and the stylesheet, SCREENSHOTS where pictures go.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { NARROW, inaccessible, invalid, stage } from "./stage.mjs";

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
  + "form-action 'self'; base-uri 'none'; frame-ancestors 'self'";
const TYPES = { css: "text/css", js: "text/javascript" };
const inWords = /-(no|sv|da|de|nl)$/; // they look like the English ones

// `choose(name, url)` says which page stands at an address, `otherwise` which one where there is none of that name.
export function written(directory, otherwise, choose = (name) => name) {
  const pages = Object.fromEntries(readdirSync(directory).filter((file) => file.endsWith(".html")).sort()
    .map((file) => [file.replace(/\.html$/, ""), readFileSync(`${directory}/${file}`, "utf8")]));

  function content(url) {
    const name = url.replace("/leadcat/", "").replace(/\?.*/, "");
    if (/\.(css|js)$/.test(name)) {
      return { body: readFileSync(`${process.env.WEB}/${name}`), type: TYPES[name.match(/\w+$/)] };
    }
    return { body: pages[choose(name, url)] ?? pages[otherwise], type: "text/html; charset=utf-8" };
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

  return { pages, show, open };
}

// Tests each page: its HTML, whether it is accessible, and whether it fits a narrow screen. Pictures are named after `subject`.
export function looks({ pages, open }, subject) {
  for (const name of Object.keys(pages)) {
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
        await page.screenshot({ path: `${process.env.SCREENSHOTS}/${subject}-${name}.png`, fullPage: true });
      }
    }, { viewport: NARROW }));
  }
}
