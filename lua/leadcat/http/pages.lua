--- The routes that people look at: pages, and the forms on them. Everything works without JavaScript; scripts that make it
-- nicer post the same forms or call `http/api.lua`.

local api = require "leadcat.http.api"
local compare = require "leadcat.past.compare"
local difference = require "leadcat.rules.difference"
local inbox_page = require "leadcat.pages.inbox"
local replay = require "leadcat.past.replay"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local settings_form = require "leadcat.pages.settings_form"
local settings_page = require "leadcat.pages.settings"

local pages = {}

local PAGE = 50
local TRIED = 1000 -- entries that a form is tried on

-- What every page needs to know.
local function model(context, fields)
  fields.strings, fields.language, fields.base = context.strings, context.language, context.app.prefix
  return fields
end

-- Settings -------------------------------------------------------------------------------------------------------------

-- The page for who may not see the settings; nothing for who may.
---@return leadcat.http.Response?
local function keep_out(context)
  local may, denial, failure = context.engine:can(context.actor, "configure")
  if failure then
    return response.problem(context, failure, denial)
  elseif not may then
    return response.html(context, 403, settings_page.forbidden(model(context, {})))
  end
end

-- Without the host's word on it, everybody is licensed.
local function is_licensed(context)
  return context.engine:licensed() ~= false
end

function pages.settings(context)
  local refusal = keep_out(context)
  if refusal then
    return refusal
  end
  local cfg, message, code = context.engine:config()
  if not cfg then
    return response.problem(context, code, message)
  end
  local saved = request_of.fields(context.request.query).saved == tostring(cfg.revision)
  return response.html(context, 200, settings_page.html(model(context, {
    config = cfg, revision = cfg.revision, licensed = is_licensed(context), saved = saved and cfg.revision or nil,
    problems = context.engine:check(cfg),
  })))
end

-- The form with what the user has typed, and what stands in the way of saving it.
local function show_edited(context, status, edited, fields)
  fields.config, fields.licensed = edited, is_licensed(context)
  return response.html(context, status, settings_page.html(model(context, fields)))
end

-- Somebody else has saved meanwhile: what that changed is shown, and what was typed is laid over it.
local function show_stale(context, fields, stored)
  local newest, message, code = context.engine:config()
  if not newest then
    return response.problem(context, code, message)
  end
  local _, edited, edit = settings_form.read(fields, newest, context.language)
  return show_edited(context, 412, edited, {
    revision = newest.revision,
    edit = edit,
    changes = difference.sentences(stored, newest, context.strings, context.language),
  })
end

-- The config that the form was made from; the newest when it does not say.
local function stored_config(context, fields)
  local revision = settings_form.revision(fields)
  local stored, message, code
  if revision then
    stored, message, code = context.engine:config(revision)
  end
  if not stored and (not revision or code == "not_found") then
    stored, message, code = context.engine:config()
  end
  return stored, message, code
end

local function save(context, fields, stored, edited, edit)
  if not is_licensed(context) then
    return show_edited(context, 403, edited, { revision = stored.revision, edit = edit })
  end
  local revision, message, code, problems = context.engine:save(edited, {
    actor = context.actor, revision = stored.revision,
  })
  if revision then
    return response.redirect(context, ("/settings?saved=%d"):format(revision))
  elseif code == "invalid" then
    return show_edited(context, 422, edited, { revision = stored.revision, edit = edit, problems = problems })
  elseif code == "stale" then
    return show_stale(context, fields, stored)
  end
  return response.problem(context, code, message)
end

-- What a config would do otherwise than the saved one, had it been in use when the newest events came that the actor may see.
---@return leadcat.Comparison? report
---@return string? message
---@return string? code
---@return leadcat.Problem[]? problems of the config
local function rehearse(context, stored, edited)
  local entries, message, code = context.engine:history { limit = TRIED, unchanged = true }
  if entries then
    entries, message, code = api.visible(context, entries)
  end
  if not entries then
    return nil, message, code
  end
  return compare.run(stored, edited, replay.events(entries), { language = context.language })
end

-- Shows what the form would do, and saves nothing.
local function try(context, fields, stored, edited, edit)
  local newest, message, code = context.engine:config()
  if not newest then
    return response.problem(context, code, message)
  elseif not is_licensed(context) then
    return show_edited(context, 403, edited, { revision = stored.revision, edit = edit })
  elseif newest.revision ~= stored.revision then
    return show_stale(context, fields, stored)
  end
  local report, problem, failure, problems = rehearse(context, stored, edited)
  if problems then
    return show_edited(context, 422, edited, { revision = stored.revision, edit = edit, problems = problems })
  elseif not report then
    return response.problem(context, failure, problem)
  end
  return show_edited(context, 200, edited, {
    revision = stored.revision, edit = edit,
    tried = {
      report = report, before = stored, after = edited, complete = context.engine.record_unchanged == 1,
    },
  })
end

function pages.save_settings(context)
  local refusal = keep_out(context)
  if refusal then
    return refusal
  end
  local fields, code, message = request_of.form(context.request)
  if not fields then
    return response.problem(context, code, message)
  end
  local stored
  stored, message, code = stored_config(context, fields)
  if not stored then
    return response.problem(context, code, message)
  end
  local action, edited, edit = settings_form.read(fields, stored, context.language)
  if action == "cancel" then
    return response.redirect(context, "/settings")
  elseif action == "edit" then
    return show_edited(context, 200, edited, { revision = stored.revision, edit = edit })
  end
  local act = action == "try" and try or save
  return act(context, fields, stored, edited, edit)
end

-- Questions ------------------------------------------------------------------------------------------------------------

-- The sentence about the question that was answered just now.
local function said(context)
  local id = request_of.fields(context.request.query).answered
  local record = id and context.engine:confirmation(id)
  local view = record and context.engine:can(context.actor, "view", record)
    and context.engine:view(record, { actor = context.actor })
  return view and inbox_page.said(view, context) or nil
end

function pages.inbox(context)
  local query, problem = api.query(context, {}, api.cursor_of_confirmations)
  if not query then
    return response.problem(context, "invalid", problem)
  end
  local views, records, message, code = {}, {}, nil, nil
  if context.actor.id ~= nil then
    records, message, code = context.engine:confirmations {
      user = context.actor.id, state = "open", limit = PAGE, after = query.after,
    }
  end
  local seen
  if records then
    seen, message, code = api.visible(context, records)
  end
  if not seen then
    return response.problem(context, code, message)
  end
  for i, record in ipairs(seen) do
    views[i], message, code = context.engine:view(record, { actor = context.actor })
    if not views[i] then
      return response.problem(context, code, message)
    end
  end
  return response.html(context, 200, inbox_page.html(model(context, {
    views = views, next = #records == PAGE and records[PAGE].id or nil, said = said(context),
  })))
end

function pages.question(context)
  local record, code, message = api.find(context)
  if not record then
    return response.problem(context, code, message)
  end
  local view
  view, message, code = context.engine:view(record, { actor = context.actor })
  if not view then
    return response.problem(context, code, message)
  end
  local action = ("%s/api/confirmations/%s"):format(context.app.prefix, record.id)
  return response.html(context, 200, inbox_page.question(model(context, {
    dialog = context.engine:render(view, "html", { action = action }), view = view,
  })))
end

return pages
