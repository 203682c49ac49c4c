--- The shell, and other users of the system, for specs: only root may become one.

local users = {}

local LUA = ("env LD_PRELOAD='%s' ASAN_OPTIONS=detect_leaks=0 %s"):format(os.getenv "LD_PRELOAD" or "",
  os.getenv "LEADCAT_LUA" or "lua5.4") -- with a sanitizer's library where there is one
local NOBODY = "setpriv --reuid nobody --regid nogroup --clear-groups"

--- Why a test is left out.
users.WHY = "only root may become another user, who has to be able to read leadcat"

--- What a command prints; a format when values follow.
---@return string
function users.output_of(command, ...)
  local pipe = assert(io.popen("unset LD_PRELOAD; " .. command:format(...)))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

--- Runs a command that has to succeed.
function users.sh(command, ...)
  local status = os.execute("unset LD_PRELOAD; " .. command:format(...))
  assert(status == true or status == 0, command)
end

function users.is_root()
  return users.output_of "id -u" == "0\n"
end

--- Whether commands can be run as the user nobody.
function users.may_be_nobody()
  return users.is_root() and users.output_of(NOBODY .. " test -r lua/leadcat/init.lua && echo yes") == "yes\n"
end

--- Runs a file of Lua with this umask.
---@param ... string its `arg`
function users.run_under(umask, file, ...)
  users.sh("umask %s && %s '%s'", umask, LUA, table.concat({ file, ... }, "' '"))
end

--- Runs the `leadcat` command as the user nobody.
---@param ... string its arguments
---@return string output with what it wrote to stderr
---@return integer status
function users.leadcat_as_nobody(...)
  local words = table.concat({ "lua/leadcat/bin/leadcat", ... }, "' '")
  local output = users.output_of("%s %s '%s' 2>&1 </dev/null; echo $?", NOBODY, LUA, words)
  local text, status = output:match "^(.-)(%d+)\n$"
  return text, tonumber(status)
end

return users
