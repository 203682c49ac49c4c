--- What a store has to do, said once more, slowly and in memory: what lua/leadcat/store/init.lua promises, for specs. Every
-- function gives what the store has to give. Entries and questions are tables, to which `bind` gives the store's numbers.

local core = require "leadcat.core"

local model = {}
model.__index = model

function model.new()
  return setmetatable({
    entries = {}, companies = {}, newest = {}, applying = {}, open = {}, seen = {}, abouts = {}, decisions = {},
    scheduled = {}, marks = {}, changes = {},
  }, model)
end

function model:save(cfg, revision)
  self.rules, self.revision, self.has_rule, self.groups, self.waiting = core.decider(cfg), revision, {}, {}, nil
  for _, category in ipairs(cfg.categories) do
    self.groups[category.id] = category.group
  end
  for _, rule in ipairs(cfg.rules) do
    self.has_rule[rule.trigger] = true
    self.waiting = rule.after and rule or self.waiting -- the only one, in front of all others
  end
end

-- Whether the rule that waits may start from a category.
local function may_wait(self, from)
  for _, group in ipairs(self.waiting.from.groups) do
    if group == self.groups[from] then
      return true
    end
  end
  return false
end

-- Writing ---------------------------------------------------------------------------------------------------------------

local STILL_TO_DO = { applying = true, scheduled = true }

-- Adds to all that was done, in order.
local function tell(self, entry, kind)
  if not STILL_TO_DO[entry.status] then
    self.changes[#self.changes + 1] = {
      kind or entry.status == "awaiting_confirmation" and "asked" or "ended", entry,
    }
  end
end

local function add(self, entry)
  tell(self, entry)
  self.entries[#self.entries + 1], self.newest[entry.company] = entry, entry
  return entry
end

local STATES = { conflict = "conflict", declined = "declined", expired = "expired", superseded = "superseded" }

local function close(self, question, entry)
  local state = STATES[entry.status]
  if entry.status == "updated" then
    state = entry.to == question.to and "accepted" or "changed"
  end
  if state then
    question.state, self.open[question.company] = state, nil
    tell(self, entry, "closed")
  end
end

local function close_older(self, company, now)
  local question = self.open[company]
  if question then
    local status = question.expires_at <= now and "expired" or "superseded"
    close(self, question, add(self, {
      company = company, status = status, trigger = question.trigger, from = question.from, to = question.to,
      question = question,
    }))
  end
end

-- Writes an entry with what it brings about.
local function put(self, entry, how)
  local company = entry.company
  if entry.status == "updated" and self.companies[company] ~= entry.from then
    entry.status = "conflict"
  elseif entry.status == "updated" then
    self.companies[company] = entry.to
  elseif entry.status == "applying" then
    self.applying[company] = { entry = entry, owner = how.owner, deadline = how.now + how.claim, due = 0, attempts = 0 }
  elseif entry.status == "awaiting_confirmation" then
    self.open[company] = {
      company = company, state = "open", trigger = entry.trigger, from = entry.from, to = entry.to, entry = entry,
      expires_at = how.now + how.ttl,
    }
    entry.question = self.open[company]
  end
  if entry.status == "scheduled" then
    self.scheduled[company] = entry
  end
  if entry.event_id then
    self.seen[entry.event_id] = entry
  end
  return add(self, entry)
end

--- How what a company has scheduled ended.
function model:end_scheduled(company, status)
  local entry = self.scheduled[company]
  if entry then
    entry.status, self.scheduled[company] = status, nil
    tell(self, entry)
  end
end

--- What comes of what a company, which is in `from`, has scheduled, and whose time has come: the result.
function model:carry_out(company, from, how)
  local entry, rule = self.scheduled[company], self.waiting
  local result = { status = "unchanged", action = "none", from = from, revision = self.revision }
  if not may_wait(self, from) then
    result.reason = "not_potential_customer"
    return result
  end
  self:end_scheduled(company, "carried_out")
  close_older(self, company, how.now)
  local made = put(self, {
    company = company, status = how.keeps_companies and "updated" or "applying", trigger = rule.trigger, from = from,
    to = rule.set_category, carries_out = entry,
  }, how)
  result.status, result.action, result.reason, result.to = made.status, "update", "matched", made.to
  result.rule, result.entry, result.carries_out = ("%s#%d"):format(rule.trigger, rule.id), made, entry
  return result
end

--- An answer, or a change that no event asked for: what `write` makes of it.
function model:write(item, how)
  local busy, question = self.applying[item.company], item.question
  if question and question.state ~= "open" then
    return "answered"
  elseif busy then
    return "busy", busy.entry
  elseif question and question.expires_at <= how.now then
    return "overdue"
  elseif not question and item.newest ~= self.newest[item.company] then
    return "overtaken"
  elseif not question then
    close_older(self, item.company, how.now)
  end
  local entry = put(self, {
    company = item.company, status = item.status, trigger = item.trigger, from = item.from, to = item.to,
    question = question,
  }, how)
  if question then
    close(self, question, entry)
  end
  return "written", entry
end

--- How a change ended; true when it was not this owner's.
function model:finish(company, entry, status, how)
  local claim = self.applying[company]
  if not claim or claim.entry ~= entry or claim.owner ~= how.owner then
    return true
  elseif status == "applying" then
    claim.owner, claim.attempts, claim.due = nil, claim.attempts + 1, how.now + how.retry_in
  else
    self.applying[company], entry.status = nil, status
    tell(self, entry)
    if entry.question then
      close(self, entry.question, entry)
    end
  end
  return false
end

function model:claim(company, how)
  local claim = self.applying[company]
  if not claim then
    return nil, "not_found"
  elseif claim.owner and how.now < claim.deadline and not (how.idle and claim.owner == how.owner) then
    return nil, "conflict"
  end
  claim.owner, claim.deadline = how.owner, how.now + how.seconds
  return claim
end

function model:expire(now)
  local expired = 0
  local due = {}
  for company, question in pairs(self.open) do
    if question.expires_at <= now and not self.applying[company] then
      due[#due + 1] = question
    end
  end
  table.sort(due, function(a, b)
    return a.expires_at < b.expires_at or a.expires_at == b.expires_at and a.entry.id < b.entry.id
  end)
  for _, question in ipairs(due) do
    close_older(self, question.company, now)
    expired = expired + 1
  end
  return expired
end

-- Companies that are renamed, merged, deleted ---------------------------------------------------------------------------

local NOTES = { renamed = true, merged = true, deleted = true }

-- Why it cannot be now, and because of which company.
local function obstacle(self, fate, from, to, how)
  local claim, kept = self.applying[from], self.companies
  if claim and claim.owner and how.now < claim.deadline and not (how.idle and claim.owner == how.owner) then
    return "busy", from
  elseif claim and fate == "renamed" and self.applying[to] then
    return "busy", to
  elseif how.keeps_companies and not kept[from] then
    return "unknown", from
  elseif how.keeps_companies and fate == "merged" and not kept[to] then
    return "unknown", to
  elseif how.keeps_companies and fate == "renamed" and kept[to] then
    return "taken", to
  end
end

-- Ends what is open of `from` or, where both have it, the older one; gives how much.
local function end_open(self, fate, from, to, how)
  local closed = 0
  local function both(kept, end_one)
    local first, second = kept[from], fate ~= "deleted" and kept[to]
    if first and (fate == "deleted" or second) then
      end_one(second and (second.entry or second).id < (first.entry or first).id and to or from)
      closed = closed + 1
    end
  end
  local claim = self.applying[from]
  if claim and fate ~= "renamed" then
    claim.entry.status, self.applying[from], closed = "cancelled", nil, closed + 1
    tell(self, claim.entry)
  end
  local question = self.open[from]
  if question and fate == "merged" and how.keeps_companies and question.from ~= self.companies[to] then
    close_older(self, from, how.now)
    closed = closed + 1
  end
  both(self.open, function(company) close_older(self, company, how.now) end)
  both(self.scheduled, function(company)
    self:end_scheduled(company, fate == "deleted" and "cancelled" or "superseded")
  end)
  return closed
end

-- Has the entries of `from` be those of `heir`; gives how many.
local function move_entries(self, fate, from, heir)
  local moved = 0
  for _, entry in ipairs(self.entries) do
    if entry.company == from and not entry.is_gone then
      moved, entry.company, entry.is_gone = moved + 1, heir, fate == "deleted" or nil
      if fate == "merged" and not NOTES[entry.status] then
        entry.former = entry.former or from
      end
      if entry.question then
        entry.question.company = heir
      end
    end
  end
  return moved
end

--- What has become of a company: what `move` gives, and the note.
function model:move(fate, from, to, how)
  local result, company = obstacle(self, fate, from, to, how)
  if result then
    return result, company
  end
  local closed, heir = end_open(self, fate, from, to, how), fate == "deleted" and from or to
  local moved = move_entries(self, fate, from, heir)
  for _, kept in ipairs { self.applying, self.open, self.scheduled, fate == "renamed" and self.companies or {} } do
    if heir ~= from then
      kept[heir], kept[from] = kept[from] or kept[heir], nil
    end
  end
  self.companies[from] = nil
  local note = (moved > 0 or how.keeps_companies) and add(self, {
    company = heir, former = heir ~= from and from or nil, status = fate, is_gone = fate == "deleted" or nil, from = 0,
    to = 0,
  }) or nil
  self.newest = {}
  for _, entry in ipairs(self.entries) do
    self.newest[entry.company] = entry
    if NOTES[entry.status] and entry.former then
      self.newest[entry.former] = entry
    end
  end
  return "moved", note, moved, closed
end

-- Events ----------------------------------------------------------------------------------------------------------------

local Walk = {}
Walk.__index = Walk

local function walk(self, how, imagined)
  return setmetatable({
    m = self, how = how, imagined = imagined, open = { companies = {}, ids = {} }, nothing = {}, asked = {},
    applying = 0,
  }, Walk)
end

local function lacks(what, more)
  more = more or {}
  more.lacks = what
  return more
end

function Walk:kept(company)
  return self.imagined and self.imagined.companies[company] or self.m.companies[company]
end

-- Where the company stands; or what is lacking to know it.
function Walk:category(case)
  local company = case.event.company
  if case.event.category then
    return case.event.category
  elseif self.how.keeps_companies then
    return self:kept(company) or 0
  end
  local shared, newest = self.asked[company], self.m.newest[company]
  if case.asked_at then
    self.asked[company] = case
  elseif shared then
    case.asked_at, case.category = shared.asked_at, shared.category
  end
  if not case.asked_at or case.asked_at ~= (newest and (newest.id or "just written") or 0) then
    case.asked_at = nil
    return nil, lacks("category", { newest = newest or { id = 0 } })
  end
  return case.category or 0
end

local function rule_of(event)
  return event.trigger == "lead_status_set" and ("lead_status_set:%d"):format(event.lead_status) or event.trigger
end

-- Whether the user's choice counts: a category only where the decision asks.
local function is_answered(event, action, from)
  local choice = event.choice
  return choice == false or choice ~= nil and (choice == from or action == "confirm")
end

-- How a decision that matched is to be written.
local function status_of(how, case, action, answered)
  if answered and case.keep then
    return "declined"
  elseif action == "confirm" and not answered and how.confirm ~= "accept" then
    return how.confirm == "skip" and "skipped" or "awaiting_confirmation"
  end
  return how.keeps_companies and "updated" or "applying"
end

-- What an event comes to, as things stand: a result, and whether it is to be written.
function Walk:take(case)
  local m, how, event = self.m, self.how, case.event
  local company, id = event.company, event.id
  if id and (m.marks[id] or self.nothing[id] or self.imagined and self.imagined.ids[id]) then
    return 0
  elseif id and m.seen[id] then
    return { seen = m.seen[id] }
  elseif self.open.companies[company] or id and self.open.ids[id] then
    return lacks "turn"
  elseif how.needs_licence then
    return lacks "licence"
  elseif m.applying[company] and m.has_rule[event.trigger] then
    return lacks "end"
  end
  local from, lack = self:category(case)
  if not from then
    return lack
  end
  local action, to, reason = m.rules(event.trigger, from, event.lead_status)
  local result = {
    action = action, to = to, reason = reason, from = from ~= 0 and from or nil, revision = m.revision,
    rule = (action ~= "none" or reason == "already_in_category") and rule_of(event) or nil,
  }
  local answered = is_answered(event, action, from)
  result.choice_ignored = event.choice ~= nil and not answered or nil
  local waiting = m.waiting and m.waiting.trigger == event.trigger and may_wait(m, from) and m.waiting
  if action == "none" and waiting then
    result.status, result.reason, result.to, result.due = "scheduled", "matched", waiting.set_category, how.now + 3600
    result.rule = ("%s#%d"):format(waiting.trigger, waiting.id)
    return result, true
  elseif action == "none" then
    result.status = "unchanged"
    return result
  end
  if how.is_guarded or answered then
    local decision = table.concat({ result.rule, from, to, action, m.revision }, " ")
    if not case.passed or case.passed ~= m.abouts[decision] then
      result.lacks, result.about, result.reason, result.is_answered = "verdict", decision, nil, answered or nil
      result.choice_ignored = nil
      return result
    end
    result.to = case.target or result.to
  end
  result.status = status_of(how, case, action, answered)
  result.scheduled = waiting and true or nil
  if result.status == "skipped" then
    result.status, result.reason = "unchanged", "skipped"
    return result
  elseif result.status == "applying" and self.applying == how.most then
    return lacks "turn"
  end
  return result, true
end

function Walk:imagine(case, from, to)
  local company = case.event.company
  if not self.how.keeps_companies or self:kept(company) == from then
    self.imagined.companies[company] = to
  end
end

-- Later events of the company or id have to wait for this one.
function Walk:leave_open(case, result)
  local event, looking = case.event, self.imagined and self.how.keeps_companies
  if event.id then
    self.open.ids[event.id] = true
  end
  if looking and result.lacks == "turn" then
    return
  elseif not looking or result.lacks ~= "verdict" then
    self.open.companies[event.company] = true
    return
  end
  local to = result.from
  if result.is_answered then
    to = event.choice or to
  elseif result.action == "update" or self.how.confirm == "accept" then
    to = result.to
  end
  self:imagine(case, result.from, to)
end

function Walk:write(case, result)
  local event = case.event
  if result.status == "applying" then
    self.applying = self.applying + 1
  end
  if not self.imagined then
    local function write(status, to, scheduled)
      return put(self.m, {
        company = event.company, status = status, trigger = event.trigger, from = result.from, to = to,
        event_id = event.id, scheduled = scheduled,
      }, self.how)
    end
    self.m:end_scheduled(event.company, "superseded")
    result.scheduled = result.scheduled and write("scheduled", self.m.waiting.set_category)
    if result.status ~= "scheduled" then
      close_older(self.m, event.company, self.how.now)
    end
    local entry = write(result.status, result.to, result.scheduled)
    result.status, result.entry, result.confirmation = entry.status, entry, entry.question
    return
  end
  if result.status == "applying" then
    self.open.companies[event.company] = true
  elseif result.status == "updated" then
    self:imagine(case, result.from, result.to)
  end
  if event.id then
    self.imagined.ids[event.id] = true
  end
end

local FORGOTTEN = { rule_disabled = true, unknown_category = true, skipped = true }

-- Whether the event has come to nothing for a reason for which its id is remembered.
local function is_remembered(case, result, how)
  return case.event.id and not how.run and type(result) == "table" and not result.lacks
    and result.status == "unchanged" and not FORGOTTEN[result.reason]
end

-- Goes through cases from `first` on. With `stop` it ends before the first that is to be written, and gives its place.
function Walk:go(cases, first, stop)
  for place = first, #cases do
    local case = cases[place]
    local result, matched = self:take(case)
    if matched and stop then
      return place
    end
    case.result, case.matched = result, matched
    if matched then
      self:write(case, result)
    elseif type(result) == "table" and result.lacks then
      self:leave_open(case, result)
    elseif is_remembered(case, result, self.how) then
      self.nothing[case.event.id] = true
    end
  end
end

local ANSWERS = { licence = true, category = true, verdict = true }

-- Looks at all, as if those in front were written. Gives the first that is to be written, unless some lack answers.
local function look(self, cases, how)
  walk(self, how, { companies = {}, ids = {} }):go(cases, 1)
  local first, asks
  for place, case in ipairs(cases) do
    first = first or case.matched and place
    asks = asks or type(case.result) == "table" and ANSWERS[case.result.lacks]
  end
  for place = asks and 1 or first or #cases + 1, #cases do
    local case = cases[place]
    if type(case.result) ~= "table" or not case.result.lacks then
      case.result = lacks "commit"
    end
  end
  return not asks and first or nil
end

local function is_done(result)
  return result ~= nil and (type(result) ~= "table" or not result.lacks)
end

local function case_of(event, known)
  known = known or {}
  return {
    event = event, asked_at = known.asked_at, category = known.category, passed = known.passed, target = known.target,
    keep = known.keep,
  }
end

--- What `handle` puts into the results that are not final, by the events' places.
function model:handle(events, results, how)
  local cases, places, looks = {}, {}, how.look
  for place, event in ipairs(events) do
    if not is_done(results[place]) then
      local case = case_of(event, results[place])
      looks = looks or event.choice ~= nil and not case.passed
      cases[#cases + 1], places[#places + 1] = case, place
    end
  end
  local first
  if looks then
    first = look(self, cases, how)
  else
    first = walk(self, how):go(cases, 1, true)
  end
  if first and how.write then
    local writing = walk(self, how)
    for place = 1, first - 1 do
      local case = cases[place]
      if type(case.result) == "table" and case.result.lacks then
        writing:leave_open(case, case.result)
      elseif is_remembered(case, case.result, how) then
        writing.nothing[case.event.id] = true
      end
    end
    writing:go(cases, first)
  end
  local expected = {}
  for i, case in ipairs(cases) do
    expected[places[i]] = case.result or lacks "commit"
    if is_remembered(case, case.result, how) then
      self.marks[case.event.id] = case.result
    end
  end
  return expected
end

-- The items of `mine` in the order of `list`, as far as they are in it: `is_same` tells which one it is.
local function in_order_of(list, mine, is_same)
  local ordered, rest = {}, {}
  for i, item in ipairs(mine) do
    rest[i] = item
  end
  for _, stored in ipairs(list) do
    for k, item in ipairs(rest) do
      if is_same(item, stored) then
        ordered[#ordered + 1] = table.remove(rest, k)
        break
      end
    end
  end
  for _, item in ipairs(rest) do
    ordered[#ordered + 1] = item
  end
  return ordered
end

-- Whether it is this one: known by its number, or else the next one of its company.
local function is_entry(entry, stored)
  if entry.id then
    return entry.id == stored.entry
  end
  return entry.company == stored.company
end

local function is_change(change, stored)
  return change[1] == stored.kind and change[2].id == stored.entry.entry
end

--- Gives entries and questions the store's numbers; `list`: all of the store's entries, oldest first. `any_order`: those of
-- different companies stand in the order of the store, which is another one where several nodes have written at once.
function model:bind(list, any_order)
  if any_order then
    self.entries = in_order_of(list, self.entries, is_entry)
  end
  for place, entry in ipairs(self.entries) do
    local stored = list[place] or {}
    entry.id = stored.entry
    if entry.question and not entry.question.id then
      entry.question.id = stored.confirmation
    end
  end
end

--- The same of what was done; `list`: the store's changes, oldest first, once all entries have numbers.
function model:bind_changes(list)
  self.changes = in_order_of(list, self.changes, is_change)
end

return model
