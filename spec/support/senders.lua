--- How a sender of each kind of webhook signs.

local core = require "leadcat.core"
local webhook = require "leadcat.source.webhook"

local senders = {}

senders.KINDS = { "standard", "superoffice", "hubspot", "pipedrive", "espocrm", "twenty", "odoo" }

senders.URL = "https://crm.example.com/leadcat/hooks/crm"

local mac = core.hmac_sha256

local SIGN = {
  standard = function(secret, body, now)
    local key = core.unbase64((secret:gsub("^whsec_", "")))
    local id = "msg_" .. core.checksum(body)
    return { ["webhook-id"] = id, ["webhook-timestamp"] = ("%d"):format(now),
      ["webhook-signature"] = "v1," .. core.base64(mac(key, ("%s.%d.%s"):format(id, now, body))) }
  end,
  superoffice = function(secret, body)
    local signature = core.base64(mac(secret, body))
    return { ["x-superoffice-signature"] = signature, ["x-superoffice-eventid"] = core.checksum(body) }
  end,
  hubspot = function(secret, body, now)
    local time = ("%d"):format(now * 1000)
    return { ["x-hubspot-request-timestamp"] = time,
      ["x-hubspot-signature-v3"] = core.base64(mac(secret, "POST" .. senders.URL .. body .. time)) }
  end,
  pipedrive = function(secret)
    return { authorization = "Basic " .. core.base64(secret) }
  end,
  espocrm = function(secret, body)
    return { signature = core.base64("66f0a1b2c3:" .. core.hex(mac(secret, body))) }
  end,
  twenty = function(secret, body, now)
    local time = ("%d"):format(now * 1000)
    return { ["x-twenty-webhook-timestamp"] = time,
      ["x-twenty-webhook-signature"] = core.hex(mac(secret, time .. ":" .. body)) }
  end,
  odoo = function(secret)
    return {}, "secret=" .. secret
  end,
}

--- The headers, and the end of the address.
---@return table<string, string> headers, string? query
function senders.sign(kind, secret, body, now)
  return SIGN[kind](secret, body, now)
end

local MORE = {
  standard = { map = function(payload)
    return payload.type == "deal.won"
      and { trigger = "sale_won", sale = { id = payload.deal }, company = payload.company }
      or {}, "not a deal that was won"
  end },
  hubspot = { public_url = senders.URL }, espocrm = { event = "Opportunity.update" },
}

--- A hook of the kind, with what it needs and more options.
function senders.hook(kind, secret, more)
  local options = { kind = kind, secret = secret }
  for _, given in ipairs { MORE[kind] or {}, more or {} } do
    for name, value in pairs(given) do
      options[name] = value
    end
  end
  return webhook(options)
end

return senders
