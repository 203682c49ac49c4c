--- The settings tab: rules, categories and lead statuses as one form that works without JavaScript. `settings_form.lua`
-- reads it and lists its fields; web/settings.js saves round trips. Configs that cannot be saved are shown, too.

local config = require "leadcat.rules.config"
local fields = require "leadcat.pages.settings_fields"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local report = require "leadcat.pages.report"
local settings_conflicts = require "leadcat.pages.settings_conflicts"
local settings_items = require "leadcat.pages.settings_items"
local settings_rules = require "leadcat.pages.settings_rules"
local merge = require "leadcat.rules.merge"
local settings_window = require "leadcat.pages.settings_window"
local usage = require "leadcat.rules.usage"
local wording = require "leadcat.words.wording"

local settings = {}

---@class leadcat.SettingsModel: leadcat.Words
---@field config leadcat.Config to show; may have errors
---@field revision integer that it was made from
---@field stored? leadcat.Config that the form is applied to; with an `edit` and without it, all rows are in the form
---@field edit? leadcat.SettingsEdit of the submitted form, from `settings_form.read`; nil for a fresh page
---@field own_triggers? string[] the integrator's own that the store knows; each has a card
---@field problems? leadcat.Problem[] errors that prevented saving, and warnings
---@field changes? string[] what somebody else has saved meanwhile
---@field tried? {report: leadcat.Comparison, before: leadcat.Config, after: leadcat.Config, complete: boolean} what the form would do; complete: the journal has all events
---@field conflicts? leadcat.ToldConflict[] what both have changed
---@field changed_by? leadcat.Actor who has saved the newest revision
---@field saved? integer the revision that was saved just now
---@field saved_with? string[] what others had saved before, which is in use, too
---@field drafted? integer the draft that was saved just now
---@field drafts? integer how many there are
---@field too_many? string why no draft could be saved, in English
---@field unchanged? boolean nothing was changed, and therefore nothing saved
---@field suggested? "added"|"not_added" whether the rule that an address suggests is in it, and not saved
---@field sign_in? string the address of the host's sign-in page
---@field licensed? boolean false: nothing can be saved
---@field readonly? boolean the store is only read: nothing can be saved
---@field trials? leadcat.ShadowReport what rules on trial would have done
---@field held? {count: integer, more: boolean} what rules at their limit have matched
---@field counts? table<integer, integer> how many companies are in each category now; nil: nobody can say
---@field fields? leadcat.Field[] that conditions may compare, from `engine:fields`
---@field base? string path that leadcat is served at; default "/leadcat"

---@class leadcat.SettingsPage: leadcat.SettingsModel
---@field categories leadcat.Category[] in the order in which they are shown
---@field lead_statuses leadcat.LeadStatus[]
---@field by_id table<string, table<integer, leadcat.LeadStatus>> by list and id
---@field messages table<string, {text: string, error: boolean}[]> by the name of the field that they are about
---@field problem_items table<"error"|"warning", leadcat.html.Node[]>
---@field added table<string, table<integer, true>>
---@field focus? string

local FIELDS = { -- on the page, by list
  category = { name = true, group = true, lead_status = true, description = true },
  lead_status = { name = true, description = true },
}

local text, name_of, id_of = fields.text, fields.name_of, fields.id_of
local hidden = fields.hidden

-- Problems ------------------------------------------------------------------------------------------------------------

-- What a problem is about, and the name of its field where the page has one.
---@return string? subject, string? field, leadcat.Condition? condition
local function subject_of(form, problem)
  local list, position, rest = problem.path:match "^([%l_]+)%[(%d+)%]%.?(.*)"
  local part = list and form.config[list] and form.config[list][tonumber(position)]
  if not part then
    return nil
  elseif list ~= "rules" then
    local kind, name = fields.NOUN[list], rest:match "^[%l_]*"
    name = kind and FIELDS[kind][name] and name or "name"
    local is_shown = not part.deleted
      and settings_window.reveal(form.windows_of[kind], part, problem.severity == "error")
    return name_of(form, part), is_shown and ("%s.%d.%s"):format(kind, part.id, name) or nil
  elseif form.cards[part.trigger] then
    local name, condition = settings_rules.field_of(form, part, rest, problem.severity == "error")
    return settings_rules.label(form, part, condition), name, condition
  end
end

-- The codes of problems that have words of their own.
local MESSAGES = {
  duplicate_id = true, name_required = true, unknown_group = true, lead_status_outside_potential_customer = true,
  unknown_trigger = true, category_required = true, category_unknown = true, category_deleted = true,
  days_required = true,
  lead_status_required = true, lead_status_unknown = true, lead_status_deleted = true,
  duplicate_name = true, duplicate_external = true, wrong_type = true, out_of_range = true, rule_never_fires = true,
  category_dead_end = true,
  conditions_required = true, unknown_is = true, field_invalid = true, value_required = true, too_many = true,
  too_long = true, from_required = true, rule_unreachable = true, forward_only_blocks = true, rank_missing = true,
  conditions_exclude = true, condition_never_holds = true, type_differs = true,
  take_back_trigger = true, take_back_alone = true, default_deleted = true, default_twice = true,
}
local WITH_EXAMPLE = { rule_hidden = true, rule_cycle = true, rule_can_cycle = true, rule_chain = true }

-- The names for a warning's example: the company's category, the rule that applies there, and the rule's target.
local function names_of(form, example)
  local key = config.rule_key(example.trigger, example.lead_status)
  for _, rule in ipairs(form.config.rules) do
    if config.rule_key(rule.trigger, rule.lead_status) == key then
      return {
        rule = wording.rule(form, rule.trigger, rule.lead_status
          and wording.name_of(form.lead_statuses, rule.lead_status, form.language)),
        category = wording.name_of(form.categories, example.category, form.language),
        target = wording.name_of(form.categories, rule.set_category, form.language),
      }
    end
  end
end

-- `condition`: that the problem is about. A value that was not understood is missing for the check.
local function message_of(form, problem, condition)
  if problem.code == "value_required" and condition and form.misread[condition] then
    return text(form, "problem.number_required")
  end
  local names = WITH_EXAMPLE[problem.code] and problem.example and names_of(form, problem.example)
  if names or MESSAGES[problem.code] then
    return text(form, "problem." .. problem.code, names)
  end
  return wording.line(problem.message) or problem.code
end

-- Words all problems: as items of a list by severity, each linked to its field, and as messages beside the fields.
local function add_problems(form)
  for _, problem in ipairs(form.problems or {}) do
    if problem.code ~= "unknown_field" then -- which the page cannot repair
      local subject, name, condition = subject_of(form, problem)
      local message, items = message_of(form, problem, condition), form.problem_items[problem.severity]
      local link = name and h.a { href = "#" .. id_of(name), h.bdi { subject } } or subject and h.bdi { subject }
      items[#items + 1] = h.li { link, link and ": ", message }
      if problem.severity == "error" and not form.first_error then
        form.first_error = { id = name and id_of(name) or "leadcat-errors", message = message }
      end
      if name then
        local messages = form.messages[name] or {}
        messages[#messages + 1] = { text = message, error = problem.severity == "error" }
        form.messages[name] = messages
      end
    end
  end
end

-- Messages ------------------------------------------------------------------------------------------------------------

local function alert(id, title, items, after)
  return h.div { class = "leadcat-alert", role = "alert", tabindex = -1, id = id,
    h.p { h.strong { title } }, h.ul { items }, after,
  }
end

local function errors(form)
  local items = form.problem_items.error
  return items[1] and alert("leadcat-errors", text(form, "not_saved"), items)
end

local function notice(title, items)
  return h.div { class = "leadcat-notice", h.p { h.strong { title } }, h.ul { items } }
end

local function warnings(form)
  local items = form.problem_items.warning
  return items[1] and notice(text(form, "warnings"), items)
end

local function changes(form)
  local sentences = form.changes
  if sentences then
    local items = parts.items(sentences[1] and sentences or { text(form, "changed_nothing") })
    if form.conflicts and form.conflicts[1] then
      return h.details { class = "leadcat-notice", h.summary { text(form, "changed") }, h.ul { items } }
    end
    return alert("leadcat-changed", text(form, "changed"), items, h.p { text(form, "merged_hint") })
  end
end

local function saved_with(form)
  return form.saved_with and form.saved_with[1] and notice(text(form, "saved_with"), parts.items(form.saved_with))
end

-- What the form would do; the reasons are folded away.
local function tried(form)
  if not form.tried or form.tried.report.events == 0 then
    return nil
  end
  local model = {
    report = form.tried.report, before = form.tried.before, after = form.tried.after, strings = form.strings,
    language = form.language, level = 2,
  }
  local reasons = report.reasons(model)
  return h.section { class = "leadcat-tried", tabindex = -1, aria_labelledby = "leadcat-answer",
    report.answer(model),
    reasons and h.details { h.summary { text(form, "tried_reasons") }, reasons },
    h.p { class = "leadcat-muted", text(form, "tried", { events = wording.number(model.report.events) }),
      not form.tried.complete and { " ", text(form, "tried_note") },
    },
  }
end

-- The whole -----------------------------------------------------------------------------------------------------------

local function by_id(items)
  local found = {}
  for _, item in ipairs(items) do
    found[item.id] = item
  end
  return found
end

local function new_form(model)
  local edit = model.edit or { added = {} }
  local form = setmetatable({
    messages = {}, problem_items = { error = {}, warning = {} }, focus = edit.focus, confirm = edit.confirm,
    misread = edit.misread or {},
  }, { __index = model })
  form.added = { category = edit.added.category or {}, lead_status = edit.added.lead_status or {} }
  form.categories = config.by_rank(model.config.categories)
  form.lead_statuses = config.by_rank(model.config.lead_statuses)
  form.by_id = { categories = by_id(form.categories), lead_statuses = by_id(form.lead_statuses) }
  form.usage = usage.of(model.config.rules)
  form.windows = edit.windows or {}
  settings_items.prepare(form)
  settings_rules.prepare(form, edit)
  add_problems(form)
  return form
end

-- How it went, beside the buttons: in sight wherever the work goes on.
local function said(form)
  local key = form.saved and "saved" or form.unchanged and "unchanged"
    or form.tried and form.tried.report.events == 0 and "tried_nothing"
  if form.conflicts and form.conflicts[1] then
    return h.a { href = "#leadcat-conflicts", text(form, "conflicts_hint") }
  elseif form.first_error then
    return h.a { class = "leadcat-problem", href = "#" .. form.first_error.id, text(form, "not_saved"), ": ",
      form.first_error.message }
  elseif form.changes then
    return h.a { href = "#leadcat-changed", text(form, "changed") }
  end
  if form.too_many then
    return h.span { class = "leadcat-problem", wording.sentence(form, "drafts.too_many") }
  elseif form.drafted then
    return h.a { href = page.address(form, ("/drafts/%d"):format(form.drafted)),
      wording.sentence(form, "drafts.saved") }
  end
  return key and text(form, key)
end

local function bar(form)
  return h.div { class = "leadcat-bar",
    h.p { class = "leadcat-said", id = "leadcat-said", role = "status",
      data_leadcat_kind = form.saved and "updated" or nil, said(form) },
    h.p { class = "leadcat-actions",
      h.button { class = "leadcat-primary", type = "submit", name = "do", value = "save",
        data_leadcat_busy = text(form, "saving"), text(form, "save") }, " ",
      h.button { type = "submit", name = "do", value = "cancel", text(form, "cancel") }, " ",
      h.button { type = "submit", name = "do", value = "draft", data_leadcat_busy = text(form, "saving"),
        wording.sentence(form, "drafts.save") }, " ",
      h.button { type = "submit", name = "do", value = "try", data_leadcat_busy = text(form, "trying"),
        text(form, "try") },
      form.sign_in and h.a { class = "leadcat-sign-in", href = form.sign_in, target = "_blank", rel = "noopener",
        hidden = true, text(form, "sign_in") },
    },
    h.p { class = "leadcat-hint leadcat-muted", id = "leadcat-hint", aria_live = "polite" },
  }
end

local function sections(form)
  return {
    settings_rules.section(form),
    settings_items.section(form, "categories", text(form, "categories_hint")),
    settings_items.section(form, "lead_statuses"),
  }
end

local function form_element(form)
  local dirty = form.edit
    and not (form.stored and not (form.conflicts and form.conflicts[1]) and merge.is_same(form.config, form.stored))
  return h.form { class = "leadcat-settings", method = "post", action = page.address(form, "/settings"),
    novalidate = true, autocomplete = "off", data_leadcat_edited = dirty and "true" or nil,
    data_leadcat_unsaved = text(form, "unsaved"), data_leadcat_unnamed = text(form, "unnamed"),
    data_leadcat_category = form.strings:text(form.language, "settings.missing_category", { rule = "{rule}" }),
    data_leadcat_status = form.strings:text(form.language, "settings.missing_lead_status", { rule = "{rule}" }),
    data_leadcat_expired = text(form, "expired"), data_leadcat_unreachable = text(form, "unreachable"),
    data_leadcat_failed = text(form, "failed"),
    -- Enter in a field presses the first button of the form: this one only shows the form again.
    h.button { class = "leadcat-hidden", type = "submit", name = "do", value = "show", tabindex = -1,
      aria_hidden = "true", text(form, "title"),
    },
    hidden("revision", form.revision or 0),
    form.revision == 0 and h.div { class = "leadcat-notice", h.p { text(form, "empty") } },
    settings_conflicts.html(form), errors(form), changes(form),
    saved_with(form), warnings(form), tried(form), sections(form), bar(form),
  }
end

local function document(model, scripts, ...)
  return page.document {
    title = text(model, "title"), language = model.language, base = model.base, navigation = model.navigation,
    scripts = scripts,
    main = { h.p { class = "leadcat-path", text(model, "path") }, h.h1 { text(model, "title") }, ... },
  }
end

local function check(model, name)
  if type(model) ~= "table" or type(model.strings) ~= "table" then
    error(("settings.%s: a model with strings expected"):format(name), 3)
  end
end

-- What is held, and the way there.
local function stopped(model)
  local held = model.held
  return held and h.p { class = "leadcat-alert",
    wording.sentence(model, held.more and "held.stopped_more" or "held.stopped", {
      count = wording.number(held.count),
    }), " ", h.a { href = page.address(model, "/held"), wording.sentence(model, "held.look") },
  }
end

local function suggested(model)
  return model.suggested and h.p { class = "leadcat-notice", role = "status",
    wording.sentence(model, "suggest." .. model.suggested) }
end

--- The page of the settings.
---@param model leadcat.SettingsModel
---@return string
function settings.html(model)
  check(model, "html")
  local form = new_form(model)
  local why = model.readonly and model.strings:text(model.language, "problem.readonly")
    or model.licensed == false and text(model, "unlicensed")
  if why then -- everything is shown, nothing can be changed
    return document(model, nil, h.p { class = "leadcat-alert", role = "alert", why },
      h.fieldset { class = "leadcat-settings leadcat-plain", disabled = true,
        h.legend { class = "leadcat-hidden", text(model, "title") }, sections(form),
      })
  end
  local count = model.drafts or 0
  return document(model, { "settings.js" }, stopped(model), suggested(model), form_element(form),
    h.ul { class = "leadcat-links",
      h.li { h.a { href = page.address(model, "/versions"), wording.sentence(model, "versions.link") } },
      h.li { h.a { href = page.address(model, "/suggestions"), wording.sentence(model, "suggest.title") } },
      count > 0 and h.li { h.a { href = page.address(model, "/drafts"),
        wording.sentence(model, "drafts.link", { count = wording.number(count) }) } },
    })
end

--- The page for a user who may not see the settings.
---@param model leadcat.Words and `base`
---@return string
function settings.forbidden(model)
  check(model, "forbidden")
  return document(model, nil, h.p { class = "leadcat-alert", text(model, "forbidden") })
end

return settings
