--- Pipedrive: basic authentication, since it signs nothing; bodies of version 1 and 2. Both say what the deal was before.

local change = require "leadcat.source.webhook.change"
local core = require "leadcat.core"
local hooks = require "leadcat.hooks"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local signature = require "leadcat.source.webhook.signature"

local pipedrive = { HEADERS = {} }

--- The secrets are user:password.
function pipedrive.prepare(secrets)
  for _, secret in ipairs(secrets) do
    if not secret:find(":", 1, true) then
      return nil, "user:password expected"
    end
  end
  return secrets
end

function pipedrive.verify(hook, request)
  local sent = (request.headers["authorization"] or ""):match "^[Bb][Aa][Ss][Ii][Cc] +(%S+)$"
  return signature.matches(hook.secrets, sent and core.unbase64(sent)) or nil, "its user or password is another one"
end

-- A repeated delivery has another number of the attempt.
local COUNTS = { "retry", "attempt", "attempt_no", "next_attempt_ts" }

function pipedrive.id(request)
  local body = request.body
  for _, name in ipairs(COUNTS) do
    body = body:gsub(('"%s"%%s*:%%s*[%%w.]+'):format(name), "")
  end
  return core.hex(core.sha256(body))
end

pipedrive.STATUSES = { open = "open", won = "won", lost = "lost" }

-- What happened, as version 1 or 2 says it: action, deal as it is, deal as it was.
local function read(payload)
  local meta = change.table(payload.meta)
  local action, entity = change.text(meta.action), change.text(meta.entity) or change.text(meta.object)
  local current, previous = change.value(payload.data) or change.value(payload.current), change.value(payload.previous)
  if payload.data ~= nil and action == "change" and current and previous then
    previous = merged(current, previous) -- it has only what was different
  end
  return meta, action, entity, current, previous
end

local function sale_of(deal, meta)
  local org = change.value(deal.org_id)
  return {
    id = change.id(deal.id) or change.id(meta.entity_id) or change.id(meta.id), name = change.text(deal.title),
    company = change.id(type(org) == "table" and org.value or org), status = change.value(deal.status),
  }
end

-- The deal; nil when there was or is none. A deleted one that can be restored has the status deleted.
local function present(deal, meta, is_gone)
  if type(deal) ~= "table" or is_gone or deal.status == "deleted" or deal.is_deleted == true then
    return nil
  end
  return sale_of(deal, meta)
end

local NEW = { added = true, create = true }
local GONE = { deleted = true, delete = true }

function pipedrive.map(payload, _, hook, delivery)
  local meta, action, entity, current, previous = read(payload)
  if not action or not entity then
    return nil, "it has no meta.action and meta.entity (or meta.object)"
  elseif entity ~= "deal" then
    return {}, ("%s is no deal"):format(entity)
  elseif not NEW[action] and not GONE[action] and (type(current) ~= "table" or type(previous) ~= "table") then
    return nil, ("%s without the deal as it was and is"):format(action)
  end
  local before = not NEW[action] and present(previous or json.null, meta) or nil
  local after = present(current, meta, GONE[action])
  if not before and not after then
    return {}, "there is no such deal before and after"
  end
  local user = change.id(change.value(meta.user_id))
  local at = tonumber(meta.timestamp) or change.time(meta.timestamp)
  local events, message = hooks.sale_saved(before, after, {
    statuses = hook.statuses, at = at, actor = user and { id = user }, source = hook.name, version = delivery.version,
  })
  return events, events and "the deal's status is what it was, or it has no organization" or message, "events"
end

return pipedrive
