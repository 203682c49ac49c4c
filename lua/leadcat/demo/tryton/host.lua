--- Companies that are parties of Tryton. A party's category is that of its party categories which lies below one root. A change is
-- made with Tryton's own compare-and-set: it refuses a write when the record was changed after the `_timestamp` that was read.

local http = require "leadcat.host.http"

local MODEL = "party.party"
local FIELDS = { "categories.parent", "_timestamp", "rec_name" }

-- The Tryton id of the party's category, as a text; nil for none. Of several, none is guessed: their ids are no category's.
local function category_of(party, root)
  local found = {}
  for _, category in ipairs(party["categories."] or {}) do
    found[#found + 1] = category.parent == root and ("%d"):format(category.id) or nil
  end
  return found[1] and table.concat(found, " and ")
end

-- Moves the party from one category to another, if nobody has saved it since it was read. Tryton answers with nothing, or with
-- errors that hold nulls, which is more than a table can say: so it is a function.
local function write(client, change, party)
  local moved = { { "remove", { tonumber(change.from) } }, { "add", { tonumber(change.to) } } }
  local context = { _timestamp = { [("%s,%s"):format(MODEL, change.company)] = party.version } }
  local ok, message, code = client:call(("model.%s.write"):format(MODEL),
    { { tonumber(change.company) }, { categories = moved } }, { context = context })
  return ok and true, message, code
end

---@class leadcat.tryton.HostOptions
---@field client leadcat.tryton.Client
---@field root integer the party category that has those of leadcat's config below it, whose ids the config has as `external`

--- A host for `leadcat.open`.
---@param options leadcat.tryton.HostOptions
---@return leadcat.Host
return function(options)
  local client = options.client
  return http {
    url = ("%s/%s/"):format(client.url, client.database), external = true, ids = "number",
    headers = function(_, is_refused) return client:headers(is_refused) end,
    read = {
      rpc = { method = ("model.%s.search_read"):format(MODEL), params = {
        { { "id", "=", "{company}" } }, 0, 1, http.list {}, FIELDS, { active_test = false },
      } },
      at = "0", version = "_timestamp", name = "rec_name",
      category = function(party) return category_of(party, options.root) end,
    },
    write = function(change, party) return write(client, change, party) end,
  }
end
