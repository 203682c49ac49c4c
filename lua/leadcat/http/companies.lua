--- The routes by which a CRM tells what has become of a company, and which person is to be forgotten. Handlers are called as
-- `http.lua` says.

local event_of = require "leadcat.events.event"
local forget = require "leadcat.past.forget"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"

local fail, must = response.fail, response.must

local companies = {}

-- The id in the field of the JSON that was sent.
local function sent_id(context, name)
  local sent = must(request_of.json_table(context.request, ("an object with %s expected"):format(name)))
  local key, problem = event_of.key(sent[name])
  return key and sent[name] or fail("invalid", ("%s %s"):format(name, problem))
end

-- The id in the address.
local function company_of(context)
  return event_of.key(context.id) and context.id or fail("invalid", "a company's id has 1 to 255 bytes")
end

local function moved(context, method, from, to)
  local options, engine = { actor = context.actor }, context.engine
  if to ~= nil then
    return response.json(200, must(engine[method](engine, from, to, options)))
  end
  return response.json(200, must(engine[method](engine, from, options)))
end

--- `{"to": ID}`: it has another id now.
function companies.rename(context)
  return moved(context, "company_renamed", company_of(context), sent_id(context, "to"))
end

--- `{"into": ID}`: it has become part of that one.
function companies.merge(context)
  return moved(context, "company_merged", company_of(context), sent_id(context, "into"))
end

--- There is no such company any more.
function companies.delete(context)
  return moved(context, "company_deleted", company_of(context))
end

--- `{"contact": ID}`, `{"actor": ID}` or `{"company": ID}`: erases a person.
function companies.forget(context)
  local sent = must(request_of.json_table(context.request, "an object with contact, actor or company expected"))
  local problem = forget.problem(sent)
  if problem then
    fail("invalid", problem)
  end
  return response.json(200, must(context.engine:forget(sent, { actor = context.actor })))
end

return companies
