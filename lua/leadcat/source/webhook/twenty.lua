--- Twenty: the HMAC, in hex, of time, colon and body. It tells the opportunity as it is, and which fields have changed.

local change = require "leadcat.source.webhook.change"
local core = require "leadcat.core"
local signature = require "leadcat.source.webhook.signature"

local twenty = { HEADERS = {} }

function twenty.verify(hook, request, now)
  local time = request.headers["x-twenty-webhook-timestamp"]
  local problem = signature.time_problem(time, now, 1000)
  if problem then
    return nil, problem
  end
  return signature.matches(hook.secrets, request.headers["x-twenty-webhook-signature"], function(secret)
    return core.hex(core.hmac_sha256(secret, time .. ":" .. request.body))
  end) or nil, "its signature is not that of the secret"
end

-- Repeated deliveries have the same body, which says when it happened.
function twenty.id(request)
  return core.hex(core.sha256(request.body))
end

twenty.STATUSES = { NEW = "open", SCREENING = "open", MEETING = "open", PROPOSAL = "open", CUSTOMER = "won" }

local TRIGGERS = { created = "sale_registered", deleted = "sale_deleted", destroyed = "sale_deleted" }

function twenty.map(payload)
  local name = change.text(payload.eventName) or change.text(payload.event)
  local object, action = (name or ""):match "^([%w_]+)%.(%w+)$"
  local record = change.table(change.value(payload.record) or change.value(payload.data))
  if not object then
    return nil, "it has no eventName"
  elseif object ~= "opportunity" then
    return {}, ("%s is no event of an opportunity"):format(name)
  elseif not TRIGGERS[action] and not change.has(payload.updatedFields, "stage") then
    return {}, "the opportunity's stage has not changed"
  end
  return { {
    trigger = TRIGGERS[action], status = TRIGGERS[action] ~= "sale_deleted" and change.text(record.stage) or nil,
    sale = { id = change.id(record.id), name = change.text(record.name) }, company = change.id(record.companyId),
    at = change.time(payload.eventDate) or change.time(payload.timestamp),
  } }
end

return twenty
