--- What specs of files share: a file is read by simulate, replay and backfill, and they must agree about it.

local assert = require "luassert"
local json = require "leadcat.util.json"
local stores = require "support.stores"

local exports = {}

exports.RULES = { sale_registered = 3, sale_won = 5, sale_lost = 4 }

--- A file with a config of these rules.
---@param rules? table default RULES
---@return string
function exports.rules_file(rules)
  return stores.file(json.encode(stores.config(rules or exports.RULES)), ".json")
end

--- Simulates with these words.
---@return string output, string errors, integer status
function exports.simulate(...)
  return stores.leadcat("simulate", "--config", exports.rules_file(), "--start-category", "Lead", "--json", ...)
end

--- Handles what these words name with a new store.
---@param command "replay"|"backfill"
---@return table<string, string> categories of its companies
function exports.handled(command, ...)
  local engine, path = stores.open { durability = "relaxed" }
  assert(engine:save(stores.config(exports.RULES)))
  engine:close()
  local _, errors, status = stores.leadcat(command, "--path", path, "--start-category", "Lead", "--json", ...)
  assert.equal(0, status, errors)
  engine = stores.open { path = path }
  local names, categories = {}, {}
  for _, category in ipairs(engine:config().categories) do
    names[category.id] = category.name.en
  end
  for company, category in engine.host:companies() do
    categories[company] = names[category]
  end
  engine:close()
  return categories
end

--- All three commands end with these categories, and simulate says this ("": nothing) on the way.
---@param ends table<string, string> by company
---@param said string
---@return table report of simulate
function exports.agree(ends, said, ...)
  local output, errors, status = exports.simulate(...)
  assert.equal(0, status, errors)
  assert.is_truthy(errors:find(said, 1, true), errors)
  assert.equal(said == "", errors == "", errors)
  assert.same(ends, exports.handled("replay", ...))
  assert.same(ends, exports.handled("backfill", ...))
  local counts, report = {}, json.decode(output)
  for _, category in pairs(ends) do
    counts[category] = (counts[category] or 0) + 1
  end
  assert.same(counts, report.categories)
  return report
end

return exports
