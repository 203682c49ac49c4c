-- Answers one request for the settings page, for the browser tests: JSON comes in, JSON goes out. It does what the server
-- does with a form, but keeps nothing: the test has the config.

local compare = require "leadcat.past.compare"
local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local merge = require "leadcat.rules.merge"
local preset = require "leadcat.rules.preset"
local settings = require "leadcat.pages.settings"
local settings_conflicts = require "leadcat.pages.settings_conflicts"
local settings_form = require "leadcat.pages.settings_form"

local request = assert(json.decode(io.read "*a"))
local newest = request.config and config.normalize(request.config) or preset.get "superoffice"
newest.revision = newest.revision or 0
local strings = i18n.new()
local answer = {}
local stored -- what the form is applied to

local function show(cfg, model)
  model = model or {}
  model.config, model.revision, model.strings, model.language = cfg, newest.revision, strings, request.language or "en"
  model.stored = model.edit and (model.changed_by and newest or stored) or nil
  model.licensed, model.fields, model.sign_in = request.licensed, request.described, request.sign_in
  answer.page = settings.html(model)
end

-- The form over the newest config, when it is that of an older one.
local function rebase(edited, edit)
  if settings_form.revision(request.fields) == newest.revision then
    return edited, edit
  end
  local merged, open = merge.configs(request.older, newest, config.normalize(edited))
  return merged, settings_conflicts.edit_of(merged, newest, edit, open)
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
  stored = settings_form.revision(request.fields) == newest.revision and newest or config.normalize(request.older)
  local action, edited, edit = settings_form.read(request.fields, stored, request.language, nil, newest)
  local problems = action == "save" and check.problems(edited) or nil
  answer.action = action
  if action == "edit" then
    return show(edited, { edit = edit })
  elseif action == "try" then
    return try(edited, edit)
  elseif problems and check.has_errors(problems) then
    return show(edited, { edit = edit, problems = problems })
  elseif problems then
    edited, edit = rebase(edited, edit)
    if edit.conflicts[1] then
      return show(edited, { edit = edit, changes = {}, changed_by = { id = "kari", name = "Kari" },
        conflicts = settings_conflicts.told(edit.conflicts, edited, newest, { strings = strings,
          language = request.language or "en" }) })
    end
    answer.unchanged = json.encode(edited) == json.encode(newest)
    edited.revision = answer.unchanged and newest.revision or newest.revision + 1
    answer.config = edited
  end
end

if request.forbidden then
  answer.page = settings.forbidden { strings = strings, language = request.language }
elseif request.fields then
  submit()
else
  show(newest, { saved = request.saved and newest.revision or nil, unchanged = request.unchanged })
end
io.write(json.encode(answer))
