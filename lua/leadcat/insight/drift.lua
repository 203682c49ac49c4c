--- Which companies stand elsewhere than their sales and contacts imply under the rules, and why. README.md beside this file
-- says what counts as that.

local contract = require "leadcat.host.contract"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local looking = require "leadcat.insight.looking"
local options_of = require "leadcat.util.options"
local simulate = require "leadcat.past.simulate"
local walking = require "leadcat.insight.walking"

---@class leadcat.engine.drift: leadcat.Engine the engine's methods that stand here
local drift = {}

--- What may have become of a company, in the order in which it is told. The first two are drift.
---@alias leadcat.DriftKind "missed"|"unmade"|"open"|"kept"|"by_hand"|"older_rules"|"overtaken"|"untouched"|"waits"|"unreadable"|"unknown_category"|"no_sales"|"in_step"
drift.KINDS = {
  "missed", "unmade", "open", "kept", "by_hand", "older_rules", "overtaken", "untouched", "waits", "unreadable",
  "unknown_category", "no_sales", "in_step",
}
--- Those that are listed, and set right, unless others are named.
drift.DRIFTED = { "missed", "unmade" }

---@class (exact) leadcat.DriftOptions
---@field source? "host"|"journal"|leadcat.Event[]|leadcat.DriftSource what happened: as `host.sales` tells, as the journal has it, or these events. Default: `host` where there is `host.sales`, else `journal`
---@field companies? (string|integer)[] only these, up to 1,000
---@field since? number only companies of which something has changed since then: seconds since 1970
---@field cursor? string where to go on, from the page before
---@field limit? integer companies to look at: 1 to 10,000, default 1,000
---@field kinds? leadcat.DriftKind[] what is listed; default missed and unmade
---@field start_category? integer|string where a company begins; default: the category of potential customers with the lowest rank
---@field language? string of the sentences
---@field on_progress? fun(companies: integer) called after each 500 companies, with how many were looked at

---@class leadcat.Drifted
---@field company string|integer
---@field kind leadcat.DriftKind
---@field category? integer where it is
---@field implied? integer where it would be
---@field because? {trigger: string, sale?: table, contact?: table, lead_status?: integer, at?: number, rule: string, asks: boolean} the newest event that would have moved it, and the rule
---@field reason? string of `untouched`: why the rules would not move it from where it is
---@field problem? string of `unreadable`
---@field entry? integer of the journal, which tells why
---@field status? string of that entry
---@field told_at? number when that was
---@field can_be_set boolean whether handling its events now would move it
---@field events? leadcat.Event[] which those are
---@field sentence string

---@class leadcat.DriftPageOf
---@field source string "host", "journal" or "file"
---@field looked_at integer companies
---@field counts table<leadcat.DriftKind, integer>
---@field items leadcat.Drifted[]
---@field cursor? string nil: all companies were looked at

local function fits_kinds(value)
  local one_of = options_of.one_of(drift.KINDS)
  for _, kind in ipairs(type(value) == "table" and value or { false }) do
    if not one_of.fits(kind) then
      return false
    end
  end
  return true
end

local function fits_companies(value)
  for _, company in ipairs(type(value) == "table" and value or { false }) do
    if not event_of.key(company) then
      return false
    end
  end
  return #value <= contract.MOST
end

local OPTIONS = {
  source = walking.SOURCE, since = options_of.of_type "number", cursor = options_of.of_type "string",
  limit = options_of.whole(1, walking.MOST), start_category = options_of.id, language = options_of.of_type "string",
  kinds = options_of.kind("a list of kinds: " .. table.concat(drift.KINDS, ", "), fits_kinds),
  companies = options_of.kind("a list of up to 1,000 ids", fits_companies),
  on_progress = options_of.of_type "function",
}

-- Before the first company ----------------------------------------------------------------------------------------------

-- Where a company begins that nothing is known of.
local function first_category(cfg)
  local first
  for _, category in ipairs(cfg.categories) do
    local may_be = category.group == "potential_customer" and not category.deleted
    if may_be and (not first or (category.rank or math.huge) < (first.rank or math.huge)) then
      first = category
    end
  end
  return first and first.id
end

local function start_of(cfg, options)
  if options.start_category == nil then
    local first = first_category(cfg)
    return first, "start_category: there is no category of the group potential_customer to begin with"
  end
  return simulate.category_id({ cfg }, options.start_category)
end

local function new_walk(self, options, source)
  local cfg, message, code = self:config()
  if not cfg then
    return nil, message, code
  end
  local start
  start, message = start_of(cfg, options)
  if not start then
    return nil, message, "invalid"
  end
  local walk = {
    engine = self, cfg = cfg, start = start, known = {}, later = {}, wanted = {},
    page = { source = source.name, looked_at = 0, counts = {}, items = json.array {} },
    language = self.strings:language(options.language or self.language),
  }
  for _, category in ipairs(cfg.categories) do
    walk.known[category.id] = true
  end
  for _, rule in ipairs(cfg.rules) do
    if rule.enabled and rule.after and rule.set_category then
      walk.later[rule.set_category] = true
    end
  end
  for _, kind in ipairs(options.kinds or drift.DRIFTED) do
    walk.wanted[kind] = true
  end
  return walk
end

-- Pages -----------------------------------------------------------------------------------------------------------------

-- Looks at pages of the source until the limit.
local function look_at_pages(walk, source, options, after)
  local ok, cursor, code = walking.walk(walk.engine, source, options, after, function(companies)
    return looking.at(walk, companies)
  end)
  if not ok then
    return nil, cursor, code
  end
  walk.page.cursor = cursor
  return walk.page
end

local function look_at_some(walk, source, companies)
  if not source.of then
    return nil, "companies: events of a file are looked at page by page", "invalid"
  end
  local rows, message, code = source:of(walk.engine, companies)
  local ok
  if rows then
    ok, message, code = looking.at(walk, rows)
  end
  return ok and walk.page or nil, message, code
end

--- Looks at some companies: what their sales and contacts imply under the rules, beside the category they have. Writes
-- nothing. Memory is that of a page; a `cursor` goes on behind it.
---@param options? leadcat.DriftOptions
---@return leadcat.DriftPageOf? page, string? message, string? code `invalid`: an event, a cursor, the start category; `unavailable`: the host could not tell
function drift:drift(options)
  self:_check_open()
  options = options_of.check(options, OPTIONS)
  local source, message, code = walking.source(self, options.source)
  local walk, after
  if source then
    walk, message, code = new_walk(self, options, source)
  end
  if not walk then
    return nil, message, code
  end
  after, message, code = walking.place(source, options.cursor)
  if code then
    return nil, message, code
  elseif options.companies then
    return look_at_some(walk, source, options.companies)
  end
  return look_at_pages(walk, source, options, after)
end

--- The kinds of a page's counts, in their order, those that there are.
---@param counts table<leadcat.DriftKind, integer>
---@return {kind: leadcat.DriftKind, count: integer}[]
function drift.counted(counts)
  local rows = {}
  for _, kind in ipairs(drift.KINDS) do
    rows[#rows + 1] = counts[kind] and { kind = kind, count = counts[kind] } or nil
  end
  return rows
end

return drift
