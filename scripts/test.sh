#!/usr/bin/env bash
# Every check and test of the repository, one after the other; ends at the first that fails.
# `make test` calls it. Arguments go to `cargo nextest run`, such as a filter.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n\033[1m== %s (%d s)\033[0m\n' "$1" "$SECONDS"; }

# What Chromium is called here; nothing where there is none.
browser() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    # Ubuntu's chromium-browser package is a script that asks for the snap.
    if command -v "$name" >/dev/null && "$name" --version >/dev/null 2>&1; then
      command -v "$name"
      return
    fi
  done
}

step 'rustfmt'
cargo fmt --all --check

step 'benchmarks: how results are written'
node --test benches/*.test.mjs

# Before anything that compiles: the pages are part of the binary.
step 'pages: types, build, tests'
make --no-print-directory web
npm --prefix web test

step 'clippy'
cargo clippy --workspace --all-targets --locked -- -D warnings

step 'cargo-deny'
if cargo deny --version >/dev/null 2>&1; then
  cargo deny --offline check licenses bans sources
else
  echo 'SKIPPED: cargo-deny is not installed (cargo install cargo-deny)'
fi

step 'build'
cargo nextest run --workspace --locked --no-run

step 'documentation tests'
cargo test --workspace --locked --doc --quiet

if compgen -G 'tests/browser/*.test.mjs' >/dev/null; then
  step 'browser tests'
  chromium=$(browser)
  if [ -n "$chromium" ]; then
    # The bad networks, which no test target builds.
    cargo build --locked --package netproxy
    # One after the other: each starts a server and an encoder of its own.
    CHROMIUM="$chromium" node --test --test-concurrency=1 tests/browser/*.test.mjs
  else
    echo 'SKIPPED: no Chromium here (on Ubuntu it is a snap: snap install chromium)'
  fi
fi

step 'the API against its description'
node --test tests/contract/*.test.mjs

step 'tests'
# One more than there are cores: most of a test that has a publisher is waiting for its next picture.
cargo nextest run --workspace --locked --test-threads "$(($(nproc) + 1))" "$@"
