--- The routes that programs call: JSON in, JSON out. A handler gives a response, or nil, message, code.

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

-- Moves a host's error from the outcome to the operator's log. Clients may read what a guard said.
local function withhold(outcome, log)
  if outcome.error and outcome.reason ~= "vetoed" then
    log[#log + 1], outcome.error = ("entry %s: %s"):format(outcome.entry, outcome.error), nil
  end
  if outcome.first then
    withhold(outcome.first, {}) -- it was logged when it happened
  end
end

local function logged(status, body, log)
  local made = response.json(status, body)
  made.log = log[1] and table.concat(log, "; ")
  return made
end

local function one(status, outcome)
  local log = {}
  withhold(outcome, log)
  return logged(status, outcome, log)
end

-- Events ---------------------------------------------------------------------------------------------------------------

-- The sender is the actor, and the host says the company's category.
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
  if not outcomes then
    return nil, message, code
  end
  local log = {}
  for _, outcome in ipairs(outcomes) do
    withhold(outcome, log)
  end
  return logged(200, json.array(outcomes), log)
end

function api.events(context)
  local sent, message, code = request_of.json_table(context.request, "an event, or an array of events, expected")
  if not sent then
    return nil, message, code
  elseif sent[1] ~= nil or json.is_array(sent) then
    return handle_many(context, sent)
  end
  local outcome
  outcome, message, code = context.engine:handle(sent_by(sent, context.actor))
  return outcome and one(200, outcome), message, code
end

function api.propose(context)
  local event, message, code = request_of.json_table(context.request, "an event expected")
  local view
  if event then
    view, message, code = context.engine:propose(sent_by(event, context.actor))
  end
  if code then
    return nil, message, code
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
    return nil, message, code
  end
  local headers = { ETag = tag_of(cfg.revision), ["Cache-Control"] = "private, no-cache" }
  if request_of.has_tag(context.request, headers.ETag) then
    return response.new(304, nil, nil, headers)
  end
  return response.json(200, cfg, headers)
end

-- The revision that the client changed; nil for any. Else nil, code.
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
  local expected, refusal = expected_revision(context)
  if refusal then
    return nil, nil, refusal
  elseif context.engine:licensed() == false then
    return nil, nil, "forbidden"
  end
  local cfg, message, code = request_of.json(context.request)
  if cfg == nil then
    return nil, message, code
  elseif json.is_array(cfg) then
    return nil, "a config expected, not a list", "invalid"
  end
  local revision, problems
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

-- A reader of the names that an option accepts.
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

-- How each parameter is read: nil for an invalid one.
local PARAMETERS = {
  company = id_of, user = id_of, actor = id_of, run = id_of,
  from = day_of, to = day_of, since = time_of, before = time_of,
  trigger = name_of(search.QUERY.trigger), status = name_of(search.QUERY.status),
  state = name_of(options_of.one_of(core.question_states)),
  revision = function(text) return whole(text, 2 ^ 53) end,
  limit = function(text) return whole(text, MAX_LIMIT) end,
  unchanged = function(text) return text == "true" or nil end,
}

-- Reads one parameter into the query, if it was sent. Gives what is wrong with it.
local function read_parameter(sent, query, name, read)
  local text = sent[name]
  if text and text ~= "" then
    query[name] = read(text)
    if query[name] == nil then
      return ("the parameter %s cannot be '%s'"):format(name, text:sub(1, 60))
    end
  end
end

--- The parameters of a list, as the engine takes them.
---@param context leadcat.http.Context
---@param names string[]
---@param after fun(text: string): any reads the cursor
---@return table? query
---@return string? message
---@return "invalid"? code
function api.query(context, names, after)
  local sent, query = request_of.fields(context.request.query), {}
  local problem = read_parameter(sent, query, "after", after)
  for _, name in ipairs(names) do
    problem = problem or read_parameter(sent, query, name, PARAMETERS[name])
  end
  if problem then
    return nil, problem, "invalid"
  end
  return query
end

function api.cursor_of_history(text)
  return whole(text, 2 ^ 53)
end

function api.cursor_of_confirmations(text)
  return text:match "^%x+$"
end

-- The link to the next page, when there may be one.
local function next_page(context, query, after)
  if not after then
    return {}
  end
  local words = {}
  for name, value in pairs(query) do
    words[#words + 1] = name ~= "after" and name .. "=" .. url.escape(tostring(value)) or nil
  end
  table.sort(words)
  table.insert(words, 1, "after=" .. url.escape(tostring(after)))
  return { Link = ('<%s?%s>; rel="next"'):format(context.request.path, table.concat(words, "&")) }
end

--- The confirmations or entries that the actor may see. Only administrators see why a host failed.
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

-- A page of a list, with a link to the next one. That begins behind the last item, visible or not.
local function page(context, query, items, after)
  local seen, message, code = api.visible(context, items)
  return seen and response.json(200, seen, next_page(context, query, after)), message, code
end

function api.confirmations(context)
  local query, message, code = api.query(context, { "company", "user", "state", "limit" }, api.cursor_of_confirmations)
  local records
  if query then
    records, message, code = context.engine:confirmations(query)
  end
  if not records then
    return nil, message, code
  end
  local last = records[query.limit or DEFAULT_LIMIT]
  return page(context, query, records, last and last.id)
end

function api.count(context)
  local user, count, message, code = context.actor.id, 0, nil, nil
  if user ~= nil then
    count, message, code = context.engine:count_confirmations { user = user, state = "open" }
  end
  return count and response.json(200, { count = count }), message, code
end

function api.history(context)
  local query, message, code = api.query(context, {
    "company", "actor", "trigger", "status", "revision", "run", "since", "before", "limit", "unchanged",
  }, api.cursor_of_history)
  if not query then
    return nil, message, code
  end
  local entries, after
  entries, after, code = context.engine:history(query)
  if not entries then
    return nil, after, code
  end
  return page(context, query, entries, after)
end

-- Why ------------------------------------------------------------------------------------------------------------------

-- The explanation, if the actor may see all its subjects.
local function explained(context, explanation, subjects)
  local seen, message, code = api.visible(context, subjects)
  if not seen or #seen < #subjects then
    return nil, message, code or "forbidden"
  end
  return response.json(200, explanation)
end

function api.explain(context)
  local event, message, code = request_of.json_table(context.request, "an event expected")
  local explanation
  if event then
    explanation, message, code = context.engine:explain(sent_by(event, context.actor))
  end
  if not explanation then
    return nil, message, code
  end
  return explained(context, explanation, { event, explanation.first })
end

-- In an address, an integer id looks like a text. An unknown text is tried as an integer.
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
  local query, message, code = api.query(context, { "company" }, api.cursor_of_history)
  if query and not query.company then
    return nil, "the parameter company is missing", "invalid"
  end
  local found, seen
  if query then
    found, message, code = why_of(context, query.company)
  end
  if found then
    seen, message, code = api.visible(context, { found.newest })
  end
  if not seen then
    return nil, message, code
  end
  found.newest = seen[1]
  return explained(context, found, { { company = found.company } })
end

-- Questions ------------------------------------------------------------------------------------------------------------

--- The question that the path names. One that the actor may not see is `not_found`.
function api.find(context)
  local record, message, code = context.engine:confirmation(context.id)
  if not record then
    return nil, message, code
  end
  local may, denial, failure = context.engine:can(context.actor, "view", record)
  if not may then
    return nil, denial, failure or "not_found"
  end
  return record
end

function api.confirmation(context)
  local record, message, code = api.find(context)
  return record and response.json(200, record), message, code
end

-- The answer in a form. Browsers always send the list's category, so `decline` goes first.
local function answer_of(fields)
  if fields.decline == "true" then
    return { decline = true }
  elseif fields.accept == "true" then
    return { accept = true }
  end
  return { category = json.integer(tonumber(fields.category or "") or 0) }
end

-- Why a question is closed, in the actor's language.
local function why_closed(context, record)
  local view = record and context.engine:view(record, { actor = context.actor })
  return view and view.closed
end

local function resolve(context, answer)
  local outcome, message, code, record = context.engine:resolve(context.id, answer, { actor = context.actor })
  if code == "forbidden" then
    local _, denial, hidden = api.find(context)
    return nil, hidden and denial or message, hidden or code
  elseif not outcome then
    return nil, why_closed(context, record) or message, code
  elseif outcome.status == "conflict" then
    local why = why_closed(context, context.engine:confirmation(context.id))
    return response.problem(context, "conflict", why, { outcome = outcome })
  end
  return one(STATUS[outcome.status] or 200, outcome)
end

function api.resolve(context)
  if not request_of.is_form(context.request) then
    local answer, message, code = request_of.json_table(context.request, "an answer has accept, category or decline")
    if not answer then
      return nil, message, code
    end
    return resolve(context, answer)
  end
  local fields, message, code = request_of.form(context.request)
  local made
  if fields then
    made, message, code = resolve(context, answer_of(fields))
  end
  if made and made.status < 300 then
    return response.redirect(context, "/confirmations?answered=" .. context.id)
  end
  return made, message, code
end

-- Undo -----------------------------------------------------------------------------------------------------------------

-- An actor who may undo nothing does not learn which entries exist.
local function no_entry(context)
  local may, denial, failure = context.engine:can(context.actor, "undo")
  return nil, denial, may and "not_found" or failure or "forbidden"
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
    return nil, nil, code -- the page has its own words, in the reader's language
  elseif outcome and context.wants_page then
    return response.redirect(context, ("/history?undone=%d"):format(outcome.entry))
  end
  return outcome and one(STATUS[outcome.status] or 200, outcome), message, code
end

function api.undo_many(context)
  local sent, message, code = request_of.json_table(context.request, "an object with run, revision or entry expected")
  local problem = sent and undo.problem(sent)
  if problem then
    return nil, problem, "invalid"
  end
  local result, log = nil, {}
  if sent then
    result, message, code = context.engine:undo(sent, { actor = context.actor })
  end
  if not result then
    return nil, message, code
  end
  for _, row in ipairs(result.refused) do
    if row.code == "unavailable" then -- the host's words are for the operator
      log[#log + 1], row.why = ("entry %s: %s"):format(row.entry, row.why), nil
    end
  end
  return logged(200, result, log)
end

-- For operators --------------------------------------------------------------------------------------------------------

function api.metrics(context)
  local text, message, code = context.engine:metrics()
  return text and response.new(200, text, "text/plain; version=0.0.4; charset=utf-8"), message, code
end

--- Whether the store can be read.
function api.health(context)
  local cfg, message, code = context.engine:config()
  if cfg then
    return response.json(200, { status = "ok" })
  end
  local made = response.json(503, { status = "unavailable", code = code })
  made.log = message
  return made
end

return api
