//! Made-up media for the tests: boxes with bytes that no other segment has.

use std::time::Duration;

use bytes::Bytes;
use media_core::{Bitrate, FrameRate, Init, InitKind, MediaTime, RenditionName, SampleRun};

use super::{Reserve, Segment};

/// No free space is asked for: the tests' disk may be as full as it likes.
pub(crate) const NO_RESERVE: Reserve = Reserve {
    bytes: 0,
    percent: 0,
};

pub(crate) fn name(text: &str) -> RenditionName {
    RenditionName::new(text).expect("a name")
}

fn box_of(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(8 + content.len()).expect("a small box");
    [&size.to_be_bytes()[..], kind, content].concat()
}

pub(crate) fn init(rendition: &str) -> Init {
    let kind = match rendition {
        "audio" => InitKind::Audio {
            sample_rate: 48_000,
            channels: 2,
        },
        _ => InitKind::Video {
            width: 1280,
            height: 720,
            frame_rate: FrameRate::new(30, 1).expect("a rate"),
        },
    };
    let moov = box_of(b"moov", rendition.as_bytes());
    Init {
        rendition: name(rendition),
        codec: "avc1.64001f".into(),
        kind,
        bitrate: Bitrate::from_kbps(2500),
        bytes: [box_of(b"ftyp", b"cmf2"), moov].concat().into(),
    }
}

/// Segment `number`: `chunks` chunks of two samples, with bytes that no other segment has.
pub(crate) fn segment(
    rendition: &str,
    number: usize,
    chunks: usize,
    sample_bytes: usize,
) -> Segment {
    let mut pieces = Vec::new();
    let mut runs = Vec::new();
    let mut offset = 0;
    for chunk in 0..chunks {
        let label = format!("{rendition}/{number}/{chunk};").into_bytes();
        let sample = |index: usize| -> Bytes {
            let all = label.iter().copied().cycle().skip(index);
            all.take(sample_bytes + index).collect::<Vec<u8>>().into()
        };
        let samples = [sample(0), sample(1)];
        let mdat = samples.iter().map(Bytes::len).sum::<usize>() + 8;
        let mut head = box_of(b"moof", &label);
        head.extend_from_slice(&u32::try_from(mdat).expect("small").to_be_bytes());
        head.extend_from_slice(b"mdat");
        runs.push(SampleRun {
            offset: u32::try_from(offset + head.len()).expect("small"),
            sizes: samples.iter().map(|it| it.len() as u32).collect(),
        });
        offset += head.len() - 8 + mdat;
        pieces.push(head.into());
        pieces.extend(samples);
    }
    let second = i64::try_from(number).expect("a small number");
    Segment {
        start: MediaTime::from_millis(2000 * second),
        duration: Duration::from_secs(2),
        keyframe_bytes: (rendition != "audio").then_some(runs[0].offset + runs[0].sizes[0]),
        pieces,
        runs,
    }
}
