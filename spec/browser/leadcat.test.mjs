// web/leadcat.js in a browser, against a server that plays the API, and the pages of inbox, journal and problems. The
// server's policy is the strict one. SITE is the directory with the pages, WEB that of the scripts and the stylesheet,
// SCREENSHOTS where pictures go.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { NARROW, focused, inaccessible, invalid, press, stage } from "./stage.mjs";

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
  + "form-action 'self'; base-uri 'none'; frame-ancestors 'self'";
const BASES = /^(\/leadcat|\/crm\/leads)(?=\/)/;
const A = "a".repeat(32), B = "b".repeat(32), C = "c".repeat(32);
const EVENT = { trigger: "sale_won", company: "Fjord Shipping", id: "sale-17" };
const NETWORK = "The server could not be reached. Check the connection and try again.";
const OFFLINE = { drop: true };

const site = Object.fromEntries(readdirSync(process.env.SITE).sort().map((file) =>
  [file.replace(/\.html$/, ""), readFileSync(`${process.env.SITE}/${file}`, "utf8")]));
const names = Object.keys(site);
const whole = names.filter((name) => name !== "propose");
const inWords = /^(inbox|history|drift)-(no|sv|da|de|nl)$/; // they look like the English ones

// The server ---------------------------------------------------------------------------------------------------------

const TYPES = { css: "text/css", js: "text/javascript" };
const html = (body, status = 200) => ({ status, body, type: "text/html; charset=utf-8" });
const json = (value, status = 200) => ({ status, body: JSON.stringify(value), type: "application/json" });
const problem = (status, code, detail, more) =>
  ({ ...json({ status, code, detail, title: "Title", ...more }, status), type: "application/problem+json" });
const file = (name) => ({ status: 200, body: readFileSync(`${process.env.WEB}/${name}`), type: TYPES[name.match(/\w+$/)] });

const asked = (id) => json({ status: "awaiting_confirmation", action: "confirm", confirmation: id });
const updated = (to) => json({ status: "updated", action: "confirm", from: 3, to });

// A page of the CRM, below a prefix of its own.
const crm = (base, script = true) => html(`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>CRM</title>
  <link rel="stylesheet" href="${base}/leadcat.css">${script ? `<script src="${base}/leadcat.js" defer></script>` : ""}
  </head><body><main><h1>A sale</h1><p><button type="button" id="save">Save sale</button></p></main></body></html>`);

let play; // what the server says, by route; a function of what it is sent
beforeEach(() => {
  play = {
    events: () => asked(A),
    propose: () => html(site.propose),
    answer: (id, { category, decline }) => (decline ? json({ status: "declined" }) : updated(category)),
    count: () => json({ count: 3 }),
    question: (id) => html(site[`question-${id}`] ?? "", site[`question-${id}`] ? 200 : 404),
    inbox: () => html(site["inbox-en"]),
  };
});

function route(url, body) {
  const path = url.replace(BASES, "").replace(/\?.*/, "");
  const [, place, api, id] = path.match(/^(?:\/(crm|plain|site))?(?:\/(api\/)?confirmations\/(\w+))?/);
  const sent = body && body.startsWith("{") ? JSON.parse(body) : body;
  if (place === "crm" || place === "plain") {
    return crm(url.match(BASES)?.[0] ?? "/leadcat", place === "crm");
  } else if (place === "site") {
    return html(site[path.slice("/site/".length)]);
  } else if (id === "count") {
    return play.count();
  } else if (id) {
    return api ? play.answer(id, sent) : play.question(id);
  }
  return { "/leadcat.js": () => file("leadcat.js"), "/leadcat.css": () => file("leadcat.css"),
    "/api/events": () => play.events(sent), "/api/propose": () => play.propose(sent),
    "/confirmations": () => play.inbox() }[path]?.() ?? html("", 404);
}

const show = stage(async (request, body, response) => {
  const { status, body: content, type, drop } = await route(request.url, body);
  if (drop) {
    request.socket.destroy();
    return;
  }
  response.writeHead(status, { "Content-Security-Policy": POLICY, ...(type && { "Content-Type": type }) });
  response.end(content);
});
const { posts } = show;

// The user -----------------------------------------------------------------------------------------------------------

async function open(path, look, settings) {
  await show.open(path, async (page) => {
    await look(page);
    assert.deepEqual(page.refused, [], "nothing is against the policy");
    assert.equal(page.alerts, 0);
  }, settings);
}

// Calls a function of leadcat in the page, from its button; what comes of it is asked for with `result`.
const call = (page, name, argument) => page.evaluate(([called, value]) => {
  document.querySelector("#save")?.focus();
  window.calls = window.calls ?? [];
  window.calls.push(window.leadcat[called](value).then((result) => ({ result }),
    ({ message, status, code }) => ({ message, status, code })));
}, [name, argument]);
const results = (page) => page.evaluate(() => Promise.all(window.calls));
const result = async (page) => (await results(page))[0];

const dialog = (page) => page.locator("dialog:modal");
const shown = (page) => dialog(page).waitFor();
const button = (page, name) => dialog(page).getByRole("button", { name, exact: true });
const alertText = (page) => dialog(page).locator("[role=alert]").textContent();

async function closed(page) {
  await page.locator("dialog").waitFor({ state: "detached" });
}

// Opens the CRM and has something called there that shows a dialog.
const inDialog = (name, argument, look) => open("/crm", async (page) => {
  await call(page, name, argument);
  await shown(page);
  await look(page);
});

// Something that is over when the test says so.
function gate() {
  let lift;
  const opened = new Promise((resolve) => { lift = resolve; });
  return { opened, lift };
}

// The file -----------------------------------------------------------------------------------------------------------

test("leadcat.js is small, and needs no newer language than ES2018", () => {
  const source = readFileSync(`${process.env.WEB}/leadcat.js`, "utf8");
  assert.ok(Buffer.byteLength(source) < 15000, `${Buffer.byteLength(source)} bytes`);
  const code = source.replace(/^\s*\/\/.*$/gm, "");
  assert.doesNotMatch(code, /\?\.|\?\?|catch \{|\beval\b|innerHTML|new Function|#\w+\s*=/);
});

test("leadcat.js adds one global", async () => {
  const globals = (page) => page.evaluate(() => Object.getOwnPropertyNames(window));
  let without;
  await open("/plain", async (page) => { without = new Set(await globals(page)); });
  await open("/crm", async (page) => {
    assert.deepEqual((await globals(page)).filter((name) => !without.has(name)), ["leadcat"]);
    assert.deepEqual(await page.evaluate(() => Object.keys(window.leadcat)), ["report", "propose", "answer", "count"]);
  });
});

// report -------------------------------------------------------------------------------------------------------------

for (const status of ["updated", "unchanged", "duplicate", "failed", "conflict"]) {
  test(`an event that is ${status} asks nothing`, () => open("/crm", async (page) => {
    play.events = () => json({ status, to: 5 });
    await call(page, "report", EVENT);
    assert.deepEqual(await result(page), { result: { status, to: 5 } });
    assert.equal(await page.locator("dialog").count(), 0);
    const [sent] = show.requests.filter(({ method }) => method === "POST");
    assert.equal(sent.url, "/leadcat/api/events");
    assert.deepEqual(JSON.parse(sent.body), EVENT);
    assert.equal(sent.headers["content-type"], "application/json");
  }));
}

test("an event whose question is answered ends with the answer's outcome", () => inDialog("report", EVENT, async (page) => {
  assert.equal(await focused(page), "select", "the focus goes into the dialog");
  assert.match(await dialog(page).textContent(), /The sale Cloud migration was won\./);
  await dialog(page).getByRole("combobox", { name: "Category" }).selectOption("Partner");
  await button(page, "Save").click();
  assert.deepEqual(await result(page), { result: { status: "updated", action: "confirm", from: 3, to: 6 } });
  assert.deepEqual(posts().slice(1), [{ method: "POST", url: `/leadcat/api/confirmations/${A}`, body: '{"category":6}' }]);
  await closed(page);
  assert.equal(await focused(page), "Save sale", "and comes back");
}));

test("Save sends the proposal", () => inDialog("report", EVENT, async (page) => {
  await button(page, "Save").click();
  assert.equal((await result(page)).result.to, 5);
}));

test("Keep declines", () => inDialog("report", EVENT, async (page) => {
  await button(page, "Keep current category").click();
  assert.deepEqual(await result(page), { result: { status: "declined" } });
  assert.equal(posts()[1].body, '{"decline":true}');
}));

for (const [how, leave] of [
  ["Answer later", (page) => button(page, "Answer later").click()],
  ["Escape", (page) => page.keyboard.press("Escape")],
]) {
  test(`${how} leaves the question open`, () => inDialog("report", EVENT, async (page) => {
    await leave(page);
    assert.equal((await result(page)).result.status, "awaiting_confirmation");
    await closed(page);
    assert.equal(posts().length, 1);
    assert.equal(await focused(page), "Save sale");
  }));
}

test("an event from a page in another place is sent there", () => open("/crm/leads/crm", async (page) => {
  await call(page, "report", EVENT);
  await shown(page);
  await button(page, "Save").click();
  await result(page);
  assert.deepEqual(posts().map(({ url }) => url), ["/crm/leads/api/events", `/crm/leads/api/confirmations/${A}`]);
}));

for (const [what, answer, expected] of [
  ["a problem", () => problem(422, "invalid", "there is no company"),
    { message: "there is no company", status: 422, code: "invalid" }],
  ["a problem without words", () => json({}, 503), { message: "leadcat: status 503", status: 503, code: "network" }],
  ["another server's error", () => html("<h1>Bad gateway</h1>", 502),
    { message: "leadcat: status 502", status: 502, code: "network" }],
]) {
  test(`an event is rejected with ${what}`, () => open("/crm", async (page) => {
    play.events = answer;
    await call(page, "report", EVENT);
    assert.deepEqual(await result(page), expected);
  }));
}

test("an event is rejected without a connection, and with a page in its place", () => open("/crm", async (page) => {
  play.events = () => OFFLINE;
  await call(page, "report", EVENT);
  await results(page);
  play.events = () => html("<h1>Sign in</h1>");
  await call(page, "report", EVENT);
  const [offline, strange] = await results(page);
  assert.deepEqual([offline.status, offline.code, strange.status, strange.code], [0, "network", 200, "network"]);
}));

for (const [what, answer] of [
  ["is missing", () => problem(404, "not_found", "no")], ["has no dialog", () => html("<h1>Sign in</h1>")],
  ["does not come", () => OFFLINE],
]) {
  test(`an event whose question ${what} waits in the inbox`, () => open("/crm", async (page) => {
    play.question = answer;
    await call(page, "report", EVENT);
    assert.equal((await result(page)).result.status, "awaiting_confirmation");
    play.question = () => html(site[`question-${A}`]);
    await call(page, "report", EVENT);
    await shown(page);
  }));
}

// propose, answer, count ---------------------------------------------------------------------------------------------

test("a proposal with nothing to ask is undefined", () => open("/crm", async (page) => {
  play.propose = () => ({ status: 204 });
  await call(page, "propose", EVENT);
  assert.deepEqual(await result(page), { result: undefined });
}));

for (const [what, act, expected] of [
  ["a category's id", (page) => button(page, "Save").click(), 5],
  ["false to keep it", (page) => button(page, "Keep current category").click(), false],
  ["null when it is cancelled", (page) => button(page, "Cancel").click(), null],
  ["null at Escape", (page) => page.keyboard.press("Escape"), null],
]) {
  test(`a proposal is answered with ${what}`, () => inDialog("propose", EVENT, async (page) => {
    assert.equal(await focused(page), "select");
    await act(page);
    assert.deepEqual(await result(page), { result: expected });
    await closed(page);
    assert.deepEqual(posts().map(({ url }) => url), ["/leadcat/api/propose"], "nothing else is sent");
    assert.equal(await focused(page), "Save sale");
  }));
}

test("a proposal is rejected with a problem", () => open("/crm", async (page) => {
  play.propose = () => problem(403, "forbidden", "You may not.");
  await call(page, "propose", EVENT);
  assert.deepEqual(await result(page), { message: "You may not.", status: 403, code: "forbidden" });
}));

test("an open question is answered by its id", () => inDialog("answer", B, async (page) => {
  await button(page, "Save").click();
  assert.equal((await result(page)).result.to, 3);
  assert.equal(posts()[0].url, `/leadcat/api/confirmations/${B}`);
}));

test("an open question that is left open is undefined", () => inDialog("answer", B, async (page) => {
  await page.keyboard.press("Escape");
  assert.deepEqual(await result(page), { result: undefined });
}));

test("a closed question is shown, and answered by nobody", () => open("/crm", async (page) => {
  play.question = () => html(site["question-closed"]);
  await call(page, "answer", A);
  await shown(page);
  assert.match(await dialog(page).textContent(), /Ann accepted this/);
  await button(page, "Close").click();
  assert.deepEqual(await result(page), { result: undefined });
  assert.equal(posts().length, 0);
}));

test("the open questions are counted", () => open("/crm", async (page) => {
  await call(page, "count");
  assert.deepEqual(await result(page), { result: 3 });
}));

// While it is posted, and when that fails ----------------------------------------------------------------------------

test("while an answer is on its way, a second click does nothing", () => inDialog("report", EVENT, async (page) => {
  const { opened, lift } = gate();
  play.answer = () => opened.then(() => updated(5));
  await page.evaluate(() => {
    const save = document.querySelector("dialog .leadcat-primary");
    save.click();
    save.click();
    save.form.requestSubmit();
  });
  const save = dialog(page).locator("[aria-busy=true]");
  assert.equal(await save.textContent(), "Saving…");
  await save.click(); // nor does a third
  lift();
  assert.equal((await result(page)).result.status, "updated");
  assert.equal(posts().length, 2);
}));

test("an answer that was on its way at Escape counts", () => inDialog("report", EVENT, async (page) => {
  const { opened, lift } = gate();
  play.answer = () => opened.then(() => updated(5));
  await button(page, "Save").click();
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "hidden" });
  lift();
  assert.equal((await result(page)).result.status, "updated");
}));

for (const [what, answer, words] of [
  ["is refused", () => problem(422, "invalid", "Den kategorien er slettet."), "Den kategorien er slettet."],
  ["meets a server that is down", () => problem(503, "unavailable", "Prøv igjen om litt."), "Prøv igjen om litt."],
  ["meets a proxy's error", () => html("<h1>Bad gateway</h1>", 502), NETWORK],
  ["is lost", () => OFFLINE, NETWORK],
]) {
  test(`an answer that ${what} can be given again`, () => inDialog("report", EVENT, async (page) => {
    const good = play.answer;
    play.answer = answer;
    await button(page, "Keep current category").click();
    await dialog(page).getByRole("alert").filter({ hasText: words }).waitFor();
    assert.equal(await alertText(page), words);
    assert.equal(await focused(page), "Keep current category");
    assert.equal(await dialog(page).locator("[aria-busy]").count(), 0);
    assert.deepEqual(await inaccessible(page), []);
    play.answer = good;
    await button(page, "Save").click();
    assert.equal((await result(page)).result.to, 5);
  }));
}

for (const [status, code, words, more, expected] of [
  [409, "already_resolved", "Kari valgte Partner.", {}, "awaiting_confirmation"],
  [409, "conflict", "Kategorien er endret.", { outcome: { status: "conflict", category: 6 } }, "conflict"],
  [410, "expired", "Fristen er ute.", {}, "awaiting_confirmation"],
]) {
  test(`an answer to a question that is over (${code}) leaves only Close`, () => inDialog("report", EVENT, async (page) => {
    play.answer = () => problem(status, code, words, more);
    await button(page, "Save").click();
    await button(page, "Close").waitFor();
    assert.equal(await alertText(page), words);
    assert.equal(await focused(page), "Close");
    assert.equal(await dialog(page).locator("select, label").count(), 0);
    assert.equal(await dialog(page).getByRole("button").count(), 1);
    assert.deepEqual(await inaccessible(page), []);
    await page.keyboard.press("Enter");
    assert.equal((await result(page)).result.status, expected);
    await closed(page);
    assert.equal(await focused(page), "Save sale");
  }));
}

test("an error goes away with the next attempt", () => inDialog("report", EVENT, async (page) => {
  const { opened, lift } = gate();
  play.answer = () => OFFLINE;
  await button(page, "Save").click();
  await dialog(page).getByRole("alert").filter({ hasText: NETWORK }).waitFor();
  play.answer = () => opened.then(() => updated(5));
  await button(page, "Save").click();
  assert.equal(await alertText(page), "");
  lift();
  await result(page);
}));

// Several at once ----------------------------------------------------------------------------------------------------

test("several questions are asked one after the other", () => open("/crm", async (page) => {
  play.events = ({ id }) => asked(id);
  for (const id of [A, B, C]) {
    await call(page, "report", { ...EVENT, id });
  }
  for (const [company, action] of [["Fjord Shipping", "Save"], ["Brødrene", "Answer later"], ["Kaffebaren", "Keep current category"]]) {
    await dialog(page).filter({ hasText: company }).waitFor();
    assert.equal(await page.locator("dialog").count(), 1);
    assert.equal(await focused(page), "select");
    await button(page, action).click();
  }
  assert.deepEqual((await results(page)).map(({ result: { status } }) => status),
    ["updated", "awaiting_confirmation", "declined"]);
  await closed(page);
  assert.equal(await focused(page), "Save sale");
}));

test("a question that cannot be shown does not hold up the next one", () => open("/crm", async (page) => {
  play.question = (id) => (id === A ? OFFLINE : html(site[`question-${id}`]));
  await call(page, "answer", A);
  await call(page, "answer", B);
  await shown(page);
  await button(page, "Save").click();
  const [first, second] = await results(page);
  assert.deepEqual([first.code, second.result.status], ["network", "updated"]);
}));

// The inbox ----------------------------------------------------------------------------------------------------------

const INBOX = "/leadcat/confirmations";
const said = (page) => page.getByRole("status").textContent();
const plain = (text) => text.replace(/[\u2068\u2069]/g, "");
const questions = (page) => page.locator(".leadcat-question").count();

test("the inbox is answered with the keyboard alone", () => open(INBOX, async (page) => {
  await page.locator("#leadcat-question-" + A).focus();
  await press(page, "Tab", "Tab", "Tab", "Enter");
  await shown(page);
  await page.locator("select:focus").waitFor();
  await press(page, "ArrowDown", "Tab", "Enter");
  await closed(page);
  assert.equal(plain(await said(page)), "Fjord Shipping now has the category Partner.");
  assert.equal(await questions(page), 2);
  await press(page, "Tab", "Tab", "Tab", "Enter"); // the focus is at the next question
  await dialog(page).filter({ hasText: "Brødrene" }).waitFor();
  await page.keyboard.press("Escape");
  await closed(page);
  assert.equal(await questions(page), 2);
  await press(page, "Enter");
  await shown(page);
  await press(page, "Tab", "Tab", " ");
  await closed(page);
  assert.equal(plain(await said(page)), "Brødrene Ærlig AS keeps its category.");
  assert.equal(await questions(page), 1);
  assert.deepEqual(await inaccessible(page), []);
}));

test("a question is answered on its card, and the focus goes to the next one", () => open(INBOX, async (page) => {
  await page.getByRole("button", { name: /^Set to .* Fjord Shipping$/ }).click();
  await page.waitForFunction(() => document.querySelectorAll(".leadcat-question").length === 2);
  assert.deepEqual(posts().map(({ body }) => JSON.parse(body)), [{ accept: true }]);
  assert.match(plain(await said(page)), /^Fjord Shipping now has the category /);
  assert.equal(await focused(page), "Brødrene Ærlig AS");
  await page.getByRole("button", { name: /^Keep .* Brødrene/ }).click();
  await page.waitForFunction(() => document.querySelectorAll(".leadcat-question").length === 1);
  assert.deepEqual(JSON.parse(posts()[1].body), { decline: true });
  assert.deepEqual(await inaccessible(page), []);
}));

test("an answer on a card that is refused is told there, and can be given again", () => open(INBOX, async (page) => {
  play.answer = () => problem(503, "unavailable", "Try again later.");
  const set = page.getByRole("button", { name: /^Set to .* Fjord Shipping$/ });
  await set.click();
  await page.getByText("Try again later.").waitFor();
  assert.equal(await questions(page), 3);
  assert.match(await page.locator(":focus").getAttribute("id"), /-set$/);
  play.answer = () => problem(410, "expired", "The time is over.");
  await set.click();
  await page.waitForFunction(() => document.querySelectorAll(".leadcat-question").length === 2);
  assert.equal(plain(await said(page)), "The question about Fjord Shipping is closed.");
}));

test("the inbox says so when everything is answered", () => open(INBOX, async (page) => {
  play.answer = () => json({ status: "failed" }, 202);
  for (let left = 3; left > 0; left -= 1) {
    assert.equal(await page.getByText("No questions are waiting for you.").isVisible(), false);
    await page.getByRole("link", { name: /^Choose another/ }).last().click();
    await shown(page);
    await button(page, "Save").click();
    await closed(page);
  }
  assert.equal(plain(await said(page)),
    "The category of Fjord Shipping could not be changed yet. It will be retried automatically.");
  assert.equal(await page.getByText("No questions are waiting for you.").isVisible(), true);
  assert.equal(await focused(page), "Questions for you");
  assert.equal(await page.locator(".leadcat-questions").count(), 0);
}));

test("a question of the inbox that is closed elsewhere goes away", () => open(INBOX, async (page) => {
  play.answer = () => problem(410, "expired", "The time is over.");
  await page.getByRole("link", { name: /^Choose another.* Kaffebaren/ }).click();
  await shown(page);
  await button(page, "Save").click();
  await button(page, "Close").click();
  await closed(page);
  assert.equal(plain(await said(page)), 'The question about Kaffebaren "Den blå døra" & <b> is closed.');
  play.question = () => html(site["question-closed"]);
  await page.getByRole("link", { name: /^Choose another.* Fjord Shipping/ }).click();
  await shown(page);
  await button(page, "Close").click();
  await closed(page);
  assert.equal(await questions(page), 1);
}));

test("a question that cannot be shown in place has a page that says why", () => open(INBOX, async (page) => {
  play.question = () => html(site["problem-not_found"], 404);
  await page.getByRole("link", { name: /^Choose another.* Fjord/ }).click();
  await page.waitForURL(`**/confirmations/${A}`);
  assert.match(await page.locator("main").textContent(), /Ikke funnet/);
}));

test("a click for another tab is left to the browser", () => open(INBOX, async (page) => {
  const [tab] = await Promise.all([page.context().waitForEvent("page"),
    page.getByRole("link", { name: /^Choose another.* Fjord/ }).click({ modifiers: ["Control"] })]);
  await tab.waitForURL(`**/confirmations/${A}`);
  await tab.close();
  assert.equal(await page.locator("dialog").count(), 0);
}));

test("two clicks open one dialog", () => open(INBOX, async (page) => {
  const { opened, lift } = gate();
  play.question = () => opened.then(() => html(site[`question-${A}`]));
  await page.evaluate(() => {
    const link = document.querySelector("[data-leadcat-answer]");
    link.click();
    link.click();
  });
  lift();
  await shown(page);
  await page.keyboard.press("Escape");
  await closed(page);
  await page.waitForTimeout(100);
  assert.equal(await page.locator("dialog").count(), 0);
}));

test("without JavaScript, the inbox leads to a page with the question", () => open(INBOX, async (page) => {
  await page.locator("#leadcat-question-" + A).focus();
  await press(page, "Tab", "Tab", "Tab", "Enter");
  await page.waitForURL(`**/confirmations/${A}`);
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL(`**/api/confirmations/${A}`);
  assert.deepEqual(posts(), [{ method: "POST", url: `/leadcat/api/confirmations/${A}`, body: "category=5" }]);
}, { javaScriptEnabled: false }));

// The pages ----------------------------------------------------------------------------------------------------------

for (const name of whole) {
  test(`${name} is valid HTML`, async () => {
    assert.deepEqual(await invalid(site[name]), []);
  });

  for (const colorScheme of inWords.test(name) ? [] : ["light", "dark"]) {
    test(`${name} is accessible, and harmless (${colorScheme})`, () => open(`/site/${name}`, async (page) => {
      assert.deepEqual(await inaccessible(page), []);
      assert.equal(await page.evaluate(() => window.ran ?? 0), 0);
      assert.equal(await page.locator("img, iframe, main script").count(), 0);
    }, { colorScheme }));
  }

  test(`${name} fits a screen of 320 pixels`, () => open(`/site/${name}`, async (page) => {
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 320);
  }, { viewport: NARROW }));
}

for (const [settings, kind] of [[{ colorScheme: "light" }, "light"], [{ colorScheme: "dark" }, "dark"],
  [{ viewport: NARROW }, "narrow"]]) {
  test(`the dialog over a page is accessible (${kind})`, () => open(INBOX, async (page) => {
    await page.getByRole("link", { name: /^Choose another.* Fjord/ }).click();
    await shown(page);
    assert.deepEqual(await inaccessible(page), []);
    const { left, right } = await dialog(page).evaluate((element) => element.getBoundingClientRect().toJSON());
    assert.ok(left >= 0 && right <= page.viewportSize().width);
    mkdirSync(process.env.SCREENSHOTS, { recursive: true });
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/dialog-${kind}.png` });
    play.answer = () => problem(410, "expired", "The time to answer this question is over.");
    await button(page, "Save").click();
    await button(page, "Close").waitFor();
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/dialog-over-${kind}.png` });
  }, settings));
}

// 720 pixels are 1440 at 200 %.
for (const language of ["en", "no", "de", "nl"]) {
  for (const width of [320, 720, 768, 1279, 1280, 1440]) {
    test(`nothing of the history is off the screen (${language}, ${width} pixels)`, () => open(`/site/history-${language}`, async (page) => {
      const wide = await page.evaluate(() => [...document.querySelectorAll(".leadcat-scroll, html, td > div")]
        .filter((element) => element.scrollWidth > element.clientWidth + 1)
        .map((element) => `${element.className || element.localName}: ${element.textContent.slice(0, 80)}`));
      assert.deepEqual(wide, []);
    }, { viewport: { width, height: 800 } }));
  }
}

for (const name of ["inbox-no", "inbox-empty", "history-en", "history-de", "history-refused", "history-reader", "history-filtered",
  "revision-en", "question-no", "question-problem",
  "problem-not_found"]) {
  for (const [kind, settings] of Object.entries({ wide: { viewport: { width: 1200, height: 800 } },
    dark: { colorScheme: "dark", viewport: { width: 1200, height: 800 } }, narrow: { viewport: NARROW },
    middle: { viewport: { width: 768, height: 1024 } }, forced: { forcedColors: "active", viewport: { width: 1440, height: 900 } } })) {
    test(`${name} has its picture taken (${kind})`, () => open(`/site/${name}`, async (page) => {
      mkdirSync(process.env.SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${kind}.png`, fullPage: true });
    }, settings));
  }
}
