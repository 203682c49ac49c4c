-- Power failures, by a model: SHIM ROUNDS [SEED]. The script's calls of the file system are recorded. From each prefix of
-- them states are made in which the power may have failed: what was not synced is there, or not, in any order, in sectors of
-- 512 bytes; a name is there for sure only when its directory was synced. In each state the store must open and be sound, and
-- what was acknowledged must be there. For each prefix ROUNDS / 500 states are drawn, beside all and nothing.

local script = require "faults.script"

local SECTOR = 512
local ZEROS = ("\0"):rep(SECTOR)

local function read(name)
  local file = io.open(name, "rb")
  local content = file and file:read "*a"
  if file then
    file:close()
  end
  return content
end

local function write(name, content)
  local file = assert(io.open(name, "wb"))
  file:write(content)
  file:close()
end

-- In processes of their own --------------------------------------------------------------------------------------------

if arg[1] == "--record" then
  local steps = script.steps(arg[2], arg[3], function(line) io.open("ack:" .. line) end)
  for i = 1, #steps - 1 do -- it does not come to close the store
    local result, message, code = steps[i].run()
    if result == nil then
      error(("%s: %s [%s]"):format(steps[i].name, message, code))
    end
  end
  os.exit(0)
elseif arg[1] == "--check" then
  local lines = {}
  for line in io.lines(arg[3]) do
    lines[#lines + 1] = line
  end
  for _, problem in ipairs(script.check(arg[2], lines)) do
    print((problem:gsub("\n", " | ")))
  end
  print "checked"
  os.exit(0)
end

-- What is on disk ------------------------------------------------------------------------------------------------------

---@class faults.File
---@field now table<integer, string> sectors, from 0, as processes see them
---@field disk table<integer, string> those that are on disk for sure
---@field size integer
---@field disk_size integer
---@field pending {sectors: table<integer, string>, size: integer}[] writes that may or may not be on disk
---@field kept? string where the real file is kept, with its inode
---@field name? string that it has in the end
---@field is_at? string where it has been put

local function new_file()
  return { now = {}, disk = {}, size = 0, disk_size = 0, pending = {} }
end

local function add_write(file, offset, data)
  local sectors, at = {}, 1
  while at <= #data do
    local number, from = math.floor((offset + at - 1) / SECTOR), (offset + at - 1) % SECTOR
    local part = data:sub(at, at + SECTOR - from - 1)
    local old = file.now[number] or ZEROS
    sectors[number] = old:sub(1, from) .. part .. old:sub(from + #part + 1)
    file.now[number] = sectors[number]
    at = at + #part
  end
  file.size = math.max(file.size, offset + #data)
  file.pending[#file.pending + 1] = { sectors = sectors, size = file.size }
end

-- A write that waits for the disk: others may still be under way.
local function sync_write(file)
  local last = table.remove(file.pending)
  for number, content in pairs(last.sectors) do
    file.disk[number] = content
    for _, other in ipairs(file.pending) do
      other.sectors[number] = nil
    end
  end
  file.disk_size = math.max(file.disk_size, last.size)
end

local function sync(file)
  for number, content in pairs(file.now) do
    file.disk[number] = content
  end
  file.disk_size, file.pending = file.size, {}
end

-- A file as it may be found. `choose()` is 1 for a write that is on disk, 0 for one that is not, and between for a torn one.
local function content_of(file, choose)
  local sectors, size = setmetatable({}, { __index = file.disk }), file.disk_size
  local order = {}
  for i, item in ipairs(file.pending) do
    table.insert(order, choose() == 1 and i or math.random(i), item) -- all: in their order
  end
  for _, item in ipairs(order) do
    local share = choose()
    for number, content in pairs(item.sectors) do
      if share == 1 or math.random() < share then
        sectors[number] = content
      end
    end
    size = share > 0 and math.max(size, item.size) or size
  end
  local list = {}
  for number = 0, math.ceil(size / SECTOR) - 1 do
    list[number + 1] = sectors[number] or ZEROS
  end
  return table.concat(list):sub(1, size)
end

-- Names ----------------------------------------------------------------------------------------------------------------

---@class faults.Disk
---@field files table<string, faults.File> by inode
---@field names table<string, faults.File|true> as processes see them; true: a directory
---@field durable table<string, faults.File|true>
---@field pending {directory: string, [string]: faults.File|true|false}[] names that may or may not have changed: false is gone

local function directory_of(name)
  return "./" .. (name:match "^(.*)/" or "")
end

local function rename(disk, changes)
  local item = { changes = changes, directory = directory_of((next(changes))) }
  for name, file in pairs(changes) do
    disk.names[name] = file or nil
  end
  disk.pending[#disk.pending + 1] = item
end

local function apply(names, item)
  for name, file in pairs(item.changes) do
    names[name] = file or nil
  end
end

local function sync_names(disk, directory)
  local left = {}
  for _, item in ipairs(disk.pending) do
    if item.directory == directory then
      apply(disk.durable, item)
    else
      left[#left + 1] = item
    end
  end
  disk.pending = left
end

local EVENTS = {
  make = function(disk, inode) disk.files[inode] = new_file() end,
  write = function(disk, data, inode, offset) add_write(disk.files[inode], tonumber(offset), data) end,
  waited = function(disk, inode) sync_write(disk.files[inode]) end,
  sync = function(disk, inode) sync(disk.files[inode]) end,
  enter = function(disk, name, inode) rename(disk, { [name] = disk.files[inode] }) end,
  leave = function(disk, name) rename(disk, { [name] = false }) end,
  move = function(disk, from, to) rename(disk, { [from] = false, [to] = disk.names[from] }) end,
  directory = function(disk, name) rename(disk, { [name] = true }) end,
  names = sync_names,
}

-- The trace as a list of functions, each of which changes a disk; acknowledgements go to the list `acks`, by their place.
local function read_trace(name)
  local trace, at, events = read(name), 1, {}
  while at <= #trace do
    local line = trace:match("^[^\n]*", at)
    local words = {}
    for word in line:gmatch "%S+" do
      words[#words + 1] = word
    end
    local what, size = table.remove(words, 1), tonumber(table.remove(words))
    local data = trace:sub(at + #line + 1, at + #line + size)
    at = at + #line + 1 + size
    if what == "write" then
      events[#events + 1] = { "write", data, words[1], words[2] }
      events[#events + 1] = words[3] == "1" and { "waited", words[1] } or nil
    elseif what == "ack" then
      events[#events + 1] = { "ack", data }
    elseif what ~= "size" then -- of lock files
      events[#events + 1] = { what, words[1], words[2] }
    end
  end
  return events
end

-- States ---------------------------------------------------------------------------------------------------------------

local SHIM, STATES, SEED = arg[1], math.ceil(tonumber(arg[2]) / 500), tonumber(arg[3]) or os.time() % 1000000
local LUA = os.getenv "LEADCAT_LUA" or "lua5.4"

local CHOICES = {
  nothing = function() return 0 end,
  all = function() return 1 end,
  some = function()
    local share = math.random()
    return share < 0.4 and 0 or share < 0.8 and 1 or math.random()
  end,
}

local function is_lock(name)
  return name:find "lock$" ~= nil
end

---@class faults.Power
---@field directory string where the script runs and states are made
---@field kept string where real files are kept meanwhile
---@field acks string the file of acknowledgements
---@field locks table<string, string> what the lock files have in them at the end
local Power = {}
Power.__index = Power

-- Puts a state into the directory: a real file is written over, so that it stays the same one, as after a power failure.
function Power:make(disk, choose, keep_locks)
  local names = {}
  for name, file in pairs(disk.durable) do
    names[name] = file
  end
  for _, item in ipairs(disk.pending) do
    if choose() >= 0.5 then
      apply(names, item)
    end
  end
  os.execute(("rm -rf '%s' && mkdir '%s'"):format(self.directory, self.directory))
  for name, file in pairs(names) do
    if file == true then
      os.execute(("mkdir '%s/%s'"):format(self.directory, name))
    end
  end
  for name, file in pairs(names) do
    local directory = name:match "^(.*)/"
    if file ~= true and names[directory] and (keep_locks or not is_lock(name)) then
      local path = self.directory .. "/" .. name
      if file.name == name then
        assert(os.rename(file.kept, path))
        file.is_at = path
      end
      write(path, is_lock(name) and self.locks[name] or content_of(file, choose))
    end
  end
end

-- Takes the real files away again.
local function clear(disk)
  for _, file in pairs(disk.files) do
    if file.is_at then
      assert(os.rename(file.is_at, file.kept))
      file.is_at = nil
    end
  end
end

-- Opens the state in another process, which says what is wrong.
function Power:check(what)
  local command = "%s spec/faults/power.lua --check '%s/store' '%s' 2>&1"
  local pipe = assert(io.popen(command:format(LUA, self.directory, self.acks)))
  local problems, done = {}, false
  for line in pipe:lines() do
    done = done or line == "checked"
    problems[#problems + 1] = line ~= "checked" and line or nil
  end
  pipe:close()
  if not done then
    problems[#problems + 1] = "the process has died"
  end
  for _, problem in ipairs(problems) do
    print(("  %s: %s"):format(what, problem))
  end
  self.states, self.problems = self.states + 1, self.problems + #problems
end

-- Keeps the real files, to be used for all states. Gives the files in the order in which they were made.
function Power:keep(events)
  local disk = { files = {}, names = {}, durable = {}, pending = {} }
  local count, order = 0, {}
  for _, event in ipairs(events) do
    if EVENTS[event[1]] then
      EVENTS[event[1]](disk, event[2], event[3], event[4])
    end
    if event[1] == "make" then
      order[#order + 1] = disk.files[event[2]]
    end
  end
  for name, file in pairs(disk.names) do
    if file ~= true then
      count = count + 1
      file.name, file.kept = name, self.kept .. "/" .. count
      if is_lock(name) then
        self.locks[name] = read(self.directory .. "/" .. name)
      end
      assert(os.rename(self.directory .. "/" .. name, file.kept))
    end
  end
  return order
end

-- Whether the acknowledgement holds after a power failure.
local function counts(line, durability)
  return durability == "full" or not (line:find "^event" or line:find "^answer" or line == "companies")
end

function Power:run(durability)
  os.execute(("mkdir '%s' '%s'"):format(self.directory, self.kept))
  local trace = self.base .. "/trace"
  local command = "RECORD='%s' RECORD_TO='%s' LD_PRELOAD='%s' %s spec/faults/power.lua --record '%s/store' %s"
  local ok = os.execute(command:format(self.directory, trace, SHIM, LUA, self.directory, durability))
  assert(ok == true or ok == 0, "the script has failed")
  local events = read_trace(trace)
  local last = self:keep(events)
  local disk, acks, made = { files = {}, names = {}, durable = {}, pending = {} }, {}, 0
  write(self.acks, "")
  for place, event in ipairs(events) do
    if event[1] == "ack" then
      acks[#acks + 1] = counts(event[2], durability) and event[2] or nil
      write(self.acks, table.concat(acks, "\n") .. "\n")
    else
      EVENTS[event[1]](disk, event[2], event[3], event[4])
    end
    if event[1] == "make" then
      made = made + 1
      disk.files[event[2]].name, disk.files[event[2]].kept = last[made].name, last[made].kept
    end
    for number = -1, STATES do
      local choice = number == -1 and "nothing" or number == 0 and "all" or "some"
      local locks = math.random(2) == 1
      self:make(disk, CHOICES[choice], locks)
      self:check(("%s, call %d (%s), %s of what was not synced, %s locks"):format(durability, place,
        event[1], choice, locks and "old" or "no"))
      clear(disk)
    end
  end
  os.execute(("rm -rf '%s' '%s' '%s'"):format(self.directory, self.kept, trace))
end

math.randomseed(SEED)
local base = os.tmpname()
os.remove(base)
assert(os.execute("mkdir '" .. base .. "'"))
local power = setmetatable({ base = base, directory = base .. "/disk", kept = base .. "/kept", acks = base .. "/acks",
  locks = {}, states = 0, problems = 0 }, Power)
for _, durability in ipairs { "full", "relaxed" } do
  power:run(durability)
end
os.execute("rm -rf '" .. base .. "'")
print(("%d states after power failures: %s (seed %d)"):format(power.states,
  power.problems == 0 and "all sound, nothing lost" or power.problems .. " problems", SEED))
os.exit(power.problems == 0 and 0 or 1)
