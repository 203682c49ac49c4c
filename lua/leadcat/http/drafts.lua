--- Drafts of the rules: their list, one with what it would change, approving and discarding, as pages and for programs. Who may change
-- the rules or approve drafts sees them. Handlers are called as `http.lua` says.

local core = require "leadcat.core"
local difference = require "leadcat.rules.difference"
local drafts_of = require "leadcat.rules.drafts"
local drafts_page = require "leadcat.pages.drafts"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local options_of = require "leadcat.util.options"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"

local fail, must = response.fail, response.must

local drafts = {}

local MOST = 200 -- sentences about one draft
local MINUTE = "%Y-%m-%dT%H:%M"

---@class leadcat.DraftView: leadcat.Draft a draft beside what is in force
---@field changes string[] what it would change, in sentences: at most 200
---@field conflicts string[] paths of what others have changed otherwise since; none: it can be made active
---@field others string[] what others have changed since: at most 200

-- Lets those through who may change the rules or approve drafts.
local function for_reviewers(handler)
  return function(context)
    if not context.engine:can(context.actor, "configure") then
      response.allow(context, "approve")
    end
    return handler(context)
  end
end

local function id_of(context)
  return request_of.number(context.id) or fail "not_found"
end

local function sentences(context, from, to)
  local all, few = difference.sentences(from, to, context.strings, context.language), json.array {}
  for i = 1, math.min(#all, MOST) do
    few[i] = all[i]
  end
  return few
end

local function view_of(context)
  local draft, foreseen, code = context.engine:draft(id_of(context))
  must(draft, foreseen, code)
  return merged(draft, {
    changes = sentences(context, foreseen.newest, foreseen.config), conflicts = json.array(foreseen.conflicts),
    others = sentences(context, foreseen.base, foreseen.newest),
  })
end

-- For programs ----------------------------------------------------------------------------------------------------------

drafts.list = for_reviewers(function(context)
  return response.json(200, must(context.engine:drafts()))
end)

drafts.one = for_reviewers(function(context)
  return response.json(200, view_of(context))
end)

--- Saves the config in the body as a draft; its `revision` is the one that it was made from.
function drafts.create(context)
  local sent = must(request_of.json_table(context.request, "an object with config expected"))
  local problem = type(sent.config) ~= "table" and "config: an object expected"
    or options_of.problem({ note = sent.note }, drafts_of.SAVE)
  local base = type(sent.config) == "table" and sent.config.revision
  if problem or base ~= nil and not drafts_of.SAVE.revision.fits(base) then
    fail("invalid", problem or "config.revision: a revision expected")
  end
  local draft, message, code, problems = context.engine:save_draft(sent.config, {
    actor = context.actor, note = sent.note, revision = base or nil,
  })
  if not draft then
    return response.problem(context, code, message, problems and { problems = json.array(problems) })
  end
  return response.json(200, draft)
end

--- Makes it active, now or `at` a time.
drafts.approve = for_reviewers(function(context)
  local is_sent = context.request.headers["content-type"] ~= nil
  local sent = is_sent and must(request_of.json_table(context.request, "an object expected")) or {}
  if sent.at ~= nil and not drafts_of.APPROVE.at.fits(sent.at) then
    fail("invalid", "at: seconds since 1970 expected")
  end
  return response.json(200, must(context.engine:approve(id_of(context), { actor = context.actor, at = sent.at })))
end)

drafts.discard = for_reviewers(function(context)
  must(context.engine:discard(id_of(context), { actor = context.actor }))
  return response.json(200, { discarded = id_of(context) })
end)

-- The pages -------------------------------------------------------------------------------------------------------------

local function may_change(context)
  return context.engine:can(context.actor, "configure") == true and not context.engine.readonly
end

drafts.page = for_reviewers(function(context)
  local sent = request_of.fields(context.request.query)
  return response.page(context, 200, drafts_page.list, {
    drafts = must(context.engine:drafts()), discarded = sent.discarded ~= nil, gone = sent.gone ~= nil,
    scheduled = sent.scheduled ~= nil, may_save = may_change(context),
  })
end)

local function show(context, status, problem)
  local view = view_of(context)
  return response.page(context, status, drafts_page.one, {
    draft = view, problem = problem, may_save = may_change(context),
    may_approve = drafts_of.may_approve(context.engine, context.actor, view) == true and not context.engine.readonly,
    needs_another = context.engine.four_eyes,
  })
end

drafts.preview = for_reviewers(function(context)
  return show(context, 200)
end)

local function approve(context, sent)
  local typed = sent.when == "later" and core.parse_time(sent.at or "", MINUTE) or nil
  local at = typed and typed - (request_of.zone(sent) or 0) * 60
  if sent.when == "later" and not (at and at > context.engine:_now() and drafts_of.APPROVE.at.fits(at)) then
    return show(context, 422, "no_time")
  end
  local draft, message, code = context.engine:approve(id_of(context), { actor = context.actor, at = at })
  if code == "conflict" or code == "invalid" then
    return show(context, 409, "refused")
  end
  must(draft, message, code)
  return response.redirect(context, draft.revision and ("/settings?saved=%d"):format(draft.revision)
    or "/drafts?scheduled=" .. context.id)
end

--- Approves or discards it, and shows what came of it.
drafts.act = for_reviewers(function(context)
  local sent = must(request_of.form(context.request))
  if context.engine:licensed() == false then
    fail("forbidden", context.strings:text(context.language, "settings.unlicensed"))
  elseif sent.action == "approve" then
    return approve(context, sent)
  elseif sent.action ~= "discard" then
    fail "not_found"
  end
  local done, message, code = context.engine:discard(id_of(context), { actor = context.actor })
  if code == "not_found" or code == "conflict" then -- somebody else was first
    return response.redirect(context, "/drafts?gone=true")
  end
  must(done, message, code)
  return response.redirect(context, "/drafts?discarded=true")
end)

return drafts
