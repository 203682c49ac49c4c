--- What specs have done by the coroutines of a scheduler, in the program that has it: in one of the spec's own, in
-- Tarantool and in HAProxy. It needs nothing but leadcat.

local leadcat = require "leadcat"

local scenario = {}

local SALES = {
  { id = "r", trigger = "sale_registered", company = "Acme" }, { id = "w", trigger = "sale_won", company = "Acme" },
  { id = "b", trigger = "sale_won", company = "Bolt" },
}

--- A CRM whose every function takes a while, by the scheduler's `sleep`.
---@param sleep fun(seconds: number)
---@param changes string[] are put there
---@return leadcat.Host
function scenario.host(sleep, changes)
  local companies = { Acme = 1, Bolt = 1 }
  return {
    category = function(company)
      sleep(0.01)
      return companies[company]
    end,
    set_category = function(company, to, from)
      sleep(0.2)
      if companies[company] ~= from then
        return nil, "conflict"
      end
      companies[company] = to
      changes[#changes + 1] = ("%s %d -> %d"):format(company, from, to)
      return true
    end,
  }
end

--- An engine on that host, with a rule for registered sales and one for won ones.
---@param path string
---@param host leadcat.Host
---@param options? table of `leadcat.open`
---@return leadcat.Engine
function scenario.open(path, host, options)
  options = options or {}
  options.path, options.host, options.map_size = path, host, 2 ^ 26
  local engine = assert(leadcat.open(options))
  if engine:config().revision == 0 then
    local config = leadcat.preset "superoffice"
    config.rules = {
      { trigger = "sale_registered", enabled = true, set_category = 3, ask = false },
      { trigger = "sale_won", enabled = true, set_category = 5, ask = false },
    }
    assert(engine:save(config))
  end
  return engine
end

--- Handles three sales at once, two of them of one company, while another coroutine counts its turns.
---@param path string of the store
---@param sleep fun(seconds: number)
---@param spawn fun(fn: fun()) runs a function in a coroutine of its own
---@param options? table of `leadcat.open`
---@return string report
function scenario.run(path, sleep, spawn, options)
  local changes, statuses, finished, turns = {}, {}, 0, 0
  local engine = scenario.open(path, scenario.host(sleep, changes), options)
  for i, event in ipairs(SALES) do
    spawn(function()
      local outcome, message = engine:handle(event)
      statuses[i], finished = outcome and outcome.status or message, finished + 1
    end)
    sleep(0.05) -- that the events begin in this order
  end
  while finished < #SALES do
    sleep(0.005)
    turns = turns + 1
  end
  engine:close()
  table.sort(changes)
  return ("%s; %s; %s"):format(table.concat(statuses, ", "), table.concat(changes, ", "),
    turns >= 10 and "the others went on" or "the others stood still")
end

return scenario
