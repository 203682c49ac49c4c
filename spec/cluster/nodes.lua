--- The nodes of the cluster test: processes on both Luas, and the last one in nginx, each with a directory of its own.

local core = require "leadcat.core"
local databases = require "support.databases"
local mutants = require "cluster.mutants"
local nginx = require "nginx.server"

local LUA, OTHER_LUA = os.getenv "LEADCAT_LUA" or "lua5.4", os.getenv "OTHER_LUA" or ""
OTHER_LUA = OTHER_LUA ~= "" and OTHER_LUA or LUA

local nodes = {}

nodes.COUNT = 4 -- the last one is nginx

---@class cluster.Place
---@field urls fun(number: integer): string of the shared store, for a node
---@field crm string url
---@field directory string
---@field notes string[] files, one for each life of a node
---@field mutant string
---@field seed integer
---@field netns? fun(number: integer): string? the network namespace of a process
---@field lives integer

local function arguments_of(place, number)
  place.lives = place.lives + 1
  place.notes[#place.notes + 1] = ("%s/notes.%d"):format(place.directory, place.lives)
  return {
    place.urls(number), place.crm, ("%s/node%d"):format(place.directory, number), place.notes[#place.notes],
    ("%d"):format(place.seed * 100 + place.lives), place.mutant,
  }
end

local Process = {}
Process.__index = Process

local function start_process(place, number, ...)
  local words = arguments_of(place, number)
  for i = 1, select("#", ...) do
    words[#words + 1] = (select(i, ...))
  end
  local space = place.netns and place.netns(number)
  local command = "echo $$; exec %s env LD_PRELOAD=%s LEADCAT_CLOCK=%s/clock.%d "
    .. "sh spec/support/with_lua.sh %s spec/cluster/node.lua '%s' 2>&1"
  local pipe = assert(io.popen(command
    :format(space and "ip netns exec " .. space or "",
      databases.CLOCK, place.directory, number, number % 2 == 0 and OTHER_LUA or LUA,
      table.concat(words, "' '"))))
  local process = setmetatable({ pipe = pipe, id = assert(pipe:read "*l"), notes = words[4] }, Process)
  local said = pipe:read "*l"
  assert(said == "ready", said)
  return process
end

function Process:kill()
  os.execute("kill -KILL " .. self.id .. " 2>/dev/null")
  local said = self.pipe:read "*a"
  self.pipe:close()
  assert(said == "", said)
end

--- Stops it, or has it go on.
---@param signal "STOP"|"CONT"
function Process:signal(signal)
  assert(os.execute(("kill -%s %s"):format(signal, self.id)))
end

--- Whether it has noted anything yet, or this.
---@param line? string
function Process:has_noted(line)
  local file = io.open(self.notes)
  local text = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return ("\n" .. text):find("\n" .. (line or "[^\n]+") .. "\n") ~= nil
end

-- nginx has another worker where one is killed: it goes on with the same notes.
local Nginx = {}
Nginx.__index = Nginx

local function start_nginx(place, number)
  local words, inside = arguments_of(place, number), nginx.directory()
  local durability = mutants.get(place.mutant).asynchronous and '"primary"' or "nil"
  local started = assert(nginx.start(inside, {
    workers = 1, server = "",
    http = ([[init_worker_by_lua_block {
      require "cluster.mutants".use "%s"
      ngx.timer.at(0, function()
        require "cluster.work".go {
          url = "%s", crm = "%s", path = "%s", notes = "%s", seed = %d + ngx.worker.pid(), durability = %s,
        }
      end)
    }]]):format(place.mutant, words[1], words[2], words[3], words[4], words[5], durability),
  }))
  return setmetatable({ server = started, inside = inside }, Nginx)
end

function Nginx:kill()
  for _, pid in ipairs(self.server:workers()) do
    self.server:signal("KILL", pid)
  end
end

function Nginx:stop()
  self.server:stop "TERM"
  os.execute("rm -rf '" .. self.inside .. "'")
end

--- Starts one.
---@param place cluster.Place
---@param number integer
function nodes.start(place, number)
  return (number == nodes.COUNT and start_nginx or start_process)(place, number)
end

--- Starts one that does something else than work (see node.lua), and then nothing more.
---@param place cluster.Place
---@param number integer
---@param ... string
function nodes.start_to(place, number, ...)
  return start_process(place, number, ...)
end

--- Kills it, for good.
function nodes.stop(node)
  return (node.stop or node.kill)(node)
end

--- Pauses that grow, until something is so: a busy machine is no failure.
---@param what string that is not so in the end
---@param is_so fun(): any
---@param seconds? number until then; default a minute
function nodes.wait_until(what, is_so, seconds)
  local deadline, pause = core.uptime() + (seconds or 60), 0.02
  while not is_so() do
    assert(core.uptime() < deadline, what)
    core.sleep(pause)
    pause = math.min(pause * 1.5, 0.5)
  end
end

return nodes
