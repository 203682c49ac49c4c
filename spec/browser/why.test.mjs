// Why nothing happened, and the panel of a company in a frame of the CRM's page: with and without JavaScript, by keyboard, in
// another time zone, and how they look. Pictures go to SCREENSHOTS.

import assert from "node:assert/strict";
import { test } from "node:test";
import { as, demo } from "./demo.mjs";
import { focused, inaccessible, invalid, press } from "./stage.mjs";

const { site, served, api } = demo();
const COMPANY = "Larkspindle Events"; // a Lead
const ABOUT = `company=${encodeURIComponent(COMPANY)}`;
const PANEL = `/leadcat/companies/${encodeURIComponent(COMPANY)}/panel`;
const BESIDE = `/demo/company?id=${encodeURIComponent(COMPANY)}`;

const WORDS = {
  no: {
    title: "Hvorfor skjedde det ingenting?", why: "Hvorfor?", company: "Firma", show: "Vis", category: "Kategori",
    what_if: "Hva om noe var annerledes?", attempt: "Prøv", really: "Vis det som faktisk ville skjedd", nothing: "Ingenting",
    amount: "sale.amount er minst 100000 (det er 5)", again: "Kontroller det med opplysningene fra denne hendelsen",
    asked: "Brukeren blir spurt", unknown: "Vi kjenner ikke til noe firma Nobody.", keep: "Behold Lead", set: "Sett til Kunde",
    updated: `${COMPANY} har nå kategorien Kunde.`, undo: "Angre", undone: `${COMPANY} har igjen kategorien Lead.`,
    choose: "Velg en annen…", save: "Lagre", partner: `${COMPANY} har nå kategorien Partner.`,
  },
  de: {
    title: "Warum ist nichts passiert?", why: "Warum?", company: "Firma", show: "Anzeigen", category: "Kategorie",
    what_if: "Was wäre, wenn etwas anders wäre?", attempt: "Testen", really: "Zeigen, was wirklich geschehen würde",
    nothing: "Nichts", amount: "sale.amount ist mindestens 100000 (es ist 5)",
    again: "Mit den Angaben dieses Ereignisses prüfen", asked: "Der Benutzer wird gefragt",
    unknown: "Es ist keine Firma Nobody bekannt.", keep: "Lead behalten", set: "Auf Kunde setzen",
    updated: `${COMPANY} hat jetzt die Kategorie Kunde.`, undo: "Rückgängig machen",
    undone: `${COMPANY} hat wieder die Kategorie Lead.`, choose: "Andere wählen…", save: "Speichern",
    partner: `${COMPANY} hat jetzt die Kategorie Partner.`,
  },
};

const SAME = { "Sec-Fetch-Site": "same-origin" };

// What happens to the company.
const happens = (trigger, sale, user = "sales") =>
  api(user, "events", { trigger, company: COMPANY, sale: { id: sale.name, ...sale } }, "POST", SAME);

// Won sales count from an amount on.
async function demandAmount() {
  const config = await api("admin", "config");
  config.rules.find(({ trigger }) => trigger === "sale_won").when = [[{ field: "sale.amount", is: "at_least", value: 100000 }]];
  await api("admin", "config", config, "PUT", { ...SAME, "If-Match": `"${config.revision}"` });
}

const button = (page, name) => page.getByRole("button", { name, exact: true });
const frame = (page) => page.frameLocator("#demo-panel");
const categoryOf = async () => (await api("admin", `explain?${ABOUT}`)).category;

for (const language of ["no", "de"]) {
  const words = WORDS[language];
  for (const scripted of [true, false]) {
    const how = `${language}, ${scripted ? "with" : "without"} JavaScript`;
    const settings = (user) => as(user, language, { javaScriptEnabled: scripted });

    test(`a salesperson finds out why nothing happened, and what would have to be different: ${how}`, () => served(async () => {
      await demandAmount();
      await happens("sale_won", { name: "Small", amount: 5 });
      await happens("sale_registered", { name: "Small" });
      await site.open("/leadcat/history", async (page) => {
        await page.getByRole("link", { name: `${words.why} ${COMPANY}` }).click();
        await page.waitForURL(/why\?company=/);
        assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), words.title);
        await page.getByRole("link", { name: words.again }).click();
        const won = page.locator(".leadcat-decision").filter({ hasText: words.amount });
        assert.equal(await won.locator(".leadcat-badge").textContent(), words.nothing);
        assert.equal(await won.getByText(words.amount, { exact: true }).isVisible(), true);
        await page.getByLabel("sale.amount").fill("200 000");
        await button(page, words.attempt).click();
        await page.waitForURL(/200/);
        assert.equal(await page.locator(".leadcat-decision").filter({ hasText: words.asked }).count(), 1);
        await page.getByRole("link", { name: words.really }).click();
        await page.waitForURL(/company=[^&]*$/);
        assert.equal(await page.getByLabel("sale.amount").isVisible(), false);
        await page.getByLabel(words.company, { exact: true }).fill("Nobody");
        await button(page, words.show).click();
        await page.getByRole("alert").getByText(words.unknown).waitFor();
      }, settings("sales"));
    }));

    test(`the panel in the CRM's page sets, undoes and chooses, and stays there: ${how}`, () => served(async () => {
      await happens("sale_won", { name: "Big" });
      await site.open(BESIDE, async (page) => {
        const panel = frame(page);
        assert.equal(await panel.getByRole("navigation").count(), 0);
        await button(panel, words.set).click();
        await panel.getByRole("status").getByText(words.updated).waitFor();
        assert.equal(await categoryOf(), 5);
        if (scripted) { // the page around it shows it, too
          await page.locator("#demo-live").getByText("Kunde").waitFor();
        }
        await button(panel, words.undo).click();
        await panel.getByRole("status").getByText(words.undone).waitFor();
        assert.equal(await categoryOf(), 1);
        assert.equal(new URL(page.url()).pathname, "/demo/company");
      }, settings("admin"));
      await happens("sale_won", { name: "Bigger" });
      await site.open(BESIDE, async (page) => {
        const panel = frame(page);
        assert.equal(await button(panel, words.keep).isVisible(), true);
        await panel.getByText(words.choose).click();
        await panel.getByRole("combobox").selectOption("Partner");
        await button(panel, words.save).click();
        await panel.getByRole("status").getByText(words.partner).waitFor();
        assert.equal(await categoryOf(), 6);
        assert.equal(await button(panel, words.undo).count(), 0); // only administrators undo
      }, settings("sales"));
    }));
  }
}

test("both are used with the keyboard alone", () => served(async () => {
  await happens("sale_won", { name: "Big" });
  await site.open(PANEL, async (page) => {
    const names = [];
    for (let i = 0; i < 5; i += 1) {
      await press(page, "Tab");
      names.push(await focused(page));
    }
    assert.deepEqual(names, ["Set to Customer", "Keep Lead", "Choose another…", "Why did nothing happen?", "History"]);
    await press(page, "Shift+Tab", "Shift+Tab", "Enter", "Tab", "Tab");
    assert.equal(await focused(page), "Save");
    await press(page, "Shift+Tab", "Shift+Tab", "Shift+Tab", "Enter");
    await page.getByRole("status").getByText("keeps its category").waitFor();
  }, as("sales", "en"));
  await site.open("/leadcat/why", async (page) => {
    await page.getByLabel("Company").focus();
    await page.keyboard.type(COMPANY);
    await press(page, "Enter");
    await page.getByRole("heading", { name: COMPANY, exact: true }).waitFor();
    await page.getByText("What if something were different?").focus();
    await press(page, "Enter", "Tab", "End");
    await press(page, "Tab", "Enter");
    await page.waitForURL(/if\.category=8/);
  }, as("sales", "en"));
}));

test("times are the reader's on the inbox, in its dialog, on the panel and on the page that says why", () => served(async () => {
  const zone = "Asia/Tokyo";
  await happens("sale_won", { name: "Big" });
  const [{ created_at: asked, expires_at: expires }] = await api("sales", "confirmations");
  const local = (seconds) => new Date(seconds * 1000).toLocaleString("de", { dateStyle: "medium", timeStyle: "short",
    timeZone: zone });
  const times = (place) => place.locator("time").allTextContents();
  await site.open("/leadcat/confirmations", async (page) => {
    assert.deepEqual(await times(page), [local(asked), local(expires)]);
    await page.getByRole("link", { name: "Andere wählen…" }).click();
    await page.getByRole("dialog").getByLabel("Kategorie").waitFor();
    assert.deepEqual(await times(page.getByRole("dialog")), [local(expires)]);
  }, as("sales", "de", { timezoneId: zone }));
  await site.open(PANEL, async (page) => assert.deepEqual(await times(page), [local(expires)]),
    as("sales", "de", { timezoneId: zone }));
  await site.open(`/leadcat/why?${ABOUT}`, async (page) => assert.deepEqual(await times(page), [local(asked), local(asked)]),
    as("sales", "de", { timezoneId: zone }));
  await site.open(PANEL, async (page) => assert.match((await times(page))[0], /UTC$/),
    as("sales", "de", { timezoneId: zone, javaScriptEnabled: false }));
}));

test("a page of another origin that nobody has named cannot frame the panel", () => served(async () => {
  await site.open("/demo", async (page) => {
    const other = `http://localhost:${new URL(site.origin).port}/nowhere`;
    await page.route(other, (route) => route.fulfill({ contentType: "text/html", body: `<iframe src="${site.origin}${PANEL}">` }));
    await page.goto(other);
    await page.waitForLoadState("networkidle");
    assert.equal(await page.locator("iframe").count(), 1);
    assert.equal(await page.frameLocator("iframe").locator(".leadcat-panel").count(), 0);
  }, as("sales", "en"));
}));

const LOOKS = {
  240: { viewport: { width: 240, height: 640 } }, 320: { viewport: { width: 320, height: 640 } },
  768: { viewport: { width: 768, height: 900 } }, 1440: { viewport: { width: 1440, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 768, height: 900 } },
  forced: { forcedColors: "active", viewport: { width: 768, height: 900 } },
};

test("they are valid and accessible, at every width, dark and in forced colours", () => served(async () => {
  await demandAmount();
  await happens("sale_registered", { name: "Small" }, "admin");
  await happens("sale_won", { name: "Small", amount: 5 });
  await happens("sale_won", { name: "Big", amount: 500000 }, "admin");
  const PAGES = {
    "why-form": "/leadcat/why", why: `/leadcat/why?${ABOUT}`, "why-if": `/leadcat/why?${ABOUT}&if.sale.amount=x&if.category=1`,
    "why-unknown": "/leadcat/why?company=lark", panel: PANEL, "panel-done": `${PANEL}?undone=1`, beside: BESIDE,
    "panel-missing": "/leadcat/companies/nobody/panel",
  };
  for (const [name, path] of Object.entries(PAGES)) {
    for (const [look, options] of Object.entries(LOOKS)) {
      await site.open(path, async (page) => {
        if (look === "320") {
          const response = await page.context().request.get(site.origin + path);
          assert.deepEqual(await invalid(await response.text()), [], name);
        }
        assert.deepEqual(await inaccessible(page), [], `${name}, ${look}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
        assert.equal(wide && (look !== "240" || name.startsWith("panel")), false, `${name}, ${look}: scrolls sideways`);
        await page.screenshot({ path: `${process.env.SCREENSHOTS}/why-${name}-${look}.png`, fullPage: true });
      }, as("admin", "de", { ...options, bypassCSP: true }));
    }
  }
}));
