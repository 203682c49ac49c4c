--- The table of the history: a row for each entry, and for a question and its answer together. What did not happen does
-- not look as if it had.

local config = require "leadcat.rules.config"
local filters_of = require "leadcat.pages.history_filters"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local why = require "leadcat.pages.why"
local wording = require "leadcat.words.wording"
local words_of = require "leadcat.words.conditions"

local rows = {}

local COLUMNS = {
  "history.time", "confirmation.company", "history.cause", "confirmation.category", "history.status", "history.actor",
  "history.rule",
}

local text, company_of = wording.sentence, filters_of.company_of

local function note(...)
  return h.span { class = "leadcat-line leadcat-muted", ... }
end

-- What happened -------------------------------------------------------------------------------------------------------

-- When an entry's question was asked, where the entry is its answer.
local function asked(model, entry)
  local question = entry.status ~= "awaiting_confirmation" and entry.confirmation
    and model.questions[entry.confirmation]
  return question and wording.time(question.created_at)
    and { " ", note(parts.sentence(model, "inbox.asked", "time", parts.time(model, question.created_at))) }
end

-- Why what the reader wanted was not done, on the row that it is about.
local function refusal(model, entry)
  return model.refused and model.refused.entry == entry.entry
    and h.span { class = "leadcat-problem", role = "alert", model.refused.words }
end

local function cause(model, entry)
  local run = entry.run and wording.line(entry.run)
  return {
    wording.note(model, entry, company_of(model, entry.company)) or wording.cause_of_entry(model, entry, model.cfg),
    entry.carries_out and { " ", note(text(model, "history.was_scheduled")) },
    asked(model, entry),
    run and { " ", note(text(model, "history.run"), ": ",
      h.a { href = filters_of.link(model, { run = entry.run }), h.bdi { run } }) },
    refusal(model, entry),
  }
end

-- How an entry looks, by its status. `open`: it may still happen; `off`: it did not; `bad`: it should have.
local LOOKS = {
  updated = "done", failed = "bad", conflict = "bad", declined = "off", expired = "off", superseded = "off",
  cancelled = "off", dropped = "off", carried_out = "off", renamed = "note", merged = "note", deleted = "note",
  shadow = "off",
}

local function look_of(entry)
  return LOOKS[entry.status] or "open"
end

-- An arrow leads only to a category that was set.
local function change(model, entry)
  if not entry.trigger then
    return nil -- it tells of the company itself
  end
  local from = wording.category(model.cfg, entry.from, model.language)
  local to = wording.category(model.cfg, entry.to, model.language)
  local look = look_of(entry)
  if look == "done" then
    return parts.change(from, to, text(model, "change.to"))
  end
  local key = (look == "open" or entry.status == "carried_out") and "history.proposed" or "history.not_set"
  return { entry.from and h.span { class = "leadcat-change", parts.category(from) },
    entry.to and { " ", note(text(model, key, { category = to.name })) },
  }
end

local function company_link(model, entry)
  local id = wording.id(entry.company)
  local former = entry.trigger and wording.line(entry.former)
  return { h.a { href = filters_of.link(model, { company = id }), h.bdi { company_of(model, entry.company) } },
    former and { " ", note(text(model, "history.former", { company = former })) },
  }
end

-- Who -----------------------------------------------------------------------------------------------------------------

local function user(model, actor)
  return h.bdi { wording.called(actor) or text(model, actor and "confirmation.somebody" or "history.program") }
end

-- The words for the person who answered the question, by status of the entry.
local ANSWERED = {
  updated = "history.confirmed_by", applying = "history.confirmed_by", failed = "history.confirmed_by",
  conflict = "history.confirmed_by", declined = "history.declined_by",
}

-- The question that an entry has asked, once it is closed.
local function closed_question(model, entry)
  local question = entry.status == "awaiting_confirmation" and model.questions[entry.confirmation]
  return question and question.state ~= "open" and question or nil
end

-- Whose question it is, where it was given to somebody else and is open.
local function assigned_to(model, entry)
  local question = entry.status == "awaiting_confirmation" and model.questions[entry.confirmation]
  local assigned = question and question.state == "open" and question.assigned
  return assigned and { " ", note(text(model, "inbox.for_user", {
    user = wording.called(assigned.to) or text(model, "confirmation.somebody"),
  })) }
end

-- Where the reader may answer its question.
local function answer(model, entry, row)
  local id = entry.status == "awaiting_confirmation" and model.answers[entry.confirmation] and entry.confirmation
  return id and { " ", h.a { id = row .. "-answer", aria_labelledby = ("%s-answer %s-company"):format(row, row),
    href = page.address(model, "/confirmations/" .. id), data_leadcat_answer = id, text(model, "history.answer") } }
end

-- The user of the event, and the person who answered its question.
local function who(model, entry)
  local key, answered_by, asked_by = entry.confirmation and ANSWERED[entry.status], entry.actor, entry.actor
  if key then
    asked_by = (model.questions[entry.confirmation] or {}).actor
  else
    local question = closed_question(model, entry)
    answered_by = question and question.state ~= "superseded" and question.resolved_by
    key = answered_by and "history.answered_by" or question and question.by_expiry and "history.by_expiry"
  end
  if entry.by_expiry then
    key = "history.by_expiry"
  end
  if entry.ended_by then
    answered_by, key = entry.ended_by, "history.cancelled_by"
  end
  local name = wording.called(answered_by or nil) or text(model, "confirmation.somebody")
  return { (asked_by or not key) and user(model, asked_by), " ", key and note(text(model, key, { user = name })),
    assigned_to(model, entry) }
end

local function status(model, entry)
  local question = closed_question(model, entry)
  local words = question and text(model, "state." .. question.state) or filters_of.status_words(model, entry.status)
  local due = entry.status == "scheduled" and wording.time(entry.due)
  return {
    h.span { class = "leadcat-badge leadcat-badge-" .. (question and "off" or look_of(entry)), words },
    due and { " ", note(parts.sentence(model, "history.due", "time", parts.time(model, entry.due))) },
    " ", note(why.link(model, entry.company, company_of(model, entry.company),
      entry.trigger and entry.entry)),
  }
end

-- The rule ------------------------------------------------------------------------------------------------------------

-- The version of the rules in words: of which day, and its number.
local function version(model, revision)
  local number, saved = ("%d"):format(revision), model.saved[revision]
  return h.a { href = page.address(model, "/history/revisions/" .. number),
    saved and parts.sentence(model, "history.rules_of", "time", parts.time(model, saved, true), { number = number })
      or text(model, "history.version", { number = number }),
  }
end

-- The rule and the revision that it was in.
local function rule(model, entry)
  if not entry.trigger then
    return nil
  end
  local id = entry.trigger == "lead_status_set" and config.lead_status_of(entry.rule)
  local name = id and text(model, "history.rule_lead_status", {
    lead_status = wording.name_of(model.cfg.lead_statuses, id, model.language),
  }) or wording.trigger(model, entry.trigger)
  local facts = words_of.looked_at(model, entry, model.cfg, model.fields)
  return { name, " ", note(version(model, entry.revision)), facts and { " ", note(facts) } }
end

-- What can be done ----------------------------------------------------------------------------------------------------

-- A screen reader says the company after the button's text, since the page has many such buttons. The form says where
-- the reader is, to come back there.
local function button(model, entry, row, action)
  local id = row .. "-" .. action
  return h.form { method = "post", action = page.address(model, ("/api/history/%d/%s"):format(entry.entry, action)),
    data_leadcat_act = row,
    h.input { type = "hidden", name = "back", value = filters_of.query(model.filters, model.after) },
    h.button { type = "submit", id = id, data_leadcat_busy = model.strings:text(model.language, "settings.saving"),
      aria_labelledby = id .. " " .. row .. "-company",
      text(model, "history." .. action),
    },
  }
end

local function cell(model, column, class, id, ...)
  return parts.cell(text(model, COLUMNS[column]), { class = class, id = id, ... })
end

local function row_of(model, entry)
  local id = ("leadcat-entry-%d"):format(entry.entry)
  local action = model.may_undo and (entry.status == "scheduled" and "cancel" or model.actions[entry.entry])
  local look = look_of(entry)
  return h.tr { id = id, class = (look == "off" or look == "bad") and "leadcat-off" or nil,
    cell(model, 1, "leadcat-time", nil, parts.time(model, entry.at)),
    cell(model, 2, "leadcat-name", id .. "-company", company_link(model, entry)),
    cell(model, 3, nil, nil, cause(model, entry)),
    cell(model, 4, nil, nil, change(model, entry)),
    cell(model, 5, nil, nil, status(model, entry), answer(model, entry, id)),
    cell(model, 6, nil, nil, who(model, entry)),
    cell(model, 7, nil, nil, rule(model, entry)),
    model.may_undo and h.td { class = "leadcat-undo", action and button(model, entry, id, action) },
  }
end

--- The table.
---@param model leadcat.HistoryModel
---@return leadcat.html.Node
function rows.table(model)
  local heads = parts.map(COLUMNS, function(key)
    return text(model, key)
  end)
  heads[#heads + 1] = model.may_undo
    and h.th { scope = "col", class = "leadcat-undo", text(model, "history.undo") } or nil
  return parts.table("leadcat-title", heads, parts.map(model.entries, function(entry)
    return row_of(model, entry)
  end), "leadcat-history leadcat-stacked")
end

return rows
