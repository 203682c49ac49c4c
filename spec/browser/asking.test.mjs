// The inbox of several questions, everyone's questions, and giving questions to somebody else: with and without JavaScript, by keyboard,
// and how they look. Pictures go to SCREENSHOTS.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import { as, demo } from "./demo.mjs";
import { NARROW, focused, inaccessible, invalid, press } from "./stage.mjs";

const { site, served, api } = demo();
const COMPANIES = ["Larkspindle Events", "Fjellvind Bakeri AS", "De Vrolijke Reigers"]; // Leads
const INBOX = "/leadcat/confirmations", EVERYONE = `${INBOX}?everyone=true`;
const SAME = { "Sec-Fetch-Site": "same-origin" };
const pictures = process.env.SCREENSHOTS;
mkdirSync(pictures, { recursive: true });

const WORDS = {
  no: {
    pick: (company) => `Velg ${company}`, all: "Velg alle på denne siden", set: "Sett til de foreslåtte kategoriene",
    keep: "Behold de nåværende kategoriene", answered: (count) => `Besvart: ${count}.`, none: "Velg minst ett spørsmål først.",
    empty: "Du har ingen spørsmål å svare på.", mine: "Mine", everyone: "Alles", title: "Spørsmål til alle",
    for: "Til Jon Brekke", of: "Spørsmål til Jon Brekke", assign: "Gi til en annen", id: "Bruker-ID", name: "Navn", give: "Gi videre",
    given: (count) => `Gitt til Ingrid Solås: ${count}.`, one: (company) => `Spørsmålet om ${company} er nå hos Ingrid Solås.`,
    whom: "Oppgi brukeren som skal svare.", choose: "Velg en annen…",
  },
  de: {
    pick: (company) => `${company} auswählen`, all: "Alle auf dieser Seite auswählen",
    set: "Auf die vorgeschlagenen Kategorien setzen", keep: "Die aktuellen Kategorien beibehalten",
    answered: (count) => `Beantwortet: ${count}.`, none: "Wählen Sie zuerst mindestens eine Frage aus.",
    empty: "Sie haben keine offenen Fragen.", mine: "Meine", everyone: "Alle", title: "Fragen an alle", for: "An Jon Brekke",
    of: "Fragen an Jon Brekke", assign: "An jemand anderen übergeben", id: "Benutzer-ID", name: "Name", give: "Übergeben",
    given: (count) => `An Ingrid Solås übergeben: ${count}.`, one: (company) => `Die Frage zu ${company} liegt jetzt bei Ingrid Solås.`,
    whom: "Geben Sie an, wer antworten soll.", choose: "Andere wählen…",
  },
};

// The user is asked about all three companies.
async function ask(user = "sales") {
  for (const company of COMPANIES) {
    await api(user, "events", { trigger: "sale_won", company, sale: { id: company, name: "Crema" } }, "POST", SAME);
  }
}

const open = async (user = "sales") => (await api(user, "confirmations/count")).count;
const categoryOf = async (company) => (await api("admin", `explain?company=${encodeURIComponent(company)}`)).category;
const button = (page, name) => page.getByRole("button", { name, exact: true });

for (const language of ["no", "de"]) {
  const words = WORDS[language];
  for (const scripted of [true, false]) {
    const how = `${language}, ${scripted ? "with" : "without"} JavaScript`;
    const settings = (user) => as(user, language, { javaScriptEnabled: scripted });

    test(`several questions are answered at once: ${how}`, () => served(async () => {
      await ask();
      await site.open(INBOX, async (page) => {
        await button(page, words.set).click();
        await page.getByText(words.none).waitFor();
        assert.equal(await open(), 3);
        await page.getByLabel(words.pick(COMPANIES[0])).check();
        await button(page, words.set).click();
        await page.getByRole("status").getByText(words.answered(1)).waitFor();
        assert.deepEqual([await open(), await categoryOf(COMPANIES[0]), await categoryOf(COMPANIES[1])], [2, 5, 1]);
        await page.getByLabel(words.all).check();
        assert.equal(await page.getByLabel(words.pick(COMPANIES[1])).isChecked(), scripted);
        await button(page, words.keep).click();
        await page.getByRole("status").getByText(words.answered(2)).waitFor();
        assert.deepEqual([await open(), await categoryOf(COMPANIES[1])], [0, 1]);
        await page.getByText(words.empty).waitFor();
      }, settings("sales"));
    }));

    test(`a manager answers everyone's questions, a salesperson sees his own: ${how}`, () => served(async () => {
      await ask();
      await site.open(INBOX, async (page) => {
        assert.equal(await page.getByRole("link", { name: words.everyone, exact: true }).count(), 0);
      }, settings("sales"));
      await site.open(EVERYONE, async (page) => assert.equal(await page.getByRole("listitem").filter({ hasText: COMPANIES[0] })
        .count(), 0), settings("sales"));
      await site.open(INBOX, async (page) => {
        await page.getByText(words.empty).waitFor();
        await page.getByRole("link", { name: words.everyone, exact: true }).click();
        await page.getByRole("heading", { name: words.title }).waitFor();
        await page.getByRole("link", { name: words.for, exact: true }).first().click();
        await page.getByRole("heading", { name: words.of }).waitFor();
        await page.getByLabel(words.pick(COMPANIES[2])).check();
        await button(page, words.set).click();
        await page.getByRole("status").getByText(words.answered(1)).waitFor();
        assert.match(page.url(), /everyone=true/); // and stays there
        assert.deepEqual([await open(), await categoryOf(COMPANIES[2])], [2, 5]);
      }, settings("admin"));
    }));

    test(`questions are given to somebody else, several or one: ${how}`, () => served(async () => {
      await ask();
      await site.open(INBOX, async (page) => {
        await page.getByLabel(words.pick(COMPANIES[0])).check();
        await page.getByText(words.assign, { exact: true }).click();
        await button(page, words.give).click();
        await page.getByText(words.whom).waitFor();
        assert.equal(await open(), 3);
        await page.getByLabel(words.pick(COMPANIES[0])).check();
        await page.getByText(words.assign, { exact: true }).click();
        await page.getByLabel(words.id).fill("admin");
        await page.getByLabel(words.name, { exact: true }).fill("Ingrid Solås");
        await button(page, words.give).click();
        await page.getByRole("status").getByText(words.given(1)).waitFor();
        assert.deepEqual([await open(), await open("admin")], [2, 1]);
        const link = page.getByRole("link", { name: words.choose }).first();
        await page.goto(await link.evaluate(({ href }) => href));
        await page.getByText(words.assign, { exact: true }).click();
        await page.getByLabel(words.id).fill("admin");
        await page.getByLabel(words.name, { exact: true }).fill("Ingrid Solås");
        await button(page, words.give).click();
        await page.getByRole("status").waitFor();
        assert.match(await page.getByRole("status").textContent(), /Ingrid Solås/);
        assert.equal(new URL(page.url()).pathname, INBOX);
        assert.deepEqual([await open(), await open("admin")], [1, 2]);
      }, settings("sales"));
    }));
  }
}

test("all of it is used with the keyboard alone, and the focus is never lost", () => served(async () => {
  await ask();
  await site.open(INBOX, async (page) => {
    await page.getByLabel("Select all on this page").focus();
    await press(page, "Space", "Tab", "Tab", "Tab");
    assert.equal(await focused(page), "Give to someone else");
    await press(page, "Enter", "Tab");
    await page.keyboard.type("admin");
    await press(page, "Tab", "Tab", "Enter");
    await page.getByRole("status").getByText("Given to admin: 3.").waitFor();
    assert.equal(await open("admin"), 3);
  }, as("sales", "en"));
}));

test("buttons say that they are working, and are pressed once", () => served(async () => {
  await ask();
  await site.open(INBOX, async (page) => {
    await page.route(`**${INBOX}`, async (route) => {
      await new Promise((resolve) => { setTimeout(resolve, 500); });
      await route.continue();
    });
    let sent = 0;
    page.on("request", (request) => { sent += request.method() === "POST" ? 1 : 0; });
    await page.getByLabel("Velg alle på denne siden").check();
    const looks = await button(page, WORDS.no.set).evaluate((element) => {
      element.click();
      element.click();
      return [element.textContent, element.getAttribute("aria-busy")];
    });
    assert.deepEqual(looks, ["Lagrer…", "true"]);
    await page.getByRole("status").getByText(WORDS.no.answered(3)).waitFor();
    assert.equal(sent, 1);
  }, as("sales", "no"));
}));

const LOOKS = {
  light: {}, dark: { colorScheme: "dark" }, forced: { forcedColors: "active" }, narrow: { viewport: NARROW },
  zoomed: { viewport: { width: 640, height: 400 } },
};

test("the inbox with several, everyone's and a question are accessible however they are looked at", () => served(async () => {
  await ask();
  const { id } = (await api("sales", "confirmations"))[0];
  for (const [look, settings] of Object.entries(LOOKS)) {
    for (const [name, path, user] of [["several", INBOX, "sales"], ["everyone", EVERYONE, "admin"],
      ["question", `${INBOX}/${id}`, "sales"]]) {
      await site.open(path, async (page) => {
        await page.locator("details").evaluateAll((all) => { all.forEach((details) => { details.open = true; }); });
        assert.deepEqual(await inaccessible(page), []);
        assert.deepEqual(await invalid(await (await page.request.get(site.origin + path)).text()), []);
        const { width } = page.viewportSize();
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= width, `${name} ${look}`);
        await page.screenshot({ path: `${pictures}/asking-${name}-${look}.png`, fullPage: true });
      }, as(user, "de", { ...settings, bypassCSP: true }));
    }
  }
}));
