#!/bin/sh
# Runs a Lua script on this tree: with_lua.sh LUA SCRIPT [ARGUMENT ...]. BUILD names the build directory; SAN=asan or
# SAN=valgrind runs it under the sanitizers or under valgrind.
lua=$1
shift
case "$($lua -e 'print(jit and "luajit" or _VERSION)')" in
  luajit) module=luajit ;;
  'Lua 5.3') module=lua5.3 ;;
  *) module=lua5.4 ;;
esac
build=${BUILD:-build}
unset LUA_PATH_5_3 LUA_PATH_5_4 LUA_CPATH_5_3 LUA_CPATH_5_4
export LUA_PATH="lua/?.lua;lua/?/init.lua;spec/?.lua;;" LUA_CPATH="$build/$module/?.so;;"
export LEADCAT_LUA="$lua" LEADCAT_BUILD="$build"
case "$SAN" in
  asan) exec env LD_PRELOAD="$LD_PRELOAD_SAN" "$lua" "$@" ;;
  valgrind) exec valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
    --errors-for-leak-kinds=definite "$lua" "$@" ;;
  *) exec "$lua" "$@" ;;
esac
