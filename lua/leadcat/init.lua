--- The public module: leadcat keeps a CRM's company categories right by itself. Start reading in `engine.lua`.

local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local beside = require "leadcat.host.beside"
local core = require "leadcat.core"
local elsewhere = require "leadcat.host.elsewhere"
local embedded = require "leadcat.host.embedded"
local Engine = require "leadcat.engine"
local fields_of = require "leadcat.host.fields"
local foreign = require "leadcat.host.foreign"
local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local patient = require "leadcat.store.patient"
local platform = require "leadcat.util.platform"
local preset = require "leadcat.rules.preset"
local render_confirmation = require "leadcat.pages.confirmation"
local render_text = require "leadcat.words.text"
local triggers = require "leadcat.rules.triggers"

local leadcat = {}

leadcat._VERSION = "0.2.0"

if core.version ~= leadcat._VERSION then
  error(("leadcat's Lua files are version %s, its core is %s: install both from one release"):format(
    leadcat._VERSION, tostring(core.version)))
end

leadcat.hooks = require "leadcat.hooks"

local DAY = 24 * 3600

local function limit(value)
  return value == false or type(value) == "number" and value > 0 and value < 2 ^ 53
end

local RETENTION = {
  age = options_of.kind("a positive number of seconds, or false", limit),
  count = options_of.kind("a positive number of entries, or false", limit),
}
local KEPT = { age = 2 * 365 * DAY, count = 10000000 } -- by default

local RENDER = {
  html = options_of.of_type "function", text = options_of.of_type "function", json = options_of.of_type "function",
  strings = options_of.of_type("table", "a table {language = {key = text}}"),
}

local OPTIONS = {
  readonly = options_of.of_type "boolean",
  recover = options_of.of_type "boolean",
  mode = options_of.file_mode,
  path = options_of.kind("a directory's name", function(v)
    return type(v) == "string" and v ~= "" and not v:find "%z"
  end),
  host = options_of.of_type("table", "a table of functions"),
  tenant = options_of.kind("a string of at most 64 bytes", function(v) return type(v) == "string" and #v <= 64 end),
  language = options_of.of_type("string", "a language tag"),
  durability = options_of.one_of { "full", "relaxed", "primary" },
  shared = options_of.kind("a connection string, postgresql://host/database, or a function of the tenant", function(v)
    return type(v) == "string" or type(v) == "function"
  end),
  queue = options_of.whole(1, 2 ^ 20),
  confirmation_ttl = options_of.kind("a positive number of seconds", function(v)
    return type(v) == "number" and v > 0 and v < math.huge
  end),
  map_size = options_of.whole(2 ^ 20, 2 ^ 53),
  max_readers = options_of.whole(1, 65535),
  clock = options_of.of_type("function", "a function that gives seconds since 1970"),
  retention = options_of.of_type("table", "a table of age and count"),
  render = options_of.of_type("table", "a table of html, text, json and strings"),
  apply = options_of.one_of { "here", "elsewhere" },
  late_events = options_of.one_of { "apply", "skip" },
  four_eyes = options_of.of_type "boolean",
  sleep = options_of.of_type("function", "a function that waits for some seconds while other coroutines run"),
  running = options_of.of_type("function", "a function that tells which coroutine runs"),
  triggers = options_of.of_type("table", "a list of {trigger, name}"),
  stand_in = options_of.of_type("function", "a function that gives the user who is asked instead of one"),
  record_unchanged = options_of.kind('"full", or a share between 0 and 1,', function(v)
    return v == "full" or type(v) == "number" and v > 0 and v <= 1
  end),
}

local HOST = { -- required?
  category = true, set_category = true, categories = false, set_categories = false, applied = false, facts = false,
  can = false, licensed = false, company_name = false,
}

local function check_host(host)
  for name, required in pairs(host.bind and {} or HOST) do -- `bind`: the embedded host
    local fn = host[name]
    if (fn ~= nil or required) and type(fn) ~= "function" then
      local got = fn == nil and "missing" or "a " .. type(fn)
      error(("leadcat.open: the host's function '%s' is %s"):format(name, got), 3)
    end
  end
  local problem = fields_of.problem(host.fields)
  if problem then
    error("leadcat.open: " .. problem, 3)
  end
end

---@class (exact) leadcat.Options
---@field path string the directory of the store; made when its parent exists
---@field host? leadcat.Host default: companies are kept in the same store (`leadcat.host.lmdb`)
---@field tenant? string 0 to 64 bytes; default "". With it, `maintain` is for this tenant only, else for all
---@field language? string of names in reports; default "en"
---@field shared? string|fun(tenant: string): string the database of a store of several machines, postgresql://user@db1,db2/name; then `path` is this machine's copy of the rules; or a function that names each tenant's, and `path` is a directory that is there
---@field queue? integer with `shared` in nginx, how many events of a worker may wait for the database; those beyond are `unavailable` at once. Default 1000
---@field durability? "full"|"relaxed"|"primary" full (the default): what is acknowledged is on disk, and with `shared` on a standby's as well. relaxed: a power failure may undo the newest changes. primary: with `shared`, one machine is enough
---@field confirmation_ttl? number seconds until a question expires; default 7 days
---@field stand_in? fun(user: leadcat.Actor, tenant: string): leadcat.Actor? who is asked instead of that user; nil: nobody. It is asked when a question is made or given to somebody; while it raises, events that ask are not taken
---@field retention? leadcat.Retention how much of the journal is kept, with its seen event ids and closed confirmations
---@field map_size? integer bytes the journal may have in use (at most 1 GiB of it for configs), from now on and for all processes, if what is in use fits; default: as it was given last, or 16 GiB. Not allocated ahead
---@field max_readers? integer reader slots, at least twice the number of workers; default 1024
---@field clock? fun(): number seconds since 1970
---@field record_unchanged? "full"|number records events that change nothing, for `history{unchanged = true}`: all, or a share between 0 and 1; default none
---@field apply? "here"|"elsewhere" who makes the changes of a `host`: the call that handles the event (the default), or another process that has the store open and makes them from time to time (`apply_pending`, `maintain`); then outcomes are `applying`, or `queued` behind such a change
---@field late_events? "apply"|"skip" what becomes of an event whose `at` is over a minute before that of the event of the company's newest applied change: it is applied (the default), or comes to nothing, with the reason `late`. Changes whose events had no `at` do not count
---@field four_eyes? boolean what an actor saves is a draft, also by `revert` and `make_real`, and becomes active when another one with the permission `approve` says so. Default: it is active at once
---@field sleep? fun(seconds: number) of a scheduler of coroutines (cqueues, luv …), for this Lua state from now on: waits while other coroutines run. Those of nginx, Tarantool and HAProxy are found
---@field running? fun(): any what tells that scheduler's coroutines apart; nil where the one that runs must not wait. Default: the coroutine, unless it is the main one
---@field triggers? leadcat.OwnTrigger[] triggers of the integrator's own, for events and rules of all tenants. The store remembers them: at most 64 in all
---@field readonly? boolean open a store that may not be written: nothing is written or made, not even a lock file, nothing is recovered, and what writes returns `readonly`. `triggers` are those that the store knows
---@field recover? boolean false: do not finish, while opening or when a tenant is first used, what a crash has left unfinished; `maintain` and `recover` do
---@field mode? integer of the files that are made, whatever the umask, such as tonumber("660", 8); of the directory, if it is made, with the right to search it. Default: 640 less the umask
---@field render? leadcat.Render replaces parts of what users see

---@class (exact) leadcat.Retention
---@field age? number|false seconds: older entries are removed; default two years; false: no limit
---@field count? integer|false how many entries are kept at most; default 10 million; false: no limit

---@class (exact) leadcat.Render what replaces leadcat's own
---@field html? fun(view: leadcat.View, options?: table): string instead of `leadcat.render.confirmation`
---@field text? fun(view: leadcat.View): string instead of `leadcat.render.text`
---@field json? fun(view: leadcat.View): string
---@field strings? table<string, table<string, string>> texts by language and key: replace leadcat's, or add a language

local function check_triggers(declared)
  local problem = declared ~= nil and triggers.problem(declared)
  if problem then
    error("leadcat.open: " .. problem, 3)
  end
end

-- The store, in which these are declared; closed when that fails.
local function with_triggers(store, declared)
  local done, message, code = triggers.declare(store, declared)
  if not done then
    store:close()
    return nil, message, code
  end
  return store
end

-- 0 means no limit.
local function limit_of(retention, name)
  return retention[name] == false and 0 or math.floor(retention[name] or KEPT[name])
end

local function schedule(options)
  if options.sleep then
    platform.schedule(options.sleep, options.running)
  elseif options.running then
    error("leadcat.open: option 'running' tells which coroutine of a scheduler runs: option 'sleep' is missing", 3)
  end
end

local function check_shared(options)
  if options.shared and options.readonly then
    error("leadcat.open: 'readonly' is for a store of one machine, not with 'shared'", 3)
  elseif options.shared and options.durability == "relaxed" then
    error('leadcat.open: with \'shared\' durability is "full" or "primary"', 3)
  elseif not options.shared and options.queue then
    error("leadcat.open: option 'queue' is for 'shared'", 3)
  elseif not options.shared and options.durability == "primary" then
    error('leadcat.open: durability = "primary" is for \'shared\'', 3)
  end
end

local function check_together(options, host)
  if host.rows and host.rows.together and not (options.shared and options.apply ~= "elsewhere") then
    error("leadcat.open: the host's option 'together' is for 'shared', and not with apply = \"elsewhere\"", 3)
  end
end

-- Who changes the companies. Nil, message, code where the host insists that it is the store, and it cannot be.
local function adapter_of(options, host, store)
  if host.bind then
    return embedded
  elseif options.apply == "elsewhere" then
    return elsewhere
  elseif not options.shared then
    return foreign
  end
  local is_beside, why = false, "`shared` is a function"
  if type(options.shared) == "string" then
    is_beside, why = beside.join(store, host)
  end
  if not is_beside and host.rows and host.rows.together then
    store:close()
    return nil, "the host's companies cannot be changed together with the shared journal: " .. why, "conflict"
  end
  return is_beside and beside or foreign
end

local function moment()
  return platform.is_scheduled() and patient.MOMENT or nil
end

-- The store of several machines is loaded only by who uses one: it is as much as all else that decides and handles.
local function open_shared(options)
  return require(type(options.shared) == "function" and "leadcat.store.spread" or "leadcat.store.sql").open {
    path = options.path, shared = options.shared, durability = options.durability, map_size = options.map_size,
    max_readers = options.max_readers, mode = options.mode, patience = moment(), sleep = platform.sleep,
    queue = options.queue, tenant = options.tenant,
  }
end

local function open_alone(options)
  return core.open {
    path = options.path, map_size = options.map_size, max_readers = options.max_readers,
    readonly = options.readonly, mode = options.mode, relaxed = options.durability == "relaxed", patience = moment(),
  }
end

--- Opens a store. Each process opens it for itself, after fork. Raises on a wrong option, or when the host lacks a
--- required function.
---@param options leadcat.Options
---@return leadcat.Engine? engine, string? message, string? code `io`, `corrupt`, `full`, `unavailable`; `readonly`: it has the form of an older leadcat, and is to be read only; `conflict`: it was moved away, or is a machine's copy of shared rules, or with `shared` that of something else; `invalid`: with these `triggers` the store would have more than 64
function leadcat.open(options)
  options_of.check(options, OPTIONS, "leadcat.open: ")
  if not options or options.path == nil then
    error("leadcat.open: option 'path' is missing: the directory of the store", 2)
  end
  if platform.is_before_fork() then
    error("leadcat.open: not in init_by_lua: open the store in init_worker_by_lua, in each worker", 2)
  end
  schedule(options)
  local render = options_of.check(options.render, RENDER, "leadcat.open: render: ")
  local retention = options_of.check(options.retention, RETENTION, "leadcat.open: retention: ")
  local strings = i18n.new(render.strings, 3)
  local host = options.host or embedded.new()
  check_host(host)
  if host.bind and options.apply == "elsewhere" then
    error('leadcat.open: apply = "elsewhere" needs a host of your own: what the store keeps is changed at once', 2)
  end
  check_triggers(options.triggers)
  check_shared(options)
  check_together(options, host)
  local store, message, code = (options.shared and open_shared or open_alone)(options)
  if store and options.triggers and not options.readonly then
    store, message, code = with_triggers(store, options.triggers)
  end
  if not store then
    return nil, message, code
  end
  local companies
  companies, message, code = adapter_of(options, host, store)
  if not companies then
    return nil, message, code
  end
  strings:name_triggers(function() return triggers.texts(store) end)
  return Engine.new({
    store = not options.shared and platform.is_scheduled() and patient.new(store) or store,
    of_one_tenant = options.tenant ~= nil, host = host,
    companies = companies,
    fields = config.copy(host.fields or {}),
    clock = options.clock or core.now, strings = strings, language = options.language or "en",
    confirmation_ttl = options.confirmation_ttl or 7 * DAY, stand_in = options.stand_in,
    retention = { age = limit_of(retention, "age"), count = limit_of(retention, "count") },
    record_unchanged = options.record_unchanged == "full" and 1 or options.record_unchanged,
    gathers = options.shared ~= nil and platform.semaphore ~= nil,
    four_eyes = options.four_eyes == true, skips_late = options.late_events == "skip",
    readonly = options.readonly == true,
    recovers = options.recover ~= false and not options.readonly,
    renderers = {
      html = render.html or render_confirmation.html, text = render.text or render_text.confirmation,
      json = render.json or json.encode,
    },
  }, options.tenant or "")
end

--- A config to start from: `superoffice` has the predefined categories and lead statuses in six languages, and all four
-- rules, disabled. The others are the same with rules that are enabled (spec/manual/recipes.md): `tiers` by what a company
-- has bought, `churn` of expired contracts, `forward` never backwards, `nothing_open` of the last open sale, `renurture` after 90
-- days without a sale. An unknown name raises.
---@param name leadcat.PresetName
---@return leadcat.Config
function leadcat.preset(name)
  local cfg = preset.get(name) -- no tail call, so that the error for an unknown name points at our caller
  return cfg
end

--- The problems of a config, without a store; empty when clean.
---@param cfg any a config, whatever is wrong with it
---@return leadcat.Problem[] problems
function leadcat.check(cfg)
  return check.problems(cfg)
end

return leadcat
