#!/bin/sh
# serve.sh DIRECTORY: Debian's Tryton with leads and opportunities, on 127.0.0.1:$PORT (8000), until Ctrl-C. The database is SQLite in
# DIRECTORY, or what URI names (postgresql://user@host:port/), called $DATABASE (tryton) there. It is filled the first time, which
# takes about a minute. DIRECTORY/password has the password of the user admin.
directory=$(mkdir -p "$1" && cd "$1" && pwd) || exit 1
database=${DATABASE:-tryton}
umask 077

fail() {
  echo "$1" >&2
  exit 1
}

command -v trytond-admin >/dev/null \
  || fail "Tryton is not installed; type: sudo apt-get install tryton-server tryton-modules-sale-opportunity"

cat >"$directory/trytond.conf" <<END || exit 1
[web]
listen = 127.0.0.1:${PORT:-8000}
[database]
uri = ${URI:-sqlite://}
path = $directory
END

if ! [ -e "$directory/is_filled" ]; then
  [ -e "$directory/password" ] || od -An -N 12 -tx1 /dev/urandom | tr -d ' \n' >"$directory/password" || exit 1
  [ -n "$URI" ] || : >"$directory/$database.sqlite" # the tables go into a file that must be there
  TRYTONPASSFILE=$directory/password trytond-admin -c "$directory/trytond.conf" -d "$database" --email admin@example.test \
    -u sale_opportunity --activate-dependencies </dev/null >"$directory/admin.log" 2>&1 \
    || fail "Tryton's database could not be made; $directory/admin.log says why"
  : >"$directory/is_filled"
fi
exec trytond -c "$directory/trytond.conf" -d "$database"
