#!/bin/sh
# Runs the fuzzers, each for FUZZ_SECONDS: those of the C core, then those of targets.lua. They start from spec/fuzz/corpus and
# from what earlier runs have found, which is kept in $BUILD/fuzz/corpus. An input that breaks a promise is written to
# $BUILD/fuzz, and ends with status 1; when it is mended it belongs into spec/fuzz/corpus. FUZZ names the ones to run.
build=${BUILD:-build}/fuzz
seconds=${FUZZ_SECONDS:-10}
stores=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/leadcat_fuzz_XXXXXX")
trap 'rm -rf "$stores"' EXIT
failed=0

unset LUA_PATH_5_4 LUA_CPATH_5_4
export LUA_PATH="lua/?.lua;lua/?/init.lua;spec/?.lua;;" LEADCAT_FUZZ_DIRECTORY="$stores"
export ASAN_OPTIONS=detect_leaks=0:"$ASAN_OPTIONS" # Lua's memory is freed when the process ends

for name in ${FUZZ:-ruleset build records event config csv jsonl text form http answer hook pg}; do
  program=$build/$name
  [ -x "$program" ] || program=$build/lua
  dictionary=spec/fuzz/$name.dict
  mkdir -p "$build/corpus/$name" "spec/fuzz/corpus/$name"
  printf '%-8s ' "$name"
  LEADCAT_FUZZ=$name "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
    $([ -f "$dictionary" ] && echo "-dict=$dictionary") -artifact_prefix="$build/$name-" \
    "$build/corpus/$name" "spec/fuzz/corpus/$name" >"$build/$name.log" 2>&1
  if [ $? -eq 0 ]; then
    runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$build/$name.log")
    sed -n "s/.*cov: \([0-9]*\) ft: \([0-9]*\) corp: \([0-9]*\).*/$runs runs, \1 branches, \2 features, \3 inputs/p" \
      "$build/$name.log" | tail -1
  else
    failed=1
    echo "failed: see $build/$name.log"
    grep -E '^broken:|ERROR:|runtime error:|Test unit written' "$build/$name.log"
  fi
done

exit $failed
