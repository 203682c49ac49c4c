--- Words and names in any language: which language a tag means, text of unknown origin made fit to be shown, and the
-- words that leadcat shows itself, in six languages and as an integrator changes them.

local config = require "leadcat.rules.config"
local i18n = require "leadcat.words.i18n"
local language = require "leadcat.util.language"
local preset = require "leadcat.rules.preset"
local times = require "support.times"
local unicode = require "leadcat.util.unicode"
local wording = require "leadcat.words.wording"

-- Turns "en no sv" into a table with these keys.
local function known(tags)
  local keys = {}
  for tag in tags:gmatch "%S+" do
    keys[tag] = true
  end
  return keys
end

local SIX = "en no sv da de nl"

describe("a language tag", function()
  -- The tag, the languages at hand, the one it means.
  local ROWS = {
    { "no", SIX, "no" },
    { "de-AT", SIX, "de" },
    { "de_CH", SIX, "de" },
    { "DE-Latn-at-1996", SIX, "de" },
    { "Nl", SIX, "nl" },
    { "fr", SIX, nil },
    { "e", SIX, nil },
    { "eng-lish", "english", nil },

    { "zh-Hant-TW", "zh zh-Hant", "zh-Hant" },
    { "zh-Hant-TW", "zh zh-TW zh-Hans", "zh" },
    { "zh", "zh-Hant zh-TW", nil },
    { "pt-BR", "pt pt_BR", "pt_BR" },
    { "pt-br", "pt PT-BR", "PT-BR" },
    { "zh-Hant-CN-x-private1-private2", "zh-Hant-CN-x", nil },
    { "zh-Hant-CN-x-private1-private2", "zh-Hant-CN-x-private1 zh", "zh-Hant-CN-x-private1" },
    { "zh-Hant-CN-x-private1-private2", "zh-Hant-CN zh", "zh-Hant-CN" },
    { "en-a-bbb-x-a-ccc", "en-a en", "en" },

    { "nb", SIX, "no" },
    { "nb-NO", SIX, "no" },
    { "nn", SIX, "no" },
    { "nn-NO-x-one", SIX, "no" },
    { "NOB", SIX, "no" },
    { "nno", SIX, "no" },
    { "nor-NO", SIX, "no" },
    { "no-bok", SIX, "no" },
    { "no-nyn", SIX, "no" },
    { "nn", "en no nn", "nn" },
    { "nn-NO", "en no nn", "nn" },
    { "nb", "en no nn", "no" },
    { "nno", "en no nn", "nn" },
    { "no-nyn", "en nb nn", "nn" },
    { "no-bok", "en nb nn", "nb" },
    { "no", "en nn nb", "nb" },
    { "no", "en nn", "nn" },
    { "no-NO", "en nn", "nn" },
    { "nor", "en nb", "nb" },
    { "nb", "en nn", nil },

    { "eng", SIX, "en" },
    { "eng-GB", SIX, "en" },
    { "swe", SIX, "sv" },
    { "dan", SIX, "da" },
    { "deu", SIX, "de" },
    { "ger", SIX, "de" },
    { "nld", SIX, "nl" },
    { "dut", SIX, "nl" },
    { "de", "eng deu", "deu" },
    { "no", "eng nor", "nor" },
    { "GER", "de ger", "ger" },

    { "", SIX, nil },
    { "*", SIX, nil },
    { "en;q=0.5", SIX, nil },
    { "en,no", SIX, nil },
    { " en", SIX, nil },
    { "en\n", SIX, nil },
    { "en\0", SIX, nil },
    { "-en", SIX, nil },
    { "en-", SIX, nil },
    { "en--GB", SIX, nil },
    { "1", "1", nil },
    { "æ", "æ", nil },
    { "%a", SIX, nil },
    { "en" .. ("-x"):rep(126), SIX, "en" },
    { "en" .. ("-x"):rep(127), SIX, nil },
    { "en-" .. ("x"):rep(1e6), SIX, nil },
  }
  for _, row in ipairs(ROWS) do
    local tag, tags, expected = row[1], row[2], row[3]
    it(("%q of %s is %s"):format(tag:sub(1, 30), tags, tostring(expected)), function()
      assert.equal(expected, language.match(tag, known(tags)))
    end)
  end

  it("is nothing else than a string, and meets nothing else", function()
    for _, value in ipairs { 1, true, {}, print, 0 / 0 } do
      assert.is_nil(language.match(value, { "en", en = 1, [true] = 2 }))
      assert.is_false(language.is_tag(value))
    end
    assert.is_nil(language.match(nil, known(SIX)))
    assert.is_nil(language.match("en", {}))
    assert.is_true(language.is_tag "zh-Hant_TW")
  end)

  it("chooses the same key whatever the order of the keys is", function()
    for _ = 1, 20 do
      assert.equal("EN-us", language.match("en-us", known "en-US EN_us EN-us En-us"))
      assert.equal("en-US", language.match("en-US", known "EN-us en-US"))
    end
  end)

  it("finds the names in a config", function()
    local customer = config.find(preset.get("superoffice").categories, 5)
    assert.equal("Kunde", config.name(customer, "nb-NO"))
    assert.equal("Kunde", config.name(customer, "nn"))
    assert.equal("Klant", config.name(customer, "NL_be"))
    assert.equal("Customer", config.name(customer, "fr"))
    assert.equal("Customer", config.name(customer, "no;q=1"))
    assert.equal("Customer", config.name(customer))
    assert.equal("Asiakas", config.text({ fi = "Asiakas", sv = "Kund" }, "de"))
    assert.equal("Kund", config.text({ fi = "Asiakas", sv = "Kund" }, "sv-FI"))
    assert.equal("Kunde", config.text("Kunde", "nl"))
  end)
end)

local BAD = "\239\191\189" -- U+FFFD

describe("well-formed text", function()
  -- What it is, what comes in, what comes out (when it is not the same).
  local ROWS = {
    { "empty text", "" },
    { "ASCII", "a\0b\127\n" },
    { "two bytes a character", "æøå \194\128\223\191" },
    { "three bytes", "\224\160\128 \237\159\191 \238\128\128 \239\191\191" },
    { "four bytes", "\240\144\128\128 😀 \244\143\191\191" },
    { "U+FFFD itself", BAD },
    { "a stray continuation", "a\128b\191", "a" .. BAD .. "b" .. BAD },
    { "two of them", "\128\128", BAD .. BAD },
    { "a first byte alone", "\195", BAD },
    { "a first byte before ASCII", "\195a", BAD .. "a" },
    { "a first byte before another character", "\195\195\165", BAD .. "å" },
    { "Latin-1", "bl\229b\230r", "bl" .. BAD .. "b" .. BAD .. "r" },
    { "the beginning of three bytes", "\226\130", BAD },
    { "the beginning of four bytes, thrice", "\240\159\152\240\159\240", BAD .. BAD .. BAD },
    { "overlong, of two bytes", "\192\175\193\191", BAD:rep(4) },
    { "overlong, of three bytes", "\224\159\191", BAD:rep(3) },
    { "overlong, of four bytes", "\240\143\191\191", BAD:rep(4) },
    { "a surrogate", "\237\160\128", BAD:rep(3) },
    { "beyond U+10FFFF", "\244\144\128\128", BAD:rep(4) },
    { "bytes that never occur", "\245\254\255", BAD:rep(3) },
    { "the standard's own example", "a\241\128\128\225\128\194b\128c\128\191d",
      "a" .. BAD .. BAD .. BAD .. "b" .. BAD .. "c" .. BAD .. BAD .. "d" },
  }
  for _, row in ipairs(ROWS) do
    it("from " .. row[1], function()
      assert.equal(row[3] or row[2], unicode.valid(row[2]))
    end)
  end
end)

describe("a line for display", function()
  local ROWS = {
    { "stays as it is", "Kaffebaren \"Den blå døra\" & <b>", "Kaffebaren \"Den blå døra\" & <b>" },
    { "has a blank for each run of controls", "a\r\n\tb\0\27[31mc\127d", "a b [31mc d" },
    { "also for those beyond ASCII", "a\194\133b\194\155\194\128\226\128\168\n\226\128\169c", "a b c" },
    { "keeps its own blanks", "a  b\194\160c", "a  b\194\160c" },
    { "has none at its ends", " \n a b \n ", "a b" },
    { "has no ill-formed bytes", "bl\229", "bl" .. BAD },
    { "has no embeddings, overrides, isolates", "a\226\128\170\226\128\174b\226\129\166\226\129\169c", "abc" },
    { "does so within a run of controls", "a\n\226\128\174\nb", "a b" },
    { "keeps marks that reach no further", "\226\128\142a\226\128\143\216\156", "\226\128\142a\226\128\143\216\156" },
    { "keeps other neighbours of these", "\226\128\175a\226\128\167b\226\129\165\226\129\170",
      "\226\128\175a\226\128\167b\226\129\165\226\129\170" },
    { "is empty when there is nothing", "", "" },
    { "is empty when there are only blanks and controls", " \n\194\133 ", "" },
    { "is empty when nothing can be seen", "\194\160\226\128\139\226\128\143\239\187\191\227\128\128\216\156", "" },
    { "is not empty when there is only a mark", BAD, BAD },
    { "may have as many characters as it may", ("å"):rep(120), ("å"):rep(120) },
    { "is cut at one more", ("å"):rep(121), ("å"):rep(119) .. "…" },
    { "is cut between words without the blank", ("a"):rep(110) .. (" "):rep(50) .. "b", ("a"):rep(110) .. "…" },
    { "is cut behind its controls", ("\226\128\174a\n"):rep(100), ("a "):rep(59) .. "a…" },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      assert.equal(row[3], unicode.line(row[2]))
    end)
  end

  -- The text, how many characters of it, what is left.
  local CUTS = {
    { "abcdef", 6, "abcdef" },
    { "abcdef", 5, "abcd…" },
    { "abcdef", 1, "…" },
    { "a", 1, "a" },
    { "å", 1, "å" },
    { "åå", 1, "…" },
    { "日本語", 3, "日本語" },
    { "日本語", 2, "日…" },
    { "😀😀😀", 2, "😀…" },
    { "abce\204\129f", 5, "abc…" }, -- an accent stays with its letter
    { "abc😀\240\159\143\189d", 5, "abc…" }, -- a skin tone with its face
    { "ab👩\226\128\141👧x", 5, "ab…" }, -- a family with itself
    { "ab👩\226\128\141👧x", 4, "ab…" },
    { "🇳🇴🇸🇪x", 4, "🇳🇴…" }, -- a flag is two letters
    { "a" .. ("\204\129"):rep(9), 5, "a" .. ("\204\129"):rep(3) .. "…" }, -- but something is left
    { ("\204\129"):rep(9), 3, ("\204\129"):rep(2) .. "…" },
  }
  for i, row in ipairs(CUTS) do
    it(("is cut to %d characters (%d)"):format(row[2], i), function()
      assert.equal(row[3], unicode.line(row[1], row[2]))
    end)
  end

  it("has the width that a terminal gives it", function()
    for text, columns in pairs { [""] = 0, abc = 3, ["åå"] = 2, ["e\204\129"] = 1, ["日本"] = 4, ["😀"] = 2, ["ｶ"] = 1 } do
      assert.equal(columns, unicode.width(text), text)
    end
  end)

  it("takes time in proportion to its length", function()
    local PIECES = {
      " ", "a ", " \n", "\255", "\195", "\240\159\152", "å", "😀", "\204\129", "a\204\129", "\226\128\141", "\194\133",
      "\226\128\174", "\226\128\139", "\0",
    }
    local function seconds(piece, bytes)
      local text, start = piece:rep(math.floor(bytes / #piece)), os.clock()
      unicode.line(text .. "b" .. text)
      unicode.line(text)
      return os.clock() - start
    end
    for _, piece in ipairs(PIECES) do
      local short, long = seconds(piece, 10000), seconds(piece, times(300000))
      assert.is_true(long < 30 * short * 10 + 0.5, ("%q: %g s, %g s"):format(piece, short, long))
    end
  end)
end)

describe("a name within a sentence", function()
  local ROWS = {
    { "Acme", "Acme" },
    { "Ærlig & Søn", "Ærlig & Søn" },
    { "Ο Κήπος, Кофейня", "Ο Κήπος, Кофейня" },
    { "\213\191", "\213\191" }, -- U+057F
    { "\214\128", "\226\129\168\214\128\226\129\169" }, -- U+0580
    { "מאפייה", "\226\129\168מאפייה\226\129\169" },
    { "1 قهوة", "\226\129\1681 قهوة\226\129\169" },
    { "", "" },
  }
  for i, row in ipairs(ROWS) do
    it(("is set apart when it may be written from right to left (%d)"):format(i), function()
      assert.equal(row[2], unicode.isolate(row[1]))
    end)
  end
end)

-- The words of a language as its file has them.
local function words(tag)
  return require("leadcat.words.i18n." .. tag)
end

-- What ends as each language would have it: abbreviations, and where English has no verb.
local OWN_END = { ["time.months"] = true, ["settings.unsaved"] = true }

describe("the words", function()
  for _, tag in ipairs(i18n.LANGUAGES) do
    it("are all there in " .. tag .. ", with the same placeholders, and no others", function()
      for key, text in pairs(words "en") do
        local translated = words(tag)[key]
        assert.is_string(translated, key)
        assert.equal(translated, unicode.line(translated, 1000), key)
        assert.same(i18n.placeholders(text), i18n.placeholders(translated), key)
        assert.equal(select(2, text:gsub("[{}]", "")), select(2, translated:gsub("[{}]", "")), key)
        if not OWN_END[key] then
          assert.equal(text:match "[.?]$", translated:match "[.?]$", key)
        end
      end
      for key in pairs(words(tag)) do
        assert.is_string(words("en")[key], key)
      end
    end)
  end

  it("are in six languages", function()
    assert.same({ "en", "no", "sv", "da", "de", "nl" }, i18n.LANGUAGES)
  end)

  it("are those of the specification in Norwegian, and their translation", function()
    local strings = i18n.new()
    local ROWS = {
      { "confirmation.category", "Category", "Kategori" },
      { "confirmation.save", "Save", "Lagre" },
      { "confirmation.cancel", "Cancel", "Avbryt" },
      { "confirmation.keep", "Keep current category", "Behold nåværende kategori" },
      { "group.customer", "Customer", "Kunde" },
      { "group.lost", "Lost", "Tapt" },
      { "group.other", "Other", "Annet" },
      { "group.partner", "Partner", "Partner" },
      { "group.potential_customer", "Potential customer", "Potensiell kunde" },
    }
    for _, row in ipairs(ROWS) do
      assert.same(row, { row[1], strings:text("en", row[1]), strings:text("no", row[1]) })
    end
  end)

  it("name every group and every trigger that there is", function()
    for _, group in ipairs(config.GROUPS) do
      assert.is_string(words("en")["group." .. group])
    end
    for _, trigger in ipairs(config.TRIGGERS) do
      assert.is_string(words("en")["confirmation." .. trigger])
      assert.is_string(words("en")["confirmation." .. trigger .. "_unnamed"])
    end
  end)

  it("have placeholders, each named once and in order", function()
    assert.same({ "a", "b_2" }, i18n.placeholders "{b_2} {a} {b_2} {} {-} {c d} { a } {e")
    assert.same({}, i18n.placeholders "")
  end)
end)

describe("asking for words", function()
  local strings = i18n.new()

  it("chooses the first language that suits", function()
    assert.equal("no", strings:language("nb-NO"))
    assert.equal("de", strings:language(nil, "de-AT", "no"))
    assert.equal("sv", strings:language("fr", nil, "*", "sv"))
    assert.equal("nl", strings:language({}, 42, nil, nil, "nl"))
    assert.equal("en", strings:language("fr", "fi"))
    assert.equal("en", strings:language(nil))
    assert.equal("en", strings:language())
  end)

  it("fills the placeholders with the values as they are", function()
    local ROWS = {
      { "S-1", "The sale S-1 was won." },
      { "100% %1 %0 %%", "The sale 100% %1 %0 %% was won." },
      { "{sale} {company}", "The sale {sale} {company} was won." },
      { "", "The sale  was won." },
      { 17, "The sale 17 was won." },
    }
    for _, row in ipairs(ROWS) do
      assert.equal(row[2], strings:text("en", "confirmation.sale_won", { sale = row[1], other = "x" }))
    end
  end)

  it("gives one string", function()
    assert.equal(1, select("#", strings:text("en", "confirmation.save")))
  end)

  it("gives English in a language that there is not", function()
    assert.equal("Save", strings:text("fr", "confirmation.save"))
    assert.equal("Save", strings:text(nil, "confirmation.save"))
  end)

  local MISUSE = {
    { "an unknown key", function() strings:text("en", "confirmation.sav") end, "no text 'confirmation.sav'" },
    { "no key", function() strings:text("en") end, "no text 'nil'" },
    { "no values", function() strings:text("no", "confirmation.sale_won") end, "{sale}" },
    { "a missing value", function() strings:text("no", "confirmation.sale_won", { contact = "x" }) end, "{sale}" },
    { "a value that is no text", function() strings:text("no", "confirmation.sale_won", { sale = {} }) end, "{sale}" },
    { "a value that is false", function() strings:text("no", "confirmation.sale_won", { sale = false }) end, "{sale}" },
  }
  for _, row in ipairs(MISUSE) do
    it("raises for " .. row[1], function()
      local ok, message = pcall(row[2])
      assert.is_false(ok)
      assert.matches(row[3], message, 1, true)
      assert.matches("_spec%.lua:%d+:", message)
    end)
  end
end)

describe("an integrator's words", function()
  it("replace single ones, for this object only", function()
    local strings = i18n.new { en = { ["confirmation.save"] = "Apply" }, NO = { ["confirmation.save"] = "Bruk" } }
    assert.equal("Apply", strings:text("en", "confirmation.save"))
    assert.equal("Bruk", strings:text(strings:language "nb", "confirmation.save"))
    assert.equal("Avbryt", strings:text("no", "confirmation.cancel"))
    assert.equal("Speichern", strings:text("de", "confirmation.save"))
    assert.equal("Save", i18n.new():text("en", "confirmation.save"))
    assert.equal("Save", i18n.new({}):text("en", "confirmation.save"))
  end)

  it("are those of the moment in which they are given", function()
    local given = { fi = { ["confirmation.save"] = "Tallenna" } }
    local strings = i18n.new(given)
    given.fi["confirmation.save"] = "Muu"
    assert.equal("Tallenna", strings:text("fi", "confirmation.save"))
  end)

  it("add languages, which take what they lack from the nearest one", function()
    local strings = i18n.new {
      fi = { ["confirmation.save"] = "Tallenna" },
      ["de-AT"] = { ["confirmation.save"] = "Sichern" },
      ["zh-Hant-TW"] = { ["confirmation.cancel"] = "取消" },
      ["zh-Hant"] = { ["confirmation.save"] = "儲存" },
      en = { ["confirmation.keep"] = "Keep it" },
    }
    local ROWS = {
      { "fi-FI", "fi", "Tallenna", "Cancel", "Keep it" },
      { "de-at", "de-AT", "Sichern", "Abbrechen", "Aktuelle Kategorie beibehalten" },
      { "de-CH", "de", "Speichern", "Abbrechen", "Aktuelle Kategorie beibehalten" },
      { "zh_Hant_TW", "zh-Hant-TW", "儲存", "取消", "Keep it" },
      { "zh-Hant-HK", "zh-Hant", "儲存", "Cancel", "Keep it" },
      { "zh-Hans", "en", "Save", "Cancel", "Keep it" },
    }
    for _, row in ipairs(ROWS) do
      local found = strings:language(row[1])
      assert.same(row, { row[1], found, strings:text(found, "confirmation.save"),
        strings:text(found, "confirmation.cancel"), strings:text(found, "confirmation.keep") })
    end
  end)

  it("serve nynorsk by itself, and who asks for Norwegian by Norwegian", function()
    local strings = i18n.new { nn = { ["confirmation.title"] = "Oppdater kategorien" } }
    assert.equal("nn", strings:language "nn-NO")
    assert.equal("no", strings:language "nb-NO")
    assert.equal("no", strings:language "no")
    assert.equal("Oppdater kategorien", strings:text("nn", "confirmation.title"))
    assert.equal("Lagre", strings:text("nn", "confirmation.save"))
  end)

  it("may leave a placeholder out", function()
    local strings = i18n.new { en = { ["confirmation.accepted"] = "Done by {user}." } }
    assert.equal("Done by Ann.", strings:text("en", "confirmation.accepted", { user = "Ann" }))
  end)

  local MISUSE = {
    { "no table", "Save", "a table {language = {key = text}} expected, got string" },
    { "false", false, "a table {language = {key = text}} expected, got boolean" },
    { "a language without a table", { no = "Lagre" }, "strings.no: a table of texts expected, got string" },
    { "a language that is no tag", { ["no way"] = {} }, "strings: no way is no language tag" },
    { "a list", { { ["confirmation.save"] = "x" } }, "strings: 1 is no language tag" },
    { "an unknown key", { no = { ["confirmation.sav"] = "x" } }, "strings.no['confirmation.sav']: is no key" },
    { "a key that is no text", { no = { "x" } }, "strings.no['1']: is no key" },
    { "a text that is none", { fi = { ["confirmation.save"] = 1 } },
      "strings.fi['confirmation.save']: a string expected, got number" },
    { "an unknown placeholder", { no = { ["confirmation.sale_won"] = "{sale} {company}" } },
      "strings.no['confirmation.sale_won']: {company} is no placeholder of the English text: The sale {sale} was" },
  }
  for _, row in ipairs(MISUSE) do
    it("raise for " .. row[1], function()
      local ok, message = pcall(function()
        return (i18n.new(row[2]))
      end)
      assert.is_false(ok)
      assert.matches(row[3], message, 1, true)
      assert.matches("_spec%.lua:%d+:", message)
    end)
  end

  it("blame whom the caller wants to be blamed", function()
    local function open()
      local strings = i18n.new({ no = 1 }, 3)
      return strings
    end
    local line = debug.getinfo(1, "l").currentline
    local ok, message = pcall(function()
      local strings = open()
      return strings
    end)
    assert.is_false(ok)
    assert.matches(("_spec.lua:%d: strings.no"):format(line + 2), message, 1, true)
  end)
end)

describe("a time", function()
  for _, row in ipairs {
    { "en", "7 Mar 2026, 04:05 UTC" }, { "no", "7. mars 2026 kl. 04.05 UTC" }, { "sv", "7 mars 2026 kl. 04:05 UTC" },
    { "da", "7. mar. 2026 kl. 04.05 UTC" }, { "de", "7.03.2026, 04:05 UTC" }, { "nl", "7 mrt 2026, 04:05 UTC" },
  } do
    it(("is written in %s as it is there: %s"):format(row[1], row[2]), function()
      local of_language = { strings = i18n.new(), language = row[1] }
      assert.equal(row[2], wording.time(1772856300.9, of_language))
      assert.equal(row[2]:match "^(.*%d%d%d%d)", wording.day(1772856300.9, of_language))
    end)
  end

  it("has twelve different months in every language", function()
    for _, tag in ipairs(i18n.LANGUAGES) do
      local of_language, seen, count = { strings = i18n.new(), language = tag }, {}, 0
      for month = 1, 12 do
        local day = wording.day(os.time { year = 2026, month = month, day = 15, hour = 12 }, of_language)
        count, seen[day] = count + (seen[day] and 0 or 1), true
      end
      assert.equal(12, count, tag)
    end
  end)

  it("has the year first where no language is said", function()
    assert.equal("2026-03-07 04:05 UTC", wording.time(1772856300))
  end)

  it("is none before 1970, beyond the year 9999, and of what is no number", function()
    for _, wrong in ipairs { -1, 253402300800, "1", 0 / 0, math.huge } do
      assert.is_nil(wording.time(wrong))
      assert.is_nil(wording.day(wrong, { strings = i18n.new(), language = "en" }))
    end
  end)
end)
