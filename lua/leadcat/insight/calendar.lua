--- The calendar: finds the companies that have had no sale for as many days as a rule for `no_sale_for` says, and has that
-- handled as an event. Its id names the days, the company and the day of the last sale, so that it happens once, and again only
-- after another sale. README.md beside this file has more.

local contract = require "leadcat.host.contract"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local implied = require "leadcat.insight.implied"
local json = require "leadcat.util.json"
local no_sale = require "leadcat.rules.no_sale"
local options_of = require "leadcat.util.options"
local settings = require "leadcat.rules.save"
local walking = require "leadcat.insight.walking"

---@class leadcat.engine.calendar: leadcat.Engine the engine's methods that stand here
local calendar = {}

local DAY = 24 * 3600
local LONGEST_ID = 255 -- bytes
local STEP = 1000 -- companies that one call of `maintain` looks at
local AGAIN = 3600 -- seconds until `maintain` looks again whether a tenant has such rules
local CURSOR = "leadcat.calendar" -- how far the day's walk is
local SALES = { sale_registered = true, sale_won = true, sale_lost = true, sale_reopened = true }

---@class (exact) leadcat.CalendarOptions
---@field source? "host"|"journal"|leadcat.Event[]|leadcat.DriftSource what tells of sales, as for `drift`
---@field cursor? string where to go on, from the page before
---@field limit? integer companies to look at: 1 to 10,000, default 1,000
---@field preview? boolean write nothing, and say what would be done
---@field unknown? boolean list also the companies of which no sale is known
---@field on_progress? fun(companies: integer) called after each 500 companies, with how many were looked at

---@class leadcat.NoSale a company that has had no sale for so many days
---@field company string|integer
---@field days? integer those of the rule; absent: no sale of it is known
---@field last_sale? number when that was, in seconds since 1970
---@field status string of the outcome; `unknown`: no sale is known
---@field from? integer
---@field to? integer
---@field rule? string its key
---@field entry? integer
---@field error? string of what was `not_taken`: it is tried again the next day

---@class leadcat.CalendarPage
---@field source string "host", "journal" or "file"
---@field looked_at integer companies
---@field counts {elsewhere: integer, unknown: integer, recent: integer, silent: integer} where no such rule starts; no sale known; not yet; long enough for at least one rule
---@field outcomes table<string, integer> how many events came to which status; `before`: they had been handled
---@field items leadcat.NoSale[]
---@field cursor? string nil: all companies were looked at

local OPTIONS = {
  source = walking.SOURCE, cursor = options_of.of_type "string", limit = options_of.whole(1, walking.MOST),
  preview = options_of.of_type "boolean", unknown = options_of.of_type "boolean",
  on_progress = options_of.of_type "function",
}

-- The rules -------------------------------------------------------------------------------------------------------------

local ANYWHERE = { groups = { "potential_customer" } }

-- Where the enabled rules start (groups and ids of categories, as a set), and the days that have a rule on trial: what that
-- notes is not known before the event is handled.
local function read_rules(cfg)
  local starts, on_trial = {}, {}
  for _, rule in ipairs(cfg.rules) do
    local days = rule.enabled and no_sale.days(rule)
    local from = days and (rule.from or ANYWHERE) or {}
    for _, list in ipairs { from.groups or {}, from.categories or {} } do
      for _, start in ipairs(list) do
        starts[start] = true
      end
    end
    if days and rule.shadow then
      on_trial[days] = true
    end
  end
  return starts, on_trial
end

local function groups_of(cfg)
  local groups = {}
  for _, category in ipairs(cfg.categories) do
    groups[category.id] = category.group
  end
  return groups
end

local function new_walk(self, cfg, source, options)
  local starts, on_trial = read_rules(cfg)
  return {
    engine = self, now = self:_now(), days = no_sale.all_days(cfg), starts = starts, on_trial = on_trial,
    groups = groups_of(cfg), previews = options.preview, lists_unknown = options.unknown,
    page = {
      source = source.name, looked_at = 0, items = json.array {}, outcomes = {},
      counts = { elsewhere = 0, unknown = 0, recent = 0, silent = 0 },
    },
  }
end

-- A company's last sale -------------------------------------------------------------------------------------------------

-- The newest event of a sale that has a time, and how many sales are open, where the host tells that.
local function last_sale(events)
  local last, open
  for _, event in ipairs(events) do
    if SALES[event.trigger] and event.at and (not last or event.at >= last.at) then
      last = event
    end
    local status = event.trigger == "sale_registered" and type(event.sale) == "table" and event.sale.status
    open = status and (open or 0) + (status == "open" and 1 or 0) or open
  end
  return last, open
end

local function id_of(days, company, at)
  local key, last = event_of.key(company), os.date("!%Y-%m-%d", math.floor(math.max(at, 0))) -- an event may be of any year
  local form = no_sale.TRIGGER .. "/%d/%s/%s"
  local id = form:format(days, key, last)
  return #id <= LONGEST_ID and id or form:format(days, core.hex(core.sha256(key)), last)
end

local function event_about(silent, days, now)
  return {
    id = id_of(days, silent.company, silent.last.at), trigger = no_sale.TRIGGER, company = silent.company, at = now,
    sale = silent.last.sale, facts = { [no_sale.FIELD] = days, ["company.open_sales"] = silent.open },
  }
end

-- Looking ---------------------------------------------------------------------------------------------------------------

local function count(counts, name)
  counts[name] = (counts[name] or 0) + 1
end

local function add(walk, silent, days, outcome)
  count(walk.page.outcomes, outcome.status)
  walk.page.items[#walk.page.items + 1] = {
    company = silent.company, days = days, last_sale = silent.last.at, status = outcome.status, from = outcome.from,
    to = outcome.to, rule = outcome.rule, entry = outcome.entry, error = outcome.error,
  }
end

-- Counts a company; gives it, with its last sale, when it is silent where a rule starts.
local function if_silent(walk, row, category)
  local counts, starts = walk.page.counts, walk.starts[category] or walk.starts[walk.groups[category]]
  local last, open = last_sale(starts and row.events or {})
  if not starts then
    count(counts, "elsewhere")
  elseif not last then
    count(counts, "unknown")
    walk.page.items[#walk.page.items + 1] = walk.lists_unknown and { company = row.company, status = "unknown" } or nil
  elseif walk.now - last.at < walk.days[1] * DAY then
    count(counts, "recent")
  else
    count(counts, "silent")
    return { company = row.company, category = category, last = last, open = open }
  end
end

local function find_silent(walk, rows, categories)
  local found = {}
  for place, row in ipairs(rows) do
    local category = categories[place]
    found[#found + 1] = category ~= nil and if_silent(walk, row, category) or nil
  end
  return found
end

-- Whether the event has been handled before, and has come to something.
local function was_handled(engine, event)
  local entry, message, code = engine._store:seen(engine._tenant, event.id)
  if not entry and code ~= "not_found" then
    return nil, message, code
  end
  return entry ~= nil and entry.entry ~= nil
end

-- Those of the companies for which so many days without a sale would do something that has not been done, and the events.
-- What comes to nothing is not handled: then it may come to something the next day.
local function find_due(walk, silent, days)
  local about, events, categories = {}, {}, {}
  for _, one in ipairs(silent) do
    if walk.now - one.last.at >= days * DAY then
      about[#about + 1], events[#events + 1] = one, event_about(one, days, walk.now)
      categories[#categories + 1] = one.category
    end
  end
  local outcomes, due = implied.tried(walk.engine, events, categories), { about = {}, events = {}, tried = {} }
  for place, outcome in ipairs(outcomes) do
    local comes_to = outcome.status ~= "unchanged" or outcome.scheduled or walk.on_trial[days]
    local before, message, code = false, nil, nil
    if comes_to then
      before, message, code = was_handled(walk.engine, events[place])
    end
    if code then
      return nil, message, code
    elseif before then
      count(walk.page.outcomes, "before")
    elseif comes_to then
      local number = #due.events + 1
      due.about[number], due.events[number], due.tried[number] = about[place], events[place], outcome
    end
  end
  return due
end

-- What a whole call could not do may be one company's fault: it does not keep the others from having their turn.
local NOT_TAKEN = { unavailable = true, invalid = true }

local function handle(walk, due)
  local outcomes, message, code = walk.engine:handle_many(due.events)
  if outcomes or not NOT_TAKEN[code] then
    return outcomes, message, code
  end
  outcomes = {}
  for place = 1, #due.events do
    outcomes[place] = { status = "not_taken", code = code, error = message }
  end
  return outcomes
end

-- The categories of the companies, in the same places: false for none, nil where the host could not tell, which does not keep
-- the others from having their turn. Where it cannot tell any, it is away.
local function categories_of(walk, rows)
  local companies, categories, failed, message, code = {}, {}, 0, nil, nil
  for place, row in ipairs(rows) do
    companies[place] = row.company
  end
  contract.categories(walk.engine, companies, function(place, ok, category, why)
    if ok then
      categories[place] = category or false
    else
      failed, message, code = failed + 1, category, why
      count(walk.page.outcomes, "not_taken")
      walk.page.items[#walk.page.items + 1] = { company = companies[place], status = "not_taken", error = category }
    end
  end)
  if failed > 1 and failed == #rows then
    return nil, message, code
  end
  return categories
end

local function look_at(walk, rows)
  local categories, message, code = categories_of(walk, rows)
  local silent = categories and find_silent(walk, rows, categories) or {}
  walk.page.looked_at = walk.page.looked_at + #rows
  for _, days in ipairs(categories and walk.days or {}) do
    local due, outcomes
    due, message, code = find_due(walk, silent, days)
    if due and (walk.previews or #due.events == 0) then
      outcomes = due.tried
    elseif due then
      outcomes, message, code = handle(walk, due)
    end
    if not outcomes then
      return nil, message, code
    end
    for place, outcome in ipairs(outcomes) do
      add(walk, due.about[place], days, outcome)
    end
  end
  return categories and true, message, code
end

--- Looks at some companies: those that have had no sale for as many days as a rule for `no_sale_for` says are handled as events.
--- Memory is that of a page; a `cursor` goes on behind it. The same may be done again: what has been handled is not handled twice.
---@param options? leadcat.CalendarOptions
---@return leadcat.CalendarPage? page, string? message, string? code `invalid`: an event, a cursor; `unavailable`: the host could not tell; or as `handle`
function calendar:calendar(options)
  self:_check_open()
  options = options_of.check(options, OPTIONS)
  local source, message, code = walking.source(self, options.source)
  local cfg, after
  if source then
    after, message, code = walking.place(source, options.cursor)
  end
  if source and not code then
    cfg, message, code = settings.known(self)
  end
  if not cfg then
    return nil, message, code
  end
  local walk = new_walk(self, cfg, source, options)
  if walk.days[1] then
    local ok, cursor, failure = walking.walk(self, source, options, after, function(rows)
      return look_at(walk, rows)
    end)
    if not ok then
      return nil, cursor, failure
    end
    walk.page.cursor = cursor
  end
  return walk.page
end

-- Once a day ------------------------------------------------------------------------------------------------------------

-- Where the walk is: the day it began, and its place; no place: it is done.
local function read_place(engine)
  local text, message, code = engine:cursor(CURSOR)
  if not text then
    return code == "not_found" and {} or nil, message, code
  end
  local day, place = text:match "^(%d+) ?(.*)$"
  return { day = tonumber(day), cursor = place ~= "" and place or nil }
end

local function write_place(engine, day, cursor)
  return engine:handle_many({}, { cursor = { name = CURSOR, text = cursor and day .. " " .. cursor or day } })
end

local function took(page)
  local events = 0
  for status, number in pairs(page.outcomes) do
    events = events + (status ~= "before" and status ~= "not_taken" and number or 0)
  end
  return events
end

-- The next companies of the day's walk; nothing when it is done.
local function walk_on(engine, today)
  local at, message, code = read_place(engine)
  local page
  if not at then
    return nil, message, code
  elseif at.day and not at.cursor and (at.day == today or at.day == today + 1) then -- clocks differ; years ahead, one was wrong
    return { calendar = 0, no_sale = 0 }
  end
  local day = at.cursor and at.day or today
  repeat -- a page of the journal may have no companies
    page, message, code = engine:calendar { cursor = page and page.cursor or at.cursor, limit = STEP }
  until not page or page.looked_at > 0 or not page.cursor
  if code == "invalid" and at.cursor then -- sales come from another source now
    page, message, code = engine:calendar { limit = STEP }
  end
  local written
  if page then
    written, message, code = write_place(engine, ("%d"):format(day), page.cursor)
  end
  return written and { calendar = page.looked_at, no_sale = took(page) } or nil, message, code
end

--- What `maintain` does of the calendar of this tenant: each day, by UTC, all companies are looked at once, 1,000 a call.
---@param engine leadcat.Engine
---@return {calendar: integer, no_sale: integer}? counts companies that were looked at, and events; 0 companies: there is no more to do
---@return string? message, string? code
function calendar.step(engine)
  local looked, now, none = engine._shared.calendars, engine:_now(), { calendar = 0, no_sale = 0 }
  local last = looked[engine._tenant]
  if last and now >= last and now - last < AGAIN then -- else the clock has been put back
    return none
  end
  local cfg, message, code = settings.known(engine)
  local counts = cfg and none
  if cfg and no_sale.all_days(cfg)[1] then
    counts, message, code = walk_on(engine, math.floor(now / DAY))
  end
  looked[engine._tenant] = counts and counts.calendar == 0 and now or nil
  return counts, message, code
end

return calendar
