--- What a host says of the fields that conditions may compare (`host.fields`): their types, names and options, by which
-- the settings tab shows what fits. Checked when a store is opened.

local conditions = require "leadcat.rules.conditions"
local schema = require "leadcat.rules.schema"

local fields = {}

---@class leadcat.Field
---@field field string as conditions name it: `sale.amount`, `company.country`
---@field type "number"|"text"|"boolean"|"date"|"list" a date is a text such as 2026-11-30
---@field name? leadcat.Text what people call it; default the field
---@field options? leadcat.FieldOption[] the values that it can have; of a list, its elements

---@class leadcat.FieldOption
---@field value number|string
---@field name? leadcat.Text default the value

fields.TYPES = { "number", "text", "boolean", "date", "list" }

local MOST, MOST_OPTIONS = 1000, 1000
local VALUES = { -- of options, by the field's type
  number = schema.set { "number" }, text = schema.set { "string" }, date = schema.set { "string" },
  list = schema.set { "number", "string" },
}

local add, shown = schema.add, schema.shown
local function later() end

local OPTION = schema.kind("an option", { { "value", later }, { "name", schema.text(false) } })
local FIELD = schema.kind("a field", {
  { "field", conditions.check_field }, { "type", schema.one_of(fields.TYPES, "unknown_type") },
  { "name", schema.text(false) }, { "options", later },
})

-- Checks a list of objects; each problem ends it.
local function each(found, path, list, most, check)
  list = schema.check_sequence(found, path, list)
  if #list > most then
    add(found, path, "too_many", "has %d entries: at most %d can be given", #list, most)
  end
  for i, item in ipairs(#found == 0 and list or {}) do
    if #found == 0 then
      check(("%s[%d]"):format(path, i), item)
    end
  end
end

local function check_value(found, path, option, field, seen)
  local value = option.value
  if not VALUES[field.type][type(value)] then
    add(found, path, "wrong_type", "is %s, but the field's type is %s", shown(value), field.type)
  elseif type(value) ~= type(field.options[1].value) then
    add(found, path, "wrong_type", "is %s: the options of a field are all numbers, or all texts", shown(value))
  elseif seen[value] then
    add(found, path, "duplicate_value", "is %s, which is the value of another option", shown(value))
  end
  seen[value] = true
end

local function check_options(found, path, field)
  if field.options == nil then
    return
  elseif not VALUES[field.type] then
    add(found, path, "wrong_type", "must be left out: a %s has none", field.type)
    return
  end
  local seen = {}
  each(found, path, field.options, MOST_OPTIONS, function(at, option)
    if schema.check_object(found, at, option, OPTION) and #found == 0 then
      check_value(found, at .. ".value", option, field, seen)
    end
  end)
end

--- The first thing that is wrong with a host's list of fields, with its path; nil when nothing is.
---@param list any
---@return string? problem
function fields.problem(list)
  local found, seen = {}, {}
  each(found, "host.fields", list, MOST, function(at, field)
    if not schema.check_object(found, at, field, FIELD) or #found > 0 then
      return
    elseif conditions.is_own(field.field) then
      add(found, at .. ".field", "field_invalid", "is %s, which every company has: leave it out", shown(field.field))
    elseif seen[field.field] then
      add(found, at .. ".field", "duplicate_field", "is %s, which is there already", shown(field.field))
    end
    seen[field.field] = true
    check_options(found, at .. ".options", field)
  end)
  local message = found[1] and found[1].message:gsub("is kept, but is not", "is not")
  return message
end

return fields
