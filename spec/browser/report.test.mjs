// The report of a comparison, opened as the file that it is: it must load nothing, run nothing, and be readable by
// everybody. REPORTS is the directory with the reports, SCREENSHOTS where pictures go.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { NARROW, inaccessible, invalid, visitor } from "./stage.mjs";

const directory = process.env.REPORTS;
const reports = readdirSync(directory).sort().map((file) => file.replace(/\.html$/, ""));
const inWords = /^changed-(no|sv|da|de|nl)$/; // they look like the English one
const site = visitor({ origin: `file://${directory}/` });

function open(name, look, settings) {
  return site.open(`${name}.html`, async (page) => {
    await look(page);
    assert.deepEqual(page.refused, []);
    assert.equal(page.alerts, 0);
  }, settings);
}

for (const name of reports) {
  test(`the report ${name} is valid HTML`, async () => {
    assert.deepEqual(await invalid(readFileSync(`${directory}/${name}.html`, "utf8")), []);
  });

  for (const colorScheme of inWords.test(name) ? [] : ["light", "dark"]) {
    test(`the report ${name} is accessible, and harmless (${colorScheme})`, () => open(name, async (page) => {
      assert.deepEqual(await inaccessible(page), []);
      assert.equal(await page.evaluate(() => window.ran ?? 0), 0);
      assert.equal(await page.locator("img, iframe, script, link, [style]").count(), 0);
    }, { colorScheme, bypassCSP: true }));
  }

  test(`the report ${name} fits a screen of 320 pixels`, () => open(name, async (page) => {
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 320);
  }, { viewport: NARROW }));
}

test("a report asks for nothing but itself", () => open("changed-en", async (page) => {
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.reload();
  assert.deepEqual(asked, [`file://${directory}/changed-en.html`]);
}));

test("the picture has its labels beside its bars, one below the other", () => open("changed-en", async (page) => {
  const labels = await page.locator("#leadcat-flow-change foreignObject").evaluateAll((all) => all.map((label) => {
    const { x, y, bottom } = label.getBoundingClientRect();
    const inner = label.firstElementChild;
    return { x, y, bottom, text: label.textContent, cut: inner.scrollHeight > inner.clientHeight };
  }));
  assert.ok(labels.length > 4);
  for (const [i, label] of labels.entries()) {
    assert.equal(label.cut, false, label.text);
    const above = labels.slice(0, i).filter(({ x }) => x === label.x).at(-1);
    assert.ok(!above || above.bottom <= label.y, `${above?.text} and ${label.text}`);
  }
}));

for (const [kind, settings] of Object.entries({ wide: { viewport: { width: 1200, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1200, height: 800 } }, narrow: { viewport: NARROW } })) {
  for (const name of ["changed-en", "changed-de", "hostile"]) {
    test(`the report ${name} has its picture taken (${kind})`, () => open(name, async (page) => {
      mkdirSync(process.env.SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/report-${name}-${kind}.png`, fullPage: true });
      if (kind === "wide") {
        await page.emulateMedia({ media: "print" });
        await page.screenshot({ path: `${process.env.SCREENSHOTS}/report-${name}-print.png`, fullPage: true });
      }
    }, settings));
  }
}
