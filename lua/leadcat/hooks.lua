--- Turns a CRM's save callbacks into events. Only real transitions become events, so hosts need not compare.

local event_of = require "leadcat.events.event"
local merged = require "leadcat.util.merged"
local options_of = require "leadcat.util.options"
local unicode = require "leadcat.util.unicode"

local hooks = {}

---@class leadcat.Sale
---@field id string|integer
---@field name? string
---@field company? string|integer
---@field status "open"|"won"|"lost"|"stalled" or, with `statuses`, the CRM's own word

---@class leadcat.Contact
---@field id string|integer
---@field name? string
---@field company? string|integer
---@field lead_status? integer or, with `statuses`, the CRM's own word

---@class leadcat.Saved
---@field source? string where the record comes from: with `version`, the events have ids, so that each is handled once
---@field version? string|integer of the saved record: another one at each save
---@field at? number when it was saved, in seconds since 1970
---@field actor? leadcat.Actor who saved it

---@class (exact) leadcat.SaleSaved: leadcat.Saved
---@field statuses? table<any, "open"|"won"|"lost"|"stalled"> what the CRM's own words for a sale's status mean

---@class (exact) leadcat.ContactSaved: leadcat.Saved
---@field statuses? table<any, integer> which lead statuses the CRM's own words are

local STATUSES = { open = true, won = true, lost = true, stalled = true }
local CLOSING = { won = "sale_won", lost = "sale_lost" }

local SAVED = {
  source = options_of.kind("a text", function(value) return type(value) == "string" and value ~= "" end),
  version = options_of.kind("a text or an integer", function(value) return event_of.key(value) ~= nil end),
  at = options_of.of_type("number", "a number of seconds since 1970"),
  actor = options_of.actor,
}

-- An option that is a table whose values all fit.
local function words(what, fits)
  return options_of.kind(what, function(value)
    for _, meaning in pairs(type(value) == "table" and value or { false }) do
      if not fits(meaning) then
        return false
      end
    end
    return true
  end)
end

local SALE = merged(SAVED, {
  statuses = words("a table of open, won, lost or stalled by the CRM's words", function(status)
    return STATUSES[status]
  end),
})
local CONTACT = merged(SAVED, {
  statuses = words("a table of lead statuses' ids by the CRM's words", function(status)
    return type(status) == "number" and status % 1 == 0
  end),
})

local function check(record, argument, name, level)
  if type(record) ~= "table" then
    error(("argument %d: a %s expected, got %s"):format(argument, name, type(record)), level)
  end
end

local function has_company(record)
  return record ~= nil and record.company ~= nil and record.company ~= ""
end

local function unknown(what, status)
  return ("the %s is '%s', which `statuses` does not have"):format(what, unicode.visible(tostring(status):sub(1, 60)))
end

-- The sale's status; nil, message when `statuses` does not know the CRM's word for it.
local function status_of(sale, argument, statuses)
  check(sale, argument, "sale", 4)
  if not statuses and not STATUSES[sale.status] then
    local got = tostring(sale.status)
    error(("argument %d: a sale's status is open, won, lost or stalled, not %s"):format(argument, got), 3)
  elseif not statuses then
    return sale.status
  end
  local status = sale.status ~= nil and statuses[sale.status]
  if not status then
    return nil, unknown("sale's status", sale.status)
  end
  return status
end

-- The contact's lead status; nil when it has none; nil, message when `statuses` does not know the CRM's word for it.
local function lead_status_of(contact, statuses)
  local word = contact and contact.lead_status
  if word == nil or not statuses then
    return word
  end
  local status = statuses[word]
  return status, not status and unknown("contact's lead status", word) or nil
end

-- What has happened to a sale, in order: {trigger, company}. `was` and `is` are its statuses; nil: it was or is not there.
local function transitions(before, was, after, is)
  local found = {}
  local is_known, was_known = has_company(after), has_company(before)
  local is_new = is_known and not was_known
  if is_new then
    found[1] = { "sale_registered", after.company }
  end
  if is_known and CLOSING[is] and (is_new or was ~= is) then
    found[#found + 1] = { CLOSING[is], after.company }
  elseif is_known and was_known and CLOSING[was] and not CLOSING[is] then
    found[1] = { "sale_reopened", before.company } -- what it has done, it has done there
  elseif not after and was_known then
    found[1] = { "sale_deleted", before.company }
  end
  return found
end

-- An id that is the same whenever the same save is told.
local function id_of(record, trigger, options)
  local key = options.source and options.version and event_of.key(record.id)
  return key and ("%s/%s/%s/%s"):format(options.source, key, trigger, event_of.key(options.version))
end

-- Events with what the CRM tells of the save.
local function events_of(found, sale, options)
  local events = {}
  for i, row in ipairs(found) do
    events[i] = {
      id = id_of(sale, row[1], options),
      trigger = row[1], company = row[2], sale = { id = sale.id, name = sale.name }, at = options.at,
      actor = options.actor,
    }
  end
  return events
end

--- The events of a saved sale, in order: it got its first company (then also that it is closed, if it is), it was won or
-- lost, it was reopened, or deleted. Moving it to another company is no event.
---@param before? leadcat.Sale as it was; nil for a new one
---@param after? leadcat.Sale as it is now; nil when it was deleted
---@param options? leadcat.SaleSaved
---@return leadcat.Event[]? events for `engine:handle_many`
---@return string? message, string? code `invalid`: `statuses` does not know the status of a sale
function hooks.sale_saved(before, after, options)
  options = options_of.check(options, SALE)
  local was, is, message
  if before ~= nil or after == nil then
    check(before or after, before and 1 or 2, "sale", 3)
    was, message = status_of(before, 1, options.statuses)
  end
  if after ~= nil and not message then
    is, message = status_of(after, 2, options.statuses)
  end
  if message then
    return nil, message, "invalid"
  end
  return events_of(transitions(before, was, after, is), after or before, options)
end

--- The event of a saved contact: its lead status changed.
---@param before? leadcat.Contact as it was; nil for a new one
---@param after leadcat.Contact as it is now
---@param options? leadcat.ContactSaved
---@return leadcat.Event[]? events at most one, for `engine:handle_many`
---@return string? message, string? code `invalid`: `statuses` does not know the lead status
function hooks.contact_saved(before, after, options)
  options = options_of.check(options, CONTACT)
  if before ~= nil then
    check(before, 1, "contact", 3)
  end
  check(after, 2, "contact", 3)
  local was, message = lead_status_of(before, options.statuses)
  local is, why = lead_status_of(after, options.statuses)
  if message or why then
    return nil, message or why, "invalid"
  elseif not has_company(after) or is == nil or is == was then
    return {}
  end
  return { {
    id = id_of(after, "lead_status_set", options), trigger = "lead_status_set", company = after.company,
    lead_status = is, contact = { id = after.id, name = after.name }, at = options.at, actor = options.actor,
  } }
end

return hooks
