--- In nginx, two writers a worker take the events that have come while a statement was under way, and handle them together: so
-- what is slow gets more to do at a time, not more at once. No timer paces them: the end of one statement begins the next.
--
-- A company is in one statement at a time, so that two of ours never overtake each other, and its events keep their order.
-- Each caller waits for its own outcome. Nothing is sent twice: what was under way when its time was over is unknown.

local event_of = require "leadcat.events.event"
local platform = require "leadcat.util.platform"
local protected = require "leadcat.util.protected"

local writers = {}

--- Events that may wait, unless `leadcat.open` says otherwise.
writers.QUEUE = 1000
--- Seconds for which a caller waits.
writers.PATIENCE = 10

local AT_WORK = 2
local MOST = 256 -- events in a statement
local STATEMENTS = 100 -- of a writer, before another one takes over: nginx frees a timer's memory when it ends

---@class leadcat.sql.Request a call of `handle`
---@field key any those with the same may go together; nil: alone
---@field companies string[] with their tenant
---@field events leadcat.Event[]
---@field results table
---@field how any as `handle` takes it
---@field done table semaphore
---@field state "waits"|"under way"|"over"
---@field answer? table what `handle` returns, or {false, raised}

---@class leadcat.sql.Writers
---@field most integer events that may wait
---@field waiting integer events that wait
---@field statements integer how often events were handled together or alone
---@field events integer that were
---@field refused integer events for which there was no room, or that were not sent in time
local Writers = {}
Writers.__index = Writers

-- Which go together ----------------------------------------------------------------------------------------------------

local UNLIKE = { cursor = true, overlay = true, digest = true, foresee = true }

-- Whether a call waits here: it writes, and moves nothing but its events.
local function may_wait(how)
  for name in pairs(UNLIKE) do
    if how[name] then
      return false
    end
  end
  return how.write and platform.can_share()
end

-- The same for calls whose options are the same. What is looked at first, and where a user has chosen, is by itself: there the
-- core writes nothing before all is known.
local function key_of(tenant, events, how, options)
  if #events ~= 1 or rawget(events[1], "choice") ~= nil then
    return nil
  elseif how ~= options then -- prepared
    return tenant .. "\0" .. tostring(how)
  end
  local names, parts = {}, {}
  for name in pairs(options) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = options[name]
    if name == "beside" then
      value = value.names or true
    end
    parts[i] = name .. "=" .. tostring(value)
  end
  return tenant .. "\0" .. table.concat(parts, " ")
end

-- The companies; nil where one is none, which the core finds.
local function companies_of(tenant, events)
  local companies = {}
  for i, event in ipairs(events) do
    local company = type(event) == "table" and event_of.key(rawget(event, "company"))
    if not company then
      return nil
    end
    companies[i] = tenant .. "\0" .. company
  end
  return companies
end

-- Working --------------------------------------------------------------------------------------------------------------

local function any_of(set, companies)
  for _, company in ipairs(companies) do
    if set[company] then
      return true
    end
  end
  return false
end

local function mark(set, companies, value)
  for _, company in ipairs(companies) do
    set[company] = value
  end
end

-- The requests that are to be handled next. Whoever is behind one of its company that stays stays, too.
local function take(self)
  local batch, count, kept, behind, first = {}, 0, {}, {}, nil
  for _, request in ipairs(self.queue) do
    local fits = not first or first.key ~= nil and request.key == first.key and count < MOST
    if fits and not any_of(self.busy, request.companies) and not any_of(behind, request.companies) then
      first = first or request
      batch[#batch + 1], count = request, count + #request.events
    else
      kept[#kept + 1] = request
    end
    mark(behind, request.companies, true)
  end
  self.queue, self.waiting = kept, self.waiting - count
  for _, request in ipairs(batch) do
    request.state = "under way"
    mark(self.busy, request.companies, true)
  end
  return first and batch, count
end

-- What single events have come to in a common call is each one's own.
local function share_out(self, batch, results, answer)
  for i, request in ipairs(batch) do
    local before = request.results[1]
    if request.state == "under way" then
      request.results[1] = results[i]
    end
    request.answer = answer
    if answer[1] and answer[2] then
      request.answer = { true, self.count_left(request.events, { results[i] }, { before }, request.options) }
    end
  end
end

local function run(self, request, events, results)
  return { protected.call(self.handle, self.store, request.tenant, events, results, request.now, request.how) }
end

local function write_alone(self, request)
  local results = {}
  for i in ipairs(request.events) do
    results[i] = request.results[i]
  end
  request.answer = run(self, request, request.events, results)
  for i in ipairs(request.state == "under way" and request.events or {}) do
    request.results[i] = results[i]
  end
end

local function write(self, batch)
  if #batch == 1 then
    return write_alone(self, batch[1])
  end
  local events, results = {}, {}
  for i, request in ipairs(batch) do
    events[i], results[i] = request.events[1], request.results[1]
  end
  local answer = run(self, batch[1], events, results)
  if answer[1] and answer[2] ~= false then
    return share_out(self, batch, results, answer)
  end
  for _, request in ipairs(batch) do -- one of them is no event: nothing was done
    write_alone(self, request)
  end
end

local wake

local function work(self)
  local count = 0
  repeat
    local batch, events = take(self)
    if batch then
      self.statements, self.events, count = self.statements + 1, self.events + events, count + 1
      wake(self) -- for those that do not fit
      write(self, batch)
      for _, request in ipairs(batch) do
        mark(self.busy, request.companies, nil)
        request.state = "over"
        request.done:post()
      end
    end
  until not batch or count == STATEMENTS
  self.at_work = self.at_work - 1
  wake(self)
end

-- Begins a writer, where one is wanted. Whether any is at work.
function wake(self)
  local next = self.queue[1]
  if next and self.at_work < AT_WORK and not any_of(self.busy, next.companies) then
    self.at_work = self.at_work + 1
    if not platform.later(0, function() work(self) end) then
      self.at_work = self.at_work - 1
    end
  end
  return self.at_work > 0
end

-- Waiting --------------------------------------------------------------------------------------------------------------

local function leave(self, request)
  for i, other in ipairs(self.queue) do
    if other == request then
      table.remove(self.queue, i)
      self.waiting = self.waiting - #request.events
    end
  end
end

local function give_up(self, request)
  local was_sent = request.state == "under way"
  request.state = "over"
  if was_sent then
    return nil, ("the database has not answered within %g s: nobody knows whether this was written"):format(
      self.patience), "unavailable"
  end
  leave(self, request)
  self.refused = self.refused + #request.events
  return nil, ("the database was busy for %g s with what came before: nothing was written"):format(self.patience),
    "unavailable"
end

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

--- As `store:handle`, which has checked the arguments.
---@param options table of `how`, also where that is prepared
function Writers:run(tenant, events, results, now, how, options)
  local companies = may_wait(options) and companies_of(tenant, events)
  if not companies or #companies == 0 then
    return self.handle(self.store, tenant, events, results, now, how)
  elseif self.waiting > 0 and self.waiting + #events > self.most then
    self.refused = self.refused + #events
    return nil, ("%d events wait for the database already, as many as may (`queue`): nothing was written"):format(
      self.waiting), "unavailable"
  end
  local request = {
    key = key_of(tenant, events, how, options), companies = companies, tenant = tenant, events = events,
    results = results, now = now, how = how, options = options, done = platform.semaphore.new(), state = "waits",
  }
  self.queue[#self.queue + 1], self.waiting = request, self.waiting + #events
  if not wake(self) then -- nginx ends, or has no timer left
    leave(self, request)
    return self.handle(self.store, tenant, events, results, now, how)
  elseif not request.done:wait(self.patience) then
    return give_up(self, request)
  elseif not request.answer[1] then
    error(request.answer[2], 0)
  end
  return unpack(request.answer, 2, 4)
end

--- For whoever looks after the store.
function Writers:state()
  return {
    waiting = self.waiting, most = self.most, statements = self.statements, events = self.events,
    refused = self.refused,
  }
end

---@param store leadcat.sql.Store
---@param handle function `store:handle`, at once
---@param count_left fun(events: table, results: table, before: table, how: table): integer
---@param most? integer
---@return leadcat.sql.Writers
function writers.new(store, handle, count_left, most)
  return setmetatable({
    store = store, handle = handle, count_left = count_left, most = most or writers.QUEUE, patience = writers.PATIENCE,
    queue = {}, busy = {}, waiting = 0, at_work = 0, statements = 0, events = 0, refused = 0,
  }, Writers)
end

return writers
