--- The counters by day, which the store keeps as entries are written (src/store/daily.h): reading them, and counting the
-- journal anew.

local config = require "leadcat.rules.config"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"

---@class leadcat.engine.daily: leadcat.Engine the engine's methods that stand here
local daily = {}

local PAGE = 1000 -- counters that are read at once
local DAY = 86400

--- What is counted, in the order in which it is told.
daily.KINDS = {
  "automatic", "asked", "accepted", "changed", "declined", "expired", "superseded", "answer_conflict", "answer_failed",
  "chosen", "kept", "conflict", "failed", "dropped", "undone",
}

--- How long counters are kept.
daily.MOST_DAYS = 1096

--- A day as a text.
---@param day integer since 1970, UTC
---@return string "2026-11-28"
function daily.text(day)
  return os.date("!%Y-%m-%d", day * DAY) --[[@as string]]
end

--- The day of a time, in UTC.
---@param seconds number since 1970
---@return integer
function daily.day_of(seconds)
  return math.max(1, math.floor(seconds / DAY))
end

---@class leadcat.DailyCounter
---@field counted string what it counts, as the store writes it
---@field day integer since 1970, UTC
---@field kind string one of `daily.KINDS`
---@field rule string key of the rule
---@field lead_status? integer
---@field rule_id? integer
---@field trigger string
---@field from integer
---@field to integer
---@field count integer

--- The counters of the days from one on, in order; and from when on days are counted whole.
---@param engine leadcat.Engine
---@param since integer the first day
---@return leadcat.DailyCounter[]? counters
---@return {since?: integer, recount: string}|string head since: the first day that is counted whole; nil: all are (or the message)
---@return string? code
function daily.read(engine, since)
  local list, after = {}, ""
  while true do
    local page, head, code = engine._store:daily(engine._tenant, since, after, PAGE)
    if not page then
      return nil, head, code
    end
    for _, counter in ipairs(page) do
      counter.rule = config.rule_key(counter.trigger, counter.lead_status, counter.rule_id)
      list[#list + 1] = counter
    end
    if #page < PAGE then
      return list, head
    end
    after = page[#page].counted
    platform.give_way()
  end
end

---@class (exact) leadcat.RecountOptions
---@field on_progress? fun(entry: integer) called after each step, with the number of the entry that it has come to

local OPTIONS = { on_progress = options_of.of_type "function" }

--- Counts the journal anew, in short transactions between which others write; whoever calls it again goes on where it was
-- interrupted. Days of which retention has removed entries keep their counters. Meanwhile they are too low. A shared store is counted in one
-- transaction, and stays right meanwhile: `on_progress` is called once, and who interrupts it begins anew.
---@param options? leadcat.RecountOptions
---@return true? done
---@return string? message
---@return string? code `unavailable`: somebody else counts in this shared store; `readonly`, `corrupt`, `full`
function daily:recount(options)
  self:_check_open()
  local on_progress = options_of.check(options, OPTIONS).on_progress
  repeat
    local head, message, code = self._store:recount(self._tenant)
    if not head then
      return nil, message, code
    elseif on_progress then
      on_progress(head.place)
    end
    platform.give_way()
  until head.recount == "done"
  return true
end

return daily
