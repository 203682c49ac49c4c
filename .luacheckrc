-- lua/ runs on Lua 5.4, 5.3, 5.2 and LuaJIT alike: only what all of them have.
std = "min"
cache = false
max_comment_line_length = false -- an annotation is one line, however long

files["spec"].std = "min+busted"

-- Calls are protected by lua/leadcat/util/protected.lua, which lets Ctrl-C pass. Only the command line and the demo write
-- to a terminal.
files["lua"].not_globals = { "pcall", "xpcall", "print", "io.stderr" }
files["lua/leadcat/util/protected.lua"].read_globals = { "pcall" }
for _, path in ipairs { "lua/leadcat/cli.lua", "lua/leadcat/cli", "lua/leadcat/demo/run.lua" } do
  files[path].read_globals = { "print", "io.stderr" }
end
