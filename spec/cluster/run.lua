-- Proves what the shared store promises, by faults: ROUNDS SECONDS [SEED]. Three PostgreSQL servers of which a commit needs two; four
-- nodes, on both Luas and in nginx, two of them through a proxy. Each round one thing goes wrong while all work; then
-- everything is compared. Before, mutants of the store, and servers that do not replicate synchronously, have to be
-- noticed. The seed decides what happens; when, the machine does. After SECONDS no more rounds begin.

local core = require "leadcat.core"
local faults = require "cluster.faults"
local scenes = require "cluster.scenes"
local seen = require "cluster.seen"
local servers = require "cluster.servers"
local stages = require "cluster.stage"

local ROUNDS, SECONDS, SEED = tonumber(arg[1]) or 9, tonumber(arg[2]) or 120, tonumber(arg[3]) or os.time() % 1000000
local CHECK = 9 -- rounds
local PAUSE = 0.7 -- seconds of work between two faults

local begun, names, rounds = core.uptime(), {}, 0

local function has_time()
  return core.uptime() - begun < SECONDS
end

local stage = stages.new(SEED, function()
  local cluster = servers.start()
  return cluster, function(number) return cluster:url(number % 2 == 0 and "clients" or nil) end
end)

stage:run(function()
  scenes.play(stage)
  seen.measure(stage)
  print(("scenes: %.0f s"):format(core.uptime() - begun))
  while rounds < ROUNDS and has_time() do
    stage:prepare "none"
    stage:start_nodes()
    for i = 1, math.min(ROUNDS - rounds, CHECK) do
      if i == 1 or has_time() then
        names = #names > 0 and names or faults.shuffled()
        faults.suffer(stage, table.remove(names), PAUSE)
        rounds = rounds + 1
      end
    end
    core.sleep(PAUSE)
    stage:prove()
  end
end)
if rounds < ROUNDS then
  print(("%d seconds are over: %d of %d rounds did not begin"):format(SECONDS, ROUNDS - rounds, ROUNDS))
end
print(("%d rounds, %d failovers, nothing was lost or done twice: %.0f s"):format(rounds, stage.cluster.promoted,
  core.uptime() - begun))
