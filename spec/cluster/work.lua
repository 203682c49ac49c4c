--- What a node does until it is killed: it handles events, singly and in batches, answers questions, undoes changes, saves
-- rules, and finishes what others have left. What was acknowledged it notes, a line each, with the times of the call.
-- It delivers an event until it is acknowledged, as sources do.

local core = require "leadcat.core"
local host_of = require "kill.shared_host"
local leadcat = require "leadcat"
local plan = require "cluster.plan"
local platform = require "leadcat.util.platform"

local UNDECIDED = { unavailable = true } -- what may always come
local EXPECTED = { -- also, of an answer, an undo and a save
  already_resolved = true, expired = true, not_found = true, conflict = true, stale = true,
}
local PAUSE = 0.004 -- seconds between two calls, on average
local LOOPS = 6

local work = {}

---@class cluster.Node
local Node = {}
Node.__index = Node

function Node:note(...)
  self.file:write(table.concat({ ... }, " "), "\n")
  self.file:flush()
end

function Node:failed(what, message, code)
  platform.sleep(PAUSE * 5)
  if not UNDECIDED[code] and not (what ~= "handle" and EXPECTED[code]) then
    self:note("error", what, tostring(code), tostring(message))
  end
end

local function times(begun)
  return ("%.6f %.6f"):format(begun, core.uptime())
end

function Node:acknowledged(begun, event, outcome)
  if outcome.entry then
    self:note("event", times(begun), event.id, event.trigger, ("%.0f"):format(outcome.entry), outcome.status,
      tostring(outcome.revision or 0))
  end
end

-- What nobody has answered for a while is delivered again first: it may well have been written.
function Node:again(event, begun)
  local is_first = core.uptime() - begun > 0.2 or self.redelivered[event] and math.random(100) > 1
  self.redelivered[event] = true
  table.insert(self.unknown, is_first and 1 or #self.unknown + 1, event)
end

-- An event that was not acknowledged, or one of those whose time has come.
function Node:next_event()
  if #self.unknown > 0 and math.random(5) > 1 then
    return table.remove(self.unknown, 1)
  end
  return plan.event(core.uptime())
end

function Node:handle()
  local begun, event = core.uptime(), self:next_event()
  local outcome, message, code = self.engine:handle(event)
  if not outcome then
    self:failed("handle", message, code)
    return self:again(event, begun)
  end
  self:acknowledged(begun, event, outcome)
end

function Node:handle_many()
  local begun, events = core.uptime(), {}
  for i = 1, 10 do
    events[i] = self:next_event()
  end
  local outcomes, message, code = self.engine:handle_many(events)
  if not outcomes then
    self:failed("handle", message, code)
  end
  for i, event in ipairs(events) do
    local outcome = outcomes and outcomes[i]
    if not outcome or outcome.status == "not_taken" then
      self:again(event, begun)
    else
      self:acknowledged(begun, event, outcome)
    end
  end
end

function Node:answer()
  local begun, list = core.uptime(), self.engine:confirmations { state = "open", limit = 5 }
  if not list or #list == 0 then
    return
  end
  local id = list[math.random(#list)].id
  local choice = math.random(2) == 1 and { accept = true } or { decline = true }
  local outcome, message, code = self.engine:resolve(id, choice)
  if not outcome then
    self:failed("answer", message, code)
  elseif outcome.entry then
    self:note("answer", times(begun), id, ("%.0f"):format(outcome.entry))
  end
end

function Node:undo()
  local begun, list = core.uptime(), self.engine:history { status = "updated", limit = 5 }
  if not list or #list == 0 then
    return
  end
  local outcome, message, code = self.engine:undo(list[math.random(#list)].entry)
  if not outcome then
    self:failed("undo", message, code)
  elseif outcome.entry then
    self:note("undo", times(begun), ("%.0f"):format(outcome.entry))
  end
end

function Node:save()
  local begun, revision = core.uptime(), self.engine:config().revision
  local saved, message, code = self.engine:save(plan.config(revision + 1), { revision = revision })
  if not saved then
    return self:failed("save", message, code)
  end
  self:note("save", times(begun), tostring(saved))
end

-- Until the database is there: it may be away now.
local function open(options)
  local engine
  repeat
    engine = leadcat.open(options)
    platform.sleep(engine and 0 or 0.1)
  until engine
  return engine
end

-- Notes the revision by which this node decides now, where it is a new one.
function Node:note_rules()
  self.engine:decide("sale_registered", plan.START)
  local revision = self.engine._store:fence(plan.TENANT)
  if revision ~= self.revision then
    self.revision = revision
    self:note("rules", ("%.6f"):format(core.uptime()), tostring(revision))
  end
end

local function loop(self)
  for turn = 1, math.huge do
    self:note_rules()
    local roll = math.random(100)
    local what = roll <= 6 and "handle_many" or roll <= 16 and "answer" or roll <= 21 and "undo"
      or roll == 22 and "save" or "handle"
    local ok, message = pcall(self[what], self)
    if not ok then
      self:note("error", what, "raised", (tostring(message):gsub("\n", " ")))
    end
    if turn % 20 == 0 then
      self.engine:recover()
    end
    platform.sleep(math.random() * PAUSE * 2)
  end
end

local function node_of(arguments)
  math.randomseed(arguments.seed)
  local self = setmetatable({
    unknown = {}, redelivered = setmetatable({}, { __mode = "k" }), file = assert(io.open(arguments.notes, "a")),
  }, Node)
  self.engine = open {
    path = arguments.path, shared = arguments.url, durability = arguments.durability, tenant = plan.TENANT,
    map_size = 2 ^ 26, host = arguments.crm and host_of.new(arguments.crm),
  }
  return self
end

---@class cluster.Arguments
---@field url string
---@field crm? string nil: the store has the companies
---@field path string
---@field notes string
---@field seed integer
---@field durability? string

--- Works, until the process is killed; in nginx on several things at a time.
---@param arguments cluster.Arguments
function work.go(arguments)
  local self = node_of(arguments)
  for _ = 2, platform.can_share() and LOOPS or 1 do
    platform.spawn(function() loop(self) end)
  end
  loop(self)
end

-- Delivers an event until it is acknowledged.
local function deliver(self, event)
  repeat
    local begun = core.uptime()
    local outcome, message, code = self.engine:handle(event)
    if outcome then
      self:acknowledged(begun, event, outcome)
    else
      self:failed("handle", message, code)
    end
  until outcome
end

--- Delivers one event until it is acknowledged.
---@param arguments cluster.Arguments
---@param id string
---@param trigger string
---@param company string
function work.deliver(arguments, id, trigger, company)
  local self = node_of(arguments)
  deliver(self, plan.event_of(id, trigger, company))
  self:note "done"
end

--- Has two nodes in turn deliver events of a company that the store has.
---@param arguments cluster.Arguments
---@param company string
---@param ... string the events' triggers, whose ids are these, too
function work.take_turns(arguments, company, ...)
  local path, pair = arguments.path, {}
  arguments.crm = nil
  for i = 1, 2 do
    arguments.path = path .. "." .. i
    pair[i] = node_of(arguments)
  end
  for i, trigger in ipairs { ... } do
    deliver(pair[(i - 1) % 2 + 1], plan.event_of(trigger .. i, trigger, company))
  end
  pair[1]:note "done"
end

return work
