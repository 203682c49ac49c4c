--- Histories of stages, one row a change of a sale, as events in the order of their times. A sale is registered with its first
-- row; it is won, lost or reopened where its stage begins to count as something else.

local cells_of = require "leadcat.cli.import.cells"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local presets = require "leadcat.cli.import.presets"
local rows = require "leadcat.cli.import.rows"
local stages = require "leadcat.cli.import.stages"
local titles_of = require "leadcat.cli.import.titles"

local history = {}

local DAY = 24 * 60 * 60

-- Values of the column of properties, as `titles.plain` has them.
local STAGES = { stage = true, stagename = true, stageid = true, dealstage = true, salestage = true, status = true }
local CREATED = { created = true }

-- Columns -------------------------------------------------------------------------------------------------------------

local function has_labels(options)
  return #(options.won or {}) > 0 or #(options.lost or {}) > 0
end

local function find_columns(self, header)
  local titles, problem = titles_of.find(header, self.options.history_columns)
  local options = self.options
  if not options.preset and not has_labels(options) then
    options = merged(options, { preset = titles_of.preset(header) })
  end
  self.options = presets.complete(options, header)
  if problem then
    return problem
  elseif not has_labels(self.options) then
    return "which stages are won, and which are lost? --won and --lost say it, or --preset"
  elseif not titles.company and not self.sold then
    return "the history has no column of the company: --opportunities SALES.csv names an export of the same sales "
      .. "that has it, --history-column company=COLUMN a column of this file"
  end
  local wanted = {}
  for _, key in ipairs(titles_of.KEYS) do
    wanted[#wanted + 1] = titles[key] and { key = key, title = titles[key], has_dates = key == "changed" } or nil
  end
  for i, field in ipairs(not self.sold and options.fields or {}) do
    wanted[#wanted + 1] = { key = i, title = field.given }
  end
  return rows.prepare(self, header, wanted)
end

-- Rows ----------------------------------------------------------------------------------------------------------------

local function text_of(self, cells, key)
  return self.columns[key] and cells_of.name(cells_of.clean(cells[self.columns[key]])) or ""
end

-- Why nothing comes of a row, and whether it says that the sale was made.
local function fate_of(self, cells)
  local property = titles_of.plain(text_of(self, cells, "property"))
  if self.columns.property and not STAGES[property] and not CREATED[property] then
    return "of another field", false
  elseif text_of(self, cells, "sale") == "" then
    return "without a sale", false
  end
  local is_made = CREATED[property] or false
  return not is_made and text_of(self, cells, "stage") == "" and "without a stage" or nil, is_made
end

-- What the stages of a row count as: the new one, and the one before (nil: the row does not say).
local function statuses_of(self, cells, is_made)
  local from = text_of(self, cells, "from")
  local to = not is_made and (stages.of(self, cells[self.columns.stage]) or "open") or nil
  return to, not is_made and from ~= "" and (stages.trigger(self, from) or "open") or nil
end

local function add_row(self, cells, line)
  local fate, is_made = fate_of(self, cells)
  if fate then
    rows.note_fate(self, fate, line)
    return nil
  end
  local change, problem = { line = line }, nil
  change.to, change.from = statuses_of(self, cells, is_made)
  for _, read in ipairs {
    function() change.sale, problem = rows.id(self, cells, "sale") return change.sale end,
    function() change.actor, problem = rows.id(self, cells, "actor") return change.actor end,
    function() change.companies, problem = rows.companies(self, cells) return change.companies end,
    function() change.values, problem = rows.fields(self, cells) return change.values end,
    function() change.at, problem = rows.date(self, cells, "changed", line) return change.at ~= nil end,
  } do
    if not read() then
      return problem
    end
  end
  if not change.at then
    rows.note_fate(self, "without a date", line)
    return nil
  end
  self.changes[#self.changes + 1] = change
end

-- Sorts the changes by time. At the same time they come in the order of the file, or against it where it begins with the newest.
local function put_in_order(changes, dates)
  local newer = 0
  for i, change in ipairs(changes) do
    change.at = dates:read(change.at)
    newer = newer + (i == 1 and 0 or change.at > changes[i - 1].at and 1 or change.at < changes[i - 1].at and -1 or 0)
  end
  local way = newer < 0 and -1 or 1
  table.sort(changes, function(a, b) return a.at < b.at or a.at == b.at and way * a.line < way * b.line end)
end

-- Sales ---------------------------------------------------------------------------------------------------------------

-- Salesforce writes an id with 15 letters in reports, and with 3 more elsewhere.
local function key_of(id)
  return #id == 18 and id:find "^006%w+$" and id:sub(1, 15) or id
end

---@class leadcat.import.SaleHistory
---@field companies string[]
---@field status "open"|"sale_won"|"sale_lost"
---@field counts table<string, integer> of its events, by trigger
---@field export? { registered: table[], closed: table[], like: table } what the export has of it
---@field at? number of its newest change

-- The companies of the sales: of an export, or of the first row that names one.
local function find_sales(self)
  for _, change in ipairs(self.changes) do
    local sale = self.sales[key_of(change.sale)]
    if not sale and not self.sold then
      sale = { companies = {}, status = "open", counts = {} }
      self.sales[key_of(change.sale)] = sale
    end
    if sale and not sale.companies[1] then
      sale.companies = change.companies
    end
  end
end

-- An event of each company of the sale.
local function add_events(self, sale, trigger, change)
  local count = (sale.counts[trigger] or 0) + 1
  sale.counts[trigger] = count
  local like = sale.export and sale.export.like or {}
  for share, company in ipairs(change.companies[1] and not sale.export and change.companies or sale.companies) do
    local event = {
      id = ("%s:%s%s%s"):format(like.sale and like.sale.id or change.sale, trigger, count > 1 and "#" .. count or "",
        share > 1 and ":" .. share or ""),
      trigger = trigger, company = company, at = change.at, sale = like.sale or { id = change.sale },
      contact = like.contact, facts = like.facts, actor = change.actor ~= "" and { id = change.actor } or nil,
    }
    rows.put_fields(self, event, change.values)
    self.events[#self.events + 1] = { event, change.line }
  end
end

-- The sale counts as something else from now on. Returns whether it did not before.
local function move(self, sale, status, change)
  if status == nil or status == sale.status then
    return false
  end
  sale.status = status
  add_events(self, sale, status == "open" and "sale_reopened" or status, change)
  return true
end

local function register(self, sale, change)
  if sale.counts.sale_registered then
    return false
  end
  add_events(self, sale, "sale_registered", change)
  return true
end

local function add_change(self, change)
  local sale = self.sales[key_of(change.sale)]
  if not sale then
    rows.note_fate(self, "of sales that the export does not have", change.line)
    return
  elseif not sale.companies[1] then
    rows.note_fate(self, "without a company", change.line)
    return
  end
  local is_new = register(self, sale, change)
  local was_other = move(self, sale, change.from, change)
  if not (move(self, sale, change.to, change) or was_other or is_new) and change.to then
    rows.note_fate(self, "of a stage that counts as the one before", change.line)
  end
  sale.at = change.at
end

-- Exports -------------------------------------------------------------------------------------------------------------

-- Takes the sales of the export that has their companies. Returns the problem, if any.
local function read_export(self)
  while self.sold do
    local event, line, code, bad_line = self.sold:next()
    if not event and code then
      return ("the export, line %s: %s"):format(tostring(bad_line), line)
    elseif not event then
      return nil
    elseif not event.sale then
      rows.note_fate(self, "of the export without the id of a sale", line)
    else
      local id = key_of(event.sale.id)
      local sale = self.sales[id] or {
        companies = {}, status = "open", counts = {}, export = { registered = {}, closed = {}, like = event },
      }
      self.sales[id] = sale
      local kept = event.trigger == "sale_registered" and sale.export.registered or sale.export.closed
      kept[#kept + 1] = { event, line }
      if #kept > #sale.companies then
        sale.companies[#kept] = event.company
      end
      sale.counts.sale_registered = event.trigger == "sale_registered" and 1 or sale.counts.sale_registered
    end
  end
end

-- The export's own closing counts where the history has none, or ends before.
local function add_closing(self, sale)
  local closed = sale.export.closed
  local status = closed[1] and closed[1][1].trigger or "open"
  if sale.at and status ~= sale.status and (not closed[1] or closed[1][1].at + DAY <= sale.at) then
    self.contradicted = self.contradicted + 1
  elseif not sale.at or status ~= sale.status then
    for _, row in ipairs(closed) do
      row[1].at = math.max(row[1].at, sale.at or row[1].at)
      self.events[#self.events + 1] = row
    end
  end
end

local function add_export(self)
  for _, sale in pairs(self.sold and self.sales or {}) do
    for _, row in ipairs(sale.export.registered) do
      row[1].at = math.min(row[1].at, sale.first or row[1].at)
      self.events[#self.events + 1] = row
    end
    add_closing(self, sale)
  end
  if self.contradicted > 0 then
    rows.warn(self, "sales whose history ends otherwise than the export says: %d: the history counts",
      self.contradicted)
  end
  for _, warning in ipairs(self.sold and self.sold.warnings or {}) do
    rows.warn(self, "the export: %s", warning)
  end
  if self.sold and self.sold.bad_count > 0 then
    rows.warn(self, "the export: %d bad rows left out (the first: line %d: %s)", self.sold.bad_count,
      self.sold.bad[1].line, self.sold.bad[1].message)
  end
end

-- Events --------------------------------------------------------------------------------------------------------------

local ORDER = { sale_registered = 1 }

local function add_all(self)
  put_in_order(self.changes, self.dates.changed)
  find_sales(self)
  for _, change in ipairs(self.changes) do
    local sale = self.sales[key_of(change.sale)]
    if sale then
      sale.first = sale.first or change.at
    end
    add_change(self, change)
  end
  for i, row in ipairs(self.events) do
    row[3] = i
  end
  add_export(self)
end

-- At the same time registrations come first, then what has happened in its order, then what the export says.
local function comes_before(a, b)
  if a[1].at ~= b[1].at then
    return a[1].at < b[1].at
  end
  local first, second = ORDER[a[1].trigger] or 2, ORDER[b[1].trigger] or 2
  if first ~= second then
    return first < second
  end
  first, second = a[3] or math.huge, b[3] or math.huge
  return first < second or first == second and a[2] < b[2]
end

local function next_event(self)
  self.given = self.given + 1
  local row = self.events[self.given]
  if row then
    row[1].at = json.integer(row[1].at)
    return row[1], row[2]
  end
end

--- Reads the rows behind the header. Returns the problem, if any.
---@param self leadcat.import.Iterator with `sold`, an iterator of the export that has the companies, where there is one
---@param header string[]
---@return string? problem, string? code, integer? line
function history.read(self, header)
  self.changes, self.sales, self.events, self.given, self.contradicted = {}, {}, {}, 0, 0
  self.step, self.is_history = next_event, true
  local problem, code, line = find_columns(self, header), "invalid", 1
  if not problem then
    problem = read_export(self)
  end
  if not problem then
    problem, code, line = rows.add_all(self, add_row)
  end
  if problem then
    return problem, code, line
  end
  add_all(self)
  table.sort(self.events, comes_before)
  local companies = {}
  for i, row in ipairs(self.events) do
    companies[i] = row[1].company
  end
  rows.warn_of_future(self, #self.events, function(i) return self.events[i][1].at, self.events[i][2] end)
  rows.warn_of_all(self, companies)
  self.total, self.changes, self.sales = #self.events, nil, nil
end

return history
