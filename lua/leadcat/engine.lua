--- START HERE. An event comes in at `Engine:handle`: it is decided (`prepare`), written down (`write`), and, where the
-- host keeps the company, made to happen (`apply.lua`). Everything else hangs off these three.

local apply = require "leadcat.apply"
local config = require "leadcat.config"
local confirmation = require "leadcat.confirmation"
local event_of = require "leadcat.event"
local explain = require "leadcat.explain"
local json = require "leadcat.json"
local journal = require "leadcat.journal"
local settings = require "leadcat.settings"
local simulate = require "leadcat.simulate"

---@class leadcat.Host
---@field category fun(company: string|integer, tenant: string): integer?, string? the current category; nil, message when it cannot be read
---@field set_category fun(company: string|integer, to: integer, from: integer, outcome: leadcat.Outcome, tenant: string): true?, string? compare-and-set; nil, "conflict" when the category is no longer `from`; nil, message when it failed
---@field can? fun(actor: leadcat.Actor, permission: string, subject: any, tenant: string): boolean
---@field licensed? fun(tenant: string): boolean

---@class leadcat.Engine
---@field host leadcat.Host the host in use
---@field language string? of names in reports
---@field config fun(self: leadcat.Engine, revision?: integer): leadcat.Config?, string?, string?
---@field check fun(self: leadcat.Engine, cfg: any): leadcat.Problem[]
---@field save fun(self: leadcat.Engine, cfg: leadcat.Config, options?: table): integer?, string?, string?, leadcat.Problem[]?
---@field revisions fun(self: leadcat.Engine): leadcat.Revision[]?, string?, string?
---@field revert fun(self: leadcat.Engine, revision: integer, options?: table): integer?, string?, string?
---@field recover fun(self: leadcat.Engine): table?, string?, string?
local Engine = {}
Engine.__index = Engine

Engine.config, Engine.check, Engine.save = settings.config, settings.check, settings.save
Engine.revisions, Engine.revert = settings.revisions, settings.revert
Engine.recover = apply.recover

local HOOKS = { "guard", "updated", "awaiting_confirmation", "unchanged", "failed" }
local MAX_TENANT = 64
local HISTORY_LIMIT, MAX_HISTORY = 100, 1000

-- An engine and what it needs -----------------------------------------------------------------------------------------

---@class leadcat.Shared what an engine and its other tenants have in common
---@field store table
---@field host leadcat.Host as given to `leadcat.open`
---@field clock fun(): number
---@field language? string
---@field confirmation_ttl number seconds
---@field hooks table<string, function[]>
---@field tenants table<string, leadcat.Engine>
---@field in_flight table

-- An engine for one tenant.
---@param shared leadcat.Shared
---@param tenant string
---@return leadcat.Engine
local function new(shared, tenant)
  local self = setmetatable({
    host = shared.host.bind and shared.host.bind(shared.store, tenant) or shared.host,
    language = shared.language,
    _shared = shared,
    _store = shared.store,
    _tenant = tenant,
    _hooks = shared.hooks,
    _in_flight = shared.in_flight,
    _counters = {},
    _hook_errors = 0,
  }, Engine)
  self._decide, self._evaluate = shared.store:deciders(tenant)
  shared.tenants[tenant] = self
  return self
end

--- Makes the engine of `leadcat.open`, which has checked the options.
---@param shared leadcat.Shared without hooks, tenants, in_flight
---@param tenant string
---@return leadcat.Engine
function Engine.new(shared, tenant)
  shared.hooks, shared.in_flight = {}, {}
  shared.tenants = setmetatable({}, { __mode = "v" })
  for _, name in ipairs(HOOKS) do
    shared.hooks[name] = {}
  end
  return new(shared, tenant)
end

--- The same engine for another tenant: own config, confirmations, journal; shared host, hooks and store.
---@param name string 0 to 64 bytes
---@return leadcat.Engine
function Engine:tenant(name)
  self:_check_open()
  if type(name) ~= "string" or #name > MAX_TENANT then
    error(("tenant: a string of at most %d bytes expected"):format(MAX_TENANT), 2)
  end
  return self._shared.tenants[name] or new(self._shared, name)
end

--- Closes the store, for all its tenants. Closing again does nothing; any other call on a closed engine raises.
function Engine:close()
  self._shared.closed = true
  self._store:close()
end

-- Lua 5.4: `local engine <close> = ...`. Without it the store is closed when it is collected.
Engine.__close = Engine.close

function Engine:_check_open()
  if self._shared.closed then
    error("the engine is closed", 3)
  end
end

function Engine:_now()
  return self._shared.clock()
end

-- The newest revision of the config.
---@return integer? revision
---@return string? message
---@return string? code
function Engine:_revision()
  local action, message, code, revision = self._evaluate("sale_won")
  if action then
    return revision
  end
  return nil, message, code
end

-- Whether the actor may. No actor is the program itself, which may do everything.
function Engine:_can(actor, permission, subject)
  if actor == nil then
    return true
  elseif self.host.can then
    return self.host.can(actor, permission, subject, self._tenant) and true or false
  end
  return actor.admin == true
end

-- Deciding ------------------------------------------------------------------------------------------------------------

--- Decides, without I/O. The answer is that of the newest saved config, whichever process saved it.
---@param trigger string
---@param category? integer the company's category now
---@param lead_status? integer for `lead_status_set`
---@return "update"|"confirm"|"none"|nil action nil when the config cannot be read
---@return integer|string|nil to the target when matched (or the message)
---@return string reason (or the code)
function Engine:decide(trigger, category, lead_status)
  return self._decide(trigger, category, lead_status)
end

--- `decide` as a function, for hot paths: it takes the same arguments and gives the same results, at no more than the
-- cost of a C call. It raises once the engine is closed.
---@return fun(trigger: string, category?: integer, lead_status?: integer): string, integer?, string
function Engine:decider()
  self:_check_open()
  return self._decide
end

local function check_event(event)
  if type(event) ~= "table" then
    error("event: a table expected, got " .. type(event), 3)
  end
end

--- The decision about an event, check by check.
---@param event leadcat.Event
---@return table? decision {action, to, reason, rule, revision, checks = {{name, pass, ...}, ...}}
---@return string? message
---@return string? code
function Engine:explain(event)
  self:_check_open()
  check_event(event)
  local problem = event_of.problem(event)
  if problem then
    return nil, problem, "invalid"
  end
  local licensed, message, code = self:_licensed()
  if code then
    return nil, message, code
  end
  local category
  category, message, code = self:_category(event)
  if code then
    return nil, message, code
  end
  local action, to, reason, revision = self._evaluate(event.trigger, category, event.lead_status)
  if not action then
    return nil, to, reason
  end
  local cfg
  cfg, message, code = self:config(revision)
  if not cfg then
    return nil, message, code
  end
  return explain.decision(cfg, {
    event = event, category = category, action = action, to = to, reason = reason, licensed = licensed,
  })
end

-- Whether the host licenses the tenant; nil where it does not license at all.
---@return boolean? licensed
---@return string? message
---@return string? code set when the host could not say
function Engine:_licensed()
  if not self.host.licensed then
    return nil
  end
  local ok, licensed = pcall(self.host.licensed, self._tenant)
  if not ok then
    return nil, "host.licensed raised: " .. tostring(licensed), "unavailable"
  end
  return licensed and true or false
end

-- The company's category: the event's, else what an earlier event of the same batch makes of it, else the host's.
---@return integer? category
---@return string? message
---@return string? code set when the host could not say
function Engine:_category(event, pending)
  if event.category ~= nil then
    return json.integer(event.category)
  elseif pending ~= nil then
    return pending
  end
  local ok, category, code = apply.category(self, event.company)
  if ok then
    return category
  end
  return nil, category, code
end

-- Handling: prepare ---------------------------------------------------------------------------------------------------

local function unchanged(reason, category, revision, item)
  return {
    status = "unchanged",
    action = "none",
    reason = reason,
    from = category,
    rule = item and config.rule_key(item.trigger, item.lead_status),
    revision = revision,
  }
end

local function duplicate(first)
  local outcome = {}
  for name, value in pairs(first) do
    outcome[name] = value
  end
  outcome.status, outcome.first = "duplicate", first
  return outcome
end

-- Whether nobody knows yet what will come of an entry.
local function is_under_way(entry)
  return entry and entry.status == "applying" and not entry.error
end

-- The outcome of the event's first delivery, if it was written down.
local function find_duplicate(self, key)
  local entry, message, code = self._store:seen(self._tenant, key)
  if is_under_way(entry) then -- its outcome is worth waiting for
    local _, why, failure = apply.settle(self, event_of.key(entry.company))
    entry, message, code = self._store:seen(self._tenant, key)
    if is_under_way(entry) then
      return nil, why, failure
    end
  end
  if entry then
    return duplicate(journal.outcome(entry))
  elseif code == "not_found" then
    return nil
  end
  return nil, message, code
end

-- Whether a category can be a target: a guard or a user has chosen it.
local function check_target(cfg, id, who)
  local category = config.find(cfg.categories, id)
  if not category then
    return ("%s chose category %s, which does not exist"):format(who, tostring(id))
  elseif category.deleted then
    return ("%s chose category %d, which is deleted"):format(who, id)
  end
end

-- Lets the guards see what is about to happen: each may veto it or change its target.
---@return leadcat.Outcome? vetoed
---@return string? message
---@return string? code
local function ask_guards(self, event, item)
  for _, guard in ipairs(self._hooks.guard) do
    local decision = {
      action = item.action, to = item.to, reason = "matched", rule = config.rule_key(item.trigger, item.lead_status),
      from = item.from, revision = item.revision,
    }
    local ok, verdict, why = pcall(guard, event, decision)
    if not ok then
      return nil, ("a guard raised: %s"):format(tostring(verdict)), "unavailable"
    elseif verdict == false then
      local outcome = unchanged("vetoed", item.from, item.revision, item)
      outcome.error = why
      return outcome
    elseif verdict ~= nil then
      local cfg, message, code = self:config(item.revision)
      if not cfg then
        return nil, message, code
      end
      local problem = check_target(cfg, verdict, "a guard")
      if problem then
        return nil, problem, "invalid"
      end
      item.to = json.integer(verdict)
    end
  end
  if item.to == item.from then
    return unchanged("already_in_category", item.from, item.revision, item)
  end
end

-- How the item is to be written: as asked, as chosen by the user, as the host's to change, or as changed here.
---@return true? ok
---@return string? message
---@return string? code
local function settle_status(self, event, item)
  local choice = event.choice
  if choice == nil and item.action == "update" then
    item.status = self.host.embedded and "updated" or "applying"
    return true
  end
  if choice == false or choice == item.from then
    item.status = "declined"
    return true
  end
  local cfg, message, code = self:config(item.revision)
  if not cfg then
    return nil, message, code
  end
  if choice == nil then
    item.status = "awaiting_confirmation"
    item.question, message, code = confirmation.ask(item, event, cfg, self:_now(), self._shared.confirmation_ttl)
    return item.question and true, message, code
  end
  local problem = check_target(cfg, choice, "the user")
  if problem then
    return nil, problem, "invalid"
  end
  item.to, item.status = json.integer(choice), self.host.embedded and "updated" or "applying"
  return true
end

-- By what the store is to tell that the company has changed while its event was being decided: read before the category.
---@return "given"|"company"|"newest"|nil basis
---@return integer|string|nil newest the company's newest entry, for "newest" (or the message)
---@return string? code
local function basis_of(self, event)
  if event.category ~= nil then
    return "given"
  elseif self.host.embedded then
    return "company"
  end
  local newest, message, code = self._store:newest(self._tenant, event_of.key(event.company))
  if newest then
    return "newest", newest
  end
  return nil, message, code
end

-- What to write down for an event that matched.
---@return table? item
---@return string? message
---@return string? code
local function new_item(self, event, category, decided)
  local ok, details = pcall(journal.details, event)
  if not ok then
    return nil, "the event's actor, sale or contact cannot be kept: " .. details, "invalid"
  end
  return {
    at = event.at or self:_now(),
    trigger = event.trigger,
    lead_status = event.trigger == "lead_status_set" and event.lead_status or nil,
    action = decided.action,
    from = category,
    to = decided.to,
    revision = decided.revision,
    company = event_of.key(event.company),
    company_is_integer = type(event.company) == "number",
    event_id = event.id and event_of.key(event.id),
    details = details,
  }
end

-- Steps 1 to 5 of an event: seen before? where does the company stand? decide; ask the guards.
---@param pending? integer where an earlier event of the same batch leaves the company
---@return table? job {event, company, item, attempts} to be written down; nil when there is nothing to write, then
---@return leadcat.Outcome|string|nil outcome what the event came to (or the message)
---@return string? code
local function prepare(self, event, pending)
  local outcome, message, code
  if event.id ~= nil then
    outcome, message, code = find_duplicate(self, event_of.key(event.id))
    if outcome or code then
      return nil, outcome or message, code
    end
  end
  local licensed
  licensed, message, code = self:_licensed()
  if code then
    return nil, message, code
  elseif licensed == false then
    return nil, unchanged("not_licensed")
  end
  local basis, newest, failure = basis_of(self, event)
  if not basis then
    return nil, newest, failure
  end
  local category
  category, message, code = self:_category(event, pending)
  if code then
    return nil, message, code
  end
  local action, to, reason, revision = self._evaluate(event.trigger, category, event.lead_status)
  if not action then
    return nil, to, reason
  elseif action == "none" then
    return nil, unchanged(reason, category, revision, reason == "already_in_category" and event or nil)
  end
  local item
  item, message, code = new_item(self, event, category, { action = action, to = to, revision = revision })
  if not item then
    return nil, message, code
  end
  item.basis, item.newest = basis, newest
  outcome, message, code = ask_guards(self, event, item)
  if outcome or code then
    return nil, outcome or message, code
  end
  local ok
  ok, message, code = settle_status(self, event, item)
  if not ok then
    return nil, message, code
  end
  return { event = event, company = event.company, item = item, attempts = 0 }
end

-- Handling: write and apply -------------------------------------------------------------------------------------------

local function items_of(jobs)
  local items = {}
  for i, job in ipairs(jobs) do
    items[i] = job.item
  end
  return items
end

-- Steps 6 and 7: writes the jobs down in one transaction, and has the host make its changes. `outcomes[i]` stays nil
-- for a job that was not written, because its company is busy or has changed since the event was decided.
---@return table<integer, leadcat.Outcome>? outcomes by the jobs' index
---@return string? message
---@return string? code
local function write(self, jobs)
  local now = self:_now()
  local ok, message, code = self._store:write(self._tenant, items_of(jobs), now, now + apply.CLAIM_SECONDS + #jobs)
  if not ok then
    return nil, message, code
  end
  local outcomes, applying, places = {}, {}, {}
  for i, job in ipairs(jobs) do
    local item = job.item
    if item.result == "duplicate" then
      outcomes[i], message, code = find_duplicate(self, item.event_id)
      if code then
        return nil, message, code
      end
    elseif item.result == "written" and item.status == "applying" then
      applying[#applying + 1], places[#places + 1] = job, i
    elseif item.result == "written" then
      outcomes[i] = journal.outcome(item)
    end
  end
  if #applying > 0 then
    local applied
    applied, message, code = apply.run(self, applying)
    if not applied then
      return nil, message, code
    end
    for k, i in ipairs(places) do
      outcomes[i] = applied[k]
    end
  end
  return outcomes
end

-- Handles one event to its end: it is decided anew as often as its company is busy or changes meanwhile.
local function handle_one(self, event)
  while true do
    local job, outcome, code = prepare(self, event)
    if not job then
      if code then
        return nil, outcome, code
      end
      return outcome
    end
    local outcomes, message
    outcomes, message, code = write(self, { job })
    if not outcomes then
      return nil, message, code
    elseif outcomes[1] then
      return outcomes[1]
    end
    local ok
    ok, message, code = apply.settle(self, job.item.company)
    if not ok then
      return nil, message, code
    end
  end
end

-- Counts the outcome and tells those who listen. What a listener raises is counted and goes no further: the event is
-- handled.
function Engine:_report(event, outcome)
  local by_status = self._counters[event.trigger] or {}
  local by_reason = by_status[outcome.status] or {}
  self._counters[event.trigger], by_status[outcome.status] = by_status, by_reason
  by_reason[outcome.reason] = (by_reason[outcome.reason] or 0) + 1
  for _, listener in ipairs(self._hooks[outcome.status] or {}) do
    local ok, message = pcall(listener, event, outcome)
    if not ok then
      self._hook_errors, self._hook_error = self._hook_errors + 1, tostring(message)
    end
  end
end

--- Handles an event: the company's category is updated, or the user is going to be asked, or nothing is to be done.
-- Once it returns an outcome the event is safe on disk, or there was nothing to write.
---@param event leadcat.Event
---@return leadcat.Outcome? outcome
---@return string? message the event was not taken: deliver it again later, or mend it
---@return string? code `invalid`, `unavailable`, `full`, `io`, `corrupt`, `forked`
function Engine:handle(event)
  self:_check_open()
  check_event(event)
  local problem = event_of.problem(event)
  if problem then
    return nil, problem, "invalid"
  end
  local outcome, message, code = handle_one(self, event)
  if not outcome then
    return nil, message, code
  end
  self:_report(event, outcome)
  return outcome
end

-- Handling many -------------------------------------------------------------------------------------------------------

-- Events that are decided one after the other and written together.
---@class leadcat.Batch
---@field first integer the place of its first event
---@field jobs table[] to be written
---@field places integer[] of the jobs' events
---@field category table<string, integer|false> where a company will stand; false when its host has to be asked first
---@field by_id table<string, integer> the place of the first event with this id
local function new_batch(first)
  return { first = first, jobs = {}, places = {}, category = {}, by_id = {} }
end

-- Where the company will stand once the job is written; nil when that has to be asked. What an event says about where
-- it stands now may be wrong: then the job is going to be a conflict.
---@param pending? integer as for `prepare`
local function category_after(self, job, pending)
  local item = job.item
  if job.event.category ~= nil and self:_category({ company = job.company }, pending) ~= item.from then
    return pending
  end
  return item.to
end

-- Adds the event at `place` to the batch, or decides that there is nothing to write.
local function add(self, batch, outcomes, event, place)
  local id = event.id ~= nil and event_of.key(event.id)
  if id and batch.by_id[id] then
    outcomes[place] = batch.by_id[id] -- the place of its first delivery, until that is written
    return true
  end
  local key = event_of.key(event.company)
  local job, outcome, code = prepare(self, event, batch.category[key])
  if job then
    batch.jobs[#batch.jobs + 1], batch.places[#batch.places + 1] = job, place
    local item = job.item
    if item.status == "updated" then
      batch.category[key] = category_after(self, job, batch.category[key])
    elseif not self.host.embedded then
      batch.category[key] = false
    end
    if id then
      batch.by_id[id] = place
    end
    return true
  elseif code then
    return nil, outcome, code
  end
  outcomes[place] = outcome
  return true
end

-- Writes the batch, then handles one by one what could not be written with it.
local function flush(self, batch, events, outcomes)
  if #batch.jobs == 0 then
    return true
  end
  local written, message, code = write(self, batch.jobs)
  if not written then
    return nil, message, code
  end
  for k, place in ipairs(batch.places) do
    local outcome = written[k]
    if not outcome then
      outcome, message, code = handle_one(self, events[place])
      if not outcome then
        return nil, message, code
      end
    end
    outcomes[place] = outcome
  end
  return true
end

-- Ends the batch with the event at `last`: writes it, and reports each of its outcomes.
local function finish(self, batch, events, outcomes, last)
  local ok, message, code = flush(self, batch, events, outcomes)
  if not ok then
    return nil, message, code
  end
  for place = batch.first, last do
    if type(outcomes[place]) == "number" then
      outcomes[place] = duplicate(outcomes[outcomes[place]])
    end
    self:_report(events[place], outcomes[place])
  end
  return true
end

local function check_events(events)
  if type(events) ~= "table" then
    error("events: an array expected, got " .. type(events), 3)
  end
  for i, event in ipairs(events) do
    local problem = event_of.problem(event)
    if problem then
      return ("events[%d]: %s"):format(i, problem)
    end
  end
end

--- Handles many events, in order, committed together: in one transaction with the embedded host, in two a batch with
-- another, where a batch ends before a company repeats. After a failure nothing of the batch at hand is written; the
-- batches before it are: events with ids can all be delivered again.
---@param events leadcat.Event[]
---@return leadcat.Outcome[]? outcomes
---@return string? message
---@return string? code as `handle`
function Engine:handle_many(events)
  self:_check_open()
  local problem = check_events(events)
  if problem then
    return nil, problem, "invalid"
  end
  local outcomes, batch = {}, new_batch(1)
  for i, event in ipairs(events) do
    local ok, message, code = true, nil, nil
    if batch.category[event_of.key(event.company)] == false then
      ok, message, code = finish(self, batch, events, outcomes, i - 1)
      batch = new_batch(i)
    end
    if ok then
      ok, message, code = add(self, batch, outcomes, event, i)
    end
    if not ok then
      return nil, message, code
    end
  end
  local ok, message, code = finish(self, batch, events, outcomes, #events)
  if not ok then
    return nil, message, code
  end
  return outcomes
end

-- Looking back --------------------------------------------------------------------------------------------------------

local HISTORY = { company = true, since = "number", limit = "number", after = "number" }

local function check_history(query)
  for name, value in pairs(query) do
    local expected = HISTORY[name]
    if not expected then
      error(("unknown option '%s' (there are company, since, limit, after)"):format(tostring(name)), 3)
    elseif expected ~= true and type(value) ~= expected then
      error(("%s: a %s expected, got %s"):format(name, expected, type(value)), 3)
    end
  end
end

--- The journal, newest first.
---@param query? {company?: string|integer, since?: number, limit?: integer, after?: integer} since: seconds since 1970; limit: 1 to 1000, default 100; after: an entry, to go on behind it
---@return leadcat.Entry[]? entries
---@return string? message
---@return string? code
function Engine:history(query)
  self:_check_open()
  query = query or {}
  check_history(query)
  local company
  if query.company ~= nil then
    local problem
    company, problem = event_of.key(query.company)
    if not company then
      error("company " .. problem, 2)
    end
  end
  local limit = math.max(1, math.min(query.limit or HISTORY_LIMIT, MAX_HISTORY))
  local stored, message, code = self._store:history(self._tenant, company, query.since, query.after, limit)
  if not stored then
    return nil, message, code
  end
  for i, entry in ipairs(stored) do
    stored[i] = journal.entry(entry, self._tenant)
  end
  return stored
end

--- A confirmation by its id.
---@param id string
---@return leadcat.Confirmation? record
---@return string? message
---@return string? code `not_found`
function Engine:confirmation(id)
  self:_check_open()
  local stored, message, code = self._store:confirmation(self._tenant, id)
  if not stored then
    return nil, code == "not_found" and "there is no such confirmation" or message, code
  end
  return confirmation.record(stored, self._tenant)
end

--- What a config would have done with these events; writes nothing.
---@param events leadcat.Event[]|fun(): leadcat.Event?
---@param options? {config?: leadcat.Config, start_category?: integer|string, on_progress?: fun(events: integer)}
---@return table? report {events, outcomes, categories, companies}
---@return string? message
---@return string? code
function Engine:simulate(events, options)
  self:_check_open()
  options = options or {}
  local cfg, message, code = options.config, nil, nil
  if cfg == nil then
    cfg, message, code = self:config()
    if not cfg then
      return nil, message, code
    end
  end
  return simulate.run(cfg, events, {
    start_category = options.start_category, on_progress = options.on_progress, language = self.language,
  })
end

--- Calls `fn` from now on: `guard` before a matched event is written (fn(event, decision) returns nothing to go on;
-- false, "why" to veto; a category's id to change the target), the others after it is done (fn(event, outcome)).
---@param name "guard"|"updated"|"awaiting_confirmation"|"unchanged"|"failed"
---@param fn function
function Engine:on(name, fn)
  self:_check_open()
  if not self._hooks[name] then
    error(("unknown hook '%s' (there are %s)"):format(tostring(name), table.concat(HOOKS, ", ")), 2)
  elseif type(fn) ~= "function" then
    error("fn: a function expected, got " .. type(fn), 2)
  end
  local hooks = self._hooks[name]
  hooks[#hooks + 1] = fn
end

--- Counters of this engine since it was opened, and the state of the store.
---@return table? stats {outcomes = {[trigger] = {[status] = {[reason] = n}}}, hook_errors, hook_error?, config = {used, size (bytes), readers, max_readers}, journal = likewise, commits = {count, seconds, slowest (seconds)}}
---@return string? message
---@return string? code
function Engine:stats()
  self:_check_open()
  local stats, message, code = self._store:stats()
  if not stats then
    return nil, message, code
  end
  stats.outcomes = {}
  for trigger, by_status in pairs(self._counters) do
    stats.outcomes[trigger] = {}
    for status, by_reason in pairs(by_status) do
      local copy = {}
      for reason, count in pairs(by_reason) do
        copy[reason] = count
      end
      stats.outcomes[trigger][status] = copy
    end
  end
  stats.hook_errors, stats.hook_error = self._hook_errors, self._hook_error
  return stats
end

return Engine
