--- The fields that conditions name, as columns of a file or as words of a command: `sale.amount=Amount`. Whether a cell is
-- a number, a text, or true or false is never guessed: the rules say what they compare it with, or the user does.

local common = require "leadcat.cli.common"
local conditions = require "leadcat.rules.conditions"
local json = require "leadcat.util.json"
local unicode = require "leadcat.util.unicode"

local fields = {}

---@class leadcat.cli.Field
---@field name string as conditions name it
---@field place "sale"|"contact"|"actor"|"facts" of the event
---@field key string its name there
---@field type? "number"|"text"|"boolean"
---@field given string the column, or the value

local NUMBER = "^[+-]?%d+%.?%d*[eE]?[+-]?%d*$"
local BOOLEAN = { ["true"] = true, yes = true, ["1"] = true, ["false"] = false, no = false, ["0"] = false }

local READ = {
  number = function(cell) return cell:find(NUMBER) and json.integer(tonumber(cell)) or nil end,
  boolean = function(cell) return BOOLEAN[cell:lower()] end,
  text = tostring,
}
local EXPECTED = { number = "a number such as 1200.50", boolean = "true or false" }

--- A reader of `FIELD=…` or `FIELD:TYPE=…`, for argparse.
---@param option string for messages
---@return fun(word: string): leadcat.cli.Field?, string?
function fields.reader(option)
  return function(word)
    local name, given = word:match "^([^=]+)=(.+)$"
    local typed, kind = (name or ""):match "^(.+):(%l+)$"
    if READ[kind] then
      name = typed
    end
    local place, key = conditions.place_of(name or "category")
    if not place then
      return nil, ("%s: a field of the rules and %s expected, such as sale.amount=%s, not '%s'"):format(option,
        option == "--field" and "its column" or "its value", option == "--field" and "Amount" or "1000", word)
    elseif place ~= "facts" and key == "id" then
      return nil, ("%s: %s is no field of its own: events have it anyway"):format(option, name)
    end
    return { name = name, place = place, key = key, type = READ[kind] and kind or nil, given = given }
  end
end

-- The types of what the conditions of all rules compare with each field: {[name] = {[type] = true}}.
local function types_in(configs)
  local types = {}
  for _, cfg in ipairs(configs) do
    for _, rule in ipairs(cfg.rules or {}) do
      for _, group in ipairs(rule.when or {}) do
        for _, condition in ipairs(group) do
          local own, value = types[condition.field] or {}, condition.value
          types[condition.field] = own
          for _, one in ipairs(type(value) == "table" and value or { value }) do
            own[type(one) == "string" and "text" or type(one)] = true
          end
        end
      end
    end
  end
  return types
end

--- Gives each field its type, by what the rules compare it with. Ends the run where these differ.
---@param list leadcat.cli.Field[]
---@param configs leadcat.Config[] whose rules decide
---@param option string for messages
---@return leadcat.cli.Field[] list
function fields.with_types(list, configs, option)
  local types = types_in(configs)
  for _, field in ipairs(list) do
    local own = types[field.name]
    if not own then
      common.warn("%s %s: no rule has a condition on it", option, field.name)
    end
    local kind = field.type or next(own or {}) or "text"
    if not field.type and next(own or {}, next(own or {})) then
      common.fail("%s %s: the rules compare it with values of several types; say which one it has, as in %s:number=%s",
        option, unicode.visible(field.name), unicode.visible(field.name), unicode.visible(field.given))
    end
    field.type = kind
  end
  return list
end

--- The value of a text.
---@param field leadcat.cli.Field with its type
---@param text string not empty
---@return any value, string? expected value: nil when the text has another type
function fields.value(field, text)
  local value = READ[field.type](text)
  return value, value == nil and EXPECTED[field.type] or nil
end

--- Sets the field of an event.
---@param event leadcat.Event
---@param field leadcat.cli.Field
---@param value any nil: unknown
function fields.put(event, field, value)
  if value ~= nil then
    event[field.place] = event[field.place] or {}
    event[field.place][field.key] = value
  end
end

return fields
