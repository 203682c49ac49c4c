--- Turns a CRM's save callbacks into events. Only real transitions become events, so hosts need not compare.

local hooks = {}

---@class leadcat.Sale
---@field id string|integer
---@field name? string
---@field company? string|integer
---@field status "open"|"won"|"lost"|"stalled"

---@class leadcat.Contact
---@field id string|integer
---@field name? string
---@field company? string|integer
---@field lead_status? integer

local STATUSES = { open = true, won = true, lost = true, stalled = true }
local CLOSING = { won = "sale_won", lost = "sale_lost" }

local function check(record, argument, name, level)
  if type(record) ~= "table" then
    error(("argument %d: a %s expected, got %s"):format(argument, name, type(record)), level)
  end
end

local function has_company(record)
  return record ~= nil and record.company ~= nil and record.company ~= ""
end

local function check_sale(sale, argument)
  check(sale, argument, "sale", 4)
  if not STATUSES[sale.status] then
    local got = tostring(sale.status)
    error(("argument %d: a sale's status is open, won, lost or stalled, not %s"):format(argument, got), 3)
  end
end

--- The events of a saved sale, in order: it got its first company, it was won, it was lost. Moving it to another
-- company is no event.
---@param before? leadcat.Sale as it was; nil for a new one
---@param after leadcat.Sale as it is now
---@return leadcat.Event[] events for `engine:handle_many`
function hooks.sale_saved(before, after)
  if before ~= nil then
    check_sale(before, 1)
  end
  check_sale(after, 2)
  local events = {}
  local function add(trigger)
    events[#events + 1] = { trigger = trigger, company = after.company, sale = { id = after.id, name = after.name } }
  end
  if has_company(after) and not has_company(before) then
    add "sale_registered"
  end
  if has_company(after) and CLOSING[after.status] and (before == nil or before.status ~= after.status) then
    add(CLOSING[after.status])
  end
  return events
end

--- The event of a saved contact: its lead status changed.
---@param before? leadcat.Contact as it was; nil for a new one
---@param after leadcat.Contact as it is now
---@return leadcat.Event[] events at most one, for `engine:handle_many`
function hooks.contact_saved(before, after)
  if before ~= nil then
    check(before, 1, "contact", 3)
  end
  check(after, 2, "contact", 3)
  local was = before and before.lead_status
  if not has_company(after) or after.lead_status == nil or after.lead_status == was then
    return {}
  end
  return { {
    trigger = "lead_status_set", company = after.company, lead_status = after.lead_status,
    contact = { id = after.id, name = after.name },
  } }
end

return hooks
