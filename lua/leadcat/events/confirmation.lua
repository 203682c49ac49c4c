--- The record of a question to a user (the API calls it a confirmation).

local config = require "leadcat.rules.config"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local unicode = require "leadcat.util.unicode"

local confirmation = {}

---@class leadcat.Confirmation
---@field id string 32 hex digits, random
---@field tenant string
---@field company string|integer
---@field trigger string
---@field rule string the rule's key
---@field lead_status? integer
---@field from integer the category when it was asked
---@field to integer the proposed category
---@field options integer[] the categories one may choose
---@field revision integer of the config that asked
---@field takes_back? true asked by a rule that takes back what the sale did
---@field sale? table
---@field contact? table
---@field facts? table<string, any> what the rules of its trigger look at besides
---@field actor? leadcat.Actor whose event asked
---@field assigned? leadcat.Assigned when it was given to another user
---@field state "open"|"accepted"|"changed"|"declined"|"expired"|"superseded"|"conflict"
---@field created_at number seconds since 1970
---@field expires_at number seconds since 1970
---@field resolved_at? number seconds since 1970: when it left the state open
---@field resolved_by? leadcat.Actor who answered, or whose newer event superseded it
---@field category? integer the answer that was applied
---@field on_expiry? "accept"|"decline" what is done when nobody answers in time; until that is done, it is open
---@field by_expiry? true that was done

---@class leadcat.Assigned
---@field to leadcat.Actor whose question it is now; without an id when that person was forgotten
---@field by? leadcat.Actor who gave it; nil: the program
---@field at number seconds since 1970
---@field stands_in_for? leadcat.Actor in whose place that user is asked

local LONGEST_NAME = 200 -- bytes

--- What is wrong with a user to whom a question is to belong, behind the name of that; nil when nothing is.
---@param user any
---@return string?
function confirmation.user_problem(user)
  if type(user) ~= "table" then
    return ": a user {id, name} expected"
  end
  local key, problem = event_of.key(user.id)
  if not key then
    return ".id " .. problem
  elseif user.name ~= nil and (type(user.name) ~= "string" or #user.name > LONGEST_NAME) then
    return (".name: a text of at most %d bytes expected, got %s"):format(LONGEST_NAME,
      unicode.visible(tostring(user.name):sub(1, 60)))
  end
end

--- What is kept of a user.
---@param actor? leadcat.Actor
---@return leadcat.Actor?
function confirmation.person(actor)
  return actor and { id = actor.id, name = type(actor.name) == "string" and actor.name or nil }
end

--- The categories that a user may choose: all that are not deleted, in the config's order.
---@param cfg leadcat.Config
---@return integer[]
function confirmation.options(cfg)
  local options = json.array {}
  for _, category in ipairs(cfg.categories) do
    if not category.deleted then
      options[#options + 1] = category.id
    end
  end
  return options
end

--- Whether both are the same user: `7` and `"7"` are one. The program itself, which has no actor, is no user.
---@param a? leadcat.Actor
---@param b? leadcat.Actor
---@return boolean
function confirmation.same_user(a, b)
  local user = a and event_of.key(a.id)
  return user ~= nil and b ~= nil and user == event_of.key(b.id)
end

--- Whose question it is: the user whose event asked, until somebody gives it to another one.
---@param record leadcat.Confirmation
---@return leadcat.Actor? nil: the program's
function confirmation.owner(record)
  if record.assigned then
    return record.assigned.to
  end
  return record.actor
end

-- `asked`: the decision, or the stored question; `told`: what the event said.
local function describe(asked, told, tenant)
  return {
    tenant = tenant, company = told.company or asked.company, trigger = asked.trigger,
    rule = config.rule_key(asked.trigger, asked.lead_status, asked.rule_id),
    lead_status = asked.lead_status, from = asked.from,
    to = asked.to, takes_back = asked.takes_back, on_expiry = asked.on_expiry,
    revision = asked.revision, sale = told.sale, contact = told.contact, facts = told.facts, actor = told.actor,
  }
end

--- The question that an event would ask: a record without id, state and times.
---@param event leadcat.Event
---@param decision {from: integer, to: integer, revision: integer}
---@param cfg leadcat.Config
---@param tenant string
---@return leadcat.Confirmation
function confirmation.draft(event, decision, cfg, tenant)
  local record = describe({
    trigger = event.trigger, lead_status = event.trigger == "lead_status_set" and event.lead_status or nil,
    from = decision.from, to = decision.to, takes_back = decision.takes_back, revision = decision.revision,
  }, event, tenant)
  record.options = confirmation.options(cfg)
  return record
end

--- The record as hosts see it.
---@param stored table as `store:confirmation` returns it
---@param tenant string
---@return leadcat.Confirmation? record, string? message, string? code
function confirmation.record(stored, tenant)
  local body, message = json.decode(stored.body)
  local answer = {}
  if body and stored.answer then
    answer, message = json.decode(stored.answer)
  end
  if not (body and answer) then
    return nil, ("confirmation %s: %s"):format(stored.id, message), "corrupt"
  end
  local owner = confirmation.owner(body)
  if owner and type(owner.id) == "string" then
    owner.id = stored.user -- JSON does not keep every byte
  end
  local record = describe(stored, body, tenant)
  record.assigned = body.assigned
  record.id, record.state, record.options = stored.id, stored.state, json.array(body.options or {})
  record.created_at, record.expires_at = stored.created_at, stored.expires_at
  record.resolved_at, record.resolved_by, record.category = stored.resolved_at, answer.actor, stored.category
  record.by_expiry = answer.by_expiry
  return record
end

return confirmation
