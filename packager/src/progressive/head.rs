//! Writes all that stands before the samples: `ftyp`, `moov` and the head of `mdat`
//! (ISO/IEC 14496-12, whose section numbers stand here).

use media_core::{InitKind, MediaTime};

use super::track::Track;
use crate::cmaf::boxes::{HEADER_BYTES, put_u32, put_u64, write_box, write_full_box};
use crate::cmaf::init::{media_header, movie_header, track_header, version_for};

/// Units of the movie's clock a second: AAC frames at 48 kHz are whole numbers of them.
const MOVIE_TIMESCALE: u32 = 48_000;

/// Of an `mdat` with a size of 64 bits (§4.2).
const LARGE_HEADER_BYTES: u64 = 16;

/// Whether places and sizes in the file have 32 bits or 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Narrow,
    Wide,
}

/// The head of a file with samples of `media_bytes` behind it.
pub(super) fn write(tracks: &[Track<'_>], media_bytes: u64) -> Vec<u8> {
    // How long it is does not depend on where the samples begin, which depends on how long it is.
    let narrow = write_at(tracks, media_bytes, 0, Width::Narrow);
    let width = match u32::try_from(narrow.len() as u64 + media_bytes) {
        Ok(_) => Width::Narrow,
        Err(_) => Width::Wide,
    };
    let unplaced = match width {
        Width::Narrow => narrow,
        Width::Wide => write_at(tracks, media_bytes, 0, width),
    };
    write_at(tracks, media_bytes, unplaced.len() as u64, width)
}

/// The head where the samples begin at `samples_at`.
fn write_at(tracks: &[Track<'_>], media_bytes: u64, samples_at: u64, width: Width) -> Vec<u8> {
    let mut out = Vec::with_capacity(usize::try_from(samples_at).unwrap_or(0));
    file_type(&mut out, tracks);
    let origin = tracks.iter().map(|track| track.start).min();
    let origin = origin.unwrap_or(MediaTime::ZERO);
    let times: Vec<_> = tracks
        .iter()
        .map(|track| Times::of(track, origin))
        .collect();
    write_box(&mut out, b"moov", |out| {
        let duration = times.iter().map(Times::end).max().unwrap_or(0);
        let track_ids = 1..=tracks.len() as u32;
        movie_header(out, MOVIE_TIMESCALE, duration, tracks.len() as u32 + 1);
        for (track_id, (track, times)) in track_ids.zip(tracks.iter().zip(&times)) {
            write_box(out, b"trak", |out| {
                track_header(out, track_id, track.kind, times.end());
                edit_list(out, *times);
                media(out, track, samples_at, width);
            });
        }
    });
    match width {
        // Of samples that are too many for it, this head is measured and thrown away.
        Width::Narrow => put_u32(&mut out, (media_bytes + HEADER_BYTES as u64) as u32),
        Width::Wide => put_u32(&mut out, 1),
    }
    out.extend_from_slice(b"mdat");
    if width == Width::Wide {
        put_u64(&mut out, media_bytes + LARGE_HEADER_BYTES);
    }
    out
}

/// §4.3.
fn file_type(out: &mut Vec<u8>, tracks: &[Track<'_>]) {
    let is_audio = |track: &Track<'_>| matches!(track.kind, InitKind::Audio { .. });
    let brands: &[&[u8; 4]] = match tracks.iter().all(is_audio) {
        true => &[b"M4A ", b"M4A ", b"mp42", b"isom"],
        false => &[b"isom", b"isom", b"iso2", b"avc1", b"mp41"],
    };
    write_box(out, b"ftyp", |out| {
        out.extend_from_slice(brands[0]);
        put_u32(out, 0x200);
        for brand in &brands[1..] {
            out.extend_from_slice(&brand[..]);
        }
    });
}

/// A track's times in the movie's units.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// After the first track's begin.
    start: u64,
    duration: u64,
}

impl Times {
    fn of(track: &Track<'_>, origin: MediaTime) -> Self {
        let late = track.start.saturating_since(origin).as_nanos();
        let duration = u128::from(track.duration_units());
        Self {
            start: scaled(late, 1_000_000_000),
            duration: scaled(duration, u128::from(track.timescale)),
        }
    }

    fn end(&self) -> u64 {
        self.start + self.duration
    }
}

/// `time`, of which `per_s` are a second, in the movie's units.
fn scaled(time: u128, per_s: u128) -> u64 {
    let units = (time * u128::from(MOVIE_TIMESCALE) + per_s / 2) / per_s;
    u64::try_from(units).unwrap_or(u64::MAX)
}

/// §8.6.5, §8.6.6: of a track that begins later than the first, nothing and then all of it.
fn edit_list(out: &mut Vec<u8>, times: Times) {
    if times.start == 0 {
        return;
    }
    let version = version_for(times.end());
    // From media time -1, which stands for nothing, or from the first sample.
    let edits = [(times.start, -1_i64), (times.duration, 0)];
    write_box(out, b"edts", |out| {
        write_full_box(out, b"elst", version, 0, |out| {
            put_u32(out, edits.len() as u32);
            for (duration, from) in edits {
                match version {
                    0 => {
                        put_u32(out, duration as u32);
                        put_u32(out, from as u32);
                    }
                    _ => {
                        put_u64(out, duration);
                        put_u64(out, from as u64);
                    }
                }
                // At its own speed.
                put_u32(out, 0x0001_0000);
            }
        });
    });
}

/// §8.4.
fn media(out: &mut Vec<u8>, track: &Track<'_>, samples_at: u64, width: Width) {
    write_box(out, b"mdia", |out| {
        media_header(out, track.timescale, track.duration_units());
        out.extend_from_slice(track.description.handler);
        write_box(out, b"minf", |out| {
            out.extend_from_slice(track.description.media_information);
            write_box(out, b"stbl", |out| {
                out.extend_from_slice(track.description.samples);
                sample_table(out, track, samples_at, width);
            });
        });
    });
}

/// §8.6.1.2, §8.6.2, §8.7.3 to §8.7.5.
fn sample_table(out: &mut Vec<u8>, track: &Track<'_>, samples_at: u64, width: Width) {
    write_full_box(out, b"stts", 0, 0, |out| {
        put_u32(out, track.durations.len() as u32);
        for &(count, units) in &track.durations {
            put_u32(out, count);
            put_u32(out, units);
        }
    });
    if let Some(sync) = &track.sync {
        write_full_box(out, b"stss", 0, 0, |out| {
            put_u32(out, sync.len() as u32);
            sync.iter().for_each(|&sample| put_u32(out, sample));
        });
    }
    write_full_box(out, b"stsc", 0, 0, |out| sample_to_chunk(out, track));
    write_full_box(out, b"stsz", 0, 0, |out| {
        // They are not all of one size.
        put_u32(out, 0);
        let samples: u32 = track.chunks.iter().map(|chunk| chunk.samples).sum();
        put_u32(out, samples);
        track.sizes().for_each(|size| put_u32(out, size));
    });
    let places = track.chunks.iter().map(|chunk| samples_at + chunk.at);
    let count = track.chunks.len() as u32;
    match width {
        Width::Narrow => write_full_box(out, b"stco", 0, 0, |out| {
            put_u32(out, count);
            places.for_each(|place| put_u32(out, place as u32));
        }),
        Width::Wide => write_full_box(out, b"co64", 0, 0, |out| {
            put_u32(out, count);
            places.for_each(|place| put_u64(out, place));
        }),
    }
}

/// §8.7.4: from which chunk on each has how many samples.
fn sample_to_chunk(out: &mut Vec<u8>, track: &Track<'_>) {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for (number, chunk) in (1..).zip(&track.chunks) {
        if runs
            .last()
            .is_none_or(|&(_, samples)| samples != chunk.samples)
        {
            runs.push((number, chunk.samples));
        }
    }
    put_u32(out, runs.len() as u32);
    for (first_chunk, samples) in runs {
        put_u32(out, first_chunk);
        put_u32(out, samples);
        put_u32(out, 1);
    }
}
