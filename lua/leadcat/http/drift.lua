--- The routes of companies that stand elsewhere than their sales imply. A request looks at some of them, and a link goes on behind
-- these: however many there are, it takes a bounded time. Handlers are called as `http.lua` says.

local config = require "leadcat.rules.config"
local csv = require "leadcat.util.csv"
local drift_page = require "leadcat.pages.drift"
local drift = require "leadcat.insight.drift"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local told = require "leadcat.words.drift"
local url = require "leadcat.util.url"

local fail, must = response.fail, response.must

local routes = {}

local PAGE, FILE = 500, 5000 -- companies that a page, and a file, look at
local BYTE_ORDER_MARK = "\239\187\191"

local KINDS = options_of.one_of(drift.KINDS)

-- The kind and the place that an address chooses.
local function chosen(context)
  local sent = request_of.fields(context.request.query)
  local kind, cursor = sent.kind, sent.cursor
  if kind ~= nil and kind ~= "" and not KINDS.fits(kind) then
    fail("not_found")
  end
  return kind ~= "" and kind or nil, cursor ~= "" and cursor or nil, sent
end

local function look(context, kind, cursor, limit)
  return must(context.engine:drift {
    cursor = cursor, limit = limit, kinds = kind and { kind } or nil, language = context.language,
  })
end

local function names_of(context, items)
  local names = {}
  for _, item in ipairs(items) do
    names[item.company] = context.engine:company_name(item.company) or nil
  end
  return names
end

--- Some companies.
function routes.page(context)
  local kind, cursor, sent = chosen(context)
  local found = look(context, kind, cursor, PAGE)
  return response.page(context, 200, drift_page.html, {
    found = found, kind = kind, cursor = cursor, cfg = must(context.engine:config()),
    names = names_of(context, found.items), may_set = not context.engine.readonly, is_empty = sent.chosen == "0",
  })
end

--- The same as a file, of more companies.
function routes.csv(context)
  local kind, cursor = chosen(context)
  local found, cfg = look(context, kind, cursor, FILE), must(context.engine:config())
  local lines = { BYTE_ORDER_MARK .. csv.record(told.HEADS) }
  for _, item in ipairs(found.items) do
    lines[#lines + 1] = csv.record(told.cells(item, function(id)
      local category = config.find(cfg.categories, id)
      return category and config.name(category, context.language) or ("%d"):format(id)
    end))
  end
  local headers = { ["Content-Disposition"] = 'attachment; filename="drift.csv"' }
  if found.cursor then
    headers.Link = ('<%s?%scursor=%s>; rel="next"'):format(context.request.path, kind and "kind=" .. kind .. "&" or "",
      url.escape(found.cursor))
  end
  return response.new(200, table.concat(lines), "text/csv; charset=utf-8; header=present", headers)
end

-- The companies that a form has chosen.
local function companies_of(sent)
  local companies = {}
  for name, value in pairs(sent) do
    local kind, id = value:match "^([is])(.+)$"
    if name:find "^company%.%d+$" and id and #id <= 255 then
      companies[#companies + 1] = kind == "i" and id:find "^%-?%d+$" and #id < 16 and json.integer(tonumber(id)) or id
    end
  end
  return companies
end

-- Those of them that can be set right now.
local function items_of(context, companies)
  local found, items = must(context.engine:drift {
    companies = companies, kinds = drift.KINDS, language = context.language,
  }), {}
  for _, item in ipairs(found.items) do
    items[#items + 1] = item.can_be_set and item or nil
  end
  table.sort(items, function(a, b) return tostring(a.company) < tostring(b.company) end)
  return items
end

-- How many of them would be updated, asked about, and left.
local function counts_of(report, items)
  local counts = { update = 0, confirm = 0, stay = 0 }
  for _, change in ipairs(report.changes) do
    counts[change.outcome] = (counts[change.outcome] or 0) + change.events
  end
  counts.update = report.companies
  counts.stay = math.max(#items - counts.update - counts.confirm, 0)
  return counts
end

--- Says what setting the chosen ones right would do, or does it.
function routes.set_right(context)
  local sent = must(request_of.form(context.request))
  local companies = companies_of(sent)
  if #companies > PAGE then
    fail("invalid", ("at most %d companies at once"):format(PAGE))
  end
  local items = companies[1] and items_of(context, companies) or {}
  if not items[1] then
    return response.redirect(context, "/drift?chosen=0"
      .. (sent.cursor and sent.cursor ~= "" and "&cursor=" .. url.escape(sent.cursor) or ""))
  end
  local is_preview = sent.sure ~= "1"
  local report = must(context.engine:set_right(items, { actor = context.actor, preview = is_preview }))
  if not is_preview then
    return response.redirect(context, "/history?run=" .. url.escape(report.run))
  end
  return response.page(context, 200, drift_page.preview, {
    items = items, counts = counts_of(report, items), cfg = must(context.engine:config()),
    names = names_of(context, items),
  })
end

return routes
