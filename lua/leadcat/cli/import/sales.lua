--- Exports of opportunities, one row a sale, as events in the order of their times. The whole file is read first. To fit a
-- million rows into memory, a sale is not a table but an index into a few arrays. For whoever puts the events in order himself
-- (`any_order`), sales are kept in a temporary file instead: first all registrations are given, then all closings, each in the
-- order of the rows.

local cells_of = require "leadcat.cli.import.cells"
local columns_of = require "leadcat.cli.import.columns"
local dates = require "leadcat.cli.import.dates"
local history = require "leadcat.cli.import.history"
local json = require "leadcat.util.json"
local presets = require "leadcat.cli.import.presets"
local rows = require "leadcat.cli.import.rows"
local stages = require "leadcat.cli.import.stages"
local titles = require "leadcat.cli.import.titles"

local sales = {}

local COLUMNS = { "company", "created", "closed", "won_at", "lost_at", "stage", "sale", "actor", "lost_reason" }
local DATES = { created = true, closed = true, won_at = true, lost_at = true }

-- Columns -------------------------------------------------------------------------------------------------------------

-- What the preset has no column for in this file, and the user has not said; nil when there is all that is needed.
local function missing(options, header)
  local closed = not (options.won_at and options.lost_at) and "closed" or "stage"
  for _, key in ipairs { "company", "created", closed, "stage" } do
    if not options[key] then
      local shown = {}
      for i, title in ipairs(header) do
        shown[i] = dates.show(title)
      end
      return ("the preset %s finds no column for --%s; the columns are: %s"):format(options.preset, key,
        columns_of.list(shown))
    end
  end
end

local function find_columns(self, header)
  if self.options.preset and not self.options.stage and titles.are_of_history(header) then
    return history.read(self, header)
  end
  self.options = presets.complete(self.options, header)
  local options, wanted = self.options, {}
  for _, key in ipairs(COLUMNS) do
    wanted[#wanted + 1] = options[key] and { key = key, title = options[key], has_dates = DATES[key] } or nil
  end
  for i, field in ipairs(options.fields or {}) do
    wanted[#wanted + 1] = { key = i, title = field.given }
  end
  return missing(options, header) or rows.prepare(self, header, wanted)
end

-- Rows ----------------------------------------------------------------------------------------------------------------

-- Which column says when a sale was closed.
local function closed_key(self, trigger)
  local own = trigger == "sale_won" and "won_at" or "lost_at"
  return self.columns[own] and own or "closed"
end

-- When a sale was registered and closed (if its stage is won or lost), as cells, and the column of the closing; or nil and the
-- problem. One that is closed without a date was closed when it was registered.
local function sale_times(self, cells, trigger, line)
  local created, message = rows.date(self, cells, "created", line)
  if message or not trigger then
    return created, message or false
  end
  local key = closed_key(self, trigger)
  local closed
  closed, message = rows.date(self, cells, key, line)
  if message then
    return nil, message
  elseif not closed and not created then
    return nil, "the sale is closed but has no date"
  end
  return created, closed or created, closed and key or "created"
end

local function set_sale(self, i, sale)
  for key, value in pairs(sale) do
    self[key][i] = value
  end
end

-- A sale as JSON has it: the values of some fields are no list.
local function spillable(sale)
  local values = {}
  for place, value in pairs(sale.values or {}) do
    values[#values + 1] = { place, value }
  end
  sale.values = values[1] and json.array(values) or false
  return sale
end

local function from_spilled(text)
  local sale, values = json.decode(text), {}
  for _, pair in ipairs(sale.values or {}) do
    values[json.integer(pair[1])] = pair[2]
  end
  sale.values, sale.share = sale.values and values, json.integer(sale.share)
  return sale
end

local function add_sale(self, sale)
  self.count = self.count + 1
  if self.spilled then
    return self.spilled:write(json.encode(spillable(sale)), "\n")
  end
  set_sale(self, self.count, sale)
  return true
end

-- Adds one row. Returns the problem, if any.
local function add_row(self, cells, line)
  local trigger = stages.of(self, cells[self.columns.stage])
    or self.columns.lost_reason and cells_of.clean(cells[self.columns.lost_reason]) ~= "" and "sale_lost" or nil
  local companies, message = rows.companies(self, cells)
  if not companies then
    return message
  elseif #companies == 0 then
    rows.note_fate(self, "without a company", line)
    return nil
  end
  local created, closed, key = sale_times(self, cells, trigger, line)
  if created == nil then
    return closed
  elseif not created and not closed then
    rows.note_fate(self, "without a date", line)
    return nil
  end
  local id, actor, values
  id, message = rows.id(self, cells, "sale")
  if id then
    actor, message = rows.id(self, cells, "actor")
  end
  if actor then
    values, message = rows.fields(self, cells)
  end
  if not values then
    return message
  elseif not created then
    rows.note_fate(self, "without a date of registration", line)
  end
  for i, company in ipairs(companies) do
    local added, why = add_sale(self, {
      created = created, closed = closed, closed_key = key or false, company = company, trigger = trigger or false,
      line = line, sale = id, actor = actor, values = next(values) ~= nil and values or false, share = i,
    })
    if not added then
      return "a temporary file: " .. why, "io"
    end
  end
end

-- Order ---------------------------------------------------------------------------------------------------------------

-- A day without a time of day lies within its whole day: a closing then is not before its registration. Where it is, by
-- more than that, the sale was entered later: it was registered when it was closed, at the latest.
local function put_right(self, i, created, closed, is_day)
  if not created or not closed or created <= closed then
    return created, closed
  elseif is_day and created < closed + 24 * 60 * 60 then
    return created, created
  end
  self.reversed = self.reversed + 1
  self.reversed_line = self.reversed_line or self.line[i]
  return closed, closed
end

local function times_of(self, i)
  local created, created_is_day = self.created[i], nil
  local closed, is_day = self.closed[i], nil
  if created then
    created, created_is_day = self.dates.created:read(created)
  end
  if closed then
    closed, is_day = self.dates[self.closed_key[i]]:read(closed)
  end
  if created and closed and created_is_day and not is_day and closed < created and created - closed < 24 * 60 * 60 then
    return closed, closed -- the registration's day, in another zone
  end
  return put_right(self, i, created, closed, is_day)
end

-- Sorts the events: sale i is registered in event i and closed in event count + i. At the same time the smaller number
-- comes first.
local function put_in_order(self)
  local times, order = {}, {}
  for i = 1, self.count do
    times[i], times[self.count + i] = times_of(self, i)
  end
  for event = 1, 2 * self.count do
    order[#order + 1] = times[event] and event or nil
  end
  table.sort(order, function(a, b) return times[a] < times[b] or times[a] == times[b] and a < b end)
  self.times, self.order, self.total = times, order, #order
  self.created, self.closed, self.closed_key = nil, nil, nil
end

-- Events --------------------------------------------------------------------------------------------------------------

local function warn_of_reversed(self)
  if self.reversed > 0 then
    rows.warn(self, "sales that are closed before they are registered: %d (the first on line %d; %s): they count as "
      .. "registered when they were closed", self.reversed, self.reversed_line,
      "are days and months read the right way round?")
  end
end

local function warn(self)
  rows.warn_of_future(self, #self.order, function(i)
    local event = self.order[i]
    return self.times[event], self.line[event > self.count and event - self.count or event]
  end)
  warn_of_reversed(self)
  rows.warn_of_all(self, self.company)
end

-- The id of an event: the sale's, what happened, and of a sale with several companies which one.
local function event_id(self, i, trigger)
  if self.sale[i] == "" then
    return nil
  end
  return self.sale[i] .. ":" .. trigger .. (self.share[i] > 1 and ":" .. self.share[i] or "")
end

local function event_of(self, i, closes, at)
  local trigger, id, actor = closes and self.trigger[i] or "sale_registered", self.sale[i], self.actor[i]
  local made = {
    id = event_id(self, i, trigger), trigger = trigger, company = self.company[i],
    sale = id ~= "" and { id = id } or nil, actor = actor ~= "" and { id = actor } or nil, at = at,
  }
  rows.put_fields(self, made, self.values[i] or nil)
  return made, self.line[i]
end

local function next_sale(self)
  self.given = self.given + 1
  local event = self.order[self.given]
  if not event then
    return nil
  end
  local closes = event > self.count
  return event_of(self, closes and event - self.count or event, closes, self.times[event])
end

-- The next event of the temporary file, whose sales stand in the first place of the arrays, one after the other.
local function next_spilled(self)
  while self.spilled do
    local text = self.spilled:read "*l"
    if text then
      set_sale(self, 1, from_spilled(text))
      local created, closed = times_of(self, 1)
      local at = self.gives_closings and closed or not self.gives_closings and created
      if at then
        return event_of(self, 1, self.gives_closings, at)
      end
    elseif not self.gives_closings then
      self.spilled:seek "set"
      self.gives_closings, self.reversed = true, 0 -- they are counted again
    else
      self.spilled:close()
      self.spilled = nil
      warn_of_reversed(self)
    end
  end
end

local function begin_to_give(self)
  if self.spilled then
    self.spilled:seek "set"
    self.step, self.gives_closings = next_spilled, false
    rows.warn_of_all(self, {})
  else
    put_in_order(self)
    warn(self)
  end
end

local function read_sales(self)
  local message, code, line = columns_of.read_header(self, find_columns)
  if not message and self.options.any_order and not self.is_history then
    self.spilled, message = io.tmpfile()
    message, code = message and "a temporary file: " .. message, message and "io" or nil
  end
  if not message and not self.is_history then
    message, code, line = rows.add_all(self, add_row)
  end
  if not message and not self.is_history then
    begin_to_give(self)
  end
  return message, code, line
end

---@class leadcat.import.Export
---@field preset? string a known kind of export (`presets.NAMES`), which says what is not said here
---@field company string name of a column, as the next ones
---@field company_separator? string between several companies of one row
---@field created string
---@field closed? string needed unless `won_at` and `lost_at` are given
---@field won_at? string when a won sale was closed
---@field lost_at? string
---@field stage string
---@field sale? string column of the sale's id; with it events have ids
---@field actor? string column of who works on the sale
---@field won? string|string[] stages of won sales
---@field lost? string|string[]
---@field date_format? string strptime's, or `excel`; default: the one that all cells of a column have in common
---@field date_formats? table<string, string> of single columns: created, closed, won_at, lost_at
---@field date_order? "dmy"|"mdy"|"ymd"
---@field timezone? string|number of times that name none; default UTC
---@field encoding? string
---@field delimiter? string
---@field keep_going? boolean leave out bad rows
---@field any_order? boolean the events are put in order by whoever takes them: then memory is bounded, and neither companies with similar names nor dates far in the future are told
---@field fields? leadcat.cli.Field[] what conditions name, and their columns: both events of a sale have them as it is now

--- Prepares an iterator for an export.
---@param iterator leadcat.import.Iterator
---@return leadcat.import.Iterator
function sales.prepare(iterator)
  iterator.prepare, iterator.step = read_sales, next_sale
  iterator.count, iterator.given, iterator.reversed = 0, 0, 0
  for _, array in ipairs {
    "company", "created", "closed", "closed_key", "trigger", "line", "sale", "actor", "values", "share",
  } do
    iterator[array] = {} -- by sale
  end
  return iterator
end

return sales
