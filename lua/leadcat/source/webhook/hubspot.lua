--- HubSpot, signatures of version 3: base64 of the HMAC of method, address, body and time. It tells the new stage of a deal, neither
-- the old one nor the company.

local change = require "leadcat.source.webhook.change"
local core = require "leadcat.core"
local signature = require "leadcat.source.webhook.signature"
local url = require "leadcat.util.url"

local hubspot = { HEADERS = {}, needs_url = true }

-- HubSpot signs the address with these characters as they are.
local function decoded(uri)
  return (uri:gsub("%%%x%x", function(code)
    local character = url.unescape(code)
    return character:find "^[:/?@!$'()*,;]$" and character or code
  end))
end

function hubspot.verify(hook, request, now)
  local headers = request.headers
  local time = headers["x-hubspot-request-timestamp"]
  local problem = signature.time_problem(time, now, 1000)
  if problem then
    return nil, problem
  end
  local query = request.query and request.query ~= "" and "?" .. request.query or ""
  local signed = request.method .. decoded(hook.public_url .. query) .. request.body .. time
  return signature.matches(hook.secrets, headers["x-hubspot-signature-v3"], function(secret)
    return core.base64(core.hmac_sha256(secret, signed))
  end) or nil, "its signature is not that of the secret and of public_url"
end

-- A repeated delivery has another number of the attempt.
function hubspot.id(request)
  return core.hex(core.sha256((request.body:gsub('"attemptNumber"%s*:%s*%d+', ""))))
end

hubspot.STATUSES = {
  appointmentscheduled = "open", qualifiedtobuy = "open", presentationscheduled = "open",
  decisionmakerboughtin = "open", contractsent = "open", closedwon = "won", closedlost = "lost",
}

local TRIGGERS = { creation = "sale_registered", deletion = "sale_deleted" }

-- What has happened to a deal ("creation", ...); nil when it is about something else.
local function happening(item)
  local object, what = (change.text(item.subscriptionType) or ""):match "^(%w+)%.(%w+)$"
  return (object == "deal" or object == "object" and item.objectTypeId == "0-3") and what or nil
end

local function one(item)
  local what = happening(item)
  local is_stage = what == "propertyChange" and item.propertyName == "dealstage"
  if not TRIGGERS[what] and not is_stage then
    return nil
  end
  local at = tonumber(item.occurredAt)
  local user = (change.text(item.sourceId) or ""):match "^userId:(%d+)$"
  return {
    trigger = TRIGGERS[what], status = is_stage and change.value(item.propertyValue) or nil,
    sale = { id = item.objectId }, at = at and at / 1000, actor = user and { id = user },
    id = ("%s-%s-%s"):format(tostring(item.objectId), tostring(item.eventId), tostring(item.occurredAt)),
  }
end

function hubspot.map(payload)
  local changes = {}
  for _, item in ipairs(payload[1] ~= nil and payload or { payload }) do
    if type(item) ~= "table" or not change.text(item.subscriptionType) then
      return nil, "an item without a subscriptionType"
    end
    changes[#changes + 1] = one(item)
  end
  return changes, "it concerns no deal's creation, deletion or dealstage"
end

return hubspot
