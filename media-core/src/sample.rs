//! What the ladder's encoders yield: coded samples, not yet packed into CMAF.

use std::time::Duration;

use bytes::Bytes;

use crate::chunk::InitKind;
use crate::id::RenditionName;
use crate::ladder::Bitrate;
use crate::time::MediaTime;

/// What a rendition's samples are. Comes once, before its first [`Sample`].
#[derive(Clone, Debug)]
pub struct Track {
    /// The rendition.
    pub rendition: RenditionName,
    /// Picture or sound parameters.
    pub kind: InitKind,
    /// The configured average bitrate.
    pub bitrate: Bitrate,
    /// Video: `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1); audio:
    /// `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1).
    pub decoder_config: Bytes,
}

/// One coded picture (length-prefixed NAL units) or one AAC frame. Decode order is presentation
/// order: the ladder encodes without B-frames.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it is shown or heard, on the broadcast's clock.
    pub time: MediaTime,
    /// How long it lasts.
    pub duration: Duration,
    /// Whether decoding can begin with it.
    pub sync: bool,
    /// The grid point at which its segment begins, where segments follow a source's keyframes;
    /// `None`: the cadence says it.
    pub segment: Option<u64>,
    /// The coded bytes, as the encoder left them.
    pub data: Bytes,
}
