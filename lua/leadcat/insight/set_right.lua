--- Moves companies to where their sales imply that they should be: a backfill of the events that were missed, which is a run
-- like any other, and can be undone like one.

local core = require "leadcat.core"
local merged = require "leadcat.util.merged"
local options_of = require "leadcat.util.options"

---@class leadcat.engine.set_right: leadcat.Engine the engine's methods that stand here
local set_right = {}

---@class (exact) leadcat.SetRight
---@field preview? boolean write nothing, report what would be done
---@field confirm? "ask"|"accept"|"skip" what a rule that asks does: put a question into the inbox (the default), make its change, or nothing
---@field run? string the run's id; default a new one
---@field actor? leadcat.Actor who does it
---@field on_begin? fun(run: string) called before the first batch
---@field on_progress? fun(events: integer) called after each batch

local OPTIONS = {
  preview = options_of.of_type "boolean", confirm = options_of.one_of { "ask", "accept", "skip" },
  run = options_of.run, actor = options_of.actor, on_begin = options_of.of_type "function",
  on_progress = options_of.of_type "function",
}

local SHORT = 12 -- digits of a run's id

--- How many companies one call takes.
set_right.MOST = 100000

-- The events of one company, with times: what has none happened before what comes next.
local function add_events(list, events, now)
  local at = now
  for place = #events, 1, -1 do
    at = events[place].at or at
    events[place] = merged(events[place], { at = at })
  end
  for _, event in ipairs(events) do
    list[#list + 1] = event
  end
end

--- Handles what the items of `drift` say would have to be handled, by the rules and from where the companies are then: what
--- moved meanwhile stays, and where a rule asks, users are asked.
---@param items leadcat.Drifted[] up to 100,000; those that cannot be set are left out
---@param options? leadcat.SetRight
---@return table? report as `backfill` gives it
---@return string? message, string? code `invalid`: too many; or as `backfill`
function set_right:set_right(items, options)
  self:_check_open()
  options = options_of.check(options, OPTIONS)
  if type(items) ~= "table" then
    error("items: a list expected, got " .. type(items), 2)
  elseif #items > set_right.MOST then
    return nil, ("%d companies, more than the %d that can be set right at once"):format(#items, set_right.MOST),
      "invalid"
  end
  local events, now = {}, self:_now()
  for _, item in ipairs(items) do
    if item.can_be_set and item.events then
      add_events(events, item.events, now)
    end
  end
  options = merged({ confirm = "ask" }, options)
  options.late = "apply"
  if not options.run and not options.preview then -- the same events may have been set right before, and moved again
    local id, message, code = core.random_id()
    if not id then
      return nil, message, code
    end
    options.run = id:sub(1, SHORT)
  end
  return self:backfill(events, options)
end

return set_right
