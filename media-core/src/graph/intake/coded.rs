//! A publisher's coded pictures, kept until they have been decoded: what a ladder needs that passes
//! its source through.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;

use super::Shared;
use crate::graph::contain::contained;

/// Coded pictures inside the decoder: more than any reorders.
const PICTURES_MAX: usize = 64;

/// Bytes of them: a second of 100 Mbit/s, and a keyframe of 4 MB.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of a NAL unit's length, in all that goes into one track of a rendition (x264enc's).
const LENGTH_BYTES: usize = 4;

/// `nal_unit_type` of a slice of an IDR picture (ISO/IEC 14496-10 table 7-1).
const NAL_IDR: u8 = 5;

/// The same of an access unit delimiter.
const NAL_DELIMITER: u8 = 9;

/// A decoded picture, and what it was decoded from where that is kept.
pub(in crate::graph) struct Picture {
    pub(in crate::graph) buffer: gst::Buffer,
    pub(in crate::graph) coded: Option<Coded>,
}

/// What consecutive coded pictures have in common.
#[derive(Debug)]
pub(in crate::graph) struct CodedForm {
    /// The `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1).
    pub(in crate::graph) config: Bytes,
    pub(in crate::graph) width: u32,
    pub(in crate::graph) height: u32,
    /// Why no player should be given them as they are.
    pub(in crate::graph) unfit: Option<&'static str>,
}

/// One coded picture.
#[derive(Clone, Debug)]
pub(in crate::graph) struct Coded {
    pub(in crate::graph) form: Arc<CodedForm>,
    /// Counts those of one form, in decode order.
    pub(in crate::graph) number: u64,
    /// Whether it is an IDR picture.
    pub(in crate::graph) is_keyframe: bool,
    /// NAL units, each after its length in four bytes.
    pub(in crate::graph) data: Bytes,
}

/// Coded pictures that are being decoded, in decode order, each with its PTS in the pipeline.
#[derive(Default)]
pub(super) struct InDecoder {
    waiting: VecDeque<(u64, Coded)>,
    bytes: usize,
}

impl InDecoder {
    fn enter(&mut self, pts: u64, coded: Coded) {
        self.bytes += coded.data.len();
        self.waiting.push_back((pts, coded));
        while self.waiting.len() > PICTURES_MAX || self.bytes > BYTES_MAX {
            self.pop();
        }
    }

    /// What the picture that is shown at `pts` was decoded from. Those before it are forgotten: they
    /// were not decoded.
    pub(super) fn leave(&mut self, pts: u64) -> Option<Coded> {
        let before = self.waiting.iter().position(|(own, _)| *own == pts)?;
        for _ in 0..before {
            self.pop();
        }
        self.pop()
    }

    fn pop(&mut self) -> Option<Coded> {
        let (_, coded) = self.waiting.pop_front()?;
        self.bytes -= coded.data.len();
        Some(coded)
    }
}

/// Asks `parser` for pictures as MP4 has them, behind it.
pub(super) fn as_in_mp4() -> gst::Caps {
    gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
        .build()
}

/// Keeps what enters `decoder`.
pub(super) fn keep(decoder: &gst::Element, shared: &Arc<Shared>) {
    let Some(pad) = decoder.static_pad("sink") else {
        return;
    };
    let shared = Arc::downgrade(shared);
    let tap = Mutex::new(Tap::default());
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(kinds, move |_, info| {
        let keep = || {
            let mut tap = tap.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view()) {
                tap.form = CodedForm::of(caps.caps()).map(Arc::new);
                tap.number = 0;
            }
            if let (Some(buffer), Some(shared)) = (info.buffer(), shared.upgrade())
                && let Some(pts) = buffer.pts()
                && let Some(coded) = tap.take(buffer, pts.nseconds())
            {
                shared.in_decoder().enter(pts.nseconds(), coded);
            }
        };
        // At worst they are not passed through.
        contained(keep, || ());
        gst::PadProbeReturn::Ok
    });
}

#[derive(Default)]
struct Tap {
    form: Option<Arc<CodedForm>>,
    number: u64,
    latest_pts: u64,
}

impl Tap {
    fn take(&mut self, buffer: &gst::Buffer, pts: u64) -> Option<Coded> {
        let form = self.form.as_ref()?;
        if pts < self.latest_pts && form.unfit.is_none() {
            self.form = Some(Arc::new(CodedForm {
                config: form.config.clone(),
                unfit: Some("it has B-frames"),
                ..**form
            }));
        }
        self.latest_pts = self.latest_pts.max(pts);
        let mapped = buffer.clone().into_mapped_buffer_readable().ok()?;
        let data = without_delimiter(Bytes::from_owner(mapped));
        let number = self.number;
        self.number += 1;
        Some(Coded {
            form: Arc::clone(self.form.as_ref()?),
            number,
            is_keyframe: is_idr(&data),
            data,
        })
    }
}

impl CodedForm {
    /// The form of pictures with these caps, as h264parse says them; `None`: there is no configuration.
    fn of(caps: &gst::CapsRef) -> Option<Self> {
        let structure = caps.structure(0)?;
        let config = structure.get::<gst::Buffer>("codec_data").ok()?;
        let config = config.into_mapped_buffer_readable().ok()?;
        let config = Bytes::from_owner(config);
        let side = |name: &str| structure.get::<i32>(name).ok().map(i32::unsigned_abs);
        let text = |name: &str| structure.get::<&str>(name).ok();
        let aspect = structure.get::<gst::Fraction>("pixel-aspect-ratio");
        let is_square = aspect.map_or(true, |it| it.numer() == it.denom());
        let length_bytes = config.get(4).map(|byte| usize::from(byte & 3) + 1);
        let profiles = [
            "constrained-baseline",
            "main",
            "high",
            "constrained-high",
            "progressive-high",
        ];
        let unfit = if !text("profile").is_some_and(|it| profiles.contains(&it)) {
            Some("its profile is not one that every player decodes")
        } else if text("interlace-mode").is_some_and(|mode| mode != "progressive") {
            Some("it is interlaced")
        } else if !is_square {
            Some("its pixels are not square")
        } else if length_bytes != Some(LENGTH_BYTES) {
            Some("its NAL units have short lengths")
        } else {
            None
        };
        Some(Self {
            config,
            width: side("width")?,
            height: side("height")?,
            unfit,
        })
    }
}

/// A picture without the access unit delimiter that it may begin with: parameter sets may come before
/// it, which nothing may before a delimiter.
fn without_delimiter(picture: Bytes) -> Bytes {
    let is_delimiter = |header: &u8| header & 0x1f == NAL_DELIMITER;
    match picture.split_first_chunk::<LENGTH_BYTES>() {
        Some((length, units)) if units.first().is_some_and(is_delimiter) => {
            let end = LENGTH_BYTES.saturating_add(u32::from_be_bytes(*length) as usize);
            picture.slice(end.min(picture.len())..)
        }
        _ => picture,
    }
}

/// Whether a picture, of NAL units with four bytes of length each, is an IDR picture.
fn is_idr(picture: &[u8]) -> bool {
    let mut rest = picture;
    while let Some((length, units)) = rest.split_first_chunk::<LENGTH_BYTES>() {
        if units.first().is_some_and(|header| header & 0x1f == NAL_IDR) {
            return true;
        }
        let length = u32::from_be_bytes(*length) as usize;
        rest = units.get(length..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(number: u64, bytes: usize) -> Coded {
        Coded {
            form: Arc::new(CodedForm {
                config: Bytes::new(),
                width: 2,
                height: 2,
                unfit: None,
            }),
            number,
            is_keyframe: false,
            data: vec![0; bytes].into(),
        }
    }

    #[test]
    fn a_decoded_picture_finds_what_it_was_decoded_from_and_forgets_what_was_not() {
        let mut inside = InDecoder::default();
        for number in 0..5 {
            inside.enter(number * 40, coded(number, 1));
        }
        let number = |coded: Option<Coded>| coded.map(|coded| coded.number);
        assert_eq!(number(inside.leave(0)), Some(0));
        assert_eq!(number(inside.leave(10)), None, "made up by the decoder");
        assert_eq!(number(inside.leave(80)), Some(2));
        assert_eq!(number(inside.leave(40)), None);
        assert_eq!(number(inside.leave(120)), Some(3));
    }

    #[test]
    fn what_a_decoder_swallows_is_bounded_in_number_and_bytes() {
        let mut inside = InDecoder::default();
        for number in 0..1000 {
            inside.enter(number, coded(number, 1));
        }
        assert_eq!(inside.waiting.len(), PICTURES_MAX);
        for number in 0..10 {
            inside.enter(number, coded(number, BYTES_MAX / 2));
        }
        assert_eq!((inside.waiting.len(), inside.bytes), (2, BYTES_MAX));
    }

    #[test]
    fn an_idr_picture_is_told_by_its_slices_whatever_stands_before_them() {
        let unit = |kind: u8, bytes: usize| {
            let mut unit = (bytes as u32).to_be_bytes().to_vec();
            unit.push(kind);
            unit.resize(LENGTH_BYTES + bytes, 0);
            unit
        };
        assert!(is_idr(
            &[unit(9, 2), unit(7, 20), unit(8, 4), unit(0x65, 90)].concat()
        ));
        assert!(!is_idr(&[unit(9, 2), unit(0x41, 90)].concat()));
        for damaged in [&[][..], &[0, 0], &[0, 0, 0, 9], &[255, 255, 255, 255, 1]] {
            assert!(!is_idr(damaged));
        }
    }
}
