//! A playlist's text as it is sent, made when the first viewer asks for it and shared by all who
//! ask after: once an update, not once a viewer, and not at all where nobody watches.

use std::cell::RefCell;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

/// Playlists shrink to an eighth at this level; the highest takes twice the time for 2 % more.
const GZIP_LEVEL: u32 = 6;

/// A playlist longer than this, which reaches hours back, is packed faster and not as tight: a
/// viewer asks for it once and for delta updates from then on.
const LONG_BYTES: usize = 64 * 1024;
const GZIP_LEVEL_LONG: u32 = 1;

/// The largest there is (RFC 1951 §3.2.5 reaches back no further): playlists repeat themselves.
const WINDOW_BITS: u8 = 15;

thread_local! {
    // A compressor works in some 300 kB. Made anew for each text, that leaves holes in the heap
    // which small things fill, so that the next one needs new room: tens of megabytes with
    // thousands of viewers.
    static SHORT: RefCell<Compress> = compressor(GZIP_LEVEL);
    static LONG: RefCell<Compress> = compressor(GZIP_LEVEL_LONG);
}

fn compressor(level: u32) -> RefCell<Compress> {
    RefCell::new(Compress::new_gzip(Compression::new(level), WINDOW_BITS))
}

/// How a text is coded for its way (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is.
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
}

/// A text in both codings, each once somebody has asked for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    identity: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
}

impl Text {
    /// The text that `render` makes, which must be the same at every call.
    pub(crate) fn coded(&self, coding: Coding, render: impl FnOnce() -> String) -> Bytes {
        let identity = || self.identity.get_or_init(|| render().into());
        match coding {
            Coding::Identity => identity().clone(),
            Coding::Gzip => self.gzip.get_or_init(|| gzip(identity())).clone(),
        }
    }
}

/// One viewer's own text.
pub(crate) fn code(text: String, coding: Coding) -> Bytes {
    match coding {
        Coding::Identity => text.into(),
        Coding::Gzip => gzip(text.as_bytes()),
    }
}

fn gzip(text: &[u8]) -> Bytes {
    let compressor = match text.len() > LONG_BYTES {
        true => &LONG,
        false => &SHORT,
    };
    let mut packed = Vec::with_capacity(text.len() / 6 + 64);
    compressor.with_borrow_mut(|compressor| {
        compressor.reset();
        let mut rest = text;
        loop {
            let before = compressor.total_in();
            let status = compressor
                .compress_vec(rest, &mut packed, FlushCompress::Finish)
                .expect("a compressor that was reset takes any text");
            if status == Status::StreamEnd {
                return;
            }
            let taken = compressor.total_in() - before;
            rest = &rest[usize::try_from(taken).unwrap_or(rest.len())..];
            packed.reserve(packed.capacity());
        }
    });
    packed.into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn texts_of_every_length_are_packed_one_after_the_other() {
        // What does not shrink needs more room than was foreseen.
        let noise = |len: u64| {
            let letters = (0..len).map(|at| (at * at).wrapping_mul(2_654_435_761) >> 7);
            let letters = letters.map(|it| char::from(b' ' + (it % 90) as u8));
            letters.collect::<String>()
        };
        for len in [0, 1, 5000, 100, LONG_BYTES as u64 * 2, 7, 100_000] {
            let packed = code(noise(len), Coding::Gzip);
            let mut unpacked = String::new();
            GzDecoder::new(&packed[..])
                .read_to_string(&mut unpacked)
                .unwrap();
            assert!(unpacked == noise(len), "{len}");
        }
    }

    #[test]
    fn both_codings_say_the_same_and_are_made_once() {
        let text = Text::default();
        let long = || "#EXTM3U\n".repeat(20_000);
        let packed = text.coded(Coding::Gzip, long);
        let mut unpacked = String::new();
        GzDecoder::new(&packed[..])
            .read_to_string(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, long());
        assert!(packed.len() * 50 < unpacked.len());
        let again = text.coded(Coding::Identity, || unreachable!("it was made before"));
        assert_eq!(again, unpacked);
        assert_eq!(code(long(), Coding::Identity), unpacked);
    }
}
