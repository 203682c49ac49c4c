--- What a user sees of a question: HTML in which every text stays text, the dialog, and plain text.

local confirmation = require "leadcat.pages.confirmation"
local h = require "leadcat.pages.html"
local text = require "leadcat.words.text"
local views = require "support.views"

local REPLACEMENT = "\239\191\189"

local function count(s, pattern)
  return select(2, s:gsub(pattern, ""))
end

describe("text in HTML", function()
  local ROWS = {
    { "markup", "<b>", "&lt;b&gt;" },
    { "an ampersand", "R&D", "R&amp;D" },
    { "what is escaped already", "&amp;&#60;", "&amp;amp;&amp;#60;" },
    { "double quotes", '"', "&quot;" },
    { "single quotes", "'", "&#39;" },
    { "other punctuation", "`=/\\-->]]", "`=/\\--&gt;]]" },
    { "tabs and line ends", "a\tb\r\nc", "a\tb\r\nc" },
    { "NUL", "a\0b\0", "a" .. REPLACEMENT .. "b" .. REPLACEMENT },
    { "C0 controls", "\1\8\11\12\14\27\31", REPLACEMENT:rep(7) },
    { "DEL", "\127", REPLACEMENT },
    { "C1 controls", "\194\128\194\133\194\159", REPLACEMENT:rep(3) },
    { "what is next to C1", "\194\160\195\128", "\194\160\195\128" },
    { "other alphabets", "Ærø 漢字 \240\159\146\165", "Ærø 漢字 \240\159\146\165" },
    { "invalid UTF-8 before markup", "\195<\240\159\"\255'", "\195&lt;\240\159&quot;\255&#39;" },
    { "an integer", 42, "42" },
    { "a whole number in a float", 42.0, "42" },
    { "the largest exact integer", 2 ^ 53, "9007199254740992" },
    { "a fraction", 0.5, "0.5" },
    { "10 kB", ("<"):rep(10240), ("&lt;"):rep(10240) },
  }
  for _, row in ipairs(ROWS) do
    it("has its place for " .. row[1], function()
      assert.equal(row[3], h.render(row[2]))
      assert.equal("<p>" .. row[3] .. "</p>", h.render(h.p { row[2] }))
      assert.equal("<p><b>" .. row[3] .. "</b></p>", h.render(h.p { { h.b { row[2] } } }))
      assert.equal('<p title="' .. row[3] .. '"></p>', h.render(h.p { title = row[2] }))
    end)
  end

  it("is taken as it is only from raw", function()
    assert.equal("<p><b>&</b>&amp;</p>", h.render(h.p { h.raw "<b>&</b>", "&" }))
    assert.equal("<script>a < b</script>", h.render(h.script { h.raw "a < b" }))
  end)
end)

describe("elements", function()
  local ROWS = {
    { "nothing in them", h.p {}, "<p></p>" },
    { "children in order", h.p { "a", h.b { "b" }, 1 }, "<p>a<b>b</b>1</p>" },
    { "nil and false among the children", h.p { nil, "a", nil, nil, false, "b" }, "<p>ab</p>" },
    { "lists among the children", h.p { { "a", { nil, h.b { "b" } } }, {}, "c" }, "<p>a<b>b</b>c</p>" },
    { "attributes by name", h.p { id = "i", class = "c", lang = "no" }, '<p class="c" id="i" lang="no"></p>' },
    { "attributes that are on or off", h.p { hidden = true, inert = false }, "<p hidden></p>" },
    { "a number in an attribute", h.td { colspan = 2 }, '<td colspan="2"></td>' },
    { "an empty attribute", h.option { value = "" }, '<option value=""></option>' },
    { "hyphens in names", h["my-part"] { aria_labelledby = "x", ["data-a"] = 1 },
      '<my-part aria-labelledby="x" data-a="1"></my-part>' },
    { "no end tag", { h.br {}, h.meta { charset = "utf-8", false } }, '<br><meta charset="utf-8">' },
    { "names that Lua has taken", h.label { ["for"] = "x" }, '<label for="x"></label>' },
    { "URLs", { h.a { href = "/a?b&c" }, h.a { href = "HTTPS://x" }, h.a { href = "?a:b" }, h.a { href = "mailto:a" } },
      '<a href="/a?b&amp;c"></a><a href="HTTPS://x"></a><a href="?a:b"></a><a href="mailto:a"></a>' },
  }
  for _, row in ipairs(ROWS) do
    it("may have " .. row[1], function()
      assert.equal(row[3], h.render(row[2]))
    end)
  end

  it("make a page", function()
    assert.equal('<!DOCTYPE html>\n<html lang="en"><body>a</body></html>\n', h.document { lang = "en", h.body { "a" } })
  end)

  it("are markup when asked as text, and nothing when there is nothing", function()
    assert.equal("<b>a</b>", tostring(h.b { "a" }))
    assert.equal("", h.render(nil) .. h.render(false) .. h.render {})
  end)

  it("do not change with the tables they were made of", function()
    local content = { "a" }
    local element = h.p(content)
    content[1] = "b"
    assert.equal("<p>a</p>", h.render(element))
  end)
end)

describe("misuse raises:", function()
  local function make(name, content)
    return function()
      return h[name](content)
    end
  end
  local ROWS = {
    { "an element's name in capitals", make("P", {}), "P is not the name of an element" },
    { "an element's name with markup", make("p><b", {}), "not the name of an element" },
    { "an element's name that is a number", make(1, {}), "1 is not the name of an element" },
    { "content that is no table", make("p", "a"), "p: put its content into a table" },
    { "content that is an element", make("p", h.b {}), "p: put its content into a table" },
    { "an attribute's name with markup", make("p", { ["a><b"] = 1 }), "not the name of an attribute" },
    { "an attribute's name with a blank", make("p", { ["a onclick"] = 1 }), "not the name of an attribute" },
    { "an attribute's name in capitals", make("p", { onClick = 1 }), "not the name of an attribute" },
    { "an empty attribute's name", make("p", { [""] = 1 }), "not the name of an attribute" },
    { "an attribute twice", make("p", { aria_label = "a", ["aria-label"] = "b" }), "aria%-label is there twice" },
    { "an attribute that is a table", make("p", { id = {} }), "id must be a string" },
    { "a script in an attribute", make("p", { onclick = "a()" }), "onclick is code" },
    { "a script in an attribute that is off", make("p", { onclick = false }), "onclick is code" },
    { "a style in an attribute", make("p", { style = "color: red" }), "style is code" },
    { "a page in an attribute", make("iframe", { srcdoc = "<p>" }), "srcdoc is code" },
    { "a script in a URL", make("a", { href = "javascript:a()" }), "href must be" },
    { "a script in a URL, hidden", make("form", { action = " Java\tScript\n:a()" }), "action must be" },
    { "data in a URL", make("img", { src = "data:text/html,<b>" }), "src must be" },
    { "a key that is no position", make("p", { [0] = "a" }), "neither a position nor" },
    { "a key between positions", make("p", { [1.5] = "a" }), "neither a position nor" },
    { "a child that is true", make("p", { true }), "a child must be a string" },
    { "a child that is a function", make("p", { print }), "a child must be a string" },
    { "a list with attributes", make("p", { { class = "a" } }), "this one has class" },
    { "content where none can be", make("br", { "a" }), "br: it has no content" },
    { "text in a script", make("script", { "a" }), "give it with raw" },
    { "a number in a style", make("style", { { 1 } }), "give it with raw" },
    { "an element in a script", make("script", { h.b {} }), "give it with raw" },
    { "raw that is no string", function() h.raw(1) end, "expected a string" },
    { "rendering a function", function() h.render(print) end, "render: a child must be" },
    { "an attribute of a page", function() h.document { onload = "a()" } end, "html: the attribute onload" },
    { "no view as HTML", function() confirmation.html(nil) end, "expected the view" },
    { "no view as an element", function() confirmation.element { title = "a" } end, "expected the view" },
    { "no view as text", function() text.confirmation "a" end, "expected the view" },
    { "an unknown option", function() confirmation.html(views.english(), { url = "/" }) end, "unknown option" },
    { "an option of a wrong type", function() confirmation.html(views.english(), { open = 1 }) end, "wrong type" },
    { "a prefix with markup", function() confirmation.html(views.english(), { prefix = "a b" }) end, "options.prefix" },
    { "an action that is a script", function()
      confirmation.html(views.english(), { action = "javascript:a()" })
    end, "action must be" },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local ok, message = pcall(row[2])
      assert.is_false(ok)
      assert.matches(row[3], message)
    end)
  end

  it("at the line of the caller", function()
    for _, misuse in ipairs { function() return (h.p { true }) end, function() return (h["P"]) end,
      function() return (confirmation.html()) end, function() return (text.confirmation()) end } do
      assert.matches("_spec%.lua:%d+: ", select(2, pcall(misuse)))
    end
  end)
end)

-- The dialog ---------------------------------------------------------------------------------------------------------

-- The opening tags of an element in markup, as tables of attributes.
local function tags(markup, name)
  local found = {}
  for attributes in markup:gmatch("<" .. name .. "%f[ >]([^>]*)>") do
    local tag = {}
    for key, value in attributes:gmatch '([%w-]+)="([^"]*)"' do
      tag[key] = value
    end
    for key in attributes:gsub('="[^"]*"', ""):gmatch "[%w-]+" do
      tag[key] = tag[key] or true
    end
    found[#found + 1] = tag
  end
  return found
end

describe("the dialog", function()
  local ID = views.english().id
  local PREFIX = "leadcat-confirmation-" .. ID

  it("is named and described", function()
    local dialog = tags(confirmation.html(views.english()), "dialog")[1]
    assert.same({ "leadcat-dialog", "en", true, PREFIX .. "-title", PREFIX .. "-sentence" },
      { dialog.class, dialog.lang, dialog.open, dialog["aria-labelledby"], dialog["aria-describedby"] })
    assert.matches('<h2 id="' .. PREFIX:gsub("%-", "%%-") .. '%-title">Update category</h2>',
      confirmation.html(views.english()))
  end)

  it("posts to the API, or where it is told", function()
    assert.same({ { method = "post", action = "/leadcat/api/confirmations/" .. ID } },
      tags(confirmation.html(views.english()), "form"))
    assert.same({ { method = "post", action = "/x?a&amp;b" } },
      tags(confirmation.html(views.english(), { action = "/x?a&b" }), "form"))
    assert.same({ { method = "post", action = "/crm/leads/api/confirmations/" .. ID } },
      tags(confirmation.html(views.english(), { base = "/crm/leads" }), "form"))
  end)

  it("has a list with the proposal selected", function()
    local markup = confirmation.html(views.english())
    assert.same({ { id = PREFIX .. "-category", name = "category", required = true, autofocus = true, dir = "auto" } },
      tags(markup, "select"))
    assert.same({ { ["for"] = PREFIX .. "-category" } }, tags(markup, "label"))
    assert.same({ { label = "Potential customer" }, { label = "Customer" }, { label = "Partner" } },
      tags(markup, "optgroup"))
    assert.same({ { value = "1", dir = "auto" }, { value = "3", dir = "auto" },
      { value = "5", dir = "auto", selected = true }, { value = "6", dir = "auto" } }, tags(markup, "option"))
  end)

  it("has three buttons", function()
    local busy = "Saving…"
    assert.same({ { type = "submit", class = "leadcat-primary", ["data-leadcat-busy"] = busy },
      { type = "submit", name = "decline", value = "true", formnovalidate = true, ["data-leadcat-busy"] = busy },
      { type = "submit", value = "cancel", formmethod = "dialog", formnovalidate = true } },
      tags(confirmation.html(views.english()), "button"))
  end)

  it("asks for a choice when the proposal cannot be chosen", function()
    local options = tags(confirmation.html(views.without_proposal()), "option")
    assert.same({ value = "", selected = true }, options[1])
    assert.equal(5, #options)
    for i = 2, 5 do
      assert.is_nil(options[i].selected)
    end
  end)

  it("selects one option only", function()
    local view = views.english()
    view.options[1].proposed = true
    assert.equal(1, count(confirmation.html(view), " selected"))
  end)

  it("lists options without a group, and none", function()
    local markup = confirmation.html(views.english { options = { { id = 1, name = "A" }, { id = 2, name = "B" } } })
    assert.equal(0, #tags(markup, "optgroup"))
    assert.equal(3, #tags(markup, "option"))
    assert.equal(1, #tags(confirmation.html(views.english { options = {} }), "option"))
  end)

  it("shows the options' names whole, since people and scripts choose by them", function()
    local view = views.english()
    view.options[1].name = ("W"):rep(120)
    local markup = confirmation.html(view)
    assert.is_nil(tags(markup, "option")[1].label)
    assert.matches(">" .. ("W"):rep(120) .. "</option>", markup)
  end)

  it("says each fact once", function()
    local markup = confirmation.html(views.english()):gsub("<option.-</option>", "")
    for _, name in ipairs { "Fjord Shipping", "Lead", "Cloud migration" } do
      assert.equal(1, count(markup, name), name)
    end
  end)

  it("leaves a question that is there for later, and cancels one that is only proposed", function()
    local proposed = views.english()
    proposed.id = nil
    for label, view in pairs { ["Answer later"] = views.english(), Cancel = proposed } do
      local markup = confirmation.html(view)
      assert.matches('<button formmethod="dialog" formnovalidate type="submit" value="cancel">' .. label .. "</button>",
        markup, 1, true)
      assert.equal(3, #tags(markup, "button"))
    end
    local markup = confirmation.html(views.english(), { back = "/leads?a=1&b=2" })
    assert.matches('<a class="leadcat-button" href="/leads?a=1&amp;b=2">Answer later</a>', markup, 1, true)
    assert.equal(2, #tags(markup, "button"))
    markup = confirmation.html(views.closed(), { back = "/leads" })
    assert.matches('<a class="leadcat-button" href="/leads">Close</a>', markup, 1, true)
  end)

  it("has a place for errors, and the words that a script needs", function()
    local markup = confirmation.html(views.english())
    assert.matches('<p class="leadcat-alert" role="alert"></p>', markup, 1, true)
    local dialog = tags(markup, "dialog")[1]
    assert.same({ "Close", "The server could not be reached." },
      { dialog["data-leadcat-close"], dialog["data-leadcat-network"] })
  end)

  local IDS = {
    { "without an id", nil, nil, "leadcat-confirmation" },
    { "without an id, told a prefix", nil, "ask-1", "ask-1" },
    { "with an id, told a prefix", ID, "ask-1", PREFIX },
    { "with an id that is none", '"><b', nil, "leadcat-confirmation" },
    { "with an id of its length that is none", ('"><b'):rep(8), nil, "leadcat-confirmation" },
    { "with an id that is too short", ID:sub(2), "ask_2", "ask_2" },
    { "with an id that is a number", 12, nil, "leadcat-confirmation" },
  }
  for _, row in ipairs(IDS) do
    it("has safe ids " .. row[1], function()
      local view = views.english()
      view.id = row[2]
      local markup = confirmation.html(view, { prefix = row[3] })
      assert.equal(row[4] .. "-title", tags(markup, "h2")[1].id)
      assert.equal(row[4] .. "-category", tags(markup, "label")[1]["for"])
      assert.equal(row[2] == ID and "/leadcat/api/confirmations/" .. ID or nil, tags(markup, "form")[1].action)
    end)
  end

  it("is shut when told so", function()
    assert.is_nil(tags(confirmation.html(views.english(), { open = false }), "dialog")[1].open)
  end)

  it("is the same as an element and as markup, whenever it is made", function()
    assert.equal(confirmation.html(views.norwegian()), h.render(confirmation.element(views.norwegian())))
    assert.equal(confirmation.html(views.norwegian()), confirmation.html(views.norwegian()))
  end)

  for _, state in ipairs { "accepted", "changed", "declined", "expired", "superseded", "conflict" } do
    it("only says how it ended when it is " .. state, function()
      local view = views.closed()
      view.state = state
      local markup = confirmation.html(view)
      assert.matches("<p>Ann kept the category on 1 May%.</p>", markup)
      assert.equal(0, #tags(markup, "select") + #tags(markup, "label") + count(markup, "post"))
      assert.same({ { method = "dialog" } }, tags(markup, "form"))
      assert.matches('<button type="submit" value="cancel">Close</button>', markup)
      assert.equal(1, #tags(markup, "button"))
      view.closed = nil
      assert.matches("<p>Declined</p>", confirmation.html(view))
    end)
  end
end)

-- Hostile names ------------------------------------------------------------------------------------------------------

-- Markup without texts and values: what of it a browser would act on.
local function skeleton(markup)
  return (markup:gsub('"[^"]*"', '""'):gsub(">[^<]*<", "><"))
end

local BYTES = {
  nul = "a\0b\0\0",
  controls = "a\27[31mb\7\194\155c",
  invalid = "\255\254<\195\"\240\159'\128\128>\195",
  cut = "abc\240\159\146",
  stray = ("\128"):rep(500),
  joined = "x" .. ("\204\129"):rep(5000),
}

describe("a hostile name", function()
  local expected = skeleton(confirmation.html(views.hostile "name"))
  for _, names in ipairs { views.HOSTILE, BYTES } do
    for kind, name in pairs(names) do
      it("stays a name in every field: " .. kind, function()
        local markup = confirmation.html(views.hostile(name))
        assert.equal(expected, skeleton(markup))
        assert.equal(h.render(name), markup:match "<h2 [^>]*>(.-)</h2>")
        assert.equal(4, count(markup, "<option [^>]*>" .. h.render(name):gsub("%p", "%%%0") .. "</option>"))
      end)

      it("stays one line of plain text: " .. kind, function()
        local plain = text.confirmation(views.hostile(name))
        assert.is_nil(plain:gsub("\n", ""):find "%c")
        assert.is_nil(plain:find "\194[\128-\159]")
      end)
    end
  end

  for _, field in ipairs { "language", "id", "state", "state_name", "closed", "expires" } do
    it("stays one as the view's " .. field, function()
      for _, name in pairs(views.HOSTILE) do
        local markup = confirmation.html(views.english { [field] = name })
        assert.equal(skeleton(confirmation.html(views.english { [field] = "x" })), skeleton(markup))
      end
    end)
  end

  it("stays one as an option's id", function()
    local options = { { id = '"><b onclick=alert(1)>', name = "A" } }
    local markup = confirmation.html(views.english { options = options })
    assert.matches('value="&quot;&gt;&lt;b onclick=alert%(1%)&gt;"', markup)
  end)
end)

-- Plain text ---------------------------------------------------------------------------------------------------------

local ENGLISH = [[
Update category

The sale Cloud migration was won. Change the category of Fjord Shipping from
Lead to Customer?

Company:           Fjord Shipping
Current category:  Lead
Proposed category: Customer

Category:
  Potential customer
      Lead
      Opportunity
  Customer
    * Customer (proposed)
  Partner
      Partner

Answer before 18 Nov 2026, 22:26 UTC.
]]

local NORWEGIAN = [[
Oppdater kategori

Lead-statusen til Åse Ødegård ble satt til Kvalifisert. Vil du endre
kategorien for Brødrene Ærlig AS fra Lead til Salgsmulighet?

Firma:              Brødrene Ærlig AS
Nåværende kategori: Lead
Foreslått kategori: Salgsmulighet

Kategori:
  Kunde
      Kunde
  Potensiell kunde
      Lead
    * Salgsmulighet (foreslått)

Svar før 18.11.2026 22:26 UTC.
]]

local CLOSED = [[
Update category

The sale Cloud migration was won. Change the category of Fjord Shipping from
Lead to Customer?

Company:           Fjord Shipping
Current category:  Lead
Proposed category: Customer

Ann kept the category on 1 May.
]]

describe("plain text", function()
  it("asks in English", function()
    assert.equal(ENGLISH, text.confirmation(views.english()))
  end)

  it("asks in Norwegian", function()
    assert.equal(NORWEGIAN, text.confirmation(views.norwegian()))
  end)

  it("says how it ended", function()
    assert.equal(CLOSED, text.confirmation(views.closed()))
    local view = views.closed()
    view.closed = nil
    assert.equal(CLOSED:gsub("Ann[^\n]*", "Declined"), text.confirmation(view))
  end)

  it("does without groups, marks and an expiry", function()
    local view = views.english { labels = views.with_text(views.english().labels, "L"), options = {
      { id = 1, name = "A" }, { id = 2, name = "B", proposed = true },
    } }
    view.labels.proposal_mark, view.expires = nil, nil
    assert.matches("L:\n      A\n    %* B\n$", text.confirmation(view))
  end)

  it("is wrapped at 78 columns, within a column of its own", function()
    local view = views.english { company = ("Fjord "):rep(20), sentence = ("漢字 "):rep(40) }
    view.options[3].name = ("Kunde "):rep(19) .. "Kunde"
    local plain = text.confirmation(view)
    assert.matches("\nCompany:           Fjord[ Fjord]+Fjord\n                   Fjord", plain)
    assert.matches("\n    %* Kunde[ Kunde]+Kunde\n      Kunde", plain)
    for line in plain:gmatch "[^\n]+" do
      local columns = count(line, "[^\128-\191]") + count(line, "[\227-\237]")
      assert.is_true(columns <= 78 and not line:find " $", line)
    end
  end)

  it("leaves a word alone that is longer than a line", function()
    local word = ("x"):rep(200)
    assert.matches("\nSet\n" .. word .. "\n", text.confirmation(views.english { sentence = "Set " .. word }))
  end)
end)
