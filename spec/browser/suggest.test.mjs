// What the answers teach, the settings with a suggested rule in them, and why, of a moment of the past; with JavaScript and
// without. SUGGEST is the directory with the pages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { looks, written } from "./written.mjs";

const site = written(process.env.SUGGEST, "none-en",
  (name, url) => url.includes("settings?refine") ? "settings-en" : url.includes("at=") ? "then-en" : name);
const { open, show } = site;

looks(site, "suggest");

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
