#!/bin/sh
# Runs the C tests, then every spec on each of the Luas given, then the browser tests; tells again what failed, and ends with
# the line "N passed, N failed". SPECS names the specs (default: all); RUN_UNDER as in with_lua.sh; with either of them no
# browser is started. LEADCAT_SLOW is set where everything takes long: specs then do fewer of each. JOBS processes share the
# specs.
here=$(dirname "$0")
build=${BUILD:-build}
log=$(mktemp)
told=$(mktemp) # what failed
trap 'rm -rf "$log" "$log".* "$told"' EXIT
passed=0 failed=0

# add PASSED FAILED STATUS: a run that ended badly without naming a failure has one all the same.
add() {
  passed=$((passed + ${1:-0}))
  failed=$((failed + ${2:-0}))
  if [ "$3" -ne 0 ] && [ "${2:-0}" -eq 0 ]; then
    failed=$((failed + 1))
    echo "ended with status $3"
  fi
}

for program in "$build"/spec/*_test; do
  [ -x "$program" ] || continue
  echo "== $program"
  $RUN_UNDER "$program" >"$log" 2>&1
  status=$?
  cat "$log"
  [ $status -eq 0 ] || { echo "== $program"; tail -20 "$log"; } >>"$told"
  counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log")
  add ${counts:-0 0} $status
done

# specs LUA: runs the specs given, and says how it ended in the last line.
specs() {
  lua=$1
  shift
  sh "$here/with_lua.sh" "$lua" "${BUSTED:-/usr/bin/busted}" --output=plainTerminal "$@" 2>&1
  echo "status $?"
}

# add_specs LOG: what the specs in it came to.
add_specs() {
  grep -aE -A 8 '^(Failure|Error) ->' "$1" >>"$told"
  status=$(sed -n '$s/^status //p' "$1")
  counts=$(sed -n 's/^\([0-9]*\) success[a-z]* \/ \([0-9]*\) failure[a-z]* \/ \([0-9]*\) error[a-z]* .*/\1 \2 \3/p' "$1" | tail -1)
  set_counts() { add "$1" $(($2 + $3)) "$status"; }
  set_counts ${counts:-0 0 0}
}

# take_parts LUA: runs every part of the specs that no other process has taken yet; the largest specs are spread over them.
take_parts() {
  for part in $(seq $parts); do
    mkdir "$log.$part.taken" 2>/dev/null || continue
    specs "$1" $(ls -S $all | awk -v parts=$parts -v part="$part" 'NR % parts == part % parts') >"$log.$part"
  done
}

all=${SPECS:-$(find spec -name "*_spec.lua" | sort)}
for lua in "$@"; do
  echo "== $lua"
  if [ "${JOBS:-1}" -eq 1 ]; then
    specs "$lua" $all | tee "$log"
    add_specs "$log"
    continue
  fi
  parts=$((JOBS * 4))
  for job in $(seq "$JOBS"); do
    take_parts "$lua" &
  done
  wait
  for part in $(seq $parts); do
    cat "$log.$part"
    add_specs "$log.$part"
  done
  rm -rf "$log".*
done

if [ -z "$SPECS$RUN_UNDER" ]; then
  echo "== browser"
  { LUA=$1 BUILD=$build sh "$here/../browser/run.sh"; echo "status $?"; } 2>&1 | tee "$log"
  status=$(sed -n '$s/^status //p' "$log")
  counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -1)
  add ${counts:-0 0} "$status"
fi

cut -c 1-400 "$told"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
