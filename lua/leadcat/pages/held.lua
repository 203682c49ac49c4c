--- The page of what is held: matches of rules at their limit, what releasing each would come to, and the buttons for some and for all.

local config = require "leadcat.rules.config"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local url = require "leadcat.util.url"
local wording = require "leadcat.words.wording"

local held = {}

---@class leadcat.HeldModel: leadcat.Words
---@field entries leadcat.HeldEntry[] the oldest first
---@field next? integer where the next page begins
---@field rule? string only of the rule with this key
---@field names table<string|integer, string> company names by id
---@field cfg leadcat.Config
---@field readonly boolean
---@field said? string what was just done
---@field refused? string why nothing was
---@field base? string

local text = wording.sentence

local function company_of(model, entry)
  return wording.line(model.names[entry.company]) or wording.line(entry.company) or "?"
end

-- What releasing it would come to.
local function would(model, entry)
  local outcome = entry.would
  if not outcome then
    return text(model, "held.unknown")
  elseif outcome.status == "unchanged" then
    return h.span { class = "leadcat-muted", text(model, "held.comes_to_nothing") }
  elseif outcome.action == "confirm" then
    return text(model, "held.asks", { category = wording.category(model.cfg, outcome.to, model.language).name })
  end
  return parts.change(wording.category(model.cfg, outcome.from, model.language),
    wording.category(model.cfg, outcome.to, model.language), text(model, "change.to"))
end

local COLUMNS = { "held.choice", "confirmation.company", "held.rule", "history.time", "held.would" }

local function row(model, entry)
  local id, company = ("leadcat-held-%d"):format(entry.entry), company_of(model, entry)
  local function cell(column, content)
    return parts.cell(text(model, COLUMNS[column]), content)
  end
  return h.tr {
    cell(1, { not model.readonly and h.input { type = "checkbox", id = id, value = "on",
      name = ("entry.%d"):format(entry.entry), aria_label = text(model, "held.choose", { company = company }) } }),
    cell(2, { class = "leadcat-name", h.bdi { company } }),
    cell(3, { wording.rule(model, entry.trigger, nil, config.rule_of(model.cfg, entry.rule)) }),
    cell(4, { parts.time(model, entry.at) }),
    cell(5, { would(model, entry) }),
  }
end

local function button(model, action, class)
  return h.button { type = "submit", name = "action", value = action, class = class,
    data_leadcat_busy = text(model, "working"), text(model, "held." .. action) }
end

local function buttons(model)
  return {
    h.p { class = "leadcat-actions", button(model, "release", "leadcat-primary"), " ",
      button(model, "drop", "leadcat-quiet") },
    h.p { class = "leadcat-actions", button(model, "release_all", "leadcat-quiet"), " ",
      button(model, "drop_all", "leadcat-quiet") },
  }
end

local function listed(model, heading)
  local entries = parts.table(heading, parts.map(COLUMNS, function(key) return text(model, key) end),
    parts.map(model.entries, function(entry) return row(model, entry) end), "leadcat-stacked")
  return model.readonly and entries or h.form { method = "post", action = page.address(model, "/held"),
    h.input { type = "hidden", name = "rule", value = model.rule or "" }, entries, buttons(model),
  }
end

local function address(model, after)
  local words = {}
  words[#words + 1] = model.rule and "rule=" .. url.escape(model.rule) or nil
  words[#words + 1] = after and ("after=%d"):format(after) or nil
  return page.address(model, "/held" .. (words[1] and "?" .. table.concat(words, "&") or ""))
end

--- What was just done.
---@param words leadcat.Words
---@param done {released: integer, dropped: integer, left: integer, more: boolean} more: than a request may do
---@return string
function held.said(words, done)
  local sentences = { text(words, "held.done", { released = wording.number(done.released),
    dropped = wording.number(done.dropped) }) }
  if done.left > 0 then
    sentences[2] = text(words, "held.left", { count = wording.number(done.left) })
  end
  sentences[#sentences + 1] = done.more and text(words, "held.go_on") or nil
  return table.concat(sentences, " ")
end

--- The page.
---@param model leadcat.HeldModel
---@return string
function held.html(model)
  local title, id = text(model, "held.title"), "leadcat-held"
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation, wide = true,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { id = id, title },
      parts.said(model.said),
      parts.alert(model.refused),
      h.p { class = "leadcat-muted", text(model, "held.hint") },
      model.entries[1] and listed(model, id) or h.p { class = "leadcat-empty", text(model, "held.none") },
      h.ul { class = "leadcat-links",
        model.next and h.li { h.a { href = address(model, model.next), text(model, "held.next") } },
        model.rule and h.li { h.a { href = page.address(model, "/held"), text(model, "held.of_all_rules") } },
        h.li { h.a { href = page.address(model, "/history?status=held"), text(model, "history.title") } },
      },
    },
  }
end

return held
