#!/usr/bin/env bash
# Fuzzes the parsers, each for FUZZ_SECONDS: all of them, those of a folder (`packager`), or one of
# those (`packager vod`). Ends at the first input that a parser does not take well; cargo-fuzz says
# where it is kept and how it is run again. It begins with the corpora that are in the repository, and
# changes none of them (fuzz/README.md). `make fuzz` calls it.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-60}
folder=${1:-}
only=${2:-}

cargo fuzz --version >/dev/null 2>&1 || {
  echo 'cargo-fuzz is missing: cargo install --locked cargo-fuzz' >&2
  exit 1
}
# Sanitizers are not stable; everything else is what the server is built with.
export RUSTC_BOOTSTRAP=1

found=0
for crate in fuzz */fuzz; do
  [ -z "$folder" ] || [ "$crate" = "$folder/fuzz" ] || [ "$crate" = "$folder" ] || continue
  # Not in the loop's head, where nobody would see that it failed.
  targets=$(cargo fuzz list --fuzz-dir "$crate")
  for target in $targets; do
    [ -z "$only" ] || [ "$target" = "$only" ] || continue
    found=1
    printf '\n\033[1m== %s: %s, %d s\033[0m\n' "$crate" "$target" "$seconds"
    # What is read may be long; it never makes anything longer than this at a time.
    options=(-max_total_time="$seconds" -rss_limit_mb=1024 -malloc_limit_mb=64 -timeout=20)
    # Looking for leaks stops all threads, and not always starts them again.
    options+=(-detect_leaks=0)
    words=$crate/fuzz_targets/$target.dict
    [ ! -e "$words" ] || options+=("-dict=$words")
    # New inputs go to the first folder, which is not the repository's.
    finds=$crate/target/finds/$target
    mkdir -p "$finds"
    cargo fuzz run --fuzz-dir "$crate" "$target" "$finds" "$crate/corpus/$target" -- "${options[@]}"
  done
done
[ "$found" = 1 ] || {
  echo "no such target: $*" >&2
  exit 1
}
