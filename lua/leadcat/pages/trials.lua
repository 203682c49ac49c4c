--- The page of rules on trial: what each would have done, beside what users and other rules did; of one also the cases, and the button that
-- switches it on for real.

local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local url = require "leadcat.util.url"
local wording = require "leadcat.words.wording"

local trials = {}

---@class leadcat.TrialsModel: leadcat.Words
---@field report leadcat.ShadowReport
---@field rules (leadcat.Rule|false)[] those of the report's rows, in the same places; false: there is none any more
---@field key? string of the rule whose cases are shown
---@field names table<string|integer, string> company names by id
---@field cfg leadcat.Config
---@field all_days integer[]
---@field may_save boolean
---@field made_real? leadcat.Rule that was just switched on
---@field stale boolean somebody has saved meanwhile
---@field base? string

local VERDICTS = { "agreed", "differed", "undone", "alone" }

local text = wording.sentence

local function rule_name(model, row, rule)
  local trigger = row.rule:match "^[^:#]+"
  return wording.rule(model, trigger, nil, rule or nil)
end

local function address(model, key, days, after)
  local words = {}
  words[#words + 1] = key and "rule=" .. url.escape(key) or nil
  words[#words + 1] = days and ("days=%d"):format(days) or nil
  words[#words + 1] = after and ("after=%d"):format(after) or nil
  return page.address(model, "/trials" .. (words[1] and "?" .. table.concat(words, "&") or ""))
end

--- The numbers of a rule in a sentence.
---@param words leadcat.Words
---@param row leadcat.ShadowRule
---@param days integer
---@return string
function trials.told(words, row, days)
  if row.cases == 0 then
    return text(words, "trials.nothing", { days = ("%d"):format(days) })
  end
  local parts_of = {}
  for _, verdict in ipairs(VERDICTS) do
    parts_of[#parts_of + 1] = row[verdict] > 0 and text(words, "trials.count_" .. verdict, {
      count = wording.number(row[verdict]),
    }) or nil
  end
  local told = text(words, "trials.told", { days = ("%d"):format(days), count = wording.number(row.cases) })
  return ("%s (%s)."):format((told:gsub("%.$", "")), table.concat(parts_of, ", "))
end

local function real_form(model, row)
  return model.may_save and row.is_shadow and h.form { method = "post", action = page.address(model, "/trials"),
    h.input { type = "hidden", name = "rule", value = row.rule },
    h.input { type = "hidden", name = "revision", value = ("%d"):format(model.cfg.revision) },
    h.p { class = "leadcat-actions",
      h.button { type = "submit", class = "leadcat-primary", data_leadcat_busy = text(model, "working"),
        text(model, "trials.make_real") } },
  }
end

local function card(model, row, rule)
  local id = "leadcat-trial-" .. row.rule:gsub("[^%w]", "-")
  return h.li { class = "leadcat-card",
    h.h2 { id = id, rule_name(model, row, rule) },
    h.p { trials.told(model, row, model.report.days) },
    not row.is_shadow and h.p { class = "leadcat-muted", text(model, "trials.not_on_trial") },
    row.cases > 0 and not model.key and h.p { h.a { href = address(model, row.rule, model.report.days),
      aria_describedby = id, text(model, "trials.show") } },
    real_form(model, row),
  }
end

local COLUMNS = { "confirmation.company", "history.time", "trials.would", "trials.happened" }

local function case_row(model, case)
  local function category(id)
    return wording.category(model.cfg, id, model.language)
  end
  local company = wording.line(model.names[case.company]) or wording.line(case.company) or "?"
  local function cell(column, content)
    return parts.cell(text(model, COLUMNS[column]), content)
  end
  return h.tr {
    cell(1, { class = "leadcat-name", h.bdi { company } }),
    cell(2, { parts.time(model, case.at) }),
    cell(3, { parts.change(category(case.from), category(case.to), text(model, "change.to")) }),
    cell(4, { text(model, "trials.verdict_" .. case.verdict), case.stood and case.verdict ~= "agreed"
      and { " ", parts.category(category(case.stood)) }, case.by_hand and { " ", h.span { class = "leadcat-muted",
        text(model, "trials.by_hand") } } }),
  }
end

local function cases(model)
  local id = "leadcat-trial-cases"
  return model.report.cases and model.report.cases[1] and {
    h.h2 { id = id, text(model, "trials.cases") },
    parts.table(id, parts.map(COLUMNS, function(key) return text(model, key) end),
      parts.map(model.report.cases, function(case) return case_row(model, case) end), "leadcat-stacked"),
    model.report.next and h.p { h.a { href = address(model, model.key, model.report.days, model.report.next),
      text(model, "trials.older") } },
  }
end

local function periods(model)
  return h.p { text(model, "trials.period"), " ", parts.map(model.all_days, function(days)
    local label = text(model, "trials.days", { days = ("%d"):format(days) })
    local is_shown = days == model.report.days
    return { is_shown and h.strong { label } or h.a { href = address(model, model.key, days), label }, " " }
  end) }
end

--- The page.
---@param model leadcat.TrialsModel
---@return string
function trials.html(model)
  local title, real = text(model, "trials.title"), model.made_real
  local said = real and text(model, "trials.made_real", { rule = wording.rule(model, real.trigger, nil, real) }) or nil
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation, wide = true,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { title },
      parts.said(said),
      model.stale and parts.alert(text(model, "trials.stale")) or nil,
      h.p { class = "leadcat-muted", text(model, "trials.hint") },
      periods(model),
      model.report.rules[1] and h.ul { class = "leadcat-versions", parts.map(model.report.rules, function(row, i)
        return card(model, row, model.rules[i])
      end) } or h.p { class = "leadcat-empty", text(model, "trials.none") },
      not model.report.is_whole and h.p { class = "leadcat-muted", text(model, "trials.not_whole") },
      cases(model),
      h.ul { class = "leadcat-links",
        model.key and h.li { h.a { href = address(model, nil, model.report.days), text(model, "trials.all") } },
        model.may_save and h.li { h.a { href = page.address(model, "/settings"), text(model, "settings.title") } },
      },
    },
  }
end

return trials
