--- The stages of a file: how they are called, and which of them count as won or lost.

local cells_of = require "leadcat.cli.import.cells"
local columns_of = require "leadcat.cli.import.columns"
local dates = require "leadcat.cli.import.dates"
local tables = require "leadcat.cli.tables"

local stages = {}

local show = dates.show

-- The trigger of each stage, and what the user has called it. Not every file has every stage that a preset knows.
local function triggers_of(options)
  local triggers, names, expected = {}, {}, {}
  for _, outcome in ipairs { "won", "lost" } do
    local labels = options[outcome] or {}
    for _, label in ipairs(type(labels) == "table" and labels or { labels }) do
      local key = cells_of.label(label)
      if triggers[key] and triggers[key] ~= "sale_" .. outcome then
        return nil, ("the stage %s cannot be both won and lost"):format(show(label))
      end
      triggers[key], names[key], expected[key] = "sale_" .. outcome, label, not (options.known or {})[outcome]
    end
  end
  return triggers, nil, names, expected
end

--- Makes the iterator know which stages are won and lost.
---@param self leadcat.import.Iterator
---@return string? problem
function stages.prepare(self)
  local problem
  self.stages, self.label_of = {}, {}
  self.triggers, problem, self.labels, self.expected = triggers_of(self.options)
  return problem
end

-- What a cell is compared as, and what is shown.
local function key_of(self, cell)
  local label = cells_of.name(cells_of.clean(cell))
  local key = self.label_of[label]
  if not key then
    key = cells_of.label(label)
    local stage = self.options.stage_of and not self.triggers[key] and label:match(self.options.stage_of)
    key = stage and cells_of.label(stage) or key
    self.label_of[label] = key
  end
  return key, label
end

--- The trigger of a stage; nil for an open one.
---@param cell string
---@return "sale_won"|"sale_lost"|nil
function stages.trigger(self, cell)
  return self.triggers[(key_of(self, cell))]
end

--- Counts the stage of a row, and gives its trigger.
---@param cell string
---@return "sale_won"|"sale_lost"|nil
function stages.of(self, cell)
  local key, label = key_of(self, cell)
  self.stages[label] = (self.stages[label] or 0) + 1
  return self.triggers[key]
end

local COUNTS_AS = { sale_won = "won", sale_lost = "lost" }

--- What a stage that was counted counts as.
---@return "won"|"lost"|"open"
function stages.counts_as(self, label)
  return COUNTS_AS[self.triggers[self.label_of[label]]] or "open"
end

local function list_of(counts)
  local shown = {}
  for i, name in ipairs(tables.by_count(counts)) do
    shown[i] = ("%s (%d)"):format(show(name), counts[name])
  end
  return shown[1] and columns_of.list(shown) or "none"
end

--- What looks wrong with the stages.
---@return string[] warnings
function stages.warnings(self)
  local seen, said = {}, {}
  for label in pairs(self.stages) do
    seen[self.label_of[label]] = true
    local near = not self.triggers[self.label_of[label]] and cells_of.nearest(self.label_of[label], self.triggers)
    if near then
      said[#said + 1] = ("the stage %s (%d) counts as open: is it %s?"):format(show(label), self.stages[label],
        show(self.labels[near]))
    end
  end
  for key, label in pairs(self.labels) do
    if not seen[key] and self.expected[key] then
      said[#said + 1] = ("no row has the stage %s; the stages are: %s"):format(show(label), list_of(self.stages))
    end
  end
  return said
end

return stages
