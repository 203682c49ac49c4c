--- What becomes of questions whose time is over: without `on_expiry` of the rule that asked they expire; with it the proposal is accepted or
-- declined, as if somebody had answered.

local confirmation = require "leadcat.events.confirmation"
local journal = require "leadcat.past.journal"
local platform = require "leadcat.util.platform"
local question = require "leadcat.events.question"
local write = require "leadcat.events.write"

local expiry = {}

local PAGE = 100 -- written together

-- The item of the journal. What cannot be carried out any more, as its category was deleted, expires, and says why.
local function item_of(self, record)
  local item, message, code = question.answer_item(self, record, { [record.on_expiry] = true })
  if code == "invalid" then
    item = question.answer_item(self, record, { decline = true })
    item.status, item.error = "expired", message
  elseif not item then
    return nil, message, code
  end
  item.by_expiry, item.details = true, journal.with_expiry(item.details)
  return item
end

-- The items of a page of questions, with their companies and records. One that cannot be made stops none of the others.
local function prepare(self, page, done)
  local items, companies, records = {}, {}, {}
  for _, stored in ipairs(page) do
    local item
    local record, message, code = confirmation.record(stored, self._tenant)
    if record and record.on_expiry then
      item, message, code = item_of(self, record)
    end
    done.failure = done.failure or code and { message, code }
    if item then
      items[#items + 1], companies[#companies + 1], records[#records + 1] = item, record.company, record
    end
  end
  return items, companies, records
end

-- Those of which another process, an answer or a newer event was faster, or whose change is being made, are left.
local function carry_out(self, page, done)
  local items, companies, records = prepare(self, page, done)
  if #items == 0 then
    return true
  end
  local outcomes, message, code = write.items(self, items, companies)
  if not outcomes then
    return nil, message, code
  end
  for place, record in ipairs(records) do
    local outcome = outcomes[place]
    if outcome then
      done.count = done.count + 1
      question.report(self, record, nil, outcome)
    end
  end
  return true
end

--- Ends the questions whose time is over. Counts them.
---@param self leadcat.Engine
---@return integer? ended, string? message, string? code of the first failure; all else was done
function expiry.carry_out(self)
  local expired, message, code = question.expire(self)
  if not expired then
    return nil, message, code
  end
  local done, after, entry = { count = expired }, 0, 0
  while after do
    local page
    page, message, code = self._store:expiring(self._tenant, after, entry, self:_now(), PAGE)
    local ok = page
    if ok then
      ok, message, code = carry_out(self, page, done)
    end
    if not ok then
      return nil, message, code
    end
    local last = page[PAGE] -- of a page that is full
    after, entry = last and math.floor(last.expires_at * 1000), last and last.entry
    platform.give_way()
  end
  if done.failure then
    return nil, done.failure[1], done.failure[2]
  end
  return done.count
end

return expiry
