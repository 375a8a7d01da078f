//! What a track takes over from its initialization segment: the description of its samples and
//! the boxes about its kind of media.

use media_core::Init;

use super::Invalid;
use crate::cmaf::boxes::{HEADER_BYTES, find};

/// Boxes of an initialization segment, with their headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Description<'a> {
    /// `hdlr`.
    pub(super) handler: &'a [u8],
    /// What stands in `minf` before the sample table: the kind's header and `dinf`.
    pub(super) media_information: &'a [u8],
    /// `stsd`.
    pub(super) samples: &'a [u8],
}

impl<'a> Description<'a> {
    /// Finds the boxes of the one track of `init`.
    pub(super) fn of(init: &'a Init) -> Result<Self, Invalid> {
        let no = |missing| Invalid::NoBox {
            rendition: init.rendition.to_string(),
            missing,
        };
        let media = find(&init.bytes, &[b"moov", b"trak", b"mdia"]).ok_or_else(|| no("mdia"))?;
        let media = &media[HEADER_BYTES..];
        let handler = find(media, &[b"hdlr"]).ok_or_else(|| no("hdlr"))?;
        let information = find(media, &[b"minf"]).ok_or_else(|| no("minf"))?;
        let information = &information[HEADER_BYTES..];
        let table = find(information, &[b"stbl"]).ok_or_else(|| no("stbl"))?;
        // It is the last: what `find` gives begins behind all others.
        let before = table.as_ptr() as usize - information.as_ptr() as usize;
        let samples = find(&table[HEADER_BYTES..], &[b"stsd"]).ok_or_else(|| no("stsd"))?;
        Ok(Self {
            handler,
            media_information: &information[..before],
            samples,
        })
    }
}
