#!/bin/sh
# Makes a PostgreSQL server in a folder and runs it until its owner's end.
#
#   keep.sh FOLDER BIN OWNER
#
# FOLDER: removed at the end. BIN: where initdb and postgres are. OWNER: a process.
# FOLDER/port is there as soon as the server can be asked, FOLDER/log says why it cannot.
set -eu
folder=$1 bin=$2 owner=$3
# Messages that are recognised by their words come in one language.
export LC_ALL=C.UTF-8

server=
finish() {
  # Fast shutdown: does not wait for clients.
  if [ -n "$server" ]; then
    kill -INT "$server" 2>/dev/null || true
    wait "$server" || true
  fi
  # On failure the log is left, for whoever started this.
  if [ -e "$folder/port" ]; then rm -rf "$folder"; else rm -rf "$folder/data" "$folder/socket"; fi
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# PostgreSQL does not run as root.
as_user=
mkdir -m 700 "$folder/data" "$folder/socket"
if [ "$(id -u)" -eq 0 ]; then
  user=postgres
  id "$user" >/dev/null 2>&1 || user=nobody
  chown "$user" "$folder/data" "$folder/socket"
  as_user="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
fi
# Postgres wants a working directory that it may enter.
cd "$folder"

# Text sorts as it does where people install PostgreSQL, by language and not by byte: whoever relies
# on the other order shall see it here.
$as_user "$bin/initdb" --pgdata=data --username=postgres --auth-local=trust --auth-host=scram-sha-256 \
  --encoding=UTF8 --locale-provider=icu --icu-locale=en --no-sync --no-instructions

# Sockets for those who may enter the folder; loopback, with a password, for tests of just that.
# Nothing in it is worth being written through to the disk.
start() {
  $as_user "$bin/postgres" -D data -k "$folder/socket" -h 127.0.0.1 -p "$1" \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c wal_level=minimal \
    -c max_wal_senders=0 -c autovacuum=off -c max_connections=300 -c shared_buffers=32MB &
  server=$!
}

answers() { "$bin/pg_isready" -q -h "$folder/socket" -p "$1"; }

# A port is free when the server could take it.
port=0
for try in 1 2 3 4 5 6 7 8; do
  port=$((20000 + ($(od -An -N2 -tu2 /dev/urandom) % 12000)))
  start "$port"
  while kill -0 "$server" 2>/dev/null; do
    if answers "$port"; then break 2; fi
    sleep 0.05
  done
  wait "$server" || true
  server=
done
[ -n "$server" ] || exit 1
echo "$port" >"$folder/port.new"
mv "$folder/port.new" "$folder/port"

# Returns when the owner is gone.
tail --pid="$owner" -s 0.5 -f /dev/null
