--- What must be true of the cluster test, whatever has happened: of what the nodes have noted, of what the store has, and
-- of what the CRM was told.

local plan = require "cluster.plan"

local check = {}

---@class cluster.Found
---@field notes string[][] lines, as words
---@field history leadcat.Entry[] newest first
---@field seen fun(id: string): integer? the entry of an event
---@field questions table[]
---@field changes {company: string, key: string, from: integer, to: integer}[] what the CRM was told, oldest first
---@field categories table<string, integer> of the CRM
---@field unfinished integer

---@class cluster.Check: cluster.Found
---@field problems string[]
---@field entries table<string, leadcat.Entry> by their numbers
local Check = {}
Check.__index = Check

function Check:fail(text, ...)
  self.problems[#self.problems + 1] = text:format(...)
end

-- Acknowledged means present, with the same entry; and who was acknowledged first has the entry that all are told of.
function Check:acknowledged()
  local told = {}
  for _, note in ipairs(self.notes) do
    local kind, id = note[1], note[4]
    local entry = kind == "event" and note[6] or kind == "answer" and note[5] or kind == "undo" and note[4]
    if kind == "error" then
      self:fail("%s", table.concat(note, " "))
    elseif entry and not self.entries[entry] then
      self:fail("acknowledged and lost: %s", table.concat(note, " "))
    elseif kind == "event" then
      if self.entries[entry].event_id ~= id then
        self:fail("entry %s is not of the event %s that it was acknowledged for", entry, id)
      end
      if (told[id] or entry) ~= entry then
        self:fail("acknowledged with the entries %s and %s: %s", told[id], entry, id)
      end
      told[id] = entry
    end
  end
end

-- An id makes one entry.
function Check:ids()
  local first = {}
  for _, entry in ipairs(self.history) do
    local id = entry.event_id
    if id and first[id] then
      self:fail("the event %s has two entries", id)
    end
    first[id or 0] = true
  end
end

-- The CRM was told of each change once, in the order of entries, and each change begins where the one before has led.
function Check:chain()
  local by_key, at, newest, told = {}, {}, {}, {}
  for _, entry in ipairs(self.history) do
    by_key[entry.key or 0] = entry
  end
  for _, change in ipairs(self.changes) do
    local entry, company = by_key[change.key], change.company
    if not entry then
      self:fail("the CRM was told of an entry that is not there: %s of %s", change.key, company)
    else
      if told[change.key] then
        self:fail("the CRM was told twice of %s", change.key)
      elseif entry.entry <= (newest[company] or 0) then
        self:fail("the CRM was told of %s behind a newer one", change.key)
      end
      if entry.status ~= "updated" or entry.from ~= change.from or entry.to ~= change.to then
        self:fail("the CRM was told %d to %d of %s, which is %s %s to %s", change.from, change.to, change.key,
          entry.status, tostring(entry.from), tostring(entry.to))
      end
      newest[company] = entry.entry
    end
    if (at[company] or plan.START) ~= change.from then
      self:fail("the chain of %s is broken at %s", company, change.key)
    end
    at[company], told[change.key] = change.to, true
  end
  for company, category in pairs(self.categories) do
    if (at[company] or plan.START) ~= category then
      self:fail("%s is in %d, and was led to %d", company, category, at[company] or plan.START)
    end
  end
  return told
end

-- Nothing is unfinished, nobody else has changed companies, and what is `updated` the CRM knows.
function Check:ends(told)
  if self.unfinished ~= 0 then
    self:fail("%d changes are unfinished", self.unfinished)
  end
  for _, entry in ipairs(self.history) do
    if entry.status == "applying" or entry.status == "conflict" or entry.status == "failed" then
      self:fail("entry %.0f of %s is %s", entry.entry, entry.company, entry.status)
    elseif entry.status == "updated" and not told[entry.key] then
      self:fail("entry %.0f is updated, and the CRM never knew", entry.entry)
    end
  end
end

-- A question has one answer.
function Check:answers()
  local answers = {}
  for _, entry in ipairs(self.history) do
    if entry.confirmation and entry.status ~= "awaiting_confirmation" then
      if answers[entry.confirmation] then
        self:fail("the question %s has two answers", entry.confirmation)
      end
      answers[entry.confirmation] = entry
    end
  end
  for _, question in ipairs(self.questions) do
    if (question.state ~= "open") ~= (answers[question.id] ~= nil) then
      self:fail("the question %s is %s, and has %s answer", question.id, question.state,
        answers[question.id] and "an" or "no")
    end
  end
end

-- Nothing is written by rules that were outdated when the call began, nor otherwise than they say.
function Check:rules()
  local saves, acknowledgements = {}, {}
  for _, note in ipairs(self.notes) do
    if note[1] == "save" then
      saves[#saves + 1] = { at = tonumber(note[3]), revision = tonumber(note[4]) }
    elseif note[1] == "event" and note[7] ~= "duplicate" then
      acknowledgements[#acknowledgements + 1] = { at = tonumber(note[2]), revision = tonumber(note[8]), id = note[4] }
    end
  end
  table.sort(saves, function(a, b) return a.at < b.at end)
  table.sort(acknowledgements, function(a, b) return a.at < b.at end)
  local place, newest = 1, 0
  for _, event in ipairs(acknowledgements) do
    while saves[place] and saves[place].at < event.at do
      newest, place = math.max(newest, saves[place].revision), place + 1
    end
    if event.revision < newest then
      self:fail("%s was decided by revision %d after %d was saved", event.id, event.revision, newest)
    end
  end
  for _, entry in ipairs(self.history) do
    if entry.event_id and entry.to and entry.to ~= plan.target(entry.trigger, entry.revision) then
      self:fail("entry %.0f leads to %d, unlike revision %d", entry.entry, entry.to, entry.revision)
    end
  end
end

--- Checks it all.
---@param found cluster.Found
---@return string[] problems
function check.all(found)
  local self = setmetatable({ problems = {}, entries = {} }, { __index = function(_, name)
    return Check[name] or found[name]
  end })
  for _, entry in ipairs(found.history) do
    self.entries[("%.0f"):format(entry.entry)] = entry
  end
  self:acknowledged()
  self:ids()
  self:ends(self:chain())
  self:answers()
  self:rules()
  return self.problems
end

return check
