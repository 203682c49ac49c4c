-- Answers one request for the settings page, for the browser tests: JSON comes in, JSON goes out. It does what the server
-- does with a form, but keeps nothing: the test has the config.

local compare = require "leadcat.past.compare"
local config = require "leadcat.rules.config"
local difference = require "leadcat.rules.difference"
local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local preset = require "leadcat.rules.preset"
local settings = require "leadcat.pages.settings"
local settings_form = require "leadcat.pages.settings_form"

local request = assert(json.decode(io.read "*a"))
local newest = request.config and config.normalize(request.config) or preset.get "superoffice"
newest.revision = newest.revision or 0
local strings = i18n.new()
local answer = {}

local function show(cfg, model)
  model = model or {}
  model.config, model.revision, model.strings, model.language = cfg, newest.revision, strings, request.language or "en"
  model.licensed, model.fields = request.licensed, request.described
  answer.page = settings.html(model)
end

-- The form is that of an older revision: what was typed is laid over the newest.
local function show_stale()
  local _, edited, edit = settings_form.read(request.fields, newest, request.language)
  show(edited, { edit = edit, changes = difference.sentences(request.older, newest, strings, request.language) })
end

-- What the form would do with a few events.
local function try(edited, edit)
  local events = {}
  for i = 1, request.events or 12 do
    events[i] = { trigger = i % 3 == 0 and "sale_lost" or "sale_won", company = "Company " .. i, category = i % 4 + 1 }
  end
  local report, _, _, problems = compare.run(newest, edited, events, { language = request.language })
  if problems then
    return show(edited, { edit = edit, problems = problems })
  end
  show(edited, { edit = edit, tried = { report = report, before = newest, after = edited } })
end

local function submit()
  if settings_form.revision(request.fields) ~= newest.revision then
    return show_stale()
  end
  local action, edited, edit = settings_form.read(request.fields, newest, request.language)
  local problems = action == "save" and config.problems(edited) or nil
  answer.action = action
  if action == "edit" then
    return show(edited, { edit = edit })
  elseif action == "try" then
    return try(edited, edit)
  elseif problems and config.has_errors(problems) then
    return show(edited, { edit = edit, problems = problems })
  elseif problems then
    edited.revision = newest.revision + 1
    answer.config = edited
  end
end

if request.forbidden then
  answer.page = settings.forbidden { strings = strings, language = request.language }
elseif request.fields then
  submit()
else
  show(newest, { saved = request.saved and newest.revision or nil })
end
io.write(json.encode(answer))
