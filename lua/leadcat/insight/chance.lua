--- How probable counts are by chance alone. Pure.

local chance = {}

local logs = { [0] = 0 } -- of factorials, as far as they were needed

local function log_factorial(n)
  for i = #logs + 1, n do
    logs[i] = logs[i - 1] + math.log(i)
  end
  return logs[n]
end

local function log_choose(n, k)
  return log_factorial(n) - log_factorial(k) - log_factorial(n - k)
end

--- Fisher's exact test, one-sided: how probable it is that of `inside` cases, picked at random from all, at least `hits_inside` are
-- hits. It holds for counts of any size.
---@param hits_inside integer
---@param inside integer
---@param hits integer in all
---@param all integer
---@return number probability
function chance.at_least(hits_inside, inside, hits, all)
  local whole, sum = log_choose(all, inside), 0
  for k = math.min(inside, hits), math.max(hits_inside, inside + hits - all, 0), -1 do
    sum = sum + math.exp(log_choose(hits, k) + log_choose(all - hits, inside - k) - whole)
  end
  return math.min(sum, 1)
end

--- The log-likelihood of so many hits among so many cases.
---@param hits integer
---@param cases integer
---@return number at most 0
function chance.likelihood(hits, cases)
  if hits <= 0 or hits >= cases then
    return 0
  end
  return hits * math.log(hits / cases) + (cases - hits) * math.log(1 - hits / cases)
end

return chance
