-- lua/ runs on Lua 5.4, 5.3 and LuaJIT alike: only what all of them have.
std = "min"
cache = false

files["spec"].std = "min+busted"
