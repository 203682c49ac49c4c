--- Notices that have not reached whom they are for yet: how far each notifier has come, what it tries again, and what has failed.
-- Methods of the engine, and what `leadcat.notify` needs.
--
-- A record in the store's cursors has all of a notifier. It keeps no bodies, only ids: what a notice says is read anew for each try,
-- so `forget` reaches it.

local confirmation_of = require "leadcat.events.confirmation"
local core = require "leadcat.core"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"

---@class leadcat.engine.notices: leadcat.Engine the engine's methods that stand here
local notices = {}

local INDEX = "notices" -- the cursor that has the names of all notifiers
local EXPIRING, SILENT = ".expiring", ".silent" -- the ends of the ids of such notices
local TRIES = 16 -- of a change beside a worker that makes changes, too
local PAUSE = 0.05 -- seconds between them

--- What notices may tell.
notices.EVENTS = {
  "question.asked", "question.assigned", "question.expiring", "change.made", "change.failed", "rule.held",
  "rule.silent",
}

notices.STATES = { "waiting", "failed" }

---@class leadcat.Notice one that has not reached whom it is for
---@field notifier string
---@field id string as the receiver sees it, the same each time that it is tried
---@field state "waiting"|"failed"
---@field tries integer
---@field since number when it was to be sent, in seconds since 1970
---@field due? number while it waits: when it is tried next; absent until it is the company's turn
---@field error? string why the last try has failed
---@field type? string what it tells: one of `notices.EVENTS`; absent where that is not there any more
---@field company? string|integer likewise

---@class leadcat.notices.Item as it is stored
---@field id string
---@field tries integer
---@field since number
---@field due? number
---@field error? string

---@class leadcat.notices.Expiring
---@field at integer milliseconds since 1970: when a question's time is over
---@field entry integer that has asked it

---@class leadcat.notices.Silent
---@field id string random: the start of the ids of such notices
---@field day integer since 1970, UTC: when it was looked last which rules are silent
---@field told string[] the ids of the notices of those that are silent, which were told, wait, or have failed

---@class leadcat.notices.Record
---@field cursor string of `engine:changes`: all before it was told, waits, or has failed
---@field expiring leadcat.notices.Expiring of questions: all up to there were told to be expiring, wait, or have failed
---@field silent? leadcat.notices.Silent
---@field waiting leadcat.notices.Item[] each company's in order
---@field failed leadcat.notices.Item[]
---@field text? string as it is stored

-- Records -------------------------------------------------------------------------------------------------------------

local function key_of(name)
  return "notices:" .. name
end

-- A cursor's JSON; nil where there is none.
local function read_json(engine, key)
  local text, message, code = engine._store:cursor(engine._tenant, key)
  if not text then
    return nil, code ~= "not_found" and message or nil, code
  end
  local value
  value, message = json.decode(text)
  if type(value) ~= "table" then
    return nil, ("cursor '%s': %s"):format(key, message or "no table"), "corrupt"
  end
  return value, text
end

local function write_json(engine, key, before, value)
  local text = json.encode(value)
  local ok, message, code = engine._store:write(engine._tenant, {}, engine:_now(), 0,
    { name = key, before = before, text = text })
  return ok and text, message, code
end

--- A notifier's record.
---@return leadcat.notices.Record? record, string? message, string? code `not_found`: it has not begun
function notices.read(engine, name)
  local record, text, code = read_json(engine, key_of(name))
  if not record then
    return nil, text, code
  end
  record.text, record.expiring = text, record.expiring or { at = 0, entry = 0 }
  return record
end

--- Stores a record, unless another process has done so since it was read.
---@return true? done, string? message, string? code `conflict`
function notices.write(engine, name, record)
  local text, message, code = write_json(engine, key_of(name), record.text, {
    cursor = record.cursor, expiring = record.expiring, silent = record.silent, waiting = json.array(record.waiting),
    failed = json.array(record.failed),
  })
  if not text then
    return nil, message, code
  end
  record.text = text
  return true
end

-- Adds a notifier's name to the index, unless it is there.
local function list_name(engine, name)
  local index, text, code = read_json(engine, INDEX)
  if not index and code ~= "not_found" then
    return nil, text, code
  end
  local names = index and index.names or {}
  for _, known in ipairs(names) do
    if known == name then
      return true
    end
  end
  names[#names + 1] = name
  return write_json(engine, INDEX, text, { names = names })
end

--- Stores the first record of a notifier, behind all that has been done so far, and lists its name.
---@return leadcat.notices.Record? record, string? message, string? code
function notices.begin(engine, name)
  local ok, message, code = list_name(engine, name)
  local found, cursor
  if ok then
    found, cursor, code = engine:changes "newest"
    ok, message = found, cursor
  end
  local record = { cursor = cursor, expiring = { at = 0, entry = 0 }, waiting = {}, failed = {} }
  if ok then
    ok, message, code = notices.write(engine, name, record)
  end
  return ok and record, message, code
end

-- What a notice tells -------------------------------------------------------------------------------------------------

---@class leadcat.notices.Told
---@field id string
---@field type string
---@field at? number when, in seconds since 1970, where neither entry nor confirmation says it
---@field entry? leadcat.Entry
---@field confirmation? leadcat.Confirmation
---@field rule? leadcat.notices.SilentRule

---@class leadcat.notices.SilentRule
---@field rule string its key
---@field trigger string
---@field name? string
---@field last string the day of its last match
---@field quiet integer whole days since then
---@field longest_pause integer the longest one before that, in days

local KINDS = { asked = "question.asked", assigned = "question.assigned", held = "rule.held" }
local ENDED = { updated = "change.made", failed = "change.failed", conflict = "change.failed" }

--- What a change is told as; nil: it is not told.
---@param change leadcat.Change
---@return leadcat.notices.Told?
function notices.told(change)
  local kind = KINDS[change.kind] or change.kind == "ended" and ENDED[change.entry.status]
  local assigned = change.kind == "assigned" and change.confirmation and change.confirmation.assigned
  return kind and {
    id = ("%s.%s"):format(change.entry.key, change.cursor), type = kind, entry = change.entry,
    confirmation = change.confirmation, at = assigned and assigned.at or nil,
  } or nil
end

--- That a question is about to expire.
---@param confirmation leadcat.Confirmation
---@return leadcat.notices.Told
function notices.expiring(confirmation)
  return { id = confirmation.id .. EXPIRING, type = "question.expiring", confirmation = confirmation }
end

-- That a rule has been silent since its last match; nil: it is not.
local function silent_rule(rule, id)
  local silent = rule and rule.silent
  return silent and {
    id = ("%s.%s.%s%s"):format(id, rule.rule, rule.last, SILENT), type = "rule.silent", rule = {
      rule = rule.rule, trigger = rule.trigger, name = rule.name, last = rule.last, quiet = silent.quiet,
      longest_pause = silent.longest_pause,
    },
  } or nil
end

--- That rules are silent: those that are.
---@param engine leadcat.Engine
---@param id string the start of the ids
---@return leadcat.notices.Told[]? list, string? message, string? code
function notices.silent(engine, id)
  local found, message, code = engine:health { days = 1 }
  local list = found and {}
  for _, rule in ipairs(found and found.rules or {}) do
    list[#list + 1] = silent_rule(rule, id)
  end
  return list, message, code
end

local function find_silent(engine, id)
  local start, rule = id:match "^(%w+)%.(.+)%.[%d-]+%.%l+$"
  local found, message, code = engine:health { rule = rule or "", days = 1 }
  if not found then
    return nil, message, code
  end
  local told = silent_rule(found.rules[1], start)
  if told and told.id == id then
    return told
  end
  return nil, nil, "not_found" -- it has matched since
end

local function find_question(engine, id)
  local confirmation, message, code = engine:confirmation(id)
  if confirmation and confirmation.state == "open" then
    return notices.expiring(confirmation)
  elseif confirmation or code == "not_found" then
    return nil, nil, "not_found" -- which is as it should be
  end
  return nil, message, code
end

--- What the notice with this id tells, as it is now.
---@return leadcat.notices.Told? told, string? message, string? code `not_found`: that is not there any more; without a message where nobody has to know
function notices.find(engine, id)
  if id:sub(-#EXPIRING) == EXPIRING then
    return find_question(engine, id:sub(1, -#EXPIRING - 1))
  elseif id:sub(-#SILENT) == SILENT then
    return find_silent(engine, id)
  end
  local cursor = id:match "%.(%d+)$"
  local found, message, code = engine:changes(("%d"):format(tonumber(cursor) - 1), { limit = 1 })
  if not found and code ~= "expired" then
    return nil, message, code
  end
  local told = found and found[1] and found[1].cursor == cursor and notices.told(found[1])
  if told and told.id == id then
    return told
  end
  return nil, "what it tells is not there any more", "not_found"
end

--- Whose notice it is; nil: a rule's. Those of a company are sent in order.
function notices.company(told)
  local about = told.entry or told.confirmation
  return about and about.company
end

--- The next questions whose time is over by `until_time`, the earliest first.
---@return leadcat.Confirmation[]? found, string? message, string? code
---@return table[]? stored as the store has them, in the same places
function notices.next_expiring(engine, record, until_time, limit)
  local stored, message, code = engine._store:expiring(engine._tenant, record.expiring.at, record.expiring.entry,
    until_time, limit)
  local found = stored and {}
  for place, question in ipairs(stored or {}) do
    found[place], message, code = confirmation_of.record(question, engine._tenant)
    if not found[place] then
      return nil, message, code
    end
  end
  return found, message, code, stored
end

-- For people ----------------------------------------------------------------------------------------------------------

local STATE = options_of.one_of(notices.STATES)
local TEXT = options_of.of_type "string"

local function names_of(engine, wanted)
  if wanted then
    return { wanted }
  end
  local index, message, code = read_json(engine, INDEX)
  if not index and code ~= "not_found" then
    return nil, message, code
  end
  return index and index.names or {}
end

local function shown(engine, name, item, state)
  local told, message, code = notices.find(engine, item.id)
  if not told and code ~= "not_found" then
    return nil, message, code
  end
  return {
    notifier = name, id = item.id, state = state, tries = item.tries, since = item.since, error = item.error,
    due = item.due, type = told and told.type, company = told and notices.company(told),
  }
end

local function add_shown(engine, list, name, query, limit)
  local record, message, code = notices.read(engine, name)
  if not record then
    return code == "not_found" or nil, message, code
  end
  for _, state in ipairs(notices.STATES) do
    for _, item in ipairs((not query.state or query.state == state) and record[state] or {}) do
      if #list >= limit then
        return true
      end
      list[#list + 1], message, code = shown(engine, name, item, state)
      if code then
        return nil, message, code
      end
      platform.give_way()
    end
  end
  return true
end

---@class (exact) leadcat.NoticesQuery
---@field notifier? string
---@field state? "waiting"|"failed"
---@field limit? integer 1 to 1,000; default 100

--- Notices that wait or have failed, each notifier's oldest first.
---@param query? leadcat.NoticesQuery
---@return leadcat.Notice[]? list, string? message, string? code `unavailable`, `io`, `corrupt`: the store cannot be read
function notices:notices(query)
  self:_check_open()
  query = options_of.check(query, { notifier = TEXT, state = STATE, limit = options_of.limit })
  local names, message, code = names_of(self, query.notifier)
  local list = json.array {}
  for _, name in ipairs(names or {}) do
    local ok
    ok, message, code = add_shown(self, list, name, query, options_of.page(query.limit))
    if not ok then
      return nil, message, code
    end
  end
  return names and list, message, code
end

-- Splits a list into what `id` names (all, without one) and the rest.
local function split(list, id)
  local named, rest = {}, {}
  for _, item in ipairs(list) do
    local to = (not id or item.id == id) and named or rest
    to[#to + 1] = item
  end
  return named, rest
end

-- Failed ones wait again, before what waits already, so that each company's stay in order.
local function retry(record, id, now)
  local named, rest = split(record.failed, id)
  local waiting = {}
  for _, item in ipairs(named) do
    waiting[#waiting + 1] = { id = item.id, tries = 0, since = now, due = now }
  end
  local count = #waiting
  for _, item in ipairs(record.waiting) do
    if not id or item.id == id then
      item.due, count = now, count + 1
    end
    waiting[#waiting + 1] = item
  end
  record.failed, record.waiting = rest, waiting
  return count
end

local function drop(record, id)
  local failed, waiting
  failed, record.failed = split(record.failed, id)
  waiting, record.waiting = split(record.waiting, id)
  return #failed + #waiting
end

-- Changes a notifier's record, whatever a worker does with it meanwhile. Gives how many notices were changed.
local function change_one(engine, name, change, id)
  local message, code
  for _ = 1, TRIES do
    local record
    record, message, code = notices.read(engine, name)
    if not record then
      return code == "not_found" and 0 or nil, message, code
    end
    local count, done = change(record, id, engine:_now()), true
    if count > 0 then
      done, message, code = notices.write(engine, name, record)
    end
    if done then
      return count
    elseif code ~= "conflict" then
      break
    end
    core.rest(PAUSE)
  end
  return nil, message, code
end

local function change_all(engine, change, id, notifier)
  local names, message, code = names_of(engine, notifier)
  local sum = 0
  for _, name in ipairs(names or {}) do
    local count
    count, message, code = change_one(engine, name, change, id)
    if not count then
      return nil, message, code
    end
    sum = sum + count
  end
  if names and id and sum == 0 then
    return nil, ("no notice %s waits or has failed"):format(id), "not_found"
  end
  return names and sum, message, code
end

local function check(id, notifier)
  if id ~= nil and type(id) ~= "string" then
    error("id: a string expected, got " .. type(id), 3)
  elseif notifier ~= nil and type(notifier) ~= "string" then
    error("notifier: a string expected, got " .. type(notifier), 3)
  end
end

--- Has notices that have failed sent again, and those that wait tried at once.
---@param id? string default all
---@param notifier? string only of this one
---@return integer? count, string? message, string? code `not_found`: none has this id
function notices:retry_notices(id, notifier)
  self:_check_open()
  check(id, notifier)
  return change_all(self, retry, id, notifier)
end

--- Gives notices up that wait or have failed: they are never sent.
---@param id? string default all
---@param notifier? string only of this one
---@return integer? count, string? message, string? code `not_found`: none has this id
function notices:drop_notices(id, notifier)
  self:_check_open()
  check(id, notifier)
  return change_all(self, drop, id, notifier)
end

return notices
