--- What is held: the list, releasing and dropping, as a page and for programs. Handlers are called as `http.lua` says.

local api = require "leadcat.http.api"
local held_of = require "leadcat.events.held"
local held_page = require "leadcat.pages.held"
local json = require "leadcat.util.json"
local outcomes = require "leadcat.http.outcomes"
local page = require "leadcat.pages.page"
local pager = require "leadcat.http.pager"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local wording = require "leadcat.words.wording"

local must = response.must

local held = {}

local PAGE = 50 -- entries on a page
local MOST = 1000 -- that a request looks at

-- For programs ----------------------------------------------------------------------------------------------------------

--- What is held.
function held.list(context)
  local query = api.query(context, api.PARAMETERS.held, api.cursor_of_history)
  local entries, after = context.engine:held(query)
  must(entries, after)
  return response.json(200, api.visible(context, entries), pager.link(context, query, after))
end

-- What the body chooses, as the engine takes it.
local function chosen(context)
  local sent = must(request_of.json_table(context.request, "an object with entries, rule or all expected"))
  local what = type(sent.entries) == "table" and sent.entries or sent
  local problem = next(sent, next(sent)) ~= nil and "one of entries, rule and all expected" or held_of.problem(what)
  if problem then
    response.fail("invalid", problem)
  end
  return what
end

local function handler(method)
  return function(context)
    local what = chosen(context)
    local result, message, code = context.engine[method](context.engine, what, { actor = context.actor, most = MOST })
    if code == "not_found" then
      response.allow(context, "release")
    end
    must(result, message, code)
    result.outcomes = json.array(result.outcomes)
    return outcomes.logged(200, result, {})
  end
end

--- Has what is held decided anew.
held.release = handler "release"

--- Has it come to nothing.
held.drop = handler "drop"

-- The page --------------------------------------------------------------------------------------------------------------

local function number_of(text)
  return text and api.cursor_of_history(text) or nil
end

--- What was just done, as the fields of the address say.
---@return string?
function held.said(context, sent)
  local function count(name)
    return tonumber((sent[name] or ""):match "^%d%d?%d?%d?%d?%d?$") or 0
  end
  return sent.released and held_page.said(context, {
    released = count "released", dropped = count "dropped", left = count "left", more = sent.more == "true",
  }) or nil
end

--- That nothing was done: none was ticked, or somebody else was first.
---@return string?
function held.refused(context, sent)
  return sent.nothing == "true" and wording.sentence(context, "held.nothing_done") or nil
end

--- What is held, what releasing each would come to, and the buttons for it.
function held.page(context)
  local sent, names = request_of.fields(context.request.query), {}
  local rule = sent.rule ~= "" and sent.rule or nil
  local query = { rule = rule, limit = PAGE, after = number_of(sent.after), foresee = true }
  local entries, after = context.engine:held(query)
  must(entries, after)
  local shown = api.visible(context, entries)
  for _, entry in ipairs(shown) do
    names[entry.company] = context.engine:company_name(entry.company) or nil
  end
  return response.page(context, 200, held_page.html, {
    entries = shown, next = after, rule = query.rule, names = names, cfg = must(context.engine:config()),
    said = held.said(context, sent), refused = held.refused(context, sent), readonly = context.engine.readonly,
  })
end

-- The entries that were ticked; nil where it is about all of them.
local function ticked(fields)
  local ids = {}
  for name in pairs(fields) do
    ids[#ids + 1] = number_of(name:match "^entry%.(%d+)$")
  end
  return ids
end

-- Shows the page again, or the panel in which the form was, with what was done.
local function back(context, done)
  return response.redirect(context, (context.panel and page.panel(context.panel) or "/held") .. "?" .. done)
end

--- Releases or drops what the form has chosen.
function held.act(context)
  local fields = request_of.form_of_panel(context)
  local verb, all = (fields.action or ""):match "^(%l+)_?(%l*)$"
  if verb ~= "release" and verb ~= "drop" then
    response.fail "not_found"
  end
  local what = all == "all" and (fields.rule and fields.rule ~= "" and { rule = fields.rule } or { all = true })
    or ticked(fields)
  if all ~= "all" and #what == 0 then
    return back(context, "nothing=true")
  end
  local result, message, code = context.engine[verb](context.engine, what, { actor = context.actor, most = MOST })
  if code == "invalid" or code == "not_found" then -- somebody else was first
    return back(context, "nothing=true")
  end
  must(result, message, code)
  return back(context, ("released=%d&dropped=%d&left=%d%s"):format(result.released, result.dropped, result.left,
    result.more and "&more=true" or ""))
end

return held
