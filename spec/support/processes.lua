--- Other processes for specs: Lua code that runs beside the spec, on the same Lua and the same build.

local processes = {}

---@class support.Process
local Process = {}
Process.__index = Process

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Starts Lua code in another process. Its standard error goes where its output goes.
---@param code string
---@param arguments? string[] its `arg`
---@param shell? string a shell command to be run before it, in its process: `ulimit -f 1000`
---@param under? string a command that runs it: `unshare --pid`
---@return support.Process
function processes.start(code, arguments, shell, under)
  local script = os.tmpname()
  local file = assert(io.open(script, "w"))
  file:write(code)
  file:close()
  local words = { quote(os.getenv "LEADCAT_LUA" or "lua5.4"), quote(script) }
  for _, argument in ipairs(arguments or {}) do
    words[#words + 1] = quote(argument)
  end
  table.insert(words, 1, under or "")
  local command = ("(%s; %s) 2>&1; echo \"status $?\""):format(shell or ":", table.concat(words, " "))
  return setmetatable({ script = script, pipe = assert(io.popen(command)) }, Process)
end

--- The next line that the process prints: waits for it.
---@return string? line nil at the end
function Process:line()
  local line = self.pipe:read "*l"
  if line and not line:find "^status %d+$" then
    return line
  end
  self.status = line and tonumber(line:match "%d+")
end

--- Waits for the end of the process.
---@return string output what it has printed and was not read yet
---@return integer status
function Process:wait()
  local lines = {}
  for line in self.line, self do
    lines[#lines + 1] = line
  end
  self.pipe:close()
  os.remove(self.script)
  return table.concat(lines, "\n"), self.status
end

local NOISE = "^==%d+==Unable to get registers" -- a sanitizer may talk of the shells that it started

--- Starts a script of `spec/kill`, on the same Lua and build, and waits until it says that it is ready.
---@param script string
---@param ... string|number its arguments
---@return {pipe: file*, id: string}
function processes.launch(script, ...)
  local words = { "sh spec/support/with_lua.sh", os.getenv "LEADCAT_LUA" or "lua5.4", "spec/kill/" .. script }
  for _, argument in ipairs { ... } do
    words[#words + 1] = quote(tostring(argument))
  end
  local pipe = assert(io.popen("echo $$; exec " .. table.concat(words, " ") .. " 2>&1"))
  local process = { pipe = pipe, id = assert(pipe:read "*l") }
  local said
  repeat
    said = pipe:read "*l"
  until not (said and said:find(NOISE))
  assert(said == "ready", said)
  return process
end

--- Kills a process that was launched, if it lives. Raises when it has said something meanwhile: that is an error.
---@return boolean lived
function processes.kill(process)
  local ok = os.execute(("kill -KILL %s 2>/dev/null"):format(process.id))
  for said in process.pipe:lines() do
    assert(said == "" or said:find(NOISE), said)
  end
  process.pipe:close()
  return ok == true or ok == 0
end

--- A process that was stopped while it writes to the store in `path`, whose lock for writers it holds.
---@param path string
---@return string id
---@return fun() kill ends it; again it does nothing
function processes.stop_writing(path)
  local child = processes.start([[
    local store = assert(require("leadcat.core").open { path = arg[1], map_size = 2 ^ 26 })
    print(io.open("/proc/self/stat"):read "*a":match "^%d+")
    io.stdout:flush()
    while true do
      store:add { { tenant = "", name = "n", value = 1 } }
    end
  ]], { path })
  local id, core = assert(child:line()), require "leadcat.core"
  local store, code = assert(core.open { path = path, map_size = 2 ^ 26, patience = 0.2 }), nil
  for _ = 1, 1000 do
    core.sleep(0.003)
    os.execute("kill -STOP " .. id)
    code = select(3, store:add { { tenant = "", name = "n", value = 1 } })
    if code then
      break
    end
    os.execute("kill -CONT " .. id)
  end
  store:close()
  assert(code == "locked", code or "it was never stopped while it had the lock")
  return id, function()
    os.execute(child.status and ":" or "kill -9 " .. id)
    child.status = child.status or select(2, child:wait())
  end
end

--- This process's id.
---@return string
function processes.id()
  local file = assert(io.open "/proc/self/stat")
  local id = file:read "*a":match "^%d+"
  file:close()
  return id
end

return processes
