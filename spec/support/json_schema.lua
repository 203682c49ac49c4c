-- Says how a JSON value differs from its schema: the part of JSON Schema (2020-12) that leadcat's own schemas use. It is
-- stricter in one thing: an object of a schema with properties has no others.

local json_schema = {}

local function is_list(value)
  return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

-- An empty table may be either.
local TYPES = {
  string = function(value) return type(value) == "string" end,
  boolean = function(value) return type(value) == "boolean" end,
  number = function(value) return type(value) == "number" end,
  integer = function(value) return type(value) == "number" and value % 1 == 0 end,
  array = is_list,
  object = function(value) return type(value) == "table" and (not is_list(value) or next(value) == nil) end,
}

local function is_in(list, value)
  for _, item in ipairs(list) do
    if item == value then
      return true
    end
  end
  return false
end

local check

local function check_object(schemas, schema, value, path)
  for _, name in ipairs(schema.required or {}) do
    if value[name] == nil then
      return ("%s: %s is missing"):format(path, name)
    end
  end
  for name, item in pairs(value) do
    local of = schema.properties and schema.properties[name] or schema.additionalProperties
    if not of and schema.properties then
      return ("%s: nothing says that there is %s"):format(path, tostring(name))
    end
    local problem = of and check(schemas, of, item, path .. "." .. tostring(name))
    if problem then
      return problem
    end
  end
end

local function check_any(schemas, choices, value, path)
  local problems = {}
  for place, choice in ipairs(choices) do
    problems[place] = check(schemas, choice, value, path)
    if not problems[place] then
      return nil
    end
  end
  return table.concat(problems, "; or ")
end

function check(schemas, schema, value, path)
  if schema["$ref"] then
    local name = schema["$ref"]:match "^#/components/schemas/(.+)$"
    return check(schemas, schemas[name] or error("there is no schema " .. name), value, path)
  elseif schema.anyOf then
    return check_any(schemas, schema.anyOf, value, path)
  elseif schema.const ~= nil and schema.const ~= value then
    return ("%s: %s is not %s"):format(path, tostring(value), tostring(schema.const))
  elseif schema.enum and not is_in(schema.enum, value) then
    return ("%s: %s is none of %s"):format(path, tostring(value), table.concat(schema.enum, ", "))
  elseif schema.type and not TYPES[schema.type](value) then
    return ("%s: %s is no %s"):format(path, tostring(value), schema.type)
  elseif schema.type == "array" then
    for place, item in ipairs(value) do
      local problem = schema.items and check(schemas, schema.items, item, ("%s[%d]"):format(path, place))
      if problem then
        return problem
      end
    end
  elseif schema.type == "object" then
    return check_object(schemas, schema, value, path)
  end
end

--- How the value differs from the schema, and where; nil when it does not.
function json_schema.problem(document, schema, value)
  return check(document.components.schemas, schema, value, "")
end

return json_schema
