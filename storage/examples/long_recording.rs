//! Writes a long recording as a broadcast of the whole ladder would and ends it, beside a server that
//! has the same data folder. For measurements (`make bench-vod`):
//!
//! ```text
//! cargo run --release -p storage --example long_recording -- DATA_FOLDER STREAM_ID MINUTES
//! ```
//!
//! It answers with a line of JSON: the recording's id, and how many milliseconds passed from the
//! broadcast's end until its row said that it plays: until then the server finishes the media's files,
//! and writes the pictures. All of it is made up, of the sizes that it would have. What the server does
//! beside that and this does not is to code the last sheet of pictures, in some 20 ms.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use media_core::ladder::AUDIO_RENDITION;
use media_core::{
    Bitrate, BroadcastId, FrameRate, Init, InitKind, Ladder, MediaTime, RenditionName, SampleRun,
    StreamId,
};
use storage::Database;
use storage::asset::{self, Folder, Reserve, Segment, Writer};
use storage::database::Location;
use storage::recording::End;

/// As the server cuts them by default.
const SEGMENT: Duration = Duration::from_secs(2);
const CHUNKS: u32 = 6;

/// Pictures, and blocks of sound, in a chunk.
const PICTURES: u32 = 10;
const BLOCKS: u32 = 16;

/// A `moof` and the head of an `mdat` are about so long.
const HEAD_BYTES: u32 = 300;

/// Tiny pictures on a sheet, a sheet's bytes, and a still's (`media_core::thumbnail`).
const TILES_A_SHEET: usize = 100;
const SHEET_BYTES: usize = 500_000;
const STILL_BYTES: usize = 40_000;
const STILLS: usize = 3;

/// What the WebVTT says of one tiny picture.
const CUE: &str = "00:00:00.000 --> 00:00:10.000\nsprite-0.jpg#xywh=0,0,160,90\n\n";

/// How often a tiny picture is taken.
const EVERY: Duration = Duration::from_secs(10);

/// Segments of each rendition that may wait for the disk: the writer takes a few more.
const AHEAD_MAX: usize = 4;

/// A rendition to be written.
struct Lane {
    init: Init,
    segment_bytes: u32,
    samples: u32,
}

impl Lane {
    fn name(&self) -> &RenditionName {
        &self.init.rendition
    }

    /// Segment `number`: chunks of equal samples.
    fn segment(&self, number: usize, media: &Bytes) -> Segment {
        let sample = (self.segment_bytes / CHUNKS - HEAD_BYTES) / self.samples;
        let mut pieces = Vec::new();
        let mut runs = Vec::new();
        let mut offset = 0;
        for _ in 0..CHUNKS {
            pieces.push(media.slice(..HEAD_BYTES as usize));
            runs.push(SampleRun {
                offset: offset + HEAD_BYTES,
                sizes: vec![sample; self.samples as usize],
            });
            pieces.extend((0..self.samples).map(|_| media.slice(..sample as usize)));
            offset += HEAD_BYTES + sample * self.samples;
        }
        let is_video = matches!(self.init.kind, InitKind::Video { .. });
        Segment {
            start: MediaTime::ZERO + SEGMENT * number as u32,
            duration: SEGMENT,
            keyframe_bytes: is_video.then_some(HEAD_BYTES + sample),
            pieces,
            runs,
        }
    }
}

/// The standard ladder and its sound.
fn lanes() -> Result<Vec<Lane>, Box<dyn Error>> {
    let mut lanes = Vec::new();
    let ladder = Ladder::standard();
    for rung in &ladder.rungs {
        let kind = InitKind::Video {
            width: rung.width,
            height: rung.height,
            frame_rate: FrameRate::new(30, 1).ok_or("no such rate")?,
        };
        lanes.push(lane(
            rung.name.as_str(),
            "avc1.640028",
            kind,
            rung.bitrate,
            PICTURES,
        )?);
    }
    let sound = InitKind::Audio {
        sample_rate: 48_000,
        channels: 2,
    };
    lanes.push(lane(
        AUDIO_RENDITION,
        "mp4a.40.2",
        sound,
        ladder.audio,
        BLOCKS,
    )?);
    Ok(lanes)
}

fn lane(
    name: &str,
    codec: &str,
    kind: InitKind,
    bitrate: Bitrate,
    samples: u32,
) -> Result<Lane, Box<dyn Error>> {
    Ok(Lane {
        init: Init {
            rendition: RenditionName::new(name)?,
            codec: codec.into(),
            kind,
            bitrate,
            bytes: Bytes::from_static(b"\0\0\0\x0cftypcmf2\0\0\0\x08moov"),
        },
        segment_bytes: bitrate.as_bps() / 8 * SEGMENT.as_secs() as u32,
        samples,
    })
}

/// The pictures of so many segments, as files: one tiny one in ten seconds.
fn pictures(segments: usize) -> Vec<(String, Vec<u8>)> {
    let tiles = segments * SEGMENT.as_secs() as usize / EVERY.as_secs() as usize;
    let sheets = tiles.div_ceil(TILES_A_SHEET);
    let mut files = vec![("sprites.vtt".to_owned(), CUE.repeat(tiles).into_bytes())];
    let picture = |bytes| vec![0x5a; bytes];
    files.extend((0..sheets).map(|sheet| (format!("sprite-{sheet}.jpg"), picture(SHEET_BYTES))));
    files
        .extend((1..=STILLS).map(|still| (format!("thumbnail-{still}.jpg"), picture(STILL_BYTES))));
    files
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, stream, minutes] = &arguments[..] else {
        return Err("DATA_FOLDER STREAM_ID MINUTES".into());
    };
    let data = Path::new(data);
    let segments = minutes.parse::<usize>()? * 60 / SEGMENT.as_secs() as usize;
    let database = Database::open_at(&Location::in_folder(data)?).await?;
    let recordings = database.recordings();
    let folder = Folder::open(data)?;
    let lanes = lanes()?;
    let inits = lanes.iter().map(|lane| lane.init.clone()).collect();

    let id = asset::new_id()?;
    let broadcast = BroadcastId::new(id.as_str())?;
    let (stream, began) = (StreamId::new(stream)?, SystemTime::now());
    let names: Vec<_> = lanes
        .iter()
        .map(|lane| lane.init.rendition.clone())
        .collect();
    let begun = recordings.begin(&stream, &broadcast, &id, &names, began);
    let row = begun.await?;
    let reserve = Reserve {
        bytes: 0,
        percent: 0,
    };
    let writer = Writer::begin(&folder, id.clone(), inits, reserve, |_| {})?;
    let largest = lanes.iter().map(|lane| lane.segment_bytes).max();
    let media = Bytes::from(vec![0x5a; largest.unwrap_or(0) as usize]);
    for number in 0..segments {
        for lane in &lanes {
            while writer.written(lane.name()) + AHEAD_MAX < number {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            writer.append(lane.name(), lane.segment(number, &media));
        }
    }
    // A broadcast's last segments are on the disk before its end: they came one in two seconds.
    for lane in &lanes {
        while writer.written(lane.name()) < segments {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    let pictures = pictures(segments);
    let ended = Instant::now();
    let finish = move || {
        let summary = writer.finish()?;
        for (name, bytes) in pictures {
            folder.write_file(&id, &name, &bytes)?;
        }
        Ok::<_, asset::Error>(summary)
    };
    let summary = tokio::task::spawn_blocking(finish).await??;
    let row = recordings
        .finish(&row.id, End::of(&summary), SystemTime::now())
        .await?;
    let took_ms = ended.elapsed().as_secs_f64() * 1000.0;
    let report = serde_json::json!({
        "recording": row.id.as_str(),
        "status": row.status.as_str(),
        "finish_ms": took_ms,
        "segments": summary.segments,
        "bytes": summary.bytes,
    });
    writeln!(std::io::stdout(), "{report}")?;
    database.close().await;
    Ok(())
}
