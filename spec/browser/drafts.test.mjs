// The pages of drafts, with JavaScript and without. DRAFTS is the directory with the pages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { focused, press } from "./stage.mjs";
import { looks, written } from "./written.mjs";

const site = written(process.env.DRAFTS, "list-none");
const { open, show } = site;

looks(site, "drafts");

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "" : ", without JavaScript";
  const AT = javaScriptEnabled ? /^Use from$/ : "Use from (UTC)", ZONE = javaScriptEnabled ? "&zone=120" : "";

  test(`times of drafts are the reader's, and UTC without JavaScript${how}`, () => open("list-en", async (page) => {
    const words = (await page.locator("main").innerText()).replace(/\s/g, " ");
    assert.match(words, javaScriptEnabled ? /Draft by .*, Nov 30, 2026, 2:00 PM/ : /Draft by .*, .*12:00.*UTC/);
    assert.match(words, javaScriptEnabled ? /takes effect on Nov 30, 2026, 4:46 PM/ : /takes effect on .*14:46.*UTC/);
  }, { javaScriptEnabled, timezoneId: "Europe/Helsinki" }));

  test(`a draft is approved, now and for later, and discarded${how}`, async () => {
    const ways = [
      [async (page) => page.getByRole("button", { name: "Approve and use now" }).click(), "action=approve"],
      [async (page) => {
        await page.getByLabel(AT).fill("2036-07-01T06:00");
        await page.getByRole("button", { name: "Approve for then" }).click();
      }, `when=later${ZONE}&at=2036-07-01T06%3A00&action=approve`],
      [async (page) => page.getByRole("button", { name: "Discard draft" }).click(), "action=discard"],
    ];
    for (const [act, body] of ways) {
      await open("one-en", async (page) => {
        await act(page);
        await page.waitForURL("**/drafts/1796040000003");
        assert.deepEqual(show.posts(), [{ method: "POST", url: "/leadcat/drafts/1796040000003", body }]);
      }, { javaScriptEnabled, timezoneId: "Europe/Oslo" });
    }
  });
}

test("the keyboard reaches the buttons", () => open("one-en", async (page) => {
  await page.getByRole("button", { name: "Approve and use now" }).focus();
  await press(page, "Tab");
  await page.keyboard.type("01012036");
  assert.ok(await page.getByLabel("Use from").evaluate((input) => document.activeElement === input));
  await page.getByRole("button", { name: "Approve for then" }).focus();
  await press(page, "Tab");
  assert.equal(await focused(page), "Discard draft");
  await press(page, "Enter");
  await page.waitForURL("**/drafts/1796040000003");
  assert.equal(show.posts()[0].body, "action=discard");
}));
