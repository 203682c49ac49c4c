--- The route of webhooks. Who sends one is told by its signature, so nobody needs to be signed in.

local options_of = require "leadcat.util.options"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"

local fail, must = response.fail, response.must

local hooks = {}

local OPTION = "a table of hooks of leadcat.source.webhook, with different names, by their addresses"

hooks.OPTION = options_of.kind(OPTION, function(value)
  local names = {}
  for address, hook in pairs(type(value) == "table" and value or { false }) do
    local name = type(hook) == "table" and type(hook.receive) == "function" and type(address) == "string"
      and ("%s %s"):format(hook.tenant or "", hook.name)
    if not name or names[name] then
      return false -- two of a name would take each other's deliveries
    end
    names[name] = true
  end
  return type(value) == "table"
end)

-- What the sender is told: to send it again, unless it is the sender's fault.
local CODES = { unauthenticated = "unauthenticated", too_large = "too_large" }

local QUIET = 10 -- seconds

-- What the log was told last of a hook: when, and how often it was not told since.
local told = setmetatable({}, { __mode = "k" })

-- What the log is told of a sender's fault: whoever connects a CRM needs it, and whoever sends nonsense must not fill the log.
local function line_of(hook, message, now)
  local last = told[hook]
  if last and math.abs(now - last.at) < QUIET then
    last.more = last.more + 1
    return nil
  end
  told[hook] = { at = now, more = 0 }
  return last and last.more > 0 and ("%s (and %d more before that)"):format(message, last.more) or message
end

local function refused(context, hook, message, code)
  local made = response.problem(context, CODES[code] or "unavailable", nil)
  made.log = message
  if CODES[code] then
    made.log = line_of(hook, message, context.engine:_now())
  end
  return made
end

--- Stores what a webhook sends. 200 means that it is on disk.
function hooks.receive(context, path)
  local rest = path:match "^/hooks/[^/]+/(.+)$"
  local hook = (context.app.options.hooks or {})[context.id] or fail "not_found"
  local received = context.request
  local stored, is_new, code = hook:receive(context.engine, {
    method = received.method, path = received.path, query = received.query, headers = received.headers, rest = rest,
    body = must(request_of.bytes(received)),
  })
  if not stored then
    return refused(context, hook, is_new, code)
  end
  return response.json(200, { status = is_new and "stored" or "known" })
end

return hooks
