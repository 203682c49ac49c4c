--- What a change of the rules would do: as a page of its own, or as parts of another one. The first sentence and the
-- first picture give the answer; the rest says why.

local difference = require "leadcat.rules.difference"
local flow_picture = require "leadcat.pages.flow_picture"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local web = require "leadcat.pages.web"
local why = require "leadcat.words.why"
local wording = require "leadcat.words.wording"

local report = {}

---@class leadcat.ReportModel: leadcat.Words
---@field report leadcat.Comparison
---@field before leadcat.Config the configs that were compared
---@field after leadcat.Config
---@field level? integer of the first heading; default 1

---@class leadcat.ReportPage: leadcat.ReportModel
---@field names table<integer|false, leadcat.NamedCategory>

-- How many are shown: moves below the first sentence, differences of the rules, kinds of change, kinds with examples.
local MOVES, DIFFERENCES, KINDS, EXPLAINED = 4, 20, 40, 6

local function text(model, key, names)
  return wording.sentence(model, "compare." .. key, names)
end

local function heading(model, below, attributes)
  return h["h" .. (model.level or 1) + below](attributes)
end

local function named(model, id)
  return parts.category(model.names[id or false])
end

-- Tables --------------------------------------------------------------------------------------------------------------

local function count(value)
  return h.td { class = "leadcat-number", wording.number(value) }
end

-- A difference with its sign; nothing for zero.
local function signed(value)
  local sign = value > 0 and "+" or "\226\136\146" -- U+2212
  return value == 0 and "" or sign .. wording.number(math.abs(value))
end

-- How many are not shown.
local function rest(model, left)
  return left > 0 and h.p { class = "leadcat-muted", text(model, "more", { count = wording.number(left) }) }
end

-- The first sentence and the first picture --------------------------------------------------------------------------

local function first_sentence(model)
  local changed = model.report.changed
  if changed.companies > 0 then
    return text(model, "moved", {
      changed = wording.number(changed.companies), companies = wording.number(model.report.companies),
    })
  end
  return text(model, changed.events > 0 and "moved_none" or "nothing")
end

-- The flows between different categories, the widest first.
local function widest(flows)
  local moves, position = {}, {}
  for i, flow in ipairs(flows) do
    moves[#moves + 1] = flow.from ~= flow.to and flow or nil
    position[flow] = i
  end
  table.sort(moves, function(a, b)
    return a.companies > b.companies or a.companies == b.companies and position[a] < position[b]
  end)
  return moves
end

local function moves(model)
  local items = parts.map(widest(model.report.flows.change), function(flow, i)
    return i <= MOVES and h.li {
      h.strong { wording.number(flow.companies) }, " ",
      parts.change(model.names[flow.from or false], model.names[flow.to or false],
        wording.sentence(model, "change.to")),
    }
  end)
  return items[1] and h.ul { class = "leadcat-moves", items }
end

-- `flows` is the key of the picture's flows in the report; `more` has other fields of the picture.
local function picture(model, flows, title, heads, more)
  local drawn = {
    strings = model.strings, language = model.language, id = "leadcat-flow-" .. flows, title = title, heads = heads,
    flows = model.report.flows[flows], categories = model.categories,
  }
  for name, value in pairs(more or {}) do
    drawn[name] = value
  end
  return flow_picture.svg(drawn)
end

local function ends(model)
  local notes = {}
  for _, category in ipairs(model.report.categories) do
    notes[category.id or false] = category.after ~= category.before and signed(category.after - category.before)
  end
  return picture(model, "change", text(model, "ends"), { text(model, "old"), text(model, "new") },
    { notes = notes, change = true })
end

-- What is different in the rules: the cause of what the picture shows.
local function rules(model)
  local sentences = difference.sentences(model.before, model.after, model.strings, model.language)
  return {
    heading(model, 1, { text(model, "rules") }),
    sentences[1] and h.ul { parts.map(sentences, function(sentence, i)
      return i <= DIFFERENCES and h.li { sentence }
    end) } or h.p { text(model, "rules_same") },
    rest(model, #sentences - DIFFERENCES),
  }
end

-- How many events were updated at once, asked about, and neither.
local function totals(simulated)
  local sums = { update = 0, confirm = 0 }
  for _, outcomes in pairs(simulated.outcomes) do
    for action, sum in pairs(sums) do
      sums[action] = sum + (outcomes[action] or 0)
    end
  end
  sums.none = simulated.events - sums.update - sums.confirm
  return sums
end

-- How often each action is taken, where that changes.
local function counted(model)
  local before, after, words = totals(model.report.before), totals(model.report.after), {}
  for _, action in ipairs { "update", "confirm" } do
    words[#words + 1] = before[action] ~= after[action] and ("%s: %s \226\134\146 %s"):format(text(model, action),
      wording.number(before[action]), wording.number(after[action])) or nil
  end
  return words[1] and { h.br {}, table.concat(words, " \194\183 ") } -- U+00B7
end

local function answer(model)
  local changed = model.report.changed
  return {
    heading(model, 0, { id = "leadcat-answer", first_sentence(model) }),
    h.div { class = "leadcat-answer",
      h.div { moves(model), h.p { class = "leadcat-muted", text(model, "decided", {
        changed = wording.number(changed.events), events = wording.number(model.report.events),
      }), counted(model) } },
      changed.events > 0 and h.div { class = "leadcat-card leadcat-picture", ends(model) },
      h.div { rules(model) },
    },
  }
end

-- In numbers ----------------------------------------------------------------------------------------------------------

local function category_rows(model)
  return parts.map(model.report.categories, function(category)
    return category.start + category.before + category.after > 0 and h.tr {
      h.td { named(model, category.id) }, count(category.start), count(category.before), count(category.after),
      h.td { class = "leadcat-number", signed(category.after - category.before) },
    }
  end)
end

local function action_rows(model)
  local before, after = totals(model.report.before), totals(model.report.after)
  return parts.map({ "update", "confirm", "none" }, function(action)
    return h.tr {
      h.td { text(model, action) }, count(before[action]), count(after[action]),
      h.td { class = "leadcat-number", signed(after[action] - before[action]) },
    }
  end)
end

local function numbers(model)
  local old, new, difference_label = text(model, "old"), text(model, "new"), text(model, "difference")
  return h.div { class = "leadcat-pair leadcat-numbers",
    h.div {
      heading(model, 1, { id = "leadcat-categories-compared", text(model, "companies") }),
      parts.table("leadcat-categories-compared",
        { wording.sentence(model, "confirmation.category"), text(model, "start"), old, new, difference_label },
        category_rows(model)),
    },
    h.div {
      heading(model, 1, { id = "leadcat-actions-compared", text(model, "events") }),
      parts.table("leadcat-actions-compared", { text(model, "done"), old, new, difference_label }, action_rows(model)),
    },
  }
end

-- From the start to the end -------------------------------------------------------------------------------------------

local function ways(model)
  local heads = { text(model, "start"), text(model, "end") }
  local function way(flows, title)
    return h.div {
      heading(model, 1, { title }),
      h.div { class = "leadcat-card leadcat-picture", picture(model, flows, title, heads) },
    }
  end
  return h.div { class = "leadcat-pair",
    way("before", text(model, "way_old")), way("after", text(model, "way_new")),
  }
end

-- Decisions -----------------------------------------------------------------------------------------------------------

local function cause(model, trigger)
  if trigger == "lead_status_set" then
    return text(model, "lead_status_set")
  end
  return wording.cause_of_trigger(model, trigger)
end

local function outcome(model, told)
  if not told.to then
    return text(model, "outcome." .. told.outcome)
  end
  return { named(model, told.to), told.outcome == "confirm" and { " ", text(model, "asked") } }
end

local function change_rows(model)
  return parts.map(model.report.changes, function(kind, i)
    return i <= KINDS and h.tr {
      count(kind.count), h.td { cause(model, kind.trigger) },
      h.td { outcome(model, kind.before) }, h.td { outcome(model, kind.after) },
    }
  end)
end

local function decisions(model)
  local labels = {
    text(model, "events"), wording.sentence(model, "history.cause"), text(model, "old"), text(model, "new"),
  }
  return {
    heading(model, 1, { id = "leadcat-decisions", text(model, "decisions") }),
    parts.table("leadcat-decisions", labels, change_rows(model)),
    rest(model, #model.report.changes - KINDS),
  }
end

-- Companies -----------------------------------------------------------------------------------------------------------

local function company_rows(model)
  return parts.map(model.report.moved, function(moved)
    return h.tr {
      h.td { class = "leadcat-name", h.bdi { wording.line(moved.company) or "?" } },
      h.td { named(model, moved.start) }, h.td { named(model, moved.before) }, h.td { named(model, moved.after) },
    }
  end)
end

local function companies(model)
  local labels = {
    wording.sentence(model, "confirmation.company"), text(model, "start"), text(model, "old"), text(model, "new"),
  }
  return {
    heading(model, 1, { id = "leadcat-moved", text(model, "moved_companies") }),
    parts.table("leadcat-moved", labels, company_rows(model)),
    rest(model, model.report.changed.companies - #model.report.moved),
  }
end

-- Examples ------------------------------------------------------------------------------------------------------------

-- What one side decides, and why.
local function decision(model, side, event, explained)
  return why.decision {
    cfg = model[side], words = model, company = wording.line(event.company) or "?", trigger = event.trigger,
    lead_status = event.lead_status, category = explained.category, action = explained.action, to = explained.to,
    reason = explained.reason,
  }
end

local function example_item(model, example)
  local event = example.event
  local at = wording.time(event.at, model)
  return h.li { class = "leadcat-card",
    h.p { h.strong { h.bdi { wording.line(event.company) or "?" } },
      at and { " ", h.span { class = "leadcat-muted", at } }, h.br {}, wording.cause(model, event, model.after),
    },
    h.dl { class = "leadcat-facts",
      h.dt { text(model, "old") }, h.dd { decision(model, "before", event, example.before) },
      h.dt { text(model, "new") }, h.dd { decision(model, "after", event, example.after) },
    },
  }
end

local function examples(model)
  local items = parts.map(model.report.changes, function(kind, i)
    return i <= EXPLAINED and parts.map(kind.examples, function(example)
      return example_item(model, example)
    end)
  end)
  return { heading(model, 1, { text(model, "examples") }), h.ul { class = "leadcat-examples", items } }
end

-- The whole -----------------------------------------------------------------------------------------------------------

local function new_page(model)
  local shown = setmetatable({ names = {}, categories = model.report.categories }, { __index = model })
  for _, category in ipairs(model.report.categories) do
    shown.names[category.id or false] = {
      id = category.id, name = category.name or text(model, "unknown"), group = category.group,
    }
  end
  return shown
end

--- What the change would do, in a sentence and a picture, for a page that shows it among other things.
---@param model leadcat.ReportModel
---@return leadcat.html.Child
function report.answer(model)
  return answer(new_page(model))
end

--- What follows the answer: numbers, decisions, companies, examples. Nil when nothing is decided differently.
---@param model leadcat.ReportModel
---@return leadcat.html.Child?
function report.reasons(model)
  local changed = model.report.changed
  model = new_page(model)
  return model.report.changes[1] and {
    changed.events > 0 and { numbers(model), ways(model) }, decisions(model),
    changed.companies > 0 and companies(model), examples(model),
  }
end

--- The report as a page that loads nothing and runs nothing.
---@param model leadcat.ReportModel
---@return string
function report.html(model)
  return page.document {
    title = text(model, "title"), language = model.language, wide = true, style = web.content "leadcat.css",
    main = {
      h.p { class = "leadcat-path", text(model, "title") }, report.answer(model), report.reasons(model) or false,
    },
  }
end

return report
