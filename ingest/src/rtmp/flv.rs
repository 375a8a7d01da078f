//! The bodies of audio and video messages: FLV tags (Adobe, "FLV File Format Specification" 10.1,
//! annex E.4) and Enhanced RTMP v1 and v2 (Veovera), which names codecs by FourCC.
//!
//! Nothing is decoded or rewritten: access units keep their length prefixes, configuration records
//! are handed on after a look at their shape.

use bytes::Bytes;
use media_core::{AudioCodec, CodecConfig, VideoCodec};

use super::error::{Error, Place};

const VIDEO_SECTION: &str = "FLV 10.1 §E.4.3";
const AUDIO_SECTION: &str = "FLV 10.1 §E.4.2";
const ENHANCED_VIDEO_SECTION: &str = "Enhanced RTMP v2, ExVideoTagHeader";
const ENHANCED_AUDIO_SECTION: &str = "Enhanced RTMP v2, ExAudioTagHeader";

/// A video message, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Video {
    /// How the pictures to come are decoded.
    Config(CodecConfig<VideoCodec>),
    /// One picture.
    Frame {
        /// Its codec.
        codec: VideoCodec,
        /// Presentation time less decode time, in milliseconds; 24 bits, signed.
        composition_ms: i32,
        /// Whether decoding can begin with it.
        random_access: bool,
        /// The coded picture.
        data: Bytes,
    },
    /// Nothing to decode: an end of sequence, a seek command, colour metadata.
    Nothing,
}

/// An audio message, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audio {
    /// How the frames to come are decoded.
    Config(CodecConfig<AudioCodec>),
    /// One frame.
    Frame {
        /// Its codec.
        codec: AudioCodec,
        /// The coded frame.
        data: Bytes,
    },
    /// Nothing to decode: an end of sequence, a channel layout.
    Nothing,
}

/// Reads a video message's payload.
pub fn video(payload: &Bytes) -> Result<Video, Error> {
    let Some(&first) = payload.first() else {
        return Ok(Video::Nothing);
    };
    let frame_type = first >> 4 & 0x07;
    let random_access = matches!(frame_type, frame_type::KEY | frame_type::GENERATED_KEY);
    if first & 0x80 != 0 {
        return enhanced_video(payload, frame_type, random_access);
    }
    if frame_type == frame_type::COMMAND {
        return Ok(Video::Nothing);
    }
    let codec = match first & 0x0f {
        7 => VideoCodec::H264,
        // In no specification, and what encoders without Enhanced RTMP use for HEVC.
        12 => VideoCodec::Hevc,
        2 => return Err(Error::UnsupportedVideo("Sorenson H.263".to_owned())),
        3 => return Err(Error::UnsupportedVideo("Screen Video".to_owned())),
        4 => return Err(Error::UnsupportedVideo("On2 VP6".to_owned())),
        5 => return Err(Error::UnsupportedVideo("On2 VP6 with alpha".to_owned())),
        6 => return Err(Error::UnsupportedVideo("Screen Video 2".to_owned())),
        id => return Err(Error::UnsupportedVideo(format!("number {id}"))),
    };
    match payload.get(1) {
        Some(0) => video_config(codec, rest(payload, 5, VIDEO_SECTION)?),
        Some(1) => composed_frame(codec, random_access, payload, 2, VIDEO_SECTION),
        Some(2) => Ok(Video::Nothing),
        found => Err(Error::Malformed {
            place: Place::Payload(1),
            expected: "packet type 0, 1 or 2",
            found: format!("{found:?}"),
            section: VIDEO_SECTION,
        }),
    }
}

/// Reads an audio message's payload.
pub fn audio(payload: &Bytes) -> Result<Audio, Error> {
    let Some(&first) = payload.first() else {
        return Ok(Audio::Nothing);
    };
    let unsupported = |name: &str| Err(Error::UnsupportedAudio(name.to_owned()));
    match first >> 4 {
        10 => match payload.get(1) {
            Some(0) => audio_config(AudioCodec::Aac, payload.slice(2..)),
            Some(1) => Ok(audio_frame(AudioCodec::Aac, payload.slice(2..))),
            found => Err(Error::Malformed {
                place: Place::Payload(1),
                expected: "packet type 0 or 1",
                found: format!("{found:?}"),
                section: AUDIO_SECTION,
            }),
        },
        2 | 14 => Ok(audio_frame(AudioCodec::Mp3, payload.slice(1..))),
        9 => enhanced_audio(payload),
        0 | 3 => unsupported("PCM"),
        1 => unsupported("ADPCM"),
        4..=6 => unsupported("Nellymoser"),
        7 => unsupported("G.711 A-law"),
        8 => unsupported("G.711 µ-law"),
        11 => unsupported("Speex"),
        id => unsupported(&format!("number {id}")),
    }
}

mod frame_type {
    pub(super) const KEY: u8 = 1;
    pub(super) const GENERATED_KEY: u8 = 4;
    pub(super) const COMMAND: u8 = 5;
}

mod packet_type {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const SEQUENCE_END: u8 = 2;
    pub(super) const CODED_FRAMES_X: u8 = 3;
    /// Video: colour metadata; audio: the channel layout.
    pub(super) const METADATA: u8 = 4;
    /// Video: a sequence start as MPEG-2 TS has it; audio: several tracks.
    pub(super) const MPEG2_TS_SEQUENCE_START: u8 = 5;
    pub(super) const AUDIO_MULTITRACK: u8 = 5;
    pub(super) const VIDEO_MULTITRACK: u8 = 6;
    pub(super) const MOD_EX: u8 = 7;
}

fn enhanced_video(payload: &Bytes, frame_type: u8, random_access: bool) -> Result<Video, Error> {
    const SECTION: &str = ENHANCED_VIDEO_SECTION;
    let (packet_type, offset) = skip_modifiers(payload, SECTION)?;
    if packet_type == packet_type::VIDEO_MULTITRACK {
        return Err(Error::UnsupportedForm("multitrack video"));
    }
    if packet_type == packet_type::METADATA
        || packet_type == packet_type::SEQUENCE_END
        || frame_type == frame_type::COMMAND
    {
        return Ok(Video::Nothing);
    }
    let codec = match &four_cc(payload, offset, SECTION)? {
        b"avc1" => VideoCodec::H264,
        b"hvc1" => VideoCodec::Hevc,
        b"av01" => VideoCodec::Av1,
        b"vp08" => return Err(Error::UnsupportedVideo("VP8".to_owned())),
        b"vp09" => return Err(Error::UnsupportedVideo("VP9".to_owned())),
        b"vvc1" => return Err(Error::UnsupportedVideo("VVC".to_owned())),
        other => return Err(Error::UnsupportedVideo(other.escape_ascii().to_string())),
    };
    let body = offset + 4;
    match packet_type {
        packet_type::SEQUENCE_START => video_config(codec, rest(payload, body, SECTION)?),
        packet_type::CODED_FRAMES if codec != VideoCodec::Av1 => {
            composed_frame(codec, random_access, payload, body, SECTION)
        }
        packet_type::CODED_FRAMES | packet_type::CODED_FRAMES_X => {
            let data = rest(payload, body, SECTION)?;
            Ok(video_frame(codec, 0, random_access, data))
        }
        packet_type::MPEG2_TS_SEQUENCE_START => {
            Err(Error::UnsupportedForm("a sequence start in MPEG-2 TS form"))
        }
        id => Err(unknown_packet_type(id, SECTION)),
    }
}

fn enhanced_audio(payload: &Bytes) -> Result<Audio, Error> {
    const SECTION: &str = ENHANCED_AUDIO_SECTION;
    let (packet_type, offset) = skip_modifiers(payload, SECTION)?;
    if packet_type == packet_type::AUDIO_MULTITRACK {
        return Err(Error::UnsupportedForm("multitrack audio"));
    }
    if packet_type == packet_type::METADATA || packet_type == packet_type::SEQUENCE_END {
        return Ok(Audio::Nothing);
    }
    let codec = match &four_cc(payload, offset, SECTION)? {
        b"mp4a" => AudioCodec::Aac,
        b".mp3" => AudioCodec::Mp3,
        b"Opus" => AudioCodec::Opus,
        b"ac-3" => return Err(Error::UnsupportedAudio("AC-3".to_owned())),
        b"ec-3" => return Err(Error::UnsupportedAudio("E-AC-3".to_owned())),
        b"fLaC" => return Err(Error::UnsupportedAudio("FLAC".to_owned())),
        other => return Err(Error::UnsupportedAudio(other.escape_ascii().to_string())),
    };
    let data = rest(payload, offset + 4, SECTION)?;
    match packet_type {
        packet_type::SEQUENCE_START => audio_config(codec, data),
        packet_type::CODED_FRAMES => Ok(audio_frame(codec, data)),
        id => Err(unknown_packet_type(id, SECTION)),
    }
}

/// The packet type behind any `ModEx` packets, and where its body begins. What they modify (a
/// timestamp's nanoseconds) is finer than this server's frame grid.
fn skip_modifiers(payload: &Bytes, section: &'static str) -> Result<(u8, usize), Error> {
    let byte = |offset: usize| {
        payload
            .get(offset)
            .copied()
            .ok_or_else(|| cut_short(payload.len(), section))
    };
    let mut packet_type = byte(0)? & 0x0f;
    let mut offset = 1;
    while packet_type == packet_type::MOD_EX {
        let mut size = usize::from(byte(offset)?) + 1;
        offset += 1;
        if size == 256 {
            size = usize::from(u16::from_be_bytes([byte(offset)?, byte(offset + 1)?])) + 1;
            offset += 2;
        }
        offset += size;
        packet_type = byte(offset)? & 0x0f;
        offset += 1;
    }
    Ok((packet_type, offset))
}

fn four_cc(payload: &Bytes, offset: usize, section: &'static str) -> Result<[u8; 4], Error> {
    payload
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or_else(|| cut_short(payload.len(), section))
}

/// A frame with a composition time at `offset` and its data behind it.
fn composed_frame(
    codec: VideoCodec,
    random_access: bool,
    payload: &Bytes,
    offset: usize,
    section: &'static str,
) -> Result<Video, Error> {
    let Some(&[a, b, c]) = payload.get(offset..).and_then(|rest| rest.first_chunk()) else {
        return Err(cut_short(payload.len(), section));
    };
    // Shifting back extends the sign of 24 bits.
    let composition_ms = i32::from_be_bytes([a, b, c, 0]) >> 8;
    let data = payload.slice(offset + 3..);
    Ok(video_frame(codec, composition_ms, random_access, data))
}

fn video_frame(codec: VideoCodec, composition_ms: i32, random_access: bool, data: Bytes) -> Video {
    if data.is_empty() {
        return Video::Nothing;
    }
    Video::Frame {
        codec,
        composition_ms,
        random_access,
        data,
    }
}

fn audio_frame(codec: AudioCodec, data: Bytes) -> Audio {
    if data.is_empty() {
        return Audio::Nothing;
    }
    Audio::Frame { codec, data }
}

fn video_config(codec: VideoCodec, record: Bytes) -> Result<Video, Error> {
    let (is_plausible, expected, section) = match codec {
        VideoCodec::H264 => (
            record.len() >= 7 && record[0] == 1,
            "an AVCDecoderConfigurationRecord, version 1",
            "ISO/IEC 14496-15 §5.3.3.1",
        ),
        // Version 0 is what encoders wrote before the standard was final.
        VideoCodec::Hevc => (
            record.len() >= 23 && record[0] <= 1,
            "an HEVCDecoderConfigurationRecord, version 1",
            "ISO/IEC 14496-15 §8.3.3.1",
        ),
        VideoCodec::Av1 => (
            record.len() >= 4 && record[0] == 0x81,
            "an AV1CodecConfigurationRecord, version 1",
            "AV1 Codec ISO Media File Format Binding §2.3",
        ),
    };
    if !is_plausible {
        return Err(no_record(&record, expected, section));
    }
    Ok(Video::Config(CodecConfig { codec, record }))
}

fn audio_config(codec: AudioCodec, record: Bytes) -> Result<Audio, Error> {
    let (is_plausible, expected, section) = match codec {
        // FFmpeg that copies ADTS out of a transport stream sends an empty one ahead of the real one.
        AudioCodec::Aac if record.is_empty() => return Ok(Audio::Nothing),
        AudioCodec::Aac => (
            record.len() >= 2,
            "an AudioSpecificConfig",
            "ISO/IEC 14496-3 §1.6.2.1",
        ),
        AudioCodec::Opus => (
            record.is_empty() || record.starts_with(b"OpusHead"),
            "an Opus identification header",
            "RFC 7845 §5.1",
        ),
        // MP3 frames carry their own header.
        AudioCodec::Mp3 => return Ok(Audio::Nothing),
    };
    if !is_plausible {
        return Err(no_record(&record, expected, section));
    }
    Ok(Audio::Config(CodecConfig { codec, record }))
}

fn rest(payload: &Bytes, offset: usize, section: &'static str) -> Result<Bytes, Error> {
    if payload.len() < offset {
        return Err(cut_short(payload.len(), section));
    }
    Ok(payload.slice(offset..))
}

fn cut_short(len: usize, section: &'static str) -> Error {
    Error::Malformed {
        place: Place::Payload(len),
        expected: "a whole tag header",
        found: "the message's end".to_owned(),
        section,
    }
}

fn unknown_packet_type(id: u8, section: &'static str) -> Error {
    Error::Malformed {
        place: Place::Payload(0),
        expected: "a packet type of the specification",
        found: id.to_string(),
        section,
    }
}

fn no_record(record: &Bytes, expected: &'static str, section: &'static str) -> Error {
    Error::Malformed {
        place: Place::Payload(0),
        expected,
        found: match record.first() {
            Some(first) => format!("{} bytes that begin with {first:#04x}", record.len()),
            None => "nothing".to_owned(),
        },
        section,
    }
}

#[cfg(test)]
mod tests;
