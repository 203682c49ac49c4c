--- The routes that look back: the history as a page and as a CSV file, and the revisions of the rules. Handlers are
-- called as `http.lua` says.

local api = require "leadcat.http.api"
local config = require "leadcat.rules.config"
local difference = require "leadcat.rules.difference"
local history_csv = require "leadcat.pages.history_csv"
local history_page = require "leadcat.pages.history"
local outcomes = require "leadcat.http.outcomes"
local pager = require "leadcat.http.pager"
local platform = require "leadcat.util.platform"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local revision_page = require "leadcat.pages.revision"
local standing = require "leadcat.past.standing"
local why = require "leadcat.words.why"
local wording = require "leadcat.words.wording"

local must = response.must

local history = {}

local PAGE = 50 -- entries of a page
local PAGE_BYTES = 48 * 1024 -- of the sentences of a page, before they are escaped and have markup
local ROWS, BLOCK, BLOCKS = 10000, 1000, 20 -- of a file: its rows, rows of a page, pages
local DAY = 24 * 3600

-- Asking --------------------------------------------------------------------------------------------------------------

-- What the address may ask for, as `api.query` reads it.
local PARAMETERS = { "company", "actor", "sale", "trigger", "status", "from", "to", "revision", "run" }

-- Limits the query to days, which begin when the reader's do.
local function limit_days(context, query, filters, zone)
  local first, last = query.from, query.to
  local ahead = (zone or 0) * 60
  local period = history_page.PERIODS[filters.period]
  if period then
    local today = context.engine:_now() + ahead
    first = today - today % DAY - period[1] * DAY
    last = first + (period[2] - 1) * DAY
  end
  query.from, query.to = nil, nil
  query.since, query.before = first and first - ahead, last and last + DAY - ahead
end

-- Readers type a part of a name. What is the id of a company that the journal knows is that company: it has an index.
local function find_names(context, query)
  if query.company and not must(context.engine:history { company = query.company, limit = 1 })[1] then
    query.company, query.company_name = nil, query.company
  end
  if query.actor and query.actor ~= context.actor.id then
    query.actor, query.actor_name = nil, query.actor
  end
end

-- What the address asks for: the query for the engine, and the filters that the page shows.
local function query_of(context)
  local query = api.query(context, PARAMETERS, api.cursor_of_history)
  local sent, filters = request_of.fields(context.request.query), {}
  for _, name in ipairs(PARAMETERS) do
    filters[name] = query[name] ~= nil and sent[name] or nil
  end
  local zone = request_of.zone(sent)
  filters.zone = zone and ("%d"):format(zone)
  filters.period = history_page.PERIODS[sent.period] and sent.period or nil
  if sent.mine == "true" then
    filters.mine, query.actor = "true", context.actor.id
  end
  limit_days(context, query, filters, zone)
  find_names(context, query)
  return query, filters
end

-- Looks up the company names of the entries, asking the host once for each, and the questions that the actor may see.
local function look_up(context, entries, names, questions)
  for _, entry in ipairs(entries) do
    local company, id = entry.company, entry.confirmation
    if names[company] == nil then
      names[company] = context.engine:company_name(company) or false
    end
    platform.give_way()
    if id and questions[id] == nil then
      local record = context.engine:confirmation(id)
      questions[id] = record and context.engine:can(context.actor, "view", record) and record or false
    end
  end
end

-- The page ------------------------------------------------------------------------------------------------------------

-- What the address says about an entry, if the actor may view that.
local function told_of(context, number)
  local entry = number and #number < 17 and api.cursor_of_history(number)
  entry = entry and outcomes.entry(context, entry)
  return entry and api.is_visible(context, entry) and entry or nil
end

--- The sentence about what was just undone, tried again or cancelled, as the fields of the address say.
function history.done(context, sent, cfg)
  if api.cursor_of_history(sent.all or "") or sent.all == "0" then
    local left = (sent.left or ""):match "^%d+$" or "0"
    return wording.sentence(context, "undo.done", { count = sent.all, refused = left })
  end
  local entry = told_of(context, sent.undone or sent.retried)
  if entry and entry.status == "updated" then
    return history_page.said(entry, cfg, context, context.engine:company_name(entry.company))
  end
  entry = told_of(context, sent.cancelled)
  return entry and entry.status == "cancelled"
    and history_page.said_of_cancelled(entry, context, context.engine:company_name(entry.company)) or nil
end

-- What has happened since to the company of an entry that could not be undone.
local function since(context, entry, cfg)
  local name = wording.line(context.engine:company_name(entry.company)) or wording.line(entry.company) or "?"
  local later = standing.since(context.engine, entry)
  if later and api.is_visible(context, later) then
    return why.entry(later, cfg, context, name)
  end
  return wording.sentence(context, "problem.conflict")
end

--- Why something was not done: what has happened since.
---@return {entry: integer, words: string}?
function history.refused(context, sent, cfg)
  local entry = told_of(context, sent.refused)
  return entry and { entry = entry.entry, words = wording.sentence(context, "history.refused") .. " "
    .. since(context, entry, cfg) } or nil
end

-- When the revisions of the entries were saved.
local function saved(context)
  local times = {}
  for _, record in ipairs(must(context.engine:revisions())) do
    times[record.revision] = record.at
  end
  return times
end

-- What would work of what the page can offer. A failed answer whose question is open again is answered anew.
local function actions_of(context, entries, questions)
  local actions = must(standing.actions(context.engine, entries, context.actor))
  for _, entry in ipairs(entries) do
    local question = entry.confirmation and questions[entry.confirmation]
    if actions[entry.entry] == "retry" and question and question.state == "open" then
      actions[entry.entry] = nil
    end
  end
  return actions
end

-- The open questions of a page that the actor may answer.
local function answers_of(context, questions)
  local answers = {}
  for id, record in pairs(questions) do
    answers[id] = record and record.state == "open" and response.offers(context, "confirm", record) or nil
  end
  return answers
end

-- When what was looked at last happened, if the search has stopped before the page was full.
local function searched_to(context, found)
  local reached = not found.searched and must(context.engine:history { after = found.next + 1, limit = 1 })[1]
  return reached and reached.at or nil
end

function history.page(context)
  local query, filters = query_of(context)
  query.folded = true
  local sent, cfg = request_of.fields(context.request.query), must(context.engine:config())
  local found = api.entries(context, query, PAGE)
  local entries = found.items
  local names, questions = {}, {}
  look_up(context, entries, names, questions)
  local may_undo = response.offers(context, "undo")
  return response.page(context, 200, history_page.html, {
    own_triggers = must(context.engine:_own_triggers()),
    entries = entries, cfg = cfg, filters = filters, names = names, questions = questions, saved = saved(context),
    after = query.after, next = found.next, searched_to = searched_to(context, found),
    may_undo = may_undo, actions = may_undo and actions_of(context, entries, questions) or nil,
    answers = answers_of(context, questions),
    said = history.done(context, sent, cfg), kind = not sent.cancelled and "updated" or nil,
    refused = may_undo and history.refused(context, sent, cfg) or nil,
  })
end

-- The file ------------------------------------------------------------------------------------------------------------

-- The text of a file, and where the next one goes on. Each page is written before the next one is read: what a page may
-- have bounds the file.
local function text_of(context, query, model)
  local blocks, rows, found = {}, 0, nil
  for block = 1, BLOCKS do
    found = api.entries(context, query, math.min(BLOCK, ROWS - rows))
    look_up(context, found.items, model.names, model.questions)
    blocks[block] = history_csv.text(found.items, model, block > 1)
    rows, query.after = rows + #found.items, found.next
    if not found.next or rows == ROWS then
      break
    end
  end
  return table.concat(blocks), found.next
end

function history.csv(context)
  local query, filters = query_of(context)
  local model = { categories = {}, language = context.language, names = {}, questions = {} }
  for _, category in ipairs(must(context.engine:config()).categories) do
    model.categories[category.id] = category
  end
  local text, going_on = text_of(context, query, model)
  local headers = { ["Content-Disposition"] = 'attachment; filename="history.csv"' }
  if going_on then
    headers.Link = ('<%s>; rel="next"'):format(history_page.address(context.request.path, filters, going_on))
  end
  return response.new(200, text, "text/csv; charset=utf-8; header=present", headers)
end

-- Revisions -----------------------------------------------------------------------------------------------------------

-- The record of a revision, and the newest revision's number.
local function find_revision(context, number)
  local revisions = must(context.engine:revisions())
  for _, record in ipairs(revisions) do
    if record.revision == number then
      response.allow(context, "view", record)
      return record, revisions[1].revision
    end
  end
  response.fail "not_found"
end

-- The config of a revision. Before the first one it is empty.
local function config_of(context, number)
  return number == 0 and config.normalize {} or must(context.engine:config(number))
end

function history.revision(context)
  local number = request_of.number(context.id)
  local record, newest = find_revision(context, number or response.fail "not_found")
  local query = api.query(context, {}, api.cursor_of_history)
  local new, old = config_of(context, number), config_of(context, number - 1)
  local sentences = difference.sentences(old, new, context.strings, context.language)
  local changes, after = pager.slice(sentences, query.after or 0, PAGE_BYTES)
  return response.page(context, 200, revision_page.html, {
    revision = record, newest = newest, changes = changes, next = after,
  }, pager.link(context, query, after))
end

return history
