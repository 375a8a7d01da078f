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

#[path = "../fuzz/fuzz_targets/codec_records.rs"]
mod codec_records;
#[path = "../fuzz/fuzz_targets/directives.rs"]
mod directives;
#[path = "../../fuzz/replay.rs"]
mod replay;
#[path = "../fuzz/fuzz_targets/request.rs"]
mod request;
#[path = "../fuzz/fuzz_targets/stored.rs"]
mod stored;
#[path = "../fuzz/fuzz_targets/vod.rs"]
mod vod;

/// What a target's input is taken apart by.
pub(crate) use ::arbitrary;

crate::replayed! {
    request: 2_000,
    directives: 2_000,
    vod: 2_000,
    stored: 2_000,
    codec_records: 5_000,
}
