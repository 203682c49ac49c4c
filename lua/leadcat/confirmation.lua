--- The durable question to a user: what is written down when it is asked, and the record that is read back.

local config = require "leadcat.config"
local core = require "leadcat.core"
local json = require "leadcat.json"

local confirmation = {}

---@class leadcat.Confirmation
---@field id string 32 hex digits, random
---@field tenant string
---@field company string|integer
---@field trigger string
---@field rule string the rule's key
---@field lead_status? integer
---@field from integer the category when it was asked
---@field to integer the proposed category
---@field options integer[] the categories one may choose
---@field revision integer of the config that asked
---@field sale? table
---@field contact? table
---@field actor? leadcat.Actor
---@field state "open"|"superseded"
---@field created_at number seconds since 1970
---@field expires_at number seconds since 1970
---@field resolved_at? number seconds since 1970

--- The ids of the categories that one may choose: every one that is not deleted, in the config's order.
---@param cfg leadcat.Config
---@return integer[]
function confirmation.options(cfg)
  local options = json.array {}
  for _, category in ipairs(cfg.categories) do
    if not category.deleted then
      options[#options + 1] = category.id
    end
  end
  return options
end

--- The question of an item that the engine is about to write.
---@param item table the journal item
---@param event leadcat.Event
---@param cfg leadcat.Config
---@param now number
---@param ttl number seconds until it expires
---@return table? question as `store:write` takes it; nil when the system gives no random bytes
---@return string? message
---@return string? code
function confirmation.ask(item, event, cfg, now, ttl)
  local id, message, code = core.random_id()
  if not id then
    return nil, message, code
  end
  local body = {
    company = event.company,
    trigger = item.trigger,
    rule = config.rule_key(item.trigger, item.lead_status),
    lead_status = item.lead_status,
    from = item.from,
    to = item.to,
    options = confirmation.options(cfg),
    revision = item.revision,
    sale = event.sale,
    contact = event.contact,
    actor = event.actor,
  }
  return { id = id, created_at = now, expires_at = now + ttl, body = json.encode(body) }
end

--- The record as hosts see it.
---@param stored table as `store:confirmation` gives it
---@param tenant string
---@return leadcat.Confirmation? record
---@return string? message
---@return string? code
function confirmation.record(stored, tenant)
  local record, message = json.decode(stored.body)
  if not record then
    return nil, ("confirmation %s: %s"):format(stored.id, message), "corrupt"
  end
  json.array(record.options)
  record.id, record.tenant, record.state = stored.id, tenant, stored.state
  record.created_at, record.expires_at, record.resolved_at = stored.created_at, stored.expires_at, stored.resolved_at
  return record
end

return confirmation
