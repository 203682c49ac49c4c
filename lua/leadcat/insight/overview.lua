--- What the overview page shows: how companies were moved over time, how the rules fare, and how old open questions are.

local daily = require "leadcat.insight.daily"
local health = require "leadcat.insight.health"

local overview = {}

local MOVES = { automatic = true, chosen = true, accepted = true, changed = true, undone = true }
local DAY = 86400
local MOST_BARS = 31 -- beyond that a bar is a week
local MOST_QUESTIONS = 1000

--- Ages of open questions, in days: each is of those that are younger, and not of the ones before.
overview.AGES = { 1, 3, 7, math.huge }

---@class leadcat.OverviewBar
---@field day integer its first day, since 1970
---@field counts table<integer, integer> companies moved into a category, by its id

---@class leadcat.Overview
---@field days integer that were asked for
---@field step integer days of a bar: 1 or 7
---@field bars leadcat.OverviewBar[] oldest first, also those with nothing
---@field categories integer[] those into which companies were moved, the most first
---@field totals table<integer, integer> companies moved into a category, in all
---@field health leadcat.Health
---@field ages integer[] how many open questions there are of each of `AGES`
---@field more? true there are more of them, older ones

-- Bars for all days from the first to the last, with which the last bar ends: the first bar may have fewer days.
local function new_bars(first, last, step)
  local bars = {}
  for day = last - math.ceil((last - first + 1) / step) * step + 1, last, step do
    bars[#bars + 1] = { day = math.max(day, first), counts = {} }
  end
  return bars
end

local function add(counts, category, count)
  counts[category] = (counts[category] or 0) + count
end

-- The ids of what was counted, the most first.
local function by_count(totals)
  local ids = {}
  for id in pairs(totals) do
    ids[#ids + 1] = id
  end
  table.sort(ids, function(a, b) return totals[a] > totals[b] or totals[a] == totals[b] and a < b end)
  return ids
end

local function ages_of(engine)
  local questions, message, code = engine:confirmations { state = "open", limit = MOST_QUESTIONS }
  if not questions then
    return nil, message, code
  end
  local ages, now = {}, engine:_now()
  for i = 1, #overview.AGES do
    ages[i] = 0
  end
  for _, question in ipairs(questions) do
    local i, age = 1, (now - question.created_at) / DAY
    while age >= overview.AGES[i] do
      i = i + 1
    end
    ages[i] = ages[i] + 1
  end
  return ages, #questions == MOST_QUESTIONS or nil
end

--- All that the page shows of the last days.
---@param engine leadcat.Engine
---@param days integer
---@param language string of names
---@return leadcat.Overview? found, string? message, string? code
function overview.read(engine, days, language)
  local fares, message, code = health.health(engine, { days = days, language = language })
  if not fares then
    return nil, message, code
  end
  local today, step = daily.day_of(engine:_now()), days > MOST_BARS and 7 or 1
  local first = today - days + 1
  local counters
  counters, message, code = daily.read(engine, math.max(1, first))
  if not counters then
    return nil, message --[[@as string]], code
  end
  local bars, totals = new_bars(first, today, step), {}
  for _, counter in ipairs(counters) do
    local bar = MOVES[counter.kind] and bars[#bars - math.floor((today - counter.day) / step)]
    if bar then
      add(bar.counts, counter.to, counter.count)
      add(totals, counter.to, counter.count)
    end
  end
  local ages, more
  ages, more, code = ages_of(engine)
  if not ages then
    return nil, more --[[@as string]], code
  end
  return {
    days = days, step = step, bars = bars, totals = totals, categories = by_count(totals), health = fares, ages = ages,
    more = more,
  }
end

return overview
