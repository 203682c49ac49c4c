--- One event, from its arrival to its outcome: it is decided (`prepare`), written down (`write`), and, where the host
-- keeps the company, made to happen (`apply.lua`). Methods of the engine; from top to bottom this is what leadcat does.

local apply = require "leadcat.apply"
local as_text = require "leadcat.as_text"
local config = require "leadcat.config"
local confirmation = require "leadcat.confirmation"
local event_of = require "leadcat.event"
local gather = require "leadcat.gather"
local json = require "leadcat.json"
local journal = require "leadcat.journal"
local metrics = require "leadcat.metrics"
local platform = require "leadcat.platform"
local settings = require "leadcat.settings"
local unchanged_events = require "leadcat.unchanged"

local handle = {}

-- Prepare ------------------------------------------------------------------------------------------------------------

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

-- The outcome of the first delivery of the event with this id, if it has one and was written down.
---@param id string|integer|nil
---@param only_look? boolean
---@return leadcat.Outcome? outcome
---@return string? message
---@return string? code
local function find_duplicate(self, id, only_look)
  if id == nil then
    return nil
  end
  local key = event_of.key(id)
  local entry, message, code = self._store:seen(self._tenant, key)
  if is_under_way(entry) and not only_look then -- its outcome is worth waiting for
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
      return nil, ("a guard raised: %s"):format(as_text(verdict)), "unavailable"
    elseif verdict == false then
      local outcome = unchanged("vetoed", item.from, item.revision, item)
      outcome.error = why
      return outcome
    elseif verdict ~= nil then
      local cfg, message, code = settings.known(self, item.revision)
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

--- Checks a category that a user has chosen, as a rule's target is.
---@param cfg leadcat.Config the newest
---@param choice integer|false
---@param from integer the category that the company is taken to have
---@return integer|false|nil category false: it stays
---@return string? message
---@return string? code
function handle.check_answer(cfg, choice, from)
  if choice == false or choice == from then
    return false
  end
  local problem = check_target(cfg, choice, "the user")
  if problem then
    return nil, problem, "invalid"
  end
  return json.integer(choice)
end

-- What the user has answered before the event came, checked as a resolution is: the category to set, or false to keep.
---@return integer|false|nil category
---@return string? message
---@return string? code
local function check_choice(self, event, item, cfg)
  local allowed, denial, failure = self:can(event.actor, "confirm", confirmation.draft(item, event, cfg, self._tenant))
  if not allowed then
    return nil, denial or "the actor may not answer for this company", failure or "forbidden"
  end
  return handle.check_answer(cfg, event.choice, item.from)
end

-- How the item is to be written: as asked, as chosen by the user, as the host's to change, or as changed here.
---@return true? ok
---@return string? message
---@return string? code
local function settle_status(self, event, item)
  local applied = self.host.embedded and "updated" or "applying"
  if event.choice == nil and item.action == "update" then
    item.status = applied
    return true
  end
  local cfg, message, code = settings.known(self, item.revision)
  if not cfg then
    return nil, message, code
  end
  if event.choice == nil then
    item.status = "awaiting_confirmation"
    item.question, message, code = confirmation.ask(event, cfg, self:_now(), self._shared.confirmation_ttl)
    return item.question and true, message, code
  end
  local choice
  choice, message, code = check_choice(self, event, item, cfg)
  if choice == nil then
    return nil, message, code
  end
  item.to, item.status = choice or item.to, choice and applied or "declined"
  return true
end

local UNSETTLED = -1 -- no entry's number

-- By what the store is to tell that the company has changed while its event was being decided: read before the category.
---@return "given"|"company"|"newest"|nil basis
---@return integer|string|nil newest the company's newest entry, for "newest"; UNSETTLED while it is applying (or the message)
---@return string? code
local function basis_of(self, event)
  if event.category ~= nil then
    return "given"
  elseif self.host.embedded then
    return "company"
  end
  local newest, message, code = self._store:newest(self._tenant, event_of.key(event.company))
  if newest or code == "conflict" then
    return "newest", newest or UNSETTLED
  end
  return nil, message, code
end

-- What to write down for an event that matched.
---@return table? item
---@return string? message
---@return string? code
local function new_item(self, event, decided)
  local ok, details = pcall(journal.details, event, self._run)
  if not ok then
    return nil, "the event's actor, sale or contact cannot be kept: " .. details, "invalid"
  end
  return {
    at = event.at or self:_now(),
    trigger = event.trigger,
    lead_status = event.trigger == "lead_status_set" and event.lead_status or nil,
    action = decided.action,
    from = decided.category,
    to = decided.to,
    revision = decided.revision,
    basis = decided.basis,
    newest = decided.newest,
    company = event_of.key(event.company),
    company_is_integer = type(event.company) == "number",
    event_id = event.id and event_of.key(event.id),
    details = details,
  }
end

-- Where the company stands, and what the config says to that. What would come to nothing only because an earlier change
-- of the company has not come to its end yet is decided behind that.
---@param pending? integer where an earlier event of the same batch leaves the company
---@param only_look? boolean whether nothing is to be written: the change is left as it is
---@return table? decided {basis, newest, category, action, to, reason, revision}
---@return string? message
---@return string? code
local function decide(self, event, pending, only_look)
  while true do
    local basis, newest, failure = basis_of(self, event)
    if not basis then
      return nil, newest, failure
    end
    local category, message, code = self:_category(event, pending)
    if code then
      return nil, message, code
    end
    local action, to, reason, revision = self:_evaluate(event.trigger, category, event.lead_status)
    if not action then
      return nil, to, reason
    elseif only_look or action ~= "none" or newest ~= UNSETTLED or reason == "rule_disabled" then
      return { basis = basis, newest = newest, category = category, action = action, to = to, reason = reason,
        revision = revision }
    end
    local settled
    settled, message, code = apply.settle(self, event_of.key(event.company))
    if not settled then
      return nil, message, code
    end
  end
end

-- What an event comes to that was not seen before and matched: written down later, or settled by a guard.
---@return table? job
---@return leadcat.Outcome|string|nil outcome (or the message)
---@return string? code
local function new_job(self, event, decided)
  local item, message, code = new_item(self, event, decided)
  if not item then
    return nil, message, code
  end
  local outcome
  outcome, message, code = ask_guards(self, event, item)
  if outcome or code then
    return nil, outcome or message, code
  end
  local ok
  ok, message, code = settle_status(self, event, item)
  if not ok then
    return nil, message, code
  end
  return { event = event, company = event.company, item = item, planned = item.status, attempts = 0 }
end

-- What an event comes to that does not match. Delivered twice at once, it may not match because its other delivery has
-- changed the company just now: so that one is looked for once more.
---@return nil
---@return leadcat.Outcome|string|nil outcome (or the message)
---@return string? code
local function come_to_nothing(self, event, decided, only_look)
  local outcome, message, code = find_duplicate(self, event.id, only_look)
  if outcome or code then
    return nil, outcome or message, code
  end
  local item = decided.reason == "already_in_category" and event or nil
  return nil, unchanged(decided.reason, decided.category, decided.revision, item)
end

--- Steps 1 to 5 of an event: seen before? where does the company stand? decide; ask the guards.
---@param pending? integer as for `decide`
---@param only_look? boolean as for `decide`
---@return table? job {event, company, item, attempts} to be written down; nil when there is nothing to write, then
---@return leadcat.Outcome|string|nil outcome what the event came to (or the message)
---@return string? code
function handle.prepare(self, event, pending, only_look)
  local outcome, message, code = find_duplicate(self, event.id, only_look)
  if outcome or code then
    return nil, outcome or message, code
  end
  local licensed
  licensed, message, code = self:licensed()
  if code then
    return nil, message, code
  elseif licensed == false then
    return nil, unchanged("not_licensed")
  end
  local decided
  decided, message, code = decide(self, event, pending, only_look)
  if not decided then
    return nil, message, code
  elseif decided.action == "none" then
    return come_to_nothing(self, event, decided, only_look)
  end
  return new_job(self, event, decided)
end

-- Write and apply ----------------------------------------------------------------------------------------------------

local function items_of(jobs)
  local items = {}
  for i, job in ipairs(jobs) do
    items[i] = job.item
  end
  return items
end

--- Steps 6 and 7: writes the jobs down in one transaction, and has the host make its changes. `outcomes[i]` stays nil for a job that was not written, because its event
-- was written before, its company is busy, or has changed since the event was decided.
---@param note? {name: string, text: string} goes into the same transaction: then all are written, or none
---@return table<integer, leadcat.Outcome>? outcomes by the jobs' index
---@return string? message
---@return string? code `conflict`: with a note, one could not be written
function handle.write(self, jobs, note)
  local applying, places, flight = {}, {}, nil
  local me = coroutine.running()
  local together = note and tostring(note) or "write" -- what has a note goes with nothing else
  local ok, message, code = gather.write(self, together, items_of(jobs), function(items)
    local now = self:_now()
    return self._store:write(self._tenant, items, now, now + apply.CLAIM_SECONDS + #items, note)
  end, function()
    for i, job in ipairs(jobs) do
      if job.item.result == "written" and job.item.status == "applying" then
        applying[#applying + 1], places[#places + 1] = job, i
      end
    end
    flight = apply.take_off(self, applying, me)
  end)
  if not ok then
    return nil, message, code
  end
  local outcomes = {}
  for i, job in ipairs(jobs) do
    if job.item.result == "written" and job.item.status ~= "applying" then
      outcomes[i] = journal.outcome(job.item)
    end
  end
  if #applying > 0 then
    local applied
    applied, message, code = apply.run(self, applying, flight)
    if not applied then
      return nil, message, code
    end
    for k, i in ipairs(places) do
      outcomes[i] = applied[k]
    end
  end
  return outcomes
end

--- The same for one job. Nothing when it was not written and is to be prepared anew; a change that was in its way has
-- come to its end by then.
---@return leadcat.Outcome? outcome
---@return string? message
---@return string? code
function handle.write_one(self, job)
  local outcomes, message, code = handle.write(self, { job })
  if not outcomes then
    return nil, message, code
  elseif outcomes[1] or job.item.result ~= "busy" then
    return outcomes[1]
  end
  local settled
  settled, message, code = apply.settle(self, job.item.company)
  if not settled then
    return nil, message, code
  end
end

-- Handles one event to its end: it is decided anew as often as its company is busy or changes meanwhile.
local function handle_one(self, event)
  while true do
    local job, outcome, code = handle.prepare(self, event)
    if not job then
      if code then
        return nil, outcome, code
      end
      return outcome
    end
    local message
    outcome, message, code = handle.write_one(self, job)
    if outcome or code then
      return outcome, message, code
    end
  end
end

-- In the core --------------------------------------------------------------------------------------------------------

-- What is kept of the events from the place `first` on, for display and of their run, by place; nil when there is nothing.
-- What cannot be kept is left to `new_item`, which says so.
local function details_of(events, first, run)
  local details
  for i = first, #events do
    local event = events[i]
    if type(event) == "table" and (run or event.actor or event.sale or event.contact) then
      local ok, text = pcall(journal.details, event, run)
      details = details or {}
      details[i] = ok and text or nil
    end
  end
  return details
end

-- Has the core handle the events behind those that have outcomes, until one takes more.
---@param details table<integer, string>|false what is kept of the events for display, by place; false: nothing is to be written
---@return true? ok
---@return string? message
---@return string? code
local function go_on_in_core(self, events, outcomes, details)
  local before = #outcomes
  local more, message, code = self._store:handle(self._tenant, events, details, self:_now(), before + 1)
  if code == "corrupt" then
    return true -- a damaged ruleset is made anew on the way that takes more
  elseif not more then
    return nil, message, code
  end
  for i, outcome in ipairs(more) do
    if type(outcome) == "number" then -- the entry of its first delivery
      outcome, message, code = find_duplicate(self, events[before + i].id)
    end
    if code then
      return nil, message, code
    end
    outcomes[before + i] = outcome
  end
  return true
end

-- Has the core do all of the above for the first of the events, in one transaction: where companies are kept in the store,
-- nobody else has a say, and nobody is to be asked. Of the others it touches none.
---@param may_write boolean
---@return leadcat.Outcome[] outcomes of the first events
---@return string? message
---@return string? code of a failure: the others are not handled
local function handle_in_core(self, events, may_write)
  local outcomes = {}
  if not self.host.embedded or self.host.licensed or #self._hooks.guard > 0 then
    return outcomes
  end
  local ok, message, code = true, nil, nil
  if not self._run then -- of which there is something to keep of every event
    ok, message, code = go_on_in_core(self, events, outcomes, may_write and {})
  end
  local details = ok and may_write and details_of(events, #outcomes + 1, self._run)
  if details then
    local _
    _, message, code = go_on_in_core(self, events, outcomes, details)
  end
  return outcomes, message, code
end

-- Counts the outcome and tells those who listen, once. What a listener raises is counted and goes no further: the event
-- is handled.
function handle:report(event, outcome)
  if apply.is_told_elsewhere(outcome) then
    return
  end
  metrics.count(self, event.trigger, outcome)
  local listeners = self._hooks[outcome.status]
  for i = 1, listeners and #listeners or 0 do
    local ok, message = pcall(listeners[i], event, outcome)
    if not ok then
      self._shared.hook_errors, self._shared.hook_error = self._shared.hook_errors + 1, as_text(message)
    end
  end
end

--- Handles an event: the company's category is updated, or the user is going to be asked, or nothing is to be done.
-- Once it returns an outcome the event is safe on disk, or there was nothing to write.
---@param event leadcat.Event
---@return leadcat.Outcome? outcome
---@return string? message the event was not taken: deliver it again later, or mend it
---@return string? code `invalid`, `unavailable`, `full`, `io`, `corrupt`, `forked`
function handle:handle(event)
  self:_check_open()
  event_of.check(event)
  local outcomes, message, code = handle_in_core(self, { event }, not platform.can_yield()) -- else it gathers with others
  local outcome = outcomes[1]
  if not outcome and not code then
    message = event_of.problem(event)
    if message then
      return nil, message, "invalid"
    end
    outcome, message, code = handle_one(self, event)
  end
  if not outcome then
    return nil, message, code
  end
  self:_report(event, outcome)
  if self._shared.record_unchanged then
    unchanged_events.note(self, { event }, { outcome }, 1, 1)
  end
  return outcome
end

-- Many ---------------------------------------------------------------------------------------------------------------

local MAX_BATCH = 1000 -- changes that a host of one's own is given under one claim, whose time must stay short

-- Events that are decided one after the other and written together.
---@class leadcat.Batch
---@field first integer the place of its first event
---@field jobs table[] to be written
---@field places integer[] of the jobs' events
---@field category table<string, integer|false> where a company will stand; false when its host has to be asked first
---@field presumed table<integer, string> companies of the events that come to nothing where their companies will stand, by place
---@field by_id table<string, integer> the place of the first event with this id
local function new_batch(first)
  return { first = first, jobs = {}, places = {}, category = {}, presumed = {}, by_id = {} }
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
  local pending = batch.category[key]
  local job, outcome, code = handle.prepare(self, event, pending)
  if job then
    batch.jobs[#batch.jobs + 1], batch.places[#batch.places + 1] = job, place
    local item = job.item
    if item.status == "updated" then
      batch.category[key] = category_after(self, job, pending)
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
  batch.presumed[place] = pending and event.category == nil and key or nil
  return true
end

-- Takes back what was presumed of companies whose changes have not come about as planned.
local function forget_presumed(batch, written, outcomes)
  local wrong = {}
  for k, job in ipairs(batch.jobs) do
    if not written[k] or written[k].status ~= job.planned then
      wrong[job.item.company] = true
    end
  end
  for place, key in pairs(batch.presumed) do
    outcomes[place] = not wrong[key] and outcomes[place] or nil
  end
end

-- Writes the batch, then handles one by one, in order, what has no outcome with it.
local function flush(self, batch, events, outcomes, last)
  if #batch.jobs == 0 then
    return true
  end
  local written, message, code = handle.write(self, batch.jobs)
  if not written then
    return nil, message, code
  end
  forget_presumed(batch, written, outcomes)
  for k, place in ipairs(batch.places) do
    outcomes[place] = written[k]
  end
  for place = batch.first, last do
    if not outcomes[place] then
      outcomes[place], message, code = handle_one(self, events[place])
      if not outcomes[place] then
        return nil, message, code
      end
    end
  end
  return true
end

-- Reports the outcomes from one place to another, and has noted which came to nothing, where that is wanted.
local function report_all(self, events, outcomes, first, last)
  for place = first, last do
    if outcomes[place] then
      self:_report(events[place], outcomes[place])
    end
  end
  if self._shared.record_unchanged then
    unchanged_events.note(self, events, outcomes, first, last)
  end
end

-- Ends the batch with the event at `last`: writes it, and reports each of its outcomes, also where a later one fails.
local function finish(self, batch, events, outcomes, last)
  local ok, message, code = flush(self, batch, events, outcomes, last)
  for place = batch.first, last do
    local outcome = outcomes[place]
    if type(outcome) == "number" then
      outcomes[place] = outcomes[outcome] and duplicate(outcomes[outcome])
    end
  end
  report_all(self, events, outcomes, batch.first, last)
  return ok, message, code
end

-- What is wrong with the first bad event.
local function problem_of(events)
  local count = 0
  for _ in pairs(events) do
    count = count + 1
  end
  for i = 1, count do
    local problem = event_of.problem(events[i])
    if problem then
      return ("events[%d]: %s"):format(i, problem)
    end
  end
end

--- Handles many events, in order, committed together: in one transaction with the embedded host, in two a batch with
-- another, where a batch ends before a company repeats and after 1,000 changes. After a failure some of the events may be
-- done: those with ids can all be delivered again.
---@param events leadcat.Event[]
---@return leadcat.Outcome[]? outcomes
---@return string? message
---@return string? code as `handle`
function handle:handle_many(events)
  self:_check_open()
  if type(events) ~= "table" then
    error("events: an array expected, got " .. type(events), 2)
  end
  local outcomes, failure, cause = handle_in_core(self, events, true)
  report_all(self, events, outcomes, 1, #outcomes)
  if cause or #outcomes == #events and #outcomes > 0 then
    return not cause and outcomes or nil, failure, cause
  end
  local problem = #outcomes == 0 and problem_of(events)
  if problem then
    return nil, problem, "invalid"
  end
  local batch = new_batch(#outcomes + 1)
  for i = #outcomes + 1, #events do
    local event, ok, message, code = events[i], true, nil, nil
    local full = #batch.jobs == MAX_BATCH and not self.host.embedded
    if full or batch.category[event_of.key(event.company)] == false then
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

return handle
