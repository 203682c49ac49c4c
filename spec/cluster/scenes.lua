--- Scenes: each goes one way, step by step, in which one mutant of the store has to be noticed. With the store as it is,
-- the same scene has to end well.

local faults = require "cluster.faults"
local nodes = require "cluster.nodes"
local pg = require "leadcat.store.pg"
local plan = require "cluster.plan"

local scenes = {}

local WAITS_FOR_STANDBY = "wait_event = 'SyncRep'"
local WAITS_FOR_ROW = "wait_event_type = 'Lock'"

-- How many sessions of the primary wait so.
local function waiting(stage, how)
  return tonumber(stage.cluster:psql("SELECT count(*) FROM pg_stat_activity WHERE " .. how))
end

local function event(id, trigger)
  return { id = id, trigger = trigger, company = plan.company(0) }
end

-- Delivers an event to a node, until it is acknowledged.
local function deliver_wholly(stage, number, what)
  local node = stage:deliver(number, what)
  nodes.wait_until("an event is not acknowledged", function() return node:has_noted() end)
  nodes.stop(node)
  stage.nodes[number] = nil
end

-- A read takes a number of a sequence, and every 32nd one is written: such a read waits for a standby, as a write does.
-- Here only that shall wait which leadcat has wait.
local function let_reads_be_reads(stage)
  stage.cluster:psql "SET synchronous_commit = off; SELECT nextval('leadcat.change_place')"
end

-- Waits until the event is acknowledged, or a commit of its node waits for a standby.
local function wait_for_end(stage, node)
  nodes.wait_until("an event has no end", function()
    return node:has_noted() or waiting(stage, WAITS_FOR_STANDBY) > 0
  end)
end

-- No standby has what a node writes, and then the primary is lost.
local function lose_a_write(stage)
  stage.cluster:cut_off()
  let_reads_be_reads(stage)
  local node = stage:deliver(1, event("x", "sale_won"))
  wait_for_end(stage, node)
  stage:stop_nodes()
  faults.lose_primary(stage)
end

-- A write that no standby has is on the primary's disk when that starts anew. The node delivers its event again, and then
-- the primary is lost, and its disk.
local function lose_what_was_read(stage)
  stage.cluster:cut_off()
  let_reads_be_reads(stage)
  local node = stage:deliver(2, event("x", "sale_won"))
  nodes.wait_until("nothing waits for a standby", function() return waiting(stage, WAITS_FOR_STANDBY) > 0 end)
  node:signal "STOP"
  stage.cluster:kill_primary()
  stage.cluster:restart_primary()
  let_reads_be_reads(stage)
  node:signal "CONT"
  wait_for_end(stage, node)
  stage:stop_nodes()
  faults.lose_primary(stage)
end

-- Two nodes have both read a company, and wait for its row: the second one has decided by what the first one changes.
local function write_at_once(stage)
  deliver_wholly(stage, 1, event("before", "lead_status_set"))
  local pool = pg.pool(stage.cluster:url())
  local session = assert(pool:acquire())
  assert(session:run(pg.statement "BEGIN"))
  assert(session:run(pg.statement "SELECT 1 FROM leadcat.company FOR UPDATE"))
  local first, second = stage:deliver(1, event("x", "sale_registered")), stage:deliver(2, event("y", "sale_registered"))
  nodes.wait_until("they do not wait for the row", function() return waiting(stage, WAITS_FOR_ROW) >= 2 end)
  assert(session:run(pg.statement "ROLLBACK"))
  pool:release(session)
  pool:close()
  nodes.wait_until("they are not acknowledged", function()
    return first:has_noted() and (second:has_noted() or stage.mutant ~= "none")
  end)
end

-- Two nodes in turn: the first one decides by what it remembers of a company that the second one has changed meanwhile.
local function decide_by_memory(stage)
  local node = stage:have(1, "take_turns", plan.company(0), "lead_status_set", "sale_registered", "sale_registered")
  nodes.wait_until("they are not acknowledged", function() return node:has_noted "done" end)
end

scenes.ALL = {
  { mutant = "asynchronous", run = lose_a_write },
  { mutant = "no barrier", run = lose_what_was_read },
  { mutant = "no compare", run = write_at_once },
  { mutant = "no compare", run = decide_by_memory, is_kept = true },
}

--- Plays all of them.
---@param stage cluster.Stage
function scenes.play(stage)
  for _, scene in ipairs(scenes.ALL) do
    for _, name in ipairs { scene.mutant, "none" } do
      stage:prepare(name, scene.is_kept)
      scene.run(stage)
      local problems = stage:compare()
      if name == "none" then
        assert(#problems == 0, ("the scene of '%s' ends badly: %s"):format(scene.mutant, problems[1]))
      else
        assert(#problems > 0, "nobody notices: " .. name)
        print(("noticed: %-12s (%s)"):format(name, problems[1]))
      end
    end
  end
end

return scenes
