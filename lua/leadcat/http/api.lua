--- The routes that programs call: JSON in, JSON out. Who may call is `http.lua`'s to say, what is done is the engine's;
-- here one is put into the words of the other.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local search = require "leadcat.past.search"
local undo = require "leadcat.past.undo"
local url = require "leadcat.util.url"

local api = {}

local DEFAULT_LIMIT, MAX_LIMIT = 100, 1000

-- Outcomes -------------------------------------------------------------------------------------------------------------

local STATUS = { failed = 202 } -- of one outcome: it is written down, and tried again

-- What a host said when it failed is for the operator to read; what a guard said is for everybody.
---@return string? kept
local function withhold(outcome)
  local kept
  if outcome.error and outcome.reason ~= "vetoed" then
    kept, outcome.error = ("entry %s: %s"):format(tostring(outcome.entry), outcome.error), nil
  end
  if outcome.first then
    withhold(outcome.first)
  end
  return kept
end

-- The answer to what has made one outcome.
local function told(status, outcome)
  local kept = withhold(outcome)
  local made = response.json(status, outcome)
  made.log = kept
  return made
end

-- The answer to what has made an array of them.
local function told_all(outcomes)
  local kept = {}
  for _, outcome in ipairs(outcomes) do
    kept[#kept + 1] = withhold(outcome)
  end
  local made = response.json(200, json.array(outcomes))
  made.log = kept[1] and table.concat(kept, "; ") or nil
  return made
end

-- Events ---------------------------------------------------------------------------------------------------------------

-- The actor is whoever has sent the event, and the company's category is what its host says.
local function sent_by(event, actor)
  if type(event) == "table" then
    event.actor, event.category = actor, nil
  end
  return event
end

local function handle_many(context, events)
  for i = 1, #events do
    sent_by(events[i], context.actor)
  end
  local outcomes, message, code = context.engine:handle_many(events)
  return outcomes and told_all(outcomes) or response.problem(context, code, message)
end

function api.events(context)
  local sent, code, message = request_of.json(context.request)
  if sent == nil then
    return response.problem(context, code, message)
  elseif type(sent) ~= "table" then
    return response.problem(context, "invalid", "an event, or an array of events, expected")
  elseif sent[1] ~= nil or json.is_array(sent) then
    return handle_many(context, sent)
  end
  local outcome
  outcome, message, code = context.engine:handle(sent_by(sent, context.actor))
  return outcome and told(200, outcome) or response.problem(context, code, message)
end

function api.propose(context)
  local sent, code, message = request_of.json(context.request)
  if sent == nil then
    return response.problem(context, code, message)
  elseif type(sent) ~= "table" then
    return response.problem(context, "invalid", "an event expected")
  end
  local view
  view, message, code = context.engine:propose(sent_by(sent, context.actor))
  if code then
    return response.problem(context, code, message)
  elseif not view then
    return response.new(204)
  elseif request_of.wants_html(context.request) then
    return response.html(context, 200, context.engine:render(view, "html"))
  end
  return response.new(200, context.engine:render(view, "json"), "application/json")
end

-- The config -----------------------------------------------------------------------------------------------------------

local function tag_of(revision)
  return ('"%d"'):format(revision)
end

function api.config(context)
  local cfg, message, code = context.engine:config()
  if not cfg then
    return response.problem(context, code, message)
  end
  local headers = { ETag = tag_of(cfg.revision), ["Cache-Control"] = "private, no-cache" }
  if request_of.has_tag(context.request, headers.ETag) then
    return response.new(304, nil, nil, headers)
  end
  return response.json(200, cfg, headers)
end

-- The revision that a change was made from; nil for any.
---@return integer? revision
---@return string? code
local function expected_revision(context)
  local tag = context.request.headers["if-match"]
  if not tag then
    return nil, "revision_required"
  elseif tag == "*" then
    return nil
  end
  local revision = tonumber(tag:match '^%s*"(%d+)"%s*$')
  if not revision or revision >= 2 ^ 53 then
    return nil, "stale"
  end
  return json.integer(revision)
end

function api.save_config(context)
  local expected, code = expected_revision(context)
  if code then
    return response.problem(context, code)
  elseif context.engine:licensed() == false then
    return response.problem(context, "forbidden")
  end
  local cfg, revision, message, problems
  cfg, code, message = request_of.json(context.request)
  if cfg == nil then
    return response.problem(context, code, message)
  elseif json.is_array(cfg) then
    return response.problem(context, "invalid", "a config expected, not a list")
  end
  revision, message, code, problems = context.engine:save(cfg, { actor = context.actor, revision = expected })
  if not revision then
    return response.problem(context, code, message, problems and { problems = json.array(problems) })
  end
  return response.json(200, { revision = revision }, { ETag = tag_of(revision) })
end

-- Lists ----------------------------------------------------------------------------------------------------------------

local function whole(text, most)
  local number = text:find "^%d+$" and tonumber(text)
  return number and number >= 1 and number <= most and json.integer(number) or nil
end

-- One of the names that an option knows.
local function name_of(option)
  return function(text)
    return option.fits(text) and text or nil
  end
end

local function id_of(text)
  return #text >= 1 and #text <= 255 and text or nil
end

-- Seconds since 1970.
local function time_of(text)
  return tonumber(text:match "^%d+%.?%d*$")
end

-- The beginning of a day, in UTC.
local function day_of(text)
  return text:find "^%d%d%d%d%-%d%d%-%d%d$" and core.parse_time(text, "%Y-%m-%d") or nil
end

-- How each parameter is read; nil for what it cannot be.
local PARAMETERS = {
  company = id_of,
  user = id_of,
  actor = id_of,
  run = id_of,
  trigger = name_of(search.QUERY.trigger),
  status = name_of(search.QUERY.status),
  revision = function(text) return whole(text, 2 ^ 53) end,
  from = day_of,
  to = day_of,
  before = time_of,
  state = name_of(options_of.one_of(core.question_states)),
  limit = function(text) return whole(text, MAX_LIMIT) end,
  since = time_of,
  unchanged = function(text) return text == "true" or nil end,
}

--- The parameters of a list, as the engine takes them.
---@param context leadcat.http.Context
---@param names string[]
---@param after fun(text: string): any how the cursor is read
---@return table? query
---@return string? message
function api.query(context, names, after)
  local sent, query = request_of.fields(context.request.query), {}
  for _, name in ipairs(names) do
    if sent[name] and sent[name] ~= "" then
      query[name] = PARAMETERS[name](sent[name])
      if query[name] == nil then
        return nil, ("the parameter %s cannot be '%s'"):format(name, sent[name]:sub(1, 60))
      end
    end
  end
  if sent.after and sent.after ~= "" then
    query.after = after(sent.after)
    if query.after == nil then
      return nil, ("the parameter after cannot be '%s'"):format(sent.after:sub(1, 60))
    end
  end
  return query
end

function api.cursor_of_history(text)
  return whole(text, 2 ^ 53)
end

function api.cursor_of_confirmations(text)
  return text:match "^%x+$"
end

local LINKED = {
  "actor", "before", "company", "limit", "revision", "run", "since", "state", "status", "trigger", "unchanged",
  "user",
}

-- The link to the next page, when there may be one.
local function next_page(context, query, after)
  if not after then
    return {}
  end
  local words = { "after=" .. url.escape(tostring(after)) }
  for _, name in ipairs(LINKED) do
    words[#words + 1] = query[name] and name .. "=" .. url.escape(tostring(query[name])) or nil
  end
  return { Link = ('<%s?%s>; rel="next"'):format(context.request.path, table.concat(words, "&")) }
end

--- Those of a list that the actor may see. Why a host failed is for administrators.
---@param context leadcat.http.Context
---@param items table[] confirmations or entries
---@return table[]? seen
---@return string? message
---@return string? code
function api.visible(context, items)
  local seen = json.array {}
  for _, item in ipairs(items) do
    local may, denial, failure = context.engine:can(context.actor, "view", item)
    if failure then
      return nil, denial, failure
    end
    seen[#seen + 1] = may and item or nil
    if item.error and item.reason ~= "vetoed" and not context.engine:can(context.actor, "configure") then
      item.error = nil
    end
  end
  return seen
end

-- A page of a list, and the link to the next one: that goes on behind the last item, seen or not.
local function page(context, query, items, after)
  local seen, message, code = api.visible(context, items)
  if not seen then
    return response.problem(context, code, message)
  end
  return response.json(200, seen, next_page(context, query, after))
end

function api.confirmations(context)
  local query, problem = api.query(context, { "company", "user", "state", "limit" }, api.cursor_of_confirmations)
  if not query then
    return response.problem(context, "invalid", problem)
  end
  local records, message, code = context.engine:confirmations(query)
  if not records then
    return response.problem(context, code, message)
  end
  local last = records[query.limit or DEFAULT_LIMIT]
  return page(context, query, records, last and last.id)
end

function api.count(context)
  local user, count = context.actor.id, 0
  if user ~= nil then
    local message, code
    count, message, code = context.engine:count_confirmations { user = user, state = "open" }
    if not count then
      return response.problem(context, code, message)
    end
  end
  return response.json(200, { count = count })
end

function api.history(context)
  local query, problem = api.query(context, {
    "company", "actor", "trigger", "status", "revision", "run", "since", "before", "limit", "unchanged",
  }, api.cursor_of_history)
  if not query then
    return response.problem(context, "invalid", problem)
  end
  local entries, after, code = context.engine:history(query)
  if not entries then
    return response.problem(context, code, after)
  end
  return page(context, query, entries, after)
end

-- Why ------------------------------------------------------------------------------------------------------------------

-- The explanation, where the actor may see all that it is about.
local function explained(context, explanation, subjects)
  local seen, message, code = api.visible(context, subjects)
  if not seen or #seen < #subjects then
    return response.problem(context, code or "forbidden", message)
  end
  return response.json(200, explanation)
end

function api.explain(context)
  local event, code, message = request_of.json(context.request)
  if event == nil then
    return response.problem(context, code, message)
  elseif type(event) ~= "table" then
    return response.problem(context, "invalid", "an event expected")
  end
  local explanation
  explanation, message, code = context.engine:explain(sent_by(event, context.actor))
  if not explanation then
    return response.problem(context, code, message)
  end
  return explained(context, explanation, { event, explanation.first })
end

-- An address does not say whether the CRM's id is an integer: where the text is unknown, that is tried.
local function why_of(context, company)
  local options = { language = context.language }
  local found, message, code = context.engine:why(company, options)
  local number = found and not found.category and whole(company, 2 ^ 53 - 1)
  if number and ("%d"):format(number) == company then
    return context.engine:why(number, options)
  end
  return found, message, code
end

function api.why(context)
  local query, problem = api.query(context, { "company" }, api.cursor_of_history)
  if not query or not query.company then
    return response.problem(context, "invalid", problem or "the parameter company is missing")
  end
  local found, message, code = why_of(context, query.company)
  local seen
  if found then
    seen, message, code = api.visible(context, { found.newest })
  end
  if not seen then
    return response.problem(context, code, message)
  end
  found.newest = seen[1]
  return explained(context, found, { { company = found.company } })
end

-- Questions ------------------------------------------------------------------------------------------------------------

--- A record that the actor may see. Whether there is one that he may not see is nobody's business.
---@param context leadcat.http.Context
---@return leadcat.Confirmation? record
---@return string? code
---@return string? message
function api.find(context)
  local record, message, code = context.engine:confirmation(context.id)
  if not record then
    return nil, code, message
  end
  local may, denial, failure = context.engine:can(context.actor, "view", record)
  if not may then
    return nil, failure or "not_found", denial
  end
  return record
end

function api.confirmation(context)
  local record, code, message = api.find(context)
  if not record then
    return response.problem(context, code, message)
  end
  return response.json(200, record)
end

-- The answer in a form: `decline` counts whatever the list says, as browsers always send it.
local function answer_of(fields)
  if fields.decline == "true" then
    return { decline = true }
  elseif fields.accept == "true" then
    return { accept = true }
  end
  return { category = json.integer(tonumber(fields.category or "") or 0) }
end

-- Why an answer was not taken, in the actor's language where the engine's message is only English.
local function refused(context, code, message, record)
  if record then
    local view = context.engine:view(record, { actor = context.actor })
    message = view and view.closed or message
  end
  return response.problem(context, code, message)
end

local function resolve_with(context, answer)
  local outcome, message, code, record = context.engine:resolve(context.id, answer, { actor = context.actor })
  if code == "forbidden" then
    local _, hidden, failure = api.find(context)
    return response.problem(context, hidden or code, hidden and failure or message)
  elseif not outcome then
    return refused(context, code, message, record)
  elseif outcome.status == "conflict" then
    local closed = context.engine:confirmation(context.id)
    local view = closed and context.engine:view(closed, { actor = context.actor })
    return response.problem(context, "conflict", view and view.closed, { outcome = outcome })
  end
  return told(STATUS[outcome.status] or 200, outcome)
end

function api.resolve(context)
  if request_of.is_form(context.request) then
    local fields, code, message = request_of.form(context.request)
    if not fields then
      return response.problem(context, code, message)
    end
    local made = resolve_with(context, answer_of(fields))
    return made.status < 300 and response.redirect(context, "/confirmations?answered=" .. context.id) or made
  end
  local answer, code, message = request_of.json(context.request)
  if answer == nil then
    return response.problem(context, code, message)
  elseif type(answer) ~= "table" then
    return response.problem(context, "invalid", "an answer has accept, category or decline")
  end
  return resolve_with(context, answer)
end

-- Who may undo nothing is not told which entries there are.
local function no_entry(context)
  local may, denial, failure = context.engine:can(context.actor, "undo")
  return response.problem(context, may and "not_found" or failure or "forbidden", denial)
end

function api.undo(context)
  local entry = whole(context.id, 2 ^ 53)
  if not entry then
    return no_entry(context)
  end
  local outcome, message, code = context.engine:undo(entry, { actor = context.actor })
  if code == "not_found" then
    return no_entry(context)
  elseif context.wants_page and (code == "conflict" or code == "invalid") then
    return response.problem(context, code) -- in the reader's language: the engine's message is English
  elseif not outcome then
    return response.problem(context, code, message)
  elseif context.wants_page then
    return response.redirect(context, ("/history?undone=%d"):format(outcome.entry))
  end
  return told(STATUS[outcome.status] or 200, outcome)
end

function api.undo_many(context)
  local sent, code, message = request_of.json(context.request)
  if sent == nil then
    return response.problem(context, code, message)
  end
  local problem = type(sent) ~= "table" and "an object with run, revision or entry expected" or undo.problem(sent)
  if problem then
    return response.problem(context, "invalid", problem)
  end
  local result
  result, message, code = context.engine:undo(sent, { actor = context.actor })
  if not result then
    return response.problem(context, code, message)
  end
  local kept = {}
  for _, row in ipairs(result.refused) do
    if row.code == "unavailable" then -- what a host said is for the operator to read
      kept[#kept + 1], row.why = ("entry %s: %s"):format(tostring(row.entry), row.why), nil
    end
  end
  local made = response.json(200, result)
  made.log = kept[1] and table.concat(kept, "; ") or nil
  return made
end

-- For operators --------------------------------------------------------------------------------------------------------

function api.metrics(context)
  local text, message, code = context.engine:metrics()
  if not text then
    return response.problem(context, code, message)
  end
  return response.new(200, text, "text/plain; version=0.0.4; charset=utf-8")
end

--- Whether the store can be read.
function api.health(context)
  local cfg, message, code = context.engine:config()
  if not cfg then
    local made = response.json(503, { status = "unavailable", code = code })
    made.log = message
    return made
  end
  return response.json(200, { status = "ok" })
end

return api
