--- An engine that handles events, for specs.

local clock = require "support.clock"
local stores = require "support.stores"

local LEAD = 1 -- the preset's category

local handling = {}

--- An engine whose rules are those of `stores.config`, and where the companies Acme and Bolt are leads. Its clock stands
-- still unless a test moves `time.now`.
---@param rules? table<string, integer|table>
---@param options? leadcat.Options
---@return leadcat.Engine engine
---@return {now: number} time
---@return string path
function handling.open(rules, options)
  local time = clock.new(1700000000)
  options = options or {}
  options.clock, options.durability = function() return time.now end, "relaxed"
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    assert(engine:save(stores.config(rules)))
    if not options.host then
      engine.host:create_many({ "Acme", "Bolt" }, LEAD)
    end
  end
  return engine, time, path
end

--- The outcome without what differs from run to run.
---@param outcome leadcat.Outcome
---@return table
function handling.settled(outcome)
  local copy = {}
  for name, value in pairs(outcome) do
    copy[name] = name == "first" and handling.settled(value) or value
  end
  copy.entry, copy.key, copy.confirmation = nil, nil, nil
  return copy
end

return handling
