-- What `make mutants` may change in a text (spec/mutants/changes.lua), and what it leaves alone.

local changes = require "mutants.changes"

-- Each change as `before > after`.
local function told(text, language)
  local lines = {}
  for i, change in ipairs(changes.of(text, language)) do
    lines[i] = text:sub(change.from, change.to) .. " > " .. change.new
  end
  return lines
end

local TEXTS = {
  { "relations, in C", "c", "x = a < b == c;", { "< > <=", "== > !=" } },
  { "relations, in Lua", "lua", "local x = a <= b ~= c", { "<= > <", "~= > ==" } },
  { "connectives", "c", "x = a && b || c;", { "&& > ||", "|| > &&" } },
  { "connectives", "lua", "local x = a and b or c", { "and > or", "or > and" } },
  { "integers", "c", "enum { MOST = 9, MASK = 0xFF, LARGE = 10u };", { "9 > 10", "10u > 11u" } },
  { "no fractions", "lua", "local x, y = 3, 0.5", { "3 > 4" } },
  { "signs between values only", "lua", "local x = -y + f(z) - w", { "+ > -", "- > +" } },
  { "truth", "lua", "local x = true", { "true > false" } },
  { "a guard, in C", "c", "int f(int a) { if (a)\n return g(a); }", { "if (a)\n return g(a); > ;\n" } },
  { "a guard, in Lua", "lua", "if not a then\n  return b\nend", { "if not a then\n  return b\nend > \n\n" } },
  { "no branch", "lua", "if a then return b else c() end", {} },
  { "a statement, in C", "c", "void f(int *a) { int b = g; *a = b; if (b) h(b); }", { "*a = b; > ;", "h(b); > ;" } },
  { "a statement, in Lua", "lua", "local b = g\na.b = h(c)\nreturn b", { "a.b = h(c) > " } },
  { "a statement with a block", "lua", "a = function() return c end\n", { "a = function() return c end > " } },
  { "a statement of several lines", "lua", "f {\n  a = b,\n}\n", { "f {\n  a = b,\n} > \n\n" } },
  { "no comment and no text, in C", "c", "#include <a.h>\n/* 1 < 2 */ // 3\nchar *a = \"4 < \\\" 5\", b = '6';", {} },
  { "no comment and no text, in Lua", "lua", "--- 1 < 2\n--[[ 3\n4 ]] local a = [[5]] .. '6' .. \"\\\"7\"", {} },
  { "the value of a #define", "c", "#define MOST_2 5\n#if MOST > 3\n#endif", { "5 > 6" } },
  { "not where an error points", "lua", "local function f() error(a, 2) end", {} },
}

describe("a mutant changes", function()
  for _, row in ipairs(TEXTS) do
    it(row[1] .. ": " .. row[2], function()
      assert.same(row[4], told(row[3], row[2]))
    end)
  end

  it("one line where it says so", function()
    local text = "local a\n\nlocal b = 1"
    assert.same({ { from = 20, to = 20, new = "2", line = 3 } }, changes.of(text, "lua"))
  end)
end)
