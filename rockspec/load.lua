-- load.lua CORE VERSION, for `make install`: fails unless this Lua can load that core, of that version.
local open, why = package.loadlib(arg[1], "luaopen_leadcat_core")
if not open or open().version ~= arg[2] then
  io.stderr:write(("nothing is installed: %s is not for %s: %s\n"):format(arg[1], jit and jit.version or _VERSION,
    why or "its version is " .. open().version .. ", not " .. arg[2]))
  os.exit(1)
end
