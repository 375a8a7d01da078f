//! What kind of file it is, by its content: a name says nothing.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use gstreamer as gst;

use super::Error;

/// How much of a file's head its kind is read from: a tag or a gap before the first box or packet
/// fits in.
const HEAD_BYTES_MAX: u64 = 256 * 1024;

/// The containers that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// MP4, MOV, M4A and 3GP: the ISO base media file format (ISO/IEC 14496-12) and QuickTime's.
    Mp4,
    /// Matroska and WebM.
    Matroska,
    /// The MPEG-2 transport stream (ISO/IEC 13818-1).
    TransportStream,
    /// Flash video.
    Flv,
}

impl Container {
    /// What `path` is.
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        let mut head = Vec::new();
        File::open(path)?
            .take(HEAD_BYTES_MAX)
            .read_to_end(&mut head)?;
        if head.is_empty() {
            return Err(Error::Empty);
        }
        let found = gstreamer_base::type_find_helper_for_data(None::<&gst::Object>, &head);
        let Ok((caps, _likelihood)) = found else {
            return Err(Error::NotAContainer {
                found: "no media that is known".into(),
            });
        };
        let name = caps.structure(0).map_or("", |structure| structure.name());
        Ok(match name {
            "video/quicktime" | "audio/x-m4a" | "application/x-3gp" => Self::Mp4,
            "video/x-matroska" | "audio/x-matroska" | "video/webm" | "audio/webm" => Self::Matroska,
            "video/mpegts" => Self::TransportStream,
            "video/x-flv" => Self::Flv,
            other => {
                return Err(Error::NotAContainer {
                    found: other.to_owned(),
                });
            }
        })
    }

    /// Its demultiplexer.
    pub(super) const fn demuxer(self) -> &'static str {
        match self {
            Self::Mp4 => "qtdemux",
            Self::Matroska => "matroskademux",
            Self::TransportStream => "tsdemux",
            Self::Flv => "flvdemux",
        }
    }

    /// Whether its length counts from zero and not from its first timestamp.
    pub(super) const fn counts_from_zero(self) -> bool {
        matches!(self, Self::Matroska)
    }

    /// Whether it says how long it is; of the others that is estimated.
    pub(super) const fn states_duration(self) -> bool {
        !matches!(self, Self::TransportStream)
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mp4 => "MP4",
            Self::Matroska => "Matroska",
            Self::TransportStream => "MPEG-TS",
            Self::Flv => "FLV",
        })
    }
}
