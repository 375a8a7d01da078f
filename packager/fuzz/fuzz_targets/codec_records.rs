//! What encoders say of themselves, AVC and AAC: of any bytes a track is described, or refused, and an
//! initialization segment holds them unchanged.
//!
//! The first byte chooses the kind of track.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media_core::{Bitrate, Cadence, FrameRate, InitKind, RenditionName, Track};
use packager::cmaf::Muxer;

fuzz_target!(|input: &[u8]| {
    let [choice, record @ ..] = input else {
        return;
    };
    let frame_rate = FrameRate::new(30, 1).expect("neither is zero");
    let (name, kind) = match choice % 2 {
        0 => (
            "720p",
            InitKind::Video {
                width: 1280,
                height: 720,
                frame_rate,
            },
        ),
        _ => (
            "audio",
            InitKind::Audio {
                sample_rate: 48_000,
                channels: 2,
            },
        ),
    };
    let track = Track {
        rendition: RenditionName::new(name).expect("a name"),
        kind,
        bitrate: Bitrate::from_kbps(128),
        decoder_config: Bytes::copy_from_slice(record),
    };
    let second = std::time::Duration::from_secs(1);
    let Ok((_muxer, init)) = Muxer::new(&track, Cadence::new(frame_rate, 2 * second, second / 3))
    else {
        return assert!(record.len() < 4);
    };
    assert!(init.codec.is_ascii() && !init.codec.contains(['"', ',', '\n']));
    let is_inside = |len: usize| init.bytes.windows(len).any(|bytes| bytes == record);
    assert!(record.is_empty() || is_inside(record.len()));
});
