--- A suggested rule as part of an address: the settings open with it, and nothing is saved. Pure.

local check = require "leadcat.rules.check"
local json = require "leadcat.util.json"
local refinement = require "leadcat.rules.refinement"
local url = require "leadcat.util.url"

local suggested_rule = {}

local LONGEST = 4096 -- bytes of the conditions in an address

--- What is behind the question mark.
---@param found {rule: string, to: integer, conditions: leadcat.Condition[]}
---@return string
function suggested_rule.query(found)
  return ("refine=%s&category=%d&conditions=%s"):format(url.escape(found.rule), found.to,
    url.escape(json.encode(found.conditions)))
end

--- The config with the rule that an address says. A client may send anything.
---@param cfg leadcat.Config
---@param sent table<string, string>
---@param own string[] the integrator's own triggers that the store knows
---@return leadcat.Config? config nil: the address says none, or none that fits
---@return leadcat.Rule? rule the new one in it
function suggested_rule.read(cfg, sent, own)
  local conditions = #(sent.conditions or "") <= LONGEST and json.decode(sent.conditions or "", true)
  local to = (sent.category or ""):find "^%d+$" and #sent.category <= 10 and json.integer(tonumber(sent.category))
  if not (sent.refine and to and type(conditions) == "table" and conditions[1]) then
    return nil
  end
  local refined, rule = refinement.of(cfg, sent.refine, to, conditions)
  if refined and not check.has_errors(check.problems(refined, own)) then
    return refined, rule
  end
end

return suggested_rule
