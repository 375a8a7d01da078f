//! A transport stream of anybody, in any cut and at any time: nothing is found or passed on twice
//! over, and what is kept between the pieces is less than a packet.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use media_core::transport_stream::{Inspector, PACKET_BYTES};

fuzz_target!(|bytes: &[u8]| {
    let Some((&cut, stream)) = bytes.split_first() else {
        return;
    };
    let mut whole = Inspector::default();
    let mut passed = Vec::new();
    let at_once = whole.take(stream, Duration::ZERO, &mut passed);
    assert!(at_once.breaks as usize <= stream.len() / PACKET_BYTES);
    assert!(passed.len() <= stream.len() && passed.len() % PACKET_BYTES == 0);

    let mut inspector = Inspector::default();
    let (mut breaks, mut now) = (0, Duration::ZERO);
    passed.clear();
    for piece in stream.chunks(usize::from(cut) + 1) {
        now += Duration::from_millis(u64::from(cut));
        breaks += inspector.take(piece, now, &mut passed).breaks as usize;
    }
    assert!(passed.len() <= stream.len() && passed.len() % PACKET_BYTES == 0);
    assert!(breaks <= stream.len() / PACKET_BYTES);
});
