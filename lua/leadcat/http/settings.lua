--- The settings tab: shows it, tries it and saves it. Who saves what was made from an older revision loses nothing: it is
-- put together with what others have saved, and only what both have changed is asked about. Handlers are called as
-- `http.lua` says.

local api = require "leadcat.http.api"
local category_counts = require "leadcat.insight.category_counts"
local compare = require "leadcat.past.compare"
local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local difference = require "leadcat.rules.difference"
local drafts = require "leadcat.rules.drafts"
local merge = require "leadcat.rules.merge"
local replay = require "leadcat.past.replay"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local settings_conflicts = require "leadcat.pages.settings_conflicts"
local settings_form = require "leadcat.pages.settings_form"
local settings_page = require "leadcat.pages.settings"
local suggested_rule = require "leadcat.pages.suggested_rule"

local must = response.must

local settings = {}

local MOST_HELD = 100 -- that are counted
local TRIES = 8 -- of a save that others overtake

--- Lets administrators through to a handler. Others get a page that says why not.
function settings.for_administrators(handler)
  return function(context)
    local allowed, why = must(context.engine:can(context.actor, "configure"))
    if allowed then
      return handler(context)
    elseif why then
      response.fail("forbidden", nil, why)
    end
    return response.page(context, 403, settings_page.forbidden, {})
  end
end

-- A host without `licensed` licenses all.
local function is_licensed(context)
  return context.engine:licensed() ~= false
end

-- What rules on trial would have done, by their keys; nothing where there is none.
local function trials_of(context, cfg)
  for _, rule in ipairs(cfg.rules or {}) do
    if rule.shadow == true and rule.enabled == true then
      return context.engine:shadow()
    end
  end
end

-- How much is held, up to one more than is told; nothing where nothing is.
local function held_of(context)
  local entries = context.engine:can(context.actor, "release") and context.engine:held { limit = MOST_HELD + 1 }
  return entries and entries[1] and { count = math.min(#entries, MOST_HELD), more = #entries > MOST_HELD }
end

-- What every page of the settings shows.
local function show(context, status, model)
  model.licensed, model.fields = is_licensed(context), context.engine:fields()
  model.readonly, model.sign_in = context.engine.readonly, context.app.options.sign_in
  model.own_triggers = must(context.engine:_own_triggers())
  model.counts = category_counts.of(context.engine)
  model.trials, model.held = trials_of(context, model.config), held_of(context)
  model.drafts = #must(context.engine:drafts())
  if model.edit and not model.stored then
    model.stored = context.engine:config(model.revision) or must(context.engine:config())
  end
  return response.page(context, status, settings_page.html, model)
end

--- The form with a config in it that cannot be saved as it is, and what is wrong with it.
---@param context leadcat.http.Context
---@param cfg leadcat.Config
---@param revision integer the newest one
---@param problems leadcat.Problem[]
---@return leadcat.http.Response
function settings.refused(context, cfg, revision, problems)
  return show(context, 422, { config = cfg, revision = revision, problems = problems, edit = { added = {} } })
end

-- What others have saved between the two revisions, in sentences; nil when one of them is gone.
local function changes_between(context, from, to)
  local old, new = context.engine:config(from), context.engine:config(to)
  return old and new and difference.sentences(old, new, context.strings, context.language)
end

-- What others had saved before what was saved just now.
local function saved_with(context, sent, saved)
  local since = settings_form.revision { revision = sent.since }
  return since and since < saved - 1 and changes_between(context, since, saved - 1) or nil
end

-- The form with a draft in it; nil when that is gone.
local function show_draft(context, id)
  local draft, foreseen, code = context.engine:draft(id)
  if code == "not_found" then
    return nil
  end
  must(draft, foreseen, code)
  return show(context, 200, { config = draft.config, revision = draft.base, edit = { added = {} } })
end

settings.page = settings.for_administrators(function(context)
  local cfg = must(context.engine:config())
  local sent = request_of.fields(context.request.query)
  local draft = request_of.number(sent.draft)
  local shown = draft and show_draft(context, draft)
  if shown then
    return shown
  end
  local suggested, rule = suggested_rule.read(cfg, sent, must(context.engine:_own_triggers()))
  if suggested then
    return show(context, 200, {
      config = suggested, revision = cfg.revision, problems = context.engine:check(suggested), suggested = "added",
      edit = settings_form.edit_of(rule),
    })
  end
  local saved = sent.saved == tostring(cfg.revision) and cfg.revision or nil
  return show(context, 200, {
    config = cfg, revision = cfg.revision, problems = context.engine:check(cfg), saved = saved,
    suggested = sent.refine and "not_added",
    saved_with = saved and saved_with(context, sent, saved), unchanged = sent.unchanged == tostring(cfg.revision),
    drafted = request_of.number(sent.drafted),
  })
end)

-- Reading -------------------------------------------------------------------------------------------------------------

-- The config that the form was made from; the newest one when the form does not say, or that one is gone.
local function stored_config(context, fields, newest)
  local revision = settings_form.revision(fields)
  if revision and revision ~= newest.revision then
    local stored, message, code = context.engine:config(revision)
    if code ~= "not_found" then
      return must(stored, message, code)
    end
  end
  return newest
end

local function read_form(context, fields)
  local newest = must(context.engine:config())
  local form = { newest = newest, stored = stored_config(context, fields, newest) }
  form.action, form.config, form.edit = settings_form.read(fields, form.stored, context.language,
    must(context.engine:_own_triggers()), newest, category_counts.of(context.engine))
  return form
end

local function show_form(context, status, form, more)
  local model = more or {}
  model.config, model.edit, model.revision = form.config, form.edit, form.stored.revision
  model.stored = form.stored
  model.conflicts = settings_conflicts.told(form.edit.conflicts, form.config, form.stored, context)
  return show(context, status, model)
end

-- Saving --------------------------------------------------------------------------------------------------------------

-- The form over the newest config instead of the one that it was made from.
local function rebase(context, form)
  if form.newest.revision == form.stored.revision then
    return form
  end
  local merged, conflicts = merge.configs(form.stored, form.newest, config.normalize(form.config))
  return {
    newest = form.newest, stored = form.newest, config = merged, since = form.stored.revision,
    edit = settings_conflicts.edit_of(merged, form.newest, form.edit, conflicts),
    changes = difference.sentences(form.stored, form.newest, context.strings, context.language),
  }
end

-- Who has saved the newest revision.
local function last_actor(context)
  local revisions = context.engine:revisions()
  return revisions and revisions[1] and revisions[1].actor
end

local function show_conflicts(context, form)
  return show_form(context, 412, form, { changes = form.changes, changed_by = last_actor(context) })
end

local function saved_address(form, revision, word)
  local since = form.since and ("&since=%d"):format(form.since) or ""
  return ("/settings?%s=%d%s"):format(word, revision, since)
end

local function save_once(context, form)
  if form.edit.conflicts[1] then
    return show_conflicts(context, form)
  elseif merge.is_same(form.config, form.newest) then
    return response.redirect(context, saved_address(form, form.newest.revision, "unchanged"))
  end
  local revision, message, code, problems = context.engine:save(form.config, {
    actor = context.actor, revision = form.newest.revision,
  })
  if code == "approval" then
    return response.drafted(context, problems)
  elseif code == "invalid" then
    return show_form(context, 422, form, { problems = problems, changes = form.changes })
  elseif code == "readonly" then
    return show_form(context, 503, form)
  elseif code == "stale" then
    return nil
  end
  return response.redirect(context, saved_address(form, must(revision, message, code), "saved"))
end

local function save(context, form)
  local problems = context.engine:check(form.config)
  if not is_licensed(context) then
    return show_form(context, 403, form)
  elseif check.has_errors(problems) then
    return show_form(context, 422, form, { problems = problems })
  end
  for _ = 1, TRIES do
    local answer = save_once(context, rebase(context, form))
    if answer then
      return answer
    end
    form.newest = must(context.engine:config()) -- somebody else has just saved
  end
  return response.fail("unavailable", "others keep saving the rules")
end

-- Saves what the form says as a draft of what it was made from: what others have saved meanwhile is looked at when it is approved.
local function save_draft(context, form)
  if not is_licensed(context) then
    return show_form(context, 403, form)
  elseif merge.is_same(form.config, form.stored) then
    return response.redirect(context, saved_address(form, form.newest.revision, "unchanged"))
  end
  local draft, message, code, problems = context.engine:save_draft(form.config, {
    actor = context.actor, revision = form.stored.revision,
  })
  if code == "invalid" then
    return show_form(context, 422, form, { problems = problems })
  elseif code == "full" then
    return show_form(context, 507, form, { too_many = message })
  elseif code == "readonly" then
    return show_form(context, 503, form)
  end
  return response.drafted(context, must(draft, message, code))
end

-- Trying --------------------------------------------------------------------------------------------------------------

-- How the newest events that the actor may see would have ended under the edited config. Fails as `compare.run` does.
local function rehearse(context, form)
  local entries = api.visible(context, must(context.engine:history { limit = drafts.TRIED, unchanged = true }))
  return compare.run(form.stored, form.config, replay.events(entries), {
    language = context.language, triggers = must(context.engine:_own_triggers()),
  })
end

-- Shows what the form would do, and saves nothing.
local function try(context, form)
  if not is_licensed(context) then
    return show_form(context, 403, form)
  elseif form.newest.revision ~= form.stored.revision and not check.has_errors(context.engine:check(form.config)) then
    return show_conflicts(context, rebase(context, form))
  end
  local report, message, code, problems = rehearse(context, form)
  if problems then
    return show_form(context, 422, form, { problems = problems })
  end
  return show_form(context, 200, form, { tried = {
    report = must(report, message, code), before = form.stored, after = form.config,
    complete = context.engine.record_unchanged == 1,
  } })
end

settings.save = settings.for_administrators(function(context)
  local form = read_form(context, must(request_of.form(context.request)))
  if form.action == "cancel" then
    return response.redirect(context, "/settings")
  elseif form.action == "edit" then
    return show_form(context, 200, form)
  end
  return (form.action == "try" and try or form.action == "draft" and save_draft or save)(context, form)
end)

return settings
