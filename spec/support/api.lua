-- leadcat's public functions, as they are there at run time: for the specs of annotations and of the manual.

local api = {}

local Engine = require "leadcat.engine"

local HOST = { "create", "create_many", "get", "companies" } -- of the embedded host, for integrators

-- Modules that integrators require, in the order of the manual. Those that are called have the name of what they make.
local MODULES = {
  "leadcat", "leadcat.hooks", "leadcat.resty", "leadcat.http", "leadcat.host.sql", "leadcat.host.sql.dbi",
  "leadcat.host.sql.pg", "leadcat.host.http", "leadcat.source.outbox", "leadcat.source.poll", "leadcat.source.webhook",
  "leadcat.notify.webhook", "leadcat.notify.command", "leadcat.render.confirmation", "leadcat.render.html",
  "leadcat.render.text",
}

-- The constructors of elements, which are made when they are used first, all come from one place.
local ELEMENT = debug.getinfo(require("leadcat.render.html").p, "S")

local function is_element(fn)
  local info = debug.getinfo(fn, "S")
  return info.source == ELEMENT.source and info.linedefined == ELEMENT.linedefined
end

local function names_of(value)
  local names = {}
  for name, fn in pairs(value) do
    if type(fn) == "function" and type(name) == "string" and not name:find "^_" and not is_element(fn) then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local function add(list, module, name, fn)
  list[#list + 1] = { module = module, name = name, fn = fn }
end

-- `resty` is loaded with something that stands for nginx, and forgotten again.
local function load(module)
  if module ~= "leadcat.resty" or ngx then -- luacheck: ignore ngx
    return require(module)
  end
  local loaded = package.loaded[module]
  package.loaded[module] = nil
  local resty = require(module)
  package.loaded[module] = loaded
  return resty
end

local function add_module(list, module)
  local value = load(module)
  if type(value) == "function" then
    return add(list, module, module, value)
  end
  local called = (getmetatable(value) or {}).__call
  if called then
    add(list, module, module, called)
  end
  for _, name in ipairs(names_of(value)) do
    add(list, module, module .. "." .. name, value[name])
  end
end

--- All of them: {module, name, fn}, by module and name. A method's name is as a manual has it: `engine:handle`.
function api.functions()
  local list = {}
  for place, module in ipairs(MODULES) do
    add_module(list, module)
    if place == 1 then
      for _, name in ipairs(names_of(Engine)) do
        if name ~= "new" then
          add(list, "engine", "engine:" .. name, Engine[name])
        end
      end
      local host = require("leadcat.host.lmdb").new().bind {}("")
      for _, name in ipairs(HOST) do
        add(list, "engine.host", "engine.host:" .. name, host[name])
      end
    end
  end
  local app = require("leadcat.http").new { engine = {}, authenticate = print }
  add(list, "leadcat.http", "app:respond", app.respond)
  return list
end

return api
