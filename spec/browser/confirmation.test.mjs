// The dialog of a question in a browser: valid, accessible, harmless whatever the names are, and of use with the keyboard
// alone and without JavaScript. PAGES is the directory with the pages, CHROMIUM the browser.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { NARROW, focused, inaccessible, invalid, press, stage } from "./stage.mjs";

const ID = "00112233445566778899aabbccddeeff";
const ACTION = `/leadcat/api/confirmations/${ID}`;
const STYLE = "/leadcat/leadcat.css";

const pages = Object.fromEntries(readdirSync(process.env.PAGES).sort().map((file) =>
  [file.replace(/\.html$/, ""), readFileSync(`${process.env.PAGES}/${file}`)]));
const names = Object.keys(pages);
const hostile = names.filter((name) => name.startsWith("hostile-"));

const show = stage((request, body, response) => {
  if (request.url === STYLE) {
    response.writeHead(200, { "Content-Type": "text/css" });
    response.end(readFileSync(`${process.env.WEB}/leadcat.css`));
    return;
  }
  const page = pages[request.url.slice(1)];
  response.writeHead(page || request.method === "POST" ? 200 : 404, { "Content-Type": "text/html; charset=utf-8" });
  response.end(page ?? "<!DOCTYPE html><title>Done</title>");
});
const { posts } = show;

// Looks at a page once the list in it has the focus.
const open = (name, look, settings) => show.open(`/${name}`, async (page) => {
  if (name !== "closed") {
    await page.locator("select:focus").waitFor();
  }
  await look(page);
}, settings);

const withoutScript = (name, look) => open(name, look, { javaScriptEnabled: false });

async function pressAndGo(page, key) {
  await Promise.all([page.waitForURL((url) => !(url.pathname.slice(1) in pages)), page.keyboard.press(key)]);
}

for (const name of names) {
  test(`${name} is valid HTML`, async () => {
    assert.deepEqual(await invalid(pages[name].toString()), []);
  });

  test(`${name} is accessible`, () => open(name, async (page) => {
    assert.deepEqual(await inaccessible(page), []);
  }));

  test(`${name} fits a screen of 320 pixels`, () => open(name, async (page) => {
    const size = await page.evaluate(() => {
      const { left, right } = document.querySelector("dialog").getBoundingClientRect();
      return { left, right, scroll: document.documentElement.scrollWidth };
    });
    assert.ok(size.left >= 0 && size.right <= 320 && size.scroll <= 320, JSON.stringify(size));
  }, { viewport: NARROW }));
}

for (const name of hostile) {
  test(`${name} runs nothing and asks for nothing`, () => open(name, async (page) => {
    const found = await page.evaluate(() => ({
      ran: window.ran ?? 0,
      elements: [...new Set([...document.body.querySelectorAll("*")].map(({ localName }) => localName))].sort(),
      handlers: [...document.querySelectorAll("*")].flatMap((element) => element.getAttributeNames())
        .filter((attribute) => attribute.startsWith("on")),
    }));
    assert.deepEqual([found.ran, page.alerts, found.handlers], [0, 0, []]);
    assert.deepEqual(found.elements, ["a", "button", "dialog", "form", "h1", "h2", "label", "main", "optgroup", "option",
      "p", "select"]);
    assert.deepEqual(show.requests.map(({ url }) => url).filter((url) => url !== "/icon.svg"), [`/${name}`, STYLE]);
  }));

  test(`${name} says the name as it is, everywhere`, () => open(name, async (page) => {
    const texts = await page.evaluate(() =>
      [...document.querySelectorAll("dialog :is(h2, label, option, button)")].map((element) => element.textContent));
    assert.equal(new Set(texts).size, 1);
    assert.ok(texts[0].length >= 3 && texts.length === 9, JSON.stringify(texts));
  }));
}

test("Tab goes from the page to the list, then to Save, Keep and Answer later", () =>
  withoutScript("english", async (page) => {
    assert.equal(await focused(page), "select", "the list has the focus at first");
    await press(page, "Shift+Tab");
    assert.equal(await focused(page), "Before");
    const order = [];
    for (let i = 0; i < 4; i += 1) {
      await press(page, "Tab");
      order.push(await focused(page));
    }
    assert.deepEqual(order, ["select", "Save", "Keep current category", "Answer later"]);
  }));

test("what has the focus shows it", () => withoutScript("english", async (page) => {
  for (let i = 0; i < 4; i += 1) {
    const shown = page.locator(":focus-visible");
    assert.equal(await shown.count(), 1);
    const outline = await shown.evaluate((element) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { style: outlineStyle, width: parseFloat(outlineWidth) };
    });
    assert.ok(outline.style !== "none" && outline.width >= 1, JSON.stringify(outline));
    await press(page, "Tab");
  }
}));

test("Save sends the proposal", () => withoutScript("english", async (page) => {
  await press(page, "Tab");
  await pressAndGo(page, "Enter");
  assert.deepEqual(posts(), [{ method: "POST", url: ACTION, body: "category=5" }]);
}));

for (const [keys, id] of [[["ArrowDown"], 6], [["ArrowUp"], 3], [["Home"], 1]]) {
  test(`Save sends another choice, made with ${keys}`, () => withoutScript("english", async (page) => {
    await press(page, ...keys, "Tab");
    await pressAndGo(page, "Enter");
    assert.deepEqual(posts(), [{ method: "POST", url: ACTION, body: `category=${id}` }]);
  }));
}

test("Save of a hostile question sends the choice", () => withoutScript("hostile-select", async (page) => {
  await press(page, "ArrowDown", "Tab");
  await pressAndGo(page, "Enter");
  assert.deepEqual(posts(), [{ method: "POST", url: ACTION, body: "category=6" }]);
}));

test("Save goes where a question without an id says", () => withoutScript("without-id", async (page) => {
  await press(page, "Tab");
  await pressAndGo(page, " ");
  assert.deepEqual(posts(), [{ method: "POST", url: "/propose", body: "category=5" }]);
}));

test("Keep declines", () => withoutScript("english", async (page) => {
  await press(page, "Tab", "Tab");
  await pressAndGo(page, "Enter");
  const [post, ...more] = posts();
  assert.equal(more.length, 0);
  assert.equal(post.url, ACTION);
  assert.equal(new URLSearchParams(post.body).get("decline"), "true");
}));

test("Answer later closes the dialog and sends nothing", () => withoutScript("english", async (page) => {
  await press(page, "Tab", "Tab", "Tab", "Enter");
  await page.locator("dialog").waitFor({ state: "hidden" });
  assert.equal(page.url(), `${show.origin}/english`);
  assert.deepEqual(posts(), []);
}));

test("without the proposal in the list, Save asks for a choice", () => withoutScript("without-proposal", async (page) => {
  await press(page, "Tab", "Enter");
  await page.waitForTimeout(300);
  assert.equal(await focused(page), "select");
  assert.deepEqual(posts(), []);
  await press(page, "ArrowDown", "Tab");
  await pressAndGo(page, "Enter");
  assert.deepEqual(posts(), [{ method: "POST", url: ACTION, body: "category=1" }]);
}));

test("without the proposal in the list, Keep and Answer later need no choice", async () => {
  await withoutScript("without-proposal", async (page) => {
    await press(page, "Tab", "Tab");
    await pressAndGo(page, "Enter");
    assert.equal(new URLSearchParams(posts()[0].body).get("decline"), "true");
  });
  await withoutScript("without-proposal", async (page) => {
    await press(page, "Tab", "Tab", "Tab", "Enter");
    await page.locator("dialog").waitFor({ state: "hidden" });
    assert.deepEqual(posts(), []);
  });
});

test("a closed question has nothing to answer with, and can be closed", () => withoutScript("closed", async (page) => {
  assert.equal(await page.locator("select, [name], form[action], form[method=post]").count(), 1, "only the page's meta");
  assert.match(await page.locator("dialog").textContent(), /Ann kept the category on 1 May\./);
  await press(page, "Tab", "Tab");
  assert.equal(await focused(page), "Close");
  await press(page, "Enter");
  await page.locator("dialog").waitFor({ state: "hidden" });
  assert.deepEqual(posts(), []);
}));

test("the dialog says its name and its question to assistive technology", () => open("norwegian", async (page) => {
  const dialog = page.getByRole("dialog", { name: "Oppdater kategori" });
  assert.match(await dialog.ariaSnapshot(), /Vil du endre kategorien/);
  assert.equal(await dialog.getAttribute("lang"), "nb");
  assert.equal(await page.getByRole("combobox", { name: "Kategori" }).inputValue(), "3");
  const described = await dialog.evaluate((element) =>
    document.getElementById(element.getAttribute("aria-describedby")).textContent);
  assert.match(described, /^Lead-statusen til Åse Ødegård ble satt til Kvalifisert\./);
}));
