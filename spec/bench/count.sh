#!/bin/sh
# Counts the instructions of a decision, of an event that updates and of one that changes nothing, beside the figures kept in
# counts.txt; more than 5% above those is a warning. KEEP=1 keeps the new ones. What the kernel does is not counted.
cd "$(dirname "$0")/../.." || exit 1
kept=spec/bench/counts.txt
lua=$1

# instructions WHAT N: of a whole run.
instructions() {
  output=$(RUN_UNDER="valgrind --tool=callgrind --callgrind-out-file=/dev/null" \
    sh spec/support/with_lua.sh "$lua" spec/bench/count.lua "$1" "$2" 2>&1) || { echo "$output" >&2; return 1; }
  echo "$output" | sed -n 's/.*Collected : //p'
}

# one WHAT SHORT LONG: of one call, by the difference of two runs.
one() {
  short=$(instructions "$1" "$2") long=$(instructions "$1" "$3")
  [ -n "$short" ] && [ -n "$long" ] || { echo "$1 cannot be counted" >&2; exit 1; }
  echo $(((long - short) / ($3 - $2)))
}

# compare WHAT NOW
compare() {
  awk -v what="$1" -v now="$2" '$1 == what {
    change = (now / $2 - 1) * 100
    printf "instructions of %s: now %d, kept %d, change %+.1f%%\n", what, now, $2, change
    if (change > 5) printf "warning: %s takes %.1f%% more instructions than was kept in '$kept'\n", what, change
  }' $kept
}

decide=$(one decide 10000 60000) && loop=$(one loop 10000 60000) && handle=$(one handle 200 600) &&
  unchanged=$(one unchanged 1000 3000) || exit 1
decide=$((decide - loop))
compare decide "$decide"
compare handle "$handle"
compare unchanged "$unchanged"
[ -z "$KEEP" ] || printf 'decide %d\nhandle %d\nunchanged %d\n' "$decide" "$handle" "$unchanged" >$kept
