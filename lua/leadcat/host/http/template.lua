--- Texts and JSON with places to fill in: `{company}`, `{to}`. A text that is only a place becomes the value, with its type.

local json = require "leadcat.util.json"

local template = {}

local NAMES = { "changes", "companies", "company", "etag", "from", "key", "tenant", "to", "version" }
local KNOWN = {}
for _, name in ipairs(NAMES) do
  KNOWN[name] = true
end

---@class leadcat.host.http.Template
---@field uses table<string, true> the names of its places
---@field fill fun(values: table): any every place must have a value

local function note(uses, name)
  if not KNOWN[name] then
    error(("leadcat.host.http: {%s} is unknown (there are {%s}); write { %s } where braces are meant"):format(name,
      table.concat(NAMES, "}, {"), name), 0)
  end
  uses[name] = true
end

local function as_text(value)
  return type(value) == "number" and value % 1 == 0 and ("%.0f"):format(value) or tostring(value)
end

-- A function that gives the text with its places filled in.
local function of_text(text, uses, escape)
  for name in text:gmatch "{(%l+)}" do
    note(uses, name)
  end
  return function(values)
    return (text:gsub("{(%l+)}", function(name)
      local value = values[name]
      if type(value) ~= "table" then
        return escape(as_text(value))
      end
      local list = {}
      for i, item in ipairs(value) do
        list[i] = escape(as_text(item))
      end
      return table.concat(list, ",")
    end))
  end
end

local function same(text)
  return text
end

local of_value

local function of_table(source, uses)
  local keys, items = {}, {}
  for key, item in pairs(source) do
    keys[#keys + 1] = type(key) == "string" and of_text(key, uses, same) or function() return key end
    items[#items + 1] = of_value(item, uses)
  end
  local is_list = json.is_array(source)
  return function(values)
    local filled = is_list and json.array {} or {}
    for i, key in ipairs(keys) do
      filled[key(values)] = items[i](values)
    end
    return filled
  end
end

function of_value(source, uses)
  local name = type(source) == "string" and source:match "^{(%l+)}$"
  if name then
    note(uses, name)
    return function(values) return values[name] end
  elseif type(source) == "string" then
    return of_text(source, uses, same)
  elseif type(source) == "table" then
    return of_table(source, uses)
  end
  return function() return source end
end

--- JSON with places. Raises for a place that is unknown.
---@param source any
---@return leadcat.host.http.Template
function template.value(source)
  local uses = {}
  return { fill = of_value(source, uses), uses = uses }
end

--- A text with places, whose values are escaped. Of a list, the items are joined by commas.
---@param source string
---@param escape? fun(text: string): string
---@return leadcat.host.http.Template
function template.text(source, escape)
  local uses = {}
  return { fill = of_text(source, uses, escape or same), uses = uses }
end

return template
