--- The pages and their forms. Everything works without JavaScript: scripts post the same forms, or call
-- `http/api.lua`. Handlers are called as `http.lua` says.

local api = require "leadcat.http.api"
local compare = require "leadcat.past.compare"
local difference = require "leadcat.rules.difference"
local inbox_page = require "leadcat.pages.inbox"
local replay = require "leadcat.past.replay"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local settings_form = require "leadcat.pages.settings_form"
local settings_page = require "leadcat.pages.settings"

local must = response.must

local pages = {}

local PAGE = 50
local TRIED = 1000 -- entries that a new config is tried on

-- Settings ------------------------------------------------------------------------------------------------------------

-- Lets administrators through to a handler. Others get a page that says why not.
local function for_administrators(handler)
  return function(context)
    local allowed, why = must(context.engine:can(context.actor, "configure"))
    if allowed then
      return handler(context)
    elseif why then
      response.fail("forbidden", why)
    end
    return response.page(context, 403, settings_page.forbidden, {})
  end
end

-- A host without `licensed` licenses all.
local function is_licensed(context)
  return context.engine:licensed() ~= false
end

pages.settings = for_administrators(function(context)
  local cfg = must(context.engine:config())
  local saved = request_of.fields(context.request.query).saved == tostring(cfg.revision)
  return response.page(context, 200, settings_page.html, {
    config = cfg, revision = cfg.revision, licensed = is_licensed(context), saved = saved and cfg.revision or nil,
    problems = context.engine:check(cfg), fields = context.engine:fields(), readonly = context.engine.readonly,
    own_triggers = must(context.engine:_own_triggers()),
  })
end)

-- The form with what the user typed, and what else the page shows.
local function show(context, status, form, more)
  local shown = more or {}
  shown.config, shown.edit, shown.revision = form.config, form.edit, form.stored.revision
  shown.licensed, shown.fields = is_licensed(context), context.engine:fields()
  shown.readonly = context.engine.readonly
  shown.own_triggers = must(context.engine:_own_triggers())
  return response.page(context, status, settings_page.html, shown)
end

local function read_form(context, fields, stored)
  local own = must(context.engine:_own_triggers())
  local action, edited, edit = settings_form.read(fields, stored, context.language, own)
  return { fields = fields, stored = stored, action = action, config = edited, edit = edit }
end

-- Another user has saved since: shows what changed, with what this user typed laid over it.
local function show_stale(context, form)
  local newest = must(context.engine:config())
  return show(context, 412, read_form(context, form.fields, newest), {
    changes = difference.sentences(form.stored, newest, context.strings, context.language),
  })
end

-- The config that the form was made from; the newest one when the form does not say, or that one is gone.
local function stored_config(context, fields)
  local revision = settings_form.revision(fields)
  if revision then
    local stored, message, code = context.engine:config(revision)
    if code ~= "not_found" then
      return must(stored, message, code)
    end
  end
  return must(context.engine:config())
end

local function save(context, form)
  if not is_licensed(context) then
    return show(context, 403, form)
  end
  local revision, message, code, problems = context.engine:save(form.config, {
    actor = context.actor, revision = form.stored.revision,
  })
  if code == "invalid" then
    return show(context, 422, form, { problems = problems })
  elseif code == "stale" then
    return show_stale(context, form)
  elseif code == "readonly" then
    return show(context, 503, form)
  end
  return response.redirect(context, ("/settings?saved=%d"):format(must(revision, message, code)))
end

-- How the newest events that the actor may see would have ended under the edited config. Fails as `compare.run` does.
local function rehearse(context, form)
  local entries = api.visible(context, must(context.engine:history { limit = TRIED, unchanged = true }))
  return compare.run(form.stored, form.config, replay.events(entries), {
    language = context.language, triggers = must(context.engine:_own_triggers()),
  })
end

-- Shows what the form would do, and saves nothing.
local function try(context, form)
  local newest = must(context.engine:config())
  if not is_licensed(context) then
    return show(context, 403, form)
  elseif newest.revision ~= form.stored.revision then
    return show_stale(context, form)
  end
  local report, message, code, problems = rehearse(context, form)
  if problems then
    return show(context, 422, form, { problems = problems })
  end
  return show(context, 200, form, { tried = {
    report = must(report, message, code), before = form.stored, after = form.config,
    complete = context.engine.record_unchanged == 1,
  } })
end

pages.save_settings = for_administrators(function(context)
  local fields = must(request_of.form(context.request))
  local form = read_form(context, fields, stored_config(context, fields))
  if form.action == "cancel" then
    return response.redirect(context, "/settings")
  elseif form.action == "edit" then
    return show(context, 200, form)
  end
  return (form.action == "try" and try or save)(context, form)
end)

-- Questions -----------------------------------------------------------------------------------------------------------

-- The sentence about the question that was just answered.
local function said(context)
  local id = request_of.fields(context.request.query).answered
  local record = id and context.engine:confirmation(id)
  local view = record and context.engine:can(context.actor, "view", record)
    and context.engine:view(record, { actor = context.actor })
  return view and inbox_page.said(view, context) or nil
end

function pages.inbox(context)
  local query, views = api.query(context, {}, api.cursor_of_confirmations), {}
  query.user, query.state = context.actor.id, "open"
  local found = query.user == nil and { items = {} } or api.questions(context, query, PAGE)
  for i, record in ipairs(found.items) do
    views[i] = must(context.engine:view(record, { actor = context.actor }))
  end
  return response.page(context, 200, inbox_page.html, { views = views, next = found.next, said = said(context) })
end

function pages.question(context)
  local record = api.find(context)
  local view = must(context.engine:view(record, { actor = context.actor }))
  local action = ("%s/api/confirmations/%s"):format(context.app.prefix, record.id)
  local dialog = context.engine:render(view, "html", { action = action })
  return response.page(context, 200, inbox_page.question, { dialog = dialog, view = view })
end

return pages
