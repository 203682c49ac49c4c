-- Kills processes that share a store, ROUNDS times, and proves that nothing was lost and nothing was done twice: ROUNDS
-- [SEED]. Eight workers, on both Luas where OTHER_LUA names another one and with clocks that differ, handle events, answer
-- questions, undo, save and maintain. Each round one of them, at times all, is killed within 0 to 30 milliseconds and started
-- again, or some are stopped while time jumps for all others, which take over what these were doing. Every CHECK rounds all
-- are killed and everything is compared. The seed decides what happens; when, the machine does.

local core = require "leadcat.core"
local leadcat = require "leadcat"
local plan = require "kill.plan"
local verify = require "kill.verify"

local ROUNDS, SEED = tonumber(arg[1]) or 500, tonumber(arg[2]) or os.time() % 1000000
local CHECK = 50

local LUA, BUILD = os.getenv "LEADCAT_LUA" or "lua5.4", os.getenv "LEADCAT_BUILD" or "build"
local OTHER_LUA = os.getenv "OTHER_LUA"
if OTHER_LUA == nil or OTHER_LUA == "" then
  OTHER_LUA = LUA
end

local directory = os.tmpname()
os.remove(directory)
assert(os.execute("mkdir '" .. directory .. "'"))
local files = plan.files(directory)
math.randomseed(SEED)
io.stdout:setvbuf "line"

local function append(name, text)
  local file = assert(io.open(name, "a"))
  file:write(text)
  file:close()
end

local function say(text, ...)
  print((text):format(...))
end

-- Companies and rules of all tenants.
local function prepare()
  local engine = assert(leadcat.open { path = files.store, map_size = plan.MAP })
  local companies = {}
  for i = 1, plan.COMPANIES do
    companies[i] = i
  end
  for _, tenant in ipairs(plan.TENANTS) do
    assert(engine:tenant(tenant):save(plan.config(1), { actor = { id = "driver", admin = true } }))
  end
  assert(engine:tenant("embedded").host:create_many(companies, plan.START))
  engine:close()
  append(files.jumps, "")
  append(files.kills, "")
  for worker = 1, plan.WORKERS do
    append(files.acks(worker), "")
    append(files.calls(worker), "")
  end
end

-- Workers --------------------------------------------------------------------------------------------------------------

local workers, lives, kills, jumps = {}, 0, 0, 0

-- The shell becomes the worker: so its id is the worker's, and stays its until the pipe is closed.
local function start(number)
  lives = lives + 1
  local script = "echo $$; BUILD='%s' exec sh spec/support/with_lua.sh %s spec/kill/worker.lua '%s' %d %d %d 2>>'%s'"
  local command = script:format(BUILD, number % 4 < 2 and LUA or OTHER_LUA, directory, SEED, number, lives,
    files.errors(number))
  local pipe = assert(io.popen(command))
  workers[number] = { pipe = pipe, id = assert(pipe:read "*l"), who = ("w%d.%d"):format(number, lives) }
end

local function signal(name, numbers)
  local ids = {}
  for i, number in ipairs(numbers) do
    ids[i] = workers[number].id
  end
  os.execute(("kill -%s %s 2>/dev/null"):format(name, table.concat(ids, " ")))
end

local function kill(numbers)
  for _, number in ipairs(numbers) do
    append(files.kills, ("%s %.6f\n"):format(workers[number].who, plan.time()))
  end
  signal("KILL", numbers)
  for _, number in ipairs(numbers) do
    workers[number].pipe:close()
    kills = kills + 1
  end
end

local ALL = {}
for number = 1, plan.WORKERS do
  ALL[number] = number
end

local function start_all()
  for _, number in ipairs(ALL) do
    start(number)
  end
end

-- Rounds ---------------------------------------------------------------------------------------------------------------

-- Some hang for longer than their claims last; the others go on meanwhile.
local function jump()
  local stopped, first = {}, math.random(plan.WORKERS)
  for i = 1, math.random(3) do
    stopped[i] = (first + i) % plan.WORKERS + 1
  end
  signal("STOP", stopped)
  append(files.jumps, ".")
  jumps = jumps + 1
  core.sleep(0.05 + math.random() * 0.1)
  signal("CONT", stopped)
end

local function round()
  core.sleep(math.random() * 0.03)
  if math.random(3) == 1 then
    jump()
  end
  local numbers = math.random(25) == 1 and ALL or { math.random(plan.WORKERS) }
  kill(numbers)
  for _, number in ipairs(numbers) do
    start(number)
  end
end

local function report(verifier)
  for i = 1, math.min(#verifier.problems, 30) do
    say("  %s", verifier.problems[i])
  end
  say("the files are in %s; again with: make kill ROUNDS=%d SEED=%d", directory, ROUNDS, SEED)
end

local function told(counts)
  local names, words = {}, {}
  for name in pairs(counts) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    words[i] = ("%d %s"):format(counts[name], name)
  end
  return table.concat(words, ", ")
end

say("kill test: %d rounds, %d processes, seed %d", ROUNDS, plan.WORKERS, SEED)
local began = core.now()
prepare()
local verifier = verify.new(directory, SEED)
start_all()
for n = 1, ROUNDS do
  round()
  if n % CHECK == 0 or n == ROUNDS then
    core.sleep(0.2) -- so that some work is done in one life
    kill(ALL)
    local ran, message = xpcall(verifier.check, debug.traceback, verifier)
    if not ran then
      verifier:problem("%s", message)
    end
    if #verifier.problems > 0 then
      say("after round %d of %d: %d problems", n, ROUNDS, #verifier.problems)
      report(verifier)
      os.exit(1)
    end
    if n < ROUNDS then
      start_all()
    end
  end
end
say("%s", told(verifier.counts))
os.execute("rm -rf '" .. directory .. "'")
say("%d kills and %d jumps in %d rounds and %.0f seconds, %d changes left unfinished: nothing lost, nothing done twice "
  .. "(seed %d)", kills, jumps, ROUNDS, core.now() - began, verifier.unfinished, SEED)
