--- Notices by webhook, signed as Standard Webhooks (standardwebhooks.com) has it: `webhook-id`, `webhook-timestamp`,
-- `webhook-signature`. Messages say neither paths nor secrets.

local core = require "leadcat.core"
local http = require "leadcat.util.http"
local merged = require "leadcat.util.merged"
local notifier = require "leadcat.notify.notifier"
local options_of = require "leadcat.util.options"
local standard = require "leadcat.source.webhook.standard"

local TIMEOUT = 10 -- seconds

---@class (exact) leadcat.notify.webhook.Options
---@field url string https://…, or http://…
---@field secret string|string[] `whsec_…`; several while it is being changed: each signs
---@field name? string what `leadcat notices` calls it; default "webhook". Two of one tenant need different ones
---@field events? string[] of question.asked, question.assigned, question.expiring, change.made, change.failed, rule.held, rule.silent; default all
---@field expiring_before? number seconds before its time is over, a question is told to be expiring; default 3600
---@field tenant? string whose notices they are; default that of the engine
---@field headers? table<string, string> to be sent besides
---@field timeout? number seconds for a request, default 10
---@field tls? leadcat.SocketTls

local OPTIONS = merged(notifier.OPTIONS, {
  url = options_of.of_type "string", headers = options_of.of_type "table", tls = options_of.of_type "table",
  secret = options_of.kind("a secret, or a list of secrets", function(value)
    return type(value) == "string" or type(value) == "table" and type(value[1]) == "string"
  end),
})

local function fail(message)
  error("leadcat.notify.webhook: " .. message, 4)
end

-- The keys of the secrets.
local function check(options)
  for _, name in ipairs { "url", "secret" } do
    if options[name] == nil then
      fail(("option '%s' is missing"):format(name))
    end
  end
  local address, problem = http.address(options.url)
  if not address then
    fail("option 'url': " .. problem)
  end
  local secrets = options.secret
  local keys, wrong = standard.prepare(type(secrets) == "table" and secrets or { secrets })
  return keys or fail("option 'secret': " .. wrong)
end

-- The signatures, one of each key.
local function sign(keys, id, seconds, body)
  local signatures = {}
  for place, key in ipairs(keys) do
    signatures[place] = "v1," .. standard.sign(key, id, seconds, body)
  end
  return table.concat(signatures, " ")
end

local function sender(options, keys)
  return function(notice)
    local seconds = ("%d"):format(math.floor(core.now()))
    local answer, message = http.request {
      url = options.url, method = "POST", body = notice.body, timeout = options.timeout or TIMEOUT, tls = options.tls,
      headers = merged(options.headers or {}, {
        ["content-type"] = "application/json", ["webhook-id"] = notice.id, ["webhook-timestamp"] = seconds,
        ["webhook-signature"] = sign(keys, notice.id, seconds, notice.body),
      }),
    }
    if not answer then
      return nil, message
    elseif answer.status < 200 or answer.status > 299 then
      return nil, ("the receiver has answered with status %d"):format(answer.status)
    end
    return true
  end
end

--- Tells an address of what was done, by Standard Webhooks: at least once, and each company's in order. Raises on a wrong option.
---@param options leadcat.notify.webhook.Options
---@return leadcat.notify.Notifier notifier for `notify` of a worker's file
return function(options)
  options_of.check(options, OPTIONS, "leadcat.notify.webhook: ")
  local keys = check(options or {})
  return notifier.new(merged({ name = "webhook" }, options), sender(options, keys))
end
