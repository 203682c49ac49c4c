--- The routes that tell how the rules fare: for programs, and as a page. Handlers are called as `http.lua` says.

local api = require "leadcat.http.api"
local json = require "leadcat.util.json"
local overview_of = require "leadcat.insight.overview"
local overview_page = require "leadcat.pages.overview"
local response = require "leadcat.http.response"

local must = response.must

local overview = {}

--- How the rules fare, for programs.
function overview.health(context)
  local query = api.query(context, api.PARAMETERS.health, tostring)
  local health = must(context.engine:health { rule = query.rule, days = query.days, language = context.language })
  json.array(health.rules)
  for _, rule in ipairs(health.rules) do
    json.array(rule.days)
  end
  return response.json(200, health)
end

--- The page. The address may ask for any number of days.
function overview.page(context)
  local days = api.query(context, { "days" }, tostring).days or overview_page.PERIODS[2]
  return response.page(context, 200, overview_page.html, {
    found = must(overview_of.read(context.engine, days, context.language)), cfg = must(context.engine:config()),
    may_configure = context.engine:can(context.actor, "configure") == true,
  })
end

return overview
