--- What webhooks have left: stored before the sender is told that it has come, tried until it is handled, and visible.
-- Methods of the engine, and what `leadcat.source.webhook` needs.

local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"

---@class leadcat.engine.deliveries: leadcat.Engine the engine's methods that stand here
local deliveries = {}

--- Bytes of a body.
deliveries.MOST_BYTES = 256 * 1024

local MOST_WAITING = 10000 -- of a tenant; more are refused, so that the sender keeps them
local TRIES = 8
local FIRST_PAUSE, LONGEST_PAUSE = 30, 8 * 3600 -- seconds until the next try: 30 s, 2 min, 8 min ... 19 hours in all
local LONGEST_PROBLEM = 1000 -- bytes

deliveries.STATES = { "waiting", "done", "failed", "dropped" }

---@class leadcat.Delivery
---@field id integer
---@field hook string the name of the webhook
---@field state "waiting"|"done"|"failed"|"dropped"
---@field received number seconds since 1970
---@field attempts integer how often it was tried
---@field due? number while it waits: when it is tried next, or taken over from a process that was killed
---@field sender_id? string what identifies it: the sender's id, or a digest of its body
---@field problem? string why it waits again, has failed, or what came of it
---@field headers? table<string, string> of one that was asked for by its id
---@field body? string likewise, until it is done or dropped

-- For the source ------------------------------------------------------------------------------------------------------

--- Stores a delivery, unless there is one with its key.
---@return true? done, boolean|string? is_new or the message, string? code
function deliveries.put(engine, item)
  engine:_check_open()
  local id, is_new, code = engine._store:put_delivery(engine._tenant, item, engine:_now(), MOST_WAITING)
  if not id then
    return nil, is_new, code
  end
  return true, is_new
end

--- Takes deliveries that are due, for some seconds.
---@return leadcat.Delivery[]? taken, string? message, string? code
function deliveries.take(engine, hook, seconds, limit)
  engine:_check_open()
  return engine._store:take_deliveries(engine._tenant, hook, engine:_now(), seconds, limit)
end

local function cut(text)
  return text and (text:sub(1, LONGEST_PROBLEM)) or nil
end

local function item_of(engine, delivery, ending)
  local item = { id = delivery.id, attempts = delivery.attempts, problem = cut(ending.message) }
  if ending.done then
    item.state = "done"
  elseif ending.for_good or delivery.attempts >= TRIES then
    item.state = "failed"
  else
    item.state = "waiting"
    item.due = engine:_now() + math.min(FIRST_PAUSE * 4 ^ (delivery.attempts - 1), LONGEST_PAUSE)
  end
  return item
end

--- Writes down how the deliveries that were taken have ended.
---@param endings {done?: boolean, message?: string, for_good?: boolean}[] in the order of `taken`
---@return {handled: integer, parked: integer, problems: integer, error?: string}? counts, string? message, string? code
function deliveries.finish(engine, taken, endings)
  local items, counts = {}, { handled = 0, parked = 0, problems = 0 }
  for place, delivery in ipairs(taken) do
    items[place] = item_of(engine, delivery, endings[place])
  end
  if #items > 0 then
    local ok, message, code = engine._store:end_deliveries(engine._tenant, items)
    if not ok then
      return nil, message, code
    end
  end
  local names = { done = "handled", waiting = "parked", failed = "problems" }
  for _, item in ipairs(items) do
    local name = names[item.state]
    counts[name] = counts[name] + (item.lost and 0 or 1)
    if item.state ~= "done" and not item.lost then
      counts.error = counts.error or ("delivery %d: %s"):format(item.id, item.problem or "it failed")
    end
  end
  return counts
end

-- For people ----------------------------------------------------------------------------------------------------------

local QUERY = {
  state = options_of.one_of(deliveries.STATES), hook = options_of.of_type "string", limit = options_of.limit,
  after = options_of.whole(1, 2 ^ 53),
}

---@class (exact) leadcat.DeliveriesQuery
---@field state? "waiting"|"done"|"failed"|"dropped"
---@field hook? string the name of the webhook
---@field limit? integer 1 to 1,000; default 100
---@field after? integer the id of a delivery: older ones

--- What webhooks have left, newest first, without headers and bodies.
---@param query? leadcat.DeliveriesQuery
---@return leadcat.Delivery[]? list, string? message, string? code `unavailable`, `io`, `corrupt`: the store cannot be read
function deliveries:deliveries(query)
  self:_check_open()
  query = options_of.check(query, QUERY)
  local list, message, code = self._store:deliveries(self._tenant, {
    state = query.state, hook = query.hook, after = query.after, limit = options_of.page(query.limit),
  })
  for _, delivery in ipairs(list or {}) do
    delivery.about = nil
  end
  return list, message, code
end

--- One delivery, whole.
---@param id integer of the delivery
---@return leadcat.Delivery? delivery, string? message, string? code `not_found`
function deliveries:delivery(id)
  self:_check_open()
  event_of.check_entry(id)
  local delivery, message, code = self._store:delivery(self._tenant, id)
  if not delivery then
    return nil, code == "not_found" and ("there is no delivery %d"):format(id) or message, code
  end
  delivery.headers, delivery.about = delivery.about and json.decode(delivery.about) or nil, nil
  return delivery
end

-- Ends a delivery as somebody wants it.
local function set(self, id, item, wanted)
  local delivery, message, code = self:delivery(id)
  if not delivery then
    return nil, message, code
  end
  local ok
  ok, message, code = self._store:end_deliveries(self._tenant, { item })
  if not ok then
    return nil, message, code
  elseif item.lost then
    return nil, ("delivery %d is %s, not %s"):format(id, delivery.state, wanted), "invalid"
  end
  return self:delivery(id)
end

--- Has a failed delivery tried again, as if it had just come.
---@param id integer of the delivery
---@return leadcat.Delivery? delivery, string? message, string? code `not_found`; `invalid`: it has not failed
function deliveries:retry_delivery(id)
  self:_check_open()
  event_of.check_entry(id)
  return set(self, id, { id = id, state = "waiting", of_failed = true, due = self:_now() }, "failed")
end

--- Gives a delivery up that waits or has failed. Its body is removed; its id stays, so that it is not taken again.
---@param id integer of the delivery
---@return leadcat.Delivery? delivery, string? message, string? code `not_found`; `invalid`: it is done, or dropped already
function deliveries:drop_delivery(id)
  self:_check_open()
  event_of.check_entry(id)
  return set(self, id, { id = id, state = "dropped" }, "waiting or failed")
end

-- Forgetting ----------------------------------------------------------------------------------------------------------

local PAGE = 100

-- Whether a value stands in JSON as somebody's id or name: in a field whose name ends in id, or as a whole text.
local function names_person(value, words)
  for name, field in pairs(value) do
    local is_id = type(name) == "string" and name:lower():find "id$" ~= nil
    if type(field) == "table" then
      if names_person(field, words) then
        return true
      end
    elseif type(field) == "string" and words[field] or is_id and words[event_of.key(field) or false] then
      return true
    end
  end
  return false
end

local function is_about(delivery, words)
  local body = delivery.body or ""
  local value = json.decode_foreign(body)
  if value then
    return names_person(value, words)
  end
  for word in pairs(words) do
    if body:find(word, 1, true) then
      return true
    end
  end
  return false
end

-- Calls `fn` with each page of the ids of deliveries in that state that are about the person. nil, message, code.
local function each_page(engine, state, words, fn)
  local after, list, message, code
  repeat
    list, message, code = engine._store:deliveries(engine._tenant, { state = state, after = after, limit = PAGE })
    local ids = {}
    for _, found in ipairs(list or {}) do
      local delivery = engine._store:delivery(engine._tenant, found.id)
      ids[#ids + 1] = delivery and is_about(delivery, words) and found.id or nil
      after = found.id
    end
    local ok = list
    if ok and #ids > 0 then
      ok, message, code = fn(ids)
    end
    if not ok then
      return nil, message, code
    end
    platform.give_way()
  until #list < PAGE
  return true
end

--- Erases what failed deliveries have of a person. Those that wait have to be handled first.
---@param names string[] ids and names
---@return integer? erased, string|boolean|nil some_wait or the message, string? code
function deliveries.forget(engine, names)
  local words, erased, some_wait = {}, 0, false
  for _, name in ipairs(names) do
    words[name] = true
  end
  local ok, message, code = each_page(engine, "waiting", words, function()
    some_wait = true
    return true
  end)
  if ok then
    ok, message, code = each_page(engine, "failed", words, function(ids)
      local items = {}
      for place, id in ipairs(ids) do
        items[place] = { id = id, state = "failed", of_failed = true, erases = true,
          problem = "its body named a person who was forgotten" }
      end
      erased = erased + #items
      return engine._store:end_deliveries(engine._tenant, items)
    end)
  end
  if not ok then
    return nil, message, code
  end
  return erased, some_wait
end

return deliveries
