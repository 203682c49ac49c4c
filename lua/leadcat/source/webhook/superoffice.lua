--- SuperOffice: base64 of the HMAC of the body. `sale.sold` and `sale.lost` say what has happened, the company is the contact of the
-- `FieldValues`.

local change = require "leadcat.source.webhook.change"
local core = require "leadcat.core"
local signature = require "leadcat.source.webhook.signature"

local superoffice = { HEADERS = { "x-superoffice-event" } }

function superoffice.verify(hook, request)
  return signature.matches(hook.secrets, request.headers["x-superoffice-signature"], function(secret)
    return core.base64(core.hmac_sha256(secret, request.body))
  end) or nil, "its signature is not that of the secret"
end

function superoffice.id(request)
  return request.headers["x-superoffice-eventid"]
end

local TRIGGERS = {
  ["sale.created"] = "sale_registered", ["sale.sold"] = "sale_won", ["sale.lost"] = "sale_lost",
  ["sale.deleted"] = "sale_deleted",
}
local STATUSES = { [1] = "open", [2] = "won", [3] = "lost", [4] = "stalled" }

function superoffice.map(payload)
  local event, values = change.text(payload.Event), change.table(payload.FieldValues)
  if not event then
    return nil, "it has no Event"
  end
  local trigger = TRIGGERS[event]
  local status = event == "sale.changed" and change.has(payload.Changes, "status") and STATUSES[values.status] or nil
  if not trigger and status ~= "open" and status ~= "stalled" then -- won and lost have events of their own
    return {}, ("%s is no event of a sale"):format(event)
  end
  local actor = change.id(payload.ChangedByAssociateId)
  return { {
    trigger = trigger, status = not trigger and status or nil, sale = { id = payload.PrimaryKey },
    company = change.id(values.contact_id), id = change.text(payload.EventId), at = change.time(payload.Timestamp),
    actor = actor and { id = actor },
  } }
end

superoffice.STATUSES = { open = "open", stalled = "stalled", won = "won", lost = "lost" }

return superoffice
