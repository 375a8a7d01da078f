//! A transport stream of anybody, in any cut and at any time: nothing is found twice over, and what is
//! kept between the pieces is less than a packet.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use media_core::transport_stream::{Inspector, PACKET_BYTES};

fuzz_target!(|bytes: &[u8]| {
    let Some((&cut, stream)) = bytes.split_first() else {
        return;
    };
    let mut whole = Inspector::default();
    let at_once = whole.take(stream, Duration::ZERO);
    assert!(at_once.breaks as usize <= stream.len() / PACKET_BYTES);

    let mut inspector = Inspector::default();
    let (mut breaks, mut now) = (0, Duration::ZERO);
    for piece in stream.chunks(usize::from(cut) + 1) {
        now += Duration::from_millis(u64::from(cut));
        breaks += inspector.take(piece, now).breaks as usize;
    }
    assert!(breaks <= stream.len() / PACKET_BYTES);
});
