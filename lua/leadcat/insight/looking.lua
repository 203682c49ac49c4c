--- Looks at some companies: where their events would lead, where they are, and why that differs.

local contract = require "leadcat.host.contract"
local event_of = require "leadcat.events.event"
local explanation = require "leadcat.insight.explanation"
local implied = require "leadcat.insight.implied"
local words = require "leadcat.words.drift"

local looking = {}

---@class leadcat.DriftWalk
---@field engine leadcat.Engine
---@field cfg leadcat.Config
---@field known table<integer, true> the categories that there are
---@field later table<integer, true> those that rules with `after` lead to
---@field start integer
---@field wanted table<leadcat.DriftKind, true>
---@field page leadcat.DriftPageOf
---@field language string

-- Telling ---------------------------------------------------------------------------------------------------------------

local function because_of(move)
  local event = move.event
  return {
    trigger = event.trigger, sale = event.sale, contact = event.contact, lead_status = event.lead_status, at = event.at,
    rule = move.rule, asks = move.asks,
  }
end

local function count(walk, kind)
  walk.page.counts[kind] = (walk.page.counts[kind] or 0) + 1
end

-- Counts a company, and lists it if its kind is wanted.
local function tell(walk, company, kind, fields)
  count(walk, kind)
  if not walk.wanted[kind] then
    return
  end
  local item = { company = company, kind = kind, can_be_set = false }
  for name, value in pairs(fields or {}) do
    item[name] = value
  end
  item.sentence = words.sentence({ strings = walk.engine.strings, language = walk.language }, item, walk.cfg)
  walk.page.items[#walk.page.items + 1] = item
end

-- Companies that stand elsewhere ----------------------------------------------------------------------------------------

-- An event as it is to be handled now: its id may have been seen.
local function as_new(event)
  local copy = event_of.plain(event)
  copy.id, copy.choice, copy.category = nil, nil, nil
  return copy
end

-- The events as they would be handled now, and whether they lead from where the company is to where it should be.
local function try(walk, cases, events_of)
  local companies = {}
  for i, case in ipairs(cases) do
    companies[i] = { start = case.current, events = events_of(case.state.moves) }
  end
  local states, message, code = implied.states(walk.engine, companies, false)
  for i, case in ipairs(states and cases or {}) do
    if states[i].category == case.state.category then
      case.events = companies[i].events
    end
  end
  return states and true, message, code
end

local function newest_of(moves)
  return { as_new(moves[#moves].event) }
end

local function all_of(moves)
  local events = {}
  for i, move in ipairs(moves) do
    events[i] = as_new(move.event)
  end
  return events
end

local function left_of(cases)
  local left = {}
  for _, case in ipairs(cases) do
    left[#left + 1] = not case.events and #case.state.moves > 1 and case or nil
  end
  return left
end

-- Finds what would have to be handled: the newest event that moves a company, else all that do.
local function find_events(walk, cases)
  local ok, message, code = try(walk, cases, newest_of)
  local left = left_of(cases)
  if ok and #left > 0 then
    ok, message, code = try(walk, left, all_of)
  end
  return ok, message, code
end

-- Why the rules would not move the company from where it is.
local function reason_of(walk, case)
  local event = newest_of(case.state.moves)[1]
  local outcomes, message, code = implied.outcomes(walk.engine, { event }, { case.current })
  return outcomes and outcomes[1].reason, message, code
end

local DRIFTS = { missed = true, unmade = true, by_hand = true }

local function tell_case(walk, case)
  local moves = case.state.moves
  local newest = moves[#moves].event
  local explained, message, code = explanation.of(walk.engine, case.company, case.current, newest, case.moved)
  if not explained then
    return nil, message, code
  end
  local kind, reason = explained.kind, nil
  if DRIFTS[kind] and case.state.waits and walk.later[case.current] then
    kind = "waits"
  elseif not case.events and (DRIFTS[kind] or not explained.entry) then
    kind = "untouched"
    reason, message, code = reason_of(walk, case)
  end
  if code then
    return nil, message, code
  end
  tell(walk, case.company, kind, {
    category = case.current, implied = case.state.category, because = because_of(moves[#moves]), reason = reason,
    entry = explained.entry, status = explained.status, told_at = explained.at, can_be_set = case.events ~= nil,
    events = case.events,
  })
  return true
end

-- A part of a page ------------------------------------------------------------------------------------------------------

-- The categories of the companies, in the same places; false for none.
local function categories_of(walk, rows)
  local companies, categories, message, code = {}, {}, nil, nil
  for place, row in ipairs(rows) do
    companies[place] = row.company
  end
  contract.categories(walk.engine, companies, function(place, ok, category, why)
    categories[place] = ok and category or false
    if not ok then
      message, code = category, why
    end
  end)
  return not code and categories or nil, message, code
end

-- Tells of a company of which there is nothing to replay; else returns true.
local function is_to_replay(walk, row, category)
  if row.problem then
    tell(walk, row.company, "unreadable", { category = category or nil, problem = row.problem })
  elseif not category or not walk.known[category] then
    tell(walk, row.company, "unknown_category", { category = category or nil })
  elseif #row.events == 0 then
    tell(walk, row.company, "no_sales", { category = category })
  else
    return true
  end
end

-- Tells of a company whose state is known; returns the case of one that stands elsewhere.
local function case_of(walk, row, category, state)
  if #state.moves > 0 and state.category ~= category then
    return { company = row.company, current = category, state = state, moved = row.moved }
  end
  local waits = state.waits and #state.moves == 0
  tell(walk, row.company, waits and "waits" or "in_step", { category = category, implied = category })
end

-- The companies that stand elsewhere than their events lead; tells of all others.
local function find_cases(walk, rows, categories)
  local replayed, of, cases = {}, {}, {}
  for place, row in ipairs(rows) do
    if is_to_replay(walk, row, categories[place]) then
      replayed[#replayed + 1], of[#of + 1] = { start = walk.start, events = row.events }, place
    end
  end
  local states, message, code = implied.states(walk.engine, replayed, true)
  for i, place in ipairs(states and of or {}) do
    cases[#cases + 1] = case_of(walk, rows[place], categories[place], states[i])
  end
  return states and cases, message, code
end

--- Counts some companies, and lists those of the kinds that are wanted.
---@param walk leadcat.DriftWalk
---@param rows leadcat.DriftCompany[]
---@return true? done, string? message, string? code
function looking.at(walk, rows)
  local categories, message, code = categories_of(walk, rows)
  local cases, ok
  if categories then
    cases, message, code = find_cases(walk, rows, categories)
  end
  if cases then
    ok, message, code = find_events(walk, cases)
  end
  for _, case in ipairs(ok and cases or {}) do
    ok, message, code = tell_case(walk, case)
    if not ok then
      return nil, message, code
    end
  end
  walk.page.looked_at = walk.page.looked_at + #rows
  return ok, message, code
end

return looking
