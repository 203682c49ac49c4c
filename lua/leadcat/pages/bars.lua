--- Bars over time as inline SVG, each made of one piece a category: in the colour of its group, and with a pattern that tells it from
-- the others, whatever colours a reader sees. On a narrow screen the bars get narrower; texts keep their size. The same numbers
-- stand in a table beside it. Colours are in web/leadcat.css.

local h = require "leadcat.pages.html"
local parts = require "leadcat.pages.parts"
local wording = require "leadcat.words.wording"

local bars = {}

---@class leadcat.BarsPicture
---@field id string of the element, and the start of the ids in it
---@field title string what a screen reader says first
---@field description string the picture in words
---@field bars leadcat.BarOfPicture[]
---@field groups (string|false)[] those of the categories, by place; false: none
---@field first string below the first bar
---@field last string below the last one

---@class leadcat.BarOfPicture
---@field pieces {count: integer, place: integer, title: string}[] from below; place: of the category

local TOP, HEIGHT, BELOW = 18, 150, 22 -- pixels
local FILLED = 0.78 -- of a bar's place

local TILE = 8 -- pixels of a pattern
local PATTERNS = { -- lines over the colour
  "", "M-2 2l4-4M0 8l8-8M6 10l4-4", "M1 2h2M5 6h2", "M0 4h8", "M4 0v8", "M-2 6l4 4M0 0l8 8M6-2l4 4", "M0 4h8M4 0v8",
}

local function pattern_id(place)
  return ("leadcat-pattern-%d"):format(place)
end

-- The pattern of each category.
local function definitions(groups)
  return h.defs { parts.map(groups, function(group, place)
    return h.pattern { id = pattern_id(place), width = TILE, height = TILE, patternUnits = "userSpaceOnUse",
      h.rect { class = parts.group_class(group or nil), width = TILE, height = TILE },
      h.path { d = PATTERNS[(place - 1) % #PATTERNS + 1] },
    }
  end) }
end

local function filled(place)
  return ("url(#%s)"):format(pattern_id(place))
end

--- A sample of what a category's pieces look like, on a page with the picture.
---@param place integer
---@return leadcat.html.Node
function bars.sample(place)
  return h.svg { class = "leadcat-bars leadcat-sample", width = 16, height = 16, aria_hidden = "true",
    h.rect { width = 16, height = 16, fill = filled(place) } }
end

local function total(bar)
  local sum = 0
  for _, piece in ipairs(bar.pieces) do
    sum = sum + piece.count
  end
  return sum
end

-- The highest bar.
local function most_of(list)
  local most = 0
  for _, bar in ipairs(list) do
    most = math.max(most, total(bar))
  end
  return most
end

local function percent(share)
  return ("%.3f%%"):format(share * 100)
end

local function draw_bar(bar, place, count, most)
  local x, width, y = percent((place - 1 + (1 - FILLED) / 2) / count), percent(FILLED / count), TOP + HEIGHT
  return h.g { parts.map(bar.pieces, function(piece)
    local height = HEIGHT * piece.count / most
    y = y - height
    return h.rect { fill = filled(piece.place), x = x, width = width, y = ("%.1f"):format(y),
      height = ("%.1f"):format(math.max(height, 1)), h.title { piece.title },
    }
  end) }
end

---@param picture leadcat.BarsPicture
---@return leadcat.html.Node
function bars.svg(picture)
  local most, bottom = math.max(1, most_of(picture.bars)), TOP + HEIGHT
  return h.svg { class = "leadcat-bars", id = picture.id, role = "img", width = "100%", height = bottom + BELOW,
    aria_labelledby = picture.id .. "-title", aria_describedby = picture.id .. "-description",
    h.title { id = picture.id .. "-title", picture.title },
    h.desc { id = picture.id .. "-description", picture.description },
    definitions(picture.groups),
    h.line { x1 = "0", x2 = "100%", y1 = TOP, y2 = TOP, class = "leadcat-bars-most" },
    h.text { x = "0", y = TOP - 5, wording.number(most) },
    parts.map(picture.bars, function(bar, place)
      return draw_bar(bar, place, #picture.bars, most)
    end),
    h.line { x1 = "0", x2 = "100%", y1 = bottom, y2 = bottom },
    h.text { x = "0", y = bottom + 16, picture.first },
    h.text { x = "100%", y = bottom + 16, class = "leadcat-bars-last", picture.last },
  }
end

return bars
