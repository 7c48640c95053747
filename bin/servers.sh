# Sourced after bin/packages.sh: PostgreSQL and Redis for one run alone, on sockets in a folder of its own. They need not
# survive a power cut, so they do not sync.

servers=()
scratch=

# Starts them in the new folder $scratch; psql holds a superuser's psql, with its arguments.
start_servers() {
  local postgres identity=()
  postgres=$(postgres_folder)
  scratch=$(mktemp -d)
  chmod 711 "$scratch"
  mkdir "$scratch/s" "$scratch/pg"
  if [ "$(id -u)" = 0 ]; then
    local user
    for user in signalbox postgres nobody; do id "$user" >/dev/null 2>&1 && break; done
    chown "$user" "$scratch/s" "$scratch/pg"
    identity=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
  fi
  chmod 700 "$scratch/s" "$scratch/pg"
  (
    cd "$scratch"
    "${identity[@]}" "$postgres/initdb" --no-sync -A trust -U postgres -E UTF8 --locale=C.UTF-8 -D "$scratch/pg"
  ) >"$scratch/initdb.log" 2>&1 || { cat "$scratch/initdb.log"; refuse "initdb failed"; }
  (
    cd "$scratch/s"
    exec "${identity[@]}" "$postgres/postgres" -D "$scratch/pg" -k "$scratch/s" -c listen_addresses= -c fsync=off \
      -c full_page_writes=off -c max_connections=400 -c shared_buffers=128MB -c max_wal_size=4GB
  ) >"$scratch/postgres.log" 2>&1 &
  servers+=("$!")
  (
    cd "$scratch/s"
    exec "${identity[@]}" "$(redis_program)" --port 0 --unixsocket "$scratch/s/redis.sock" --save '' --appendonly no
  ) >"$scratch/redis.log" 2>&1 &
  servers+=("$!")
  local patience=300
  until "$postgres/pg_isready" -q -h "$scratch/s" && [ -S "$scratch/s/redis.sock" ]; do
    patience=$((patience - 1))
    [ $patience -gt 0 ] || { cat "$scratch/postgres.log" "$scratch/redis.log"; refuse "the servers did not start"; }
    sleep 0.1
  done
  psql=("$postgres/psql" -XqAt -v ON_ERROR_STOP=1 -h "$scratch/s")
}

# Stops them and removes their folder.
stop_servers() {
  local pid
  for pid in "${servers[@]}"; do kill -INT "$pid" 2>/dev/null || true; done
  for pid in "${servers[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
}
