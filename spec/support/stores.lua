--- Stores for specs: each in a directory of its own that is gone afterwards. `stores.check()`, in every `after_each`, fails
-- a test that has left one open.

local core = require "leadcat.core"
local leadcat = require "leadcat"

local stores = {}

--- `table.unpack`, under whichever name this Lua has it.
stores.unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local MAP = 64 * 1024 * 1024
local opened, directories = {}, {}

--- A new directory's name; the directory is not made yet.
function stores.path()
  local name = os.tmpname()
  os.remove(name)
  directories[#directories + 1] = name
  return name
end

--- Opens a store; `options.path` may be left out. Raises when it cannot be opened.
---@param options? leadcat.Options
---@return leadcat.Engine engine
---@return string path
function stores.open(options)
  local copy = { path = nil, map_size = MAP }
  for name, value in pairs(options or {}) do
    copy[name] = value
  end
  copy.path = copy.path or stores.path()
  local engine = assert(leadcat.open(copy))
  opened[#opened + 1] = engine
  return engine, copy.path
end

--- Has another tenant write at a time, as retention trusts no clock that is ahead of the newest entry.
---@param store table
---@param now number
function stores.write_at(store, now)
  assert(store:add_unchanged("another", { { company = "x", trigger = "sale_won", at = now, reason = "vetoed" } }, now))
end

--- Removes all directories; raises when a store is still open (it is closed then).
function stores.check()
  local left = 0
  for _, engine in ipairs(opened) do
    if not engine._shared.closed then
      left = left + 1
      engine:close()
    end
  end
  for _, directory in ipairs(directories) do
    os.execute("rm -rf '" .. directory .. "'")
  end
  opened, directories = {}, {}
  core.forward(-core.forward(0)) -- other processes' claims go by the true time
  if left > 0 then
    error(("the test left %d stores open"):format(left))
  end
end

--- The preset with its rules switched on: a map of a rule's key (`sale_won`, `lead_status_set:5`) to its target, or to
-- {target, ask = true, after = {days = 1}}.
---@param rules table<string, integer|table>
---@return leadcat.Config
function stores.config(rules)
  local cfg = leadcat.preset "superoffice"
  cfg.rules = {}
  for key, target in pairs(rules) do
    local trigger, status = key:match "^([%a_]+):?(%d*)$"
    local to = type(target) == "table" and target[1] or target
    cfg.rules[#cfg.rules + 1] = {
      trigger = trigger, lead_status = tonumber(status), enabled = true, set_category = to,
      ask = type(target) == "table" and target.ask or false, after = type(target) == "table" and target.after or nil,
      from = type(target) == "table" and target.from or nil,
      on_expiry = type(target) == "table" and target.on_expiry or nil,
    }
  end
  return cfg
end

--- How many transactions a call commits.
---@param engine leadcat.Engine
---@param fn function
---@param ... any its arguments
---@return integer
function stores.commits(engine, fn, ...)
  local before = engine:stats().commits.count
  fn(...)
  return engine:stats().commits.count - before
end

--- Makes a call of the engine's store fail, such as `finish`, as on a disk without room.
---@param engine leadcat.Engine
---@param call string
---@param message? string
---@param code? string
---@return fun() mend makes it work again
function stores.fail(engine, call, message, code)
  local store = engine._store
  engine._store = setmetatable({ [call] = function() return nil, message or "no room", code or "full" end }, {
    __index = function(_, name)
      return function(_, ...) return store[name](store, ...) end
    end,
  })
  return function() engine._store = store end
end

--- Runs Lua code in another process, on the same Lua and the same build; gives its output and exit status.
---@param code string
---@param ... string its `arg`
---@return string output
---@return integer status
function stores.run(code, ...)
  local script = os.tmpname()
  local file = assert(io.open(script, "w"))
  file:write(code)
  file:close()
  local words = { os.getenv "LEADCAT_LUA" or "lua5.4", script, ... }
  local pipe = assert(io.popen("'" .. table.concat(words, "' '") .. "' 2>&1; echo $?"))
  local output = pipe:read "*a"
  pipe:close()
  os.remove(script)
  local text, status = output:match "^(.-)(%d+)\n$"
  return text, tonumber(status)
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function read_and_remove(name)
  local file = assert(io.open(name, "rb"))
  local content = file:read "*a"
  file:close()
  os.remove(name)
  return content
end

--- A new file with this content; it is gone after the test.
---@param content string
---@param suffix? string of its name, such as ".csv"
---@return string name
function stores.file(content, suffix)
  local name = stores.path() .. (suffix or "")
  directories[#directories + 1] = name
  local file = assert(io.open(name, "wb"))
  file:write(content)
  file:close()
  return name
end

--- Runs the `leadcat` command of this tree, on the same Lua.
---@param ... string its arguments
---@return string output
---@return string errors what it wrote to stderr
---@return integer status
function stores.leadcat(...)
  local words = { os.getenv "LEADCAT_LUA" or "lua5.4", "lua/leadcat/bin/leadcat", ... }
  for i, word in ipairs(words) do
    words[i] = quote(word)
  end
  local out, err = os.tmpname(), os.tmpname()
  local result, _, status = os.execute(("%s >%s 2>%s </dev/null"):format(table.concat(words, " "), out, err))
  status = type(result) == "number" and math.floor(result / 256) or status -- LuaJIT gives the wait status
  return read_and_remove(out), read_and_remove(err), status
end

return stores
