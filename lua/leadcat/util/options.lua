--- Checks the options of public functions. An unknown option, or one of a wrong type, is a mistake in the program and
-- raises.

local unicode = require "leadcat.util.unicode"

local options = {}

---@class leadcat.Option
---@field what string completes the sentence "... expected"
---@field fits fun(value: any): boolean

---@return leadcat.Option
function options.kind(what, fits)
  return { what = what, fits = fits }
end

---@param name string of a Lua type
---@param what? string
---@return leadcat.Option
function options.of_type(name, what)
  return options.kind(what or "a " .. name, function(value) return type(value) == name end)
end

---@param least integer
---@param most integer
---@return leadcat.Option
function options.whole(least, most)
  return options.kind(("an integer from %d to %.0f"):format(least, most), function(value)
    return type(value) == "number" and value % 1 == 0 and value >= least and value <= most
  end)
end

---@param names string[]
---@return leadcat.Option
function options.one_of(names)
  local known = {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  return options.kind("one of " .. table.concat(names, ", "), function(value) return known[value] == true end)
end

options.actor = options.of_type("table", "a table {id, name}")
options.limit = options.kind("an integer", function(value) return type(value) == "number" and value % 1 == 0 end)
options.id = options.kind("a string or an integer", function(value)
  return type(value) == "string" or type(value) == "number"
end)
options.run = options.kind("a run's id (1 to 60 letters, digits, and . _ : -)", function(value)
  return type(value) == "string" and #value <= 60 and value:find "^[%w._:-]+$" ~= nil
end)

local RIGHTS = { [0] = true, [4] = true, [6] = true } -- of a group and of others: none, to read, to read and write

--- The mode of a store's files: the owner may read and write.
options.file_mode = options.kind('a mode of files such as tonumber("660", 8)', function(value)
  return type(value) == "number" and math.floor(value / 64) == 6 and RIGHTS[math.floor(value / 8) % 8] == true
    and RIGHTS[value % 8] == true
end)

local PAGE, LONGEST_PAGE = 100, 1000

--- How many items a list may have: by default 100, at least 1, at most 1,000.
---@param limit? integer
---@return integer
function options.page(limit)
  return math.max(1, math.min(limit or PAGE, LONGEST_PAGE))
end

local function names_of(known)
  local names = {}
  for name in pairs(known) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ", ")
end

local function shown(value)
  return (type(value) == "string" and "'%s'" or "%s"):format(unicode.visible(tostring(value):sub(1, 60)))
end

--- What is wrong with the given options, in one sentence; nil when each is known and fits.
---@param given table
---@param known table<string, leadcat.Option>
---@return string? problem
function options.problem(given, known)
  for name, value in pairs(given) do
    local option = known[name]
    if not option then
      return ("unknown option '%s' (there are %s)"):format(unicode.visible(tostring(name):sub(1, 60)), names_of(known))
    elseif not option.fits(value) then
      return ("option '%s': %s expected, got %s"):format(name, option.what, shown(value))
    end
  end
end

--- Raises at the caller's caller unless each of the given options is known and fits.
---@param given? table
---@param known table<string, leadcat.Option>
---@param prefix? string of the message
---@return table options those given, or an empty table
function options.check(given, known, prefix)
  prefix = prefix or ""
  if given == nil then
    return {}
  elseif type(given) ~= "table" then
    error(("%sa table of options expected, got %s"):format(prefix, type(given)), 3)
  end
  local problem = options.problem(given, known)
  if problem then
    error(prefix .. problem, 3)
  end
  return given
end

return options
