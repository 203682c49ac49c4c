--- Companies that move between categories, as inline SVG: two columns of bars, with bands between them as broad as there are
-- companies. On a narrow screen only the bands are stretched. Colours and sizes of text are in web/leadcat.css.

local h = require "leadcat.pages.html"
local parts = require "leadcat.pages.parts"
local wording = require "leadcat.words.wording"

local flow_picture = {}

---@class leadcat.FlowPicture: leadcat.Words
---@field id string of the element, and the start of the ids in it
---@field title string what a screen reader says first
---@field heads string[] what stands above the two columns
---@field flows leadcat.Flow[] sorted
---@field categories leadcat.ComparedCategory[] in the order in which they are shown
---@field notes? table<integer|false, string> behind the numbers of the second column, by category
---@field change? boolean the columns are two ends, so that what stays is only background

local HEIGHT = 240 -- of all bars of a column together, in pixels
local LEAST = 2 -- of a band
local LINE, GAP, HEAD, BAR = 18, 14, 30, 8
local LEFT, BANDS, RIGHT = "36%", "28%", "64%" -- where the bars stand, and how far they are apart
local LABEL, RIGHT_LABEL = "34.5%", "65.5%" -- how broad a label is, and where the right ones begin
local SHORT = 14 -- characters of a name that fit into one line on a narrow screen; others have two
local MOST = 10 -- bars of a column; the categories with the fewest companies share the last
local REST = "rest"

-- Bars -----------------------------------------------------------------------------------------------------------------

-- The categories that have bars of their own, by id.
local function shown(picture)
  local sorted, kept = {}, {}
  for i, category in ipairs(picture.categories) do
    sorted[i] = category
  end
  local function most(category)
    return math.max(category.start, category.before, category.after)
  end
  table.sort(sorted, function(a, b)
    return most(a) > most(b) or most(a) == most(b) and wording.comes_before(a, b)
  end)
  for i, category in ipairs(sorted) do
    kept[category.id or false] = (#sorted <= MOST or i < MOST) and category or nil
  end
  return kept
end

-- The flows with the ids of bars, those of shared bars added up.
local function gathered(picture, kept)
  local list, by_pair = {}, {}
  local function bar(id)
    id = id or false
    return not kept[id] and REST or id
  end
  for _, one in ipairs(picture.flows) do
    local from, to = bar(one.from), bar(one.to)
    local pair = tostring(from) .. " " .. tostring(to)
    if not by_pair[pair] then
      by_pair[pair] = { from = from, to = to, companies = 0, same = one.from == one.to }
      list[#list + 1] = by_pair[pair]
    end
    by_pair[pair].companies = by_pair[pair].companies + one.companies
    by_pair[pair].same = by_pair[pair].same and one.from == one.to
  end
  return list
end

-- The bars of a column from top to bottom, and by id.
local function column(list, kept, picture, side)
  local bars, by_id = {}, {}
  for _, band in ipairs(list) do
    local id = band[side]
    local bar = by_id[id] or { id = id, category = kept[id] or {}, companies = 0, height = 0, used = 0 }
    by_id[id] = bar
    bar.companies, bar.height = bar.companies + band.companies, bar.height + band.height
  end
  for _, category in ipairs(picture.categories) do
    bars[#bars + 1] = kept[category.id or false] and by_id[category.id or false]
  end
  bars[#bars + 1] = by_id[REST]
  return bars, by_id
end

local function name_of(picture, bar)
  return bar.category.name or wording.sentence(picture, bar.id == REST and "compare.rest" or "compare.unknown")
end

-- Gives each bar its place; a bar that is lower than its label stands in the middle of it.
local function place(picture, bars)
  local y = HEAD
  for _, bar in ipairs(bars) do
    bar.lines = #name_of(picture, bar) > SHORT and 3 or 2 -- the last one is the number
    local slot = math.max(bar.height, bar.lines * LINE)
    bar.y, bar.middle = y + (slot - bar.height) / 2, y + slot / 2
    y = y + slot + GAP
  end
  return y - GAP
end

local function move_down(bars, by)
  for _, bar in ipairs(bars) do
    bar.y, bar.middle = bar.y + by, bar.middle + by
  end
end

-- Drawing --------------------------------------------------------------------------------------------------------------

local function number(value)
  return ("%.1f"):format(value)
end

-- A label wraps and is cut by the browser, which alone knows how much room there is.
local function draw_label(picture, bar, x, note)
  local height = bar.lines * LINE
  return h.foreignobject { x = x, y = number(bar.middle - height / 2), width = LABEL, height = height,
    h.div { class = "leadcat-flow-label",
      h.span { class = "leadcat-flow-name", title = name_of(picture, bar), h.bdi { name_of(picture, bar) } }, " ",
      h.span { h.strong { wording.number(bar.companies) }, note and { " ", note } },
    },
  }
end

local function draw_column(picture, bars, side)
  local drawn, left = {}, side == "from"
  for i, bar in ipairs(bars) do
    drawn[i] = h.g { class = parts.group_class(bar.category.group),
      h.rect { x = left and LEFT or RIGHT, y = number(bar.y), width = BAR, height = number(bar.height), rx = 2,
        transform = not left and ("translate(-%d 0)"):format(BAR) },
      draw_label(picture, bar, left and "0" or RIGHT_LABEL, not left and (picture.notes or {})[bar.id]),
    }
  end
  return h.g { class = left and "leadcat-flow-from" or nil, drawn }
end

local function told(picture, band, from, to)
  return wording.sentence(picture, "compare.flow", {
    from = name_of(picture, from), to = name_of(picture, to), count = wording.number(band.companies),
  })
end

-- From its place at the one bar to that at the other, in a curve.
local function draw_band(picture, band, from, to)
  local a, b = from.y + from.used, to.y + to.used
  local c, d = a + band.height, b + band.height
  from.used, to.used = from.used + band.height, to.used + band.height
  local path = ("M0 %.1fC50 %.1f 50 %.1f 100 %.1fL100 %.1fC50 %.1f 50 %.1f 0 %.1fZ"):format(a, a, b, b, d, d, c, c)
  local quiet = picture.change and band.same
  return h.path { d = path, class = quiet and "leadcat-flow-same" or parts.group_class(to.category.group),
    h.title { told(picture, band, from, to) },
  }
end

local function draw_bands(picture, list, from, to)
  local drawn = {}
  for i, band in ipairs(list) do
    drawn[i] = draw_band(picture, band, from[band.from], to[band.to])
  end
  return drawn
end

-- All of it in words.
local function description(picture, list, from, to)
  local sentences = {}
  for i, band in ipairs(list) do
    sentences[i] = told(picture, band, from[band.from], to[band.to]) .. "."
  end
  return table.concat(sentences, " ")
end

-- Gives each band its breadth.
local function measure(list)
  local total = 0
  for _, band in ipairs(list) do
    total = total + band.companies
  end
  for _, band in ipairs(list) do
    band.height = math.max(LEAST, HEIGHT * band.companies / total)
  end
end

-- Places both columns, one beside the middle of the other; gives the height of all.
local function place_columns(picture, left, right)
  local left_end, right_end = place(picture, left), place(picture, right)
  local height = math.max(left_end, right_end)
  move_down(left, (height - left_end) / 2)
  move_down(right, (height - right_end) / 2)
  return math.ceil(height) + 2
end

local function draw_heads(picture)
  return {
    h.text { class = "leadcat-flow-head leadcat-flow-from", x = LABEL, y = 14, picture.heads[1] },
    h.text { class = "leadcat-flow-head", x = RIGHT_LABEL, y = 14, picture.heads[2] },
  }
end

--- The picture.
---@param picture leadcat.FlowPicture
---@return leadcat.html.Node
function flow_picture.svg(picture)
  local kept = shown(picture)
  local list = gathered(picture, kept)
  measure(list)
  local left, from = column(list, kept, picture, "from")
  local right, to = column(list, kept, picture, "to")
  local height = place_columns(picture, left, right)
  return h.svg { class = "leadcat-flow", id = picture.id, role = "img", width = "100%", height = height,
    aria_labelledby = picture.id .. "-title", aria_describedby = picture.id .. "-description",
    h.title { id = picture.id .. "-title", picture.title },
    h.desc { id = picture.id .. "-description", description(picture, list, from, to) },
    draw_heads(picture),
    h.svg { x = LEFT, width = BANDS, height = height, viewbox = "0 0 100 " .. height, preserveaspectratio = "none",
      draw_bands(picture, list, from, to),
    },
    draw_column(picture, left, "from"), draw_column(picture, right, "to"),
  }
end

return flow_picture
