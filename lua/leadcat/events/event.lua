--- An event as a host sends it: its fields, and what is wrong with one.

local config = require "leadcat.rules.config"
local merged = require "leadcat.util.merged"
local schema = require "leadcat.rules.schema"
local triggers = require "leadcat.rules.triggers"
local unicode = require "leadcat.util.unicode"

local event = {}

---@class leadcat.Event
---@field id? string|integer 1 to 255 bytes: an event is handled once, however often it is delivered
---@field trigger "sale_registered"|"sale_won"|"sale_lost"|"lead_status_set"|"sale_reopened"|"sale_deleted"|string or the integrator's own
---@field company string|integer the host's id, 1 to 255 bytes; 42 and "42" are one company
---@field category? integer the company's category now; the host is asked when absent
---@field lead_status? integer the status that was set, for `lead_status_set`
---@field contact? table {id, name, ...}, kept for display; conditions name its fields `contact.*`
---@field sale? table {id, name, ...}, kept for display; conditions name its fields `sale.*`
---@field facts? table<string, any> what else conditions name: numbers, texts, booleans, or lists of them
---@field actor? leadcat.Actor who did it
---@field at? number seconds since 1970 (default now)
---@field choice? integer|false what the user answered when the host asked before saving: a category, which counts only for a decision that asks, or false to keep, which always counts

---@class leadcat.Actor
---@field id? string|integer 1 to 255 bytes; 7 and "7" are one. Nobody without one is the user whose event asked
---@field name? string for display
---@field language? string a BCP 47 tag such as "no" or "de-AT": of what is said to it; default the engine's
---@field admin? boolean whether it may do everything, where the host has no `can`
---@field service? boolean over HTTP: a program, not a person in a browser. Its requests need not come from a page, and may have `facts`

---@class (exact) leadcat.ByActor
---@field actor? leadcat.Actor who does it, or will see it; nil: the program itself, which may do everything

local MAX_ID = 255
local MAX_INTEGER = 2 ^ 53
local LAST_TIME = 253402300799 -- the end of the year 9999
local BUILT_IN = schema.set(config.TRIGGERS)

--- Whether the trigger is none of the integrator's own.
---@param trigger any
---@return boolean
function event.is_built_in(trigger)
  return trigger ~= nil and BUILT_IN[trigger] or false
end

local function is_integer(value)
  return type(value) == "number" and value % 1 == 0 and value > -MAX_INTEGER and value < MAX_INTEGER
end

--- The text of an id of a company, event or user: `42` and `"42"` are the same.
---@param id string|integer
---@return string? text, string? problem problem: what an id must be
function event.key(id)
  if type(id) == "string" then
    if #id >= 1 and #id <= MAX_ID then
      return id
    end
    return nil, ("must have 1 to %d bytes, not %d"):format(MAX_ID, #id)
  elseif is_integer(id) then
    return ("%d"):format(id)
  end
  if type(id) == "number" and math.abs(id) >= MAX_INTEGER and math.abs(id) < math.huge then
    return nil, ("must be given as text: the number %.0f is too long to be exact"):format(id)
  end
  local got = type(id) == "number" and "the number " .. tostring(id) or id == nil and "absent" or "a " .. type(id)
  return nil, "must be a string or an integer, not " .. got
end

--- The same; raises at the caller's caller when it cannot be an id.
---@param id string|integer
---@param name string of the argument
---@param level? integer as in `error`; default 3
---@return string text
function event.check_key(id, name, level)
  local text, problem = event.key(id)
  return text or error(name .. " " .. problem, level or 3)
end

--- Raises at the caller's caller unless it can be the number of an entry.
---@param id any
function event.check_entry(id)
  if type(id) ~= "number" or id % 1 ~= 0 or id < 1 or id > MAX_INTEGER then
    error("entry: an integer expected, got " .. tostring(id), 3)
  end
end

-- What each optional field must be; `what` completes the sentence "... must be".
local FIELDS = {
  { name = "category", what = "an integer (a category's id)", fits = is_integer },
  { name = "lead_status", what = "an integer (a lead status's id)", fits = is_integer },
  { name = "contact", what = "a table {id, name}", fits = function(v) return type(v) == "table" end },
  { name = "sale", what = "a table {id, name}", fits = function(v) return type(v) == "table" end },
  { name = "facts", what = "a table of facts by name", fits = function(v) return type(v) == "table" end },
  { name = "actor", what = "a table {id, name} whose id has 1 to 255 bytes",
    fits = function(v) return type(v) == "table" and (v.id == nil or event.key(v.id) ~= nil) end },
  { name = "at", what = "a number of seconds since 1970, not of milliseconds, up to the year 9999",
    fits = function(v) return type(v) == "number" and v > -math.huge and v <= LAST_TIME end },
  { name = "choice", what = "an integer (a category's id) or false (keep)",
    fits = function(v) return v == false or is_integer(v) end },
}

local NAMES = { "id", "trigger", "company", "category", "lead_status", "contact", "sale", "facts", "at", "choice" }

--- A copy without metatables, as the core reads events.
---@param e leadcat.Event without problems
---@return leadcat.Event
function event.plain(e)
  local copy = {}
  for _, name in ipairs(NAMES) do
    copy[name] = e[name]
  end
  copy.actor = e.actor and merged(e.actor, { id = e.actor.id, name = e.actor.name, language = e.actor.language,
    admin = e.actor.admin, service = e.actor.service })
  return copy
end

--- Raises at the caller's caller unless it is a table. `problem` tells all other faults.
---@param e any
function event.check(e)
  if type(e) ~= "table" then
    error("event: a table expected, got " .. type(e), 3)
  end
end

local function shown(value)
  return unicode.visible(tostring(value):sub(1, 60))
end

local function problem_of_trigger(trigger, own)
  for _, name in ipairs(own or {}) do
    if name == trigger then
      return nil
    end
  end
  return ("trigger must be one of %s, not %s"):format(table.concat(triggers.all(own), ", "),
    trigger == nil and "absent" or ("'%s'"):format(shown(trigger)))
end

local function id_problem(name, record)
  local _, problem
  if record and record.id ~= nil then
    _, problem = event.key(record.id)
  end
  return problem and ("%s.id %s"):format(name, problem)
end

--- What is wrong with an event, in one sentence; nil when nothing is.
---@param e any
---@param own? string[] the integrator's own triggers; default none
---@return string? problem
function event.problem(e, own)
  if type(e) ~= "table" then
    return "an event must be a table, not a " .. type(e)
  end
  local wrong = not BUILT_IN[e.trigger] and problem_of_trigger(e.trigger, own)
  if wrong then
    return wrong
  end
  local _, problem = event.key(e.company)
  if problem then
    return "company " .. problem
  end
  if e.id ~= nil then
    _, problem = event.key(e.id)
    if problem then
      return "id " .. problem
    end
  end
  for i = 1, #FIELDS do
    local field = FIELDS[i]
    local value = e[field.name]
    if value ~= nil and not field.fits(value) then
      return ("%s must be %s, not %s"):format(field.name, field.what, shown(value))
    end
  end
  return id_problem("sale", e.sale) or id_problem("contact", e.contact)
end

return event
