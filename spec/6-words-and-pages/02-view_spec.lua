--- A question in words: what a user is shown, from a confirmation's record, a config and a language. The names in it come
-- from clients, so they are anything at all.

local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local preset = require "leadcat.rules.preset"
local unicode = require "leadcat.util.unicode"
local view = require "leadcat.words.view"
local wording = require "leadcat.words.wording"

local STRINGS = i18n.new()
local CREATED, RESOLVED, EXPIRES = 1796040000, 1796044560.9, 1796644800 -- 2026-11-30, 13:16 that day, a week later

-- A question that is open, with other fields.
local function record(fields)
  local result = {
    id = ("0123456789abcdef"):rep(2), tenant = "", company = "Acme", trigger = "sale_won", rule = "sale_won",
    from = 1, to = 5, options = { 1, 2, 3, 4, 5, 6, 7, 8 }, revision = 1,
    sale = { id = 17, name = "Printers" }, state = "open", created_at = CREATED, expires_at = EXPIRES,
  }
  for name, value in pairs(fields or {}) do
    result[name] = value
  end
  return result
end

-- Its view, in English by the preset unless said otherwise.
local function shown(fields, language, names, cfg)
  return view.new(record(fields), cfg or preset.get("superoffice"), STRINGS, language or "en", names)
end

local function ids(options)
  local list = {}
  for i, option in ipairs(options) do
    list[i] = option.id
  end
  return list
end

describe("a view", function()
  it("has all that is shown", function()
    local cfg = preset.get("superoffice")
    assert.same({
      id = "0123456789abcdef0123456789abcdef", state = "open", state_name = "Åpent", language = "no",
      title = "Oppdater kategori",
      cause = "Salget Printers ble vunnet.",
      sentence = "Salget Printers ble vunnet. Vil du endre kategorien for Acme fra Lead til Kunde?",
      company = "Acme",
      from = { id = 1, name = "Lead", group = "potential_customer" },
      to = { id = 5, name = "Kunde", group = "customer" },
      options = {
        { id = 1, name = "Lead", group = "potential_customer", group_name = "Potensiell kunde" },
        { id = 5, name = "Kunde", group = "customer", group_name = "Kunde", proposed = true },
      },
      labels = {
        category = "Kategori", save = "Lagre", keep = "Behold nåværende kategori", cancel = "Avbryt", close = "Lukk",
        company = "Firma", current = "Nåværende kategori", proposed = "Foreslått kategori", proposal_mark = "foreslått",
        later = "Svar senere", saving = "Lagrer…",
        network = "Får ikke kontakt med serveren. Kontroller tilkoblingen og prøv igjen.",
      },
      created = "30. nov. 2026 kl. 12.00 UTC", created_at = CREATED,
      expires_at = EXPIRES, expires_time = "7. des. 2026 kl. 12.00 UTC",
      expires = "Svar før 7. des. 2026 kl. 12.00 UTC.",
    }, view.new(record { options = { 1, 5 } }, cfg, STRINGS, "no"))
  end)

  it("of what is only proposed has neither id nor expiry, and is open", function()
    local proposed = record { id = false, state = false, created_at = false, expires_at = false }
    for _, name in ipairs { "id", "state", "created_at", "expires_at" } do
      proposed[name] = nil
    end
    local result = view.new(proposed, preset.get("superoffice"), STRINGS, "en")
    assert.same({ "open", "Open" }, { result.state, result.state_name })
    for _, name in ipairs { "id", "closed", "expires_at", "expires" } do
      assert.is_nil(result[name], name)
    end
  end)

  it("changes neither the record nor the config", function()
    local given, cfg = record(), preset.get("superoffice")
    view.new(given, cfg, STRINGS, "de", { company = "Müller" })
    assert.same(record(), given)
    assert.same(preset.get("superoffice"), cfg)
  end)

  it("has the words of an integrator", function()
    local strings = i18n.new { fi = { ["confirmation.save"] = "Tallenna" } }
    local cfg = preset.get("superoffice")
    cfg.categories[5].name.fi = "Asiakas"
    local result = view.new(record(), cfg, strings, strings:language "fi-FI")
    assert.same({ "fi", "Tallenna", "Cancel", "Asiakas" },
      { result.language, result.labels.save, result.labels.cancel, result.to.name })
  end)
end)

describe("what led to a question", function()
  local BY_STATUS = { trigger = "lead_status_set", rule = "lead_status_set:5", lead_status = 5, to = 3 }

  -- The fields of the record, then the first sentence.
  local ROWS = {
    { { trigger = "sale_registered" }, "The sale Printers was registered." },
    { { trigger = "sale_won" }, "The sale Printers was won." },
    { { trigger = "sale_lost" }, "The sale Printers was lost." },
    { { trigger = "sale_registered", sale = false }, "A sale was registered." },
    { { trigger = "sale_won", sale = false }, "A sale was won." },
    { { trigger = "sale_lost", sale = false }, "A sale was lost." },
    { { sale = { id = "S-17" } }, "The sale S-17 was won." },
    { { sale = { id = 17 } }, "The sale 17 was won." },
    { { sale = { id = 17.0 } }, "The sale 17 was won." },
    { { sale = { id = 123456789012345 } }, "The sale 123456789012345 was won." },
    { { sale = { id = -0.5 } }, "The sale -0.5 was won." },
    { { sale = { name = 42 } }, "The sale 42 was won." },
    { { sale = { name = "", id = "S-17" } }, "The sale S-17 was won." },
    { { sale = { name = " \n\226\128\174", id = "S-17" } }, "The sale S-17 was won." },
    { { sale = { name = "\226\128\139", id = "\0" } }, "A sale was won." },
    { { sale = { name = {}, id = 17 } }, "The sale 17 was won." },
    { { sale = { name = true, id = print } }, "A sale was won." },
    { { sale = {} }, "A sale was won." },
    { { sale = "Printers" }, "A sale was won." },
    { { sale = 17 }, "A sale was won." },
    { { sale = true }, "A sale was won." },
    { { sale = false, contact = { name = "Ann" } }, "A sale was won." },
    { { contact = { name = "Ann" } }, "The lead status of Ann was set to Qualified.", BY_STATUS },
    { { contact = { id = 7 } }, "The lead status of 7 was set to Qualified.", BY_STATUS },
    { {}, "A lead status was set to Qualified.", BY_STATUS },
    { { contact = { name = {} } }, "A lead status was set to Qualified.", BY_STATUS },
    { { contact = { name = "Ann" }, lead_status = 99 }, "The lead status of Ann was set to #99.", BY_STATUS },
    { { sale = { name = "{company} %1" } }, "The sale {company} %1 was won." },
  }
  for i, row in ipairs(ROWS) do
    it(("is %s (%d)"):format(row[2], i), function()
      local fields = {}
      for _, part in ipairs { row[3] or {}, row[1] } do
        for name, value in pairs(part) do
          fields[name] = value
        end
      end
      local proposal = fields.to == 3 and " Change the category of Acme from Lead to Opportunity?"
        or " Change the category of Acme from Lead to Customer?"
      assert.equal(row[2] .. proposal, shown(fields).sentence)
    end)
  end

  local IN_LANGUAGES = {
    en = "The lead status of Ann was set to Open. Change the category of Acme from Lead to Partner?",
    no = "Lead-statusen til Ann ble satt til Åpen. Vil du endre kategorien for Acme fra Lead til Partner?",
    sv = "Leadstatus för Ann har ändrats till Öppen. Vill du ändra kategorin för Acme från Lead till Partner?",
    da = "Leadstatus for Ann blev sat til Åben. Vil du ændre kategorien for Acme fra Lead til Partner?",
    de = "Der Lead-Status von Ann wurde auf Offen gesetzt. "
      .. "Möchten Sie die Kategorie der Firma Acme von Lead in Partner ändern?",
    nl = "De leadstatus van Ann is op Open gezet. Wilt u de categorie van Acme wijzigen van Lead in Partner?",
  }
  for _, language in ipairs(i18n.LANGUAGES) do
    it("is said in " .. language, function()
      local fields = { trigger = "lead_status_set", lead_status = 1, contact = { name = "Ann" }, to = 6 }
      local result = shown(fields, language)
      assert.equal(IN_LANGUAGES[language], result.sentence)
      assert.equal(language, result.language)
    end)
  end
end)

describe("the company", function()
  -- Its id, the names given, what is shown.
  local ROWS = {
    { "Acme", nil, "Acme" },
    { 42, nil, "42" },
    { 42.0, nil, "42" },
    { 42, {}, "42" },
    { 42, { company = "Ærlig & Søn" }, "Ærlig & Søn" },
    { 42, { company = "" }, "42" },
    { 42, { company = "\n" }, "42" },
    { 42, { company = {} }, "42" },
    { 42, { company = false }, "42" },
    { "a\0b", nil, "a b" },
    { "\0", nil, "?" },
  }
  for i, row in ipairs(ROWS) do
    it(("is shown by name, else by id (%d)"):format(i), function()
      local result = shown({ company = row[1] }, "en", row[2])
      assert.equal(row[3], result.company)
      assert.matches("category of " .. row[3] .. " from", result.sentence, 1, true)
    end)
  end
end)

describe("the categories", function()
  it("are named by the newest config, deleted or not, and by number when it has no such category", function()
    local cfg = preset.get("superoffice")
    cfg.categories[1].deleted = true
    cfg.categories[5].name = "Key account"
    local result = shown({ from = 1, to = 5 }, "no", nil, cfg)
    assert.same({ { id = 1, name = "Lead", group = "potential_customer" },
      { id = 5, name = "Key account", group = "customer" } }, { result.from, result.to })
    result = shown({ from = 12, to = 13 }, "no", nil, cfg)
    assert.same({ { id = 12, name = "#12" }, { id = 13, name = "#13" } }, { result.from, result.to })
    assert.matches("fra #12 til #13?", result.sentence, 1, true)
  end)

  it("are offered by group, rank and name", function()
    local groups = { "other", "lost", "partner", "customer", "potential_customer" }
    local cfg = { categories = {}, lead_statuses = {}, rules = {} }
    for i, group in ipairs(groups) do
      for j, rank in ipairs { 2, 1, -1, 2, "none" } do
        cfg.categories[#cfg.categories + 1] = {
          id = 10 * i + j, group = group, rank = rank ~= "none" and rank or nil, name = "Name " .. 9 - j,
        }
      end
    end
    local all = {}
    for i, category in ipairs(cfg.categories) do
      all[i] = category.id
    end
    assert.same({
      53, 52, 54, 51, 55, 43, 42, 44, 41, 45, 33, 32, 34, 31, 35, 23, 22, 24, 21, 25, 13, 12, 14, 11, 15,
    }, ids(shown({ options = all }, "en", nil, cfg).options))
  end)

  it("are offered when they could be chosen when it was asked, and still can", function()
    local cfg = preset.get("superoffice")
    cfg.categories[3].deleted = true
    table.remove(cfg.categories, 7)
    local result = shown({ options = { 8, 7, 3, 2, 5, 99 } }, "en", nil, cfg)
    assert.same({ 2, 5, 8 }, ids(result.options))
  end)

  it("mark the proposed one, if it is still there", function()
    local cfg = preset.get("superoffice")
    local marked = {}
    for _, option in ipairs(shown({}, "en", nil, cfg).options) do
      marked[#marked + 1] = option.proposed and option.id
    end
    assert.same({ 5 }, marked)
    cfg.categories[5].deleted = true
    for _, option in ipairs(shown({}, "en", nil, cfg).options) do
      assert.is_nil(option.proposed)
    end
  end)

  it("are a list also when there are none", function()
    local text = json.encode(shown { options = {} })
    assert.matches('"options":[]', text, 1, true)
    assert.matches('"options":[]', json.encode(shown { options = { 99 } }), 1, true)
  end)

  it("are many in no time", function()
    local cfg, all = { categories = {}, lead_statuses = {}, rules = {} }, {}
    for i = 1, 5000 do
      cfg.categories[i] = { id = i, group = "customer", rank = -i, name = "Category " .. i }
      all[i] = i
    end
    local start = os.clock()
    local list = shown({ options = all }, "no", nil, cfg).options
    assert.same({ 5000, 5000, 1 }, { #list, list[1].id, list[5000].id })
    assert.is_true(os.clock() - start < 20)
  end)
end)

describe("a question's end", function()
  local ANN = { id = "ann", name = "Ann" }

  -- The state, other fields, its name, how it ended.
  local ROWS = {
    { "accepted", { resolved_by = ANN }, "Accepted", "Ann accepted this on 30 Nov 2026, 13:16 UTC." },
    { "changed", { resolved_by = ANN, category = 3 }, "Changed", "Ann chose Opportunity on 30 Nov 2026, 13:16 UTC." },
    { "changed", { resolved_by = ANN, category = 99 }, "Changed", "Ann chose #99 on 30 Nov 2026, 13:16 UTC." },
    { "declined", { resolved_by = ANN }, "Declined", "Ann kept the category on 30 Nov 2026, 13:16 UTC." },
    { "expired", {}, "Expired", "This question expired on 30 Nov 2026, 13:16 UTC." },
    { "expired", { resolved_at = false }, "Expired", "This question expired on 7 Dec 2026, 12:00 UTC." },
    { "superseded", {}, "Replaced", "A newer event replaced this question on 30 Nov 2026, 13:16 UTC." },
    { "conflict", { resolved_by = ANN }, "Conflict",
      "Ann answered on 30 Nov 2026, 13:16 UTC, but the category had already been changed." },

    { "accepted", { resolved_by = { id = 7 } }, "Accepted", "7 accepted this on 30 Nov 2026, 13:16 UTC." },
    { "accepted", { resolved_by = { name = "\n", id = "ann" } }, "Accepted",
      "ann accepted this on 30 Nov 2026, 13:16 UTC." },
    { "accepted", {}, "Accepted", "Someone accepted this on 30 Nov 2026, 13:16 UTC." },
    { "accepted", { resolved_by = { name = {} } }, "Accepted", "Someone accepted this on 30 Nov 2026, 13:16 UTC." },
    { "accepted", { resolved_by = "ann" }, "Accepted", "Someone accepted this on 30 Nov 2026, 13:16 UTC." },
    { "accepted", { resolved_at = false }, "Accepted", nil },
    { "declined", { resolved_at = 1e300 }, "Declined", nil },
    { "declined", { resolved_at = 0 / 0 }, "Declined", nil },
    { "declined", { resolved_at = -1 }, "Declined", nil },
    { "declined", { resolved_at = 0 }, "Declined", "Someone kept the category on 1 Jan 1970, 00:00 UTC." },
  }
  for i, row in ipairs(ROWS) do
    it(("is told when it is %s (%d)"):format(row[1], i), function()
      local fields = { state = row[1], resolved_at = RESOLVED }
      for name, value in pairs(row[2]) do
        fields[name] = value
      end
      local result = shown(fields)
      assert.same({ row[1], row[3], row[4] }, { result.state, result.state_name, result.closed })
      assert.is_nil(result.expires)
      assert.is_nil(result.expires_at)
    end)
  end

  it("is told in all languages", function()
    local PLAIN = { user = "Ann" }
    for _, language in ipairs(i18n.LANGUAGES) do
      PLAIN.time = wording.time(RESOLVED, { strings = STRINGS, language = language })
      for _, state in ipairs { "accepted", "changed", "declined", "expired", "superseded", "conflict" } do
        local result = shown({ state = state, resolved_at = RESOLVED, resolved_by = ANN, category = 3 }, language)
        PLAIN.category = result.options[3].name
        assert.equal(STRINGS:text(language, "confirmation." .. state, PLAIN), result.closed)
        assert.equal(STRINGS:text(language, "state." .. state), result.state_name)
      end
    end
  end)

  it("is not there while it is open, and then it says until when", function()
    local result = shown()
    assert.same({ EXPIRES, "Answer before 7 Dec 2026, 12:00 UTC." }, { result.expires_at, result.expires })
    assert.is_nil(result.closed)
    result = shown { expires_at = math.huge }
    assert.is_nil(result.expires)
    assert.is_nil(result.expires_at)
  end)
end)

describe("a hostile name", function()
  local FSI, PDI = "\226\129\168", "\226\129\169"

  -- What it is, the name, what is shown, and what stands in a sentence when that is not the same.
  local ROWS = {
    { "markup", "<script>alert('1')</script>&amp;", "<script>alert('1')</script>&amp;" },
    { "quotes", [["'`\]], [["'`\]] },
    { "placeholders", "{from} %1 {", "{from} %1 {" },
    { "an override", "abc\226\128\174gpj.exe", "abcgpj.exe" },
    { "an isolate that it does not close", "a\226\129\167b\226\129\169\226\129\169", "ab" },
    { "right to left", "מאפייה", "מאפייה", FSI .. "מאפייה" .. PDI },
    { "an emoji", "Otter 🦦", "Otter 🦦", FSI .. "Otter 🦦" .. PDI },
    { "lines", "a\r\nb\tc\226\128\168d\n", "a b c d" },
    { "an escape sequence", "\27[31mred\27[0m\194\155H", " [31mred [0m H" },
    { "bytes that are no text", "bl\229b\230r\255", nil, FSI .. unicode.valid("bl\229b\230r\255") .. PDI },
    { "an overlong slash", "\192\175", nil, FSI .. unicode.valid("\192\175") .. PDI },
    { "zero bytes", "a\0\0b", "a b" },
    { "10 kB", ("abcde fghi"):rep(1000), ("abcde fghi"):rep(11) .. "abcde fgh…",
      FSI .. ("abcde fghi"):rep(11) .. "abcde fgh…" .. PDI },
    { "10 kB of bytes", ("\255"):rep(10000), unicode.valid(("\255"):rep(119)) .. "…",
      FSI .. unicode.valid(("\255"):rep(119)) .. "…" .. PDI },
  }

  -- Each text of a view, and of what is in it.
  local function each_text(value, check)
    if type(value) == "table" then
      for _, field in pairs(value) do
        each_text(field, check)
      end
    elseif type(value) == "string" then
      check(value)
    end
  end

  for _, row in ipairs(ROWS) do
    it("is shown as one harmless line: " .. row[1], function()
      local cfg = preset.get("superoffice")
      cfg.categories[1].name, cfg.categories[5].name = row[2], { en = row[2], no = row[2] }
      local result = shown({
        state = "accepted", resolved_at = RESOLVED, resolved_by = { id = 1, name = row[2] }, sale = { name = row[2] },
        company = row[2]:sub(1, 255),
      }, "en", { company = row[2] }, cfg)
      local name = (row[3] or unicode.valid(row[2])):gsub("^ ", "")
      local inside = (row[4] or name):gsub("^ ", "")
      assert.same({ name, name, name, name },
        { result.company, result.from.name, result.to.name, result.options[1].name })
      local sentence = "The sale %s was won. Change the category of %s from %s to %s?"
      assert.equal(sentence:format(inside, inside, inside, inside), result.sentence)
      assert.equal(inside .. " accepted this on 30 Nov 2026, 13:16 UTC.", result.closed)
      each_text(result, function(text)
        assert.equal(text, unicode.valid(text))
        assert.is_nil(text:find "[%z\1-\31\127]")
      end)
      local back = assert(json.decode(json.encode(result)))
      assert.equal(result.sentence, back.sentence)
      assert.equal(name, back.options[1].name)
    end)
  end

  it("of a lead status and a contact is no better", function()
    local cfg = preset.get("superoffice")
    cfg.lead_statuses[5].name = "\27]0;x\7\226\128\174"
    local fields = { trigger = "lead_status_set", lead_status = 5, contact = { name = "\255\n<b>" } }
    assert.matches("The lead status of " .. FSI .. unicode.valid("\255") .. " <b>" .. PDI .. " was set to ]0;x.",
      shown(fields, "en", nil, cfg).sentence, 1, true)
  end)

  it("that nobody can see gives way to the number", function()
    local cfg = preset.get("superoffice")
    cfg.categories[5].name = "\226\128\139"
    assert.equal("#5", shown({}, "en", nil, cfg).to.name)
  end)
end)
