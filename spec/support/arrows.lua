-- Who may know whom: arrows.lua [TREE] reads every `require` in lua/, every `#include` and every call between files in src/.
-- It fails on an arrow that the rules below forbid, and on circles. Each finding is a line that begins with file:line.

-- A room is a folder (lua/events is lua/leadcat/events with the file events.lua beside it), or a system header in brackets.
-- From the rooms `of` arrows lead to `only` these, or `never` to those; to the rooms `to` they come `only_from` these. A
-- single file can be named, too.
local RULES = {
  { of = "lua/events lua/rules lua/past lua/operations lua/insight",
    never = "lua/pages lua/http lua/cli lua/demo lua/web" },
  { of = "lua/host lua/source lua/notify lua/store", never = "lua/pages lua/http lua/cli lua/demo lua/web" },
  { of = "lua/words", never = "lua/events lua/past lua/operations lua/insight lua/host lua/source "
    .. "lua/notify lua/store lua/pages lua/http lua/cli lua/demo lua/web" },
  { of = "lua/util", only = "lua/util lua/core" },
  -- The one door from the engine to pages is its list of renderers; render/ has names of pages that integrators require.
  { to = "lua/pages", only_from = "lua/pages lua/http lua/cli lua/demo lua/init lua/engine lua/render" },
  -- Names that only integrators require.
  { to = "lua/render lua/i18n", only_from = "" },
  -- Rules are pure: of the system they know memory, text and numbers.
  { of = "src/rules", only = "src/rules <errno.h> <float.h> <inttypes.h> <limits.h> <math.h> <stdarg.h> "
    .. "<stdbool.h> <stddef.h> <stdint.h> <stdlib.h> <string.h>" },
  { of = "src/store", never = "src/lua" },
  { to = "<lua.h> <lauxlib.h> <lualib.h> <luajit.h>", only_from = "src/lua" },
  { to = "<lmdb.h>", only_from = "src/store" },
}

-- Arrows that are there all the same.
local EXCEPTIONS = {
  ["src/rules/status.c <stdio.h>"] = true, -- for vsnprintf, which does no I/O
  ["src/rules/facts.c <utf8proc.h>"] = true, -- case folding and NFC, which know only text and memory
}

local root = arg and arg[1] or "."
local problems = {}

local function complain(file, line, message, ...)
  problems[#problems + 1] = ("%s:%d: %s"):format(file, line, message:format(...))
end

-- Files ----------------------------------------------------------------------------------------------------------------

local function read(file)
  local handle = assert(io.open(root .. "/" .. file, "rb"))
  local content = handle:read "*a"
  handle:close()
  return content
end

-- The files below the folder whose names end so, in order.
local function find(folder, ...)
  local list = {}
  for _, ending in ipairs { ... } do
    local pipe = assert(io.popen(("cd '%s' && find %s -type f -name '%s' 2>/dev/null"):format(root, folder, ending)))
    for file in pipe:lines() do
      list[#list + 1] = file
    end
    pipe:close()
  end
  table.sort(list)
  return list
end

local function room_of(file)
  local tree, first = file:gsub("^lua/leadcat/", "lua/"):match "^(%l+)/([^/]+)"
  if tree == "lua" then
    return "lua/" .. first:gsub("%.lua$", "")
  end
  return file:find "^src/.*/" and "src/" .. first or file
end

-- Rules ----------------------------------------------------------------------------------------------------------------

local function lists(names, room, file)
  names = " " .. names .. " "
  return names:find(" " .. room .. " ", 1, true) or names:find(" " .. file .. " ", 1, true)
end

local function is_forbidden(rule, from, file, to, target)
  if rule.to then
    return lists(rule.to, to, target) and not lists(rule.only_from, from, file)
  elseif not lists(rule.of, from, file) then
    return false
  elseif rule.only then
    return not lists(rule.only, to, target)
  end
  return lists(rule.never, to, target)
end

-- An arrow from a line of a file to a file, or to a system header.
local function check(file, line, target)
  local from, to = room_of(file), room_of(target)
  for _, rule in ipairs(RULES) do
    if is_forbidden(rule, from, file, to, target) and not EXCEPTIONS[file .. " " .. target] then
      return complain(file, line, "%s must not reach %s (%s)", from, to, target)
    end
  end
end

-- Circles --------------------------------------------------------------------------------------------------------------

-- Arrows between what counts as one, as lists of { to =, file =, line = } by where they come from; each once.
local function new_graph()
  return { nodes = {}, arrows = {} }
end

local function add_arrow(graph, from, to, file, line)
  if from == to then
    return
  elseif not graph.arrows[from] then
    graph.nodes[#graph.nodes + 1], graph.arrows[from] = from, {}
  end
  local arrows = graph.arrows[from]
  if not arrows[to] then
    arrows[#arrows + 1], arrows[to] = { to = to, file = file, line = line }, true
  end
end

-- The path from where it meets itself: each name, and at last the first again.
local function circle_of(path, node)
  local first = 1
  while path[first] ~= node do
    first = first + 1
  end
  return table.concat(path, " -> ", first) .. " -> " .. node
end

local function walk(graph, node, path, state)
  path[#path + 1], state[node] = node, "open"
  for _, arrow in ipairs(graph.arrows[node] or {}) do
    if state[arrow.to] == "open" then
      complain(arrow.file, arrow.line, "a circle: %s", circle_of(path, arrow.to))
    elseif not state[arrow.to] then
      walk(graph, arrow.to, path, state)
    end
  end
  path[#path], state[node] = nil, "done"
end

local function check_circles(graph)
  local state = {}
  for _, node in ipairs(graph.nodes) do
    if not state[node] then
      walk(graph, node, {}, state)
    end
  end
end

-- Lua ------------------------------------------------------------------------------------------------------------------

local SKIPPED = { "^%s+", "^%-%-%[(=*)%[.-%]%1%]", "^%-%-[^\n]*" }
local TAKEN = {
  { "^%[(=*)%[(.-)%]%1%]", true }, { '^(")(.-)"', true }, { "^(')(.-)'", true }, { "^()([%a_][%w_]*)" },
  { "^()(%.%.)" }, { "^()(.)" },
}

local function skip(source, at)
  for _, pattern in ipairs(SKIPPED) do
    local _, last = source:find(pattern, at)
    if last then
      return last
    end
  end
end

-- The words of Lua source without its comments, as { text =, line =, is_string = }.
local function words_of(source)
  source = source:gsub("\\[^\n]", "__")
  local words, at, line = {}, 1, 1
  while at <= #source do
    local last, before = skip(source, at), line
    for _, kind in ipairs(last and {} or TAKEN) do
      local _, stop, _, text = source:find(kind[1], at)
      if stop then
        last, words[#words + 1] = stop, { text = text, line = before, is_string = kind[2] }
        break
      end
    end
    line = line + select(2, source:sub(at, last):gsub("\n", ""))
    at = last + 1
  end
  return words
end

-- What a file requires: calls `found(name, line, is_prefix)`.
local function each_require(file, found)
  local words = words_of(read(file))
  for i, word in ipairs(words) do
    local next_word, after = words[i + 1] or {}, 2
    if not next_word.is_string and (next_word.text == "(" or next_word.text == ",") then
      next_word, after = words[i + 2] or {}, 3
    end
    if word.text == "require" and not word.is_string and next_word.is_string then
      found(next_word.text, word.line, words[i + after] and words[i + after].text == "..")
    end
  end
end

-- The files that a name stands for: one, or with a prefix all that begin so.
local function files_of(modules, name, is_prefix)
  local files = { not is_prefix and modules[name] or nil }
  for module, file in pairs(is_prefix and modules or {}) do
    if module:sub(1, #name) == name then
      files[#files + 1] = file
    end
  end
  table.sort(files)
  return files
end

local function check_lua()
  local files, modules, graph = find("lua", "*.lua", "leadcat"), { ["leadcat.core"] = "lua/leadcat/core" }, new_graph()
  for _, file in ipairs(files) do
    modules[file:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")] = file
  end
  for _, file in ipairs(files) do
    each_require(file, function(name, line, is_prefix)
      local targets = files_of(modules, name, is_prefix)
      if #targets == 0 and name:find "^leadcat%f[.\0]" then
        complain(file, line, "there is no %s", name)
      end
      for _, target in ipairs(targets) do
        check(file, line, target)
        add_arrow(graph, file, target, file, line)
      end
    end)
  end
  check_circles(graph)
end

-- C --------------------------------------------------------------------------------------------------------------------

local function stem_of(file)
  return (file:gsub("%.[ch]$", ""))
end

-- The lines of C source, without comments.
local function lines_of(file)
  local source = read(file):gsub("/%*.-%*/", function(comment) return comment:gsub("[^\n]", " ") end)
  local lines = {}
  for line in (source .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = line:gsub("//.*", "")
  end
  return lines
end

-- By name of each function that other files can call, the stem of the file that defines it.
local function definitions_in(sources)
  local owners = {}
  for file, lines in pairs(sources) do
    for _, line in ipairs(file:find "%.c$" and lines or {}) do
      local name = line:match "^[%a_][%w_ *]*[ *]([%a_][%w_]*)%("
      if name and not line:find "^static" and not line:find ";%s*$" then
        owners[name] = stem_of(file)
      end
    end
  end
  return owners
end

-- The functions of other files that the lines name: calls `found(their stem, line)`.
local function each_call(lines, stem, owners, found)
  for number, line in ipairs(lines) do
    for word in line:gmatch "[%a_][%w_]*" do
      if owners[word] and owners[word] ~= stem then
        found(owners[word], number)
      end
    end
  end
end

-- What counts as one: x.c with x.h. A header that declares what several files define stands alone.
local function units_of(sources, owners)
  local units = {}
  for file, lines in pairs(sources) do
    units[file] = stem_of(file)
    if file:find "%.h$" then
      each_call(lines, stem_of(file), owners, function() units[file] = file end)
    end
  end
  return units
end

-- What a file includes: calls `found(target, line)`; a system header keeps its brackets.
local function each_include(file, lines, sources, found)
  for number, line in ipairs(lines) do
    local bracket, name = line:match '^%s*#%s*include%s*([<"])([^>"]+)'
    local beside, below = file:match "^.*/" .. (name or ""), "src/" .. (name or "")
    if bracket == "<" then
      found("<" .. name .. ">", number)
    elseif name and (sources[beside] or sources[below]) then
      found(sources[beside] and beside or below, number)
    elseif name then
      complain(file, number, "there is no %s", name)
    end
  end
end

local function check_c()
  local files, sources, graph = find("src", "*.[ch]"), {}, new_graph()
  for _, file in ipairs(files) do
    sources[file] = lines_of(file)
  end
  local owners = definitions_in(sources)
  local units = units_of(sources, owners)
  for _, file in ipairs(files) do
    each_include(file, sources[file], sources, function(target, line)
      check(file, line, target)
      add_arrow(graph, units[file], units[target] or target, file, line)
    end)
    if file:find "%.c$" then
      each_call(sources[file], stem_of(file), owners, function(stem, line)
        add_arrow(graph, units[file], stem, file, line)
      end)
    end
  end
  check_circles(graph)
end

check_lua()
check_c()
for _, problem in ipairs(problems) do
  io.stderr:write(problem, "\n")
end
os.exit(#problems == 0)
