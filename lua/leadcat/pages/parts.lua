--- Parts that several pages share.

local h = require "leadcat.pages.html"
local platform = require "leadcat.util.platform"
local wording = require "leadcat.words.wording"

local parts = {}

local PLACE = "\1" -- no sentence has one: names are lines

--- What `make` makes of each item of a list. Items that it makes nothing of leave holes, which elements skip.
---@generic T
---@param list T[]
---@param make fun(item: T, i: integer): leadcat.html.Child?
---@return leadcat.html.Child[]
function parts.map(list, make)
  local made = {}
  for i, item in ipairs(list) do
    made[i] = make(item, i)
    platform.give_way() -- there may be very many
  end
  return made
end

--- Sentences as the items of a list.
---@param sentences string[]
---@return leadcat.html.Child[]
function parts.items(sentences)
  return parts.map(sentences, function(sentence)
    return h.li { sentence }
  end)
end

--- A cell of a table with the class `leadcat-stacked`. It also has its column's label, for narrow screens, where there is no head.
---@param label string
---@param content table its children; class and id are the cell's
---@return leadcat.html.Node
function parts.cell(label, content)
  local class, id = content.class, content.id
  content.class, content.id = nil, nil
  return h.td { class = class, id = id, data_label = label, h.div(content) }
end

--- A table that scrolls by itself where the screen is narrow.
---@param heading string id of the table's heading
---@param heads leadcat.html.Child[] labels of the columns, or elements
---@param rows leadcat.html.Child[]
---@param class? string another class of the table
---@return leadcat.html.Node
function parts.table(heading, heads, rows, class)
  return h.section { class = "leadcat-scroll", tabindex = 0, aria_labelledby = heading,
    h.table { class = class and "leadcat-table " .. class or "leadcat-table",
      h.thead { h.tr { parts.map(heads, function(label)
        return type(label) == "string" and h.th { scope = "col", label } or label
      end) } },
      h.tbody { rows },
    },
  }
end

--- The classes of an element that shows a category in its group's colour.
---@param group? string
---@return string
function parts.group_class(group)
  return group and "leadcat-group leadcat-group-" .. group or "leadcat-group"
end

--- A category by name, with the colour of its group.
---@param category leadcat.NamedCategory
---@return leadcat.html.Node
function parts.category(category)
  return h.span { class = parts.group_class(category.group), h.bdi { category.name } }
end

--- Whether what a question proposes can still be chosen.
---@param view leadcat.View
---@return boolean
function parts.is_possible(view)
  for _, option in ipairs(view.options) do
    if option.proposed then
      return true
    end
  end
  return false
end

--- From one category to another.
---@param from leadcat.NamedCategory
---@param to leadcat.NamedCategory
---@param label string what a screen reader says for the arrow
---@return leadcat.html.Child
function parts.change(from, to, label)
  local arrow = h.span { class = "leadcat-arrow", role = "img", aria_label = label, "\226\134\146" } -- U+2192
  return h.span { class = "leadcat-change", parts.category(from), " ", arrow, " ", parts.category(to) }
end

local function time(seconds, shown, day)
  return h.time { datetime = os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds)), data_leadcat_day = day and "" or nil,
    shown }
end

--- A time, which leadcat.js shows in the reader's zone and language; without it, in UTC.
---@param words leadcat.Words
---@param seconds any since 1970
---@param day? boolean only the day
---@return leadcat.html.Child
function parts.time(words, seconds, day)
  local shown = day and wording.day(seconds, words) or wording.time(seconds, words)
  return shown and time(seconds, shown, day) or "?"
end

--- A sentence, with elements in the places of the times that it tells.
---@param sentence string
---@param times {[1]: any, [2]: string?}[] seconds since 1970, and how the sentence has them, in its order; what it does not tell is left out
---@return leadcat.html.Child[]
function parts.timed(sentence, times)
  local made, from = {}, 1
  for _, row in ipairs(times) do
    local first, last = sentence:find(row[2] or PLACE, from, true)
    if first then
      made[#made + 1], made[#made + 2] = sentence:sub(from, first - 1), time(row[1], row[2])
      from = last + 1
    end
  end
  made[#made + 1] = sentence:sub(from)
  return made
end

--- A sentence with an element in the place of one of its names.
---@param words leadcat.Words
---@param key string
---@param place string
---@param element leadcat.html.Child
---@param names? table<string, string> the others
---@return leadcat.html.Child[]
function parts.sentence(words, key, place, element, names)
  local all = { [place] = PLACE }
  for name, value in pairs(names or {}) do
    all[name] = value
  end
  local before, after = wording.sentence(words, key, all):match "^([^\1]*)\1?(.*)$"
  return { before, element, after }
end

--- What has just happened. The element is there even when it is empty: scripts fill it.
---@param sentence? string
---@param attributes? table of the element
---@param kind? string how it looks: "updated" as a success, "failed" and "refused" as a failure, others as news
---@return leadcat.html.Node
function parts.said(sentence, attributes, kind)
  local content = { class = "leadcat-said", role = "status", data_leadcat_kind = kind, sentence or false }
  for name, value in pairs(attributes or {}) do
    content[name] = value
  end
  return h.p(content)
end

--- An error; empty as above.
---@param sentence? string
---@return leadcat.html.Node
function parts.alert(sentence)
  return h.p { class = "leadcat-alert", role = "alert", sentence or false }
end

return parts
