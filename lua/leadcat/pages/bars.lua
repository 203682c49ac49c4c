--- Bars over time as inline SVG, each made of one piece a category, in the colour of its group. On a narrow screen the bars
-- get narrower; texts keep their size. The same numbers stand in a table beside it. Colours are in web/leadcat.css.

local h = require "leadcat.pages.html"
local parts = require "leadcat.pages.parts"
local wording = require "leadcat.words.wording"

local bars = {}

---@class leadcat.BarsPicture
---@field id string of the element, and the start of the ids in it
---@field title string what a screen reader says first
---@field description string the picture in words
---@field bars leadcat.BarOfPicture[]
---@field first string below the first bar
---@field last string below the last one

---@class leadcat.BarOfPicture
---@field pieces {count: integer, group?: string, title: string}[] from below

local TOP, HEIGHT, BELOW = 18, 150, 22 -- pixels
local FILLED = 0.78 -- of a bar's place

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
    return h.rect { class = parts.group_class(piece.group), x = x, width = width, y = ("%.1f"):format(y),
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
