--- Methods of a shared store for rules: they are saved in the database, and mirrored into the node's LMDB, from where
-- they decide, also while the database is away. A counter there moves with every save: who asks for what is behind
-- the last one that it knows misses nothing.

local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local json = require "leadcat.util.json"
local platform = require "leadcat.util.platform"
local protected = require "leadcat.util.protected"
local statements = require "leadcat.store.sql.statements"
local triggers = require "leadcat.rules.triggers"

---@class leadcat.sql.Store
local rules = {}

local EVERY = 0.1 -- seconds between two looks at the counter
local SHORTEST = 0.01 -- of a pause between two timers
local AWAY = 1 -- while the database is away
local TIMEOUT = 2 -- seconds for an answer; where nothing else runs meanwhile, deciding waits for it
local SPARE = 0.25 -- seconds for which the lease outlasts the next look

-- Mirroring ----------------------------------------------------------------------------------------------------------

-- The packed ruleset of a config's JSON; "" when that is damaged: then the core says so, and it is repaired or
-- reported.
function rules.ruleset_of(text, revision, own)
  local cfg = json.decode(text)
  if type(cfg) ~= "table" or check.has_errors(check.problems(cfg)) then
    return ""
  end
  return core.ruleset(config.normalize(cfg), revision, own)
end

local function list_triggers(rows)
  local names, items = {}, {}
  for i, row in ipairs(rows) do
    names[i] = row[1]
    items[i] = { trigger = row[1], about = row[2] ~= "" and row[2] or nil }
  end
  return names, items
end

local function read_triggers(self)
  local rows, message, code = self:run(statements.triggers, {})
  if not rows then
    return nil, message, code
  end
  return list_triggers(rows)
end

local function state_of(cluster, counter, anchor)
  return ("%.0f %.0f %s"):format(cluster, counter, anchor)
end

local function read_anchor(self, counter)
  local rows, message, code = self:run(statements.anchor, { counter })
  return rows and rows[1][1], message, code
end

-- The database, and how far the mirror goes.
local function read_state(self)
  local text = self.core:mirror_state()
  local cluster, counter, anchor = (text or ""):match "^(%d+) (%d+) (%S+)$"
  return tonumber(cluster), tonumber(counter), anchor
end

---@class leadcat.sql.News
---@field meta table<string, integer>
---@field triggers table[] rows of `statements.triggers`
---@field configs table[] `{tenant, revision, json, about}`
---@field anchor? string nothing: there are no news

-- What is new behind a counter, in one statement; -1: everything.
---@return leadcat.sql.News? news, string? message, string? code
local function read_news(self, counter)
  local rows, message, code = self:run(statements.news, { counter }, false, nil, TIMEOUT)
  if not rows then
    return nil, message, code
  end
  local news = { meta = {}, triggers = {}, configs = {} }
  for _, row in ipairs(rows) do
    local kind, name, about, number = row[1], row[2], row[3], row[4]
    if kind == 0 then
      news.meta[name] = number
    elseif kind == 1 then
      news.triggers[number + 1] = { name, about }
    elseif kind == 2 then
      news.configs[#news.configs + 1] = { tenant = row[5], revision = number, json = row[6], about = about }
    else
      news.anchor = name
    end
  end
  self.offset = news.meta.now / 1000000 - core.uptime()
  return news
end

-- Takes them over; `is_whole`: in place of everything that was known.
local function mirror(self, news, is_whole)
  local names, items = list_triggers(news.triggers)
  for _, item in ipairs(news.configs) do
    item.ruleset = rules.ruleset_of(item.json, item.revision, names)
  end
  return self:patiently("mirror", state_of(news.meta.cluster, news.meta.configs, news.anchor), news.configs, is_whole,
    items)
end

--- Whether there are sessions that are newer than what is known of the database.
---@return boolean
function rules:is_reconnected()
  return self.database.sessions ~= self.sessions
end

-- Whether what is mirrored is of that database, and nothing is there that it does not have. It is looked at once more where
-- there is a new session: the database may have been restored meanwhile, or swapped, which ends all sessions.
local function is_of(self, meta, cluster, counter, anchor)
  if cluster ~= meta.cluster or counter > meta.configs then
    return false
  elseif not self:is_reconnected() then
    return true
  end
  local found, message, code = read_anchor(self, counter)
  if not found then
    return nil, message, code
  end
  return found == anchor
end

-- What is new, and whether it takes the place of everything that is known: where that is of another database, or of one that
-- was restored from a backup.
---@return leadcat.sql.News? news, boolean|string? is_whole, string? code
local function find_news(self, anew)
  local cluster, counter, anchor = read_state(self)
  local news, message, code = read_news(self, counter or -1)
  if not news then
    return nil, message, code
  end
  self.newest_counter = news.meta.configs
  local fits
  fits, message, code = is_of(self, news.meta, cluster, counter, anchor)
  if fits == nil then
    return nil, message, code
  elseif fits and not anew or not counter then
    return news, not fits
  end
  news, message, code = read_news(self, -1)
  return news, news and true or message, code
end

-- Looks whether rules have been saved by any node, and takes them over.
local function look(self, anew)
  local sessions, done, message = self.database.sessions, true, nil
  local news, is_whole, code = find_news(self, anew)
  if not news then
    return nil, is_whole, code
  end
  local meta = news.meta
  if news.anchor then
    done, message, code = mirror(self, news, is_whole)
  end
  if done and self.cluster ~= meta.cluster then
    self:take_marks() -- they are of another database
    done, message, code = self:take_identity()
  end
  if done then
    if self.sessions ~= sessions or is_whole then
      self.memory:clear()
    end
    self.counter, self.cluster, self.polled_at, self.sessions = meta.configs, meta.cluster, core.uptime(), sessions
  end
  return done, message, code
end

-- How far another process of the node has mirrored.
local function follow(self)
  local _, counter = read_state(self)
  self.counter = counter or self.counter
end

-- Looks, if it is this process that does so for the node.
local function take_turn(self)
  self.polls_at = core.uptime() + EVERY
  if not self.lease:take(EVERY + TIMEOUT) then
    follow(self)
    return true
  end
  local done, message, code = look(self)
  local pause = done and EVERY or AWAY
  self.polls_at = core.uptime() + pause
  self.lease:hold(pause + SPARE, done and self.polled_at, done and self.counter)
  return done, message, code
end

--- Has the node's rules be those of the database: at once, or by whichever of its processes has its turn.
---@param at_once? boolean
---@param anew? boolean as a whole
---@return true? done, string? message, string? code
function rules:poll(at_once, anew)
  if at_once then
    self.polls_at = core.uptime() + EVERY
    return look(self, anew)
  elseif self.ticks or core.uptime() < self.polls_at then
    return true
  end
  return take_turn(self)
end

-- Until the store is closed, or nobody has it any more.
local function tick(held)
  local self = held[1]
  if self and self.core then
    if core.uptime() >= self.polls_at then
      protected.call(take_turn, self)
    end
    local pause = math.min(math.max(SHORTEST, self.polls_at - core.uptime()), AWAY)
    platform.later(pause, function(is_ending) return not is_ending and tick(held) end)
  end
end

--- In nginx rules are looked for by a timer, so that no request waits for the database that only decides.
function rules:keep_polling()
  if platform.semaphore then
    local held = setmetatable({ self }, { __mode = "v" })
    self.ticks = platform.later(EVERY, function(is_ending) return not is_ending and tick(held) end)
  end
end

--- When the node has looked for rules, by `core.uptime`, and how many saves it knows of that are not mirrored.
---@return number looked, integer behind
function rules:freshness()
  local _, _, looked, counter = self.lease:read()
  follow(self)
  return math.max(self.polled_at, looked or 0),
    math.max(0, math.max(self.newest_counter or 0, counter or 0) - (self.counter or 0))
end

-- Each read tells the counter: so whoever handles events needs no poll.
function rules:heard(counter, now)
  self.offset, self.newest_counter = now - core.uptime(), counter
  if counter ~= self.counter or self:is_reconnected() then
    self.polls_at = 0
  else
    self.polled_at = core.uptime()
  end
end

--- Runs a statement that writes what is meant for the database that this node knows, whose id is its last parameter. The
-- second column of its row says whether it still is that one. If not, its rules are taken over, and nothing was written.
---@return leadcat.pg.Result? rows, string? message, string? code
function rules:run_here(statement, params)
  params[#statement.types] = self.cluster
  local rows, message, code = self:run(statement, params, true)
  if rows and not rows[1][2] then
    self:poll(true)
    return nil, "another database is in the place of the one that was known: nothing was written", "unavailable"
  end
  return rows, message, code
end

-- The revision by which this node decides; nil where that is damaged: then nothing is decided.
function rules:fence(tenant)
  local action, _, _, revision = self.core:decide(tenant, "sale_won")
  return action and revision or nil
end

-- Methods ------------------------------------------------------------------------------------------------------------

function rules:save(tenant, expected, ruleset, text, about)
  local rows, message, code = self:run_here(statements.save, { tenant, expected, text, about })
  local counter = rows and rows[1][1]
  if not rows and code ~= "overtaken" then
    return nil, message, code
  elseif not counter then -- another revision is there; or comes at this moment, of somebody who was first
    self:poll(true)
    return nil, ("revision %.0f is not the newest"):format(expected), "stale"
  end
  local anchor = counter == self.counter + 1 and read_anchor(self, counter)
  if not anchor then -- it is saved, whether or not this node can take it over now
    self:poll(true)
    return true
  end
  local saved = { tenant = tenant, revision = expected + 1, ruleset = ruleset, json = text, about = about }
  self.counter = self.counter + 1
  self:patiently("mirror", state_of(self.cluster, self.counter, anchor), { saved }, false)
  return true
end

function rules:config(tenant, revision)
  self:poll()
  local text, message, code = self.core:config(tenant, revision)
  if text or code ~= "not_found" or revision == 0 then
    return text, message, code
  end
  local rows
  rows, message, code = self:run(statements.config, { tenant, revision })
  if not rows then
    return nil, message, code
  elseif not rows[1] then
    return nil, "there is no such revision", "not_found"
  end
  return rows[1][1]
end

function rules:revisions(tenant)
  local rows, message, code = self:run(statements.revisions, { tenant })
  if not rows then
    return nil, message, code
  end
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = row[1]
  end
  return list
end

function rules:repair(tenant, revision, ruleset)
  return self:patiently("repair", tenant, revision, ruleset)
end

local function place_of(names, name)
  for i, known in ipairs(names) do
    if known == name then
      return i
    end
  end
end

-- The rows of what is new or told anew; nothing when there are none.
local function declared(items, names, known)
  local list = { {}, {}, {}, {} }
  local count, top = 0, #names
  for _, item in ipairs(items) do
    local place = place_of(names, item.trigger)
    local about = item.about or ""
    if not place or about ~= "" and about ~= (known[place].about or "") then
      top = place and top or top + 1
      count = count + 1
      list[1][count], list[2][count], list[3][count], list[4][count] = item.trigger, about, about ~= "", (place
        or top) - 1
    end
  end
  return count > 0 and list or nil, top
end

function rules:declare(items)
  for _ = 1, 16 do
    local names, known, code = read_triggers(self)
    if not names then
      return nil, known, code
    end
    local list, top = declared(items, names, known)
    if not list then
      return self:poll(true)
    elseif top > triggers.MOST then
      return nil, ("there would be more than %d own triggers"):format(triggers.MOST), "invalid"
    end
    local rows, message
    rows, message, code = self:run(statements.declare, list, true)
    if rows then
      return self:poll(true)
    elseif code ~= "overtaken" then
      return nil, message, code
    end
  end
  return nil, "others keep declaring triggers", "unavailable"
end

for _, name in ipairs { "triggers", "decide", "explain" } do
  rules[name] = function(self, ...)
    self:poll()
    return self.core[name](self.core, ...)
  end
end

function rules:decider(...)
  return self.core:decider(...)
end

return rules
