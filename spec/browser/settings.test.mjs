// The settings in a browser: the whole way from a page through its form to a config and back, with the keyboard alone,
// without JavaScript, in light and dark. spec/browser/settings.lua plays the server; WEB is the directory with the script
// and the stylesheet.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { NARROW, focused, inaccessible, invalid, press, stage } from "./stage.mjs";

const PATH = "/leadcat/settings";
const POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
  + "base-uri 'none'";
const FILES = { "/leadcat/leadcat.css": "text/css", "/leadcat/settings.js": "text/javascript" };
const NO_SCRIPT = { javaScriptEnabled: false };

const NO = {
  won: "Oppdater kategori når et salg er vunnet",
  lost: "Oppdater kategori når et salg er tapt",
  registered: "Oppdater kategori når et salg registreres hos firmaet",
  status: "Oppdater kategori når en lead-status settes til",
  target: "Sett kategori til",
  ask: "Be om brukerbekreftelse før oppdatering",
};

function lua(request) {
  const { stdout, stderr } = spawnSync("sh", ["spec/support/with_lua.sh", process.env.LUA ?? "lua5.4",
    "spec/browser/settings.lua"], { input: JSON.stringify(request), encoding: "utf8" });
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

let state = {}; // of the server: config, language, and whether it has no script (bare)

const site = stage((request, body, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://server");
  const headers = { "Content-Security-Policy": POLICY, "Cache-Control": "no-store" };
  if (FILES[pathname] && !(state.bare && pathname.endsWith(".js"))) {
    response.writeHead(200, { ...headers, "Content-Type": FILES[pathname] });
    return response.end(readFileSync(process.env.WEB + pathname.replace("/leadcat", "")));
  } else if (pathname !== PATH) {
    response.writeHead(404);
    return response.end();
  }
  const fields = request.method === "POST" ? Object.fromEntries(new URLSearchParams(body)) : undefined;
  if (fields && state.fails) {
    const { status, type = "text/html", text = "" } = state.fails;
    response.writeHead(status, { ...headers, "Content-Type": type });
    return response.end(text);
  }
  const answer = lua({ ...state, fields, saved: searchParams.has("saved"), unchanged: searchParams.has("unchanged") });
  state.config = answer.config ?? state.config;
  if (answer.page === undefined) {
    response.writeHead(303, { ...headers, Location: answer.config
      ? `${PATH}?${answer.unchanged ? "unchanged" : "saved"}=1` : PATH });
    state.release = () => response.end();
    return state.held ? undefined : response.end();
  }
  response.writeHead(200, { ...headers, "Content-Type": "text/html; charset=utf-8" });
  return response.end(answer.page);
});

const PRESET = JSON.parse(spawnSync("sh", ["spec/support/with_lua.sh", process.env.LUA ?? "lua5.4", "-e",
  "print(require('leadcat.util.json').encode(require('leadcat.rules.preset').get('superoffice')))"], { encoding: "utf8" }).stdout);

const RULES = [
  { trigger: "sale_won", enabled: true, set_category: 5, ask: true },
  { trigger: "sale_lost", enabled: false, set_category: 4, ask: true },
  { trigger: "lead_status_set", enabled: true, lead_status: 5, set_category: 3, ask: false },
  { trigger: "lead_status_set", enabled: true, lead_status: 3, set_category: 7, ask: false },
];

const DESCRIBED = [ // as a host does
  { field: "sale.amount", type: "number", name: { en: "Amount", no: "Beløp", de: "Betrag des Verkaufsabschlusses" } },
  { field: "sale.type", type: "text", name: "Type of sale", options: [{ value: "new", name: "New business" },
    { value: "renewal", name: "Renewal" }] },
  { field: "sale.closed", type: "date", name: "Closed on" },
  { field: "company.key", type: "boolean", name: "Key account" },
  { field: "company.tags", type: "list", name: "Tags" },
];
const SEVERAL = [
  { trigger: "sale_won", id: 4, name: "Large sales", enabled: true, set_category: 5, ask: true, when: [[
    { field: "sale.amount", is: "at_least", value: 100000 }, { field: "sale.type", is: "one_of", value: ["new", "old"] },
    { field: "sale.closed", is: "above", value: "2026-01-01" }], [{ field: "company.key", is: "equals", value: true },
    { field: "category", is: "one_of", value: [1, 3] }, { field: "company.tags", is: "one_of", value: ["a", "b"] },
    { field: "contact.role", is: "contains", value: "manager" }, { field: "sale.x", is: "one_of", value: [1, "x"] }]] },
  { trigger: "sale_won", enabled: false, set_category: 6, ask: false, from: { groups: ["customer"] } },
  { trigger: "lead_status_set", enabled: true, lead_status: 5, set_category: 3, ask: false,
    when: [[{ field: "contact.role", is: "known" }]] },
  { trigger: "lead_status_set", enabled: true, lead_status: 3, set_category: 7, ask: false },
];

const withRules = (rules) => ({ ...PRESET, rules, revision: 3 });
const ruleOf = (trigger, lead_status) => state.config.rules.find((rule) =>
  rule.trigger === trigger && rule.lead_status === lead_status);

function open(language, config, look, settings) {
  state = { language, config };
  return site.open(PATH, look, settings);
}

const toggle = (page, name) => page.getByRole("switch", { name, exact: true });
const card = (page, trigger) => page.locator(`[data-leadcat-rule=${trigger}]`);
const button = (page, name) => page.getByRole("button", { name, exact: true });
const unfold = (page, trigger) => card(page, trigger).locator("summary").first().click();
const openDescribed = (config, look, settings) => {
  state = { language: "en", config, described: DESCRIBED };
  return site.open(PATH, look, settings);
};
const revisionOf = (page) => page.locator("input[name=revision]").getAttribute("value");
async function save(page, name = "Save") {
  const revision = state.config.revision ?? 0;
  await button(page, name).click();
  await page.locator(`input[name=revision][value="${revision + 1}"]`).waitFor({ state: "attached" });
}

after(() => assert.deepEqual(errors, []));
const errors = [];
const watched = (look) => async (page) => {
  page.on("pageerror", (error) => errors.push(error.message));
  await look(page);
  assert.deepEqual(page.refused, []);
};

// Markup and accessibility -------------------------------------------------------------------------------------------

const STATES = {
  preset: { config: PRESET },
  "all on": { config: withRules([...RULES, { trigger: "sale_registered", enabled: true, set_category: 1 }]) },
  "rows apart": { config: withRules([RULES[2], { ...RULES[3], enabled: false }]) },
  "something deleted": { config: { ...withRules(RULES),
    categories: PRESET.categories.map((item) => (item.id === 5 ? { ...item, deleted: true } : item)) } },
  problems: { config: withRules(RULES), fields: { revision: "3", do: "save", "rule.sale_won.enabled": "on",
    "rule.sale_won.set_category": "", "category.1.name": "", "category.2.name": "Customer" } },
  "a stale form": { config: withRules(RULES), older: { ...PRESET, revision: 2 }, fields: { revision: "2", do: "save",
    "rule.sale_won.enabled": "on", "rule.sale_won.set_category": "6", "category.1.name": "Mine" } },
  tried: { config: withRules(RULES), fields: { revision: "3", do: "try", "rule.sale_won.enabled": "on",
    "rule.sale_won.set_category": "6" } },
  "tried on nothing": { config: withRules(RULES), events: 0, fields: { revision: "3", do: "try" } },
  "a new category": { config: withRules(RULES), fields: { revision: "3", do: "add_category" } },
  saved: { config: withRules(RULES), saved: true },
  "several rules": { config: withRules(SEVERAL), described: DESCRIBED },
  "several rules whose fields are typed": { config: withRules(SEVERAL) },
  "problems of conditions": { config: withRules(SEVERAL), fields: { revision: "3", do: "save",
    "rule.sale_won.enabled": "on", "rule.sale_won.set_category": "5", "rule.sale_won.1.of": "#4",
    "rule.sale_won.1.when": "1", "rule.sale_won.known": "#4 first", "rule.sale_won.1.when.1.1.field": "sale.amount",
    "rule.sale_won.1.when.1.1.is": "at_least", "rule.sale_won.1.when.1.1.type": "number",
    "rule.sale_won.1.when.1.1.value": "1,5", "rule.sale_won.1.when.2.1.field": "", "rule.sale_won.1.when.2.1.is": "one_of" } },
  "long lists": { config: { ...withRules(RULES), categories: Array.from({ length: 60 }, (_, i) =>
    ({ id: i + 1, name: `Kategorie ${i + 1}`, group: "potential_customer", rank: i + 1 })) } },
  "a rule that takes back": { config: withRules([{ trigger: "sale_reopened", enabled: true, take_back: true }]) },
  "problems of starts": { config: withRules(SEVERAL), fields: { revision: "3", do: "save", "rule.sale_won.enabled": "on",
    "rule.sale_won.set_category": "take_back", "rule.sale_won.1.of": "#4", "rule.sale_won.1.when": "1",
    "rule.sale_won.1.from": "1", "rule.sale_won.known": "#4 first" } },
  "no license": { config: withRules(RULES), licensed: false },
  forbidden: { forbidden: true },
};

for (const [name, request] of Object.entries(STATES)) {
  for (const language of ["en", "no", "de"]) {
    test(`${name} in ${language} is valid HTML`, async () => {
      assert.deepEqual(await invalid(lua({ ...request, language }).page), []);
    });
  }

  for (const [colorScheme, bare] of [["light", false], ["dark", false], ["light", true]]) {
    test(`${name} is accessible, ${colorScheme}, ${bare ? "without" : "with"} its script`, async () => {
      state = { ...request, language: "no", bare };
      await site.open(PATH, async (page) => {
        await page.locator("details").evaluateAll((all) => all.forEach((details) => { details.open = true; }));
        assert.deepEqual(await inaccessible(page), []);
      }, { colorScheme, bypassCSP: true });
    });
  }

  test(`${name} fits a screen of 320 pixels`, async () => {
    state = { ...request, language: "de" };
    await site.open(PATH, async (page) => {
      await page.locator("details").evaluateAll((all) => all.forEach((details) => { details.open = true; }));
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 320);
      const outside = await page.evaluate(() => [...document.querySelectorAll("button, input, select, label")]
        .filter((element) => element.getBoundingClientRect().right > 320).map(({ outerHTML }) => outerHTML));
      assert.deepEqual(outside, []);
    }, { viewport: NARROW });
  });
}

// What an administrator does ------------------------------------------------------------------------------------------

for (const settings of [{}, NO_SCRIPT]) {
  const how = settings === NO_SCRIPT ? " without JavaScript" : "";

  test(`a change is tried before it is saved${how}`, () => open("en", withRules(RULES), watched(async (page) => {
    await card(page, "sale_won").getByLabel("Set category to").selectOption("Partner");
    await button(page, "Test on past events").click();
    await page.getByRole("heading", { name: "8 of 12 companies would end in another category" }).waitFor();
    assert.equal(state.config.revision, 3, "nothing is saved");
    assert.equal(await page.getByRole("img", { name: /^Where the companies end/ }).count(), 1);
    if (settings !== NO_SCRIPT) {
      assert.match(await focused(page), /^8 of 12 companies/);
    }
    await page.getByText("Show companies, decisions and reasons").click();
    await page.getByRole("heading", { name: "Examples" }).waitFor();
    await save(page);
    assert.equal(ruleOf("sale_won").set_category, 6);
  }), settings));

  test(`a rule is switched on, given a category and saved${how}`, () => open("no", PRESET, watched(async (page) => {
    for (const name of [NO.won, NO.lost, NO.registered, NO.status]) {
      assert.equal(await toggle(page, name).isChecked(), false);
    }
    assert.equal(await page.getByLabel(NO.target).locator("visible=true").count(), 0);
    await toggle(page, NO.won).check();
    const target = card(page, "sale_won").getByLabel(NO.target);
    assert.equal(await target.inputValue(), "", "nothing is chosen at first");
    await target.selectOption("Kunde");
    await card(page, "sale_won").getByLabel(NO.ask).check();
    await save(page, "Lagre");
    assert.deepEqual(ruleOf("sale_won"), { trigger: "sale_won", enabled: true, set_category: 5, ask: true });
    assert.equal(state.config.revision, 1);
    await page.getByRole("status").filter({ hasText: "lagret" }).waitFor();
    assert.equal(await toggle(page, NO.won).isChecked(), true);
  }), settings));

  test(`a rule that is switched off keeps what was chosen${how}`, () => open("en", withRules(RULES), async (page) => {
    await toggle(page, "Update category when a sale is won").uncheck();
    await save(page);
    assert.deepEqual(ruleOf("sale_won"), { ...RULES[0], enabled: false });
    assert.deepEqual(ruleOf("sale_lost"), RULES[1]);
    await toggle(page, "Update category when a sale is won").check();
    assert.equal(await card(page, "sale_won").getByLabel("Set category to").inputValue(), "5");
  }, settings));

  test(`rows of lead statuses are added and removed${how}`, () => open("en", withRules(RULES), watched(async (page) => {
    await button(page, "Add row").click();
    const rows = page.locator(".leadcat-status-row");
    await rows.nth(2).waitFor();
    assert.equal(await page.locator(":focus").getAttribute("name"), "status_rule.3.lead_status");
    await rows.nth(2).getByLabel("Lead status").selectOption("Open");
    await rows.nth(2).getByLabel("Set category to").selectOption("Partner");
    await rows.nth(0).getByRole("button", { name: "Remove row" }).click();
    await rows.nth(2).waitFor({ state: "detached" });
    await save(page);
    assert.deepEqual([ruleOf("lead_status_set", 5), ruleOf("lead_status_set", 1).set_category], [undefined, 6]);
    assert.equal(state.config.rules.length, 4);
  }), settings));

  test(`the rule of lead statuses has a row when it is switched on${how}`, () => open("no", PRESET, async (page) => {
    await toggle(page, NO.status).check();
    const details = card(page, "lead_status_set");
    await details.getByLabel("Lead-status", { exact: true }).selectOption("Kvalifisert");
    await details.getByLabel(NO.target).selectOption("Salgsmulighet");
    assert.equal(await button(page, "Fjern rad").locator("visible=true").count(), 0, "the only row stays");
    await save(page, "Lagre");
    assert.equal(ruleOf("lead_status_set", 5).set_category, 3);
  }, settings));

  test(`a category is added, and set by a rule at once${how}`, () => open("en", withRules(RULES), watched(async (page) => {
    await button(page, "Add category").click();
    await page.locator('[name="category.9.name"]:focus').waitFor();
    await page.keyboard.type("Vendor");
    await page.locator('[name="category.9.group"]').selectOption("Partner");
    const target = card(page, "sale_won").getByLabel("Set category to");
    if (settings !== NO_SCRIPT) {
      assert.equal(await target.locator("optgroup[label=Partner] option").last().textContent(), "Vendor");
    }
    await target.selectOption("9");
    await save(page);
    assert.deepEqual(state.config.categories[8], { group: "partner", id: 9, name: "Vendor", rank: 9 });
    assert.equal(ruleOf("sale_won").set_category, 9);
  }), settings));

  test(`a new category that is deleted leaves no trace${how}`, () => open("en", withRules(RULES), async (page) => {
    await button(page, "Add category").click();
    await page.locator('[name="category.9.name"]:focus').waitFor();
    await card(page, "sale_won").getByLabel("Set category to").selectOption("9");
    await button(page, "Delete No name").click();
    await page.locator('[name="category.9.name"]').waitFor({ state: "detached" });
    assert.equal(await card(page, "sale_won").getByLabel("Set category to").inputValue(), "");
    assert.equal(await focused(page), "Add category");
  }, settings));

  test(`a category is renamed, deleted and restored${how}`, () => open("no", withRules(RULES), async (page) => {
    await page.locator('[name="category.6.name"]').fill("Samarbeid");
    await button(page, "Slett Annet").click();
    await page.getByText("Slettede kategorier (1)").click();
    assert.equal(await page.locator('[name="category.6.name"]').inputValue(), "Samarbeid");
    await save(page, "Lagre");
    assert.deepEqual([state.config.categories[7].deleted, state.config.categories[5].name.no,
      state.config.categories[5].name.en], [true, "Samarbeid", "Partner"]);
    await page.locator(".leadcat-deleted").evaluate((details) => { details.open = true; });
    await button(page, "Gjenopprett Annet").click();
    await page.locator('input[type=text][name="category.8.name"]:focus').waitFor();
    await save(page, "Lagre");
    assert.equal(state.config.categories[7].deleted, undefined);
  }, settings));

  test(`a lead status is added${how}`, () => open("en", withRules(RULES), async (page) => {
    await button(page, "Add lead status").click();
    await page.locator('[name="lead_status.6.name"]:focus').waitFor();
    await page.keyboard.type("Sleeping");
    await save(page);
    assert.deepEqual(state.config.lead_statuses[5], { id: 6, name: "Sleeping", rank: 6 });
  }, settings));

  test(`lead status is only offered for potential customers${how}`, () => open("en", PRESET, async (page) => {
    const row = page.locator(".leadcat-item-category").first();
    assert.equal(await row.getByLabel("Enable lead status").isVisible(), true);
    await row.getByLabel("Group").selectOption("Partner");
    assert.equal(await row.getByLabel("Enable lead status").isVisible(), false);
    await save(page);
    assert.deepEqual([state.config.categories[0].group, state.config.categories[0].lead_status], ["partner", undefined]);
  }, settings));

  test(`a rule gets a condition whose field is typed${how}`, () => open("en", withRules(RULES), watched(async (page) => {
    await unfold(page, "sale_won");
    await button(page, "Add condition Rule 1").locator("visible=true").first().click();
    await page.locator('[name="rule.sale_won.1.when.1.1.field"]:focus').waitFor();
    await page.keyboard.type("sale.amount");
    const condition = page.locator(".leadcat-condition").first();
    await condition.getByLabel("Comparison").selectOption("is at least");
    await condition.getByLabel("Kind of value").selectOption("Number");
    const value = condition.getByLabel("Value", { exact: true }).locator("visible=true");
    await value.fill("1,5");
    assert.equal(state.config.revision, 3, "nothing is saved");
    await button(page, "Save").click();
    await page.getByRole("alert").getByText("Enter a number, such as 100000 or 0.5.").waitFor();
    assert.equal(await value.getAttribute("aria-invalid"), "true");
    await value.fill("100000");
    await save(page);
    assert.deepEqual(ruleOf("sale_won").when, [[{ field: "sale.amount", is: "at_least", value: 100000 }]]);
    const isOpen = await card(page, "sale_won").locator("details").first().getAttribute("open");
    assert.equal(isOpen, settings === NO_SCRIPT ? null : "", "what was open stays open where the page is not left");
    await page.getByText("Only when sale.amount is at least 100000.").waitFor({ state: "attached" });
  }), settings));

  test(`a rule is added, given conditions, moved and saved${how}`, () =>
    openDescribed(withRules(RULES), watched(async (page) => {
      await unfold(page, "sale_won");
      await button(page, "Add rule").locator("visible=true").first().click();
      await page.locator('[name="rule.sale_won.2.set_category"]:focus').waitFor();
      await page.locator('[name="rule.sale_won.2.set_category"]').selectOption("Partner");
      await page.locator('[name="rule.sale_won.2.name"]').fill("Key accounts");
      const second = page.locator(".leadcat-part").nth(1);
      await second.getByLabel("Field", { exact: true }).selectOption("Key account");
      await button(second, "Add condition Rule 2").click();
      await page.locator('[name="rule.sale_won.2.when.1.1.is"]:focus').waitFor();
      await second.getByLabel("Value", { exact: true }).locator("visible=true").selectOption("yes");
      await second.getByLabel("Field", { exact: true }).selectOption("Type of sale");
      await second.getByRole("button", { name: /^Add alternative/ }).click();
      await page.locator('[name="rule.sale_won.2.when.2.1.is"]:focus').waitFor();
      await page.locator('[name="rule.sale_won.2.when.2.1.is"]').selectOption("is one of");
      await page.getByLabel("Renewal").locator("visible=true").check();
      await page.getByRole("button", { name: /^Move up Rule 2/ }).click();
      await page.locator('button[value="move_down.rule.sale_won.1"]:focus').waitFor();
      await save(page);
      const won = state.config.rules.filter(({ trigger }) => trigger === "sale_won");
      assert.deepEqual(won, [{ trigger: "sale_won", id: 1, name: "Key accounts", enabled: true, ask: false, set_category: 6,
        when: [[{ field: "company.key", is: "equals", value: true }],
          [{ field: "sale.type", is: "one_of", value: ["renewal"] }]] }, RULES[0]]);
    }), settings));

  test(`rules and conditions are removed${how}`, () => openDescribed(withRules(SEVERAL), watched(async (page) => {
    await unfold(page, "sale_won");
    await button(page, "Remove Closed on").click();
    await button(page, "Remove Closed on").waitFor({ state: "detached" });
    await button(page, "Remove Key account").click();
    await button(page, "Remove Key account").waitFor({ state: "detached" });
    assert.match(await focused(page), /^Add condition/);
    await button(page, "Remove rule Rule 2").click();
    await button(page, "Remove rule Rule 2").waitFor({ state: "detached" });
    assert.equal(await focused(page), "Add rule");
    await save(page);
    const won = state.config.rules.filter(({ trigger }) => trigger === "sale_won");
    assert.deepEqual(won, [{ ...SEVERAL[0], when: [SEVERAL[0].when[0].slice(0, 2), SEVERAL[0].when[1].slice(1)] }]);
  }), settings));

  test(`only the field for a value that fits is there${how}`, () => openDescribed(withRules(SEVERAL), async (page) => {
    await unfold(page, "sale_won");
    const seen = (number) => page.locator(".leadcat-condition").nth(number)
      .locator(".leadcat-one, .leadcat-many, .leadcat-answer, .leadcat-type").locator("visible=true").count();
    assert.deepEqual(await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(seen)), [1, 1, 1, 1, 1, 2, 2, 0]);
    const typed = page.locator(".leadcat-condition").nth(6);
    await typed.getByLabel("Kind of value").selectOption("Yes or no");
    assert.equal(await typed.locator(".leadcat-answer").isVisible(), true);
    assert.equal(await seen(6), 2);
    await typed.getByLabel("Comparison").selectOption("is not known");
    assert.equal(await seen(6), 0);
    await page.locator(".leadcat-condition").first().getByLabel("Comparison").selectOption("is one of");
    assert.equal(await page.locator(".leadcat-condition").first().locator("textarea").inputValue(), "100000");
  }, settings));

  test(`rows of lead statuses have conditions and an order${how}`, () => open("en", withRules(SEVERAL), watched(
    async (page) => {
      await button(page, "Add row").click();
      await page.locator('[name="status_rule.3.lead_status"]:focus').waitFor();
      await page.locator('[name="status_rule.3.lead_status"]').selectOption("Open");
      await page.locator('[name="status_rule.3.set_category"]').selectOption("Partner");
      await unfold(page, "lead_status_set");
      const last = page.locator(".leadcat-status-part").nth(2);
      assert.equal(await last.getByRole("button", { name: /^Move down/ }).isVisible(), false);
      await last.getByRole("button", { name: /^Move up/ }).click();
      await page.locator('button[value="move_up.status_rule.2"]:focus').waitFor();
      await page.locator(".leadcat-status-part").nth(1).getByRole("button", { name: /^Add condition/ }).click();
      await page.locator('[name="status_rule.2.when.1.1.field"]:focus').waitFor();
      await page.keyboard.type("contact.vip");
      await page.locator('[name="status_rule.2.when.1.1.is"]').selectOption("is known");
      await save(page);
      assert.deepEqual(state.config.rules.slice(2), [SEVERAL[2], { trigger: "lead_status_set", enabled: true, lead_status: 1,
        set_category: 6, ask: false, when: [[{ field: "contact.vip", is: "known" }]] }, SEVERAL[3]]);
    }), settings));

  test(`a rule gets other starting points${how}`, () => open("en", withRules(SEVERAL), watched(async (page) => {
    await unfold(page, "sale_won");
    const second = page.locator(".leadcat-part").nth(1);
    await second.getByText("Starts from: all of the group Customer.").click();
    await second.getByLabel("All of the group Customer").uncheck();
    await button(page, "Save").click();
    await page.getByRole("alert").getByText("Choose where the rule starts.").waitFor();
    const group = second.getByRole("group", { name: "Where the rule starts" });
    assert.ok(await group.getByText("Choose where the rule starts.").isVisible());
    await group.getByLabel("Opportunity", { exact: true }).check();
    await group.getByLabel("All of the group Partner").check();
    await save(page);
    assert.deepEqual(state.config.rules[1].from, { groups: ["partner"], categories: [3] });
  }), settings));

  test(`a rule takes back what the sale did, or sets a category${how}`, () =>
    open("en", withRules([{ trigger: "sale_reopened", enabled: true, set_category: 5, ask: false }]), watched(async (page) => {
      const target = card(page, "sale_reopened").getByLabel("Set category to");
      await unfold(page, "sale_reopened");
      await card(page, "sale_reopened").getByLabel("Never to a category of a lower rank").check();
      await target.selectOption("The category before the sale");
      await button(page, "Save").click();
      await page.getByRole("alert").getByText("A rule that takes back what the sale changed has no").waitFor();
      await card(page, "sale_reopened").getByLabel("Never to a category of a lower rank").uncheck();
      await save(page);
      assert.deepEqual(state.config.rules, [{ trigger: "sale_reopened", enabled: true, take_back: true, ask: false }]);
      await card(page, "sale_reopened").getByText("The company goes back to the category").waitFor();
      const placing = ["Never to a category of a lower rank", "Decide later, after", "Starts from:"].map((words) =>
        card(page, "sale_reopened").getByText(words));
      await card(page, "sale_reopened").locator(".leadcat-more").evaluate((details) => { details.open = true; });
      for (const [category, isPlaced] of [["The category before the sale", false], ["Partner", true],
        ["The category before the sale", false], ["Partner", true]]) {
        await target.selectOption(category); // what it needs is there at once
        for (const field of placing) {
          assert.equal(await field.isVisible(), isPlaced, `${category}: ${field}`);
        }
        assert.equal(await card(page, "sale_reopened").getByText("The company goes back").isVisible(), !isPlaced);
      }
      await save(page);
      assert.deepEqual(state.config.rules, [{ trigger: "sale_reopened", enabled: true, set_category: 6, ask: false }]);
    }), settings));

  test(`what nobody answers in time is set, kept or left${how}`, () => open("en", withRules(RULES), watched(async (page) => {
    await unfold(page, "sale_won");
    for (const [option, on_expiry, told] of [
      ["Set the proposed category", "accept", "Without an answer in time, the category is set."],
      ["Keep the category, as if declined", "decline", "Without an answer in time, the category is kept."],
      ["Nothing: the question expires", undefined, undefined]]) {
      await card(page, "sale_won").locator(".leadcat-more").evaluate((details) => { details.open = true; });
      await card(page, "sale_won").getByLabel("If no one answers in time").selectOption(option);
      await save(page);
      assert.deepEqual(ruleOf("sale_won"), { ...RULES[0], ...(on_expiry && { on_expiry }) });
      assert.equal(await card(page, "sale_won").getByText("Without an answer in time").count(), told ? 1 : 0);
      await card(page, "sale_won").locator(".leadcat-more").evaluate((details) => { details.open = false; });
      assert.ok(!told || await card(page, "sale_won").getByText(told).isVisible());
    }
  }), settings));

  test(`after how many days without a sale a rule applies is set${how}`, () => open("en", withRules([...RULES,
    { trigger: "no_sale_for", days: 90, enabled: true, set_category: 4, ask: false }]), watched(async (page) => {
    const days = page.locator('[name="rule.no_sale_for.days"]');
    assert.equal(await days.inputValue(), "90");
    await days.fill("0");
    await button(page, "Save").click();
    await page.getByRole("alert").first().waitFor();
    assert.equal(ruleOf("no_sale_for").days, 90);
    await days.fill("120");
    await save(page);
    assert.deepEqual(ruleOf("no_sale_for"), { trigger: "no_sale_for", days: 120, enabled: true, set_category: 4, ask: false });
  }), settings));

  test(`Cancel brings back what is stored${how}`, () => open("en", withRules(RULES), async (page) => {
    await toggle(page, "Update category when a sale is won").uncheck();
    await page.locator('[name="category.1.name"]').fill("Prospect");
    await Promise.all([page.waitForResponse((response) => response.request().method() === "GET"
      && response.url().endsWith(PATH)), button(page, "Cancel").click()]);
    await page.locator('[name="category.1.name"][value=Lead]').waitFor();
    assert.equal(await page.locator('[name="category.1.name"]').inputValue(), "Lead");
    assert.equal(await toggle(page, "Update category when a sale is won").isChecked(), true);
    assert.equal(state.config.revision, 3);
    assert.equal(page.alerts, 0);
  }, settings));

  test(`what two have changed in different fields is saved together${how}`, () => open("no", withRules(RULES), async (page) => {
    await card(page, "sale_won").getByLabel(NO.target).selectOption("Partner");
    state.older = state.config;
    state.config = { ...withRules([{ ...RULES[0], ask: false }, ...RULES.slice(1)]), revision: 4 };
    await save(page, "Lagre");
    assert.deepEqual(ruleOf("sale_won"), { ...RULES[0], ask: false, set_category: 6 });
    assert.equal(state.config.revision, 5);
    assert.equal(await card(page, "sale_won").getByLabel(NO.ask).isChecked(), false);
  }, settings));

  for (const [language, words] of [["no", { save: "Lagre", theirs: /^Lagret av Kari:.*Kunde/, mine: /^Ditt:.*Partner/ }],
    ["de", { save: "Speichern", theirs: /^Gespeichert von Kari:.*Kunde/, mine: /^Von Ihnen:.*Partner/ }]]) {
    for (const [choice, result] of [["theirs", 5], ["mine", 6]]) {
      test(`what two have changed in the same field is chosen: ${choice}, ${language}${how}`, () => {
        const before = withRules([{ ...RULES[0], set_category: 4 }, ...RULES.slice(1)]);
        return open(language, before, async (page) => {
          await page.locator('[name="rule.sale_won.set_category"]').selectOption("6");
          state.older = { ...before };
          state.config = { ...withRules([{ ...RULES[0], ask: false }, ...RULES.slice(1)]), revision: 4 };
          await button(page, words.save).click();
          const radio = page.getByRole("radio", { name: words[choice] });
          await radio.waitFor();
          assert.equal(await page.getByRole("radio").count(), 2, "only what both have changed is asked");
          assert.equal(await page.locator('[name="rule.sale_won.set_category"]').inputValue(), "6");
          assert.equal(await page.locator('[name="rule.sale_won.ask"]').isChecked(), false, "I had not touched this");
          await button(page, words.save).click();
          await radio.waitFor();
          assert.equal(state.config.revision, 4, "nothing is saved before it is chosen");
          await radio.check();
          await save(page, words.save).catch(() => {});
          assert.deepEqual(ruleOf("sale_won"), { ...RULES[0], ask: false, set_category: result });
        }, settings);
      });
    }
  }

  test(`what is as it was is not saved again${how}`, () => open("de", withRules(RULES), async (page) => {
    await button(page, "Speichern").click();
    await page.getByRole("status").filter({ hasText: "nichts zu speichern" }).waitFor();
    assert.equal(state.config.revision, 3);
  }, settings));

  test(`Enter in a field saves nothing${how}`, () => open("no", withRules(RULES), async (page) => {
    await page.locator('[name="category.1.name"]').fill("Emne");
    await press(page, "Enter");
    await page.waitForLoadState();
    assert.equal(await page.locator('[name="category.1.name"]').inputValue(), "Emne");
    assert.equal(state.config.revision, 3);
  }, settings));
}

const SCREENSHOTS = process.env.SCREENSHOTS;
for (const [language, words, width, height] of [["no", "Prøv", 1440, 900], ["de", "testen", 768, 1024], ["no", "Prøv", 320, 640],
  ["de", "testen", 1440, 900]]) {
  for (const settings of [{}, NO_SCRIPT]) {
    test(`the buttons stay in sight when it was tried: ${language}, ${width}${settings === NO_SCRIPT ? " without JavaScript" : ""}`,
      () => open(language, withRules(RULES), async (page) => {
        const inSight = () => page.locator(".leadcat-bar button[value=save]").evaluate((element) => {
          const { top, bottom } = element.getBoundingClientRect();
          return top >= 0 && bottom <= innerHeight && element.contains(document.elementFromPoint(
            element.getBoundingClientRect().left + 5, (top + bottom) / 2));
        });
        assert.ok(await inSight());
        await page.locator('[name="rule.sale_won.set_category"]').selectOption("6");
        await page.getByRole("button", { name: new RegExp(words) }).click();
        await page.locator(".leadcat-tried").waitFor();
        assert.ok(await inSight());
        if (settings !== NO_SCRIPT) {
          await page.screenshot({ path: `${SCREENSHOTS}/settings-tried-${language}-${width}.png` });
        }
        assert.match(await page.locator(".leadcat-flow").first().textContent(), /\d \([+−]\d\)/);
        await page.evaluate(() => scrollTo(0, 0));
        assert.ok(await inSight());
        await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
        assert.ok(await inSight());
      }, { ...settings, viewport: { width, height } }));
  }
}

const MANY = { ...withRules(RULES), categories: Array.from({ length: 200 }, (_, i) =>
  ({ id: i + 1, name: `Kategorie ${i + 1}`, group: "potential_customer", rank: i + 1 })) };
const item = (page, id) => page.locator(`.leadcat-item:has([name="category.${id}.name"])`);

test("of several rules each has the fields that its own target needs", () =>
  open("en", withRules([{ trigger: "sale_deleted", enabled: true, take_back: true, ask: false },
    { trigger: "sale_deleted", id: 2, enabled: true, set_category: 5, ask: false }]), async (page) => {
    await unfold(page, "sale_deleted");
    const part = (i) => page.locator(".leadcat-part").nth(i).getByLabel("Never to a category of a lower rank");
    assert.deepEqual([await part(0).isVisible(), await part(1).isVisible()], [false, true]);
    await page.locator("[name='rule.sale_deleted.2.set_category']").selectOption("take_back");
    await page.locator("[name='rule.sale_deleted.set_category']").selectOption("Partner");
    assert.deepEqual([await part(0).isVisible(), await part(1).isVisible()], [true, false]);
  }));

for (const settings of [{}, NO_SCRIPT]) {
  const how = settings === NO_SCRIPT ? " without JavaScript" : "";

  test(`200 categories have pages and a search, between which nothing is lost${how}`, () =>
    open("de", MANY, watched(async (page) => {
      const rows = page.locator(".leadcat-item-category");
      assert.equal(await rows.count(), 50);
      await page.getByText("1–50 von 200").waitFor();
      await button(page, "Weiter").click();
      await page.getByText("51–100 von 200").waitFor();
      assert.equal(await page.locator(":focus").innerText(), "51–100 von 200");
      assert.equal(await page.locator("#leadcat-hint").textContent(), "", "a page is no change");
      await page.locator('[name="category.60.name"]').fill("Sechzig");
      await page.getByLabel("Nach Namen suchen").fill("kategorie 17");
      await press(page, "Enter");
      await page.getByText("1–11 von 11").waitFor();
      assert.equal(await rows.count(), 12);
      assert.equal(await page.locator('[name="category.60.name"]').inputValue(), "Sechzig");
      await page.locator('[name="category.171.name"]').fill("Einundsiebzig");
      await page.getByLabel("Nach Namen suchen").fill("niemand");
      await button(page, "Suchen").click();
      await page.getByText("Keine Treffer.").waitFor();
      assert.equal(await rows.count(), 2);
      await save(page, "Speichern");
      const names = state.config.categories.map(({ name }) => name);
      assert.deepEqual([names[59], names[170], names[0], names[199], names.length],
        ["Sechzig", "Einundsiebzig", "Kategorie 1", "Kategorie 200", 200]);
    }), settings));
}

test("50 categories are one row for the keyboard, and are searched", () => open("de", { ...MANY, categories: MANY.categories.slice(0, 50) }, watched(async (page) => {
  const stops = await page.evaluate(() => [...document.querySelectorAll(".leadcat-item :is(input, select, button, summary)")]
    .filter((element) => element.tabIndex >= 0 && element.checkVisibility()).length);
  assert.ok(stops <= 14, `${stops} stops of two lists`);
  await page.locator('[name="category.1.name"]').focus();
  await press(page, "ArrowDown", "ArrowDown");
  assert.equal(await page.locator(":focus").getAttribute("name"), "category.3.name");
  await press(page, "Tab", "Shift+Tab", "ArrowUp");
  assert.equal(await page.locator(":focus").getAttribute("name"), "category.2.name");
  await page.getByLabel("Nach Namen suchen").fill("kategorie 4");
  assert.equal(await page.locator(".leadcat-item-category").locator("visible=true").count(), 11);
  await page.getByLabel("Nach Namen suchen").press("Tab");
  assert.equal(await page.locator(":focus").getAttribute("name"), "category.4.name");
  await press(page, "ArrowDown");
  assert.equal(await page.locator(":focus").getAttribute("name"), "category.40.name");
  assert.equal(await page.locator("#leadcat-hint").textContent(), "", "a search is no change");
})));

for (const settings of [{}, NO_SCRIPT]) {
  const how = settings === NO_SCRIPT ? " without JavaScript" : "";

  test(`what rules use is deleted only when that is confirmed${how}`, () => open("no", withRules(RULES), async (page) => {
    await button(page, "Slett Kunde").click();
    await page.getByText(/^Kunde brukes av: .*vunnet/).waitFor();
    await button(page, "Slett likevel Kunde").click();
    await page.getByText("Slettede kategorier (1)").waitFor();
    assert.equal(state.config.revision, 3);
  }, settings));

  test(`categories have an order, a description and names in other languages${how}`, () =>
    open("de", withRules(RULES), async (page) => {
      await item(page, 1).locator("summary").click();
      await item(page, 1).getByText("Keine Regel verwendet dies.").waitFor();
      await item(page, 1).getByLabel("Beschreibung").fill("Noch offen");
      await item(page, 1).getByLabel("Name (norsk)").fill("Emne");
      await item(page, 1).getByRole("button", { name: /^Nach unten/ }).click();
      await page.locator('[value="lower_category.1"]:focus').waitFor();
      assert.deepEqual(await page.locator(".leadcat-item-category [name$='.name']").evaluateAll((all) =>
        all.slice(0, 2).map(({ name }) => name)), ["category.2.name", "category.1.name"]);
      await item(page, 5).locator("summary").click();
      await item(page, 5).getByText(/^Verwendet von: ./).waitFor();
      await page.locator(".leadcat-item-lead_status summary").nth(1).click();
      await page.getByLabel("Kontakte beginnen mit diesem Lead-Status").locator("visible=true").check();
      await save(page, "Speichern");
      const [one, two] = state.config.categories;
      assert.deepEqual([one.name.no, one.rank, two.rank], ["Emne", 2, 1]);
      assert.equal(typeof one.description === "string" ? one.description : one.description.de, "Noch offen");
      assert.deepEqual(state.config.lead_statuses.map((status) => status.default ?? false), [false, true, false, false, false]);
    }, settings));
}

for (const language of ["no", "de", "nl"]) {
  test(`the columns of the lists are aligned, and nothing is cut: ${language}`, () =>
    open(language, PRESET, async (page) => {
      for (const name of ["name", "group", "lead_status"]) {
        const lefts = await page.locator(`.leadcat-item-category [name$='.${name}']:not([type=hidden])`).locator("visible=true")
          .evaluateAll((all) => [...new Set(all.map((element) => Math.round(element.getBoundingClientRect().left)))]);
        assert.equal(lefts.length, 1, `${name} begins at ${lefts}`);
      }
      const cut = await page.locator(".leadcat-item :is(input[type=text], select)").locator("visible=true").evaluateAll((all) =>
        all.filter((element) => element.scrollWidth > element.clientWidth + 1).map(({ value }) => value));
      assert.deepEqual(cut, []);
      await page.screenshot({ path: `${SCREENSHOTS}/settings-lists-${language}.png`, fullPage: true });
    }, { viewport: { width: 1440, height: 900 } }));
}

// Without JavaScript ---------------------------------------------------------------------------------------------------

test("without JavaScript, problems are shown above the form, each with a link to its field", () =>
  open("no", PRESET, async (page) => {
    await toggle(page, NO.won).check();
    await button(page, "Lagre").click();
    const link = page.getByRole("alert").getByRole("link", { name: NO.won });
    const target = page.getByLabel(NO.target).locator("visible=true");
    assert.equal(await target.getAttribute("aria-invalid"), "true");
    assert.match(await target.evaluate((element) =>
      document.getElementById(element.getAttribute("aria-describedby")).textContent), /^Velg en kategori\./);
    await link.click();
    await press(page, "Tab");
    assert.match(await page.locator(":focus").getAttribute("name"), /^rule\.sale_won\./);
    await target.selectOption("Kunde");
    await save(page, "Lagre");
    assert.equal(ruleOf("sale_won").set_category, 5);
  }, NO_SCRIPT));

// With JavaScript ------------------------------------------------------------------------------------------------------

test("Save waits until every rule that is on has what it needs, and says what is missing", () =>
  open("no", PRESET, watched(async (page) => {
    const lagre = button(page, "Lagre");
    const hint = page.locator("#leadcat-hint");
    assert.equal(await lagre.isEnabled(), true);
    await toggle(page, NO.lost).check();
    assert.equal(await lagre.isEnabled(), false);
    assert.equal(await hint.textContent(), `Velg en kategori for: ${NO.lost}.`);
    await page.getByLabel(NO.target).selectOption("Tapt salgsmulighet");
    assert.equal(await lagre.isEnabled(), true);
    await toggle(page, NO.status).check();
    assert.equal(await hint.textContent(), `Velg en lead-status for: ${NO.status}.`);
    await card(page, "lead_status_set").getByLabel("Lead-status", { exact: true }).selectOption("Kvalifisert");
    assert.equal(await lagre.isEnabled(), false);
    await toggle(page, NO.status).uncheck();
    assert.equal(await lagre.isEnabled(), true);
    await page.getByLabel(NO.target).selectOption("");
    assert.equal(await lagre.isEnabled(), false);
    await press(page, "Enter");
    assert.deepEqual(site.posts(), []);
  })));

test("conditions and further rules change in the page, without losing it", () =>
  open("en", withRules(RULES), watched(async (page) => {
    await page.evaluate(() => { window.here = true; });
    await page.locator('[name="category.1.name"]').fill("Prospect");
    await unfold(page, "sale_won");
    await button(page, "Add rule").locator("visible=true").first().click();
    await page.locator('[name="rule.sale_won.2.set_category"]:focus').waitFor();
    assert.equal(await page.evaluate(() => window.here), true, "the page was loaded again");
    assert.equal(await page.locator('[name="category.1.name"]').inputValue(), "Prospect");
    assert.equal(site.posts().length, 1);
    assert.equal(await button(page, "Save").isEnabled(), false);
    assert.equal(await page.locator("#leadcat-hint").textContent(),
      "Choose a category for: Update category when a sale is won.");
    await page.getByLabel("Use this rule").locator("visible=true").nth(1).uncheck();
    assert.equal(await button(page, "Save").isEnabled(), true, "a rule that is off needs no category");
    await toggle(page, "Update category when a sale is won").uncheck();
    await save(page);
    assert.deepEqual(state.config.rules.filter(({ enabled }) => enabled).map(({ trigger }) => trigger),
      ["lead_status_set", "lead_status_set"]);
    assert.equal(state.config.categories[0].name.en, "Prospect");
  })));

const FAILURES = [
  ["no", "Lagre", "Fikk ikke kontakt med serveren", { status: 503 }, false],
  ["de", "Speichern", "Der Server ist nicht erreichbar", "down", true],
  ["no", "Lagre", "Du er ikke lenger logget inn", { status: 401 }, true],
  ["de", "Speichern", "Sie sind nicht mehr angemeldet", { status: 200, text: "<form>Anmelden</form>" }, true],
  ["no", "Lagre", "Serveren avviste dette. Det du har skrevet, er fortsatt her. Du har ikke tilgang.", { status: 403,
    text: "<p class=leadcat-alert>Du har ikke tilgang.</p>" }, true],
  ["de", "Speichern", "Ihre Eingaben sind noch hier. zu lang", { status: 413, type: "application/problem+json",
    text: '{"detail":"zu lang"}' }, false],
];

for (const [language, label, message, fails, signs] of FAILURES) {
  test(`what the server does not take is still here: ${fails.status ?? fails}, ${language}`, () =>
    open(language, withRules(RULES), watched(async (page) => {
      state.sign_in = "/sign-in";
      await page.reload();
      await page.evaluate(() => { window.here = true; });
      await page.locator('[name="category.1.name"]').fill("Emne");
      state.fails = fails === "down" ? undefined : fails;
      if (fails === "down") await page.route("**/settings", (route) => route.abort());
      await button(page, label).click();
      await page.getByRole("status").filter({ hasText: message }).waitFor();
      assert.equal(await page.locator(".leadcat-bar .leadcat-sign-in").isVisible(), signs);
      assert.equal(await focused(page), label, "the button is as it was");
      await button(page, language === "no" ? "Legg til kategori" : "Kategorie hinzufügen").click();
      await page.getByRole("status").filter({ hasText: message }).waitFor();
      assert.equal(await page.locator('[name="category.1.name"]').inputValue(), "Emne");
      if (signs) {
        const [tab] = await Promise.all([page.context().waitForEvent("page"), page.locator(".leadcat-sign-in").click()]);
        assert.equal(await page.locator(".leadcat-sign-in").getAttribute("href"), "/sign-in");
        await tab.close();
      }
      await page.unroute("**/settings");
      state.fails = undefined;
      await save(page, label);
      assert.equal(state.config.categories[0].name[language], "Emne");
      assert.equal(await page.evaluate(() => window.here), true, "the page was left");
      assert.equal(page.alerts, 0);
    })));
}

test("a save says that it works, is one, and keeps what is typed meanwhile", () =>
  open("no", withRules(RULES), watched(async (page) => {
    state.held = true;
    await page.locator('[name="category.1.name"]').fill("Emne");
    await button(page, "Lagre").click();
    const working = button(page, "Lagrer…");
    await working.waitFor();
    assert.equal(await working.getAttribute("aria-disabled"), "true");
    await working.dispatchEvent("click");
    await page.locator('[name="category.2.name"]').fill("Enda et");
    await page.locator('[name="category.1.lead_status"]').uncheck();
    state.held = false;
    state.release();
    await page.locator('input[name=revision][value="4"]').first().waitFor({ state: "attached" });
    assert.equal(site.posts().length, 1);
    assert.equal(state.config.categories[0].name.no, "Emne");
    assert.equal(await page.locator('[name="category.2.name"]').inputValue(), "Enda et");
    assert.equal(await page.locator('[name="category.1.lead_status"]').isChecked(), false);
    assert.equal(await page.locator("#leadcat-hint").textContent(), "Du har endringer som ikke er lagret.");
    await save(page, "Lagre");
    assert.equal(state.config.categories[1].name.no, "Enda et");
    assert.equal(await page.locator("#leadcat-hint").textContent(), "");
  })));

test("what is set back by hand is not a change", () => open("de", withRules(RULES), watched(async (page) => {
  const hint = page.locator("#leadcat-hint");
  const name = page.locator('[name="category.1.name"]');
  const before = await name.inputValue();
  await name.fill("Anders");
  assert.match(await hint.textContent(), /nicht gespeichert/);
  await name.fill(before);
  assert.equal(await hint.textContent(), "");
  await page.locator('[name="rule.sale_won.enabled"]').uncheck();
  assert.match(await hint.textContent(), /nicht gespeichert/);
  await page.locator('[name="rule.sale_won.enabled"]').check();
  assert.equal(await hint.textContent(), "");
  await button(page, "Kategorie hinzufügen").click();
  await page.locator('[name="category.9.name"]:focus').waitFor();
  assert.match(await hint.textContent(), /nicht gespeichert/);
  await page.locator('[value="delete_category.9"]').click();
  await page.locator('[name="category.9.name"]').waitFor({ state: "detached" });
  assert.equal(await hint.textContent(), "");
  await page.goto(`${site.origin}${PATH}?other`);
  assert.equal(page.alerts, 0);
})));

test("what is folded away is one stop of the keyboard in a card", () => open("en", withRules(SEVERAL), async (page) => {
  await page.locator('[name="rule.sale_won.ask"]').focus();
  await press(page, "Tab");
  assert.match(await focused(page), /^Conditions and further rules/);
  await press(page, "Tab");
  assert.equal(await page.locator(":focus").getAttribute("role"), "switch");
  await press(page, "Shift+Tab", "Enter", "Tab", "Tab");
  assert.match(await focused(page), /^Remove rule/);
}));

test("labels are those of the rules that are on only", () => open("no", PRESET, async (page) => {
  assert.equal(await page.getByLabel(NO.target).count(), 0);
  await toggle(page, NO.won).check();
  assert.equal(await page.getByLabel(NO.target).count(), 1);
  assert.equal(await page.getByLabel(NO.ask).count(), 1);
  await toggle(page, NO.won).uncheck();
  assert.equal(await page.getByLabel(NO.target).count(), 0);
}));

test("everything is done with the keyboard", () => open("en", PRESET, async (page) => {
  await press(page, "Tab");
  assert.equal(await page.locator(":focus").getAttribute("role"), "switch");
  await press(page, "Space", "Tab");
  assert.equal(await focused(page), "select");
  await page.keyboard.type("Cus");
  await press(page, "Tab", "Space");
  for (let i = 0; i < 60 && await focused(page) !== "Save"; i += 1) {
    await press(page, "Tab");
    const shown = await page.locator(":focus").evaluate((element) => {
      const { top, bottom } = element.getBoundingClientRect();
      const bar = document.querySelector(".leadcat-bar");
      return parseFloat(getComputedStyle(element).outlineWidth) >= 2 && top >= 0
        && (bar.contains(element) || bottom <= bar.getBoundingClientRect().top);
    });
    assert.ok(shown, `the focus is not seen at ${await focused(page)}`);
  }
  await press(page, "Enter");
  await page.getByRole("status").filter({ hasText: "saved" }).waitFor();
  assert.deepEqual(ruleOf("sale_won"), { trigger: "sale_won", enabled: true, set_category: 5, ask: true });
}));

test("the focus is not lost where rows come and go", () => open("en", withRules(RULES), watched(async (page) => {
  await page.evaluate(() => { window.here = true; });
  await button(page, "Add row").click();
  await page.locator('[name="status_rule.3.lead_status"]:focus').waitFor();
  await page.locator(".leadcat-status-row").nth(1).getByRole("button").click();
  await page.locator(".leadcat-status-row").nth(2).waitFor({ state: "detached" });
  assert.equal(await focused(page), "Add row");
  assert.equal(await page.evaluate(() => window.here), true);
})));

test("names that are typed are those of the lists to choose from", () => open("en", withRules(RULES), async (page) => {
  await page.locator('[name="category.6.name"]').fill("Ally");
  await page.locator('[name="category.6.group"]').selectOption("Lost");
  await page.locator('[name="lead_status.5.name"]').fill("Ready");
  const target = card(page, "sale_won").getByLabel("Set category to");
  assert.deepEqual(await target.locator("optgroup[label=Lost] option").allTextContents(), ["Lost", "Ally"]);
  assert.equal(await target.locator("optgroup[label=Partner]").count(), 0);
  assert.equal(await target.inputValue(), "5");
  assert.equal(await page.locator('[name="status_rule.1.lead_status"] option:checked').textContent(), "Ready");
  await toggle(page, "Update category when a sale is lost").check();
  assert.equal(await card(page, "sale_lost").locator("option", { hasText: "Ally" }).count(), 1);
}));

test("leaving with unsaved changes asks first; saving does not", () => open("en", withRules(RULES), async (page) => {
  await page.locator('[name="category.1.name"]').click();
  await page.keyboard.type("x");
  const hint = page.locator("#leadcat-hint");
  assert.equal(await hint.textContent(), "Unsaved changes");
  await page.goto(`${site.origin}${PATH}?other`).catch(() => {});
  assert.equal(page.alerts, 1);
  await save(page);
  assert.equal(page.alerts, 1);
  await page.goto(`${site.origin}${PATH}?other`);
  assert.equal(page.alerts, 1, "what is saved can be left");
}));

test("a switch looks like what it is: on, off, with more contrast, on paper", () => open("en", PRESET, async (page) => {
  const look = () => page.getByRole("switch").first().evaluate((element) => {
    const { backgroundColor, width, height } = getComputedStyle(element);
    return { backgroundColor, ratio: parseFloat(width) / parseFloat(height) };
  });
  const off = await look();
  await page.getByRole("switch").first().check();
  await page.waitForTimeout(300);
  const on = await look();
  assert.ok(off.ratio > 1.5 && off.backgroundColor !== on.backgroundColor);
  await page.emulateMedia({ forcedColors: "active" });
  assert.notEqual((await look()).backgroundColor, on.backgroundColor);
  await page.emulateMedia({ media: "print" });
  assert.equal(await button(page, "Save").isVisible(), false);
}));
