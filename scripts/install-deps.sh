#!/usr/bin/env bash
# Installs the Debian and Ubuntu packages that a task needs and this machine lacks.
#
#   scripts/install-deps.sh build|run|web|test|players|bench …
#
# It says what it installs, asks nothing, calls apt only where something is missing, and uses sudo
# where it is not root. What the tests need beyond packages (cargo-nextest) it builds with cargo;
# an S3 server and Schemathesis it installs from PyPI, into target/ alone.
set -euo pipefail
cd "$(dirname "$0")/.."

# The compiler's needs: libsrt and GStreamer are linked, SQLite and ring are compiled (C).
BUILD=(build-essential pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev)

# What the server loads while it runs: demuxers, decoders, scalers, x264 (ugly) and FFmpeg's codecs
# (libav). gstreamer1.0-x has the clock that is painted into the demo's test pattern.
RUN=(
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x
)

# Encoders and players that the tests use, and fonts for what ffmpeg paints into its pictures. Of VLC
# the program and the modules that it needs without a screen.
# nginx with its RTMP module is there to be checked, never to serve: the tests start one of their own,
# as they do with PostgreSQL. Programs of Python's have environments of their own.
TEST=(
  ffmpeg srt-tools gstreamer1.0-tools curl fonts-dejavu-core nginx libnginx-mod-rtmp postgresql
  python3-venv vlc-bin vlc-plugin-base
)

# Programs of the tests that come from PyPI: scripts/NAME.txt lists what each consists of, and
# target/NAME is where it is installed. The S3 server is moto's.
PYTHON=(s3-server schemathesis)

# The peer of the benchmarks of delivery, h2load, and wrk for the API. They start an nginx of their own; the service
# that the package brings (on port 80) is of no use here and is kept from starting.
BENCH=(ffmpeg nginx nghttp2-client openssl util-linux wrk)

# Players that each play for a minute in `make test-minute`, beside those of the tests.
PLAYERS=(mpv)

# Oldest Node that builds the pages (Debian 12 has 18).
NODE_MAJOR_MIN=18

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "install-deps: $*"
  exit 1
}

# Appends to `missing` those of the given packages that are not installed.
missing=()
want() {
  local package
  for package in "$@"; do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
      missing+=("$package")
    fi
  done
}

want_rust() {
  command -v cargo >/dev/null || fail "cargo is not in PATH: install Rust from https://rustup.rs"
}

want_libsrt() {
  # The flavour that FFmpeg's libraries bring into the process anyway: with the other one there
  # would be two (design/0008). It replaces libsrt-openssl-dev.
  pkg-config --libs 'srt >= 1.5.0' 2>/dev/null | grep -q gnutls || want libsrt-gnutls-dev
}

want_node() {
  if ! command -v node >/dev/null; then
    want nodejs npm
  elif ! command -v npm >/dev/null; then
    want npm
  fi
}

check_node() {
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge "$NODE_MAJOR_MIN" ] ||
    fail "Node $major is too old for the pages: $NODE_MAJOR_MIN or newer is needed"
}

want_browser() {
  local browser
  for browser in chromium chromium-browser google-chrome google-chrome-stable; do
    # Ubuntu's chromium-browser package is a script that asks for the snap.
    if command -v "$browser" >/dev/null && "$browser" --version >/dev/null 2>&1; then return; fi
  done
  if grep -q '^ID=ubuntu' /etc/os-release; then
    say "install-deps: Chromium is a snap on Ubuntu and is not installed here: the browser tests" \
      "will be skipped. To run them: snap install chromium"
  else
    want chromium
  fi
}

install_missing() {
  [ "${#missing[@]}" -gt 0 ] || return 0
  # RUNLEVEL=1: invoke-rc.d(8) starts no service of what is installed.
  local as_root=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1)
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      fail "these packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
    as_root=(sudo "${as_root[@]}")
  fi
  local apt=("${as_root[@]}" apt-get -y -q --no-install-recommends)
  say "Installing by apt: ${missing[*]}"
  # A list that cannot be renewed may still be good enough to install from.
  "${apt[@]}" update >/dev/null || say "install-deps: apt-get update failed, going on without"
  "${apt[@]}" install "${missing[@]}" >&2 ||
    fail "apt could not install: ${missing[*]} (its reason stands above)"
  # Their packages start servers (on ports 80 and 5432), which nobody asked for: the tests start
  # their own.
  local service
  for service in nginx postgresql; do
    if [[ " ${missing[*]} " == *" $service "* ]] && [ -d /run/systemd/system ]; then
      say "Stopping the $service that its package started"
      "${as_root[@]}" systemctl disable --now "$service" >/dev/null 2>&1 ||
        say "install-deps: it could not be stopped: systemctl disable --now $service"
    fi
  done
}

install_nextest() {
  if ! cargo nextest --version >/dev/null 2>&1; then
    say "Installing by cargo, some minutes: cargo-nextest"
    cargo install cargo-nextest --locked
  fi
}

install_python() {
  local name packages folder
  for name in "${PYTHON[@]}"; do
    packages=scripts/$name.txt
    folder=target/$name
    # Installed from this very list, or from another one, or half.
    if cmp -s "$packages" "$folder/packages.txt"; then continue; fi
    say "Installing from PyPI into $folder, half a minute"
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$packages" ||
      fail "pip could not install what $packages lists (its reason stands above)"
    cp "$packages" "$folder/packages.txt"
  done
}

[ "$#" -gt 0 ] || fail "say what for: build, run, web, test, players or bench"
tasks=" $* "

case "$tasks" in *" build "* | *" test "*) want_rust ;; esac

if ! command -v apt-get >/dev/null; then
  say "install-deps: no apt here, so nothing is installed. Needed are a C compiler, pkg-config," \
    "libsrt 1.5, GStreamer 1.22 with its plug-ins base, good, bad, ugly and libav," \
    "Node $NODE_MAJOR_MIN and npm; for the tests ffmpeg, VLC, srt-live-transmit, nginx with its RTMP" \
    "module, PostgreSQL (15 or newer) and Chromium; for the benchmarks nginx, h2load and wrk."
else
  for task in $tasks; do
    case "$task" in
      build) want "${BUILD[@]}" && want_libsrt ;;
      run) want "${RUN[@]}" ;;
      web) want_node ;;
      players) want "${PLAYERS[@]}" ;;
      test) want "${TEST[@]}" && want_browser ;;
      bench) want "${BENCH[@]}" && want_node ;;
      *) fail "unknown task $task: build, run, web, test, players or bench" ;;
    esac
  done
  install_missing
fi

case "$tasks" in *" web "*) check_node ;; esac
case "$tasks" in *" test "*) install_nextest && install_python ;; esac
