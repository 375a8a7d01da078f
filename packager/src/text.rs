//! A playlist's text as it is sent, made when the first viewer asks for it and shared by all who
//! ask after: once an update, not once a viewer, and not at all where nobody watches.

use std::io::Write;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Playlists shrink to an eighth at this level; the highest takes twice the time for 2 % more.
const GZIP_LEVEL: u32 = 6;

/// A playlist longer than this, which reaches hours back, is packed faster and not as tight: a
/// viewer asks for it once and for delta updates from then on.
const LONG_BYTES: usize = 64 * 1024;
const GZIP_LEVEL_LONG: u32 = 1;

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
    let level = match text.len() > LONG_BYTES {
        true => GZIP_LEVEL_LONG,
        false => GZIP_LEVEL,
    };
    let packed = Vec::with_capacity(text.len() / 6 + 64);
    let mut encoder = GzEncoder::new(packed, Compression::new(level));
    encoder
        .write_all(text)
        .and_then(|()| encoder.finish())
        .expect("writing to a Vec cannot fail")
        .into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

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
