--- The routes that take events. Handlers are called as `http.lua` says.

local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local journal = require "leadcat.past.journal"
local outcomes = require "leadcat.http.outcomes"
local platform = require "leadcat.util.platform"
local protected = require "leadcat.util.protected"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"

local allow, fail, must = response.allow, response.fail, response.must

local events = {}

local MOST = 1000 -- events of a request
local DAY = 24 * 3600

--- The sender is the actor, and the host says the company's category.
---@param event any
---@param actor leadcat.Actor
---@return any event
function events.sent_by(event, actor)
  if type(event) == "table" then
    event.actor, event.category = actor, nil
  end
  return event
end

-- Whether so few bytes were sent that the details are not too large: as our JSON they have at most eight times as many, for
-- 0.1 may have 17 digits, and a byte is at most six; so has the actor's name, and its id has at most 255.
local function is_small(sent, name)
  return (name == nil or type(name) == "string") and sent + #(name or "") <= journal.MOST_DETAILS / 16
end

-- Whether it has more details than are kept. Of details that JSON does not have the engine says what is wrong.
local function is_too_large(event, sent)
  local actor = event.actor
  if is_small(sent, actor.name) then
    return false
  end
  local ok, details = protected.call(json.encode, {
    actor = { id = actor.id, name = actor.name }, sale = event.sale, contact = event.contact, facts = event.facts,
  })
  return ok and #details > journal.MOST_DETAILS
end

-- What is wrong with a client's event, in one sentence; nil when nothing is. The store is asked for the integrator's own triggers
-- where the event has none that is built in.
local function problem_of(context, event)
  local own = type(event) == "table" and not event_of.is_built_in(event.trigger)
    and must(context.engine:_own_triggers()) or nil
  local problem = event_of.problem(event, own)
  if problem then
    return problem
  elseif event.at and event.at > context.engine:_now() + DAY then
    return "at must be at most a day ahead (seconds since 1970)"
  elseif event.facts ~= nil and not context.actor.service then
    return "facts may be sent only by a service; others leave them to the host"
  elseif is_too_large(event, context.request.size) then
    return ("sale, contact, actor and facts may take at most %d bytes as JSON"):format(journal.MOST_DETAILS)
  end
end

-- The client's events, which the actor may report. `place`: of one in a list.
local function check(context, event, place)
  local problem = problem_of(context, events.sent_by(event, context.actor))
  if problem then
    fail("invalid", place and ("events[%d]: %s"):format(place, problem) or problem)
  end
  allow(context, "report", event)
  return event
end

local function check_all(context, list)
  if #list > MOST then
    fail("too_large", ("a request takes at most %d events, not %d: send them in several requests, one after the other")
      :format(MOST, #list))
  end
  for place, event in ipairs(list) do
    check(context, event, place)
    platform.give_way()
  end
  return list
end

function events.handle(context)
  local sent = must(request_of.json_table(context.request, "an event, or an array of events, expected"))
  if sent[1] ~= nil or json.is_array(sent) then
    local list = must(context.engine:handle_many(check_all(context, sent)))
    return outcomes.many(context, list, sent)
  end
  check(context, sent)
  return outcomes.one(context, must(context.engine:handle(sent)), { event = sent })
end

function events.propose(context)
  local event = must(request_of.json_table(context.request, "an event expected"))
  check(context, event)
  allow(context, "view", event)
  local view, message, code = context.engine:propose(event)
  if code then
    fail(code, message)
  elseif not view then
    return response.new(204)
  elseif request_of.wants_html(context.request) then
    return response.html(context, 200, context.engine:render(view, "html"))
  end
  return response.new(200, context.engine:render(view, "json"), "application/json")
end

return events
