# Runs a new Postgres until standard input ends, then removes its files. Prints the folder of its socket once
# Postgres accepts connections. $1 is the folder with Postgres' programs.
# Standard input is a pipe from the tests, so Postgres stops however the tests end.
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/archety-postgres.XXXXXX")
trap 'rm -rf "$dir"' EXIT
"$1/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log"
"$1/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c max_connections=200 -c jit=off -c autovacuum=off \
  -c fsync=off -c full_page_writes=off -c synchronous_commit=off >"$dir/log" 2>&1 &
server=$!
until "$1/pg_isready" -q -h "$dir" -U postgres; do
  kill -0 "$server"
  sleep 0.05
done
echo "$dir"
cat >/dev/null
kill -QUIT "$server"
wait "$server" || true
