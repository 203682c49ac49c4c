-- Makes mutants of this tree, one small change at a time, and says which spec notices each: SECONDS [COUNT [SEED [PLACES]]].
-- PLACES are the beginnings of the files to change, as in "src/store lua/leadcat/past", or lines, as in "src/store/due.c:31".
-- The specs run in two copies of the tree: one has the change; in the other, the sound one, it is seen that a spec that
-- fails would pass. The seed decides what is changed.

local changes = require "mutants.changes"

local SECONDS, COUNT = tonumber(arg[1]) or 1800, tonumber(arg[2]) or math.huge
local SEED, PLACES = tonumber(arg[3]) or os.time() % 1000000, arg[4] or "src lua"
local MEMORY = 4000000 -- KB that a process may have: an endless loop may also fill the memory

io.stdout:setvbuf "line"

local function say(text, ...)
  print((text):format(...))
end

local function output(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

-- Trees ----------------------------------------------------------------------------------------------------------------

-- In memory where there is room for it: most of what the specs do is to wait for a disk.
local root = output "mktemp -d -p $(test -w /dev/shm && echo /dev/shm || echo /tmp) leadcat_mutants_XXXXXX":match "%S+"
local sound, mutant = root .. "/sound", root .. "/mutant"

-- What a spec leaves behind when it is ended is in `root` too. Every Lua process notes which modules it looks for.
local ENVIRONMENT = ([[export TMPDIR='ROOT/tmp' LC_ALL=C.UTF-8 LUA_INIT='function os.tmpname()
  local pipe = io.popen "mktemp"
  local name = pipe:read()
  pipe:close()
  return name
end
table.insert(package.searchers or package.loaders, 2, function(name)
  local file = io.open("ROOT/modules", "a")
  if file then
    file:write(name, "\n")
    file:close()
  end
end)']]):gsub("ROOT", root)

-- The seconds that the command took in the tree; nil: it failed, or had not ended after `limit` seconds.
local function succeeds(tree, command, limit)
  local began = os.time()
  local ok = os.execute(("cd '%s' && %s && ulimit -d %d && timeout -k 5 %d %s >'%s/log' 2>&1 </dev/null"):format(
    tree, ENVIRONMENT, MEMORY, limit, command, root))
  return ok and os.time() - began or nil
end

local function build(tree)
  return succeeds(tree, "make -s all c-tests CFLAGS=-O2 LUAJIT_INCDIR=", 600) -- without -g: lines would make a difference
end

local function core(tree)
  return read(tree .. "/build/lua5.4/leadcat/core.so")
end

local function prepare()
  -- Databases run as users of their own, who must get there.
  assert(os.execute(("chmod 755 '%s' && mkdir -m 1777 '%s/tmp' && mkdir '%s'"):format(root, root, sound)))
  assert(os.execute(("tar -c --exclude=./build --exclude=./.git . | tar -x -C '%s'"):format(sound)))
  assert(build(sound), "the tree does not build")
  assert(os.execute(("cp -a '%s' '%s'"):format(sound, mutant)))
end

-- Mutants --------------------------------------------------------------------------------------------------------------

---@class leadcat.mutants.Mutant: leadcat.mutants.Change
---@field file string
---@field before string its lines as they are
---@field after string
---@field text string the whole file
---@field sound string the whole file without the change

local function language_of(file)
  return file:find "%.lua$" and "lua" or "c"
end

local function mutant_of(file, text, change)
  local first = text:sub(1, change.from - 1):match ".*\n()" or 1
  local last = text:find("\n", change.to, true) or #text + 1
  local before, after = text:sub(first, change.from - 1), text:sub(change.to + 1, last - 1)
  return { file = file, line = change.line, before = text:sub(first, last - 1), after = before .. change.new .. after,
           sound = text, text = text:sub(1, change.from - 1) .. change.new .. text:sub(change.to + 1) }
end

local function is_wanted(file, line)
  for place in PLACES:gmatch "%S+" do
    local named, number = place:match "^(.-):(%d+)$"
    if file == named and line == tonumber(number) or not named and file:sub(1, #place) == place then
      return true
    end
  end
end

-- The changes of each wanted line; of a line that is asked for by its number each has an element of its own.
local function lines_to_change()
  local lines = {}
  for file in output "find src lua -name '*.[ch]' -o -name '*.lua' | sort":gmatch "%S+" do
    local text, by_line = read(file), {}
    for _, change in ipairs(changes.of(text, language_of(file))) do
      if is_wanted(file, change.line) then
        local line = not PLACES:find ":" and by_line[change.line]
        if not line then
          line = { file = file, text = text }
          by_line[change.line], lines[#lines + 1] = line, line
        end
        line[#line + 1] = change
      end
    end
  end
  return lines
end

-- In an order that the seed decides, each line once.
local function chosen()
  local lines = lines_to_change()
  math.randomseed(SEED)
  for i = #lines, 2, -1 do
    local other = math.random(i)
    lines[i], lines[other] = lines[other], lines[i]
  end
  return coroutine.wrap(function()
    for _, line in ipairs(lines) do
      coroutine.yield(mutant_of(line.file, line.text, line[math.random(#line)]))
    end
  end)
end

-- Whether it compiles, and to something else than the sound tree.
local function is_made(made)
  if language_of(made.file) == "lua" then
    local before, after = load(made.sound), load(made.text)
    return after and string.dump(before, true) ~= string.dump(after, true) and build(mutant)
  end
  return build(mutant) and core(mutant) ~= core(sound)
end

-- Specs ----------------------------------------------------------------------------------------------------------------

local specs = {}

local function find_specs()
  for path in output(("cd '%s' && ls build/spec/*_test spec/*/*_spec.lua"):format(sound)):gmatch "%S+" do
    local source = path:gsub("^build/spec/l?u?a?5?%.?4?_?(.*)", "spec/c/%1.c")
    if not path:find "luajit" then
      local is_c = path ~= source
      specs[#specs + 1] = { path = path, source = source, text = read(source), is_c = is_c, noticed = {},
        command = is_c and path or "sh spec/support/with_lua.sh lua5.4 /usr/bin/busted --no-keep-going " .. path }
    end
  end
end

-- What may notice it at all: a change in lua/ only where its module was looked for. (nginx takes long.)
local function may_notice(spec, made)
  if spec.path:find "nginx" then
    return made.file:find "resty" or made.file:find "/demo/"
  end
  local module = made.file:gsub("^lua/(.*)%.lua$", "%1"):gsub("/init$", ""):gsub("/", ".")
  local reads = spec.is_c and spec.path:find "lua5%.4" or not spec.is_c and (not spec.modules or spec.modules[module])
  return spec.sound ~= false and (reads or language_of(made.file) == "c")
end

local function folder_of(made)
  return made.file:match "([%w_]+)/[^/]+$"
end

-- What names the changed file, is about its folder or in its language, has noticed much there, and ends soon comes first.
local function likely(spec, made)
  local folder, name = folder_of(made), made.file:match "([%w_]+)%.%w+$"
  local _, mentions = spec.text:gsub("%f[%w]" .. name .. "%f[^%w]", "")
  local likelihood = 1 + math.min(mentions, 10) + 2 * (spec.noticed[folder] or 0)
  local is_near = spec.path:find(folder, 1, true) or spec.text:find("leadcat." .. folder .. ".", 1, true)
    or spec.is_c and language_of(made.file) == "c"
  return likelihood * (is_near and 3 or 1) / ((spec.seconds or 2) + 1)
end

local function ordered(made)
  local order, rank = {}, {}
  for _, spec in ipairs(specs) do
    if may_notice(spec, made) then
      order[#order + 1], rank[spec] = spec, likely(spec, made)
    end
  end
  table.sort(order, function(one, other)
    return rank[one] > rank[other] or rank[one] == rank[other] and one.path < other.path
  end)
  return order
end

local function modules_looked_for()
  local modules = {}
  for name in read(root .. "/modules"):gmatch "%S+" do
    modules[name] = true
  end
  return modules
end

-- When it first does, it is learnt how long it takes and which modules it looks for.
local function passes(tree, spec, limit)
  write(root .. "/modules", "")
  local took = succeeds(tree, spec.command, limit)
  if took and not spec.seconds then
    spec.seconds, spec.modules = took, modules_looked_for()
  end
  return took ~= nil
end

-- Whether the spec passes without a change; asked once, when it first fails.
local function is_sound(spec)
  if spec.sound == nil then
    spec.sound = passes(sound, spec, 300) or passes(sound, spec, 300)
    if not spec.sound then
      say("left out, as it fails without a change: %s", spec.source)
    end
  end
  return spec.sound
end

local function limit_of(seconds)
  return 20 + 4 * seconds
end

-- What slows the machine down slows the sound tree too: a spec has noticed nothing if it only takes as long as it does there now.
local function notices(spec)
  local limit = limit_of(spec.seconds or 20)
  local began = os.time()
  if passes(mutant, spec, limit) or not is_sound(spec) then
    return false
  end
  if os.time() - began < limit then
    return true
  end
  local now = succeeds(sound, spec.command, 10 * limit)
  return now ~= nil and (limit_of(now) <= limit or not passes(mutant, spec, limit_of(now)))
end

local function first_to_notice(made)
  for _, spec in ipairs(ordered(made)) do
    if notices(spec) then
      local folder = folder_of(made)
      spec.noticed[folder] = (spec.noticed[folder] or 0) + 1
      return spec.source
    end
  end
end

-- All ------------------------------------------------------------------------------------------------------------------

local function told(lines)
  return (lines:gsub("^%s+", ""):gsub("%s*\n%s*", " "))
end

local function run()
  local began, noticed, made_count = os.time(), 0, 0
  say("mutants of %s: %d seconds, seed %d", PLACES, SECONDS, SEED)
  prepare()
  find_specs()
  for made in chosen() do
    if os.time() - began > SECONDS or made_count == COUNT then
      break
    end
    write(mutant .. "/" .. made.file, made.text)
    if is_made(made) then
      local by = first_to_notice(made)
      made_count, noticed = made_count + 1, noticed + (by and 1 or 0)
      say("%s:%d\n  %s\n  → %s\n  %s", made.file, made.line, told(made.before), told(made.after),
        by and "noticed by " .. by or "NOT NOTICED")
    end
    write(mutant .. "/" .. made.file, made.sound)
  end
  say("%d of %d noticed (seed %d)", noticed, made_count, SEED)
end

local ran, message = xpcall(run, debug.traceback)
os.execute("rm -rf '" .. root .. "'")
if not ran then
  error(message, 0)
end
