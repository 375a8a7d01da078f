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
#[path = "../fuzz/fuzz_targets/rtmp_amf0.rs"]
mod rtmp_amf0;
#[path = "../fuzz/fuzz_targets/rtmp_flv.rs"]
mod rtmp_flv;
#[path = "../fuzz/fuzz_targets/rtmp_session.rs"]
mod rtmp_session;
#[path = "../fuzz/fuzz_targets/streamid.rs"]
mod srt_streamid;

crate::replayed! {
    rtmp_session: 4_000,
    rtmp_amf0: 20_000,
    rtmp_flv: 20_000,
    srt_streamid: 20_000,
}
