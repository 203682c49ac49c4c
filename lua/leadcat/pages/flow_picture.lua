--- Companies that move between categories, as inline SVG: two columns of bars with bands between them, whose width is
-- the number of companies. On a narrow screen only the bands shrink. Colours and text sizes are in web/leadcat.css.

local h = require "leadcat.pages.html"
local parts = require "leadcat.pages.parts"
local wording = require "leadcat.words.wording"

local flow_picture = {}

---@class leadcat.FlowPicture: leadcat.Words
---@field id string of the element, and the start of the ids in it
---@field title string what a screen reader says first
---@field heads string[] of the two columns
---@field flows leadcat.Flow[] sorted
---@field categories leadcat.ComparedCategory[] in the order in which they are shown
---@field notes? table<integer|false, string> after the numbers of the second column, by category
---@field change? boolean the columns show two results, so bands between the same category are only background

local HEIGHT = 240 -- of all bars of a column together, in pixels
local LEAST = 2 -- height of a band
local LINE, GAP, HEAD, BAR = 18, 14, 30, 8
local LEFT, BANDS, RIGHT = "36%", "28%", "64%" -- where the bars stand, and the distance between them
local LABEL, RIGHT_LABEL = "34.5%", "65.5%" -- width of a label, and where those on the right begin
local SHORT = 14 -- characters of a name that fit into one line on a narrow screen; longer names have two
local MOST = 10 -- bars of a column; the categories with the fewest companies share the last one
local REST = "rest"

-- Bars ----------------------------------------------------------------------------------------------------------------

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

-- A band for each pair of bars that companies move between.
local function new_bands(picture, kept)
  local bands, by_pair, total = {}, {}, 0
  local function bar(id)
    id = id or false
    return not kept[id] and REST or id
  end
  for _, flow in ipairs(picture.flows) do
    local from, to = bar(flow.from), bar(flow.to)
    local pair = tostring(from) .. " " .. tostring(to)
    local band = by_pair[pair]
    if not band then
      band = { from = from, to = to, companies = 0, same = true }
      bands[#bands + 1], by_pair[pair] = band, band
    end
    band.companies, band.same = band.companies + flow.companies, band.same and flow.from == flow.to
    total = total + flow.companies
  end
  for _, band in ipairs(bands) do
    band.height = math.max(LEAST, HEIGHT * band.companies / total)
  end
  return bands
end

-- The bars of a column from top to bottom. Bands then have the bar on this side in the place of its id.
local function column(bands, kept, picture, side)
  local bars, by_id = {}, {}
  for _, band in ipairs(bands) do
    local id = band[side]
    local bar = by_id[id] or { id = id, category = kept[id] or {}, companies = 0, height = 0, used = 0 }
    by_id[id], band[side] = bar, bar
    bar.companies, bar.height = bar.companies + band.companies, bar.height + band.height
  end
  for _, category in ipairs(picture.categories) do
    bars[#bars + 1] = kept[category.id or false] and by_id[category.id or false]
  end
  bars[#bars + 1] = by_id[REST]
  return bars
end

local function name_of(picture, bar)
  return bar.category.name or wording.sentence(picture, bar.id == REST and "compare.rest" or "compare.unknown")
end

-- Gives each bar its place, vertically centred on its label; returns where the column ends.
local function place(picture, bars)
  local y = HEAD
  for _, bar in ipairs(bars) do
    bar.lines = #name_of(picture, bar) > SHORT and 3 or 2 -- the number has the last one
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

-- Drawing -------------------------------------------------------------------------------------------------------------

local function number(value)
  return ("%.1f"):format(value)
end

-- The browser wraps and cuts the label, as only it knows how much room there is.
local function draw_label(picture, bar, x, note)
  local height = bar.lines * LINE
  return h.foreignobject { x = x, y = number(bar.middle - height / 2), width = LABEL, height = height,
    h.div { class = "leadcat-flow-label",
      h.span { class = "leadcat-flow-name", title = name_of(picture, bar), h.bdi { name_of(picture, bar) } }, " ",
      h.span { class = "leadcat-flow-count", h.strong { wording.number(bar.companies) },
        note and { " ", h.span { "(", note, ")" } },
      },
    },
  }
end

local function draw_column(picture, bars, side)
  local left = side == "from"
  return h.g { class = left and "leadcat-flow-from" or nil, parts.map(bars, function(bar)
    return h.g { class = parts.group_class(bar.category.group),
      h.rect { x = left and LEFT or RIGHT, y = number(bar.y), width = BAR, height = number(bar.height), rx = 2,
        transform = not left and ("translate(-%d 0)"):format(BAR) },
      draw_label(picture, bar, left and "0" or RIGHT_LABEL, not left and (picture.notes or {})[bar.id]),
    }
  end) }
end

local function sentence(picture, band)
  return wording.sentence(picture, "compare.flow", {
    from = name_of(picture, band.from), to = name_of(picture, band.to), count = wording.number(band.companies),
  })
end

-- A curve from the next free place at one bar to that at the other.
local function draw_band(picture, band)
  local from, to = band.from, band.to
  local a, b = from.y + from.used, to.y + to.used
  local c, d = a + band.height, b + band.height
  from.used, to.used = from.used + band.height, to.used + band.height
  local path = ("M0 %.1fC50 %.1f 50 %.1f 100 %.1fL100 %.1fC50 %.1f 50 %.1f 0 %.1fZ"):format(a, a, b, b, d, d, c, c)
  local quiet = picture.change and band.same
  return h.path { d = path, class = quiet and "leadcat-flow-same" or parts.group_class(to.category.group),
    h.title { sentence(picture, band) },
  }
end

-- The whole picture in words.
local function description(picture, bands)
  return table.concat(parts.map(bands, function(band)
    return sentence(picture, band) .. "."
  end), " ")
end

-- Places both columns, vertically centred; returns the height of the picture.
local function place_columns(picture, left, right)
  local left_end, right_end = place(picture, left), place(picture, right)
  local height = math.max(left_end, right_end)
  move_down(left, (height - left_end) / 2)
  move_down(right, (height - right_end) / 2)
  return math.ceil(height) + 2
end

---@param picture leadcat.FlowPicture
---@return leadcat.html.Node
function flow_picture.svg(picture)
  local kept = shown(picture)
  local bands = new_bands(picture, kept)
  local left, right = column(bands, kept, picture, "from"), column(bands, kept, picture, "to")
  local height = place_columns(picture, left, right)
  return h.svg { class = "leadcat-flow", id = picture.id, role = "img", width = "100%", height = height,
    aria_labelledby = picture.id .. "-title", aria_describedby = picture.id .. "-description",
    h.title { id = picture.id .. "-title", picture.title },
    h.desc { id = picture.id .. "-description", description(picture, bands) },
    h.text { class = "leadcat-flow-head leadcat-flow-from", x = LABEL, y = 14, picture.heads[1] },
    h.text { class = "leadcat-flow-head", x = RIGHT_LABEL, y = 14, picture.heads[2] },
    h.svg { x = LEFT, width = BANDS, height = height, viewbox = "0 0 100 " .. height, preserveaspectratio = "none",
      parts.map(bands, function(band)
        return draw_band(picture, band)
      end),
    },
    draw_column(picture, left, "from"), draw_column(picture, right, "to"),
  }
end

return flow_picture
