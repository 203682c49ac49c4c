--- What the counters by day have to be: the journal, read entry by entry. A second implementation of src/store/daily.c.

local json = require "leadcat.util.json"

local days = {}

local ANSWERS = {
  declined = "declined", expired = "expired", superseded = "superseded", conflict = "answer_conflict",
  failed = "answer_failed",
}
local OTHERS = { conflict = "conflict", failed = "failed", declined = "kept" }

-- As what an entry counts, if it does. `proposed`: what the question that it has answered has proposed.
local function kind_of(entry, proposed)
  local undoes = entry.details and not entry.event_id and json.decode(entry.details).undoes
  if entry.status == "awaiting_confirmation" then
    return "asked"
  elseif entry.confirmation and entry.status == "updated" then
    return entry.to == proposed and "accepted" or "changed"
  elseif entry.confirmation then
    return ANSWERS[entry.status]
  elseif undoes then
    return entry.status == "updated" and "undone" or nil
  elseif entry.status == "updated" then
    return entry.action == "confirm" and "chosen" or "automatic"
  elseif entry.status == "dropped" then
    return entry.due and "dropped" or nil
  end
  return OTHERS[entry.status]
end

local function add(counts, key, more)
  counts[key] = (counts[key] or 0) + more
end

local FORM = "%s %s %s:%d#%d %d>%d"

--- How often what was counted, by a text that says what.
---@param store leadcat.Store
---@param tenant string
---@param day? fun(entry: table): integer the day of an entry; nil: all days are added up
---@return table<string, integer>
function days.expected(store, tenant, day)
  local counts, after = {}, nil
  repeat
    local page = assert(store:history(tenant, nil, nil, after, 1000))
    for _, entry in ipairs(page) do
      local answers = entry.confirmation and entry.status == "updated"
      local kind = kind_of(entry, answers and assert(store:confirmation(tenant, entry.confirmation)).to)
      if kind then
        add(counts, FORM:format(day and day(entry) or "", kind, entry.trigger, entry.lead_status or 0,
          entry.rule_id or 0, entry.from, entry.to), 1)
      end
      after = entry.entry
    end
  until #page < 1000
  return counts
end

--- The same of the counters that the store has.
---@param by_day? boolean
---@param limit? integer counters that are read at once; default 7
function days.found(store, tenant, by_day, limit)
  local counts, after = {}, ""
  repeat
    local page = assert(store:daily(tenant, 0, after, limit or 7))
    for _, row in ipairs(page) do
      add(counts, FORM:format(by_day and row.day or "", row.kind, row.trigger, row.lead_status or 0, row.rule_id or 0,
        row.from, row.to), row.count)
      after = row.counted
    end
  until #page < (limit or 7)
  return counts
end

return days
