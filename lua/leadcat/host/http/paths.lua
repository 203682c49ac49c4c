--- Where something stands in JSON, and what an answer has to look like to mean something.

local json = require "leadcat.util.json"

local paths = {}

---@alias leadcat.host.http.Path string|(string|integer)[]|fun(value: any): any names and places, joined by dots: "data.0.category"; the first of a list is 0. A list of them where a name has a dot in it; or a function

local NO_PATH = "a path such as \"data.0.category\", a list of names, or a function"

--- Whether it is a path. For checks of options.
function paths.is_path(value)
  if type(value) == "table" then
    return #value > 0
  end
  return type(value) == "function" or type(value) == "string" and value ~= ""
end

paths.EXPECTED = NO_PATH

-- What stands under a name in an object, or at a place of a list.
local function step(value, name)
  if type(value) ~= "table" then
    return nil
  end
  local found = value[name]
  local place = found == nil and tonumber(name)
  if place and place % 1 == 0 then
    found = value[place + 1]
  end
  return found
end

--- A function that finds what the path says in a value; nil when it is not there.
---@param path leadcat.host.http.Path
---@return fun(value: any): any
function paths.reader(path)
  if type(path) == "function" then
    return path
  end
  local names = path
  if type(path) == "string" then
    names = {}
    for name in path:gmatch "[^.]+" do
      names[#names + 1] = name
    end
  end
  return function(value)
    for _, name in ipairs(names) do
      value = step(value, name)
    end
    return value
  end
end

-- Answers -------------------------------------------------------------------------------------------------------------

---@alias leadcat.host.http.Meaning (integer|table<string, any>)[] statuses, and tables of values by their paths in the answer (or lists of values), all of which hold: {409, {["error.code"] = 17}}

--- Whether it is a list of statuses and tables. For checks of options.
function paths.is_meaning(value)
  for _, item in ipairs(type(value) == "table" and value or { false }) do
    if type(item) ~= "number" and type(item) ~= "table" then
      return false
    end
  end
  return type(value) == "table"
end

local function is_one_of(value, wanted)
  for _, one in ipairs(type(wanted) == "table" and wanted or { wanted }) do
    if value == one then
      return true
    end
  end
  return false
end

local function holds(item, body)
  for path, wanted in pairs(item) do
    if not is_one_of(paths.reader(path)(body), wanted) then
      return false
    end
  end
  return true
end

--- Whether an answer has this meaning.
---@param meaning leadcat.host.http.Meaning
---@param status integer
---@param body any decoded JSON, or nil
---@return boolean
function paths.means(meaning, status, body)
  for _, item in ipairs(meaning) do
    if item == status or type(item) == "table" and type(body) == "table" and holds(item, body) then
      return true
    end
  end
  return false
end

--- A list that is written as `[]` even when it is empty.
paths.list = json.array

return paths
