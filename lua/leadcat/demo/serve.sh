#!/bin/sh
# serve.sh LUA, for `make serve`: makes the demo's store if there is none, fills in nginx.conf, and becomes nginx. PORT,
# BUILD, DIRECTORY (of the store), NGINX, NGINX_MODULES and CODE_CACHE ("on" or "off") may be set.
lua=${1:-lua5.4}
port=${PORT:-8080}
here=$(cd "$(dirname "$0")" && pwd) || exit 1
tree=$(cd "$here/../../.." && pwd) || exit 1
cd "$tree" || exit 1
build=$(cd "${BUILD:-build}" && pwd) || exit 1
nginx=${NGINX:-$(PATH="$PATH:/usr/sbin:/usr/local/openresty/nginx/sbin" command -v nginx)}
directory=${DIRECTORY:-$build/serve}

fail() {
  echo "$1" >&2
  exit 1
}

[ -n "$nginx" ] || fail "nginx is not installed; type: sudo apt-get install nginx libnginx-mod-http-lua"
case $port in
  '' | *[!0-9]*) fail "PORT must be a number, not '$port'" ;;
esac
# A server that listens there: state 0A, on any address or on 127.0.0.1.
if grep -Eqi "^ *[0-9]+: (0100007F|00000000|0{32}):$(printf %04X "$port") [0-9A-F:]+ 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null
then
  fail "port $port is taken; type: make serve PORT=$((port + 1))"
fi

mkdir -p "$directory/store" || exit 1
BUILD=$build sh spec/support/with_lua.sh "$lua" "$here/prepare.lua" "$directory/store" || exit 1
sed -e "s|@PORT@|$port|g; s|@TREE@|$tree|g; s|@BUILD@|$build|g; s|@CODE_CACHE@|${CODE_CACHE:-on}|g" \
  -e "s|@MODULES@|${NGINX_MODULES:-/usr/lib/nginx/modules}|g" "$here/nginx.conf" >"$directory/nginx.conf" || exit 1

cat <<END
The demo CRM is at http://127.0.0.1:$port/demo

  Sign in as administrator (sets the rules, undoes changes) or as salesperson; there are no passwords.
  Win a sale, and you are asked; register or lose one, and the category changes at once.
  It begins anew without $directory. Ctrl-C ends it.
END
# Root's workers stay root, since root owns the store.
[ "$(id -u)" != 0 ] || user="user root;"
exec "$nginx" -p "$directory/" -c "$directory/nginx.conf" -e stderr -g "$user"
