-- What luacheck refuses in lua/: protected calls that could swallow Ctrl-C, and writing to a terminal that nobody sees.

-- What luacheck says of this code, as if it were in that file.
local function findings(code, file)
  local script = os.tmpname()
  local out = assert(io.open(script, "w"))
  out:write(code)
  out:close()
  local pipe = assert(io.popen(("luacheck --no-color --filename %s - <%s 2>&1"):format(file, script)))
  local output = pipe:read "*a"
  pipe:close()
  os.remove(script)
  return output
end

local REFUSED = {
  { "a bare pcall", "lua/leadcat/events/handle.lua", "return pcall(error)", "undefined variable 'pcall'" },
  { "a bare xpcall", "lua/leadcat/http.lua", "return xpcall(error, error)", "undefined variable 'xpcall'" },
  { "a bare pcall of the command", "lua/leadcat/cli/import.lua", "return pcall(error)", "undefined variable 'pcall'" },
  { "pcall by another name", "lua/leadcat/engine.lua", "local try = pcall return try", "undefined variable 'pcall'" },
  { "a print", "lua/leadcat/past/undo.lua", "print(1)", "undefined variable 'print'" },
  { "a write to stderr", "lua/leadcat/resty.lua", "io.stderr:write(1)", "undefined field 'stderr" },
}

local ACCEPTED = {
  { "the one protected call", "lua/leadcat/util/protected.lua", "return pcall(error)" },
  { "the command's messages", "lua/leadcat/cli/common.lua", 'io.stderr:write "1"' },
  { "files", "lua/leadcat/cli/files.lua", "return io.open" },
  { "a spec's pcall", "spec/1-deciding/02-decide_spec.lua", "return pcall(error)" },
}

describe("luacheck", function()
  for _, row in ipairs(REFUSED) do
    it("refuses " .. row[1], function()
      assert.matches(row[4], findings(row[3], row[2]))
    end)
  end

  for _, row in ipairs(ACCEPTED) do
    it("accepts " .. row[1], function()
      assert.matches("0 warnings / 0 errors", findings(row[3], row[2]))
    end)
  end
end)
