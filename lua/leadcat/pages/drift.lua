--- The page of companies that stand elsewhere than their sales imply, and the one that says what setting them right would do.

local drift = require "leadcat.insight.drift"
local event_of = require "leadcat.events.event"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local url = require "leadcat.util.url"
local wording = require "leadcat.words.wording"

local pages = {}

---@class leadcat.DriftModel: leadcat.Words
---@field found leadcat.DriftPageOf
---@field kind? leadcat.DriftKind that is listed; nil: what has drifted
---@field cursor? string where this page began
---@field cfg leadcat.Config
---@field names table<string|integer, string> company names by id
---@field may_set boolean
---@field is_empty? boolean nothing was chosen
---@field base? string path that leadcat is served at; default "/leadcat"

---@class leadcat.SetRightModel: leadcat.Words
---@field items leadcat.Drifted[] that would be set right
---@field counts {update: integer, confirm: integer, stay: integer} what would come of them
---@field cfg leadcat.Config
---@field names table<string|integer, string>
---@field base? string

local HEADING = "leadcat-drift"

local text = wording.sentence

local function number(value)
  return wording.number(value)
end

--- The address of a page of companies, of one kind if it is given.
---@param model {base?: string}
---@param path string
---@param kind? leadcat.DriftKind
---@param cursor? string
---@return string
function pages.address(model, path, kind, cursor)
  local words = {}
  words[#words + 1] = kind and "kind=" .. kind or nil
  words[#words + 1] = cursor and "cursor=" .. url.escape(cursor) or nil
  return page.address(model, path) .. (words[1] and "?" .. table.concat(words, "&") or "")
end

local function called(model, company)
  return wording.line(model.names[company]) or wording.line(company) or "?"
end

local function category(model, id)
  return id and parts.category(wording.category(model.cfg, id, model.language)) or ""
end

-- What is sent for a company: its id, and whether that is a number.
local function value_of(company)
  return (type(company) == "number" and "i" or "s") .. event_of.key(company)
end

-- How many there are of each kind; each is a link to those.
local function counts(model)
  return h.ul { class = "leadcat-links", parts.map(drift.counted(model.found.counts), function(row)
    return h.li { h.a { href = pages.address(model, "/drift", row.kind, model.cursor),
      aria_current = row.kind == model.kind and "true" or nil,
      text(model, "drift.kind." .. row.kind), ": ", number(row.count) } }
  end) }
end

local COLUMNS = { "confirmation.company", "drift.now", "drift.should_be", "drift.why" }

-- A row; `first` stands before the company's name.
local function row(model, item, first)
  local function cell(column, content)
    return parts.cell(text(model, COLUMNS[column]), content)
  end
  return h.tr {
    cell(1, { class = "leadcat-name", first, h.bdi { called(model, item.company) } }),
    cell(2, { category(model, item.category) }), cell(3, { category(model, item.implied) }), cell(4, { item.sentence }),
  }
end

local function row_of(model, item, i)
  local box = model.may_set and item.can_be_set and h.input {
    type = "checkbox", name = "company." .. i, value = value_of(item.company),
    aria_label = text(model, "drift.choose", { company = called(model, item.company) }),
  }
  return row(model, item, box and { box, " " })
end

local function listed(model, items, made)
  return parts.table(HEADING, parts.map(COLUMNS, function(key) return text(model, key) end),
    parts.map(items, function(item, i) return made(model, item, i) end), "leadcat-stacked")
end

local function form(model)
  local items, any = model.found.items, false
  for _, item in ipairs(items) do
    any = any or item.can_be_set
  end
  if not items[1] then
    return h.p { class = "leadcat-empty", text(model, "drift.none") }
  elseif not (any and model.may_set) then
    return listed(model, items, row_of)
  end
  return h.form { method = "post", action = page.address(model, "/drift"),
    h.input { type = "hidden", name = "cursor", value = model.cursor or "" },
    listed(model, items, row_of),
    h.p { class = "leadcat-actions",
      h.button { type = "submit", class = "leadcat-primary", data_leadcat_busy = text(model, "working"),
        text(model, "drift.set_right") },
    },
  }
end

local function links(model)
  local found = model.found
  return h.ul { class = "leadcat-links",
    found.cursor and h.li {
      h.a { href = pages.address(model, "/drift", model.kind, found.cursor), text(model, "drift.go_on") },
    },
    model.cursor and h.li { h.a { href = pages.address(model, "/drift", model.kind), text(model, "drift.first") } },
    h.li { h.a { href = pages.address(model, "/drift.csv", model.kind, model.cursor), text(model, "history.csv") } },
    h.li { h.a { href = page.address(model, "/history"), text(model, "history.title") } },
  }
end

--- Some companies: how many are of which kind, and those of one kind, or that have drifted.
---@param model leadcat.DriftModel
---@return string
function pages.html(model)
  local title = text(model, "drift.title")
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation, wide = true,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { id = HEADING, title },
      model.is_empty and parts.alert(text(model, "drift.nothing_chosen")) or nil,
      h.p { text(model, "drift.intro") },
      h.p { class = "leadcat-muted",
        text(model, model.found.source == "host" and "drift.of_host" or "drift.of_journal"), " ",
        text(model, "drift.looked_at", { count = number(model.found.looked_at) }),
      },
      counts(model),
      form(model),
      links(model),
    },
  }
end

local function chosen_row(model, item, i)
  return row(model, item, h.input { type = "hidden", name = "company." .. i, value = value_of(item.company) })
end

--- What setting these right would do, and the button that does it.
---@param model leadcat.SetRightModel
---@return string
function pages.preview(model)
  local title, sums = text(model, "drift.set_right_title"), model.counts
  local function told(key, count)
    return count > 0 and h.li { text(model, key, { count = number(count) }) }
  end
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation, wide = true,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { id = HEADING, title },
      h.ul { told("drift.will_update", sums.update), told("drift.will_ask", sums.confirm),
        told("drift.will_stay", sums.stay) },
      h.p { class = "leadcat-muted", text(model, "drift.set_right_hint") },
      h.form { method = "post", action = page.address(model, "/drift"),
        h.input { type = "hidden", name = "sure", value = "1" },
        listed(model, model.items, chosen_row),
        h.p { class = "leadcat-actions",
          h.button { type = "submit", class = "leadcat-primary", data_leadcat_busy = text(model, "working"),
            text(model, "drift.do", { count = number(#model.items) }) }, " ",
          h.a { href = page.address(model, "/drift"), text(model, "settings.cancel") },
        },
      },
    },
  }
end

return pages
