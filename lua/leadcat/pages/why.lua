--- The page that answers "Why did nothing happen?" for a company: what each trigger would do now, check by check, what one
-- may try, and what has happened to it lately. It works without a script; with one, times are the reader's.

local conditions = require "leadcat.words.conditions"
local config = require "leadcat.rules.config"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local no_sale = require "leadcat.rules.no_sale"
local parts = require "leadcat.pages.parts"
local url = require "leadcat.util.url"
local why_form = require "leadcat.pages.why_form"
local wording = require "leadcat.words.wording"

local why = {}

---@class leadcat.WhyModel: leadcat.Words
---@field asked? string the company as it was asked for
---@field why? leadcat.Why with its `entries`; nil: no company was asked for, or nothing is known of it
---@field category? integer where the company is, whatever is tried
---@field cfg leadcat.Config the newest
---@field question? leadcat.View its open question
---@field may_answer? boolean whether the reader may answer it
---@field held? string what is held of it, as a sentence
---@field may_release? boolean whether the reader may release that
---@field stopped? table<string, true> rules at their limit, by key
---@field records boolean whether events that change nothing are recorded
---@field similar? {id: string, name: string}[] companies with a similar name, where nothing is known of this one
---@field fields? leadcat.TriedField[]
---@field sent table<string, string> what the address says
---@field wrong table<string, true> what of it cannot be, by name
---@field tried boolean whether something is tried
---@field at? number the moment of the past that it is about
---@field entry? integer or of this entry
---@field base? string path that leadcat is served at; default "/leadcat"

local text = wording.sentence

--- The address of the page about a company.
---@param model {base?: string}
---@param company any its id
---@param entry? integer whose moment it is to be about
---@return string
function why.address(model, company, entry)
  return page.address(model, "/why?company=" .. url.escape(wording.id(company))
    .. (entry and ("&entry=%d"):format(entry) or ""))
end

--- A link to the page, which a screen reader tells from the others by the company's name.
---@param model leadcat.Words
---@param company any its id
---@param name string
---@param entry? integer whose moment it is to be about
---@return leadcat.html.Node
function why.link(model, company, name, entry)
  return h.a { class = "leadcat-why", href = why.address(model, company, entry), text(model, "why.link"),
    h.span { class = "leadcat-hidden", " ", h.bdi { name } } }
end

-- A sentence of the engine's, with its times as elements.
local function timed(model, sentence, ...)
  local times = {}
  for i = 1, select("#", ...) do
    local seconds = select(i, ...)
    times[#times + 1] = seconds and { seconds, wording.time(seconds, model) } or nil
  end
  return parts.timed(sentence, times)
end

-- A decision ----------------------------------------------------------------------------------------------------------

local MARKS = { met = "\226\156\147", not_met = "\226\156\151", not_reached = "\226\128\147" } -- U+2713, U+2717, U+2013

-- A line of a list, marked with whether it is so. A screen reader says the mark first.
local function marked(model, passed, ...)
  local state = passed == nil and "not_reached" or passed and "met" or "not_met"
  return h.li { class = "leadcat-check-" .. state,
    h.span { class = "leadcat-mark", role = "img", aria_label = text(model, "why." .. state), MARKS[state] }, " ",
    h.div { ... },
  }
end

-- One group of conditions of a rule.
local function conditions_of(model, group)
  return h.ul { class = "leadcat-checks", parts.map(group, function(condition)
    return marked(model, condition.holds, condition.sentence)
  end) }
end

local function name_of_rule(model, decision, key)
  local id, found = config.rule_id_of(key), nil
  for _, rule in ipairs(model.cfg.rules) do
    if rule.trigger == decision.trigger and rule.lead_status == decision.lead_status and rule.id == id then
      found = rule
    end
  end
  local status = decision.lead_status
    and wording.name_of(model.cfg.lead_statuses, decision.lead_status, model.language)
  return wording.rule(model, decision.trigger, status, found)
end

-- What a rule on trial would come to.
local function would(model, tried)
  local key = tried.action == "confirm" and "why.would_ask" or "why.would_set"
  return tried.to and tried.action ~= "none" and { " ", h.span { class = "leadcat-muted", text(model, key, {
    category = wording.category(model.cfg, tried.to, model.language).name,
  }) } }
end

-- A rule that was tried, with what it asks for.
local function rule(model, decision, tried)
  local content = {}
  for i, group in ipairs(tried.starts and tried.when or {}) do
    content[#content + 1] = i > 1 and h.p { class = "leadcat-muted", text(model, "settings.or") } or nil
    content[#content + 1] = conditions_of(model, group)
  end
  return marked(model, tried.applies == true, h.bdi { name_of_rule(model, decision, tried.rule) },
    not tried.starts and { " ", h.span { class = "leadcat-muted", text(model, "why.starts_elsewhere") } },
    would(model, tried), content)
end

local function rules(model, decision, list)
  return list and list[1] and h.ul { class = "leadcat-checks", parts.map(list, function(tried)
    return rule(model, decision, tried)
  end) }
end

-- What a check has compared, where a name says it.
local CATEGORY = { unknown_category = "category", already_in_category = "target" }

local function value(model, check)
  local id = CATEGORY[check.name] and check[CATEGORY[check.name]]
  if id then
    return parts.category(wording.category(model.cfg, id, model.language))
  elseif check.name == "not_potential_customer" and check.group then
    return text(model, "group." .. check.group)
  end
end

local function check_line(model, decision, check)
  local shown = value(model, check)
  return marked(model, check.pass, text(model, "why.check." .. check.name),
    shown and { " ", h.span { class = "leadcat-muted", shown } }, rules(model, decision, check.rules))
end

local function waiting(model, decision)
  local list = decision.waiting
  return list and marked(model, decision.scheduled ~= nil, text(model, "why.check.waiting"),
    rules(model, decision, list))
end

local function on_trial(model, decision)
  local list = decision.shadows
  return list and h.li { text(model, "why.check.shadows"), rules(model, decision, list) }
end

-- How much the rule that has matched may do, and whether that is used up.
local function limit(model, decision)
  local rule_of = decision.reason == "matched" and config.rule_of(model.cfg, decision.rule)
  local most = rule_of and rule_of.limit
  return most and h.p { class = "leadcat-muted",
    text(model, "settings.limit_told", {
      changes = wording.number(most.changes), time = wording.duration(model, most.hours, "hours"),
    }), model.stopped[decision.rule] and { " ", h.strong { text(model, "why.at_limit") } },
  }
end

local RESULTS = { -- a badge's look, and its words
  update = { "done", "compare.update" }, confirm = { "open", "compare.confirm" }, none = { "off", "compare.none" },
  scheduled = { "open", "history.scheduled" }, held = { "open", "history.held" },
}

local function result(model, decision)
  local none = decision.action == "none"
  local is_held = not none and model.stopped[decision.rule]
  local row = RESULTS[none and decision.scheduled and "scheduled" or is_held and "held" or decision.action]
  return h.span { class = "leadcat-badge leadcat-badge-" .. row[1], text(model, row[2]) }
end

local function name_of_decision(model, decision)
  return decision.lead_status and text(model, "history.rule_lead_status", {
    lead_status = wording.name_of(model.cfg.lead_statuses, decision.lead_status, model.language),
  }) or decision.days and wording.cause(model, {
    trigger = decision.trigger, facts = no_sale.facts(decision),
  }, model.cfg) or wording.trigger(model, decision.trigger)
end

-- Its checks are shown where they have the answer: where a rule is on, and yet does nothing.
local function decision_card(model, decision)
  local open = decision.action == "none" and not decision.scheduled and decision.reason ~= "rule_disabled"
  return h.li { class = "leadcat-card leadcat-decision",
    h.h3 { name_of_decision(model, decision), " ", result(model, decision) },
    h.p { timed(model, decision.sentence, decision.scheduled and decision.scheduled.due) },
    limit(model, decision),
    h.details { open = open,
      h.summary { text(model, "why.checks"),
        h.span { class = "leadcat-hidden", ": ", name_of_decision(model, decision) } },
      h.ol { class = "leadcat-checks",
        parts.map(decision.checks, function(check) return check_line(model, decision, check) end),
        waiting(model, decision), on_trial(model, decision),
      },
    },
  }
end

-- What has happened ---------------------------------------------------------------------------------------------------

local NOTHING = {
  unchanged = true, dropped = true, declined = true, expired = true, superseded = true, cancelled = true,
}

-- To the checks, with what the event said that came to nothing.
local function again(model, entry)
  local query = entry.status == "unchanged" and entry.reason == "conditions_not_met"
    and why_form.query(model.fields, entry)
  return query and { " ", h.a { href = why.address(model, model.asked) .. "&" .. query, text(model, "why.again") } }
end

-- What its rules looked at, where the event changed nothing: of what it changed the history has it.
local function known(model, entry)
  local facts = entry.status == "unchanged" and conditions.looked_at(model, entry, model.cfg, {})
  return facts and { " ", h.span { class = "leadcat-line leadcat-muted", facts } }
end

local function entry_line(model, entry)
  return h.li { class = NOTHING[entry.status] and "leadcat-off" or nil,
    h.span { class = "leadcat-line leadcat-muted", parts.time(model, entry.at) }, " ",
    timed(model, entry.sentence, entry.at, entry.due, entry.at), again(model, entry), known(model, entry),
  }
end

local function lately(model)
  local entries = model.why.entries
  return h.section { aria_labelledby = "leadcat-lately",
    h.h2 { id = "leadcat-lately", text(model, model.why.past and "why.until_then" or "why.lately") },
    entries[1] and h.ol { class = "leadcat-events", parts.map(entries, function(entry)
      return entry_line(model, entry)
    end) } or h.p { text(model, "history.empty") },
    not model.records and h.p { class = "leadcat-muted", text(model, "why.not_recorded") },
    h.p { h.a { href = page.address(model, "/history?company=" .. url.escape(wording.id(model.why.company))),
      text(model, "why.history") } },
  }
end

-- What is open, and what will happen.
local function pending(model)
  local question, scheduled = model.question, model.why.scheduled
  return {
    question and h.div { class = "leadcat-notice",
      h.p { question.sentence, " ",
        model.may_answer and h.a { href = page.address(model, "/confirmations/" .. question.id),
          text(model, "panel.answer") } },
    },
    scheduled and h.div { class = "leadcat-notice",
      h.p { timed(model, scheduled.sentence, scheduled.due, scheduled.due) } },
    model.held and h.div { class = "leadcat-notice", h.p { model.held, " ",
      model.may_release and h.a { href = page.address(model, "/held"), text(model, "held.look") } } },
  }
end

local function decisions(model)
  return h.ul { class = "leadcat-decisions", parts.map(model.why.decisions, function(decision)
    return decision_card(model, decision)
  end) }
end

-- What was so then.
local function answer_then(model)
  local found, past = model.why, model.why.past
  return {
    h.h2 { class = "leadcat-company", dir = "auto", found.name },
    h.p { class = "leadcat-notice", timed(model, past.sentence, past.at), " ",
      h.a { href = why.address(model, model.asked), text(model, "why.to_now") } },
    past.entry and h.p { timed(model, past.entry.sentence, past.entry.at, past.entry.due, past.entry.at) },
    found.decisions[1] and h.section { aria_labelledby = "leadcat-then",
      h.h2 { id = "leadcat-then", text(model, past.entry and "why.then_entry" or "why.then_title") },
      decisions(model),
    },
    lately(model),
  }
end

local function answer(model)
  local found = model.why
  if found.past then
    return answer_then(model)
  end
  return {
    h.h2 { class = "leadcat-company", dir = "auto", found.name },
    h.p { text(model, "confirmation.current"), ": ",
      model.category and parts.category(wording.category(model.cfg, model.category, model.language))
        or text(model, "compare.unknown") },
    pending(model),
    h.section { aria_labelledby = "leadcat-now",
      h.h2 { id = "leadcat-now", text(model, "why.now") },
      model.tried and h.p { class = "leadcat-notice", text(model, "why.if_said"), " ",
        h.a { href = why.address(model, model.asked), text(model, "why.if_remove") } },
      why_form.element(model),
      decisions(model),
    },
    lately(model),
  }
end

-- The page ------------------------------------------------------------------------------------------------------------

local function form(model)
  return h.form { class = "leadcat-filter", method = "get", action = page.address(model, "/why"), role = "search",
    h.div { class = "leadcat-filter-first",
      h.p { class = "leadcat-field",
        h.label { ["for"] = "leadcat-company", text(model, "confirmation.company") }, " ",
        h.input { id = "leadcat-company", name = "company", type = "search", value = model.asked or "", dir = "auto",
          autocomplete = "off", required = true, maxlength = 255 } },
      h.p { class = "leadcat-field",
        h.label { ["for"] = "leadcat-at", text(model, "why.as_of") }, " ",
        h.input { id = "leadcat-at", name = "at", type = "date", autocomplete = "off",
          value = model.at and os.date("!%Y-%m-%d", math.floor(model.at)) or "" } },
      h.p { class = "leadcat-actions", h.button { type = "submit", class = "leadcat-primary",
        text(model, "why.show") } },
    },
  }
end

local function unknown(model)
  local similar = model.similar or {}
  return {
    h.p { class = "leadcat-alert", role = "alert", text(model, "why.unknown", { company = model.asked }) },
    similar[1] and { h.p { text(model, "why.similar") }, h.ul { parts.map(similar, function(company)
      return h.li { h.a { href = why.address(model, company.id), h.bdi { company.name } } }
    end) } },
  }
end

--- The page.
---@param model leadcat.WhyModel
---@return string
function why.html(model)
  local title = text(model, "why.title")
  local name = model.why and model.why.name
  return page.document {
    title = name and name .. " \226\128\147 " .. title or title, -- U+2013
    language = model.language, base = model.base, navigation = model.navigation, scripts = { "leadcat.js" },
    main = {
      h.h1 { title },
      not model.why and h.p { text(model, "why.hint") },
      form(model),
      model.why and answer(model) or model.asked and unknown(model),
    },
  }
end

return why
