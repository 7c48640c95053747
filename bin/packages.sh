# Sourced by bin/run and bin/test: installs the system packages that are missing, and nothing of the system's own is
# created, started, stopped or left changed by it.

say() { printf '%s\n' "$*"; }
refuse() { printf '\nsignalbox: %s\n' "$*" >&2; exit 1; }

# The folder of the newest PostgreSQL server's programs, nothing when there is none.
postgres_folder() {
  local folder best="" best_major=0 major
  for folder in ${SIGNALBOX_PG_BIN:-} /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin \
    /usr/local/opt/postgresql*/bin /home/linuxbrew/.linuxbrew/opt/postgresql*/bin $(tr ':' ' ' <<<"$PATH"); do
    [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ] || continue
    major=$("$folder/postgres" --version | sed -E 's/.*\) ([0-9]+).*/\1/')
    if [ "$major" -gt "$best_major" ]; then best=$folder best_major=$major; fi
  done
  [ "$best_major" -ge 15 ] && printf '%s\n' "$best"
}

# Debian has it where only root looks.
haproxy_program() { command -v haproxy || PATH=$PATH:/usr/sbin:/usr/local/sbin command -v haproxy; }

redis_program() { command -v redis-server || command -v valkey-server; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    refuse "installing needs root, and there is no sudo here. As root, run: $*"
  fi
}

# apt starts the services it installs and makes a database cluster. Both are switched off while it runs, and the
# switches are put back as they were, whatever happens.
apt_install() {
  local packages=("$@") policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.conf
  local apt=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq -o Dpkg::Use-Pty=0)
  local install=("${apt[@]}" install --yes --no-install-recommends --no-upgrade)
  local kept service
  kept=$(mktemp -d)
  restore_apt() {
    if [ -e "$kept/policy" ]; then as_root cp -p "$kept/policy" "$policy"; else as_root rm -f "$policy"; fi
    if [ -e "$kept/cluster" ]; then as_root cp -p "$kept/cluster" "$cluster"; fi
    rm -rf "$kept"
  }
  trap restore_apt EXIT
  if [ -e "$policy" ]; then as_root cp -p "$policy" "$kept/policy"; fi
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
  as_root "${apt[@]}" update
  if [[ " ${packages[*]} " == *" postgresql "* ]]; then
    as_root "${install[@]}" postgresql-common
    if [ -e "$cluster" ]; then as_root cp -p "$cluster" "$kept/cluster"; fi
    printf 'create_main_cluster = false\n' | as_root tee -a "$cluster" >/dev/null
  fi
  as_root "${install[@]}" "${packages[@]}"
  # A fresh server would start with the machine's next boot.
  for service in redis-server nginx nats-server haproxy; do
    if [[ " ${packages[*]} " == *" $service "* ]] && command -v deb-systemd-helper >/dev/null; then
      as_root deb-systemd-helper disable "$service.service" >/dev/null || true
      if [ -x "/etc/init.d/$service" ]; then as_root update-rc.d "$service" disable >/dev/null || true; fi
    fi
  done
  trap - EXIT
  restore_apt
}

# need NAME...: each of postgres, redis, cc, chromium, haproxy, nchan, nats-server, node, npm, python.
need() {
  local name missing=()
  for name in "$@"; do
    case $name in
      postgres) [ -n "$(postgres_folder)" ] ;;
      redis) redis_program >/dev/null ;;
      chromium) chromium_program >/dev/null ;;
      haproxy) haproxy_program >/dev/null ;;
      nchan) [ -e /usr/lib/nginx/modules/ngx_nchan_module.so ] ;;
      # With what makes a virtual environment, which Debian has in a package of its own.
      python) python3 -c 'import ensurepip' 2>/dev/null ;;
      *) command -v "$name" >/dev/null ;;
    esac || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing what is missing: ${missing[*]}"
  if command -v apt-get >/dev/null; then
    local packages=()
    for name in "${missing[@]}"; do
      case $name in
        postgres) packages+=(postgresql) ;;
        redis) packages+=(redis-server) ;;
        cc) packages+=(gcc libc6-dev) ;;
        # Ubuntu's own package is a snap, which a headless machine cannot run.
        chromium) if grep -qi ubuntu /etc/os-release; then continue; else packages+=(chromium); fi ;;
        nchan) packages+=(nginx libnginx-mod-nchan) ;;
        node) packages+=(nodejs) ;;
        python) packages+=(python3 python3-venv) ;;
        *) packages+=("$name") ;;
      esac
    done
    [ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}"
  elif command -v dnf >/dev/null; then
    for name in "${missing[@]}"; do
      case $name in
        postgres) as_root dnf install -y postgresql-server ;;
        redis) as_root dnf install -y redis || as_root dnf install -y valkey ;;
        cc) as_root dnf install -y gcc ;;
        python) as_root dnf install -y python3 ;;
        *) as_root dnf install -y "$name" ;;
      esac
    done
  elif command -v brew >/dev/null; then
    for name in "${missing[@]}"; do
      case $name in
        postgres) brew install --skip-post-install postgresql@17 ;;
        redis) brew install --skip-post-install redis ;;
        cc) refuse "a C compiler is needed: xcode-select --install" ;;
        chromium) brew install --cask chromium ;;
        *) brew install "$name" ;;
      esac
    done
  else
    refuse "neither apt, dnf nor brew is here. Please install by hand: PostgreSQL 15 or newer (server), Redis 7.0 or
newer (server), a C compiler. Then start this again."
  fi
  for name in "${missing[@]}"; do
    case $name in
      postgres) [ -n "$(postgres_folder)" ] || refuse "this system's PostgreSQL is older than 15. Install a newer one
(apt.postgresql.org has them for every Debian and Ubuntu), or name its programs' folder in SIGNALBOX_PG_BIN." ;;
      redis) redis_program >/dev/null || refuse "redis-server could not be installed" ;;
      cc) command -v cc >/dev/null || refuse "a C compiler could not be installed" ;;
    esac
  done
}

chromium_program() {
  [ -n "${CHROMIUM:-}" ] && { printf '%s\n' "$CHROMIUM"; return; }
  command -v chromium || command -v chromium-browser || command -v google-chrome
}

need_cargo() {
  command -v cargo >/dev/null || { [ -r "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"; }
  command -v cargo >/dev/null || refuse "a Rust toolchain is needed: https://rustup.rs installs one"
}

# Tests and load hold more than a thousand connections in one process; many systems begin with a limit of 1,024 files.
allow_many_files() {
  local most
  most=$(ulimit -Hn)
  if [ "$most" = unlimited ] || [ "$most" -gt 65536 ]; then most=65536; fi
  ulimit -Sn "$most" || true
}
