--- Odoo: an automation rule that sends a record. It signs nothing, so the secret is in the address: `…/hooks/odoo/SECRET` or
-- `…/hooks/odoo?secret=SECRET`. What the rule is about is said by the option `trigger`, or by the fields that it sends.

local change = require "leadcat.source.webhook.change"
local core = require "leadcat.core"
local options_of = require "leadcat.util.options"
local signature = require "leadcat.source.webhook.signature"
local url = require "leadcat.util.url"

local odoo = { HEADERS = {}, OPTIONS = { trigger = options_of.of_type("string", "a trigger") } }

function odoo.verify(hook, request)
  local query = "&" .. (request.query or "")
  local sent = request.rest or query:match "&secret=([^&]*)"
  return signature.matches(hook.secrets, sent and (request.rest or url.unescape(sent))) or nil,
    "the secret in its address is missing, or another one"
end

-- Odoo does not repeat a delivery. Two changes may look the same, but where they say when the record was written.
function odoo.id(request)
  return request.body:find('"write_date"', 1, true) and core.hex(core.sha256(request.body)) or nil
end

-- By its stage where `statuses` has stages; else as Odoo marks it.
local function status_of(payload, statuses)
  local stage = change.id(payload.stage_id)
  if statuses and stage then
    return stage
  elseif payload.active == false and payload.probability == 0 then
    return "lost"
  end
  return type(payload.probability) == "number" and (payload.probability >= 100 and "won" or "open") or nil
end

odoo.STATUSES = { open = "open", won = "won", lost = "lost" }

function odoo.map(payload, _, hook)
  if not change.text(payload._model) or not change.id(payload._id) then
    return nil, "it has no _model and _id"
  elseif payload._model ~= "crm.lead" then
    return {}, ("%s is no crm.lead"):format(payload._model)
  end
  local status = not hook.trigger and status_of(payload, hook.own_statuses) or nil
  if not hook.trigger and not status then
    return nil, "it has neither stage_id (with `statuses`) nor probability, and the hook has no `trigger`"
  end
  return { {
    trigger = hook.trigger, status = status, sale = { id = payload._id, name = change.text(payload.name) },
    company = change.id(payload.partner_id), at = change.time(payload.write_date),
  } }
end

return odoo
