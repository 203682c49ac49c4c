--- Rules on trial: what they would have done, and switching one on for real, as a page and for programs. Handlers are called as `http.lua`
-- says.

local api = require "leadcat.http.api"
local config = require "leadcat.rules.config"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local trials_page = require "leadcat.pages.trials"
local url = require "leadcat.util.url"

local must = response.must

local trials = {}

local PAGE = 50 -- cases on a page
local DAYS = { 7, 30, 90, 365 }

-- The cases of the actor.
local function read(context, query)
  local report, message, code = context.engine:shadow(query)
  must(report, message, code)
  report.cases = report.cases and api.visible(context, report.cases)
  return report
end

--- What they would have done.
function trials.report(context)
  return response.json(200, read(context, api.query(context, api.PARAMETERS.shadow, api.cursor_of_history)))
end

--- Switches one on for real.
function trials.make_real(context)
  local sent = must(request_of.json_table(context.request, "an object with rule expected"))
  if type(sent.rule) ~= "string" then
    response.fail("invalid", "rule: a rule's key expected, such as sale_won#7")
  end
  local revision, message, code, draft = context.engine:make_real(sent.rule, { actor = context.actor })
  if code == "approval" then
    return response.drafted(context, draft)
  end
  return response.json(200, { revision = must(revision, message, code) })
end

-- The page --------------------------------------------------------------------------------------------------------------

local function days_of(text)
  for _, days in ipairs(DAYS) do
    if text == tostring(days) then
      return days
    end
  end
end

--- All rules on trial; of one also the cases.
function trials.page(context)
  local sent, names = request_of.fields(context.request.query), {}
  local key = sent.rule ~= "" and sent.rule or nil
  local report = read(context, {
    rule = key, days = days_of(sent.days), limit = PAGE,
    after = key and sent.after and api.cursor_of_history(sent.after) or nil,
  })
  local cfg = must(context.engine:config())
  local rules = {}
  for i, row in ipairs(report.rules) do
    rules[i] = config.rule_of(cfg, row.rule) or false
  end
  for _, case in ipairs(report.cases or {}) do
    names[case.company] = context.engine:company_name(case.company) or nil
  end
  return response.page(context, 200, trials_page.html, {
    report = report, rules = rules, key = key, names = names, cfg = cfg, all_days = DAYS,
    made_real = sent.real and config.rule_of(cfg, sent.real) or nil, stale = sent.stale == "true",
    may_save = response.offers(context, "configure"),
  })
end

--- Switches a rule on for real, if nobody has saved meanwhile.
function trials.act(context)
  local fields = must(request_of.form(context.request))
  if context.engine:licensed() == false then
    response.fail("forbidden", nil, context.strings:text(context.language, "settings.unlicensed"))
  end
  local revision, message, code, draft = context.engine:make_real(fields.rule or "", {
    actor = context.actor, revision = fields.revision and api.cursor_of_history(fields.revision),
  })
  if code == "stale" or code == "not_found" then
    return response.redirect(context, "/trials?stale=true")
  elseif code == "approval" then
    return response.drafted(context, draft)
  end
  must(revision, message, code)
  return response.redirect(context, "/trials?real=" .. url.escape(fields.rule))
end

return trials
