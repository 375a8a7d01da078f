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

#[path = "../../fuzz/replay.rs"]
mod replay;
#[path = "../fuzz/fuzz_targets/transport_stream.rs"]
mod transport_stream;

crate::replayed! {
    transport_stream: 5_000,
}
