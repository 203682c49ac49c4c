--- The routes that look back: the history as a page and as a CSV file, and the revisions of the rules. A handler gives
-- a response, or nil, message, code.

local api = require "leadcat.http.api"
local config = require "leadcat.rules.config"
local difference = require "leadcat.rules.difference"
local history_csv = require "leadcat.pages.history_csv"
local history_page = require "leadcat.pages.history"
local json = require "leadcat.util.json"
local platform = require "leadcat.util.platform"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local revision_page = require "leadcat.pages.revision"

local history = {}

local PAGE = 50 -- entries of a page
local ROWS, BLOCK, BLOCKS = 10000, 1000, 20 -- of a file: its rows, rows of one query, queries
local DAY = 24 * 3600

-- Asking ---------------------------------------------------------------------------------------------------------------

local PARAMETERS = {}
for i, row in ipairs(history_page.FILTERS) do
  PARAMETERS[i] = row[1]
end

-- What the address asks for: the query for the engine, and the filters that the page shows; or nil, message, code.
local function query_of(context)
  local query, problem, code = api.query(context, PARAMETERS, api.cursor_of_history)
  if not query then
    return nil, problem, code
  end
  local sent, filters = request_of.fields(context.request.query), {}
  for _, name in ipairs(PARAMETERS) do
    filters[name] = query[name] ~= nil and sent[name] or nil
  end
  query.since, query.before = query.from, query.to and query.to + DAY
  query.from, query.to = nil, nil
  return query, filters
end

-- The next entries that the actor may see, where to go on, nil, and whether the search is complete: false means that it
-- stopped early. Else nil, message, code.
local function find(context, query)
  local entries, going_on, code = context.engine:history(query)
  local seen, message
  if entries then
    seen, message, code = api.visible(context, entries)
  end
  if not seen then
    return nil, message or going_on, code
  end
  return seen, going_on, nil, not going_on or #entries == query.limit
end

-- Asks the host once for each company's name.
local function name_companies(context, entries, names)
  for _, entry in ipairs(entries) do
    if names[entry.company] == nil then
      names[entry.company] = context.engine:company_name(entry.company) or false
    end
  end
end

-- Reads the questions of the entries, as far as the actor may see them.
local function read_questions(context, entries, questions)
  for _, entry in ipairs(entries) do
    local id = entry.confirmation
    if id and questions[id] == nil then
      local record = context.engine:confirmation(id)
      questions[id] = record and context.engine:can(context.actor, "view", record) and record or false
    end
  end
end

-- The page -------------------------------------------------------------------------------------------------------------

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
  local query, filters, code = query_of(context)
  if not query then
    return nil, filters, code
  end
  query.limit = PAGE
  local cfg, entries, searched, message
  cfg, message, code = context.engine:config()
  if cfg then
    entries, message, code, searched = find(context, query)
  end
  if not entries then
    return nil, message, code
  end
  local names, questions = {}, {}
  name_companies(context, entries, names)
  read_questions(context, entries, questions)
  return response.html(context, 200, history_page.html {
    strings = context.strings, language = context.language, base = context.app.prefix, entries = entries, cfg = cfg,
    filters = filters, names = names, questions = questions, next = message, searched = searched,
    may_undo = context.engine:can(context.actor, "undo") == true, said = undone(context, entries, cfg, names),
  })
end

-- The file -------------------------------------------------------------------------------------------------------------

-- The entries of a file, and where the next file goes on. Their names and questions go into the model.
local function find_all(context, query, model)
  local all = {}
  for _ = 1, BLOCKS do
    query.limit = math.min(BLOCK, ROWS - #all)
    local entries, going_on, code = find(context, query)
    if not entries then
      return nil, going_on, code
    end
    name_companies(context, entries, model.names)
    read_questions(context, entries, model.questions)
    for _, entry in ipairs(entries) do
      all[#all + 1] = entry
    end
    query.after = going_on
    if not going_on or #all == ROWS then
      break
    end
    platform.give_way()
  end
  return all, query.after
end

function history.csv(context)
  local query, filters, code = query_of(context)
  if not query then
    return nil, filters, code
  end
  local model = { categories = {}, language = context.language, names = {}, questions = {} }
  local cfg, entries, message
  cfg, message, code = context.engine:config()
  if cfg then
    entries, message, code = find_all(context, query, model)
  end
  if not entries then
    return nil, message, code
  end
  for _, category in ipairs(cfg.categories) do
    model.categories[category.id] = category
  end
  local headers = { ["Content-Disposition"] = 'attachment; filename="history.csv"' }
  if message then -- there is more: for the next file
    headers.Link = ('<%s>; rel="next"'):format(history_page.address(context.request.path, filters, message))
  end
  local text = history_csv.text(entries, model)
  return response.new(200, text, "text/csv; charset=utf-8; header=present", headers)
end

-- Revisions ------------------------------------------------------------------------------------------------------------

-- The record of a revision, and the newest revision's number.
local function find_revision(context, number)
  local revisions, message, code = context.engine:revisions()
  if not revisions then
    return nil, message, code
  end
  for _, record in ipairs(revisions) do
    if record.revision == number then
      return record, revisions[1].revision
    end
  end
  return nil, nil, "not_found"
end

-- The config of a revision. Before the first one it is empty.
local function config_of(context, number)
  if number == 0 then
    return config.normalize {}
  end
  return context.engine:config(number)
end

function history.revision(context)
  local number = #context.id < 16 and context.id:find "^[1-9]%d*$" and json.integer(tonumber(context.id))
  if not number then
    return nil, nil, "not_found"
  end
  local record, newest, code = find_revision(context, number)
  if not record then
    return nil, newest, code
  end
  local new, old, message
  new, message, code = config_of(context, number)
  if new then
    old, message, code = config_of(context, number - 1)
  end
  if not old then
    return nil, message, code
  end
  return response.html(context, 200, revision_page.html {
    strings = context.strings, language = context.language, base = context.app.prefix, revision = record,
    newest = newest, changes = difference.sentences(old, new, context.strings, context.language),
  })
end

return history
