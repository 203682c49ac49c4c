-- Makes lua/leadcat/web/schemas.json of the annotations: what HTTP's JSON looks like, as JSON Schema, for
-- `leadcat.http.openapi`. With --write it writes that file (`make schemas`). A spec says when it is outdated.

local annotations = require "support.annotations"

local schemas = { FILE = "lua/leadcat/web/schemas.json" }

-- The classes that requests and answers have; those that they name come along.
local ROOTS = {
  "Event", "Outcome", "Confirmation", "View", "Entry", "Config", "Answer", "UndoWhat", "Undone", "ForgetWhat",
  "Forgotten", "Moved", "Explanation", "Why", "Change", "Field", "Trigger", "Problem", "HistoryQuery",
  "ConfirmationsQuery", "ChangesOptions", "Health", "HealthOptions", "ShadowQuery", "ShadowReport", "HeldQuery",
  "HeldEntry", "Released", "Draft", "DraftView", "SuggestOptions", "Suggestions", "WhyOptions",
}

local NAMES = {
  string = { type = "string" }, integer = { type = "integer" }, number = { type = "number" },
  boolean = { type = "boolean" }, ["true"] = { const = true }, ["false"] = { const = false },
  table = { type = "object" }, any = {},
}

-- Types ----------------------------------------------------------------------------------------------------------------

local to_schema

local function object_of(fields, found, wanted)
  local object = { type = "object", properties = {} }
  for _, field in ipairs(fields) do
    if field.name then
      object.properties[field.name] = to_schema(field.type, found, wanted)
      if not field.optional then
        object.required = object.required or {}
        table.insert(object.required, field.name)
      end
    else
      object.additionalProperties = to_schema(field.type, found, wanted)
    end
  end
  return object
end

-- A choice of texts is an enum; whatever may be nil is left out where it is.
local function choice_of(nodes, found, wanted)
  local all, texts = {}, {}
  for _, node in ipairs(nodes) do
    if node.kind == "literal" then
      texts[#texts + 1] = node.value
    elseif not (node.kind == "name" and node.name == "nil") then
      all[#all + 1] = to_schema(node, found, wanted)
    end
  end
  if texts[1] then
    table.insert(all, 1, { type = "string", enum = texts })
  end
  return all[2] and { anyOf = all } or all[1]
end

local TYPES = {}

function TYPES.name(node, found, wanted)
  local name = node.name
  if NAMES[name] then
    return NAMES[name]
  elseif found.aliases[name] then
    return to_schema(found.aliases[name][1].node, found, wanted)
  end
  wanted[#wanted + 1] = name
  return { ["$ref"] = "#/components/schemas/" .. name:gsub("^leadcat%.", "") }
end

function TYPES.literal(node)
  return { const = node.value }
end

function TYPES.list(node, found, wanted)
  return { type = "array", items = to_schema(node.of, found, wanted) }
end

function TYPES.union(node, found, wanted)
  return choice_of(node.of, found, wanted)
end

function TYPES.table(node, found, wanted)
  return object_of(node.fields, found, wanted)
end

function TYPES.generic(node, found, wanted)
  return { type = "object", additionalProperties = to_schema(node.arguments[2], found, wanted) }
end

function to_schema(node, found, wanted)
  local of = TYPES[node.kind] or error("no JSON is a " .. node.kind)
  return of(node, found, wanted)
end

local function copy(schema)
  local made = {}
  for name, value in pairs(schema) do
    made[name] = value
  end
  return made
end

local function schema_of(name, found, wanted)
  local class = found.classes[name][1]
  local object = { type = "object", properties = {}, description = class.text ~= "" and class.text or nil }
  for field, item in pairs(annotations.fields(found, name)) do
    local schema = copy(to_schema(item.node, found, wanted))
    schema.description = item.text ~= "" and item.text or nil
    object.properties[field] = schema
    if not item.optional then
      object.required = object.required or {}
      table.insert(object.required, field)
    end
  end
  table.sort(object.required or {})
  return object
end

--- All schemas, by their names.
function schemas.all()
  local found, wanted, all = annotations.all(), {}, {}
  for _, name in ipairs(ROOTS) do
    wanted[#wanted + 1] = "leadcat." .. name
  end
  while wanted[1] do
    local name = table.remove(wanted)
    local short = name:gsub("^leadcat%.", "")
    all[short] = all[short] or schema_of(name, found, wanted)
  end
  return all
end

-- JSON with sorted keys, a line for each property, so that changes can be read ----------------------------------------

local function quoted(text)
  return '"' .. text:gsub('["\\]', "\\%0"):gsub("%c", function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function write(value, indent)
  if type(value) == "string" then
    return quoted(value)
  elseif type(value) ~= "table" then
    return tostring(value)
  elseif value[1] ~= nil then
    local items = {}
    for place, item in ipairs(value) do
      items[place] = write(item)
    end
    return "[" .. table.concat(items, ", ") .. "]"
  end
  local keys, parts = {}, {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for place, key in ipairs(keys) do
    local deeper = indent and #indent < 6 and indent .. "  " or nil
    parts[place] = (indent or "") .. quoted(key) .. ": " .. write(value[key], deeper)
  end
  if not indent or #keys == 0 then
    return "{" .. table.concat(parts, ", ") .. "}"
  end
  return "{\n" .. table.concat(parts, ",\n") .. "\n" .. indent:sub(3) .. "}"
end

--- The file's content, as it should be.
function schemas.text()
  return write(schemas.all(), "  ") .. "\n"
end

if arg and arg[1] == "--write" then
  local file = assert(io.open(schemas.FILE, "w"))
  file:write(schemas.text())
  file:close()
end

return schemas
