-- The checker of who may know whom, by mutants: a small tree that it accepts, and one arrow too many each time.

local stores = require "support.stores"

local CLEAN = {
  ["lua/leadcat/init.lua"] = 'require "leadcat.engine"',
  ["lua/leadcat/engine.lua"] = 'require "leadcat.events.handle" local pages = require "leadcat.pages.html"',
  ["lua/leadcat/events/handle.lua"] = 'require("leadcat.words.why") --[[ require "leadcat.cli" ]]\n'
    .. '-- require "leadcat.cli"',
  ["lua/leadcat/past/runs.lua"] = "",
  ["lua/leadcat/rules/lint.lua"] = "local text = [[require 'leadcat.pages.html']]",
  ["lua/leadcat/words/why.lua"] = 'local function load(language) return require("leadcat.words.in_" .. language) end',
  ["lua/leadcat/words/in_en.lua"] = 'require "leadcat.util.json"',
  ["lua/leadcat/store/sql.lua"] = 'require "leadcat.util.json"',
  ["lua/leadcat/util/json.lua"] = 'require "cjson" require "leadcat.core" pcall(require, "leadcat.util.url")',
  ["lua/leadcat/util/url.lua"] = "",
  ["lua/leadcat/pages/html.lua"] = 'require "leadcat.words.why"',
  ["lua/leadcat/render/html.lua"] = 'return require "leadcat.pages.html"',
  ["lua/leadcat/http/api.lua"] = 'require "leadcat.pages.html"',
  ["lua/leadcat/cli.lua"] = 'require "leadcat.pages.html"',
  ["src/rules/decide.h"] = '#include "status.h"\n#include <stdint.h>\nint lc_decide(void);\n',
  ["src/rules/decide.c"] = '#include "rules/decide.h"\n#include <string.h>\nint lc_decide(void) {\n  return 1;\n}\n',
  ["src/rules/status.h"] = "",
  ["src/rules/status.c"] = '#include "rules/status.h"\n#include <stdio.h>\n',
  ["src/store/env.h"] = "#include <lmdb.h>\n",
  ["src/store/store.h"] = '#include "rules/decide.h"\nint lc_open(void);\nint lc_put(void);\n',
  ["src/store/store.c"] = '#include "store.h"\n#include "env.h"\nint lc_open(void) {\n  return lc_put();\n}\n',
  ["src/store/journal.c"] = '#include "store.h"\n/* lc_open() comes first */\nint lc_put(void) {\n  return 0;\n}\n',
  ["src/lua/core.c"] = '#include <lua.h>\n#include "store/store.h"\n',
}

-- What is to be added to a file of the tree, and the finding.
local MUTANTS = {
  { "an event that knows a page", "lua/leadcat/events/handle.lua", 'require "leadcat.pages.html"',
    "lua/events must not reach lua/pages" },
  { "a page asked for late, within a function", "lua/leadcat/rules/lint.lua",
    'local function f() return require("leadcat.pages.html") end', "lua/rules must not reach lua/pages" },
  { "a page asked for in single quotes", "lua/leadcat/past/runs.lua", "require 'leadcat.pages.html'",
    "lua/past must not reach lua/pages" },
  { "a page asked for through pcall", "lua/leadcat/insight/drift.lua", 'pcall(require, "leadcat.pages.html")',
    "lua/insight must not reach lua/pages" },
  { "an event that knows HTTP", "lua/leadcat/events/handle.lua", 'require "leadcat.http.api"',
    "lua/events must not reach lua/http" },
  { "an event that knows the command", "lua/leadcat/events/handle.lua", 'require "leadcat.cli"',
    "lua/events must not reach lua/cli" },
  { "words that know the past", "lua/leadcat/words/in_en.lua", 'require "leadcat.past.runs"',
    "lua/words must not reach lua/past" },
  { "a helper that knows words", "lua/leadcat/util/url.lua", 'require "leadcat.rules.lint"',
    "lua/util must not reach lua/rules" },
  { "a store that knows HTTP", "lua/leadcat/store/sql.lua", 'require "leadcat.http.api"',
    "lua/store must not reach lua/http" },
  { "a host that knows the command", "lua/leadcat/host/sql.lua", 'require "leadcat.cli"',
    "lua/host must not reach lua/cli" },
  { "hooks that know a page", "lua/leadcat/hooks.lua", 'require "leadcat.pages.html"',
    "lua/hooks must not reach lua/pages" },
  { "upkeep that knows a page", "lua/leadcat/operations/upkeep.lua", 'require "leadcat.pages.html"',
    "lua/operations must not reach lua/pages" },
  { "a page that is asked for by its old name", "lua/leadcat/http/api.lua", 'require "leadcat.render.html"',
    "lua/http must not reach lua/render" },
  { "a module that is not there", "lua/leadcat/init.lua", 'require "leadcat.evnets"', "there is no leadcat.evnets" },
  { "a circle in Lua", "lua/leadcat/util/url.lua", 'require "leadcat.util.json"', "a circle: " },
  { "a circle through a name that is put together", "lua/leadcat/words/in_en.lua", 'require "leadcat.words.why"',
    "a circle: " },
  { "rules that know the store", "src/rules/decide.c", '#include "store/env.h"', "src/rules must not reach src/store" },
  { "rules that print", "src/rules/decide.c", "#include <stdio.h>", "src/rules must not reach <stdio.h>" },
  { "rules that read files", "src/rules/decide.h", "# include <unistd.h>", "src/rules must not reach <unistd.h>" },
  { "rules that know LMDB", "src/rules/decide.c", "#include <lmdb.h>", "src/rules must not reach <lmdb.h>" },
  { "a store that knows Lua", "src/store/env.h", "#include <lua.h>", "src/store must not reach <lua.h>" },
  { "a store that knows the binding", "src/store/env.h", '#include "lua/core.h"', "src/store must not reach src/lua",
    ["src/lua/core.h"] = "" },
  { "a binding that knows LMDB", "src/lua/core.c", "#include <lmdb.h>", "src/lua must not reach <lmdb.h>" },
  { "a header that is not there", "src/lua/core.c", '#include "store/stroe.h"', "there is no store/stroe.h" },
  { "a circle of headers", "src/rules/status.h", '#include "decide.h"', "a circle: " },
  { "a circle of pairs", "src/rules/status.c", '#include "decide.h"', "a circle: " },
  { "a circle of calls behind one header", "src/store/journal.c", "int lc_again(void) { return lc_open(); }",
    "a circle: " },
}

local function write(tree, files)
  for name, content in pairs(files) do
    os.execute(("mkdir -p '%s/%s'"):format(tree, name:match "^(.*)/"))
    local file = assert(io.open(tree .. "/" .. name, "wb"))
    file:write(content)
    file:close()
  end
end

local function findings(tree)
  local pipe = assert(io.popen(("lua5.4 spec/support/arrows.lua '%s' 2>&1; echo status $?"):format(tree)))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

local function lines_in(text)
  return select(2, text:gsub("\n", "\n"))
end

describe("the arrows", function()
  after_each(stores.check)

  it("of this tree are as they should be", function()
    assert.equal("status 0\n", findings ".")
  end)

  it("of a small tree are accepted", function()
    local tree = stores.path()
    write(tree, CLEAN)
    assert.equal("status 0\n", findings(tree))
  end)

  for _, mutant in ipairs(MUTANTS) do
    local name, file, added, finding = stores.unpack(mutant)
    it("show " .. name, function()
      local tree, before = stores.path(), CLEAN[file] or ""
      write(tree, CLEAN)
      write(tree, { [file] = before .. "\n" .. added .. "\n", ["src/lua/core.h"] = mutant["src/lua/core.h"] })
      local output = findings(tree)
      assert.matches("status 1\n$", output)
      assert.equal(2, lines_in(output), output)
      assert.truthy(output:find(finding, 1, true), output)
      if not finding:find "circle" then
        assert.truthy(output:find(("%s:%d: "):format(file, lines_in(before) + 2), 1, true), output)
      end
    end)
  end
end)
