--- Who is asked instead of a user: as the `stand_in` of `leadcat.open` says, when a question is made, or given to somebody. A stand-in has
-- none himself.

local as_text = require "leadcat.util.as_text"
local confirmation = require "leadcat.events.confirmation"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local protected = require "leadcat.util.protected"

local stand_in = {}

--- The user's stand-in.
---@param self leadcat.Engine
---@param user? leadcat.Actor
---@return leadcat.Actor|false|nil instead, string? message, string? code false: nobody; nil: it could not be found out
function stand_in.of(self, user)
  local find = self._shared.stand_in
  if not find or not user then
    return false
  end
  local ok, instead = protected.call(find, user, self._tenant)
  if not ok then
    return nil, ("stand_in raised: %s"):format(as_text(instead)), "unavailable"
  elseif not instead or confirmation.same_user(instead, user) then
    return false
  end
  local problem = confirmation.user_problem(instead)
  if problem then
    return nil, "stand_in: the user" .. problem, "unavailable"
  end
  return confirmation.person(instead)
end

--- Adds who is asked, to what an event lacks.
---@param self leadcat.Engine
---@param event leadcat.Event
---@param asked table as `store:handle` returns it
---@return true? done, string? message, string? code
function stand_in.add(self, event, asked)
  local instead, message, code = stand_in.of(self, event.actor)
  if instead == nil then
    return nil, message, code
  elseif instead then
    asked.stand_in = event_of.key(instead.id)
    asked.assigned = json.encode { to = instead, at = self:_now(), stands_in_for = confirmation.person(event.actor) }
  end
  return true
end

return stand_in
