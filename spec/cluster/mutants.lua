--- What the checker has to notice: a change of a module's text, or none, that is made as the module is loaded.

local mutants = {}

---@class cluster.Mutant
---@field module? string
---@field from? string
---@field to? string
---@field asynchronous? boolean commits wait for no standby

---@type table<string, cluster.Mutant>
local MUTANTS = {
  none = {},
  asynchronous = { asynchronous = true },
  ["no compare"] = {
    module = "leadcat.store.sql.statements",
    from = "WHERE k.version = excluded.version - 1 RETURNING company", to = "RETURNING company",
  },
  ["no barrier"] = { module = "leadcat.store.sql", from = "if not self.is_replicated then", to = "if true then" },
}

---@param name string
---@return cluster.Mutant
function mutants.get(name)
  return assert(MUTANTS[name], name)
end

local function text_of(module)
  for _, form in ipairs { "lua/%s.lua", "lua/%s/init.lua" } do
    local file = io.open(form:format((module:gsub("%.", "/"))))
    local text = file and file:read "*a"
    if file then
      file:close()
      return text
    end
  end
end

local compile = rawget(_G, "loadstring") or load

--- Has this process load the mutant. Raises where the text to be changed is not there once.
---@param name string
function mutants.use(name)
  local mutant = mutants.get(name)
  if mutant.module then
    local text = assert(text_of(mutant.module))
    local at, to = text:find(mutant.from, 1, true)
    assert(at and not text:find(mutant.from, to, true), mutant.module .. " has not once: " .. mutant.from)
    local changed = text:sub(1, at - 1) .. mutant.to .. text:sub(to + 1)
    package.preload[mutant.module] = assert(compile(changed, "=" .. mutant.module))
  end
end

return mutants
