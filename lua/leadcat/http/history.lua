--- The routes that look back: the history as a page and as a CSV file, and the revisions of the rules. Handlers are
-- called as `http.lua` says.

local api = require "leadcat.http.api"
local config = require "leadcat.rules.config"
local difference = require "leadcat.rules.difference"
local history_csv = require "leadcat.pages.history_csv"
local history_page = require "leadcat.pages.history"
local json = require "leadcat.util.json"
local pager = require "leadcat.http.pager"
local platform = require "leadcat.util.platform"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local revision_page = require "leadcat.pages.revision"

local must = response.must

local history = {}

local PAGE = 50 -- entries of a page
local PAGE_BYTES = 48 * 1024 -- of the sentences of a page, before they are escaped and have markup
local ROWS, BLOCK, BLOCKS = 10000, 1000, 20 -- of a file: its rows, rows of a page, pages
local DAY = 24 * 3600

-- Asking --------------------------------------------------------------------------------------------------------------

local PARAMETERS = {}
for i, row in ipairs(history_page.FILTERS) do
  PARAMETERS[i] = row[1]
end

-- What the address asks for: the query for the engine, and the filters that the page shows.
local function query_of(context)
  local query = api.query(context, PARAMETERS, api.cursor_of_history)
  local sent, filters = request_of.fields(context.request.query), {}
  for _, name in ipairs(PARAMETERS) do
    filters[name] = query[name] ~= nil and sent[name] or nil
  end
  query.since, query.before = query.from, query.to and query.to + DAY
  query.from, query.to = nil, nil
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

-- The sentence about the undo that was just made.
local function undone(context, entries, cfg, names)
  local id = request_of.fields(context.request.query).undone
  for _, entry in ipairs(entries) do
    if entry.undoes and ("%d"):format(entry.entry) == id then
      return history_page.said(entry, cfg, context, names[entry.company])
    end
  end
end

function history.page(context)
  local query, filters = query_of(context)
  local cfg = must(context.engine:config())
  local found = api.entries(context, query, PAGE)
  local entries = found.items
  local names, questions = {}, {}
  look_up(context, entries, names, questions)
  return response.page(context, 200, history_page.html, {
    own_triggers = must(context.engine:_own_triggers()),
    entries = entries, cfg = cfg, filters = filters, names = names, questions = questions,
    next = found.next, searched = found.searched, may_undo = context.engine:can(context.actor, "undo") == true,
    said = undone(context, entries, cfg, names),
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
  local number = #context.id < 16 and context.id:find "^[1-9]%d*$" and json.integer(tonumber(context.id))
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
