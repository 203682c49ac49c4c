--- The settings page of a config, for the specs of the settings tab.

local config = require "leadcat.rules.config"
local i18n = require "leadcat.words.i18n"
local preset = require "leadcat.rules.preset"
local settings = require "leadcat.pages.settings"

local settings_page = {}

local STRINGS = i18n.new()

--- The preset with these rules in the place of its own.
function settings_page.with_rules(rules)
  local cfg = preset.get "superoffice"
  cfg.rules, cfg.revision = rules, 7
  return config.normalize(cfg)
end

--- The page; `fields` are those of the model that are not as usual.
function settings_page.html(cfg, fields)
  local model = { config = cfg, revision = 7, strings = STRINGS, language = "en", licensed = true }
  for name, value in pairs(fields or {}) do
    model[name] = value
  end
  return settings.html(model)
end

return settings_page
