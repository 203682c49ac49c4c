--- EspoCRM: `Signature` (id of the webhook, colon, HMAC in hex, all in base64), or of an older one only `X-Signature` (the HMAC as
-- bytes). The body does not say which event it is, so the option `event` does. Of an update it has only what has changed.

local change = require "leadcat.source.webhook.change"
local core = require "leadcat.core"
local options_of = require "leadcat.util.options"
local signature = require "leadcat.source.webhook.signature"

local espocrm = {
  HEADERS = {},
  OPTIONS = { event = options_of.kind('an event such as "Opportunity.update"', function(value)
    return type(value) == "string" and value:find "^%a%w*%.%a[%w.]*$" ~= nil
  end) },
  needs = "event", -- unless there is a map
}

-- What is behind the id of the webhook, which is no secret.
local function mac_of(sent)
  local text = sent and core.unbase64(sent)
  return text and text:match "^[^:]*:(.*)$"
end

function espocrm.verify(hook, request)
  local headers = request.headers
  local newer = headers["signature"]
  return signature.matches(hook.secrets, mac_of(newer or headers["x-signature"]), function(secret)
    local mac = core.hmac_sha256(secret, request.body)
    return newer and core.hex(mac) or mac
  end) or nil, "its signature is not that of the secret"
end

-- Two changes may look the same, but where they say when the record was modified.
function espocrm.id(request)
  return request.body:find('"modifiedAt"', 1, true) and core.hex(core.sha256(request.body)) or nil
end

espocrm.STATUSES = {
  Prospecting = "open", Qualification = "open", Proposal = "open", Negotiation = "open", ["Closed Won"] = "won",
  ["Closed Lost"] = "lost",
}

local TRIGGERS = { create = "sale_registered", delete = "sale_deleted" }

local function one(record, action)
  local trigger = TRIGGERS[action]
  local status = trigger ~= "sale_deleted" and change.text(record.stage) or nil
  return (trigger or status) and {
    trigger = trigger, status = status, sale = { id = change.id(record.id), name = change.text(record.name) },
    company = change.id(record.accountId), at = change.time(record.modifiedAt) or change.time(record.createdAt),
  } or nil
end

function espocrm.map(payload, _, hook)
  local entity, action = hook.event:match "^(%w+)%.(%w+)"
  local changes = {}
  if entity ~= "Opportunity" then
    return {}, ("%s is no event of an opportunity"):format(hook.event)
  end
  for _, record in ipairs(payload[1] ~= nil and payload or { payload }) do
    if type(record) ~= "table" or not change.id(record.id) then
      return nil, "a record without an id"
    end
    changes[#changes + 1] = one(record, action)
  end
  return changes, "no opportunity's stage has changed"
end

return espocrm
