--- Standard Webhooks (standardwebhooks.com): `webhook-id`, `webhook-timestamp`, `webhook-signature`. What the body means is the
-- integrator's to say, with `map`.

local core = require "leadcat.core"
local signature = require "leadcat.source.webhook.signature"

local standard = { HEADERS = {}, needs_map = true }

-- The key in a secret: base64, perhaps without its padding.
local function key_of(secret)
  local text = secret:gsub("^whsec_", "")
  return core.unbase64(text .. ("="):rep(-#text % 4))
end

--- The secrets as keys; or nil, problem.
function standard.prepare(secrets)
  local keys = {}
  for place, secret in ipairs(secrets) do
    keys[place] = key_of(secret)
    if not keys[place] or keys[place] == "" then
      return nil, "whsec_ and base64 expected"
    end
  end
  return keys
end

--- The signature of a message, without its version.
---@return string base64
function standard.sign(key, id, time, body)
  return core.base64(core.hmac_sha256(key, ("%s.%s.%s"):format(id, time, body)))
end

-- Several signatures are there while a secret is changed.
function standard.verify(hook, request, now)
  local headers = request.headers
  local id, time = headers["webhook-id"], headers["webhook-timestamp"]
  local problem = signature.time_problem(time, now)
  if problem or not id then
    return nil, problem or "it has no webhook-id"
  end
  local right, found = {}, false
  for place, key in ipairs(hook.secrets) do -- once, however many signatures somebody sends
    right[place] = standard.sign(key, id, time, request.body)
  end
  for one in (headers["webhook-signature"] or ""):sub(1, 4096):gmatch "%S+" do
    found = signature.matches(right, one:match "^v1,(.+)$") or found
  end
  return found or nil, "its signature is not that of the secret"
end

function standard.id(request)
  return request.headers["webhook-id"]
end

return standard
