--- How a shared store decides and writes: it reads what there is of some companies in one statement, or remembers it, has the
-- core decide in memory about that (`store:walk`, src/store/scratch.h), by the same code as on one machine, and sends what
-- has changed as one statement, which compares and sets each company's row. Where a row is otherwise, nothing
-- of that company is written, and it is decided anew.
--
-- What is remembered counts only once the statement that writes has compared it. What comes to nothing is compared with nothing:
-- so it is read, and decided by that.

local worlds = require "leadcat.store.sql.worlds"
local writing = require "leadcat.store.sql.writing"

local world = {}

local TRIES = 32
local MISSED = 3 -- tries in which a CRM's company stayed as it was, though it could be locked

-- Has others go on, the longer the more often we were overtaken.
local function rest(self, try)
  if try > 2 then
    self:sleep(math.random() * 0.002 * try)
  end
end

---@class leadcat.sql.Call
---@field keys fun(): leadcat.sql.Keys
---@field method string of the core's store
---@field arguments fun(found: table): ... behind the tenant
---@field fence? boolean what is written was decided by rules
---@field cursor? table moves with it
---@field is_done? fun(results: table): boolean whether the cursor moves
---@field undo? fun(overtaken: table<string, true>, was_recalled?: boolean): boolean takes back the results of these companies; whether any is left to be decided
---@field before? fun(was_recalled?: boolean) is called before each try: whether the one before was with what is remembered
---@field beside? {names?: leadcat.sql.Names} changes of companies are made in the CRM that is in this database
---@field recalls? fun(keys: leadcat.sql.Keys): boolean, boolean? whether what is remembered will do, and whether other companies are taken for new
---@field unproven? fun(written: table<string, true>): table<string, true> companies of results that rest on what was remembered, but for these

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local RECALLS = 2 -- tries in which what is remembered will do

-- What a call may look at: remembered or read. Nil: the rules are looked for first, `anew` or not.
local function find(self, tenant, call, try, reads)
  local keys = call.keys()
  keys.beside = call.beside
  if not reads and try <= RECALLS and call.recalls then
    local recalls, guesses = call.recalls(keys)
    local found = recalls and worlds.recall(self, tenant, keys, guesses)
    if found then
      return found, call.fence and self:fence(tenant) or nil
    end
  end
  local found, message, code = worlds.read(self, tenant, keys)
  if not found then
    return nil, nil, message, code
  end
  local reconnected = self:is_reconnected()
  local fence = call.fence and self:fence(tenant) or nil
  if not reconnected and found.cluster == self.cluster and (not fence or fence == found.revision) then
    return found, fence
  end
  local polled
  polled, message, code = self:poll(true, try > 1 and not reconnected)
  return nil, nil, not polled and message or nil, code
end

-- What was decided by what is remembered, and is not written: whether there is any, and whether it has to be read.
local function take_back(call, found, written, rows)
  if not call.unproven then
    return next(written) == nil, true
  end
  local left, reads = call.unproven(written), not found.are_known
  for company in pairs(left) do
    reads = reads or not (rows and rows[company])
  end
  return next(left) ~= nil and call.undo(left, true), reads
end

local function change(self, tenant, call)
  local beside, missed, reads, was_recalled = call.beside, 0, false, nil
  for try = 1, TRIES do
    local found, fence, message, code = find(self, tenant, call, try, reads)
    if not found and message then
      return nil, message, code
    elseif found then
      if call.before then
        call.before(was_recalled)
      end
      was_recalled = found.is_recalled
      local results = self:walk(tenant, found, call.method, call.arguments(found))
      local effects, recalled = results[1], found.is_recalled
      local answer = { n = results.n - 1, unpack(results, 2, results.n) }
      local cursor = call.cursor and (not call.is_done or call.is_done(answer)) and call.cursor or nil
      local written, why, is_left
      if not effects and not recalled then
        return effects == false and answer or nil, results[2], results[3]
      elseif not effects or recalled and #effects.limits + #effects.unchanged > 0 then
        effects, reads = nil, true -- it may be otherwise than remembered
      elseif writing.is_empty(effects) and not cursor then
        written = {}
      else
        written, why, code = writing.put(self, tenant, found, effects, {
          fence = fence, all = not call.undo or cursor ~= nil, cursor = cursor, beside = beside,
        })
        answer.wrote = true
      end
      if effects and written == nil then
        return nil, why, code
      elseif written and recalled then
        is_left, reads = take_back(call, found, written, why)
      elseif written then
        is_left = why and call.undo and call.undo(world.left_out(written, why))
      end
      if written and not is_left then
        return answer
      end
      self.overtaken = self.overtaken + (recalled and 0 or 1)
      reads = reads or effects and not written
      if why == "stale" then
        local polled
        polled, message, code = self:poll(true)
        if not polled then
          return nil, message, code
        end
      elseif why == "theirs" then
        missed = missed + 1
        if missed == MISSED then
          return nil, "the CRM leaves its companies as they are", "apart"
        end
      end
      rest(self, try)
    end
  end
  return nil, "others keep changing the same companies", beside and "apart" or "unavailable"
end

--- Decides and writes.
---@param self leadcat.sql.Store
---@param tenant string
---@param call leadcat.sql.Call
---@return table? results of the method, as `{n = how many, ...}`; `wrote`: whether anything was written; string? message; string? code
function world.change(self, tenant, call)
  local answer, message, code = change(self, tenant, call)
  if code == "apart" then
    self.apart = self.apart + 1
  end
  return answer, message, code
end

-- The companies of rows that were not written.
function world.left_out(written, rows)
  local left = {}
  for _, row in ipairs(rows) do
    if not written[row.company] then
      left[row.company] = true
    end
  end
  return left
end

--- The seconds since 1970 at which a call decides.
---@param self leadcat.sql.Store
---@param now number of the caller
---@param found table
---@return number
function world.now(self, now, found)
  return self.trusts_now and now or found.now
end

return world
