use std::time::Duration;

use media_core::InitKind;
use mp4_atom::{Any, Decode, Ftyp, Header, Moov, ReadFrom, Trak};

use super::*;
use crate::synthetic::stored::Tape;

mod real_media;

const TEN_SECONDS: Duration = Duration::from_secs(10);

fn plan(tapes: &[Tape]) -> Result<Progressive, Invalid> {
    let sources: Vec<_> = tapes.iter().map(source).collect();
    Progressive::new(&sources)
}

fn source(tape: &Tape) -> Source<'_> {
    Source {
        rendition: &tape.rendition,
        runs: &tape.runs,
    }
}

fn both(late: Duration) -> [Tape; 2] {
    [
        Tape::video("720p", Duration::ZERO, TEN_SECONDS),
        Tape::audio(late, TEN_SECONDS),
    ]
}

/// What a server that reads at most `read_max` at a time sends of `range`, and its reads.
fn sent(file: &Progressive, tapes: &[Tape], range: Range<u64>, read_max: u64) -> (Vec<u8>, usize) {
    let (mut bytes, mut reads) = (Vec::new(), 0);
    while let Some(piece) = file.piece(range.start + bytes.len() as u64..range.end, read_max) {
        match piece {
            Piece::Head(head) => bytes.extend(&head[..]),
            Piece::Read(read) => {
                reads += 1;
                assert!(read.span.end - read.span.start <= read_max.max(1));
                let span = read.span.start as usize..read.span.end as usize;
                let span = &tapes[read.source].file[span];
                for cut in read.cuts {
                    assert!(!cut.is_empty());
                    bytes.extend(&span[cut]);
                }
            }
        }
    }
    (bytes, reads)
}

fn whole(file: &Progressive, tapes: &[Tape]) -> Vec<u8> {
    sent(file, tapes, 0..u64::MAX, 1 << 20).0
}

fn boxes(mut bytes: &[u8]) -> Vec<String> {
    let mut kinds = Vec::new();
    while let Ok(header) = Header::decode(&mut bytes) {
        kinds.push(header.kind.to_string());
        bytes = &bytes[header.size.unwrap()..];
    }
    assert!(bytes.is_empty());
    kinds
}

fn movie(bytes: &[u8]) -> Moov {
    let mut rest = bytes;
    Ftyp::decode(&mut rest).unwrap();
    match Any::read_from(&mut rest).unwrap() {
        Any::Moov(moov) => moov,
        other => panic!("{other:?}"),
    }
}

/// Each sample's bytes and length in time, by the tables alone.
fn samples<'a>(trak: &Trak, bytes: &'a [u8]) -> Vec<(&'a [u8], u32)> {
    let table = &trak.mdia.minf.stbl;
    let places: Vec<u64> = match (&table.stco, &table.co64) {
        (Some(stco), None) => stco.entries.iter().map(|&it| u64::from(it)).collect(),
        (None, Some(co64)) => co64.entries.clone(),
        other => panic!("{other:?}"),
    };
    let mp4_atom::StszSamples::Different { sizes } = &table.stsz.samples else {
        panic!("{:?}", table.stsz);
    };
    let durations = table.stts.entries.iter();
    let durations = durations
        .flat_map(|entry| std::iter::repeat_n(entry.sample_delta, entry.sample_count as usize));
    let mut sizes = sizes.iter();
    let mut found = Vec::new();
    for (number, &place) in (1..).zip(&places) {
        let runs = table.stsc.entries.iter();
        let run = runs.take_while(|run| run.first_chunk <= number).last();
        let mut at = place as usize;
        for &size in sizes.by_ref().take(run.unwrap().samples_per_chunk as usize) {
            found.push(&bytes[at..at + size as usize]);
            at += size as usize;
        }
    }
    assert!(sizes.next().is_none());
    let durations: Vec<_> = durations.collect();
    assert_eq!(durations.len(), found.len());
    found.into_iter().zip(durations).collect()
}

#[test]
fn every_sample_is_where_the_tables_say_and_lasts_as_long() {
    let tapes = both(Duration::ZERO);
    let file = plan(&tapes).unwrap();
    let bytes = whole(&file, &tapes);
    assert_eq!(bytes.len() as u64, file.len_bytes());
    assert_eq!(boxes(&bytes), ["ftyp", "moov", "mdat"]);
    let moov = movie(&bytes);
    assert_eq!((moov.mvhd.timescale, moov.mvhd.duration), (48_000, 480_256));
    for (trak, (name, each)) in moov.trak.iter().zip([("720p", 1000), ("audio", 1024)]) {
        assert!(trak.edts.is_none());
        for (index, (sample, duration)) in samples(trak, &bytes).into_iter().enumerate() {
            assert_eq!(duration, each);
            let told = format!("{name}/{index};");
            assert!(sample.starts_with(told.as_bytes()), "{told}");
        }
    }
    let [video, audio] = &moov.trak[..] else {
        panic!("two tracks");
    };
    assert_eq!((video.tkhd.track_id, audio.tkhd.track_id), (1, 2));
    assert_eq!(samples(video, &bytes).len(), 300);
    assert_eq!(samples(audio, &bytes).len(), 469);
    let sync = video.mdia.minf.stbl.stss.as_ref().unwrap();
    assert_eq!(sync.entries, [1, 61, 121, 181, 241]);
    assert!(audio.mdia.minf.stbl.stss.is_none());
    assert_eq!(video.mdia.mdhd.timescale, 30_000);
    assert_eq!(video.mdia.mdhd.duration, 300_000);
}

#[test]
fn pictures_and_sound_lie_by_turns_a_segment_each() {
    let tapes = both(Duration::ZERO);
    let bytes = whole(&plan(&tapes).unwrap(), &tapes);
    let moov = movie(&bytes);
    let places = |trak: &Trak| trak.mdia.minf.stbl.stco.clone().unwrap().entries;
    let (video, audio) = (places(&moov.trak[0]), places(&moov.trak[1]));
    assert_eq!((video.len(), audio.len()), (5, 5));
    let by_turns: Vec<_> = video.iter().zip(&audio).flat_map(|(v, a)| [v, a]).collect();
    assert!(by_turns.is_sorted());
}

#[test]
fn any_range_is_what_the_whole_file_has_there() {
    let tapes = both(Duration::ZERO);
    let file = plan(&tapes).unwrap();
    let bytes = whole(&file, &tapes);
    let len = bytes.len() as u64;
    let head = file.head().len() as u64;
    let starts = [0, 1, head - 1, head, head + 1, len / 2, len - 1];
    for start in starts.into_iter().chain((head..len).step_by(997)) {
        for wanted in [1, 2, 300, 5000, len] {
            for read_max in [1, 100, 4096, 1 << 20] {
                let end = (start + wanted).min(len);
                let (sent, _) = sent(&file, &tapes, start..start + wanted, read_max);
                assert!(
                    sent == bytes[start as usize..end as usize],
                    "{start}..{end} by {read_max}"
                );
            }
        }
    }
    assert_eq!(file.piece(len..len + 10, 100), None);
    assert_eq!(file.piece(5..5, 100), None);
}

/// A chunk's head is some hundred bytes: reading over it costs less than another read.
#[test]
fn a_segment_is_one_read_where_it_fits() {
    let tapes = both(Duration::ZERO);
    let file = plan(&tapes).unwrap();
    let media = file.head().len() as u64..file.len_bytes();
    assert_eq!(sent(&file, &tapes, media, 1 << 20).1, 10);
}

#[test]
fn a_track_that_begins_later_begins_with_an_empty_edit() {
    let tapes = both(Duration::from_millis(64));
    let bytes = whole(&plan(&tapes).unwrap(), &tapes);
    let moov = movie(&bytes);
    assert!(moov.trak[0].edts.is_none());
    let edits = moov.trak[1].edts.clone().unwrap().elst.unwrap().entries;
    let edits: Vec<_> = edits
        .iter()
        .map(|edit| (edit.segment_duration, edit.media_time))
        .collect();
    assert_eq!(edits, [(3072, None), (480_256, Some(0))]);
    assert_eq!(moov.trak[1].tkhd.duration, 483_328);
    assert_eq!(moov.mvhd.duration, 483_328);
}

#[test]
fn before_a_gap_the_last_sample_lasts_until_it_ends() {
    let mut tapes = both(Duration::ZERO);
    for segment in &mut tapes[0].rendition.segments[3..] {
        segment.start = segment.start + Duration::from_secs(4);
    }
    let bytes = whole(&plan(&tapes).unwrap(), &tapes);
    let video = &movie(&bytes).trak[0];
    let durations: Vec<_> = samples(video, &bytes).iter().map(|it| it.1).collect();
    assert_eq!(durations[..179], [1000; 179]);
    assert_eq!(durations[179], 121_000);
    assert_eq!(durations[180..], [1000; 120]);
    assert_eq!(video.mdia.mdhd.duration, 420_000);
}

#[test]
fn a_segment_of_centuries_on_a_fine_clock_is_named() {
    let mut tapes = [Tape::audio(Duration::ZERO, TEN_SECONDS)];
    let rendition = &mut tapes[0].rendition;
    rendition.init.kind = InitKind::Audio {
        sample_rate: u32::MAX,
        channels: 2,
    };
    rendition.segments[0].duration = Duration::from_nanos(u64::MAX);
    let error = plan(&tapes).unwrap_err();
    assert!(
        matches!(error, Invalid::Disordered { segment: 0, .. }),
        "{error}"
    );
}

#[test]
fn sound_alone_is_a_file_of_its_own_kind() {
    let tapes = [Tape::audio(Duration::from_millis(64), TEN_SECONDS)];
    let bytes = whole(&plan(&tapes).unwrap(), &tapes);
    let ftyp = Ftyp::decode(&mut &bytes[..]).unwrap();
    assert_eq!(ftyp.major_brand.to_string(), "M4A ");
    let moov = movie(&bytes);
    assert_eq!(moov.trak.len(), 1);
    assert!(moov.trak[0].edts.is_none(), "it is the first to begin");
}

/// Found by the fuzz target `stored`: 32 bits hold the samples, but not the box that they are in.
#[test]
fn a_file_whose_samples_end_just_below_4_gib_has_sizes_of_64_bits() {
    const SAMPLES_BYTES: u32 = u32::MAX - 3;
    let mut tapes = [Tape::video("720p", Duration::ZERO, TEN_SECONDS)];
    let tape = &mut tapes[0];
    let samples: u32 = 300;
    let mut offset = tape.rendition.init.bytes.len() as u64;
    for (segment, runs) in tape.rendition.segments.iter_mut().zip(&mut tape.runs) {
        let mut in_segment = 0;
        for run in runs.iter_mut() {
            run.offset = in_segment;
            run.sizes.fill(SAMPLES_BYTES / samples);
            in_segment += run.sizes.iter().sum::<u32>();
        }
        segment.offset = offset;
        segment.len_bytes = in_segment + SAMPLES_BYTES % samples;
        offset += u64::from(segment.len_bytes);
    }
    let last = tape.runs.last_mut().and_then(|runs| runs.last_mut());
    let last = last.and_then(|run| run.sizes.last_mut()).unwrap();
    *last += SAMPLES_BYTES % samples;
    let file = plan(&tapes).unwrap();
    let head = file.head();
    assert_eq!(
        file.len_bytes(),
        head.len() as u64 + u64::from(SAMPLES_BYTES)
    );
    let mdat = &head[head.len() - 16..];
    assert_eq!(mdat[..8], *b"\0\0\0\x01mdat");
    let size = u64::from_be_bytes(mdat[8..].try_into().unwrap());
    assert_eq!(size, u64::from(SAMPLES_BYTES) + 16);
}

/// Of the length that 5 Mbit/s have in two hours: places past 4 GiB.
#[test]
fn a_file_past_4_gib_has_places_of_64_bits() {
    const SAMPLE_BYTES: u32 = 15_000_000;
    let mut tapes = both(Duration::ZERO);
    let tape = &mut tapes[0];
    let mut offset = tape.rendition.init.bytes.len() as u64;
    for (segment, runs) in tape.rendition.segments.iter_mut().zip(&mut tape.runs) {
        for (index, run) in (0..).zip(runs.iter_mut()) {
            run.offset = index * 10 * SAMPLE_BYTES;
            run.sizes.fill(SAMPLE_BYTES);
        }
        segment.offset = offset;
        segment.len_bytes = 1_000_000_000;
        offset += u64::from(segment.len_bytes);
    }
    let file = plan(&tapes).unwrap();
    assert!(file.len_bytes() > 300 * u64::from(SAMPLE_BYTES));
    let head = file.head();
    let moov = movie(head);
    let media_at = head.len() as u64;
    for trak in &moov.trak {
        let places = &trak.mdia.minf.stbl.co64.as_ref().unwrap().entries;
        assert!(places.is_sorted() && places[0] >= media_at);
        assert!(places[4] > u64::from(u32::MAX) * 3 / 4);
    }
    let mdat = &head[head.len() - 16..];
    assert_eq!(mdat[..8], *b"\0\0\0\x01mdat");
    let size = u64::from_be_bytes(mdat[8..].try_into().unwrap());
    assert_eq!(size, file.len_bytes() - media_at + 16);
    let last = file.len_bytes() - 1..file.len_bytes();
    let Some(Piece::Read(read)) = file.piece(last, 100) else {
        panic!("the last byte is a sample's");
    };
    assert_eq!(
        (read.source, read.span.end),
        (1, tapes[1].file.len() as u64)
    );
}

#[test]
fn a_day_and_a_half_of_pictures_has_times_of_64_bits() {
    let mut tapes = both(Duration::ZERO);
    let last = tapes[0].rendition.segments.last_mut().unwrap();
    last.start = last.start + Duration::from_secs(36 * 3600);
    let moov = movie(plan(&tapes).unwrap().head());
    let ten_seconds_and_36_hours = 10 + 36 * 3600;
    assert_eq!(moov.mvhd.duration, ten_seconds_and_36_hours * 48_000);
    let duration = moov.trak[0].tkhd.duration;
    assert_eq!(duration, ten_seconds_and_36_hours * 48_000);
}

#[test]
fn sources_that_contradict_themselves_are_named() {
    let rendition = || "720p".to_owned();
    let mut shorter = both(Duration::ZERO);
    shorter[0].runs.pop();
    let mut outside = both(Duration::ZERO);
    outside[0].runs[2][1].sizes[0] += 100_000;
    let mut disordered = both(Duration::ZERO);
    disordered[0].rendition.segments.swap(1, 2);
    disordered[0].runs.swap(1, 2);
    let mut no_box = both(Duration::ZERO);
    let init = &mut no_box[0].rendition.init;
    init.bytes = init.bytes.slice(..100);
    for (tapes, expected) in [
        (
            shorter,
            Invalid::OtherSegments {
                rendition: rendition(),
                expected: 5,
                found: 4,
            },
        ),
        (
            outside,
            Invalid::OutsideSegment {
                rendition: rendition(),
                segment: 2,
            },
        ),
        (
            disordered,
            Invalid::Disordered {
                rendition: rendition(),
                segment: 2,
            },
        ),
        (
            no_box,
            Invalid::NoBox {
                rendition: rendition(),
                missing: "mdia",
            },
        ),
    ] {
        assert_eq!(plan(&tapes).unwrap_err(), expected);
    }
    assert_eq!(plan(&[]).unwrap_err(), Invalid::Empty);
}

/// What the module says of memory.
#[test]
fn two_hours_take_three_megabytes() {
    const HOURS_2: Duration = Duration::from_secs(7200);
    let tapes = [
        Tape::video("720p", Duration::ZERO, HOURS_2),
        Tape::audio(Duration::ZERO, HOURS_2),
    ];
    let began = std::time::Instant::now();
    let file = plan(&tapes).unwrap();
    let took = began.elapsed();
    let (head, all) = (file.head().len(), file.memory_bytes());
    println!("a head of {head} bytes, {all} altogether, made in {took:?}");
    assert!(head < 2_300_000 && all < 3_400_000, "{head}, {all}");
    assert_eq!(file.extents.len(), 3600 * 12);
}
