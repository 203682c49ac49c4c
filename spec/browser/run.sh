#!/bin/sh
# Shows the pages to Chromium; ends with the line "N passed, N failed". What npm gives is kept in the build directory and
# asked for again only when package-lock.json has changed. LUA makes the pages, CHROMIUM looks at them; what it sees of some
# is in screenshots/ of the build directory.
cd "$(dirname "$0")/../.." || exit 1
here=spec/browser
build=${BUILD:-build}/browser
log=$build/log

fail() {
  echo "$1" >&2
  echo "0 passed, 1 failed"
  exit 1
}

chromium=$(command -v "${CHROMIUM:-chromium}") || fail "no Chromium: apt-get install chromium"
mkdir -p "$build"
rm -f "$build"/*.mjs
cp $here/*.mjs $here/*.json "$build"
if ! cmp -s $here/package-lock.json "$build/node_modules/installed.json"; then
  (cd "$build" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || fail "npm ci did not succeed"
  cp $here/package-lock.json "$build/node_modules/installed.json"
fi
for pages in pages site reports brake overview suggest drafts; do
  rm -rf "${build:?}/$pages" && mkdir "$build/$pages"
  sh spec/support/with_lua.sh "${LUA:-lua5.4}" $here/$pages.lua "$build/$pages" || fail "no pages"
done

sh spec/support/with_lua.sh "${LUA:-lua5.4}" spec/support/doc/build.lua "$build/manual" >/dev/null || fail "no manual"

full=$(cd "$build" && pwd)
export PAGES="$full/pages" SITE="$full/site" REPORTS="$full/reports" MANUAL="$full/manual" BRAKE="$full/brake" OVERVIEW="$full/overview" SUGGEST="$full/suggest" DRAFTS="$full/drafts" SCREENSHOTS="$full/../screenshots" WEB="$PWD/lua/leadcat/web" CHROMIUM="$chromium" BUILD="$full/.."
node --test --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination="$log" "$build"/*.test.mjs
status=$?
count() {
  sed -n "s/^# $1 \([0-9]*\)\$/\1/p" "$log" | tail -1
}
passed=$(count pass) failed=$(($(count fail) + $(count cancelled)))
[ $status -eq 0 ] || [ $failed -gt 0 ] || failed=1
[ "${passed:-0}" -gt 0 ] || failed=1
echo "${passed:-0} passed, $failed failed"
[ $failed -eq 0 ]
