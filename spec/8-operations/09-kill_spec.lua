-- Processes that are killed at any moment: eight of them share a store, and one after the other is ended by SIGKILL while
-- it handles events, answers questions, undoes, saves, or removes what is old. spec/kill/ has what they do (`worker`), the
-- CRM that they keep right (`host`), and what is compared afterwards (`verify`). `make kill ROUNDS=500` is the long form.

local times = require "support.times"

describe("a store whose processes are killed", function()
  it("has lost nothing and done nothing twice", function()
    if rawget(_G, "jit") then
      return -- the core is the same: one Lua is enough
    end
    local pipe = assert(io.popen(("%s spec/kill/run.lua %d 2>&1; echo status $?"):format(
      os.getenv "LEADCAT_LUA" or "lua5.4", times(60))))
    local output = pipe:read "*a"
    pipe:close()
    assert.matches("nothing lost, nothing done twice %(seed %d+%)\nstatus 0\n$", output)
  end)
end)
