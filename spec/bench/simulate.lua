--- What a simulation costs: the loop that decides, alone; and all of it, beside a bare loop that only parses the same JSON
--- Lines with lua-cjson. `EVENTS=10000000` simulates that many (1,000,000); its memory is shown beside that for a tenth.

local decisions = require "bench.decisions"
local json = require "leadcat.util.json"
local measure = require "bench.measure"
local tables = require "leadcat.cli.tables"

local EVENTS = tonumber(os.getenv "EVENTS") or measure.times(1000000, 200000)
local COMPANIES = measure.times(100000, 20000)
local LUA, BUILD = os.getenv "LEADCAT_LUA" or "lua5.4", os.getenv "LEADCAT_BUILD" or "build"
local TRIGGERS = { "sale_registered", "sale_won", "sale_lost", "lead_status_set" }

-- The loop alone: a C program, since in Lua there is no looking into it.
local function loop_rows()
  for _, companies in ipairs { 100000, 1000000 } do
    local deciding, numbering
    measure.rounds(measure.times(3, 1), { function()
      local pipe = assert(io.popen(("%s/bench/simulate %d"):format(BUILD, companies)))
      deciding, numbering = pipe:read("*n", "*n")
      pipe:close()
      return deciding
    end })
    measure.row(("deciding in bulk, %s companies"):format(tables.number(companies)), measure.time(deciding * 1e-9),
      ("finding the company: %s"):format(measure.time(numbering * 1e-9)), deciding, { most = 10, unit = " ns" })
  end
end

local seed = 42
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function write(path, ...)
  local file = assert(io.open(path, "ab"))
  assert(file:write(...))
  assert(file:close())
end

local function write_events(path, count)
  local file = assert(io.open(path, "wb"))
  for i = 1, count do
    local trigger = TRIGGERS[random(4)]
    local status = trigger == "lead_status_set" and (',"lead_status":%d'):format(random(5)) or ""
    assert(file:write(('{"id":"event-%d","trigger":"%s","company":"company %d","at":%d%s}\n'):format(i, trigger,
      random(COMPANIES), 1700000000 + i, status)))
  end
  assert(file:close())
end

local BARE = [[
  local decode = require "cjson".decode
  for line in io.open(arg[1]):lines() do
    decode(line)
  end
]]

local OURS = [[
  require "leadcat.cli".main { "simulate", "--config", arg[2], arg[1], "--start-category", "Lead", "--json" }
]]

local COST = [[
  local file = io.open "/proc/self/status"
  io.stderr:write(os.clock(), " ", file and file:read "*a":match "VmHWM:%s+(%d+)" or 0, "\n")
]]

-- Runs a script in a process of its own; the seconds of its processor, and the most memory it had, in MB.
local function run(script, ...)
  local command = ("BUILD=%s sh spec/support/with_lua.sh %s %s 2>&1 >/dev/null"):format(BUILD, LUA,
    table.concat({ script, ... }, " "))
  local pipe = assert(io.popen(command))
  local seconds, kilobytes = pipe:read "*a":match "^([%d.]+) (%d+)\n$"
  pipe:close()
  return assert(tonumber(seconds), script), tonumber(kilobytes) / 1024
end

local function whole_rows(directory)
  local rules, all, tenth = directory .. "/rules.json", directory .. "/all.jsonl", directory .. "/tenth.jsonl"
  local ours, bare = directory .. "/ours.lua", directory .. "/bare.lua"
  write(rules, json.encode(decisions.config(decisions.ALL)))
  write(ours, OURS, COST)
  write(bare, BARE, COST)
  write_events(all, EVENTS)
  write_events(tenth, EVENTS / 10)
  local memory
  local seconds, ratios = measure.rounds(measure.times(5, 1), {
    function()
      local taken
      taken, memory = run(ours, all, rules)
      return taken
    end,
    function() return (run(bare, all)) end,
  })
  local _, less = run(ours, tenth, rules)
  local what = ("simulating %s JSON Lines (%s)"):format(tables.number(EVENTS), measure.lua)
  measure.row(what .. ", each", measure.time(seconds[1] / EVENTS),
    ("lua-cjson parsing them: %s"):format(measure.time(seconds[2] / EVENTS)), ratios[2], { most = 1.2 })
  measure.row(what .. ", memory", ("%.1f MB"):format(memory), ("for a tenth of them: %.1f MB"):format(less),
    memory / less)
end

if measure.lua ~= "LuaJIT" then
  loop_rows() -- the same whatever the Lua
end
local directory = measure.directory()
assert(os.execute("mkdir " .. directory))
local ok, failure = pcall(whole_rows, directory)
measure.remove(directory)
assert(ok, failure)
