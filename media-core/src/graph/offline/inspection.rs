//! What a file is and which of its tracks are taken, without decoding any of it.

mod look;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video::{VideoInterlaceMode, VideoOrientationMethod};

use self::look::{Look, Seen, Track};
use super::Error;
use super::codecs::Codec;
use super::container::Container;
use super::rate::frame_rate;
use super::reader::source;
use crate::graph::elements;
use crate::graph::intake::{Decoding, PictureSource, TooLarge, TrackKind, picture_source};
use crate::time::{FrameRate, MediaTime};

/// A decoder's threads: one a core.
const DECODER_THREADS: u32 = 0;

/// What [`inspect`] finds.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The kind of file.
    pub container: Container,
    /// How long it is, where it says so or it can be estimated.
    pub duration: Option<Duration>,
    /// The video track that is taken: the largest picture.
    pub video: Option<VideoTrack>,
    /// The audio track that is taken: the one marked as default, of several that with most channels.
    pub audio: Option<AudioTrack>,
    /// The codecs of further tracks of pictures or sound, which are left out.
    pub left_out: Vec<String>,
}

/// A video track.
#[derive(Clone, Debug)]
pub struct VideoTrack {
    /// The codec's usual name.
    pub codec: &'static str,
    /// Width of the upright picture in square pixels.
    pub width: u32,
    /// Height of the upright picture.
    pub height: u32,
    /// The rate at which it will be encoded: its own, where that is constant and at most 60.
    pub frame_rate: FrameRate,
    /// By how many degrees its pictures are turned clockwise to be upright: 0, 90, 180 or 270.
    /// Mirrored ones count as not turned or turned by 90.
    pub rotation_degrees: u32,
    colorimetry: Option<String>,
    turn: VideoOrientationMethod,
    chosen: Chosen,
}

/// An audio track.
#[derive(Clone, Debug)]
pub struct AudioTrack {
    /// The codec's usual name.
    pub codec: &'static str,
    /// Samples a second; 0 where it is not known before its first one.
    pub sample_rate: u32,
    /// Number of channels; 0 likewise.
    pub channels: u32,
    chosen: Chosen,
}

/// What is needed to read a track.
#[derive(Clone, Debug)]
struct Chosen {
    /// The demultiplexer's pad.
    pad: String,
    codec: Codec,
    /// Its first timestamp that is presented; `None`: further behind the other track's than was
    /// looked.
    first: Option<MediaTime>,
}

impl Inspection {
    /// The first picture or sound, whichever is earlier, on the file's clock.
    pub(super) fn origin(&self) -> MediaTime {
        let video = self.video.as_ref().and_then(|video| video.chosen.first);
        let audio = self.audio.as_ref().and_then(|audio| audio.chosen.first);
        video.into_iter().chain(audio).min().unwrap_or_default()
    }

    /// The tracks that are taken: the demultiplexer's pad, and how it is decoded.
    pub(super) fn decodings(&self) -> impl Iterator<Item = (String, Decoding)> {
        let of = |chosen: &Chosen, turn| {
            let decoding = Decoding {
                kind: chosen.codec.kind,
                parser: chosen.codec.parser,
                decoder: chosen.codec.decoder,
                threads: DECODER_THREADS,
                is_live: false,
                turn,
            };
            (chosen.pad.clone(), decoding)
        };
        let video = self
            .video
            .as_ref()
            .map(|video| of(&video.chosen, video.turn));
        let upright = VideoOrientationMethod::Identity;
        let audio = self.audio.as_ref().map(|audio| of(&audio.chosen, upright));
        video.into_iter().chain(audio)
    }
}

impl VideoTrack {
    /// Its pictures as the ladder is told of them.
    pub(super) fn source(&self) -> PictureSource {
        PictureSource {
            width: self.width,
            height: self.height,
            colorimetry: self.colorimetry.clone(),
            rate: Some(self.frame_rate),
        }
    }
}

/// Finds out what `path` is, by its content, and whether it can be transcoded. Reads the file's
/// first seconds, at most for some seconds; blocks.
///
/// # Errors
/// It cannot be transcoded, and why.
pub fn inspect(path: &Path) -> Result<Inspection, Error> {
    let container = Container::of(path)?;
    let (pipeline, demux) = source(path, container)?;
    let (sender, steps) = mpsc::sync_channel(1);
    let seen = Arc::new(Seen::new(sender));
    look::watch_pads(&demux, &pipeline, &seen);
    look::watch_bus(&pipeline, &seen);
    let started = pipeline.set_state(gst::State::Playing);
    let looked = started
        .map_err(elements::Error::from)
        .map(|_| look::wait(&steps, &seen));
    let duration = pipeline.query_duration::<gst::ClockTime>();
    let stopped = pipeline.set_state(gst::State::Null);
    looked?;
    stopped.map_err(elements::Error::from)?;
    let looked = std::mem::take(&mut *seen.look());
    choose(container, duration.map(Duration::from), looked)
}

fn choose(
    container: Container,
    duration: Option<Duration>,
    look: Look,
) -> Result<Inspection, Error> {
    if let Some(error) = look.missing {
        return Err(error.into());
    }
    let starts = look.tracks.iter().filter_map(|track| track.start);
    let start = starts.min().filter(|_| container.counts_from_zero());
    let duration = duration
        .map(|duration| duration.saturating_sub(start.map(Duration::from).unwrap_or_default()))
        .filter(|duration| !duration.is_zero());
    let caps = look
        .tracks
        .iter()
        .filter(|it| it.codec.kind == TrackKind::Video);
    let mut caps = caps.filter_map(|track| track.caps.as_ref());
    if let Some(fault) = caps.find_map(|caps| TooLarge::of(caps)) {
        return Err(fault.into());
    }
    let mut videos: Vec<VideoTrack> = look.tracks.iter().filter_map(video).collect();
    // Sound may begin after the look has ended, pictures tell by their first ones what they are.
    let has_pictures = !videos.is_empty();
    let audible = |track: &&Track| has_pictures || track.first.is_some();
    let audios = look.tracks.iter().filter(audible).filter_map(audio);
    let mut audios: Vec<(bool, AudioTrack)> = audios.collect();
    let late = |track: &&Track| track.codec.kind == TrackKind::Video && track.first.is_none();
    let late = look.tracks.iter().filter(late);
    let late: Vec<String> = late.map(|track| track.codec.name.to_owned()).collect();
    // Both sorts keep the file's order among equals.
    videos.sort_by_key(|video| std::cmp::Reverse(u64::from(video.width) * u64::from(video.height)));
    audios.sort_by_key(|(is_default, audio)| {
        let is_early = audio.chosen.first.is_some();
        std::cmp::Reverse((is_early, *is_default, audio.channels))
    });
    for (kind, none) in [
        (TrackKind::Video, videos.is_empty()),
        (TrackKind::Audio, audios.is_empty()),
    ] {
        let unsupported = look.unsupported.iter().find(|(of, _)| *of == kind);
        if let Some((_, codec)) = unsupported.filter(|_| none) {
            let codec = codec.clone();
            return Err(Error::Codec { container, codec });
        }
    }
    if videos.is_empty() && audios.is_empty() {
        return Err(match look.fault {
            Some(reason) => Error::Unreadable { container, reason },
            None => Error::NoTracks(container),
        });
    }
    let mut videos = videos.into_iter();
    let mut audios = audios.into_iter().map(|(_, audio)| audio);
    let (video, audio) = (videos.next(), audios.next());
    let left_out = videos
        .map(|video| video.codec.to_owned())
        .chain(audios.map(|audio| audio.codec.to_owned()))
        .chain(late)
        .chain(look.unsupported.into_iter().map(|(_, name)| name));
    Ok(Inspection {
        container,
        duration,
        left_out: left_out.collect(),
        video,
        audio,
    })
}

/// A video track that has pictures of a size.
fn video(track: &Track) -> Option<VideoTrack> {
    let chosen = chosen(track, TrackKind::Video)?;
    chosen.first?;
    let caps = track.caps.as_ref()?;
    let source = picture_source(caps)?;
    let mode = caps.structure(0)?.get::<&str>("interlace-mode").ok();
    let progressive = VideoInterlaceMode::Progressive.to_str();
    let interlaced = mode.is_some_and(|mode| mode != progressive.as_str());
    let (rotation_degrees, on_its_side) = match track.turn {
        VideoOrientationMethod::_90r => (90, true),
        VideoOrientationMethod::_180 => (180, false),
        VideoOrientationMethod::_90l => (270, true),
        VideoOrientationMethod::UlLr | VideoOrientationMethod::UrLl => (90, true),
        _ => (0, false),
    };
    let (width, height) = match on_its_side {
        true => (source.height, source.width),
        false => (source.width, source.height),
    };
    Some(VideoTrack {
        codec: track.codec.name,
        width,
        height,
        frame_rate: frame_rate(track.times.clone(), source.rate, interlaced),
        rotation_degrees,
        colorimetry: source.colorimetry,
        turn: track.turn,
        chosen,
    })
}

/// An audio track that has sound, and whether it is the default.
fn audio(track: &Track) -> Option<(bool, AudioTrack)> {
    let chosen = chosen(track, TrackKind::Audio)?;
    let structure = track.caps.as_ref().and_then(|caps| caps.structure(0));
    let of = |field: &str| {
        let value = structure?.get::<i32>(field).ok();
        value.and_then(|value| u32::try_from(value).ok())
    };
    let audio = AudioTrack {
        codec: track.codec.name,
        sample_rate: of("rate").unwrap_or(0),
        channels: of("channels").unwrap_or(0),
        chosen,
    };
    Some((track.is_default, audio))
}

fn chosen(track: &Track, kind: TrackKind) -> Option<Chosen> {
    (track.codec.kind == kind).then_some(())?;
    Some(Chosen {
        pad: track.pad.clone(),
        codec: track.codec,
        first: track.first,
    })
}
