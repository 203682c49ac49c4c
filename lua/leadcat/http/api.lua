--- The routes that programs call: JSON in, JSON out. Handlers are called as `http.lua` says.

local changes = require "leadcat.past.changes"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local daily = require "leadcat.insight.daily"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local outcomes = require "leadcat.http.outcomes"
local pager = require "leadcat.http.pager"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local search = require "leadcat.past.search"
local suggest = require "leadcat.insight.suggest"
local unicode = require "leadcat.util.unicode"
local wording = require "leadcat.words.wording"

local allow, fail, must = response.allow, response.fail, response.must

local api = {}
local DEFAULT_LIMIT, MAX_LIMIT = 100, 1000

-- The config ----------------------------------------------------------------------------------------------------------

local function tag_of(revision)
  return ('"%d"'):format(revision)
end

function api.config(context)
  local cfg = must(context.engine:config())
  local headers = { ETag = tag_of(cfg.revision), ["Cache-Control"] = "private, no-cache" }
  if request_of.has_tag(context.request, headers.ETag) then
    return response.new(304, nil, nil, headers)
  end
  return response.json(200, cfg, headers)
end

-- The revision that the client changed; nil for any. A weak tag fits, too: what compresses answers makes tags weak, and a revision
-- has one form only.
local function expected_revision(context)
  local sent = context.request.headers["if-match"] or fail "revision_required"
  local tags = request_of.tags(sent)
  if not tags then
    fail("malformed", 'If-Match: a revision in quotes expected, such as "7", or several with commas between them, or *')
  elseif tags["*"] then
    return nil
  end
  local newest = must(context.engine:config()).revision
  if not tags[tag_of(newest)] then
    fail("stale", ("If-Match: the newest revision is %s"):format(tag_of(newest)))
  end
  return newest
end

function api.save_config(context)
  local expected = expected_revision(context)
  if context.engine:licensed() == false then
    fail "forbidden"
  end
  local cfg = must(request_of.json(context.request))
  if json.is_array(cfg) then
    fail("invalid", "a config expected, not a list")
  end
  local revision, message, code, problems = context.engine:save(cfg, { actor = context.actor, revision = expected })
  if code == "approval" then
    return response.drafted(context, problems)
  elseif not revision then
    return response.problem(context, code, message, problems and { problems = json.array(problems) })
  end
  return response.json(200, { revision = revision }, { ETag = tag_of(revision) })
end

--- What conditions may compare.
function api.fields(context)
  return response.json(200, json.array(context.engine:fields()))
end

-- Lists ---------------------------------------------------------------------------------------------------------------

local function whole(text, most)
  local number = text:find "^%d+$" and tonumber(text)
  return number and number >= 1 and number <= most and json.integer(number) or nil
end

-- A reader of the names that an option accepts.
local function name_of(option)
  return function(text) return option.fits(text) and text or nil end
end

local function id_of(text)
  return #text >= 1 and #text <= 255 and text or nil
end

local MAX_TIME = 512 -- bytes: the pattern takes the square of them

-- Seconds since 1970.
local function time_of(text)
  return #text <= MAX_TIME and tonumber(text:match "^%d+%.?%d*$") or nil
end

-- A reader of a number that limits suggestions.
local function number_for(name)
  return function(text)
    local number = time_of(text)
    return number and suggest.OPTIONS[name].fits(number) and json.integer(number) or nil
  end
end

-- The beginning of a day, in UTC.
local function day_of(text)
  return text:find "^%d%d%d%d%-%d%d%-%d%d$" and core.parse_time(text, "%Y-%m-%d") or nil
end

local DAY = 86400

-- Seconds since 1970, or a day, of which it is the end.
local function moment_of(text)
  local day = day_of(text)
  return day and day + DAY - 1 or time_of(text)
end

-- A built-in trigger, or one that the store knows.
local function trigger_of(text, context)
  return search.QUERY.trigger.fits(text) and not search.problem(context.engine, { trigger = text }) and text or nil
end

-- An id or a name; "me" is the caller.
local function actor_of(text, context)
  if text == "me" and context.actor.id ~= nil then
    return context.actor.id
  end
  return id_of(text)
end

-- How each parameter is read: nil for an invalid one.
local READERS = {
  company = id_of, user = id_of, sale = id_of, run = id_of,
  from = day_of, to = day_of, since = time_of, before = time_of,
  actor = actor_of, trigger = trigger_of, status = name_of(search.QUERY.status),
  state = name_of(options_of.one_of(core.question_states)),
  at = moment_of, entry = function(text) return whole(text, 2 ^ 53) end,
  revision = function(text) return whole(text, 2 ^ 53) end,
  rule = id_of, days = function(text) return whole(text, daily.MOST_DAYS) end,
  limit = function(text) return whole(text, MAX_LIMIT) end,
  cases = number_for "cases", share = number_for "share", margin = number_for "margin", doubt = number_for "doubt",
  wait = function(text)
    local seconds = time_of(text)
    return seconds and changes.WAIT.fits(seconds) and seconds or nil
  end,
  unchanged = function(text) return text == "true" or nil end,
  folded = function(text) return text == "true" or nil end,
  company_name = id_of, actor_name = id_of,
  foresee = function(text) return text == "true" or nil end,
}

--- The parameters of each list; besides, `after` says where to go on.
api.PARAMETERS = {
  health = { "rule", "days" },
  confirmations = { "company", "user", "state", "limit" },
  history = {
    "company", "actor", "sale", "trigger", "status", "revision", "run", "since", "before", "limit", "unchanged",
    "company_name", "actor_name", "folded",
  },
  why = { "company", "at", "entry" },
  changes = { "limit", "wait" },
  held = { "rule", "limit", "foresee" },
  shadow = { "rule", "days", "limit" },
  suggestions = { "rule", "days", "cases", "share", "margin", "doubt" },
}

-- Reads one parameter into the query, if it was sent.
local function read_parameter(context, sent, query, name, read)
  local text = sent[name]
  if text and text ~= "" then
    query[name] = read(text, context)
    if query[name] == nil then
      fail("invalid", ("the parameter %s cannot be '%s'"):format(name, unicode.visible(text:sub(1, 60))),
        context.wants_page and wording.sentence(context, "problem.parameter", {
          name = name, value = unicode.line(text:sub(1, 60)),
        }) or nil)
    end
  end
end

--- The parameters of a list, as the engine takes them.
---@param context leadcat.http.Context
---@param names string[]
---@param after fun(text: string): any reads the cursor
---@return table query
function api.query(context, names, after)
  local sent, query = request_of.fields(context.request.query), {}
  read_parameter(context, sent, query, "after", after)
  for _, name in ipairs(names) do
    read_parameter(context, sent, query, name, READERS[name])
  end
  return query
end

--- The number of an entry; nil for another text.
function api.cursor_of_history(text)
  return whole(text, 2 ^ 53)
end

function api.cursor_of_confirmations(text)
  return text:match "^%x+$"
end

--- Removes why a host failed, which only administrators see.
function api.withhold_error(context, item)
  if item.error and item.reason ~= "vetoed" and not context.engine:can(context.actor, "configure") then
    item.error = nil
  end
end

--- Whether the actor may see a confirmation or an entry. Only administrators see why a host failed.
function api.is_visible(context, item)
  api.withhold_error(context, item)
  return must(context.engine:can(context.actor, "view", item))
end

--- Those of the confirmations or entries.
function api.visible(context, items)
  local seen = json.array {}
  for _, item in ipairs(items) do
    seen[#seen + 1] = api.is_visible(context, item) and item or nil
  end
  return seen
end

--- A page of what the actor may see of the journal.
---@param limit integer
---@return leadcat.http.Page
function api.entries(context, query, limit)
  return pager.read {
    query = query, limit = limit, tries = query.company_name and 1 or nil, -- for each the host is asked for names
    read = function(asked) return must(context.engine:history(asked)) end,
    visible = function(entry) return api.is_visible(context, entry) end,
    cursor = function(entry) return entry.entry end,
  }
end

--- A page of the questions that the actor may see.
---@param limit integer
---@return leadcat.http.Page
function api.questions(context, query, limit)
  return pager.read {
    query = query, limit = limit,
    read = function(asked)
      local records = must(context.engine:confirmations(asked))
      local last = records[asked.limit]
      return records, last and last.id
    end,
    visible = function(record) return api.is_visible(context, record) end,
    cursor = function(record) return record.id end,
  }
end

function api.confirmations(context)
  local query = api.query(context, api.PARAMETERS.confirmations, api.cursor_of_confirmations)
  return pager.respond(context, query, api.questions(context, query, query.limit or DEFAULT_LIMIT))
end

function api.count(context)
  local user = context.actor.id
  local count = user == nil and 0 or must(context.engine:count_confirmations { user = user, state = "open" })
  return response.json(200, { count = count })
end

function api.history(context)
  local query = api.query(context, api.PARAMETERS.history, api.cursor_of_history)
  return pager.respond(context, query, api.entries(context, query, query.limit or DEFAULT_LIMIT))
end

-- Triggers -------------------------------------------------------------------------------------------------------------

--- What triggers events and rules may have.
function api.triggers(context)
  return response.json(200, must(context.engine:triggers()))
end

-- Questions -----------------------------------------------------------------------------------------------------------

--- The question that the path names. One that the actor may not see is `not_found`.
function api.find(context)
  local record = must(context.engine:confirmation(context.id))
  return must(context.engine:can(context.actor, "view", record)) and record or fail "not_found"
end

function api.confirmation(context)
  return response.json(200, api.find(context))
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

--- Why a question is closed, in the actor's language; nil for who may not view it.
function api.why_closed(context, record)
  local view = record and must(context.engine:can(context.actor, "view", record))
    and context.engine:view(record, { actor = context.actor })
  return view and view.closed or nil
end

-- Says what is wrong with an answer in the reader's language.
local function refuse(context, answer, message)
  local chosen, key = answer.category, "problem.invalid"
  if type(chosen) == "number" then
    local category = config.find(must(context.engine:config()).categories, chosen)
    key = "settings.problem.category_" .. (category and "deleted" or chosen == 0 and "required" or "unknown")
  end
  fail("invalid", message, context.strings:text(context.language, key))
end

local function resolve(context, answer)
  local outcome, message, code, record = context.engine:resolve(context.id, answer, { actor = context.actor })
  if code == "forbidden" then
    allow(context, "confirm", api.find(context)) -- the question cannot be found when the actor may not even see it
    fail(code)
  elseif code == "invalid" then
    refuse(context, answer, message)
  elseif not outcome then
    fail(code, not record and message or nil, api.why_closed(context, record))
  elseif outcome.status == "conflict" then
    local why = api.why_closed(context, context.engine:confirmation(context.id))
    return response.problem(context, "conflict", nil, { outcome = outcome }, nil, why)
  end
  return outcomes.one(context, outcome, { failed = 202 })
end

function api.resolve(context)
  if not request_of.is_form(context.request) then
    local problem = "an answer has accept, category or decline"
    return resolve(context, must(request_of.json_table(context.request, problem)))
  end
  return resolve(context, answer_of(request_of.form_of_panel(context)))
end

-- For operators -------------------------------------------------------------------------------------------------------

function api.metrics(context)
  allow(context, "view", { metrics = true })
  return response.new(200, must(context.engine:metrics()), "text/plain; version=0.0.4; charset=utf-8")
end

--- Whether the store can be read and written.
function api.health(context)
  local works, message, code = context.engine:config()
  if works then
    works, message, code = context.engine:probe()
  end
  if works then
    return response.json(200, { status = "ok" })
  end
  local made = response.json(503, { status = "unavailable", code = code })
  made.log = message
  return made
end

return api
