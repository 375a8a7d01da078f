//! What an RTMP encoder sends, unit by unit, so that a test can spoil it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ingest::client;
use media_core::{AccessUnit, AudioCodec, CodecConfig, Media, MediaTime, VideoCodec};

use crate::clip::Clip;

/// A unit and when it is sent, in seconds.
#[derive(Clone)]
pub(super) struct Unit {
    pub(super) at_s: f64,
    pub(super) media: Media,
}

impl Unit {
    pub(super) fn is_video(&self) -> bool {
        matches!(self.media, Media::Video(_))
    }

    pub(super) fn is_audio(&self) -> bool {
        matches!(self.media, Media::Audio(_))
    }

    /// The access unit, where it is no configuration.
    pub(super) fn access(&mut self) -> Option<&mut AccessUnit> {
        match &mut self.media {
            Media::Video(unit) | Media::Audio(unit) => Some(unit),
            _ => None,
        }
    }

    /// Moves its timestamps, and not when it is sent.
    pub(super) fn shift(&mut self, by_ms: i64) {
        if let Some(unit) = self.access() {
            let shifted =
                |time: MediaTime| MediaTime::from_nanos(time.as_nanos() + by_ms * 1_000_000);
            (unit.dts, unit.pts) = (shifted(unit.dts), shifted(unit.pts));
        }
    }
}

/// The units of a clip, each to be sent at its decode time.
pub(super) fn of(clip: &Clip) -> Vec<Unit> {
    let clip = Clip {
        container: "flv",
        ..clip.clone()
    };
    read(&clip.file())
}

/// `second` after `first`, on the same clock: as of an encoder whose settings are changed.
pub(super) fn joined(first: Vec<Unit>, second: Vec<Unit>, length_s: f64) -> Vec<Unit> {
    let second = second.into_iter().map(|mut unit| {
        unit.at_s += length_s;
        unit.shift((length_s * 1000.0).round() as i64);
        unit
    });
    first.into_iter().chain(second).collect()
}

/// The tags of an FLV file of H.264 and AAC (FLV 10.1, annex E).
fn read(file: &Path) -> Vec<Unit> {
    let bytes = std::fs::read(file).expect("a clip");
    let mut rest = &bytes[13..];
    let mut units = Vec::new();
    while rest.len() > 11 {
        let number = |at: usize| u32::from_be_bytes([0, rest[at], rest[at + 1], rest[at + 2]]);
        let (length, time_ms) = (number(1) as usize, number(4) | u32::from(rest[7]) << 24);
        let body = &rest[11..11 + length];
        if let Some(media) = media(rest[0], body, i64::from(time_ms)) {
            units.push(Unit {
                at_s: f64::from(time_ms) / 1000.0,
                media,
            });
        }
        rest = &rest[11 + length + 4..];
    }
    units
}

fn media(kind: u8, body: &[u8], dts_ms: i64) -> Option<Media> {
    let data = |from: usize| Bytes::copy_from_slice(&body[from..]);
    match (kind, body) {
        (9, [_, 0, ..]) => Some(Media::VideoConfig(CodecConfig {
            codec: VideoCodec::H264,
            record: data(5),
        })),
        (9, [frame, 1, high, middle, low, ..]) => {
            let composition_ms = i32::from_be_bytes([*high, *middle, *low, 0]) >> 8;
            Some(Media::Video(AccessUnit {
                dts: MediaTime::from_millis(dts_ms),
                pts: MediaTime::from_millis(dts_ms + i64::from(composition_ms)),
                random_access: frame >> 4 == 1,
                data: data(5),
            }))
        }
        (8, [_, 0, ..]) => Some(Media::AudioConfig(CodecConfig {
            codec: AudioCodec::Aac,
            record: data(2),
        })),
        (8, [_, 1, ..]) => Some(Media::Audio(AccessUnit {
            dts: MediaTime::from_millis(dts_ms),
            pts: MediaTime::from_millis(dts_ms),
            random_access: true,
            data: data(2),
        })),
        _ => None,
    }
}

/// Publishes `units`, each at its time, by a client that is not ours, and says goodbye.
pub(super) async fn publish(to: SocketAddr, key: &str, units: Vec<Unit>) {
    let (sender, media) = tokio::sync::mpsc::channel(64);
    let start = Instant::now();
    let feed = async move {
        for unit in units {
            let due = Duration::from_secs_f64(unit.at_s.max(0.0));
            tokio::time::sleep(due.saturating_sub(start.elapsed())).await;
            if sender.send(unit.media).await.is_err() {
                return;
            }
        }
    };
    let publishing = client::publish(to.to_string(), "live", key, media);
    let (published, ()) = tokio::join!(publishing, feed);
    published.expect("the publication");
}
