#!/bin/sh
# Measures leadcat beside its alternatives and its limits, on the Luas given, and prints one Markdown table of it. Each ratio
# is of figures measured in turn in one run: the median of the rounds' ratios. QUICK=1 does fewer of each.
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
peers=$build/peers
first=$1

# What npm gives is kept in the build directory and asked for again only when package-lock.json has changed.
install_peers() {
  command -v node >/dev/null && command -v npm >/dev/null || return
  mkdir -p "$peers"
  cp spec/bench/peers/*.mjs spec/bench/peers/*.json "$peers"
  cmp -s spec/bench/peers/package-lock.json "$peers/node_modules/installed.json" && return
  (cd "$peers" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 &&
    cp "$peers/package-lock.json" "$peers/node_modules/installed.json"
}

# The machine, and the versions of all that is measured, one a line.
about() {
  sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1
  echo "$(nproc) cores"
  echo "Linux $(uname -r)"
  for lua in "$@"; do
    $lua -v 2>&1 | sed 's/ *\(Copyright\|--\).*//'
  done
  sh spec/support/with_lua.sh "$first" -e 'print((require("bench.raw_lmdb").version:gsub(":.*", "")))'
  node --version 2>/dev/null | sed 's/^v/node /'
  sed -n '/ependencies/,/}/s/^ *"\(.*\)": "\([0-9.]*\)".*/\1 \2/p' spec/bench/peers/package.json
}

not_measured() {
  echo "| $1 | | not measured: $2 | | | |"
}

# part LUA SCRIPT: prints its rows.
status=0
part() {
  sh spec/support/with_lua.sh "$@" && return
  not_measured "$2 ($1)" "it has failed"
  status=1
}

about "$@" | paste -sd, | sed 's/,/, /g'
printf '\n%s\n%s\n' '| what | leadcat | beside | ratio | goal | |' '|---|--:|---|--:|--:|---|'
for script in decide conditions tenants handle ways; do
  for lua in "$@"; do
    part "$lua" spec/bench/$script.lua
  done
done
part "$first" spec/bench/simulate.lua
if install_peers; then
  PEERS=$peers part "$first" spec/bench/peers.lua
else
  not_measured "json-logic-js, json-rules-engine, GoRules zen" "npm has not installed them"
fi
part "$first" spec/bench/confirmations.lua
if command -v psql >/dev/null; then
  part "$first" spec/bench/sql.lua
else
  not_measured PostgreSQL "apt-get install postgresql lua-dbi-postgresql"
fi
if command -v nginx >/dev/null && command -v wrk >/dev/null; then
  part "$first" spec/nginx/bench.lua
else
  not_measured nginx "apt-get install nginx libnginx-mod-http-lua wrk"
fi
if [ -z "$QUICK" ]; then # two servers, and minutes
  if command -v psql >/dev/null && command -v nginx >/dev/null && command -v wrk >/dev/null; then
    part "$first" spec/bench/shared.lua
  else
    not_measured "nginx, shared store" "apt-get install postgresql nginx libnginx-mod-http-lua wrk"
  fi
fi
exit $status
