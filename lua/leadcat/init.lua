--- leadcat keeps a CRM's company categories right by itself. This is the public module; `engine.lua` is where to start
-- reading.

local config = require "leadcat.config"
local core = require "leadcat.core"
local Engine = require "leadcat.engine"
local lmdb = require "leadcat.host.lmdb"
local preset = require "leadcat.preset"

local leadcat = {}

leadcat._VERSION = "0.1.0"

if core.version ~= leadcat._VERSION then
  error(("leadcat's Lua files are version %s, its core is %s: install both from one release"):format(
    leadcat._VERSION, tostring(core.version)))
end

leadcat.hooks = require "leadcat.hooks"

local WEEK = 7 * 24 * 3600

local function is_integer(value)
  return type(value) == "number" and value % 1 == 0
end

-- What each option must be; `what` completes the sentence "... expected".
local OPTIONS = {
  path = { what = "a directory's name",
    fits = function(v) return type(v) == "string" and v ~= "" and not v:find "%z" end },
  host = { what = "a table of functions", fits = function(v) return type(v) == "table" end },
  tenant = { what = "a string of at most 64 bytes", fits = function(v) return type(v) == "string" and #v <= 64 end },
  language = { what = "a language tag", fits = function(v) return type(v) == "string" end },
  durability = { what = '"full" or "relaxed"', fits = function(v) return v == "full" or v == "relaxed" end },
  confirmation_ttl = { what = "a positive number of seconds",
    fits = function(v) return type(v) == "number" and v > 0 and v < math.huge end },
  map_size = { what = "an integer of at least 1048576 bytes",
    fits = function(v) return is_integer(v) and v >= 2 ^ 20 end },
  max_readers = { what = "an integer from 1 to 65535",
    fits = function(v) return is_integer(v) and v >= 1 and v <= 65535 end },
  clock = { what = "a function that gives seconds since 1970", fits = function(v) return type(v) == "function" end },
}

local HOST = { category = true, set_category = true, can = false, licensed = false } -- and whether it is required

local function check_options(options)
  if type(options) ~= "table" then
    error("leadcat.open: a table of options expected, got " .. type(options), 3)
  end
  for name, value in pairs(options) do
    local option = OPTIONS[name]
    if not option then
      local known = {}
      for known_name in pairs(OPTIONS) do
        known[#known + 1] = known_name
      end
      table.sort(known)
      error(("leadcat.open: unknown option '%s' (there are %s)"):format(tostring(name), table.concat(known, ", ")), 3)
    elseif not option.fits(value) then
      error(("leadcat.open: option '%s': %s expected"):format(name, option.what), 3)
    end
  end
  if options.path == nil then
    error("leadcat.open: option 'path' is missing: the directory of the store", 3)
  end
end

local function check_host(host)
  if host.bind then
    return -- the embedded one
  end
  for name, required in pairs(HOST) do
    local fn = host[name]
    if (fn ~= nil or required) and type(fn) ~= "function" then
      local got = fn == nil and "missing" or "a " .. type(fn)
      error(("leadcat.open: the host's function '%s' is %s"):format(name, got), 3)
    end
  end
end

---@class leadcat.Options
---@field path string the directory of the store; made when its parent exists
---@field host? leadcat.Host default: companies are kept in the same store (`leadcat.host.lmdb`)
---@field tenant? string 0 to 64 bytes; default the empty one
---@field language? string of names in reports; default "en"
---@field durability? "full"|"relaxed" default full: what is acknowledged is on disk. relaxed: a power failure may undo the newest changes
---@field confirmation_ttl? number seconds until a question expires; default 7 days
---@field map_size? integer bytes the journal may grow to (1 GiB of it at most for configs); default 16 GiB, not allocated ahead
---@field max_readers? integer reader slots, at least twice the number of workers; default 1024
---@field clock? fun(): number seconds since 1970

--- Opens a store: after fork, in each process that uses it. A wrong option, or a host without a required function, raises.
---@param options leadcat.Options
---@return leadcat.Engine? engine
---@return string? message
---@return string? code `io`, `corrupt`, `full`, `unavailable`
function leadcat.open(options)
  check_options(options)
  local host = options.host or lmdb.new()
  check_host(host)
  local store, message, code = core.open {
    path = options.path,
    map_size = options.map_size,
    max_readers = options.max_readers,
    relaxed = options.durability == "relaxed",
  }
  if not store then
    return nil, message, code
  end
  return Engine.new({
    store = store,
    host = host,
    clock = options.clock or core.now,
    language = options.language or "en",
    confirmation_ttl = options.confirmation_ttl or WEEK,
  }, options.tenant or "")
end

--- A config to start from: `superoffice` has the predefined categories and lead statuses in six languages, and all four
-- rules, disabled. Unknown names raise.
---@param name "superoffice"
---@return leadcat.Config
function leadcat.preset(name)
  local cfg = preset.get(name) -- no tail call: the blame for an unknown name falls on our caller
  return cfg
end

--- What is wrong with a config, without a store. Empty when clean.
leadcat.check = config.problems

return leadcat
