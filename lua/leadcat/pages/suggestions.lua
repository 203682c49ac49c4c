--- The page of what the answers teach: rules that would spare users to correct proposals, with their numbers, and the way to the settings
-- with such a rule in them. It needs no script.

local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local suggested_rule = require "leadcat.pages.suggested_rule"
local suggestion = require "leadcat.words.suggestion"
local wording = require "leadcat.words.wording"

local suggestions = {}

---@class leadcat.SuggestionsModel: leadcat.Words
---@field found leadcat.Suggestions
---@field cfg leadcat.Config
---@field may_save boolean
---@field base? string

local function text(model, key, names)
  return wording.sentence(model, "suggest." .. key, names)
end

local function card(model, found, number)
  local id = ("leadcat-suggestion-%d"):format(number)
  return h.li { class = "leadcat-card",
    h.h2 { id = id, wording.rule_of_key(model, model.cfg, found.rule) },
    h.p { found.sentence },
    h.p { class = "leadcat-muted", text(model, "details", {
      tried = wording.number(found.tried), held_out = wording.number(found.held_out.cases),
      share = suggestion.percent(model, found.held_out.chosen / found.held_out.cases),
    }) },
    model.may_save and h.p { class = "leadcat-actions",
      h.a { class = "leadcat-button", aria_describedby = id,
        href = page.address(model, "/settings?" .. suggested_rule.query(found)), text(model, "add") },
    },
  }
end

local function rules(model)
  local rule, answers, corrected = wording.sentence(model, "overview.rule"), text(model, "answers"),
    text(model, "corrected")
  local rows = parts.map(model.found.rules, function(row)
    return h.tr {
      parts.cell(rule, { wording.rule_of_key(model, model.cfg, row.rule) }),
      parts.cell(answers, { class = "leadcat-number", wording.number(row.cases) }),
      parts.cell(corrected, { class = "leadcat-number", wording.number(row.corrected) }),
    }
  end)
  return rows[1] and h.div {
    h.h2 { id = "leadcat-asking", text(model, "rules") },
    parts.table("leadcat-asking", { rule, answers, corrected }, rows, "leadcat-stacked"),
  }
end

-- Below what nothing is suggested.
local function limits(model)
  local limited = model.found.limits
  return h.p { class = "leadcat-muted", text(model, "limits", {
    cases = wording.number(limited.cases), share = suggestion.percent(model, limited.share),
    margin = ("%.0f"):format(limited.margin * 100), doubt = suggestion.percent(model, limited.doubt),
  }) }
end

--- The page.
---@param model leadcat.SuggestionsModel
---@return string
function suggestions.html(model)
  local title, found = text(model, "title"), model.found
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation, wide = true,
    main = {
      h.h1 { title },
      h.p { text(model, "hint") },
      found.suggestions[1] and h.ul { class = "leadcat-versions", parts.map(found.suggestions, function(one, number)
        return card(model, one, number)
      end) } or h.p { class = "leadcat-empty", text(model, "none", { days = ("%d"):format(found.days) }) },
      found.suggestions[1] and model.may_save and h.p { class = "leadcat-muted", text(model, "add_hint") },
      not found.is_whole and h.p { class = "leadcat-muted", text(model, "not_whole") },
      rules(model), limits(model),
    },
  }
end

return suggestions
