--- The routes that take changes back, try them again, or call them off: as forms of the history, which lead back to where
-- the reader was, and for programs. Handlers are called as `http.lua` says.

local api = require "leadcat.http.api"
local history_page = require "leadcat.pages.history"
local json = require "leadcat.util.json"
local outcomes = require "leadcat.http.outcomes"
local page = require "leadcat.pages.page"
local pager = require "leadcat.http.pager"
local platform = require "leadcat.util.platform"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local undo = require "leadcat.past.undo"
local undo_page = require "leadcat.pages.undo_many"
local url = require "leadcat.util.url"

local allow, fail, must = response.allow, response.fail, response.must

local undoing = {}

local PAGE, PAGE_BYTES = 100, 48 * 1024 -- rows of a page of a preview, and their size as JSON
local FORESEEN = 10000 -- changes that the page of a preview looks at

-- Fails for an entry that does not exist. An actor who may undo nothing does not learn which ones do.
local function no_entry(context)
  allow(context, "undo")
  fail "not_found"
end

-- Who may not undo an entry gets the host's words for that.
local function refuse_undo(context, entry)
  allow(context, "undo", entry and outcomes.entry(context, entry))
  fail "forbidden"
end

-- Has the engine do something about the entry that the path names; gives the outcome, or nil, message, code when the
-- company is in the way of it.
local function act(context, method)
  local entry = api.cursor_of_history(context.id) or no_entry(context)
  local outcome, message, code = context.engine[method](context.engine, entry, { actor = context.actor })
  if code == "not_found" then
    no_entry(context)
  elseif code == "forbidden" then
    refuse_undo(context, entry)
  elseif code == "conflict" or code == "invalid" then
    return nil, message, code
  end
  return must(outcome, message, code)
end

local KEPT = { zone = true, after = true } -- what goes with the filters
for _, row in ipairs(history_page.FILTERS) do
  KEPT[row[1]] = true
end

-- Where the reader was in the history: filters and place, as the form says. What is no filter is left out.
local function place_of(fields)
  local words = {}
  for key, value in pairs(request_of.fields(fields.back)) do
    words[#words + 1] = KEPT[key] and value ~= "" and key .. "=" .. url.escape(value) or nil
  end
  table.sort(words)
  return words
end

-- Sends the reader back to where the form was, with what was done.
local function back(context, fields, done)
  if context.panel then
    return response.redirect(context, page.panel(context.panel) .. "?" .. done)
  end
  local place = place_of(fields)
  place[#place + 1] = done
  return response.redirect(context, ("/history?%s#leadcat-entry-%s"):format(table.concat(place, "&"), context.id))
end

-- A handler that does so; `name` tells the page what was done, `options` are of the outcome's response.
local function handler(method, name, options)
  return function(context)
    local fields = context.wants_page and request_of.form_of_panel(context)
    local outcome, message, code = act(context, method)
    if not fields then
      return outcomes.one(context, must(outcome, message, code), options)
    end
    local is_done = outcome and outcome.status ~= "conflict"
    return back(context, fields, is_done and ("%s=%d"):format(name, outcome.entry) or "refused=" .. context.id)
  end
end

--- Takes a change back.
undoing.undo = handler("undo", "undone", { failed = 202 })

--- Asks the host again for a change that has failed.
undoing.retry = handler("retry", "retried", { failed = 202 })

--- Calls off what is scheduled.
undoing.cancel = handler("cancel", "cancelled")

local LISTS = { "undone", "cancelled", "refused" } -- of an undo of many

-- Leaves as many rows as fit into a page, list after list, and of these what the actor may see. Returns where to go on.
local function show_part(context, result, after, most, limit)
  local rows, list_of, counts = {}, {}, {}
  for _, name in ipairs(LISTS) do
    for _, row in ipairs(result[name]) do
      rows[#rows + 1], list_of[row] = row, name
    end
    counts[name], result[name] = #result[name], json.array {}
  end
  local part, place = pager.slice(rows, after, most, limit)
  result.counts = (place or after > 0) and counts or nil
  for _, row in ipairs(part) do
    local list = result[list_of[row]]
    list[#list + 1] = outcomes.is_visible(context, row.entry) and row or nil
    platform.give_way()
  end
  return place
end

-- The rest of a preview is asked for in the same way. What has been done is in the history.
local function link_of_undo(context, sent, result, after)
  if sent.preview or not result.run then
    return pager.link(context, {}, after).Link
  end
  return ('<%s/api/history?run=%s>; rel="next"'):format(context.app.prefix, url.escape(result.run))
end

--- Takes back all that a run or a revision has changed.
function undoing.many(context)
  local query = api.query(context, {}, api.cursor_of_history)
  local sent = must(request_of.json_table(context.request, "an object with run, revision or entry expected"))
  local problem = undo.problem(sent)
  if problem then
    fail("invalid", problem)
  end
  local result, message, code = context.engine:undo(sent, { actor = context.actor })
  if code == "forbidden" then
    refuse_undo(context, sent.entry)
  end
  local log = {}
  must(result, message, code)
  for _, row in ipairs(result.refused) do
    if row.code == "unavailable" or row.code == "refused" then -- the host's words are for the operator
      log[#log + 1], row.why = ("entry %s: %s"):format(row.entry, row.why), nil
    end
  end
  local after = show_part(context, result, query.after or 0)
  local made = outcomes.logged(200, result, log)
  if after then
    made.headers.Link = link_of_undo(context, sent, result, after)
  end
  return made
end

-- The page --------------------------------------------------------------------------------------------------------------

-- What the fields of an address or a form choose: a run, or a revision of the rules.
local function chosen(fields)
  local what = { run = fields.run, revision = fields.revision and api.cursor_of_history(fields.revision) }
  return not undo.problem(what) and what or fail "not_found"
end

-- What the host calls the companies of the rows.
local function names_of(context, result)
  local names = {}
  for _, list in ipairs(LISTS) do
    for _, row in ipairs(result[list]) do
      names[row.company] = context.engine:company_name(row.company) or nil
      platform.give_way()
    end
  end
  return names
end

--- Says what taking all of it back would do, page by page.
function undoing.preview(context)
  local sent = request_of.fields(context.request.query)
  local what, after = chosen(sent), api.cursor_of_history(sent.after or "") or 0
  what.preview, what.limit = true, FORESEEN
  local result = must(context.engine:undo(what, { actor = context.actor }))
  local counts = { undone = #result.undone, cancelled = #result.cancelled, refused = #result.refused }
  local place = show_part(context, result, after, PAGE_BYTES, PAGE)
  return response.page(context, 200, undo_page.html, {
    run = what.run, revision = what.revision, cfg = must(context.engine:config()), result = result, counts = counts,
    names = names_of(context, result), next = place,
  })
end

--- Takes all of it back, and shows what was done in the history.
function undoing.all(context)
  local what = chosen(must(request_of.form(context.request)))
  local result = must(context.engine:undo(what, { actor = context.actor }))
  return response.redirect(context, ("/history?%sall=%d&left=%d"):format(
    result.run and "run=" .. url.escape(result.run) .. "&" or "", #result.undone + #result.cancelled, #result.refused))
end

return undoing
