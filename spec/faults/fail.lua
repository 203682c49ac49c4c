-- Every system call fails in turn, each in a process of its own: [SHIM]. Each step of the script gives a result or says why
-- not, with the code; with the next try it succeeds, in the same process; and what was acknowledged is there for others.

local script = require "faults.script"

local EIO, EINTR, ENOMEM, EACCES, EMFILE, ENOSPC, ENOLCK, EOPNOTSUPP, SHORT = 5, 4, 12, 13, 24, 28, 37, 95, 0
local EVER = 1000000

-- Calls, how they fail, and, for some, how often in a row.
local FAULTS = {
  { "pwrite", EIO }, { "pwrite", ENOSPC }, { "pwrite", SHORT }, { "pwrite", EIO, EVER }, { "writev", EIO },
  { "writev", ENOSPC }, { "writev", SHORT }, { "writev", ENOSPC, EVER }, { "pwritev", EIO }, { "write", EIO },
  { "write", ENOSPC }, { "write", SHORT }, { "fdatasync", EIO }, { "fdatasync", EIO, EVER }, { "fsync", EIO },
  { "msync", EIO }, { "ftruncate", EIO }, { "ftruncate", ENOSPC }, { "fallocate", ENOSPC },
  { "fallocate", EOPNOTSUPP, EVER }, { "mmap", ENOMEM }, { "open", EMFILE }, { "open", EMFILE, EVER },
  { "open", EACCES }, { "fopen", EMFILE }, { "fcntl", ENOLCK }, { "fcntl", EINTR }, { "fcntl", ENOLCK, EVER },
  { "rename", EIO }, { "unlink", EIO }, { "mkdir", ENOSPC }, { "fchmod", EIO }, { "stat", EIO }, { "fstat", EIO },
  { "read", EIO }, { "pread", EIO }, { "getrandom", EINTR }, { "getrandom", EIO, EVER },
}

-- The process whose calls fail ----------------------------------------------------------------------------------------

local CODES = { io = true, full = true, unavailable = true }

-- Does the steps; says what is wrong. A step that fails is done again, when no call fails any more.
local function run_steps(path, fault)
  local function is_struck()
    local file = io.open "fault:struck"
    return file ~= nil and file:close()
  end
  local steps = script.steps(path, "full", print)
  io.open("fault:" .. fault)
  for _, step in ipairs(steps) do
    local result, message, code = step.run()
    if result == nil then
      if not is_struck() or not CODES[code] or type(message) ~= "string" then
        print(("problem %s: %s [%s]"):format(step.name, tostring(message), tostring(code)))
      end
      io.open "fault:off"
      result, message, code = step.run()
      if result == nil and code ~= step.may_be_done then
        print(("problem %s, again: %s [%s]"):format(step.name, tostring(message), tostring(code)))
      end
    end
  end
  print(is_struck() and "struck" or "missed")
end

if arg[1] == "--child" then
  io.stdout:setvbuf "line"
  local ran, message = xpcall(run_steps, debug.traceback, arg[2], arg[3])
  if not ran then
    print("problem " .. tostring(message):gsub("\n", " | "))
  end
  os.exit(0)
end

-- The driver ----------------------------------------------------------------------------------------------------------

local SHIM = arg[1]
local directory = os.tmpname()
os.remove(directory)
assert(os.execute("mkdir '" .. directory .. "'"))

local function start(fault)
  local path = ("%s/%s"):format(directory, (fault:gsub("%W", "_")))
  local command = "LD_PRELOAD='%s' %s spec/faults/fail.lua --child '%s' %s 2>&1; echo status $?"
  return { path = path, fault = fault,
    pipe = assert(io.popen(command:format(SHIM, os.getenv "LEADCAT_LUA" or "lua5.4", path, fault))) }
end

-- Waits for the end of a child, and looks at its store. Gives whether the fault has struck, and what is wrong.
local function finish(child)
  local acknowledged, problems, struck, is_dead = {}, {}, false, true
  for line in child.pipe:lines() do
    if line == "struck" or line == "missed" then
      struck = line == "struck"
    elseif line:find "^status" then
      is_dead = line ~= "status 0"
    elseif script.is_acknowledgement(line) then
      acknowledged[#acknowledged + 1] = line
    else
      problems[#problems + 1] = line
    end
  end
  child.pipe:close()
  if is_dead then
    problems[#problems + 1] = "the process has died"
  end
  for _, problem in ipairs(script.check(child.path, acknowledged)) do
    problems[#problems + 1] = problem
  end
  os.execute(("rm -rf '%s' '%s.copy'"):format(child.path, child.path))
  return struck or is_dead, problems
end

local tried, found = 0, 0
for _, row in ipairs(FAULTS) do
  local call, errno, count = row[1], row[2], row[3] or 1
  local nth, struck, ahead = 1, true, {}
  while struck do
    for i = #ahead + 1, 2 do -- two at a time
      ahead[i] = start(("%s:%d:%d:%d"):format(call, nth + i - 1, errno, count))
    end
    local child = table.remove(ahead, 1)
    local has_struck, problems = finish(child)
    struck = has_struck
    for _, problem in ipairs(problems) do
      print(("  %s: %s"):format(child.fault, problem))
      found = found + 1
    end
    nth, tried = nth + 1, tried + (has_struck and 1 or 0)
  end
  for _, child in ipairs(ahead) do
    finish(child)
  end
end
os.execute("rm -rf '" .. directory .. "'")
print(("%d failing calls: %s"):format(tried, found == 0 and "all told, nothing lost" or found .. " problems"))
os.exit(found == 0 and 0 or 1)
