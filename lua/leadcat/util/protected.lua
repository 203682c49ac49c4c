--- Protected calls that stop what has gone wrong, and nothing else. Ctrl-C, a lack of memory and the end of a coroutine
-- arrive as errors too: whoever takes one of them for a bad line goes on where everything was to end. The only file
-- with `pcall`; `make lint` checks that.

local protected = {}

-- The Lua interpreters deliver Ctrl-C by a debug hook that raises this, behind the place in Lua code.
local INTERRUPTED, IN_LUA = "interrupted!", ":%d+: interrupted!$"
-- What else is nobody's failure: Lua's own error, and those with which schedulers end a coroutine.
local PASSED_ON = { ["not enough memory"] = true, ["killed"] = true, ["coroutine killed"] = true }

local function is_interruption(raised)
  return raised == INTERRUPTED or type(raised) == "string" and raised:find(IN_LUA) ~= nil
end

local function pass_on(ok, ...)
  local raised = ...
  if not ok and (PASSED_ON[raised] or is_interruption(raised)) then
    error(raised, 0)
  end
  return ok, ...
end

--- As `pcall`; but an interruption, a lack of memory and the end of a coroutine are raised on.
---@param fn function
---@return boolean ok, any ... what `fn` returns, or what it raised
function protected.call(fn, ...)
  return pass_on(pcall(fn, ...))
end

local function finish(cleanup, ok, ...)
  cleanup()
  if not ok then
    error((...), 0)
  end
  return ...
end

--- Calls `fn(...)` and then, whatever that has raised, `cleanup()`.
---@param cleanup fun()
---@param fn function
---@return any ... what `fn` returns; raises what it raises
function protected.finally(cleanup, fn, ...)
  return finish(cleanup, pcall(fn, ...))
end

--- For the outermost caller, which ends the program: catches everything.
---@param fn function
---@return boolean ok
---@return any result what `fn` returns, or what it raised
---@return boolean interrupted whether it was Ctrl-C
function protected.main(fn, ...)
  local ok, result = pcall(fn, ...)
  return ok, result, not ok and is_interruption(result)
end

return protected
