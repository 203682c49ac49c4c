--- Tells others what was done: what `leadcat.notify.webhook` and `leadcat.notify.command` have in common. A step sends what is due; the
-- record of `leadcat.operations.notices` moves behind it. Whoever is killed between the two sends again, with the same ids.

local as_text = require "leadcat.util.as_text"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local notices = require "leadcat.operations.notices"
local options_of = require "leadcat.util.options"
local protected = require "leadcat.util.protected"

local notifier = {}

local STEP = 2 -- seconds of work, and the last try
local PAGE = 100 -- changes that are read together
local MOST = 1000 -- notices that wait or have failed; with more, nothing new is begun
local FIRST_PAUSE, LONGEST_PAUSE = 5, 3600 -- seconds until the next try: 5, 10, 20 ... 3600
local BEFORE = 3600 -- seconds
local DAY = 86400 -- seconds; then it has failed
local REST, LONGEST_REST = 5, 60 -- times as long as a step of slow failures took nothing is sent; at most these seconds
local LONGEST_ERROR = 200 -- bytes
local GONE = "not_found"

---@class leadcat.notify.Notifier: leadcat.Source
---@field name string
---@field events table<string, true>
---@field before number seconds before its time is over, a question is told to be expiring
---@field send fun(notice: leadcat.notify.Notice): true?, string? whether it has arrived; nil, message: try again later
---@field rest_until number of `core.uptime`: a receiver that does not answer must not keep a worker from its other tasks
---@field is_full? boolean whether that was told
local Notifier = {}
Notifier.__index = Notifier

---@class leadcat.notify.Notice
---@field id string the same each time that it is sent
---@field type string
---@field body string JSON {id, type, timestamp, data}

-- What a notice says --------------------------------------------------------------------------------------------------

local function time(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(math.max(seconds, 0))) -- an event may be of any year
end

-- The names that people know the company and its categories by.
local function names_of(work, about)
  local engine = work.engine
  work.cfg = work.cfg or engine:config() or {}
  local function name(id)
    local category = id and config.find(work.cfg.categories, id)
    return category and config.name(category, engine.language) or nil
  end
  return {
    company = engine:company_name(about.company) or as_text(about.company), from = name(about.from),
    to = name(about.to),
  }
end

local function body_of(work, told)
  local about = told.entry or told.confirmation
  return json.encode {
    id = told.id, type = told.type, timestamp = time(told.at or about and (about.at or about.expires_at) or work.now),
    data = {
      entry = told.entry, confirmation = told.confirmation, rule = told.rule, names = about and names_of(work, about),
    },
  }
end

-- Sending -------------------------------------------------------------------------------------------------------------

local function is_over(work)
  return core.uptime() >= work.deadline or core.ending()
end

local function note(work, message)
  work.error = work.error or message
end

-- Sends one. Gives true, or nil and why not.
local function attempt(self, work, told)
  work.changed = true
  local ok, arrived, message = protected.call(self.send, {
    id = told.id, type = told.type, body = body_of(work, told),
  })
  if ok and arrived then
    work.handled = work.handled + 1
    return true
  end
  message = as_text(not ok and arrived or message or "failed"):sub(1, LONGEST_ERROR)
  local whose = told.rule and "rule " .. told.rule.rule or "company " .. as_text(notices.company(told))
  note(work, ("%s, notice %s: %s"):format(whose, told.id, message))
  return nil, message
end

-- Notes that a try has failed. True: it was the last one.
local function postpone(work, item, message)
  local now = work.engine:_now()
  item.tries, item.error = item.tries + 1, message
  if now >= item.since + DAY then
    item.due = nil
    work.problems = work.problems + 1
    return true
  end
  local pause = math.min(FIRST_PAUSE * 2 ^ math.min(item.tries - 1, 20), LONGEST_PAUSE)
  item.due, work.parked = math.min(now + pause, item.since + DAY), work.parked + 1
  return false
end

local function key_of(told)
  return told.rule and told.id or event_of.key(notices.company(told))
end

-- What waits: the first of each company, when it is due. What is behind one that stays, stays, too.
local function try_waiting(self, work)
  local record, left = work.record, {}
  for _, item in ipairs(record.waiting) do
    local told, message, code = notices.find(work.engine, item.id)
    if not told and code ~= GONE then
      return nil, message, code
    elseif not told then
      work.changed = true
      note(work, message and ("notice %s: %s"):format(item.id, message))
    elseif work.held[key_of(told)] or item.due and item.due > work.now or is_over(work) then
      work.held[key_of(told)], left[#left + 1] = true, item
    else
      local sent
      sent, message = attempt(self, work, told)
      work.held[key_of(told)] = not sent or nil
      local list = not sent and (postpone(work, item, message) and record.failed or left) or nil
      if list then
        list[#list + 1] = item
      end
    end
  end
  record.waiting = left
  return true
end

-- Sends something new; where it cannot, it waits.
local function tell(self, work, told)
  if not told or not self.events[told.type] then
    return
  end
  local key, sent, message = key_of(told), nil, nil
  local item = { id = told.id, tries = 0, since = work.now }
  if not work.held[key] then
    sent, message = attempt(self, work, told)
  end
  if sent then
    return
  elseif message then
    postpone(work, item, message)
  end
  work.held[key] = true
  table.insert(work.record.waiting, item)
end

local function is_full(self, work)
  local full = #work.record.waiting + #work.record.failed >= MOST
  if full and not self.is_full then
    note(work, ("%d notices wait or have failed: no new ones until some are sent, retried or dropped"):format(
      #work.record.waiting + #work.record.failed))
  end
  self.is_full = full
  return full
end

-- What was done behind the cursor. Gives true; or nil, message, code.
local function tell_changes(self, work)
  local record = work.record
  while not is_over(work) and not is_full(self, work) do
    local found, next_cursor, code, start = work.engine:changes(record.cursor, { limit = PAGE })
    if not found and code ~= "expired" then
      return nil, next_cursor, code
    elseif not found then
      record.cursor, work.changed = start, true
      note(work, "changes were removed before they were told: " .. next_cursor)
    end
    for _, change in ipairs(found or {}) do
      if is_over(work) then
        work.more = true
        return true
      end
      tell(self, work, notices.told(change))
      record.cursor, work.changed = change.cursor, true
    end
    if found and next_cursor ~= record.cursor then
      record.cursor, work.changed = next_cursor, true
    end
    if found and #found < PAGE then
      return true
    end
  end
  work.more = is_over(work)
  return true
end

-- Tells of questions that are about to expire, the earliest first. One that was asked as late as that was told enough. Gives true; or nil,
-- message, code.
local function tell_expiring(self, work)
  local record = work.record
  if not self.events["question.expiring"] or work.more or is_full(self, work) then
    return true
  end
  local found, message, code, stored = notices.next_expiring(work.engine, record, work.now + self.before, PAGE)
  for place, question in ipairs(found or {}) do
    if is_over(work) then
      break
    elseif question.expires_at > work.now and question.created_at + self.before < question.expires_at then
      tell(self, work, notices.expiring(question))
    end
    record.expiring = { at = math.floor(question.expires_at * 1000), entry = stored[place].entry }
    work.changed = true
  end
  work.more = found ~= nil and (#found == PAGE or is_over(work))
  return found and true, message, code
end

-- The record of silent rules; a new one is stored before it is used, or who is killed would send again with another id.
local function silent_of(work)
  local silent = work.record.silent
  if not silent then
    work.record.silent, work.changed = { id = core.random_id(), day = 0, told = json.array {} }, true
  end
  return silent
end

-- Tells of rules that have fallen silent, each once: looked at once a day. Gives true; or nil, message, code.
local function tell_silent(self, work)
  local today = math.floor(work.now / DAY)
  if not self.events["rule.silent"] or work.more or is_full(self, work) then
    return true
  end
  local silent = silent_of(work)
  if not silent or silent.day == today then
    return true
  end
  local rules, message, code = notices.silent(work.engine, silent.id)
  local told, all = {}, json.array {}
  for _, id in ipairs(silent.told) do
    told[id] = true
  end
  for place, rule in ipairs(rules or {}) do
    if is_over(work) then
      work.more = true
      return true -- the rest has its turn in the next step
    elseif not told[rule.id] then
      tell(self, work, rule)
      table.insert(silent.told, rule.id)
      work.changed = true
    end
    all[place] = rule.id
  end
  if rules then
    silent.day, silent.told, work.changed = today, all, true
  end
  return rules and true, message, code
end

-- Rests after a step in which failing took long.
local function rest(self, work)
  local took = core.uptime() - work.deadline + STEP
  if work.parked + work.problems > 0 and took > STEP then
    self.rest_until, work.more = core.uptime() + math.min(REST * took, LONGEST_REST), false
  end
end

local function begin_step(self, engine)
  local record, message, code = notices.read(engine, self.name)
  if code == GONE then
    record, message, code = notices.begin(engine, self.name)
  end
  if not record then
    return nil, message, code
  end
  return {
    engine = engine, record = record, now = engine:_now(), deadline = core.uptime() + STEP, held = {},
    handled = 0, parked = 0, problems = 0, more = false, changed = false,
  }
end

--- Sends what is due. Call it again at once while there is `more`, and after a while otherwise.
---@param engine leadcat.Engine
---@return {handled: integer, parked: integer, problems: integer, error?: string, more: boolean}? counts sent; to be tried again; failed for good, all in this step
---@return string? message, string? code nothing is lost: what was sent may be sent again
function Notifier:step(engine)
  if core.uptime() < self.rest_until then
    return { handled = 0, parked = 0, problems = 0, more = false }
  end
  local work, message, code = begin_step(self, engine)
  if not work then
    return nil, message, code
  end
  local ok
  ok, message, code = try_waiting(self, work)
  if ok then
    ok, message, code = tell_changes(self, work)
  end
  if ok then
    ok, message, code = tell_expiring(self, work)
  end
  if ok then
    ok, message, code = tell_silent(self, work)
  end
  if ok and work.changed then
    ok, message, code = notices.write(engine, self.name, work.record)
  end
  rest(self, work)
  if not ok and code ~= "conflict" then
    return nil, message, code
  end
  return {
    handled = work.handled, parked = work.parked, problems = work.problems, error = work.error,
    more = work.more or not ok, -- somebody has changed the record meanwhile: then from there
  }
end

-- Notifiers -----------------------------------------------------------------------------------------------------------

local function is_list_of_events(value)
  local known = {}
  for _, name in ipairs(notices.EVENTS) do
    known[name] = true
  end
  for _, name in ipairs(type(value) == "table" and value or {}) do
    if not known[name] then
      return false
    end
  end
  return type(value) == "table" and #value > 0
end

--- The options of every notifier.
---@type table<string, leadcat.Option>
notifier.OPTIONS = {
  name = options_of.kind("a text of 1 to 40 letters, digits, and . _ -", function(value)
    return type(value) == "string" and #value <= 40 and value:find "^[%w._-]+$" ~= nil
  end),
  events = options_of.kind("a list of " .. table.concat(notices.EVENTS, ", "), is_list_of_events),
  tenant = options_of.of_type "string",
  expiring_before = options_of.kind("a number of seconds above 0", function(value)
    return type(value) == "number" and value > 0 and value < 1e9
  end),
  timeout = options_of.kind("a number of seconds above 0, up to 60", function(value)
    return type(value) == "number" and value > 0 and value <= 60
  end),
}

--- Makes a notifier of options that were checked.
---@param options {name: string, events?: string[], tenant?: string, expiring_before?: number}
---@param send fun(notice: leadcat.notify.Notice): true?, string?
---@return leadcat.notify.Notifier
function notifier.new(options, send)
  local events = {}
  for _, name in ipairs(options.events or notices.EVENTS) do
    events[name] = true
  end
  return setmetatable({
    name = options.name, tenant = options.tenant, events = events, send = send, rest_until = 0,
    before = options.expiring_before or BEFORE,
  }, Notifier)
end

return notifier
