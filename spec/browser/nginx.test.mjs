// All of it at once: the demo CRM in a real nginx, and a browser that an administrator and a salesperson use. Each test
// has a server and a store of its own. BUILD is the build directory; pictures of all pages go to SCREENSHOTS.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { as, demo } from "./demo.mjs";
import { NARROW, focused, inaccessible, invalid, press } from "./stage.mjs";

const { site, served, api } = demo();

// Words on the screen, by language.
const WORDS = {
  no: {
    tab: "Lead-kategorisering", won: "Oppdater kategori når et salg er vunnet",
    lost: "Oppdater kategori når et salg er tapt",
    registered: "Oppdater kategori når et salg registreres hos firmaet",
    status: "Oppdater kategori når en lead-status settes til", target: "Sett kategori til",
    ask: "Be om brukerbekreftelse før oppdatering", save: "Lagre", cancel: "Avbryt", later: "Svar senere", category: "Kategori",
    keep: "Behold nåværende kategori", win: "Vinn", customer: "Kunde", partner: "Partner", lost_group: "Tapt",
    answer: "Velg en annen…", empty: "Du har ingen spørsmål å svare på.", before: "Spør før lagring",
    updated: (company, category) => `${company} har nå kategorien ${category}.`,
    kept: (company) => `${company} beholder kategorien sin.`, undo: "Angre",
  },
  en: {
    tab: "Lead categorization", won: "Update category when a sale is won",
    lost: "Update category when a sale is lost",
    registered: "Update category when a sale is registered with the company",
    status: "Update category when a lead status is set to", target: "Set category to",
    ask: "Ask for user confirmation before updating", save: "Save", cancel: "Cancel", later: "Answer later", category: "Category",
    keep: "Keep current category", win: "Win", customer: "Customer", partner: "Partner", lost_group: "Lost",
    answer: "Choose another…", empty: "No questions are waiting for you.", before: "Ask before saving",
    updated: (company, category) => `${company} now has the category ${category}.`,
    kept: (company) => `${company} keeps its category.`, undo: "Undo",
  },
};

const COMPANY = "Larkspindle Events"; // a Lead

async function category(company = COMPANY) {
  const [newest] = (await api("admin", `history?company=${encodeURIComponent(company)}&limit=100`))
    .filter(({ status }) => status === "updated");
  return newest?.to;
}

const rule = async (trigger) => (await api("admin", "config")).rules.find((one) => one.trigger === trigger);

// The pages ----------------------------------------------------------------------------------------------------------

const toggle = (page, name) => page.getByRole("switch", { name, exact: true });
const button = (page, name) => page.getByRole("button", { name, exact: true });
const act = (page, name) => page.getByRole("button", { name: new RegExp(`^${name}`) }); // the company's name follows
const card = (page, name = COMPANY) => page.locator(".demo-company").filter({ hasText: name });
const ruleCard = (page, trigger) => page.locator(`[data-leadcat-rule=${trigger}]`);

for (const language of ["no", "en"]) {
  const words = WORDS[language];
  for (const scripted of [true, false]) {
    const how = `${language}, ${scripted ? "with" : "without"} JavaScript`;
    const settings = (user) => as(user, language, { javaScriptEnabled: scripted });

    test(`an administrator switches a rule on, chooses and saves: ${how}`, () => served(async () => {
      await site.open("/leadcat/settings", async (page) => {
        assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), words.tab);
        for (const name of [words.won, words.lost, words.registered, words.status]) {
          assert.equal(await toggle(page, name).isChecked(), true, name);
        }
        await toggle(page, words.lost).uncheck();
        await button(page, words.save).click();
        await page.waitForURL(/saved=2/);
        assert.equal((await rule("sale_lost")).enabled, false);

        const lost = ruleCard(page, "sale_lost");
        assert.equal(await lost.getByLabel(words.target).isVisible().catch(() => false), false);
        await toggle(page, words.lost).check();
        await lost.getByLabel(words.target).selectOption("");
        if (scripted) {
          assert.equal(await button(page, words.save).isEnabled(), false);
        } else {
          await button(page, words.save).click();
          await page.getByRole("alert").first().waitFor();
          assert.equal(await toggle(page, words.lost).isChecked(), true);
        }
        await lost.getByLabel(words.target).selectOption(words.lost_group);
        await lost.getByLabel(words.ask).check();
        await button(page, words.save).click();
        await page.waitForURL(/saved=3/);
        assert.deepEqual(page.refused, []);
      }, settings("admin"));
      const saved = await rule("sale_lost");
      assert.deepEqual([saved.enabled, saved.set_category, saved.ask], [true, 7, true]);
    }));

    test(`Cancel restores what is saved: ${how}`, () => served(async () => {
      await site.open("/leadcat/settings", async (page) => {
        await toggle(page, words.won).uncheck();
        await button(page, words.cancel).click();
        await page.waitForURL(/settings$/);
        assert.equal(await toggle(page, words.won).isChecked(), true);
      }, settings("admin"));
      assert.equal((await api("admin", "config")).revision, 1);
    }));

    test(`what two administrators have changed is put together: ${how}`, () => served(async () => {
      await site.open("/leadcat/settings", async (page) => {
        await toggle(page, words.won).uncheck();
        await site.open("/leadcat/settings", async (other) => {
          await toggle(other, words.lost).uncheck();
          await button(other, words.save).click();
          await other.waitForURL(/saved=2/);
        }, settings("admin"));
        await button(page, words.save).click();
        await page.waitForURL(/saved=3/);
        assert.equal(await toggle(page, words.lost).isChecked(), false);
      }, settings("admin"));
      for (const trigger of ["sale_won", "sale_lost"]) {
        assert.equal((await rule(trigger)).enabled, false);
      }
    }));

    test(`a sale is won and the proposal saved, another category chosen, or none: ${how}`, () => served(async () => {
      for (const [company, choose, to, said] of [
        [COMPANY, (dialog) => button(dialog, words.save).click(), 5, words.updated(COMPANY, words.customer)],
        ["De Vrolijke Reigers", async (dialog) => {
          await dialog.getByLabel(words.category, { exact: true }).selectOption(words.partner);
          await button(dialog, words.save).click();
        }, 6, words.updated("De Vrolijke Reigers", words.partner)],
        ["Fjellvind Bakeri AS", (dialog) => button(dialog, words.keep).click(), undefined,
          words.kept("Fjellvind Bakeri AS")],
      ]) {
        await site.open("/demo", async (page) => {
          await act(card(page, company), words.win).click();
          const dialog = page.getByRole("dialog");
          assert.ok((await dialog.textContent()).includes(company));
          await choose(dialog);
          await page.getByText(said).waitFor();
          assert.deepEqual(page.refused, []);
        }, settings("sales"));
        assert.equal(await category(company), to);
      }
    }));

    test(`the question stays open when it is cancelled, and is answered in the inbox: ${how}`, () => served(async () => {
      await site.open("/demo", async (page) => {
        await act(card(page), words.win).click();
        const later = { name: words.later, exact: true }; // a link where the question has a page of its own
        await page.getByRole("dialog").getByRole("button", later).or(page.getByRole("dialog").getByRole("link", later)).click();
        await page.goto(`${site.origin}/leadcat/confirmations`);
        await page.getByRole("link", { name: words.answer }).first().click();
        await button(page.getByRole("dialog"), words.save).click();
        await page.getByText(words.updated(COMPANY, words.customer)).waitFor();
        await page.goto(`${site.origin}/leadcat/confirmations`);
        await page.getByText(words.empty).waitFor();
      }, settings("sales"));
      assert.equal(await category(), 5);
    }));

    test(`asked before saving, nothing happens when it is cancelled: ${how}`, () => served(async () => {
      await site.open("/demo", async (page) => {
        await card(page).getByRole("link", { name: words.before }).click();
        await act(page, words.win).click();
        await button(page.getByRole("dialog"), words.cancel).click();
        assert.deepEqual(await api("admin", "history"), []);
        await act(page, words.win).click();
        await button(page.getByRole("dialog"), words.save).click();
        await page.getByText(words.updated(COMPANY, words.customer)).waitFor();
      }, settings("sales"));
      assert.deepEqual((await api("admin", "history")).map(({ status, to }) => [status, to]), [["updated", 5]]);
    }));
  }
}

test("the dialog is used with the keyboard alone, and gives the focus back", () => served(async () => {
  await site.open("/demo", async (page) => {
    const win = act(card(page), "Win");
    await win.focus();
    await press(page, "Enter");
    await page.getByRole("dialog").waitFor();
    assert.equal(await focused(page), "select");
    await press(page, "Escape");
    assert.equal(await page.getByRole("dialog").count(), 0);
    await page.waitForFunction(() => document.activeElement.textContent === "Win");
    assert.equal((await api("sales", "confirmations/count")).count, 1);
    await page.waitForFunction(() => document.getElementById("demo-badge").textContent === "1");
    await press(page, "Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.type("Par");
    await press(page, "Tab", "Enter");
    await page.getByText(WORDS.en.updated(COMPANY, "Partner")).waitFor();
  }, as("sales", "en"));
}));

test("leaving with unsaved changes warns, and not after saving", () => served(async () => {
  await site.open("/leadcat/settings", async (page) => {
    await toggle(page, WORDS.en.won).uncheck();
    await page.goto(`${site.origin}/demo`).catch(() => {}); // the warning is answered with "stay"
    assert.equal(page.alerts, 1);
    await button(page, "Save").click();
    await page.waitForURL(/saved=2/);
    await page.goto(`${site.origin}/demo`);
    assert.equal(page.alerts, 1);
  }, as("admin", "en"));
}));

// The history ----------------------------------------------------------------------------------------------------------

const HISTORY = {
  no: { undo: "Angre", again: `${COMPANY} har igjen kategorien Lead.`, since: /noe annet har skjedd siden.*Kategorien/,
    mine: "Bare mine", today: "I dag", yesterday: "I går", waiting: "Venter på svar", show: "Vis", company: "Firma", who: "Hvem",
    declined: "Avslått", rules: /^Regler fra \d+\. [a-zæøå]+\.? \d{4}, versjon 1$/, zone: "Europe/Oslo" },
  de: { undo: "Rückgängig machen", again: `${COMPANY} hat wieder die Kategorie Lead.`,
    since: /etwas anderes geschehen ist.*Kategorie/, mine: "Nur eigene", today: "Heute", yesterday: "Gestern", waiting: "Wartet auf Antwort",
    show: "Anzeigen", company: "Firma", who: "Wer", declined: "Abgelehnt", rules: /^Regeln vom \d\d\.\d\d\.\d{4}, Version 1$/,
    zone: "Europe/Berlin" },
};

const loses = (company) => site.open("/demo", async (page) => {
  await act(card(page, company), "Lose").click();
  await page.getByText(WORDS.en.updated(company, "Lost opportunity")).waitFor();
}, as("sales", "en"));
const entryRow = (page, company = COMPANY) => page.locator("tbody tr").filter({ hasText: company });

for (const language of ["no", "de"]) {
  const words = HISTORY[language];
  for (const scripted of [true, false]) {
    const how = `${language}, ${scripted ? "with" : "without"} JavaScript`;
    test(`a change is undone in its place, and says so: ${how}`, () => served(async () => {
      await loses("Fjellvind Bakeri AS");
      await loses(COMPANY);
      await site.open("/leadcat/history", async (page) => {
        assert.equal(await act(page, words.undo).count(), 0);
      }, as("sales", language));
      await site.open("/leadcat/history?status=updated&actor=sales", async (page) => {
        let loads = 0;
        page.on("load", () => { loads += 1; });
        await act(entryRow(page), words.undo).click();
        await page.getByRole("status").getByText(words.again).waitFor();
        await page.waitForLoadState();
        assert.equal(loads > 0, !scripted);
        assert.deepEqual([...new URL(page.url()).searchParams].slice(0, 2).sort(), [["actor", "sales"], ["status", "updated"]]);
        assert.equal(await act(entryRow(page), words.undo).count(), 0, "it cannot be undone twice");
        assert.equal(await act(page, words.undo).count(), 1);
        if (scripted) {
          assert.ok((await focused(page)).includes(COMPANY), "the focus stays on the row");
        }
      }, as("admin", language, { javaScriptEnabled: scripted }));
      assert.equal(await category(), 1);
    }));

    test(`an undo that comes too late says what happened since, on the row: ${how}`, () => served(async () => {
      await loses(COMPANY);
      await site.open("/leadcat/history", async (page) => {
        const [{ entry }] = await api("admin", "history");
        await fetch(`${site.origin}/leadcat/api/history/${entry}/undo`, { method: "POST",
          headers: { Cookie: "leadcat_user=admin", "Sec-Fetch-Site": "same-origin" } });
        await act(entryRow(page), words.undo).click();
        await entryRow(page).getByRole("alert").getByText(words.since).waitFor();
        assert.equal(await entryRow(page).count(), 2);
        assert.equal(await category(), 1);
      }, as("admin", language, { javaScriptEnabled: scripted }));
    }));
  }

  test(`a question and its answer are one row, which looks like what happened: ${language}`, () => served(async () => {
    await site.open("/demo", async (page) => {
      await act(card(page), "Win").click();
      await page.getByRole("dialog").getByLabel("Category").waitFor();
      await button(page.getByRole("dialog"), "Answer later").click();
    }, as("sales", "en"));
    const shows = (count, more) => site.open("/leadcat/history", async (page) => {
      await page.getByRole("link", { name: words.waiting, exact: true }).click();
      await page.waitForURL(/status=waiting/);
      assert.equal(await page.locator("tbody tr").count(), count);
      await more?.(page);
    }, as("sales", language));
    await shows(1, async (page) => assert.equal(await page.locator(".leadcat-arrow").count(), 0));
    const [{ id }] = await api("sales", "confirmations?state=open");
    await fetch(`${site.origin}/leadcat/api/confirmations/${id}`, { method: "POST", body: '{"decline":true}',
      headers: { Cookie: "leadcat_user=sales", "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json" } });
    await shows(0);
    await site.open("/leadcat/history", async (page) => {
      assert.equal(await entryRow(page).count(), 1);
      assert.equal(await entryRow(page).locator(".leadcat-badge").textContent(), words.declined);
      assert.equal(await page.locator(".leadcat-arrow").count(), 0);
    }, as("sales", language));
  }));

  test(`parts of names find entries, and times are the reader's: ${language}`, () => served(async () => {
    await loses("Fjellvind Bakeri AS");
    await loses(COMPANY);
    await site.open("/leadcat/history", async (page) => {
      for (const [label, part, count] of [[words.company, "fjéll", 1], [words.who, "SAL", 2], [words.who, "nobody", 0]]) {
        await page.goto(`${site.origin}/leadcat/history`);
        await page.getByLabel(label, { exact: true }).fill(part);
        await button(page, words.show).click();
        await page.waitForURL(/zone=/);
        assert.equal(await page.locator("tbody tr").count(), count, part);
      }
      await page.goto(`${site.origin}/leadcat/history?company=fjell`);
      for (const [name, count] of [[words.today, 1], [words.yesterday, 0], [words.yesterday, 1], [words.mine, 0]]) {
        await page.getByRole("link", { name, exact: true }).click();
        await page.waitForLoadState();
        assert.equal(await page.locator("tbody tr").count(), count, name);
        assert.equal(new URL(page.url()).searchParams.get("company"), "fjell");
      }
      await page.goto(`${site.origin}/leadcat/history`);
      const [{ at }] = await api("admin", "history");
      const local = new Date(at * 1000).toLocaleString(language, { dateStyle: "medium", timeStyle: "short", timeZone: words.zone });
      assert.equal(await page.locator("tbody time").first().textContent(), local);
      assert.match(await page.locator('tbody a[href*="revisions"]').first().textContent(), words.rules);
    }, as("admin", language, { timezoneId: words.zone }));
  }));
}

test("what was done is found by filters, and its rules by a link, without JavaScript", () => served(async () => {
  await site.open("/demo", async (page) => {
    for (const company of [COMPANY, "Fjellvind Bakeri AS"]) {
      await act(card(page, company), "Lose").click();
      await page.getByText(WORDS.en.updated(company, "Lost opportunity")).waitFor();
    }
  }, as("sales", "en"));
  await site.open("/leadcat/history", async (page) => {
    await page.getByText("More filters", { exact: true }).click();
    await page.getByLabel("Company").fill(COMPANY);
    await page.getByLabel("Status").selectOption("Updated");
    await button(page, "Apply filters").click();
    await page.waitForURL(/status=updated/);
    assert.equal(await page.locator("tbody tr").count(), 1);
    const [download] = await Promise.all([page.waitForEvent("download"),
      page.getByRole("link", { name: "Download as CSV" }).click()]);
    const lines = readFileSync(await download.path(), "utf8").split("\r\n");
    assert.deepEqual([lines.length, lines[1].includes(COMPANY)], [3, true]);
    await page.getByRole("link", { name: `Remove Company: ${COMPANY}` }).click();
    await page.waitForURL(/history\?status=updated$/);
    assert.equal(await page.locator("tbody tr").count(), 2);
    await page.getByRole("link", { name: /version 1$/ }).first().click();
    await page.waitForURL(/revisions\/1/);
    await page.getByText("Set up in the first version").waitFor();
  }, as("sales", "en", { javaScriptEnabled: false }));
}));

// Every page, as each user sees it: valid, accessible and pictured. ---------------------------------------------------

const LOOKS = { light: { colorScheme: "light" }, dark: { colorScheme: "dark" }, narrow: { viewport: NARROW } };

test("every page is valid and accessible, light, dark and narrow", () => served(async () => {
  await site.open("/demo", async (page) => {
    await act(card(page), "Win").click();
    await button(page.getByRole("dialog"), "Answer later").click();
    await act(card(page, "Fjellvind Bakeri AS"), "Lose").click();
    await page.getByText("Lost opportunity.").waitFor();
  }, as("sales", "en"));
  const [question] = await api("sales", "confirmations?state=open");
  const PAGES = {
    "sign-in": ["/demo"], demo: ["/demo", "sales"], company: [`/demo/company?id=${encodeURIComponent(COMPANY)}`, "sales"],
    settings: ["/leadcat/settings", "admin"], forbidden: ["/leadcat/settings", "sales"],
    inbox: ["/leadcat/confirmations", "sales"], question: [`/leadcat/confirmations/${question.id}`, "sales"],
    why: [`/leadcat/why?company=${encodeURIComponent(COMPANY)}`, "sales"],
    panel: [`/leadcat/companies/${encodeURIComponent(COMPANY)}/panel`, "sales"],
    history: ["/leadcat/history", "admin"], revision: ["/leadcat/history/revisions/1", "admin"],
    filtered: ["/leadcat/history?actor=sales&status=updated", "sales"], missing: [`/leadcat/confirmations/${"0".repeat(32)}`, "sales"],
  };
  for (const [name, [path, user]] of Object.entries(PAGES)) {
    for (const [look, options] of Object.entries(LOOKS)) {
      await site.open(path, async (page) => {
        if (look === "light") {
          const response = await page.context().request.get(site.origin + path);
          assert.deepEqual(await invalid(await response.text()), [], name);
        }
        assert.deepEqual(await inaccessible(page), [], `${name}, ${look}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
        assert.equal(wide, false, `${name}, ${look}: scrolls sideways`);
        await page.screenshot({ path: `${process.env.SCREENSHOTS}/nginx-${name}-${look}.png`, fullPage: true });
      }, as(user, "no", { ...options, bypassCSP: true }));
    }
  }
}));
