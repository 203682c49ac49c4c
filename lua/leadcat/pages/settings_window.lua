--- Which rows of a long list the settings page has: a page of those that a search finds, and those that are not as they
-- are saved, for the form's only memory is its fields. Rows that are not sent stay as they are saved.
--
-- Fields and buttons of the list KIND (category, lead_status, status_rule):
--
--   search.KIND                a part of a name
--   page.KIND                  the page, a blank, and what it was searched by
--   search_KIND, page_KIND.N   buttons: the first page of what is found, another page

local core = require "leadcat.core"
local fields = require "leadcat.pages.settings_fields"
local h = require "leadcat.pages.html"
local parts = require "leadcat.pages.parts"
local wording = require "leadcat.words.wording"

local window = {}

local KINDS = { "category", "lead_status", "status_rule" }
local LONGEST = 255 -- bytes of a search

---@class leadcat.SettingsWindow
---@field is_paged boolean
---@field shown table<table, true> by item
---@field search string
---@field page integer
---@field pages integer
---@field first integer of those that are found, on the page
---@field last integer
---@field found integer
---@field most integer
---@field revealed integer

--- What a submitted form says of its lists.
---@param sent table<string, string> from a client
---@param verb string of the button
---@param key? integer of the button
---@return table<string, {search: string, page: integer}>
function window.read(sent, verb, key)
  local read = {}
  for _, kind in ipairs(KINDS) do
    local search, page = sent["search." .. kind], sent["page." .. kind]
    search = type(search) == "string" and #search <= LONGEST and search or ""
    local number, searched = (type(page) == "string" and page or ""):match "^(%d%d?%d?%d?%d?) (.*)$"
    number = searched == search and tonumber(number) or 1
    read[kind] = { search = search, page = verb == "page_" .. kind and key or number }
  end
  return read
end

--- Where the work goes on after a button of a list.
---@param verb string
---@return string? name of the field
function window.focus(verb)
  local what, kind = verb:match "^(%l+)_([%l_]+)$"
  return (what == "page" or what == "search") and what .. "." .. kind or nil
end

local function folded(text)
  return core.fold(text) or text
end

local function find(list, search, name)
  if not search:find "%S" then
    return list
  end
  local found, word = {}, folded(search:match "^%s*(.-)%s*$")
  for i, item in ipairs(list) do
    found[#found + 1] = folded(name(item, i)):find(word, 1, true) and item or nil
  end
  return found
end

--- The rows of a list that are shown.
---@generic T
---@param form table
---@param kind string
---@param list T[]
---@param most integer rows of a page; a list that has no more is shown whole
---@param name fun(item: T, position: integer): string what is searched
---@param is_needed fun(item: T, position: integer): boolean? whether the form must have it, on whichever page
---@return leadcat.SettingsWindow
function window.of(form, kind, list, most, name, is_needed)
  local asked = form.windows[kind] or { search = "", page = 1 }
  local made = { is_paged = #list > most, shown = {}, search = asked.search, most = most, revealed = 0 }
  local found = made.is_paged and find(list, asked.search, name) or list
  made.found, made.pages = #found, math.max(1, math.ceil(#found / most))
  made.page = math.max(1, math.min(asked.page, made.pages))
  made.first = made.is_paged and (made.page - 1) * most + 1 or 1
  made.last = made.is_paged and math.min(#found, made.first + most - 1) or #found
  for i = made.first, made.last do
    made.shown[found[i]] = true
  end
  for i, item in ipairs(made.is_paged and list or {}) do
    made.shown[item] = made.shown[item] or is_needed(item, i) or nil
  end
  return made
end

--- Shows one more row, as it has a problem; not very many of them.
---@param made leadcat.SettingsWindow
---@param item table
---@param is_error boolean
---@return boolean whether it is shown
function window.reveal(made, item, is_error)
  if not made.shown[item] and is_error and made.revealed < made.most then
    made.shown[item], made.revealed = true, made.revealed + 1
  end
  return made.shown[item] ~= nil
end

--- Whether the work goes on in a row.
---@param form table
---@param kind string
---@param key integer
---@return boolean
function window.has_focus(form, kind, key)
  return ((form.focus or "") .. "."):find(("%s.%d."):format(kind, key), 1, true) ~= nil
end

--- The search of a list that has pages.
---@param form table
---@param kind string
---@param made leadcat.SettingsWindow
---@return leadcat.html.Node
function window.search(form, kind, made)
  local name = "search." .. kind
  return h.div { class = "leadcat-find",
    fields.field(form, name, fields.text(form, "search"), h.input(fields.attributes(form, name, {
      type = "search", value = made.search, maxlength = LONGEST, autocomplete = "off", dir = "auto",
    }))),
    fields.button(form, "search_" .. kind, fields.text(form, "search_button")),
  }
end

local function turn(form, kind, made, page, key)
  return page >= 1 and page <= made.pages
    and fields.button(form, ("page_%s.%d"):format(kind, page), fields.text(form, key), nil, "leadcat-quiet")
end

--- Which part of it is shown, and the way to the others.
---@param form table
---@param kind string
---@param made leadcat.SettingsWindow
---@return leadcat.html.Node
function window.pages(form, kind, made)
  local name = "page." .. kind
  local said = made.found == 0 and fields.text(form, "rows_none") or fields.text(form, "rows_shown", {
    first = wording.number(made.first), last = wording.number(made.last), count = wording.number(made.found),
  })
  return h.div { class = "leadcat-pages",
    fields.hidden(name, ("%d %s"):format(made.page, made.search)),
    h.p { turn(form, kind, made, made.page - 1, "page_previous"), " ",
      h.span { id = fields.id_of(name), tabindex = -1, autofocus = form.focus == name or nil, said }, " ",
      turn(form, kind, made, made.page + 1, "page_next") },
    fields.muted(fields.text(form, "rows_kept")),
  }
end

--- The shown items of a list, as `make` makes them.
---@generic T
---@param made leadcat.SettingsWindow
---@param list T[]
---@param make fun(item: T, position: integer): leadcat.html.Child?
---@return leadcat.html.Child[]
function window.map(made, list, make)
  return parts.map(list, function(item, i)
    return made.shown[item] and make(item, i) or nil
  end)
end

return window
