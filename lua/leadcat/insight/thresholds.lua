--- Where to draw a line between values so that people like it: at a round number, or on the first of a year or a month. Pure.

local thresholds = {}

-- A gap is {low, high, score}: a threshold t may lie in it where low < t <= high. `low` may be nil.

local LEADING = { 10, 5, 2.5, 2 } -- the first digits of what is round, the roundest first
local MOST_POWER, LEAST_POWER = 15, -9
local FEW = 64 -- multiples of a step that are tried

-- The gap with the best score that has the number.
local function gap_of(gaps, t)
  local best
  for _, gap in ipairs(gaps) do
    if t <= gap.high and (not gap.low or t > gap.low) and (not best or gap.score > best.score) then
      best = gap
    end
  end
  return best
end

local function best_of(gaps)
  local best = gaps[1]
  for _, gap in ipairs(gaps) do
    best = gap.score > best.score and gap or best
  end
  return best
end

-- The multiple of a step that lies in one of the gaps; of several, the one in the best of them.
local function multiple(gaps, step, low, high)
  local best, found
  local last = math.floor(high / step)
  for i = last, math.max(math.ceil(low / step), last - FEW), -1 do
    local t = tonumber(("%.12g"):format(i * step)) --[[@as number]]
    local gap = gap_of(gaps, t)
    if gap and (not best or gap.score > best.score) then
      best, found = gap, t
    end
  end
  return found
end

--- The roundest number in one of the gaps.
---@param gaps {low?: number, high: number, score: number}[]
---@param is_whole boolean whether it is to be a whole number
---@return number
function thresholds.number(gaps, is_whole)
  local low, high = math.huge, -math.huge
  for _, gap in ipairs(gaps) do
    low, high = math.min(low, gap.low or gap.high), math.max(high, gap.high)
  end
  for power = MOST_POWER, LEAST_POWER, -1 do
    for _, digits in ipairs(LEADING) do
      local step = digits * 10 ^ power
      local found = (not is_whole or step % 1 == 0) and multiple(gaps, step, low, high)
      if found then
        return found % 1 == 0 and math.abs(found) < 2 ^ 53 and math.floor(found) or found
      end
    end
  end
  return best_of(gaps).high
end

local FIRSTS = { "-01-01", "-01", "" } -- behind the year, the month and the day of a date such as 2026-03-17
local LENGTHS = { 4, 7, 10 }

--- The roundest day in one of the gaps.
---@param gaps {low?: string, high: string, score: number}[]
---@return string
function thresholds.date(gaps)
  for i, first in ipairs(FIRSTS) do
    local best, found
    for _, gap in ipairs(gaps) do
      local day = gap.high:sub(1, LENGTHS[i]) .. first
      local lies_in = day <= gap.high and (not gap.low or day > gap.low)
      if lies_in and (not best or gap.score > best.score) then
        best, found = gap, day
      end
    end
    if found then
      return found
    end
  end
  return best_of(gaps).high
end

return thresholds
