--- HTML as Lua values: `h.p { class = "note", "Hello ", h.b { name } }`. Text is escaped unless `h.raw` says otherwise,
-- so text cannot become code.
--
-- A field of the module is a constructor of elements. It takes one table: strings and numbers, elements and lists of
-- them are children (nil and false are skipped), named fields are attributes, with `_` for `-`. Markup is made at once
-- and is the same for the same input. What a Content-Security-Policy without inline code would block is refused.

---@class leadcat.html.Node
---@field markup string
---@field raw? boolean made by `h.raw`

---@alias leadcat.html.Child string|number|false|leadcat.html.Node|leadcat.html.Child[]

---@alias leadcat.html.Constructor fun(content: table): leadcat.html.Node

local Node = {}
Node.__index = Node
Node.__tostring = function(node)
  return node.markup
end

local h = {}

local function set(names)
  local members = {}
  for name in names:gmatch "%S+" do
    members[name] = true
  end
  return members
end

local VOID = set "area base br col embed hr img input link meta param source track wbr"
local CODE = set "script style" -- browsers do not unescape their text, so escaping does not help
local INLINE = set "style srcdoc" -- attributes that are code or markup
local URL = set "action formaction href src"
local SVG = set "patternUnits" -- names with capitals
local SCHEME = set "http https mailto"

-- Text ---------------------------------------------------------------------------------------------------------------

local REPLACEMENT = "\239\191\189" -- U+FFFD

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }
for byte = 0, 127 do
  local control = string.char(byte):match "%c"
  if control and not control:find "[\t\n\r]" then
    ESCAPES[control] = REPLACEMENT
  end
end

-- For text and for attributes in quotes. C1 controls are two bytes of UTF-8.
local function escape(text)
  return (text:gsub("[%c&<>\"']", ESCAPES):gsub("\194[\128-\159]", REPLACEMENT))
end

-- Numbers as people write them: 42 for an integer and for a float.
local function words(value)
  if type(value) ~= "number" then
    return value
  end
  local whole = value % 1 == 0 and value > -2 ^ 63 and value < 2 ^ 63
  return (whole and "%d" or "%.14g"):format(value)
end

-- Attributes and children; these return what is wrong, if anything ---------------------------------------------------

-- Browsers skip blanks and controls in a scheme.
local function is_safe_url(url)
  local scheme = url:gsub("[%c ]", ""):match "^([^/?#:]*):"
  return not scheme or SCHEME[scheme:lower()] ~= nil
end

local function refused(name, value)
  if not name:find "^[a-z][a-z0-9-]*$" and not SVG[name] then
    return ("%q is not the name of an attribute"):format(name)
  elseif name:find "^on" or INLINE[name] then
    return ("the attribute %s is code: put it into a file of its own"):format(name)
  elseif type(value) ~= "string" and type(value) ~= "number" and type(value) ~= "boolean" then
    return ("the attribute %s must be a string, a number or a boolean, not a %s"):format(name, type(value))
  elseif URL[name] and value and not is_safe_url(tostring(value)) then
    return ("the attribute %s must be a relative, http, https or mailto URL"):format(name)
  end
end

local function add_attribute(out, name, value)
  local wrong = refused(name, value)
  if wrong or not value then
    return wrong
  end
  out[#out + 1] = value == true and " " .. name or (' %s="%s"'):format(name, escape(words(value)))
end

-- The attributes by their names in HTML.
local function add_attributes(out, content, keys)
  local values, names = {}, {}
  for _, key in ipairs(keys) do
    local name = key:gsub("_", "-")
    if values[name] ~= nil then
      return ("the attribute %s is there twice"):format(name)
    end
    names[#names + 1], values[name] = name, content[key]
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local wrong = add_attribute(out, name, values[name])
    if wrong then
      return wrong
    end
  end
end

-- A table's positions in order, also past holes, and its string keys; or nil and what is wrong.
local function keys_of(content)
  local positions, names = {}, {}
  for key in pairs(content) do
    if type(key) == "string" then
      names[#names + 1] = key
    elseif type(key) == "number" and key >= 1 and key % 1 == 0 then
      positions[#positions + 1] = key
    else
      return nil, ("%s is neither a position nor the name of an attribute"):format(tostring(key))
    end
  end
  table.sort(positions)
  return positions, names
end

local add_child

-- `code`: the parent is a script or a style.
local function add_positions(out, list, positions, code)
  for _, position in ipairs(positions) do
    local wrong = add_child(out, list[position], code)
    if wrong then
      return wrong
    end
  end
end

local function add_list(out, list, code)
  local positions, names = keys_of(list)
  if not positions then
    return names
  elseif names[1] then
    return ("a list of children has no attributes, but this one has %s"):format(names[1])
  end
  return add_positions(out, list, positions, code)
end

function add_child(out, child, code)
  local kind, is_node = type(child), getmetatable(child) == Node
  if kind == "table" and not is_node then
    return add_list(out, child, code)
  elseif code and child and not (is_node and child.raw) then
    return "the content of a script or a style cannot be escaped: give it with raw"
  elseif is_node then
    out[#out + 1] = child.markup
  elseif kind == "string" or kind == "number" then
    out[#out + 1] = escape(words(child))
  elseif child then
    return ("a child must be a string, a number, an element or a list, not a %s"):format(kind)
  end
end

-- Elements -----------------------------------------------------------------------------------------------------------

local function node(markup, raw)
  return setmetatable({ markup = markup, raw = raw }, Node)
end

local function build(name, content)
  if type(content) ~= "table" or getmetatable(content) == Node then
    return nil, "put its content into a table"
  end
  local positions, names = keys_of(content)
  if not positions then
    return nil, names
  end
  local out = { "<" .. name }
  local wrong = add_attributes(out, content, names)
  out[#out + 1] = ">"
  local empty = #out
  wrong = wrong or add_positions(out, content, positions, CODE[name])
  if not VOID[name] then
    out[#out + 1] = "</" .. name .. ">"
  elseif #out > empty then
    wrong = wrong or "it has no content"
  end
  return not wrong and node(table.concat(out)) or nil, wrong
end

--- Markup that is not escaped: the caller must know that it is safe.
---@param markup string HTML, which is not escaped
---@return leadcat.html.Node
function h.raw(markup)
  if type(markup) ~= "string" then
    error("raw: expected a string, got a " .. type(markup), 2)
  end
  return node(markup, true)
end

--- The markup of an element, of text, or of a list of both.
---@param child? leadcat.html.Child
---@return string
function h.render(child)
  local out = {}
  local wrong = add_child(out, child)
  if wrong then
    error("render: " .. wrong, 2)
  end
  return table.concat(out)
end

--- A whole page.
---@param content table as for `h.html`
---@return string
function h.document(content)
  local page, wrong = build("html", content)
  if not page then
    error("html: " .. wrong, 2)
  end
  return "<!DOCTYPE html>\n" .. page.markup .. "\n"
end

return setmetatable(h, {
  ---@return leadcat.html.Constructor
  __index = function(_, name)
    if type(name) ~= "string" or not name:find "^[a-z][a-z0-9-]*$" then
      error(("%s is not the name of an element"):format(tostring(name)), 2)
    end
    local function element(content)
      local made, wrong = build(name, content)
      return made or error(name .. ": " .. wrong, 2)
    end
    rawset(h, name, element)
    return element
  end,
})
