--- Gives an open question to another user, as a method of the engine.

local confirmation = require "leadcat.events.confirmation"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local stand_in = require "leadcat.events.stand_in"

---@class leadcat.engine.assign: leadcat.Engine the engine's method that stands here
local assign = {}

local TRIES = 16 -- while others are changing the question

local OPTIONS = { actor = options_of.actor }

-- The question's body with whose it is now. `instead`: of that user, to whom it is given.
local function body_of(self, stored, to, actor, instead)
  local body, message = json.decode(stored.body)
  if not body then
    return nil, ("confirmation %s: %s"):format(stored.id, message), "corrupt"
  end
  body.options = json.array(body.options or {})
  local person = confirmation.person
  body.assigned = { to = person(to), by = person(actor), at = self:_now(), stands_in_for = person(instead) }
  return json.encode(body)
end

-- Writes it. `conflict`: the question has to be read again.
local function write(self, id, to, actor, instead)
  local stored, message, code = self._store:confirmation(self._tenant, id)
  local body
  if stored then
    body, message, code = body_of(self, stored, to, actor, instead)
  end
  if not body then
    return nil, message, code
  end
  return self._store:assign(self._tenant, id, {
    company = event_of.key(stored.company), entry = stored.entry, before = stored.body, body = body,
    user = event_of.key(to.id),
  }, self:_now())
end

---@class (exact) leadcat.AssignWhat
---@field to leadcat.Actor whose question it is from then on: {id, name}

--- Gives an open question to another user: it is in that user's inbox from then on, and whose it was may answer it only
-- where `can` says so of others, too. Where `stand_in` of `leadcat.open` names somebody for that user, it is that one's instead. Giving it to whom it belongs does nothing.
---@param id string of the question, 32 hex digits
---@param what leadcat.AssignWhat
---@param options? leadcat.ByActor who gives it: an administrator or whose it is, unless the host's `can(actor, "assign", record)` decides otherwise
---@return leadcat.Confirmation? record
---@return string? message, string? code `already_resolved`, `expired`, `forbidden`, `not_found`, `invalid`; `unavailable`, `full`, `io`
---@return leadcat.Confirmation? record of a question that was closed before
function assign:assign(id, what, options)
  self:_check_open()
  local actor = options_of.check(options, OPTIONS).actor
  if type(what) ~= "table" then
    error("what: a table {to = {id, name}} expected, got " .. type(what), 2)
  end
  local problem = confirmation.user_problem(what.to)
  if problem then
    return nil, "to" .. problem, "invalid"
  end
  local instead, why, failure = stand_in.of(self, what.to)
  if instead == nil then
    return nil, why, failure
  end
  local to = instead or what.to
  for _ = 1, TRIES do
    local record, message, code = self:confirmation(id)
    if not record then
      return nil, message, code
    end
    local allowed
    allowed, message, code = self:can(actor, "assign", record)
    if not allowed then
      return nil, message or "only whose question it is, or an administrator, may give it to somebody else",
        code or "forbidden"
    elseif record.state ~= "open" then
      return self:_closed(record)
    elseif confirmation.same_user(to, confirmation.owner(record)) then
      return record
    end
    local done
    done, message, code = write(self, id, to, actor, instead and what.to or nil)
    if done then
      return self:confirmation(id)
    elseif code ~= "conflict" then
      return nil, message, code
    end
  end
  return nil, "the question keeps changing while it is being given to somebody else", "unavailable"
end

return assign
