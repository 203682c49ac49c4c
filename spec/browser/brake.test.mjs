// The pages of what is held and of rules on trial, with JavaScript and without. BRAKE is the directory with the pages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { focused, press } from "./stage.mjs";
import { looks, written } from "./written.mjs";

const site = written(process.env.BRAKE, "held-none");
const { open, show } = site;

looks(site, "brake");

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
