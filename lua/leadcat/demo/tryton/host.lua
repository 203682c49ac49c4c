--- Companies that are parties of Tryton. A party's category is that of its party categories which lies below one root. A change is
-- made with Tryton's own compare-and-set: it refuses a write when the record was changed after the `_timestamp` that was read.

local MODEL = "party.party"
local FIELDS = { "categories", "categories.parent", "_timestamp", "rec_name" }
local TRIES = 5 -- of a party that somebody else is saving all the time

-- A party's record; false when there is none; or nil, message.
local function read(self, company)
  local rows, message = self.client:find(MODEL, { { "id", "=", tonumber(company) } }, FIELDS, 1)
  if not rows then
    return nil, message
  end
  return rows[1] or false
end

-- The Tryton id of the party's category, as a text; nil for none; or nil, message.
local function category_of(self, party)
  local found
  for _, category in ipairs(party["categories."] or {}) do
    if category.parent == self.root and found then
      return nil, ("party %d has more than one category below category %d: leave it one"):format(party.id, self.root)
    elseif category.parent == self.root then
      found = ("%d"):format(category.id)
    end
  end
  return found
end

local function category(self, company)
  local party, message = read(self, company)
  if not party then
    return nil, message
  end
  return category_of(self, party)
end

-- Writes the party, if it is still as it was read: true; or nil, message, code.
local function write(self, party, to, from)
  local moved = { { "remove", { tonumber(from) } }, { "add", { tonumber(to) } } }
  local context = { _timestamp = { [("%s,%d"):format(MODEL, party.id)] = party._timestamp } }
  return self.client:call(("model.%s.write"):format(MODEL), { { party.id }, { categories = moved } },
    { context = context })
end

local function set_category(self, company, outcome)
  local to, from = outcome.external.to, outcome.external.from
  if not to then
    return nil, ("category %d has no `external`, by which Tryton knows it"):format(outcome.to), "refused"
  end
  local message, code
  for _ = 1, TRIES do
    local party, why = read(self, company)
    if party == nil then
      return nil, why
    end
    local now, problem = nil, nil
    if party then
      now, problem = category_of(self, party)
    end
    if problem then
      return nil, problem
    elseif now ~= from then
      return nil, "conflict"
    end
    local ok
    ok, message, code = write(self, party, to, from)
    if code ~= "conflict" then -- a conflict: somebody has saved the party, its category perhaps, perhaps its name
      return ok and true or nil, message, code
    end
  end
  return nil, message
end

---@class leadcat.tryton.HostOptions
---@field client leadcat.tryton.Client
---@field root integer the party category that has those of leadcat's config below it, whose ids the config has as `external`

--- A host for `leadcat.open`.
---@param options leadcat.tryton.HostOptions
---@return leadcat.Host
return function(options)
  local self = { client = options.client, root = options.root }
  return {
    category = function(company) return category(self, company) end,
    set_category = function(company, _, _, outcome) return set_category(self, company, outcome) end,
    company_name = function(company)
      local party = read(self, company)
      return party and party.rec_name or nil
    end,
  }
end
