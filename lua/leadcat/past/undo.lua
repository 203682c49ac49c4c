--- Undoes changes, and retries those that a host refused, with a new journal entry made from an old one. Methods of the
-- engine.

local ahead = require "leadcat.past.ahead"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local journal = require "leadcat.past.journal"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"
local runs = require "leadcat.past.runs"
local schedule = require "leadcat.events.later"
local walk = require "leadcat.past.walk"
local write = require "leadcat.events.write"

---@class leadcat.engine.undo: leadcat.Engine the engine's methods that stand here
local undo = {}

local TRIES = 16 -- of writing a change that another one has overtaken

local OPTIONS = { actor = options_of.actor }

-- Why what was done to a company can no longer be undone there: it has become part of another one, or there is none.
local function no_company(entry)
  local key = event_of.key(entry.company)
  if entry.is_gone then
    return nil, ("company %s was deleted: there is nothing to undo"):format(key), "conflict"
  end
  return nil, ("this was done to company %s, which was merged into %s: that keeps its category"):format(
    event_of.key(entry.former), key), "conflict"
end

local function changed_since(key, how)
  return nil, ("company %s has been changed since%s"):format(key, how or ""), "conflict"
end

-- The company's newest entry, if none after `entry` has changed the company, which must also be in `from`: so nothing else
-- has changed it either. Checked before anything is written, because a refusal must leave no entry and close no question.
-- `category`: where the company is, if known. Code: `conflict`; `undone` when the entry itself was undone.
local function unchanged_since(self, entry, key, from, walked, category)
  if walk.is_past(entry) then
    return no_company(entry)
  end
  local newest, what, code = walked:since(entry.entry)
  if not newest and not code then
    return changed_since(key, (", by entry %d"):format(what))
  elseif not newest then
    return nil, what, code
  elseif category == nil then
    local ok
    ok, category, code = self._companies.category(self, entry.company)
    if not ok then
      return nil, category, code
    end
  end
  if category ~= from then
    return changed_since(key)
  end
  return newest
end

-- How an entry is made from an old one: the status that the old one must have, the fields that become `from` and `to`,
-- and the refusal for any other status.
local UNDO = { of = "updated", from = "to", to = "from", refusal = "entry %d is %s: it has changed nothing" }
local RETRY = { of = "failed", from = "from", to = "to", refusal = "entry %d is %s, not failed" }

-- Whether the actor may undo this entry; without one, whether it may undo anything.
local function may_undo(self, actor, entry, refusal)
  local allowed, message, code = self:can(actor, "undo", entry and journal.entry(entry, self._tenant))
  if not allowed then
    return nil, message or refusal, code or "forbidden"
  end
  return true
end

local function find(self, id, actor, plan)
  local entry, message, code = self._store:entry(self._tenant, id)
  if not entry then
    return nil, code == "not_found" and ("there is no entry %d"):format(id) or message, code
  end
  local allowed
  allowed, message, code = may_undo(self, actor, entry, "only an administrator may undo or retry a change")
  if not allowed then
    return nil, message, code
  elseif entry.status ~= plan.of then
    return nil, plan.refusal:format(id, entry.status), "invalid"
  end
  return entry
end

local function new_item(self, entry, plan, newest, details)
  return journal.item(entry, {
    at = self:_now(), action = "update", status = self._companies.CHANGING, from = entry[plan.from],
    to = entry[plan.to], takes_back = plan == RETRY and entry.takes_back or nil, newest = newest,
    continues = newest == nil or nil, rule_id = entry.rule_id,
    details = journal.details(details, self._run, { facts = details.facts }),
  })
end

-- Counts an outcome and calls the listeners.
local function report(self, entry, item, details, outcome)
  self:_report({
    trigger = entry.trigger, company = entry.company, lead_status = entry.lead_status, actor = details.actor,
    sale = details.sale, contact = details.contact, at = item.at, undoes = details.undoes,
  }, outcome)
end

-- Makes the change, unless the company has changed since. `details` go into the new entry. In an undo of many, changes
-- that were undone do not count.
local function make(self, entry, plan, details, is_one_of_many)
  local key = event_of.key(entry.company)
  for _ = 1, TRIES do
    local walked = walk.new(self, key, not is_one_of_many)
    local newest, message, code = unchanged_since(self, entry, key, entry[plan.from], walked)
    if not newest then
      return nil, message, code
    end
    local outcome
    local item = new_item(self, entry, plan, newest, details)
    outcome, message, code = write.one(self, item, entry.company)
    if code then
      return nil, message, code
    elseif outcome and outcome.status == "conflict" then
      return changed_since(key)
    elseif outcome then
      report(self, entry, item, details, outcome)
      return outcome
    end
  end
  return nil, ("company %s keeps changing"):format(key), "unavailable"
end

-- Many ---------------------------------------------------------------------------------------------------------------

---@class leadcat.undo.Task an undo of many under way
---@field engine leadcat.Engine within the run, once that has begun
---@field actor? leadcat.Actor
---@field preview? boolean nothing is written
---@field left number how many more are looked at
---@field companies table<string, leadcat.undo.Company> whose changes are being undone: in a preview all, else some
---@field company_count integer
---@field known table<string, integer> where the host has said that companies stand; each holds once
---@field jobs table[] to be written together
---@field scheduled table[] entries to be cancelled together
---@field run? leadcat.Run
---@field result leadcat.Undone

---@class leadcat.undo.Company
---@field walked leadcat.Walk
---@field category? integer where the last change that was undone has brought it
---@field newest? integer the entry of that undo
---@field job? table that undo, while it waits to be written

---@class leadcat.Undone
---@field run? string the id of this undo, for undoing it; absent when nothing was written
---@field undone {entry: integer, company: string|integer, from: integer, to: integer, undo?: integer}[] newest first; undo: the new entry, which is applying with `apply = "elsewhere"`
---@field cancelled {entry: integer, company: string|integer, to: integer, due: number}[] what was scheduled, newest first; due: in seconds since 1970
---@field refused {entry: integer, company: string|integer, why: string, code: string}[]
---@field more? true a preview with a `limit` has not looked at all

local MAX_BATCH = 1000
local MAX_COMPANIES = 1000 -- that are remembered between writes
local LISTED = { conflict = true, forbidden = true, refused = true, unavailable = true } -- codes that stop one change, not the others

-- Puts an entry's outcome into the result. Fails when all other changes would fail, too.
local function settle(task, entry, outcome, message, code)
  local undone, refused = task.result.undone, task.result.refused
  if outcome and (outcome.status == "updated" or outcome.status == "applying") then
    undone[#undone + 1] = {
      entry = entry.entry, company = entry.company, from = entry.to, to = entry.from, undo = outcome.entry,
    }
    return true
  elseif outcome and outcome.status == "conflict" then
    message, code = select(2, changed_since(event_of.key(entry.company)))
  elseif outcome then
    message, code = outcome.error, outcome.code or "unavailable" -- unavailable: the host is asked again later
  end
  if LISTED[code] then
    refused[#refused + 1] = { entry = entry.entry, company = entry.company, why = message, code = code }
  end
  return LISTED[code] or code == "undone" or nil, message, code
end

-- Reports a job. One that was not written, because its company was busy or has changed, is done alone.
local function finish_job(task, job, outcome)
  local message, code
  local details = { actor = task.actor, undoes = job.entry.entry }
  local company = task.companies[job.key]
  if company and outcome and outcome.status == "updated" then
    company.newest, company.job = outcome.entry, company.job ~= job and company.job or nil
  else
    task.companies[job.key] = nil -- it is looked at anew
  end
  if not outcome then
    outcome, message, code = make(task.engine, job.entry, UNDO, details, true)
  elseif outcome.status ~= "conflict" then
    report(task.engine, job.entry, job.item, details, outcome)
  end
  return settle(task, job.entry, outcome, message, code)
end

-- Cancels what was scheduled, together. What has ended meanwhile is left out.
local function call_off(task)
  local entries, outcomes, message, code = task.scheduled, {}, nil, nil
  task.scheduled = {}
  if #entries > 0 and not task.preview then
    outcomes, message, code = schedule.call_off(task.engine, entries, task.actor, "undo")
  end
  for place, entry in ipairs(outcomes and entries or {}) do
    if outcomes[place] or task.preview then
      local list = task.result.cancelled
      list[#list + 1] = { entry = entry.entry, company = entry.company, to = entry.to, due = entry.due }
    end
  end
  return outcomes, message, code
end

-- Writes the jobs together.
local function flush(task)
  local jobs, items, companies = task.jobs, {}, {}
  task.jobs = {}
  if #jobs == 0 then
    return true
  end
  for i, job in ipairs(jobs) do
    items[i], companies[i] = job.item, job.entry.company
  end
  local outcomes, message, code = write.items(task.engine, items, companies)
  local ok = outcomes
  for i, job in ipairs(jobs) do
    if not ok then
      return nil, message, code
    end
    ok, message, code = finish_job(task, job, outcomes[i])
  end
  if task.company_count > MAX_COMPANIES then
    task.companies, task.company_count = {}, 0
  end
  return ok, message, code
end

-- The run begins with the first change that it makes. What waits to be written for the same company comes first in the same
-- transaction.
local function add_job(task, entry, key, newest)
  if not task.run then
    local run, message, code = runs.begin(task.engine, "undo")
    if not run then
      return nil, message, code
    end
    task.run, task.engine, task.result.run = run, runs.engine(task.engine, run.run), run.run
  end
  local company, details = task.companies[key], { actor = task.actor, undoes = entry.entry }
  local item = new_item(task.engine, entry, UNDO, not company.job and (company.newest or newest) or nil, details)
  company.job = { item = item, entry = entry, key = key }
  task.jobs[#task.jobs + 1] = company.job
  return true
end

local function company_of(task, key)
  local company = task.companies[key]
  if not company then
    company = { walked = walk.new(task.engine, key) }
    task.companies[key], task.company_count = company, task.company_count + 1
  end
  return company
end

-- Whether what is done next to the company must wait until the jobs are written: a host's companies change one at a time.
local function must_wait(task, key)
  local company = task.companies[key]
  return #task.jobs == MAX_BATCH
    or company and company.job and not task.engine._companies.HANDLING.keeps_companies
end

-- Undoes one change: adds a job, which is written together with the next ones.
local function take(task, entry)
  local self, key = task.engine, event_of.key(entry.company)
  local ok, message, code = true, nil, nil
  if must_wait(task, key) then
    ok, message, code = flush(task)
  end
  if not ok then
    return nil, message, code
  end
  local company, newest = company_of(task, key), nil
  local category = company.category or task.known[key]
  task.known[key] = nil
  ok, message, code = may_undo(self, task.actor, entry, "the actor may not undo this change")
  if ok and entry.status == "applying" then
    message, code = ("entry %d is not finished"):format(entry.entry), "unavailable"
  elseif ok then
    newest, message, code = unchanged_since(self, entry, key, entry.to, company.walked, category)
  end
  if not newest then
    return settle(task, entry, nil, message, code)
  end
  company.walked:undo(entry.entry)
  company.category = entry.from
  if task.preview then
    return settle(task, entry, { status = "updated" })
  end
  return add_job(task, entry, key, newest)
end

local MANY = {
  entry = options_of.whole(1, 2 ^ 53), run = options_of.run, revision = options_of.whole(1, 2 ^ 53),
  since = options_of.of_type "number", ["until"] = options_of.of_type "number",
  preview = options_of.of_type "boolean", limit = options_of.whole(1, 2 ^ 53),
}

--- What is wrong with the choice of changes; nil when nothing is.
---@param what table
---@return string? problem
function undo.problem(what)
  if (what.run and 1 or 0) + (what.revision and 1 or 0) + (what.entry and 1 or 0) ~= 1 then
    return "one of run, revision and entry expected"
  elseif not what.revision and (what.since or what["until"]) then
    return "since and until go with revision"
  elseif what.limit and not what.preview then
    return "limit goes with preview"
  end
  return options_of.problem(what, MANY)
end

-- Iterates over the entries that one revision made between two times. Their numbers tell when they were written, which
-- may be long after their events. Undos belong to no revision.
local function entries_of_revision(self, what)
  local first, last = (what.since or 0) * 1000, (what["until"] or math.huge) * 1000
  local after = last < 2 ^ 53 and math.max(1, math.floor(last) + 1) or nil
  return journal.matching(self, after, first, function(entry)
    return entry.revision == what.revision and not journal.undoes(entry)
  end)
end

local function entries_of(self, what, actor)
  if what.entry then
    local entry, message, code = find(self, what.entry, actor, UNDO)
    local left = { entry }
    return entry and function() return table.remove(left) end, message, code
  elseif what.revision then
    local _, problem, why = self:config(what.revision)
    if why == "not_found" then
      return nil, problem, why
    end
    return entries_of_revision(self, what)
  end
  local record, message, code = runs.read(self, what.run)
  if record and not what.preview then
    record, message, code = runs.call_off(self, record)
  end
  return record and runs.entries(self, record), message, code
end

-- Cancels what is scheduled: is done together with the next ones.
local function take_scheduled(task, entry)
  local allowed, message, code = may_undo(task.engine, task.actor, entry, "the actor may not cancel this")
  if not allowed then
    return settle(task, entry, nil, message, code)
  end
  task.scheduled[#task.scheduled + 1] = entry
  return #task.scheduled < MAX_BATCH or call_off(task)
end

local TAKE = { updated = take, applying = take, scheduled = take_scheduled }

-- Does what is left.
local function finish(task)
  local ok, message, code = flush(task)
  if not ok then
    return nil, message, code
  end
  return call_off(task)
end

local function take_all(task, next_entry)
  while true do
    local entry, message, code = next_entry()
    if code then
      return nil, message, code
    elseif not entry then
      return finish(task)
    end
    local ok = true
    platform.give_way()
    if TAKE[entry.status] and task.left == 0 then
      task.result.more = true
      return finish(task)
    elseif TAKE[entry.status] then
      task.left = task.left - 1
      ok, message, code = TAKE[entry.status](task, entry)
    end
    if not ok then
      return nil, message, code
    end
  end
end

local function undo_many(self, what, actor)
  local ok, message, code = may_undo(self, actor, nil, "only an administrator may undo changes")
  local next_entry
  if ok then
    next_entry, message, code = entries_of(self, what, actor)
  end
  if not next_entry then
    return nil, message, code
  end
  local task = {
    engine = self, actor = actor, preview = what.preview, left = what.limit or math.huge,
    companies = {}, company_count = 0, known = {}, jobs = {}, scheduled = {},
    result = { undone = json.array {}, cancelled = json.array {}, refused = json.array {} },
  }
  ok, message, code = take_all(task, ahead.entries(self, next_entry, task.known))
  if ok and task.run then
    ok, message, code = runs.finish(self, task.run)
  end
  return ok and task.result, message, code
end

---@class (exact) leadcat.UndoWhat exactly one of entry, run and revision
---@field entry? integer
---@field run? string the id of a replay, a backfill or an undo of many
---@field revision? integer of the config that decided
---@field since? number with `revision`: entries written from then on, in seconds since 1970
---@field until? number with `revision`: entries written before
---@field preview? boolean write nothing, say what would be done
---@field limit? integer with `preview`: look at so many at most; `more` says whether there are others

--- Undoes an entry of the journal; or, given a table, an entry, a run, or what one revision of the config did between
-- two times, newest first. An undo can be undone. Of many, changes that cannot be undone are listed as refused. Those
-- that are undone already are skipped, so that an interrupted undo can be done again. What they have scheduled is cancelled.
---@param what integer|leadcat.UndoWhat an entry, or which ones
---@param options? leadcat.ByActor
---@return leadcat.Outcome|leadcat.Undone|nil outcome with reason `undo`; of many, what was undone and what was refused
---@return string? message, string? code `conflict`: the company has changed since; `not_found`, `forbidden`, `invalid`: it changed nothing
function undo:undo(what, options)
  self:_check_open()
  local actor = options_of.check(options, OPTIONS).actor
  if type(what) == "table" then
    local problem = undo.problem(what)
    if problem then
      error(problem, 2)
    end
    return undo_many(self, what, actor)
  end
  event_of.check_entry(what)
  local entry, message, code = find(self, what, actor, UNDO)
  if not entry then
    return nil, message, code
  end
  return make(self, entry, UNDO, { actor = actor, undoes = entry.entry })
end

--- Asks the host again for a change that is `failed`.
---@param id integer the entry
---@param options? leadcat.ByActor
---@return leadcat.Outcome? outcome of a new entry
---@return string? message, string? code `conflict`: the company has changed since; `not_found`, `forbidden`, `invalid`: it has not failed
function undo:retry(id, options)
  self:_check_open()
  event_of.check_entry(id)
  local actor = options_of.check(options, OPTIONS).actor
  local entry, message, code = find(self, id, actor, RETRY)
  if not entry then
    return nil, message, code
  end
  local question = entry.confirmation and self:confirmation(entry.confirmation)
  if question and question.state == "open" then
    return nil, ("entry %d was the answer to a question that is open again: answer it"):format(id), "invalid"
  end
  local happened = journal.event(entry)
  return make(self, entry, RETRY, {
    actor = actor or happened.actor, sale = happened.sale, contact = happened.contact, facts = happened.facts,
    undoes = happened.undoes,
  })
end

return undo
