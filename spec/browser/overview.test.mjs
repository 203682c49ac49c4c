// The overview, opened as a file with its stylesheet. OVERVIEW is the directory with the pages, SCREENSHOTS where pictures go.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { NARROW, inaccessible, invalid, visitor } from "./stage.mjs";

const directory = process.env.OVERVIEW;
const pages = readdirSync(directory).filter((file) => file.endsWith(".html")).sort()
  .map((file) => file.replace(/\.html$/, ""));
const site = visitor({ origin: `file://${directory}/` });
const pictures = process.env.SCREENSHOTS;
mkdirSync(pictures, { recursive: true });

const open = (name, look, settings) => site.open(`${name}.html`, look, settings);

test("there are overviews", () => assert.ok(pages.length >= 10));

for (const name of pages) {
  test(`${name} is valid HTML`, async () => {
    assert.deepEqual(await invalid(readFileSync(`${directory}/${name}.html`, "utf8")), []);
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`${name} is accessible (${colorScheme})`, () => open(name, async (page) => {
      for (const details of await page.locator("details").all()) await details.evaluate((all) => { all.open = true; });
      assert.deepEqual(await inaccessible(page), []);
      await page.screenshot({ path: `${pictures}/overview-${name}-${colorScheme}.png`, fullPage: true });
    }, { colorScheme, bypassCSP: true }));
  }

  for (const [what, viewport] of [["320 pixels", NARROW], ["640 pixels, as at 200 %", { width: 640, height: 400 }]]) {
    test(`${name} fits ${what}`, () => open(name, async (page) => {
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= viewport.width);
      await page.screenshot({ path: `${pictures}/overview-${name}-${viewport.width}.png`, fullPage: true });
    }, { viewport }));
  }
}

test("the picture says what it shows, and its numbers stand in the table", () => open("full-en", async (page) => {
  const picture = page.getByRole("img", { name: "Companies moved, by new category" });
  const drawn = await picture.locator("rect title").allTextContents();
  assert.ok(drawn.length > 60);
  await page.getByText("As a table").click();
  const sums = new Map();
  for (const title of drawn) {
    const [, category, count] = title.replace(/[\u2066-\u2069]/g, "").match(/^(.*): (\d+) \(/);
    sums.set(category, (sums.get(category) ?? 0) + Number(count));
  }
  const table = page.locator("details table");
  const heads = await table.locator("thead th").allTextContents();
  for (const [i, head] of heads.entries()) {
    if (i === 0) continue;
    const cells = await table.locator(`tbody tr > :nth-child(${i + 1})`).allTextContents();
    assert.equal(cells.reduce((all, cell) => all + Number(cell), 0), sums.get(head), head);
  }
}));

test("bars stay within the picture, one above the other, and none is hidden in forced colours", () => open("full-en",
  async (page) => {
    const places = await page.locator("#leadcat-moved-picture").evaluate((svg) => {
      const frame = svg.getBoundingClientRect();
      return [...svg.querySelectorAll("g")].map((bar) => [...bar.querySelectorAll("rect")].map((rect) => {
        const { left, right, top, bottom } = rect.getBoundingClientRect();
        return { top, bottom, fits: left >= frame.left && right <= frame.right && top >= frame.top,
          fill: getComputedStyle(rect).fill };
      }));
    });
    for (const bar of places) for (const [i, piece] of bar.entries()) {
      assert.ok(piece.fits);
      assert.notEqual(piece.fill, "rgb(255, 255, 255)");
      assert.ok(i === 0 || piece.bottom <= bar[i - 1].top + 1.5);
    }
    await page.screenshot({ path: `${pictures}/overview-forced.png`, fullPage: true });
  }, { forcedColors: "active" }));

test("periods and rules are reached by the keyboard", () => open("full-en", async (page) => {
  const reached = [];
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => document.activeElement.textContent.trim().slice(0, 30)));
  }
  assert.ok(reached.includes("7 days") && reached.includes("As a table"));
}));
