#!/bin/sh
# Runs a Lua script on this tree: with_lua.sh LUA SCRIPT [ARGUMENT ...]. BUILD names the build directory; RUN_UNDER is a
# command to run Lua under, such as valgrind.
lua=$1
shift
case "$($lua -e 'print(jit and "luajit" or _VERSION)')" in
  luajit) module=luajit ;;
  'Lua 5.3') module=lua5.3 ;;
  'Lua 5.2') module=lua5.2 ;;
  *) module=lua5.4 ;;
esac
build=${BUILD:-build}
unset LUA_PATH_5_2 LUA_PATH_5_3 LUA_PATH_5_4 LUA_CPATH_5_2 LUA_CPATH_5_3 LUA_CPATH_5_4
export LUA_PATH="lua/?.lua;lua/?/init.lua;spec/?.lua;;" LUA_CPATH="$build/$module/?.so;;"
export LEADCAT_LUA="$lua" LEADCAT_BUILD="$build"
exec $RUN_UNDER "$lua" "$@"
