-- Reads LuaCATS annotations (https://luals.github.io/wiki/annotations) from the sources in lua/: the classes and aliases
-- that they declare, and what stands above a function. For the spec of annotations, and for the manual.

local annotations = {}

-- Types ----------------------------------------------------------------------------------------------------------------

local BUILT_IN = {}
for name in ("file nil any boolean string number integer function table userdata self true false"):gmatch "%S+" do
  BUILT_IN[name] = true
end

local parse_type

local function blanks(text, at)
  return text:match("^%s*()", at)
end

-- The items of a list that ends with `close`; `parse_item` gives one and the place behind it, or nothing.
local function parse_list(text, at, close, parse_item)
  local items = {}
  at = blanks(text, at)
  while at and text:sub(at, at) ~= close do
    items[#items + 1], at = parse_item(text, at)
    at = at and (text:match("^%s*[,;]%s*()", at) or blanks(text, at))
    if at and at > #text then
      return nil
    end
  end
  return items, at and at + 1
end

-- A name and its type: of a parameter, or of a table's field; or a type alone.
local function parse_named(text, at, names)
  local name, optional, behind = text:match("^([%a_][%w_]*)(%??)%s*:()", at)
  if not name then
    name, behind = text:match("^(%.%.%.)%s*:()", at)
  end
  local key
  if not name and text:sub(at, at) == "[" then
    key, behind = parse_type(text, at + 1, names)
    behind = behind and text:match("^%s*%]%s*:()", behind)
    if not behind then
      return nil
    end
  elseif not name then
    name, behind = text:match("^([%a_][%w_]*)%??%s*()%f[,)]", at)
    if name then -- of a function: a parameter without a type
      return { name = name, type = { kind = "name", name = "any" } }, behind
    end
    behind = at
  end
  local of
  of, behind = parse_type(text, behind, names)
  return of and { name = name, key = key, optional = optional == "?", type = of }, behind
end

local function parse_function(text, at, names)
  local parameters
  parameters, at = parse_list(text, at, ")", function(_, place) return parse_named(text, place, names) end)
  local colon = at and text:match("^%s*:()", at)
  while colon do
    local _
    _, at = parse_type(text, colon, names)
    colon = at and text:match("^%s*,()", at)
  end
  return { kind = "function", parameters = parameters }, at
end

local function parse_name(text, at, names)
  local name, behind = text:match("^([%a_][%w_.]*)()", at)
  if not name then
    return nil
  end
  names[#names + 1] = name
  if text:sub(behind, behind) == "*" then -- file*
    return { kind = "name", name = name .. "*" }, behind + 1
  elseif text:sub(behind, behind) == "<" then
    local arguments
    arguments, behind = parse_list(text, behind + 1, ">", function(_, place) return parse_type(text, place, names) end)
    return { kind = "generic", name = name, arguments = arguments }, behind
  end
  return { kind = "name", name = name }, behind
end

local function parse_atom(text, at, names)
  at = blanks(text, at)
  local behind = text:match("^fun%s*%(()", at)
  if behind then
    return parse_function(text, behind, names)
  elseif text:find("^fun%f[^%w_.]", at) then
    return { kind = "function" }, at + 3
  end
  local literal
  literal, behind = text:match('^"([^"]*)"()', at)
  if not literal then
    literal, behind = text:match("^(%-?%d+)()", at)
    literal = tonumber(literal)
  end
  if literal then
    return { kind = "literal", value = literal }, behind
  elseif text:find("^%.%.%.", at) then
    return { kind = "name", name = "..." }, at + 3
  elseif text:sub(at, at) == "(" then
    local within
    within, behind = parse_type(text, at + 1, names)
    behind = behind and text:match("^%s*%)()", behind)
    return behind and within, behind
  elseif text:sub(at, at) == "{" then
    local fields
    fields, behind = parse_list(text, at + 1, "}", function(_, place) return parse_named(text, place, names) end)
    return fields and { kind = "table", fields = fields }, behind
  end
  return parse_name(text, at, names)
end

-- What stands behind an atom: lists of it, and whether it may be nil.
local function parse_endings(text, at, node)
  local behind = at
  while behind do
    at = behind
    behind = text:match("^%[%]()", at)
    if behind then
      node = { kind = "list", of = node }
    else
      behind = text:match("^%?()", at)
      node = behind and { kind = "union", of = { node, { kind = "name", name = "nil" } } } or node
    end
  end
  return node, at
end

-- The type that begins there and the place behind it; the names in it are added to `names`. Nil for what is no type.
function parse_type(text, at, names)
  local choices = {}
  repeat
    local node
    node, at = parse_atom(text, at, names)
    if not at then
      return nil
    end
    choices[#choices + 1], at = parse_endings(text, at, node)
    local bar = text:match("^%s*|()", at)
    at = bar or at
  until not bar
  return choices[2] and { kind = "union", of = choices } or choices[1], at
end

-- The type that a line begins with, as text, the rest of the line, the names in it, and its tree; nil for what is no type.
local function take_type(text)
  local names = {}
  local node, behind = parse_type(text, 1, names)
  if not behind then
    return nil
  end
  return text:sub(1, behind - 1):match "^%s*(.*)$", text:sub(behind), names, node
end

-- Blocks of comments --------------------------------------------------------------------------------------------------

local function words(text)
  return text and text:match "^%s*(.-)%s*$" or ""
end

local TAGS = {}

-- {name, optional, type, names, text}
local function named(rest)
  local name, optional, type_text = rest:match "^(%.?%.?%.?[%w_]*)(%??)%s+(.*)$"
  local key = rest:match "^%b[]"
  if key then
    name, optional, type_text = key, "", rest:sub(#key + 1)
  end
  if not type_text then
    return { name = rest, problem = "a name and a type expected" }
  end
  local type_name, text, names, node = take_type(type_text)
  return {
    name = name, optional = optional == "?", type = type_name, names = names, node = node, text = words(text),
    problem = not type_name and "no type: " .. type_text or nil,
  }
end

function TAGS.param(block, rest)
  block.params[#block.params + 1] = named(rest)
end

function TAGS.field(block, rest)
  block.fields[#block.fields + 1] = named(rest:gsub("^private ", ""):gsub("^package ", ""), nil)
end

TAGS["return"] = function(block, rest)
  local comma = true
  while comma do
    local type_name, behind, names, node = take_type(rest)
    local item = { type = type_name, names = names, node = node }
    item.problem = not type_name and "no type: " .. rest or nil
    block.returns[#block.returns + 1] = item
    local name, text = (behind or ""):match "^%s+([%a_][%w_]*)(.*)$"
    if not name then
      name, text = (behind or ""):match "^%s+(%.%.%.)(.*)$"
    end
    item.name, item.text = name, text
    comma = (text or behind or ""):match "^%s*,%s*(.*)$"
    rest, item.text = comma or rest, comma and "" or words(text or behind)
  end
end

function TAGS.class(block, rest)
  local exact, name, behind = rest:match "^(%(?e?x?a?c?t?%)?)%s*([%w_.]+)(.*)$"
  local parents, text = behind:match "^%s*:%s*([%w_.]+)(.*)$"
  block.class = { name = name, is_exact = exact == "(exact)", parent = parents, text = words(text or behind) }
end

function TAGS.alias(block, rest)
  local name, behind = rest:match "^([%w_.]+)%s+(.*)$"
  local type_name, text, names, node = take_type(behind or "")
  block.alias = { name = name, type = type_name, names = names, node = node, text = words(text) }
  block.alias.problem = not type_name and rest or nil
end

function TAGS.generic(block, rest)
  block.generics = block.generics or {}
  for name in rest:gmatch "[%a_][%w_]*" do
    block.generics[name] = true
  end
end

TAGS.type = function(block, rest)
  local type_name, text, names = take_type(rest)
  block.type = { type = type_name, names = names, text = words(text), problem = not type_name and rest or nil }
end

-- What a block of comment lines says.
local function parse_block(lines)
  local block = { prose = {}, params = {}, returns = {}, fields = {} }
  for _, line in ipairs(lines) do
    local tag, rest = line:match "^%s*%-%-%-@(%l+)%s*(.*)$"
    if tag and TAGS[tag] then
      TAGS[tag](block, rest)
    elseif not tag then
      block.prose[#block.prose + 1] = line:match "^%s*%-%-%-?%s?(.*)$"
    end
  end
  block.prose = table.concat(block.prose, "\n")
  return block
end

-- Files -----------------------------------------------------------------------------------------------------------------

local function lines_of(file)
  local lines = {}
  for line in io.lines(file) do
    lines[#lines + 1] = line
  end
  return lines
end

local known = {}

local function source_of(file)
  known[file] = known[file] or lines_of(file)
  return known[file]
end

--- The block of comments that ends above this line; nil when there is none.
function annotations.above(file, line)
  local lines = source_of(file)
  local first = line
  while first > 1 and lines[first - 1]:find "^%s*%-%-" do
    first = first - 1
  end
  local found = {}
  for place = first, line - 1 do
    found[#found + 1] = lines[place]
  end
  return found[1] and parse_block(found) or nil
end

--- All files of leadcat's Lua, in order.
function annotations.files()
  local files, pipe = {}, assert(io.popen "find lua -name '*.lua' | sort")
  for file in pipe:lines() do
    files[#files + 1] = file
  end
  pipe:close()
  return files
end

-- The declarations of a block: of its classes and aliases. Fields belong to the class before them.
local function declare(found, file, line, block)
  if block.class then
    local class = block.class
    class.file, class.line, class.fields = file, line, block.fields
    class.prose = block.prose
    found.classes[class.name] = found.classes[class.name] or {}
    table.insert(found.classes[class.name], class)
  end
  if block.alias then
    block.alias.file, block.alias.line, block.alias.prose = file, line, block.prose
    found.aliases[block.alias.name] = found.aliases[block.alias.name] or {}
    table.insert(found.aliases[block.alias.name], block.alias)
  end
end

--- All that is declared: {classes = {[name] = {declarations}}, aliases = likewise, blocks = {{file, line, block}}}; `line`
-- is the one behind a block.
function annotations.all()
  local found = { classes = {}, aliases = {}, blocks = {} }
  for _, file in ipairs(annotations.files()) do
    local lines, place = source_of(file), 1
    while place <= #lines do
      local first = place
      while lines[place] and lines[place]:find(place == first and "^%s*%-%-%-" or "^%s*%-%-") do
        place = place + 1
      end
      if place > first then
        local block = annotations.above(file, place)
        found.blocks[#found.blocks + 1] = { file = file, line = place, block = block }
        declare(found, file, place, block)
      end
      place = place + 1
    end
  end
  return found
end

--- Whether a type of this name is built in, or declared there or in the block itself.
function annotations.is_known(found, name, block)
  local is_generic = block and block.generics and block.generics[name]
  return BUILT_IN[name] or is_generic or found.classes[name] ~= nil or found.aliases[name] ~= nil
end

--- The fields of a class, with those of its parents, by name.
function annotations.fields(found, name)
  local fields = {}
  for _, class in ipairs(found.classes[name] or {}) do
    if class.parent then
      for field, item in pairs(annotations.fields(found, class.parent)) do
        fields[field] = item
      end
    end
    for _, item in ipairs(class.fields) do
      fields[item.name] = item
    end
  end
  return fields
end

-- Functions -------------------------------------------------------------------------------------------------------------

-- The names of a function's parameters, without self; and whether it takes more.
local function arguments_of(fn)
  local names, place = {}, 1
  local name = debug.getlocal(fn, place)
  while name do
    names[#names + 1] = name
    place = place + 1
    name = debug.getlocal(fn, place)
  end
  if names[1] == "self" or names[1] == "_" then -- "_": of what is called itself
    table.remove(names, 1)
  end
  return names
end

-- Whether the function returns a value: functions within it do not count.
local function gives(file, first, last)
  local lines, skipped_to = source_of(file), nil
  for place = first, last do
    local line = lines[place]
    if skipped_to then
      if line:find("^" .. skipped_to .. "end") then
        skipped_to = nil
      end
    else
      local rest = place == first and line:gsub("^.-%b()", "") or line
      if place > first and line:find "%f[%w_]function%f[^%w_]%s*[%w_.:]*%b()%s*$" then
        skipped_to, rest = line:match "^%s*", line:match "^(.-function)%f[^%w_]"
      end
      if rest:find "%f[%w_]return%f[^%w_]%s*[^%s;]" and not rest:find "%f[%w_]return%s+end" then
        return true
      end
    end
  end
  return false
end

--- What is known of a function: {file, line, arguments, is_vararg, gives, block}; `block` is nil where nothing stands
-- above it.
function annotations.of(fn)
  local info = debug.getinfo(fn, "S")
  local file = info.source:match "^@(.*)$"
  local lines = source_of(file)
  local arguments = arguments_of(fn)
  return {
    file = file, line = info.linedefined, arguments = arguments,
    is_vararg = lines[info.linedefined]:find "%.%.%.%s*%)" ~= nil,
    gives = gives(file, info.linedefined, info.lastlinedefined), block = annotations.above(file, info.linedefined),
  }
end

return annotations
