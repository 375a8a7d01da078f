//! What is decoded, by which elements, and how it is described to them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::chain::{Chain, Decoding};
use super::{Shared, TrackKind, unwrap};
use crate::codec::{AudioCodec, VideoCodec};
use crate::graph::contain::{OUR_FAULT, contained};
use crate::graph::elements::{self, Error, Missing};
use crate::publication::CodecConfig;

/// Decoding chains of one transport stream: its two tracks, and seven changes of them. Encoders
/// change them when they are set otherwise, which is hardly ever.
const CHAINS_MAX: usize = 16;

/// When all of a transport stream "arrives" by what tsdemux is told: its first timestamp becomes this
/// one, and a timestamp that would be before zero is lost. None is further back than the clock's wrap.
const ARRIVES: gst::ClockTime = gst::ClockTime::from_nseconds(unwrap::PERIOD.unsigned_abs());

/// A track that can be decoded.
#[derive(Clone, Copy)]
pub(super) enum Track {
    Video(VideoCodec),
    Audio(AudioCodec),
}

impl Track {
    fn kind(self) -> TrackKind {
        match self {
            Self::Video(_) => TrackKind::Video,
            Self::Audio(_) => TrackKind::Audio,
        }
    }

    /// How it is decoded while it comes.
    pub(super) fn decoding(self) -> Result<Decoding, Error> {
        let (parser, decoder) = self.elements()?;
        Ok(Decoding {
            kind: self.kind(),
            parser: Some(parser),
            decoder: Some(decoder),
            // A picture of delay is worth more than a second thread.
            threads: 1,
            is_live: true,
            turn: gst_video::VideoOrientationMethod::Identity,
        })
    }

    /// Its parser and decoder.
    fn elements(self) -> Result<(&'static str, &'static str), Error> {
        Ok(match self {
            Self::Video(VideoCodec::H264) => ("h264parse", "avdec_h264"),
            Self::Video(VideoCodec::Hevc) => ("h265parse", "avdec_h265"),
            Self::Video(VideoCodec::Av1) => ("av1parse", av1_decoder()?),
            Self::Audio(AudioCodec::Aac) => ("aacparse", "avdec_aac"),
            Self::Audio(AudioCodec::Mp3) => ("mpegaudioparse", "avdec_mp3"),
            Self::Audio(AudioCodec::Opus) => ("opusparse", "opusdec"),
        })
    }
}

/// AV1 has several decoders and none of them is everywhere.
pub(in crate::graph) fn av1_decoder() -> Result<&'static str, Error> {
    ["dav1ddec", "avdec_libdav1d", "av1dec"]
        .into_iter()
        .find(|decoder| elements::exists(decoder))
        .ok_or_else(|| Error::Missing(Missing::one("av1dec", "gstreamer1.0-plugins-bad")))
}

pub(super) fn video_caps(config: &CodecConfig<VideoCodec>) -> gst::Caps {
    let (name, form, alignment) = match config.codec {
        VideoCodec::H264 => ("video/x-h264", "avc", "au"),
        VideoCodec::Hevc => ("video/x-h265", "hvc1", "au"),
        VideoCodec::Av1 => ("video/x-av1", "obu-stream", "tu"),
    };
    gst::Caps::builder(name)
        .field("stream-format", form)
        .field("alignment", alignment)
        .field("codec_data", gst::Buffer::from_slice(config.record.clone()))
        .build()
}

pub(super) fn audio_caps(config: &CodecConfig<AudioCodec>) -> gst::Caps {
    match config.codec {
        AudioCodec::Aac => gst::Caps::builder("audio/mpeg")
            .field("mpegversion", 4i32)
            .field("stream-format", "raw")
            .field("codec_data", gst::Buffer::from_slice(config.record.clone()))
            .build(),
        AudioCodec::Mp3 => gst::Caps::builder("audio/mpeg")
            .field("mpegversion", 1i32)
            .field("layer", 3i32)
            .build(),
        AudioCodec::Opus => {
            // RFC 7845 §5.1: the channel count is the tenth byte of the identification header.
            let channels = config.record.get(9).copied().unwrap_or(2);
            gst::Caps::builder("audio/x-opus")
                .field("channel-mapping-family", 0i32)
                .field("channels", i32::from(channels.clamp(1, 2)))
                .field("rate", 48_000i32)
                .build()
        }
    }
}

/// Packets of a transport stream, for what [`add_transport_stream`] adds.
pub(super) fn transport_stream_buffer(packets: Vec<u8>) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice(packets);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(ARRIVES);
    }
    buffer
}

/// Adds the demultiplexer of a transport stream; its tracks get their chains as they appear.
///
/// It hands out the tracks' own timestamps, from [`ARRIVES`] on and at times a wrap of the clock off.
/// Left to itself tsdemux makes a clock of the PCR's steps: what is missing of more than half a second
/// it leaves out of the timestamps, whichever of a track's are read then, and sound parts from picture.
pub(super) fn add_transport_stream(
    pipeline: &gst::Pipeline,
    shared: &Arc<Shared>,
) -> Result<gst_app::AppSrc, Error> {
    let caps = gst::Caps::builder("video/mpegts")
        .field("systemstream", true)
        .field("packetsize", 188i32)
        .build();
    let source = gst_app::AppSrc::builder()
        .caps(&caps)
        // Bytes would be told by their place among all of them, from whose PCR times are estimated.
        .format(gst::Format::Time)
        .block(false)
        .max_bytes(0)
        .build();
    let demux = elements::make("tsdemux")?;
    demux.set_property("ignore-pcr", true);
    let weak_pipeline = pipeline.downgrade();
    let weak_shared = Arc::downgrade(shared);
    let taken = Arc::new(Taken::default());
    let named = Arc::clone(&taken);
    // What comes after the tables' last track belongs to other tables; their tracks' ends follow.
    demux.connect_no_more_pads(move |_| named.complete.store(true, Ordering::Release));
    demux.connect_pad_added(move |_, pad| {
        let (Some(pipeline), Some(shared)) = (weak_pipeline.upgrade(), weak_shared.upgrade())
        else {
            return;
        };
        let add = || add_track(&pipeline, pad, &taken, &shared);
        contained(add, || shared.refuse(OUR_FAULT.to_owned()));
    });
    let chain = [source.upcast_ref(), &demux];
    elements::add_chain(pipeline, &chain)?;
    elements::start_chain(&chain)?;
    Ok(source)
}

/// Which tracks of a transport stream are decoded: the first of each kind, and the next one where the
/// stream's tables have named others since.
#[derive(Default)]
struct Taken {
    tracks: Mutex<Vec<TrackKind>>,
    /// Whether the tables have named no further track.
    complete: AtomicBool,
    /// Decoding chains so far. One whose track is gone stays, drained, until the publication ends.
    chains: AtomicUsize,
}

impl Taken {
    /// Whether a track of this kind is the first that the tables name.
    fn take(&self, kind: TrackKind) -> bool {
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.complete.swap(false, Ordering::AcqRel) {
            tracks.clear();
        }
        let is_first = !tracks.contains(&kind);
        tracks.push(kind);
        is_first
    }
}

fn add_track(pipeline: &gst::Pipeline, pad: &gst::Pad, taken: &Taken, shared: &Arc<Shared>) {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let Some(structure) = caps.structure(0) else {
        return;
    };
    let kind = match structure.name().split('/').next() {
        Some("video") => TrackKind::Video,
        Some("audio") => TrackKind::Audio,
        // Subtitles, metadata and the like are left out.
        _ => return,
    };
    let track = match track_of(structure) {
        Ok(track) => track,
        Err(name) => {
            shared.refuse(format!(
                "{name} is not supported: send H.264 or HEVC with AAC, MP3 or Opus"
            ));
            return;
        }
    };
    if !taken.take(kind) {
        tracing::warn!(pad = %pad.name(), "a further track of the same kind is left out");
        return;
    }
    if taken.chains.fetch_add(1, Ordering::AcqRel) >= CHAINS_MAX {
        shared.refuse("the transport stream's tracks change again and again".into());
        return;
    }
    let added = track
        .decoding()
        .and_then(|decoding| Chain::demultiplexed(pipeline, pad, &decoding, shared));
    if let Err(error) = added {
        shared.refuse(error.to_string());
    }
}

/// The codec of a demultiplexed track, or the name of what is not supported.
fn track_of(structure: &gst::StructureRef) -> Result<Track, String> {
    let version = structure.get::<i32>("mpegversion").ok();
    Ok(match (structure.name().as_str(), version) {
        ("video/x-h264", _) => Track::Video(VideoCodec::H264),
        ("video/x-h265", _) => Track::Video(VideoCodec::Hevc),
        ("audio/mpeg", Some(2 | 4)) => Track::Audio(AudioCodec::Aac),
        ("audio/mpeg", Some(1)) => Track::Audio(AudioCodec::Mp3),
        ("audio/x-opus", _) => Track::Audio(AudioCodec::Opus),
        ("video/mpeg", Some(2)) => return Err("MPEG-2 video".into()),
        ("video/mpeg", Some(1)) => return Err("MPEG-1 video".into()),
        ("video/mpeg", Some(4)) => return Err("MPEG-4 part 2 video".into()),
        ("audio/x-ac3", _) => return Err("AC-3 audio".into()),
        ("audio/x-eac3", _) => return Err("E-AC-3 audio".into()),
        ("audio/x-dts", _) => return Err("DTS audio".into()),
        ("audio/x-lpcm" | "audio/x-private-ts-lpcm", _) => return Err("LPCM audio".into()),
        ("audio/x-smpte-302m", _) => return Err("SMPTE 302M audio".into()),
        (other, _) => return Err(other.to_owned()),
    })
}
