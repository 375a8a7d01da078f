//! What a publisher's connection yields: a transport stream (SRT) or timed access units (RTMP).

use bytes::Bytes;

use crate::codec::{AudioCodec, VideoCodec};
use crate::time::MediaTime;

/// One piece of a publisher's media, in the order in which it was sent.
#[derive(Clone, Debug)]
pub enum Media {
    /// Bytes of an MPEG transport stream, in any cut: demultiplexing belongs to the intake.
    TransportStream(Bytes),
    /// How the following video access units are to be decoded.
    VideoConfig(CodecConfig<VideoCodec>),
    /// How the following audio access units are to be decoded.
    AudioConfig(CodecConfig<AudioCodec>),
    /// One picture, length-prefixed as its configuration record says (AV1: low-overhead OBUs).
    Video(AccessUnit),
    /// One audio frame without a carrier's header (MP3: with its own frame header).
    Audio(AccessUnit),
}

impl Media {
    /// Bytes of media it holds, for bounding queues.
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::TransportStream(bytes) => bytes.len(),
            Self::VideoConfig(config) => config.record.len(),
            Self::AudioConfig(config) => config.record.len(),
            Self::Video(unit) | Self::Audio(unit) => unit.data.len(),
        }
    }
}

/// A codec and its out-of-band configuration record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecConfig<C> {
    /// The codec.
    pub codec: C,
    /// H.264: `AVCDecoderConfigurationRecord`; HEVC: `HEVCDecoderConfigurationRecord`
    /// (ISO/IEC 14496-15); AV1: `AV1CodecConfigurationRecord`; AAC: `AudioSpecificConfig`
    /// (ISO/IEC 14496-3); MP3: empty; Opus: the identification header (RFC 7845 §5.1) or empty.
    pub record: Bytes,
}

/// One coded picture or audio frame on the publisher's clock.
#[derive(Clone, Debug)]
pub struct AccessUnit {
    /// When it is decoded. The publisher's clock: it may begin anywhere and may jump.
    pub dts: MediaTime,
    /// When it is shown or heard.
    pub pts: MediaTime,
    /// Whether decoding can begin here; always true for audio.
    pub random_access: bool,
    /// The coded bytes.
    pub data: Bytes,
}
