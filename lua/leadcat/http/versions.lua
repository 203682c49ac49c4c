--- The versions of the rules: their index, and going back to one after a look at what that would change. Handlers are
-- called as `http.lua` says.

local api = require "leadcat.http.api"
local config = require "leadcat.rules.config"
local difference = require "leadcat.rules.difference"
local merge = require "leadcat.rules.merge"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local settings = require "leadcat.http.settings"
local versions_page = require "leadcat.pages.versions"

local must = response.must

local versions = {}

local PAGE = 20

-- The config of a revision. Before the first one it is empty.
local function config_of(context, number)
  return number == 0 and config.normalize {} or must(context.engine:config(number))
end

local function changes_between(context, from, to)
  return difference.sentences(from, to, context.strings, context.language)
end

-- A page of revisions, newest first, below `before`; and whether there are more.
local function page_of(revisions, before)
  local found = {}
  for _, record in ipairs(revisions) do
    if not before or record.revision < before then
      if #found == PAGE then
        return found, true
      end
      found[#found + 1] = record
    end
  end
  return found, false
end

function versions.index(context)
  local sent = request_of.fields(context.request.query)
  local revisions = must(context.engine:revisions())
  local before = request_of.number(sent.before)
  local records, has_more = page_of(api.visible(context, revisions), before)
  local shown = {}
  for i, record in ipairs(records) do
    shown[i] = { record = record, changes = changes_between(context, config_of(context, record.revision - 1),
      config_of(context, record.revision)) }
  end
  local last = records[#records]
  return response.page(context, 200, versions_page.html, {
    versions = shown, newest = revisions[1] and revisions[1].revision or 0, is_first = before == nil,
    next = has_more and last.revision or nil, reverted = request_of.number(sent.reverted),
    may_revert = response.offers(context, "configure"),
  })
end

-- The record and config to go back to, and the newest config.
local function find(context)
  local number, newest = request_of.number(context.id) or response.fail "not_found", must(context.engine:config())
  for _, record in ipairs(must(context.engine:revisions())) do
    if record.revision == number then
      return record, config_of(context, number), newest
    end
  end
  response.fail "not_found"
end

local function show(context, status, more)
  local record, old, newest = find(context)
  local model = more or {}
  model.revision, model.newest = record, newest.revision
  model.changes = changes_between(context, newest, old)
  return response.page(context, status, versions_page.revert, model)
end

versions.preview = settings.for_administrators(function(context)
  return show(context, 200)
end)

versions.revert = settings.for_administrators(function(context)
  local sent = must(request_of.form(context.request))
  local record, old, newest = find(context)
  if request_of.number(sent.newest) ~= newest.revision then
    return show(context, 412, { stale = true })
  elseif merge.is_same(old, newest) then
    return response.redirect(context, "/versions")
  elseif context.engine:licensed() == false then
    response.fail("forbidden", nil, context.strings:text(context.language, "settings.unlicensed"))
  end
  local revision, message, code, more = context.engine:revert(record.revision, {
    actor = context.actor, revision = newest.revision,
  })
  if code == "stale" then
    return show(context, 412, { stale = true })
  elseif code == "invalid" then
    return settings.refused(context, old, newest.revision, more) -- to be mended, and saved
  elseif code == "approval" then
    return response.drafted(context, more)
  end
  must(revision, message, code)
  return response.redirect(context, ("/versions?reverted=%d"):format(record.revision))
end)

return versions
