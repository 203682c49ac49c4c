--- The page that tells how the rules fare: which companies were moved over time, what each rule has done, which rules are
-- silent, and how old open questions are. It needs no script; each picture is also a table.

local bars = require "leadcat.pages.bars"
local h = require "leadcat.pages.html"
local history_filters = require "leadcat.pages.history_filters"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local wording = require "leadcat.words.wording"

local overview = {}

---@class leadcat.OverviewModel: leadcat.Words
---@field found leadcat.Overview
---@field cfg leadcat.Config the newest, for names
---@field may_configure? boolean whether the reader may see what the answers teach
---@field base? string path that leadcat is served at; default "/leadcat"

--- The periods that can be chosen, in days; the first but one is shown when none is.
overview.PERIODS = { 7, 30, 90, 365 }

local DAY = 86400

local function text(model, key, names)
  return wording.sentence(model, "overview." .. key, names)
end

local function day(model, number)
  return wording.day(number * DAY, model) or "?"
end

-- A day as `insight/daily.lua` writes it.
local function day_of_text(model, written)
  local year, month, of_month = written:match "^(%d+)-(%d+)-(%d+)$"
  local time = os.time { year = tonumber(year), month = tonumber(month), day = tonumber(of_month), hour = 12 }
  return wording.day(time, model) or written
end

local function days(model, number)
  return wording.duration(model, number, "days")
end

local function number(value)
  return h.td { class = "leadcat-number", wording.number(value) }
end

-- The period ----------------------------------------------------------------------------------------------------------

local function periods(model)
  return h.nav { aria_label = text(model, "period"), h.ul { class = "leadcat-chips leadcat-shortcuts",
    parts.map(overview.PERIODS, function(count)
      local chosen = count == model.found.days
      return h.li { h.a { class = "leadcat-chip", aria_current = chosen and "true" or nil,
        href = page.address(model, "/overview?days=" .. count), days(model, count),
      } }
    end),
  } }
end

local function intro(model)
  local health = model.found.health
  return {
    h.p { class = "leadcat-muted", text(model, "intro", {
      from = day_of_text(model, health.from), to = day_of_text(model, health.to),
    }), health.since and { " ", text(model, "since", { day = day_of_text(model, health.since) }) } },
    health.recounting and h.p { class = "leadcat-note", text(model, "recounting") },
  }
end

-- Silent rules --------------------------------------------------------------------------------------------------------

local function name_of(model, rule)
  return wording.rule_of_key(model, model.cfg, rule.rule)
end

local function silent(model)
  local items = parts.map(model.found.health.rules, function(rule)
    local key = rule.silent and (rule.silent.longest_pause == 0 and "silent_for_daily" or "silent_for")
    return key and h.li { text(model, key, {
      rule = name_of(model, rule), quiet = days(model, rule.silent.quiet),
      pause = days(model, rule.silent.longest_pause),
    }) }
  end)
  return next(items) and h.section { class = "leadcat-card leadcat-silent", aria_labelledby = "leadcat-silent",
    h.h2 { id = "leadcat-silent", text(model, "silent") }, h.ul { items },
  }
end

-- Companies over time -------------------------------------------------------------------------------------------------

local function named(model, id)
  return wording.category(model.cfg, id, model.language)
end

local function when(model, bar)
  return model.found.step == 1 and day(model, bar.day) or text(model, "week", { day = day(model, bar.day) })
end

local function pieces_of(model, bar)
  local pieces = {}
  for place, id in ipairs(model.found.categories) do
    local count, category = bar.counts[id], named(model, id)
    pieces[#pieces + 1] = count and { count = count, place = place, title = text(model, "bar", {
      category = category.name, count = wording.number(count), when = when(model, bar),
    }) } or nil
  end
  return pieces
end

-- The sums, in words.
local function description(model)
  return table.concat(parts.map(model.found.categories, function(id)
    return ("%s: %s."):format(named(model, id).name, wording.number(model.found.totals[id]))
  end), " ")
end

local function picture(model)
  local list = model.found.bars
  return bars.svg {
    id = "leadcat-moved-picture", title = text(model, "moved"), description = description(model),
    groups = parts.map(model.found.categories, function(id) return named(model, id).group or false end),
    first = day(model, list[1].day), last = when(model, list[#list]),
    bars = parts.map(list, function(bar) return { pieces = pieces_of(model, bar) } end),
  }
end

local function legend(model)
  return h.ul { class = "leadcat-legend", parts.map(model.found.categories, function(id, place)
    return h.li { bars.sample(place), " ", h.bdi { named(model, id).name }, " ",
      h.strong { wording.number(model.found.totals[id]) } }
  end) }
end

-- Each bar with anything as a row, newest first.
local function moved_table(model)
  local heads, rows, found = { text(model, model.found.step == 1 and "day" or "weeks") }, {}, model.found
  for _, id in ipairs(found.categories) do
    heads[#heads + 1] = h.th { scope = "col", class = "leadcat-number", parts.category(named(model, id)) }
  end
  for i = #found.bars, 1, -1 do
    local bar = found.bars[i]
    rows[#rows + 1] = next(bar.counts) and h.tr { h.th { scope = "row", day(model, bar.day) },
      parts.map(found.categories, function(id) return number(bar.counts[id] or 0) end),
    } or nil
  end
  return h.details { class = "leadcat-more", h.summary { id = "leadcat-moved-table", text(model, "table") },
    parts.table("leadcat-moved-table", heads, rows, "leadcat-sums") }
end

local function moved(model)
  local any = model.found.categories[1] ~= nil
  return h.div {
    h.h2 { id = "leadcat-moved", text(model, "moved") },
    any and h.div { class = "leadcat-card", picture(model), legend(model), moved_table(model) }
      or h.p { class = "leadcat-empty", text(model, "moved_none") },
  }
end

-- By rule -------------------------------------------------------------------------------------------------------------

-- The columns: the key of the label, and what is added up. What came with the event was asked by the host.
local COLUMNS = {
  { "automatic", { "automatic" } }, { "asked", { "asked", "chosen", "kept" } },
  { "accepted", { "accepted", "chosen" } },
  { "changed", { "changed" } }, { "declined", { "declined", "kept" } }, { "undone", { "undone" } },
  { "failed", { "failed", "answer_failed" } },
}

local function cells(counts)
  return parts.map(COLUMNS, function(column)
    local sum = 0
    for _, kind in ipairs(column[2]) do
      sum = sum + (counts[kind] or 0)
    end
    return number(sum)
  end)
end

-- Where the history has what the rule has done.
local function history_of(model, rule)
  local health = model.found.health
  return history_filters.address(page.address(model, "/history"), {
    trigger = rule.trigger, from = health.from, to = health.to,
  })
end

local function rule_row(model, rule)
  local is_known = rule.enabled ~= nil
  if not rule.enabled and not rule.counts.matched and not rule.counts.undone then
    return nil
  end
  return h.tr {
    h.th { scope = "row", h.a { href = history_of(model, rule), name_of(model, rule) },
      rule.silent and { " ", h.span { class = "leadcat-badge leadcat-badge-bad", text(model, "silent_badge") } },
      not rule.enabled and { " ", h.span { class = "leadcat-badge leadcat-badge-off",
        text(model, is_known and "off" or "gone") } },
    },
    cells(rule.counts),
    h.td { class = "leadcat-day", rule.last and day_of_text(model, rule.last) or "\226\128\147" }, -- U+2013
  }
end

local function rules(model)
  local heads, rows = { text(model, "rule") }, {}
  for _, column in ipairs(COLUMNS) do
    heads[#heads + 1] = h.th { scope = "col", class = "leadcat-number", text(model, column[1]) }
  end
  heads[#heads + 1] = text(model, "last")
  for _, rule in ipairs(model.found.health.rules) do
    rows[#rows + 1] = rule_row(model, rule)
  end
  rows[#rows + 1] = h.tr { class = "leadcat-total", h.th { scope = "row", text(model, "total") },
    cells(model.found.health.counts), h.td {} }
  return h.div { h.h2 { id = "leadcat-rules", text(model, "rules") },
    parts.table("leadcat-rules", heads, rows, "leadcat-sums"),
    model.may_configure and h.p { h.a { href = page.address(model, "/suggestions"),
      wording.sentence(model, "suggest.title") } } }
end

-- Open questions ------------------------------------------------------------------------------------------------------

local AGES = { "age_1", "age_3", "age_7", "age_more" }

local function questions(model)
  local found, most = model.found, 0
  for _, count in ipairs(found.ages) do
    most = math.max(most, count)
  end
  local rows = parts.map(AGES, function(key, i)
    local count = found.ages[i]
    return h.tr { h.th { scope = "row", text(model, key) }, number(count), h.td { class = "leadcat-bar-cell",
      h.svg { width = "100%", height = 12, aria_hidden = "true", class = "leadcat-bars",
        h.rect { width = ("%.1f%%"):format(count / math.max(most, 1) * 100), height = 12 } },
    } }
  end)
  return h.div { h.h2 { id = "leadcat-open", text(model, "open") },
    most == 0 and h.p { class = "leadcat-empty", text(model, "open_none") } or {
      parts.table("leadcat-open", {
        text(model, "age"), h.th { scope = "col", class = "leadcat-number", text(model, "count") },
        h.td { class = "leadcat-bar-cell leadcat-bar-head" },
      }, rows, "leadcat-sums"),
      found.more and h.p { class = "leadcat-muted", text(model, "more") },
      h.p { h.a { href = page.address(model, "/history?status=waiting"), text(model, "waiting") } },
    },
  }
end

--- The page.
---@param model leadcat.OverviewModel
---@return string
function overview.html(model)
  local title = text(model, "title")
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation, wide = true,
    main = {
      h.h1 { title }, periods(model), intro(model), silent(model), moved(model), rules(model), questions(model),
    },
  }
end

return overview
