//! Delivery directives (`_HLS_msn`, `_HLS_part`, `_HLS_skip`) and whatever else a playlist's query
//! may hold.
#![no_main]

mod stage;

use libfuzzer_sys::fuzz_target;
use stage::Stage;

fuzz_target!(|input: &[u8]| {
    thread_local!(static STAGE: Stage = Stage::new());
    for playlist in ["playlist", "iframes"] {
        let target = [format!("/live/s/720p/{playlist}.m3u8?").as_bytes(), input].concat();
        STAGE.with(|stage| stage.ask(&target, &[]));
    }
});
