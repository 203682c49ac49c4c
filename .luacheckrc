-- lua/ runs on Lua 5.4, 5.3 and LuaJIT alike: only what all of them have.
std = "min"
cache = false
max_comment_line_length = false -- an annotation is one line, however long

files["spec"].std = "min+busted"
