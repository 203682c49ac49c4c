--- Where Tryton and leadcat's store are, from the environment: `prepare.lua` and `worker.lua` are run with the same.

local client = require "leadcat.demo.tryton.client"

local settings = {}

--- The root of the party categories that leadcat keeps.
settings.ROOT = "Company category"

local DEFAULTS = { TRYTON_URL = "http://127.0.0.1:8000", TRYTON_DATABASE = "tryton", TRYTON_USER = "admin" }

local function variable(name)
  return os.getenv(name) or DEFAULTS[name] or error("the environment lacks " .. name, 0)
end

local function password()
  local file, message = io.open(variable "TRYTONPASSFILE")
  if not file then
    error(message, 0)
  end
  local line = file:read "*l"
  file:close()
  return line or ""
end

--- The path of leadcat's store. Raises when the environment does not say.
---@return string
function settings.store()
  return variable "LEADCAT_STORE"
end

--- A client of the Tryton that the environment names. Raises when it does not.
---@return leadcat.tryton.Client
function settings.client()
  return client.new {
    url = variable "TRYTON_URL", database = variable "TRYTON_DATABASE", user = variable "TRYTON_USER",
    password = password(),
  }
end

--- The party categories: a function that finds the id of one by its name and its parent's id; nil when there is none.
-- Raises when Tryton does not answer.
---@param own leadcat.tryton.Client
---@return fun(name: string, parent?: integer): integer?
function settings.categories(own)
  local found, message = own:find("party.category", {}, { "name", "parent" }, 10000)
  if not found then
    error(message, 0)
  end
  return function(name, parent)
    for _, category in ipairs(found) do
      if category.name == name and category.parent == parent then
        return category.id
      end
    end
  end
end

return settings
