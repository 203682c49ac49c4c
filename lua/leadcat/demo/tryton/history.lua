--- What has happened to Tryton's opportunities, by the history that Tryton keeps of each: what an opportunity was and what it has
-- become. So no state is invented, and nothing is missed that happened between two looks.

local hooks = require "leadcat.hooks"

local history = {}

local MODEL = "sale.opportunity"
local FIELDS = { "party", "state", "number", "description", "amount", "write_uid", "create_uid" }
local TOGETHER, MOST = 200, 100000 -- opportunities whose revisions are asked for at once; that may have changed since

--- What Tryton's states mean. A cancelled opportunity is neither won nor lost.
history.STATUSES = {
  lead = "open", opportunity = "open", converted = "open", won = "won", lost = "lost", cancelled = "stalled",
}

-- Times ---------------------------------------------------------------------------------------------------------------

local function days_since_1970(year, month, day)
  local y = month <= 2 and year - 1 or year
  local era, m = math.floor(y / 400), (month + 9) % 12
  local of_era = y - era * 400
  return era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100)
    + math.floor((153 * m + 2) / 5) + day - 719469
end

-- Seconds since 1970, to the microsecond: Tryton's times are UTC.
local function seconds_of(time)
  return days_since_1970(time.year, time.month, time.day) * 86400 + time.hour * 3600 + time.minute * 60 + time.second
    + time.microsecond / 1e6
end

local function time_of(seconds)
  local whole = math.floor(seconds)
  local time = os.date("!*t", whole)
  return {
    __class__ = "datetime", year = time.year, month = time.month, day = time.day, hour = time.hour, minute = time.min,
    second = time.sec, microsecond = math.floor((seconds - whole) * 1e6 + 0.5) % 1000000,
  }
end

local function text_of(time)
  return ("%04d-%02d-%02dT%02d:%02d:%02d.%06d"):format(time.year, time.month, time.day, time.hour, time.minute,
    time.second, time.microsecond)
end

-- Revisions -----------------------------------------------------------------------------------------------------------

---@class leadcat.tryton.Revision
---@field id integer the opportunity
---@field time table
---@field at number the same in seconds since 1970
---@field user? string the name of who made it
---@field last? leadcat.tryton.Revision the one before it
---@field before? table the opportunity as it was; nil for a new one
---@field after table as it is now

-- The opportunities that were created or changed at that time or later.
local function changed_since(client, seconds)
  local time = time_of(seconds)
  return client:call(("model.%s.search"):format(MODEL), {
    { "OR", { { "write_date", ">=", time } }, { { "create_date", ">=", time } } }, 0, MOST, { { "id", "ASC" } },
  }, { is_safe = true })
end

-- Adds the revisions of some opportunities to the list: those at that time or later, each with the one before it. Writes of
-- one transaction have one time, and are one revision.
local function add_revisions(list, found, seconds)
  table.sort(found, function(a, b) return a.id < b.id or a.id == b.id and a.at < b.at end)
  local last
  for _, revision in ipairs(found) do
    if last and (last.id ~= revision.id or last.at ~= revision.at) and last.at >= seconds then
      list[#list + 1] = last
    end
    if last and last.id == revision.id then
      revision.last = last.at < revision.at and last or last.last
    end
    last = revision
  end
  list[#list + 1] = last and last.at >= seconds and last or nil
end

-- All revisions since that time, oldest first; or nil, message.
local function revisions_since(client, seconds)
  local ids, message = changed_since(client, seconds)
  local list = {}
  for first = 1, ids and #ids or 0, TOGETHER do
    local some, found = {}, {}
    for place = first, math.min(first + TOGETHER - 1, #ids) do
      some[#some + 1] = ids[place]
    end
    local rows, why = client:call(("model.%s.history_revisions"):format(MODEL), { some }, { is_safe = true })
    if not rows then
      return nil, why
    end
    for i, row in ipairs(rows) do
      found[i] = { id = row[2], time = row[1], at = seconds_of(row[1]), user = row[3] or nil }
    end
    add_revisions(list, found, seconds)
  end
  table.sort(list, function(a, b) return a.at < b.at or a.at == b.at and a.id < b.id end)
  return ids and list, message
end

-- Adds what the opportunity was when a revision was made; or gives nil, message.
local function add_state(client, revision)
  if revision.after then
    return true
  end
  local rows, message = client:call(("model.%s.read"):format(MODEL), { { revision.id }, FIELDS },
    { context = { _datetime = revision.time }, is_safe = true })
  revision.after = rows and rows[1]
  return revision.after, message
end

-- Adds what it was before, too.
local function add_states(client, revision)
  local last, ok, message = revision.last, true, nil
  if last then
    ok, message = add_state(client, last)
    revision.before, revision.last = last.after, nil
  end
  if ok then
    ok, message = add_state(client, revision)
  end
  return ok, message
end

--- For `leadcat.source.poll`: the revisions since that time, with what the opportunities were and have become.
---@param client leadcat.tryton.Client
---@param seconds number
---@param limit integer
---@return leadcat.tryton.Revision[]? revisions
---@return number|string|nil next_time or the message
---@return boolean? more
function history.since(client, seconds, limit)
  local list, message = revisions_since(client, seconds)
  if not list then
    return nil, message
  end
  local items = {}
  for place, revision in ipairs(list) do
    if place > limit and revision.at > list[place - 1].at then
      break
    end
    local ok, why = add_states(client, revision)
    if not ok then
      return nil, why
    end
    items[place] = revision
  end
  return items, items[#items] and items[#items].at, #items < #list
end

-- Events --------------------------------------------------------------------------------------------------------------

local function sale_of(opportunity)
  local name = opportunity.number
  if opportunity.description and opportunity.description ~= "" then
    name = name and ("%s %s"):format(name, opportunity.description) or opportunity.description
  end
  return { id = opportunity.id, name = name, company = opportunity.party, status = opportunity.state }
end

--- The events of a revision. Their ids are those of the revision, so whoever reads it again gives the same.
---@param revision leadcat.tryton.Revision
---@param source string what the ids begin with
---@return leadcat.Event[]? events, string? message
function history.events(revision, source)
  local uid = revision.after.write_uid or revision.after.create_uid
  local events, message = hooks.sale_saved(revision.before and sale_of(revision.before), sale_of(revision.after), {
    source = source, version = text_of(revision.time), at = revision.at, statuses = history.STATUSES,
    actor = uid and { id = uid, name = revision.user } or nil,
  })
  for _, event in ipairs(events or {}) do
    event.sale.amount = revision.after.amount and tonumber(revision.after.amount.decimal) -- for conditions
  end
  return events, message
end

history.time_of, history.seconds_of = time_of, seconds_of -- for specs

return history
