--- What all benchmarks share: rounds in turn, their medians, and the row of the table that says what came of them.

local raw_lmdb = require "bench.raw_lmdb"

local measure = {}

measure.now = raw_lmdb.now -- seconds of wall-clock time
measure.cpu = os.clock -- seconds of this process's own work, for what does no I/O: other programs disturb it less

--- Whether only a look is wanted, as in CI: fewer rounds, of less.
measure.quick = os.getenv "QUICK" ~= nil

--- The Lua that this is, as rows name it.
measure.lua = rawget(_G, "jit") and "LuaJIT" or _VERSION

--- How many of something to do.
---@param usually integer
---@param quick integer when only a look is wanted
---@return integer
function measure.times(usually, quick)
  return measure.quick and quick or usually
end

--- The median of a list, which is sorted by it.
---@param list number[]
---@return number
function measure.median(list)
  table.sort(list)
  return list[math.ceil(#list / 2)]
end

--- Runs each of the functions once in a round, so that what disturbs one disturbs all. The first round warms up.
---@param rounds integer
---@param functions (fun(): number)[] each gives what it took, in any unit
---@return number[] medians of each, over the rounds
---@return number[] ratios of the first to each: the medians of the rounds' ratios
function measure.rounds(rounds, functions)
  local figures, ratios, medians, middle = {}, {}, {}, {}
  for k = 1, #functions do
    figures[k], ratios[k] = {}, {}
  end
  for round = 0, rounds do
    local taken = {}
    for k, fn in ipairs(functions) do
      taken[k] = fn()
    end
    for k = 1, round > 0 and #functions or 0 do
      figures[k][round], ratios[k][round] = taken[k], taken[1] / taken[k]
    end
  end
  for k = 1, #functions do
    medians[k], middle[k] = measure.median(figures[k]), measure.median(ratios[k])
  end
  return medians, middle
end

--- Prints a row of the table: what, leadcat's figure, what it is compared with, the ratio, and whether that is its goal.
---@param what string
---@param figure string
---@param beside string
---@param ratio? number
---@param goal? {most?: number, least?: number, unit?: string} of the ratio
function measure.row(what, figure, beside, ratio, goal)
  local bound, verdict = "", ""
  if goal then
    local met = goal.most and ratio <= goal.most or goal.least and ratio >= goal.least
    bound = (goal.most and "≤ %g%s" or "≥ %g%s"):format(goal.most or goal.least, goal.unit or "")
    verdict = met and "met" or "**missed**"
  end
  local shown = ratio and (ratio < 0.1 and "%.2g" or "%.2f"):format(ratio) .. (goal and goal.unit or "") or ""
  print(("| %s | %s | %s | %s | %s | %s |"):format(what, figure, beside, shown, bound, verdict))
  io.stdout:flush()
end

--- Of a number of seconds: in a unit that suits it.
---@param seconds number
---@return string
function measure.time(seconds)
  if seconds < 1e-6 then
    return ("%.1f ns"):format(seconds * 1e9)
  elseif seconds < 1e-3 then
    return ("%.2f µs"):format(seconds * 1e6)
  elseif seconds < 1 then
    return ("%.2f ms"):format(seconds * 1e3)
  end
  return ("%.1f s"):format(seconds)
end

--- A new directory's name, to be given to `measure.remove` in the end; on the disk that /tmp is on.
---@return string
function measure.directory()
  local name = os.tmpname()
  os.remove(name)
  return name
end

function measure.remove(directory)
  os.execute("rm -rf '" .. directory .. "'")
end

return measure
