--- Finds the condition, or the two, that tell the cases with a hit from the others: exhaustively, over the values that there are.
-- Pure. It only looks at the cases it is given: whoever calls keeps others, to see whether what was found holds there, too.
--
-- Numbers and dates are parted into up to 32 ranges with as many cases each, of other values the 32 most frequent are looked at. What two
-- conditions come to is counted in one pass over the cases of the first. How well a condition separates is the gain in likelihood; a second
-- one has to be needed: with the other given, each has to separate by itself (`are_needed`).

local chance = require "leadcat.insight.chance"
local conditions = require "leadcat.rules.conditions"
local core = require "leadcat.core"
local platform = require "leadcat.util.platform"
local thresholds = require "leadcat.insight.thresholds"

local separation = {}

local MOST_BINS = 32 -- ranges, or values, of a field
local CLOSE = 5 -- a line is about as good as the best one when its gain is smaller by at most so much: the true one nearly always is

---@class leadcat.SeparationCase
---@field event leadcat.Event what is known
---@field from integer the company's category
---@field hit boolean

---@class leadcat.Separation
---@field conditions leadcat.Condition[] one or two
---@field tried integer how many were tried

---@class leadcat.separation.Column a field of all cases
---@field field string
---@field kind "number"|"date"|"text"|"boolean"|"list"
---@field is_ordered boolean whether it has ranges
---@field is_whole boolean of numbers: all are whole
---@field raw table<integer, any> the values by case; nil: not known
---@field bin table<integer, integer|integer[]> the range or value by case; 0: not known
---@field values any[] of each value, how it is written; of each range, where it begins

-- Columns -------------------------------------------------------------------------------------------------------------

local function value_of(case, field)
  local place, name = conditions.place_of(field)
  if place then
    return (case.event[place] or {})[name]
  end
  return case.from -- the rank says the same
end

local KINDS = { number = "number", string = "text", boolean = "boolean", table = "list" }
local ISO = "^%d%d%d%d%-%d%d%-%d%d"

-- What a field is, as the first case that knows it has it; texts are dates where all look like one.
local function kind_of(written, count)
  local kind, are_dates = nil, true
  for i = 1, count do
    local value = written[i]
    kind = kind or KINDS[type(value)]
    are_dates = are_dates and (type(value) ~= "string" or value:find(ISO) ~= nil)
  end
  return kind == "text" and are_dates and "date" or kind
end

local TYPES = { number = "number", date = "string", text = "string", boolean = "boolean", list = "table" }

-- How a value is compared: nil when it is of another type, or cannot be compared.
local function compared(kind, value)
  if type(value) ~= TYPES[kind] then
    return nil
  elseif kind == "text" then
    return core.fold(value)
  elseif kind == "number" then
    return value == value and math.abs(value) < math.huge and value or nil
  end
  return value
end

-- Where ranges begin: each value, or as many cases each.
local function edges_of(sorted)
  local edges, distinct = {}, {}
  for _, value in ipairs(sorted) do
    distinct[#distinct + 1] = value ~= distinct[#distinct] and value or nil
  end
  if #distinct <= MOST_BINS then
    return distinct
  end
  for i = 0, MOST_BINS - 1 do
    local value = sorted[math.floor(i * #sorted / MOST_BINS) + 1]
    edges[#edges + 1] = value ~= edges[#edges] and value or nil
  end
  return edges
end

local function range_of(edges, value)
  local low, high = 1, #edges
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if edges[middle] <= value then
      low = middle
    else
      high = middle - 1
    end
  end
  return low
end

local function add_ranges(column, count)
  local sorted = {}
  for i = 1, count do
    sorted[#sorted + 1] = column.raw[i]
    column.is_whole = column.is_whole and (column.raw[i] or 0) % 1 == 0
  end
  table.sort(sorted)
  column.values = edges_of(sorted)
  for i = 1, count do
    column.bin[i] = column.raw[i] == nil and 0 or range_of(column.values, column.raw[i])
  end
end

-- Each value once, the elements of a list; by how they are compared, with how they are written.
local function each_value(column, value, visit)
  for _, one in ipairs(column.kind == "list" and value or { value }) do
    local key = type(one) == "string" and core.fold(one) or one
    if key ~= nil and type(one) ~= "table" then
      visit(key, one)
    end
  end
end

local function add_values(column, count, written)
  local seen, list = {}, {}
  for i = 1, count do
    if column.raw[i] ~= nil then
      each_value(column, written[i], function(key, one)
        local found = seen[key] or { value = one, count = 0, first = #list + 1 }
        list[found.first], seen[key], found.count = found, found, found.count + 1
      end)
    end
  end
  table.sort(list, function(a, b) return a.count > b.count or a.count == b.count and a.first < b.first end)
  for place, found in ipairs(list) do
    if place <= MOST_BINS then
      found.place, column.values[place] = place, found.value
    end
  end
  for i = 1, count do
    local places = {}
    if column.raw[i] ~= nil then
      each_value(column, written[i], function(key)
        local place = seen[key].place or MOST_BINS + 1
        places[#places + 1] = not places[place .. ""] and place or nil
        places[place .. ""] = true
      end)
    end
    column.bin[i] = column.raw[i] == nil and 0 or #places == 1 and places[1] or places
  end
end

-- The column of a field; nil when nothing is known of it.
local function column_of(cases, described)
  local raw, written = {}, {}
  for i, case in ipairs(cases) do
    written[i] = value_of(case, described.field)
  end
  local kind = described.type or kind_of(written, #cases)
  if not kind then
    return nil
  end
  local any = false
  for i = 1, #cases do
    raw[i] = compared(kind, written[i])
    any = any or raw[i] ~= nil
  end
  local column = { field = described.field, kind = kind, raw = raw, bin = {}, values = {}, is_whole = kind == "number" }
  column.is_ordered = (kind == "number" or kind == "date") and not described.is_code
  if column.is_ordered then
    add_ranges(column, #cases)
  else
    add_values(column, #cases, written)
  end
  return any and column or nil
end

-- Tests ---------------------------------------------------------------------------------------------------------------

-- A test is {column, is, bin?, value?}.

local function is_in(bins, bin)
  for _, one in ipairs(bins) do
    if one == bin then
      return true
    end
  end
  return false
end

local function equals(test, i)
  local bin = test.column.bin[i]
  return bin == test.bin or type(bin) == "table" and is_in(bin, test.bin)
end

local HOLDS = {
  at_least = function(test, i) return test.column.raw[i] ~= nil and test.column.raw[i] >= test.value end,
  below = function(test, i) return test.column.raw[i] ~= nil and test.column.raw[i] < test.value end,
  equals = equals,
  not_equals = function(test, i) return not equals(test, i) end,
  known = function(test, i) return test.column.raw[i] ~= nil end,
  unknown = function(test, i) return test.column.raw[i] == nil end,
}

local function holds(test, i)
  return HOLDS[test.is](test, i)
end

-- The cases (of a list of their numbers) for which a test holds, and how many of them have a hit.
local function those(cases, numbers, test)
  local found, hits = {}, 0
  for _, i in ipairs(numbers) do
    if not test or holds(test, i) then
      found[#found + 1], hits = i, hits + (cases[i].hit and 1 or 0)
    end
  end
  return found, hits
end

-- Counts some cases by a column's bins: {[bin] = cases}, {[bin] = hits}.
local function histogram(cases, numbers, column)
  local counts, hits, bins = {}, {}, column.bin
  for bin = 0, MOST_BINS + 1 do
    counts[bin], hits[bin] = 0, 0
  end
  for k = 1, #numbers do
    local i = numbers[k]
    local bin, hit = bins[i], cases[i].hit and 1 or 0
    if type(bin) == "table" then
      for _, one in ipairs(bin) do
        counts[one], hits[one] = counts[one] + 1, hits[one] + hit
      end
    else
      counts[bin], hits[bin] = counts[bin] + 1, hits[bin] + hit
    end
  end
  return counts, hits
end

-- Calls `visit(test, inside, hits)` for each test of a column, of some cases and their hits.
local function each_test(cases, numbers, all_hits, column, visit)
  local counts, hits = histogram(cases, numbers, column)
  local all = #numbers
  local known, known_hits = all - counts[0], all_hits - hits[0]
  if column.is_ordered then
    local above, above_hits = 0, 0
    for bin = #column.values, 2, -1 do
      above, above_hits = above + counts[bin], above_hits + hits[bin]
      local value = column.values[bin]
      visit({ column = column, is = "at_least", value = value }, above, above_hits)
      visit({ column = column, is = "below", value = value }, known - above, known_hits - above_hits)
    end
  else
    for bin, value in ipairs(column.values) do
      visit({ column = column, is = "equals", bin = bin, value = value }, counts[bin], hits[bin])
      if column.kind ~= "boolean" then
        visit({ column = column, is = "not_equals", bin = bin, value = value }, all - counts[bin], all_hits - hits[bin])
      end
    end
  end
  if counts[0] > 0 then
    visit({ column = column, is = "known" }, known, known_hits)
    visit({ column = column, is = "unknown" }, counts[0], hits[0])
  end
end

-- Searching -----------------------------------------------------------------------------------------------------------

-- How much likelier it is that hits are more frequent inside than that they are as frequent everywhere; nil where they are not, or where there
-- are too few cases.
local function gain(search, inside, hits, all, all_hits)
  local outside = all - inside
  if hits / inside <= (all_hits - hits) / outside or hits < search.share * inside then
    return nil
  end
  return chance.likelihood(hits, inside) + chance.likelihood(all_hits - hits, outside)
    - chance.likelihood(all_hits, all)
end

local function is_large(search, inside)
  return inside >= search.least and inside < search.all
end

local function note(search, tests, found)
  if found and (not search.best or found > search.best.gain) then
    search.best = { tests = tests, gain = found }
  end
end

local function try_one(search, column)
  each_test(search.cases, search.numbers, search.hits, column, function(test, inside, hits)
    if inside >= search.least then
      search.tests[#search.tests + 1] = test
    end
    if is_large(search, inside) then
      search.tried = search.tried + 1
      note(search, { test }, gain(search, inside, hits, search.all, search.hits))
    end
  end)
end

-- Whether both are needed: the hits among the cases of each are more frequent with the other than without it, and not by chance.
local function are_needed(search, numbers, first_hits, second, inside, hits)
  local limit = search.doubt / search.tried
  local others, other_hits = those(search.cases, search.numbers, second)
  return chance.at_least(hits, inside, first_hits, #numbers) <= limit
    and chance.at_least(hits, inside, other_hits, #others) <= limit
end

local function try_second(search, first, numbers, first_hits, column)
  each_test(search.cases, numbers, first_hits, column, function(second, inside, hits)
    if inside < search.least or inside >= #numbers then
      return
    end
    search.tried = search.tried + 1
    local found = gain(search, inside, hits, search.all, search.hits)
    if found and found > search.pair.gain and are_needed(search, numbers, first_hits, second, inside, hits) then
      search.pair = { tests = { first, second }, gain = found }
    end
  end)
end

local function try_two(search, columns)
  search.pair = { gain = search.best and search.best.gain or 0 }
  for _, first in ipairs(search.tests) do
    local numbers, first_hits = those(search.cases, search.numbers, first)
    local is_behind = false
    for _, column in ipairs(columns) do
      is_behind = is_behind or column == first.column
      if is_behind then
        try_second(search, first, numbers, first_hits, column)
      end
    end
    platform.give_way()
  end
  if search.pair.tests then
    search.best = search.pair
  end
end

-- Lines that people like ----------------------------------------------------------------------------------------------

-- The cases that know a field, in the order of its values.
local function sorted_by(column, numbers)
  local sorted, raw = {}, column.raw
  for _, i in ipairs(numbers) do
    sorted[#sorted + 1] = raw[i] ~= nil and i or nil
  end
  table.sort(sorted, function(a, b) return raw[a] < raw[b] or raw[a] == raw[b] and a < b end)
  return sorted
end

-- All lines between values that separate the given cases: gaps, as `thresholds` takes them.
local function gaps_of(search, test, numbers, hits)
  local sorted, raw = sorted_by(test.column, numbers), test.column.raw
  local _, known_hits = those(search.cases, sorted)
  local gaps, below_hits = {}, 0
  for place = 2, #sorted do
    local i, before = sorted[place], sorted[place - 1]
    below_hits = below_hits + (search.cases[before].hit and 1 or 0)
    local inside, inside_hits = place - 1, below_hits
    if test.is == "at_least" then
      inside, inside_hits = #sorted - inside, known_hits - below_hits
    end
    local score = raw[before] ~= raw[i] and inside >= search.least and inside < #numbers
      and gain(search, inside, inside_hits, #numbers, hits)
    gaps[#gaps + 1] = score and { low = raw[before], high = raw[i], score = score } or nil
  end
  return gaps
end

-- Those of the gaps that are about as good as the best one.
local function good_ones(gaps)
  local best, good = 0, {}
  for _, gap in ipairs(gaps) do
    best = math.max(best, gap.score)
  end
  for _, gap in ipairs(gaps) do
    good[#good + 1] = gap.score >= best - CLOSE and gap or nil
  end
  return good
end

-- Moves the line of a test to where people like it. The other one of the tests is given.
local function round_off(search, tests, place)
  local test = tests[place]
  if test.is ~= "at_least" and test.is ~= "below" then
    return
  end
  local gaps = gaps_of(search, test, those(search.cases, search.numbers, tests[3 - place]))
  search.tried, gaps = search.tried + #gaps, good_ones(gaps)
  if gaps[1] and test.column.kind == "date" then
    test.value = thresholds.date(gaps)
  elseif gaps[1] then
    test.value = thresholds.number(gaps, test.column.is_whole)
  end
end

--- Looks for the condition, or the two, with which hits are most likely to be more frequent than without.
---@param cases leadcat.SeparationCase[]
---@param fields {field: string, type?: string, is_code?: boolean}[] is_code: its numbers are only compared as equal
---@param options {least: integer, share: number, doubt: number} cases that a condition must have at least; which share of them must have a hit; how probable chance may be, where two conditions are to be taken instead of one
---@return leadcat.Separation? found nil: nothing separates them
function separation.find(cases, fields, options)
  local search = {
    cases = cases, numbers = {}, all = #cases, hits = 0, tests = {}, tried = 0, least = options.least,
    share = options.share, doubt = options.doubt,
  }
  for i, case in ipairs(cases) do
    search.numbers[i], search.hits = i, search.hits + (case.hit and 1 or 0)
  end
  local columns = {}
  for _, field in ipairs(fields) do
    columns[#columns + 1] = column_of(cases, field)
  end
  for _, column in ipairs(columns) do
    try_one(search, column)
  end
  try_two(search, columns)
  if not search.best then
    return nil
  end
  local tests, found = search.best.tests, { conditions = {} }
  for place = 1, #tests do
    round_off(search, tests, place)
  end
  found.tried = search.tried
  for place, test in ipairs(tests) do
    found.conditions[place] = { field = test.column.field, is = test.is, value = test.value }
  end
  return found
end

return separation
