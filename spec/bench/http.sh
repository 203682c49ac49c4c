#!/bin/sh
# What leadcat costs in nginx: see spec/nginx/bench.lua. ROUNDS and SECONDS (of each) may be set.
command -v wrk >/dev/null || { echo "not measured in nginx: apt-get install wrk" >&2; exit 0; }
exec sh spec/support/with_lua.sh "${1:-lua5.4}" spec/nginx/bench.lua
