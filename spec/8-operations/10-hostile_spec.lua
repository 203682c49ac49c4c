-- Hostile input, without a fuzzer: what `make fuzz` starts from and what it has found (spec/fuzz/corpus), and each of these
-- with some bytes changed, the same ones every time. What must hold is in spec/fuzz/targets.lua. That of the C core is in
-- spec/c/hostile_test.c.

local stores = require "support.stores"
local targets = require "fuzz.targets"
local times = require "support.times"

local CORPUS = "spec/fuzz/corpus/"
local TARGETS = { "config", "csv", "jsonl", "text", "form", "http", "answer", "hook", "pg" }

local function files(directory)
  local pipe, names = assert(io.popen("ls '" .. directory .. "'")), {}
  for name in pipe:lines() do
    names[#names + 1] = name
  end
  pipe:close()
  return names
end

local function read(name)
  local file = assert(io.open(name, "rb"))
  local content = file:read "*a"
  file:close()
  return content
end

-- Numbers that look random and are the same everywhere.
local function generator(seed)
  local state = seed
  return function(below)
    state = (state * 16807) % 2147483647
    return state % below
  end
end

local BYTES = { "\0", "\n", '"', "&", "<", "=", "\\", "{", "[", ",", "%", "\127", "\195", "\255", "9", "-", "." }

-- The text with a few bytes changed, added, or left out.
local function damaged(text, random)
  for _ = 1, 1 + random(4) do
    local at, kind = random(#text + 1), random(4)
    local put = kind == 0 and "" or kind == 1 and text:sub(at, at + random(40)) or BYTES[random(#BYTES) + 1]
    text = text:sub(1, at) .. put .. text:sub(at + (kind < 3 and 2 or 1))
  end
  return text
end

-- `%q` of LuaJIT and of Lua 5.4 alike leaves the bytes to be seen.
local function try(name, text, from)
  local ok, message = pcall(targets[name], text)
  if not ok then
    error(("%s, of %s: %q"):format(tostring(message), from, text), 0)
  end
end

describe("hostile input", function()
  local path

  before_each(function()
    path = stores.path()
    os.execute("mkdir '" .. path .. "'")
    targets.new(path)
  end)

  after_each(function()
    targets.close()
    stores.check()
  end)

  for _, name in ipairs(TARGETS) do
    it("does no harm: " .. name, function()
      local found = files(CORPUS .. name)
      assert.is_true(#found >= 3)
      for i, file in ipairs(found) do
        local text, random = read(CORPUS .. name .. "/" .. file), generator(i)
        try(name, text, file)
        for _ = 1, times(20) do
          try(name, damaged(text, random), file)
        end
      end
    end)
  end
end)
