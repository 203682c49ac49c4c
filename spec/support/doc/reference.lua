-- The pages of the reference, made of the annotations: all public functions with their parameters, results, errors and an example;
-- and all types that they name.

local annotations = require "support.annotations"
local api = require "support.api"
local examples = dofile "spec/manual/examples.lua"
local h = require "leadcat.render.html"

local reference = {}

local found = annotations.all()

--- The anchor of a function or type.
function reference.anchor(name)
  return (name:lower():gsub("[^%w]+", "-"):gsub("^%-", ""))
end

local function short(name)
  return (name:gsub("^leadcat%.", ""))
end

-- A text in which what is in backticks is code, and a type's name is a link to it.
local function rich(text, linked)
  local parts, at = {}, 1
  for before, code, behind in (text or ""):gmatch "([^`]*)`([^`]*)`()" do
    parts[#parts + 1] = before
    parts[#parts + 1] = h.code { code }
    at = behind
  end
  parts[#parts + 1] = (text or ""):sub(at)
  return linked and h.span { parts } or parts
end

-- A type, whose classes are links.
local function type_of(text)
  local parts, at = {}, 1
  for from, name, behind in text:gmatch "()(leadcat%.[%w_.]+)()" do
    local is_there = found.classes[name] or found.aliases[name]
    parts[#parts + 1] = text:sub(at, from - 1)
    parts[#parts + 1] = is_there and h.a { href = "types.html#" .. reference.anchor(name), short(name) } or name
    at = behind
  end
  parts[#parts + 1] = text:sub(at)
  return h.code { parts }
end

local function says_nothing(rows, column)
  for _, row in ipairs(rows) do
    if type(row[column]) ~= "table" or row[column][1] ~= "" or row[column][2] then
      return false
    end
  end
  return true
end

-- A last column that says nothing is left out.
local function table_of(label, heads, rows, caption)
  local head, body, columns = {}, {}, says_nothing(rows, #heads) and #heads - 1 or #heads
  for place = 1, columns do
    head[place] = h.th { scope = "col", heads[place] }
  end
  for place, row in ipairs(rows) do
    local cells = { h.th { scope = "row", row[1] } }
    for column = 2, columns do
      cells[column] = h.td { row[column] }
    end
    body[place] = h.tr { cells }
  end
  return h.div { class = "scroll", tabindex = "0", role = "region", aria_label = label,
    h.table { caption and h.caption { caption } or false, h.thead { h.tr { head } }, h.tbody { body } } }
end

local function paragraphs(prose)
  local list = {}
  for text in (prose .. "\n\n"):gmatch "(.-)\n%s*\n" do
    list[#list + 1] = text:find "%S" and h.p { rich((text:gsub("\n", " "))) } or nil
  end
  return list
end

-- What is on the page, to be found at a glance: names and where they lead.
local function index(label, names, shown)
  local items = {}
  for place, name in ipairs(names) do
    items[place] = h.li { h.a { href = "#" .. reference.anchor(name), h.code { shown and shown(name) or name } } }
  end
  return h.nav { class = "index", aria_label = label, h.ul { items } }
end

-- Functions -------------------------------------------------------------------------------------------------------------

local function signature(item, block)
  local names = {}
  for place, param in ipairs(block.params) do
    names[place] = param.optional and "[" .. param.name .. "]" or param.name
  end
  if item.name == item.module then
    return ('require "%s" { … }'):format(item.module)
  end
  return ("%s(%s)"):format(item.name, table.concat(names, ", "))
end

local function parameters(item, block)
  local rows = {}
  for place, param in ipairs(block.params) do
    rows[place] = { h.code { param.name }, type_of(param.type .. (param.optional and "?" or "")), rich(param.text) }
  end
  return rows[1] and table_of("Parameters of " .. item.name, { "takes", "type", "meaning" }, rows) or nil
end

local fields_of

-- The fields of the parameters that are tables of options.
local function options(item, block)
  local tables = {}
  for _, param in ipairs(block.params) do
    for _, name in ipairs(param.names) do
      local class = found.classes[name]
      if class and class[1].is_exact then
        tables[#tables + 1] = fields_of(name, param.name, ("Fields of %s of %s"):format(param.name, item.name))
      end
    end
  end
  return tables
end

local function results(item, block)
  local rows = {}
  for place, result in ipairs(block.returns) do
    rows[place] = { h.code { result.name or tostring(place) }, type_of(result.type), rich(result.text) }
  end
  return rows[1] and table_of("Results of " .. item.name, { "gives", "type", "meaning" }, rows) or nil
end

local function example(item)
  local code = examples[item.name]
  return code and h.pre { tabindex = "0", h.code { class = "language-lua", (code:gsub("^\n", "")) } } or nil
end

local function function_of(item)
  local block = annotations.of(item.fn).block
  return h.section {
    h.h3 { id = reference.anchor(item.name), h.code { signature(item, block) } },
    paragraphs(block.prose), parameters(item, block) or false, options(item, block),
    results(item, block) or false, example(item) or false,
  }
end

local HEADS = {
  leadcat = "leadcat", engine = "The engine", ["engine.host"] = "The embedded host",
}

--- All public functions: {title, body, headings}.
function reference.api()
  local body, last = {}, nil
  body[1] = h.h1 { "API" }
  body[2] = h.p { "Misuse raises. What can go wrong at run time gives ", h.code { "nil, message, code" },
    ". Times are seconds since 1970, durations seconds. Every example is run by a spec." }
  local names = {}
  for place, item in ipairs(api.functions()) do
    names[place] = item.name
  end
  body[3] = index("Functions", names)
  for _, item in ipairs(api.functions()) do
    if item.module ~= last then
      last = item.module
      body[#body + 1] = h.h2 { id = reference.anchor("module-" .. last), HEADS[last] or last }
    end
    body[#body + 1] = function_of(item)
  end
  return { title = "API", body = h.render(body) }
end

-- Types -------------------------------------------------------------------------------------------------------------------

local function add_names(wanted, names)
  for _, name in ipairs(names or {}) do
    wanted[#wanted + 1] = name
  end
end

-- The types that public functions name, and those that these name.
local function public_types()
  local wanted, all = {}, {}
  for _, item in ipairs(api.functions()) do
    local block = annotations.of(item.fn).block
    for _, list in ipairs { block.params, block.returns } do
      for _, part in ipairs(list) do
        add_names(wanted, part.names)
      end
    end
  end
  while wanted[1] do
    local name = table.remove(wanted)
    local class, alias = found.classes[name], found.aliases[name]
    if (class or alias) and not all[name] then
      all[name] = true
      for _, field in pairs(class and annotations.fields(found, name) or {}) do
        add_names(wanted, not field.name:find "^_" and field.names or nil)
      end
      add_names(wanted, class and { class[1].parent } or alias and alias[1].names)
    end
  end
  local names = {}
  for name in pairs(all) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

function fields_of(name, parameter, label)
  local rows, parent = {}, found.classes[name][1].parent
  for _, class in ipairs(parameter and found.classes[parent] or {}) do
    for _, field in ipairs(class.fields) do
      local type_name = field.type .. (field.optional and "?" or "")
      rows[#rows + 1] = { h.code { field.name }, type_of(type_name), rich(field.text) }
    end
  end
  for _, class in ipairs(found.classes[name]) do
    for _, field in ipairs(class.fields) do
      rows[#rows + 1] = not field.name:find "^_" and {
        h.code { field.name }, type_of(field.type .. (field.optional and "?" or "")), rich(field.text),
      } or nil
    end
  end
  local caption = parameter and { "the fields of ", h.code { parameter } } or nil
  label = label or "Fields of " .. short(name)
  return rows[1] and table_of(label, { "field", "type", "meaning" }, rows, caption) or nil
end

local function type_section(name)
  local class, alias = found.classes[name], found.aliases[name]
  local of = (class or alias)[1]
  return h.section {
    h.h2 { id = reference.anchor(name), h.code { short(name) } },
    of.prose and paragraphs(of.prose) or false, of.text ~= "" and h.p { rich(of.text) } or false,
    of.parent and h.p { "Also has the fields of ", type_of(of.parent), "." } or false,
    alias and h.p { type_of(of.type) } or fields_of(name) or false,
  }
end

--- All types that the API names.
function reference.types()
  local body = { h.h1 { "Types" }, h.p { "The tables and functions that the ", h.a { href = "api.html", "API" },
    " takes and gives. A field with a question mark may be absent." } }
  local names = public_types()
  body[3] = index("Types", names, short)
  for _, name in ipairs(names) do
    body[#body + 1] = type_section(name)
  end
  return { title = "Types", body = h.render(body) }
end

return reference
