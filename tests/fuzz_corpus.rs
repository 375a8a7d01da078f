//! The corpus of each fuzz target of this crate, and mutations of it: see fuzz/README.md of the
//! repository.
#![allow(
    dead_code,
    unused_attributes,
    unused_imports,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    reason = "targets are programs of their own, of which the main is not compiled here; what several of \
              them share is here once for each"
)]

// What the targets take it for.
extern crate self as libfuzzer_sys;

#[path = "../fuzz/fuzz_targets/config.rs"]
mod config;
#[path = "../fuzz/fuzz_targets/head.rs"]
mod head;
#[path = "../fuzz/replay.rs"]
mod replay;

// What the configuration names of the rest of the binary.
pub(crate) use config::{hooks, overload, recordings};

crate::replayed! {
    head: 5_000,
    config: 3_000,
}
