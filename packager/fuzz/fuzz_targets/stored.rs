//! Titles of whatever an index on the disk may say, as far as storage takes it: their playlists are
//! made, and of any range of a download every byte is the one that belongs there.
#![no_main]

mod shelf;

use std::ops::Range;
use std::time::Duration;

use http::Request;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use media_core::{FrameRate, InitKind, MediaTime, SampleRun, StoredRendition, StoredSegment};
use packager::progressive::{Piece, Progressive, Source};
use shelf::{Stage, Tape};

const SEGMENTS_MAX: usize = 12;
const RUNS_MAX: usize = 4;
const SAMPLES_MAX: usize = 12;

/// How many bytes of a download are looked at.
const WINDOW_BYTES: u64 = 64 * 1024;

fuzz_target!(|input: &[u8]| {
    // What is missing at the end is zero.
    let _end = title(&mut Unstructured::new(input));
});

fn title(input: &mut Unstructured<'_>) -> Result<()> {
    let mut tapes = vec![tape(input, "720p", 0)?];
    if input.arbitrary()? {
        tapes.push(tape(input, "audio", 1)?);
    }
    let range = |input: &mut Unstructured<'_>, len: u64| {
        let start = input.int_in_range(0..=len.saturating_sub(1))?;
        Ok(start..start + input.int_in_range(1..=WINDOW_BYTES)?)
    };
    let sources: Vec<_> = tapes
        .iter()
        .map(
            |Tape {
                 rendition, runs, ..
             }| Source { rendition, runs },
        )
        .collect();
    let made = Progressive::new(&sources).ok();
    if let Some(made) = &made {
        let wanted = range(input, made.len_bytes())?;
        let read_max = input.int_in_range(1..=WINDOW_BYTES)?;
        download(made, &tapes, wanted, read_max);
    }
    let len = made.map(|made| made.len_bytes());
    let wanted = range(input, len.unwrap_or(0))?;
    requests(tapes, len, wanted);
    Ok(())
}

/// As `storage::asset` reads it: segments one behind the other, no start more than a millisecond
/// before the end of the segment before.
fn tape(input: &mut Unstructured<'_>, name: &str, number: u64) -> Result<Tape> {
    let init = shelf::init(name, kind(input)?);
    let mut tape = Tape {
        rendition: StoredRendition {
            segments: Vec::new(),
            init,
        },
        runs: Vec::new(),
        number,
    };
    let mut end = MediaTime::ZERO;
    let mut offset = tape.rendition.init.bytes.len() as u64;
    for _ in 0..input.int_in_range(1..=SEGMENTS_MAX)? {
        let (runs, len_bytes) = runs(input)?;
        let segment = StoredSegment {
            start: start(input, end)?,
            duration: span(input)?,
            offset,
            len_bytes,
            keyframe_bytes: match input.arbitrary()? {
                true => Some(input.int_in_range(0..=len_bytes)?),
                false => None,
            },
        };
        end = segment.end();
        offset += u64::from(len_bytes);
        tape.rendition.segments.push(segment);
        tape.runs.push(runs);
    }
    Ok(tape)
}

fn kind(input: &mut Unstructured<'_>) -> Result<InitKind> {
    let any = (input.arbitrary()?, input.arbitrary()?);
    let (numerator, denominator) = *input.choose(&[(30, 1), (30_000, 1001), any])?;
    let video = FrameRate::new(numerator, denominator).map(|frame_rate| InitKind::Video {
        width: 1280,
        height: 720,
        frame_rate,
    });
    Ok(match video {
        Some(video) if input.arbitrary()? => video,
        _ => InitKind::Audio {
            // A manifest with a clock that stands still is none.
            sample_rate: *input.choose(&[48_000, any.0.max(1)])?,
            channels: 2,
        },
    })
}

/// Mostly seconds.
fn span(input: &mut Unstructured<'_>) -> Result<Duration> {
    Ok(match input.arbitrary()? {
        true => Duration::from_millis(input.arbitrary::<u16>()?.into()),
        false => Duration::from_nanos(input.arbitrary()?),
    })
}

fn start(input: &mut Unstructured<'_>, end: MediaTime) -> Result<MediaTime> {
    let start = match input.arbitrary()? {
        true => end + Duration::from_nanos(input.int_in_range(0..=2_000_000)?),
        false => end + span(input)?,
    };
    Ok(MediaTime::ZERO.max(start - Duration::from_millis(1)))
}

/// The chunks of a segment and its length: mostly one behind the other and within it.
fn runs(input: &mut Unstructured<'_>) -> Result<(Vec<SampleRun>, u32)> {
    let mut len_bytes = 0_u32;
    let mut runs = Vec::new();
    for _ in 0..input.int_in_range(0..=RUNS_MAX)? {
        let offset = match input.ratio(1, 32)? {
            true => input.arbitrary()?,
            false => len_bytes.saturating_add(input.arbitrary::<u8>()?.into()),
        };
        let sizes = (0..input.int_in_range(0..=SAMPLES_MAX)?).map(|_| {
            Ok(match input.ratio(1, 64)? {
                true => input.arbitrary()?,
                false => input.arbitrary::<u16>()?.into(),
            })
        });
        let sizes: Vec<u32> = sizes.collect::<Result<_>>()?;
        len_bytes = sizes
            .iter()
            .fold(offset, |end, &size| end.saturating_add(size));
        runs.push(SampleRun { offset, sizes });
    }
    let len_bytes = match input.ratio(1, 32)? {
        true => input.arbitrary()?,
        false => len_bytes,
    };
    Ok((runs, len_bytes.max(1)))
}

/// Looks at every byte of a range of a download.
fn download(made: &Progressive, tapes: &[Tape], wanted: Range<u64>, read_max: u64) {
    let head_bytes = made.head().len() as u64;
    let extents = laid_out(tapes, head_bytes);
    let end = extents
        .last()
        .map_or(head_bytes, |(at, _, from)| at + (from.end - from.start));
    assert_eq!(made.len_bytes(), end);
    let mut at = wanted.start;
    while let Some(piece) = made.piece(at..wanted.end, read_max) {
        match piece {
            Piece::Head(bytes) => {
                assert!(!bytes.is_empty());
                assert!(made.head()[at as usize..].starts_with(&bytes));
                at += bytes.len() as u64;
            }
            Piece::Read(read) => {
                let span = read.span.end - read.span.start;
                assert!(span <= read_max && !read.cuts.is_empty());
                let bytes = tapes[read.source].media(read.span);
                for cut in read.cuts {
                    assert!(!cut.is_empty());
                    at += expect(&bytes[cut], tapes, &extents, at);
                }
            }
        }
    }
    assert_eq!(at, wanted.end.min(made.len_bytes()));
}

/// Where each run of samples comes to lie, which tape has it and where.
type Extent = (u64, usize, Range<u64>);

/// A segment of one track after a segment of the other, as they play.
fn laid_out(tapes: &[Tape], head_bytes: u64) -> Vec<Extent> {
    let mut segments = Vec::new();
    for (source, tape) in tapes.iter().enumerate() {
        for (segment, runs) in tape.rendition.segments.iter().zip(&tape.runs) {
            segments.push((segment.start, source, segment.offset, runs));
        }
    }
    segments.sort_by_key(|&(start, source, ..)| (start, source));
    let mut at = head_bytes;
    let mut extents = Vec::new();
    for (_, source, offset, runs) in segments {
        for run in runs {
            let from = offset + u64::from(run.offset);
            let len: u64 = run.sizes.iter().map(|&size| u64::from(size)).sum();
            extents.push((at, source, from..from + len));
            at += len;
        }
    }
    extents
}

/// That `bytes` are those from `at` on; how many they are.
fn expect(bytes: &[u8], tapes: &[Tape], extents: &[Extent], at: u64) -> u64 {
    let end = at + bytes.len() as u64;
    for (first, source, from) in extents {
        let last = first + (from.end - from.start);
        let (begin, until) = (at.max(*first), end.min(last));
        if begin < until {
            let of_file = from.start + (begin - first)..from.start + (until - first);
            let expected = tapes[*source].media(of_file);
            assert!(bytes[(begin - at) as usize..(until - at) as usize] == expected);
        }
    }
    bytes.len() as u64
}

/// Asks for all that the title has, where its download is so long.
fn requests(tapes: Vec<Tape>, download: Option<u64>, wanted: Range<u64>) {
    let names: Vec<String> = tapes
        .iter()
        .map(|tape| tape.rendition.init.rendition.to_string())
        .collect();
    let are_videos: Vec<bool> = tapes
        .iter()
        .map(|tape| matches!(tape.rendition.init.kind, InitKind::Video { .. }))
        .collect();
    let stage = Stage::new(tapes);
    let get = |path: &str| {
        let range = format!("bytes={}-{}", wanted.start, wanted.end - 1);
        let request = Request::get(format!("/vod/public/{path}")).header("range", range);
        stage.ask(&request.body(()).expect("a target"))
    };
    assert_eq!(get("master.m3u8").status(), 200);
    assert_eq!(get("subtitles/en.m3u8").status(), 200);
    for (name, &is_video) in names.iter().zip(&are_videos) {
        assert_eq!(get(&format!("{name}/playlist.m3u8")).status(), 200);
        let iframes = get(&format!("{name}/iframes.m3u8")).status();
        assert_eq!(iframes, if is_video { 200 } else { 404 });
        assert!([206, 416].contains(&get(&format!("{name}.mp4")).status()));
    }
    // The first one's is made of both where it has a picture and the other none.
    let answer = get("720p/download.mp4");
    match (&are_videos[..], download) {
        ([_] | [true, false], Some(len)) => {
            assert_eq!(answer.status(), 206);
            let expected = wanted.end.min(len) - wanted.start;
            assert_eq!(answer.body.len() as u64, expected);
        }
        ([_] | [true, false], None) => assert_eq!(answer.status(), 500),
        _ => assert!([206, 416, 500].contains(&answer.status())),
    }
}
