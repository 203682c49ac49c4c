--- The events that must have happened for a company's sales and contacts to be as its host says they are.

local event_of = require "leadcat.events.event"
local merged = require "leadcat.util.merged"

local sales = {}

---@class leadcat.CurrentSales what a host knows of a company's sales and contacts (`host.sales`)
---@field sales? leadcat.CurrentSale[]
---@field contacts? leadcat.CurrentContact[]
---@field moved? {at: number, by?: leadcat.Actor} when somebody last set the category by hand, if that is known

---@class leadcat.CurrentSale its other fields are what conditions name as `sale.*`
---@field id string|integer
---@field name? string
---@field status "open"|"won"|"lost"|"stalled"
---@field at? number when it came to be so: seconds since 1970. Absent: before all that has a time
---@field registered? number when it was registered; default `at`
---@field actor? leadcat.Actor

---@class leadcat.CurrentContact its other fields are what conditions name as `contact.*`
---@field id string|integer
---@field name? string
---@field lead_status integer
---@field at? number when it was set
---@field actor? leadcat.Actor

local CLOSING = { won = "sale_won", lost = "sale_lost" }
local STATUSES = { open = true, won = true, lost = true, stalled = true }
local FIRST, SECOND, THIRD = 1, 2, 3 -- of what has the same time: registrations, lead statuses, closings

local function add(list, rank, company, record, fields)
  local event = merged({ company = company, at = record.at, actor = record.actor }, fields)
  list[#list + 1] = { event = event, rank = rank, place = #list + 1 }
  return event_of.problem(event)
end

-- A copy without what the event has itself.
local function described(record)
  local copy = merged(record)
  copy.at, copy.registered, copy.actor = nil, nil, nil
  return copy
end

local function add_sale(list, company, sale)
  if type(sale) ~= "table" then
    return "a sale is a table {id, status, at}"
  elseif not STATUSES[sale.status] then
    return ("a sale's status is open, won, lost or stalled, not %s"):format(tostring(sale.status))
  end
  local about, registered = described(sale), sale.registered
  if registered == nil then
    registered = sale.at
  end
  local problem = add(list, FIRST, company, { at = registered, actor = sale.actor },
    { trigger = "sale_registered", sale = about })
  local closing = CLOSING[sale.status]
  return problem or closing and add(list, THIRD, company, sale, { trigger = closing, sale = about }) or nil
end

local function add_contact(list, company, contact)
  if type(contact) ~= "table" then
    return "a contact is a table {id, lead_status, at}"
  elseif contact.lead_status == nil then
    return nil
  end
  return add(list, SECOND, company, contact,
    { trigger = "lead_status_set", lead_status = contact.lead_status, contact = described(contact) })
end

local function comes_before(a, b)
  local at, other = a.event.at or -math.huge, b.event.at or -math.huge
  if at ~= other then
    return at < other
  elseif a.rank ~= b.rank then
    return a.rank < b.rank
  end
  return a.place < b.place
end

-- Adds all records of one kind. Returns what is wrong with one.
local function add_all(list, company, records, add_one)
  if records ~= nil and type(records) ~= "table" then
    return "sales and contacts are lists"
  end
  for _, record in ipairs(records or {}) do
    local problem = add_one(list, company, record)
    if problem then
      return problem
    end
  end
end

--- The events of a company, in order. Of what has the same time, registrations come first and closings last.
---@param company string|integer
---@param known leadcat.CurrentSales|false false: nothing is known of it
---@return leadcat.Event[]? events, string? problem
function sales.events(company, known)
  if not known then
    return {}
  elseif type(known) ~= "table" then
    return nil, "a table {sales, contacts} or false expected"
  end
  local list, events = {}, {}
  local problem = add_all(list, company, known.sales, add_sale) or add_all(list, company, known.contacts, add_contact)
  if problem then
    return nil, problem
  end
  table.sort(list, comes_before)
  for place, row in ipairs(list) do
    events[place] = row.event
  end
  return events
end

return sales
