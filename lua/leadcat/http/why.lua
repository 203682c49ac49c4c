--- Why: the page "Why did nothing happen?", and the same for programs, of a company and of an event. Handlers are called as
-- `http.lua` says.

local about = require "leadcat.http.about"
local api = require "leadcat.http.api"
local events = require "leadcat.http.events"
local pager = require "leadcat.http.pager"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local why_of = require "leadcat.words.why"
local why_form = require "leadcat.pages.why_form"
local why_page = require "leadcat.pages.why"
local wording = require "leadcat.words.wording"

local must = response.must

local why = {}

local LATELY = 10 -- entries
local SIMILAR, LOOKED_AT = 10, 50 -- companies, and entries among which they are looked for

-- Companies of the journal whose name has what was typed in it.
local function similar(context, text)
  local list, seen = {}, {}
  for _, entry in ipairs(api.entries(context, { company_name = text }, LOOKED_AT).items) do
    local id = wording.id(entry.company)
    if not seen[id] and #list < SIMILAR then
      list[#list + 1] = { id = id, name = wording.line(context.engine:company_name(entry.company)) or wording.line(id)
        or "?" }
    end
    seen[id] = true
  end
  return list
end

local STOPPED = 1000 -- held entries that are looked at

-- The rules that are at a stop, by key.
local function stopped(context)
  local rules = {}
  for _, entry in ipairs(must(context.engine:held { limit = STOPPED })) do
    rules[entry.rule] = true
  end
  return rules
end

-- The same of a moment of the past.
local function explain_past(context, model, found)
  local told = must(context.engine:why(found.company, {
    language = context.language, limit = LATELY, at = model.at, entry = model.entry,
  }))
  response.allow(context, "view", told.past.entry or { company = found.company })
  told.entries = api.visible(context, told.entries)
  model.why, model.category, model.fields, model.stopped = told, told.category, why_form.fields(model), {}
  model.cfg = told.past.revision > 0 and context.engine:config(told.past.revision) or model.cfg
end

-- Adds what is known of the company, and what would happen.
local function explain(context, model, found)
  local engine = context.engine
  model.fields = why_form.fields(model)
  local event, wrong = why_form.read(model.fields, model.sent)
  local told = must(engine:why(found.company, { language = context.language, event = event, limit = LATELY }))
  local now = about.standing(context, found.company)
  told.entries = api.visible(context, told.entries)
  told.scheduled = now.scheduled and told.scheduled
  model.why, model.category, model.tried, model.wrong = told, found.category, event ~= nil, wrong
  model.question = now.question and must(engine:view(now.question, { actor = context.actor }))
  model.held = now.held and why_of.entry(now.held, model.cfg, context, told.name)
  model.may_release = now.held and response.offers(context, "release")
  model.stopped = stopped(context)
  model.may_answer = now.question and response.offers(context, "confirm", now.question)
end

--- What would happen to a company, and why.
function why.page(context)
  local query = api.query(context, api.PARAMETERS.why, api.cursor_of_history)
  local asked = query.company
  local engine, status = context.engine, 200
  local model = {
    asked = asked, cfg = must(engine:config()), host_fields = engine:fields(), records = engine.record_unchanged ~= nil,
    at = query.at, entry = query.entry, sent = request_of.fields(context.request.query), wrong = {}, tried = false,
    strings = context.strings, language = context.language,
  }
  if asked then
    local found = about.find(context, asked)
    response.allow(context, "view", { company = found.company })
    if found.is_known then
      ((query.at or query.entry) and explain_past or explain)(context, model, found)
    else
      status, model.similar = 404, similar(context, asked)
    end
  end
  return response.page(context, status, why_page.html, model)
end

-- For programs -----------------------------------------------------------------------------------------------------------

-- The explanation, if the actor may see all its subjects.
local function explained(context, explanation, subjects, headers)
  for _, subject in ipairs(subjects) do
    response.allow(context, "view", subject)
    api.withhold_error(context, subject)
  end
  return response.json(200, explanation, headers)
end

--- Of an event.
function why.of_event(context)
  local event = must(request_of.json_table(context.request, "an event expected"))
  local explanation = must(context.engine:explain(events.sent_by(event, context.actor)))
  return explained(context, explanation, { event, explanation.first })
end

--- Of a company.
function why.of_company(context)
  local query = api.query(context, api.PARAMETERS.why, api.cursor_of_history)
  local asked = query.company or response.fail("invalid", "the parameter company is missing")
  local found = must(context.engine:why(about.find(context, asked).company, {
    language = context.language, at = query.at, entry = query.entry,
  }))
  local after
  found.newest = api.visible(context, { found.newest })[1]
  found.scheduled = api.visible(context, { found.scheduled })[1]
  if found.past and found.past.entry then
    response.allow(context, "view", found.past.entry)
    api.withhold_error(context, found.past.entry)
  end
  found.decisions, after = pager.slice(found.decisions, query.after or 0)
  return explained(context, found, { { company = found.company } }, pager.link(context, query, after))
end

return why
