use std::time::Duration;

use bytes::Bytes;
use media_core::timeline::sample_time;
use media_core::{
    Bitrate, Cadence, Chunk, FrameRate, Init, InitKind, MediaTime, RenditionName, Sample, Track,
};

use super::{InvalidTrack, Muxer};

const AVCC: &[u8] = &[
    1, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x1f, 1, 0, 2, 0x68, 0xee,
];
const AAC_LC_48K_STEREO: &[u8] = &[0x11, 0x90];

fn rate(numerator: u32, denominator: u32) -> FrameRate {
    FrameRate::new(numerator, denominator).expect("a rate")
}

fn cadence(rate: FrameRate) -> Cadence {
    Cadence::new(rate, Duration::from_secs(2), Duration::from_millis(333))
}

fn track(kind: InitKind, config: &'static [u8]) -> Track {
    Track {
        rendition: RenditionName::new("720p").expect("a name"),
        kind,
        bitrate: Bitrate::from_kbps(2500),
        decoder_config: Bytes::from_static(config),
    }
}

fn video(frame_rate: FrameRate) -> (Muxer, Init) {
    let kind = InitKind::Video {
        width: 1280,
        height: 720,
        frame_rate,
    };
    Muxer::new(&track(kind, AVCC), cadence(frame_rate)).expect("a valid track")
}

fn audio(video_rate: FrameRate) -> (Muxer, Init) {
    let kind = InitKind::Audio {
        sample_rate: 48_000,
        channels: 2,
    };
    Muxer::new(&track(kind, AAC_LC_48K_STEREO), cadence(video_rate)).expect("a valid track")
}

fn picture(rate: FrameRate, index: u64) -> Sample {
    let time = rate.frame_time(index);
    let duration = rate.frame_time(index + 1).saturating_since(time);
    let data = Bytes::from(vec![index as u8; 100 + index as usize % 7]);
    Sample {
        time,
        duration,
        sync: cadence(rate).starts_segment(index),
        segment: None,
        data,
    }
}

fn sound(index: u64) -> Sample {
    let time = sample_time(index * 1024);
    let duration = sample_time((index + 1) * 1024).saturating_since(time);
    Sample {
        time,
        duration,
        sync: true,
        segment: None,
        data: Bytes::from_static(&[0x21; 40]),
    }
}

/// A box found by its path, with its content after the header.
fn find<'a>(mut bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    let (kind, rest) = path.split_first()?;
    while bytes.len() >= 8 {
        let size = u32::from_be_bytes(bytes[..4].try_into().expect("four bytes")) as usize;
        assert!(
            (8..=bytes.len()).contains(&size),
            "a box of {size} in {}",
            bytes.len()
        );
        if &&bytes[4..8] == kind {
            let content = &bytes[8..size];
            return if rest.is_empty() {
                Some(content)
            } else {
                find(content, rest)
            };
        }
        bytes = &bytes[size..];
    }
    None
}

fn joined(chunk: &Chunk) -> Vec<u8> {
    chunk.bytes.concat()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn decode_time(chunk: &Chunk) -> u64 {
    let bytes = joined(chunk);
    let tfdt = find(&bytes, &[b"moof", b"traf", b"tfdt"]).expect("every chunk has a decode time");
    u64::from_be_bytes(tfdt[4..12].try_into().expect("eight bytes"))
}

#[test]
fn a_chunk_leaves_with_its_last_sample_and_not_with_the_one_after_it() {
    let (mut muxer, _) = video(rate(30, 1));
    for index in 0..9 {
        assert!(muxer.push(picture(rate(30, 1), index)).is_none());
    }
    let chunk = muxer
        .push(picture(rate(30, 1), 9))
        .expect("the tenth frame fills a part");
    assert_eq!(chunk.duration, Duration::from_nanos(333_333_333));
    assert!(chunk.starts_segment && chunk.independent);
}

#[test]
fn segments_begin_with_a_keyframe_and_decode_times_are_exact_for_an_hour_of_ntsc() {
    let ntsc = rate(30_000, 1001);
    let (mut muxer, _) = video(ntsc);
    let chunks = (0..107_892).filter_map(|index| muxer.push(picture(ntsc, index)));
    let mut expected_units = 0;
    for (position, chunk) in chunks.enumerate() {
        assert_eq!(decode_time(&chunk), expected_units);
        assert_eq!(chunk.starts_segment, position % 6 == 0);
        assert_eq!(chunk.ends_segment, position % 6 == 5);
        assert_eq!(chunk.independent, chunk.starts_segment);
        expected_units += 10 * 1001;
    }
    assert_eq!(expected_units, 10_789 * 10 * 1001);
}

#[test]
fn audio_is_cut_at_whole_frames_on_the_pictures_segments_and_loses_none() {
    for picture_rate in [rate(30, 1), rate(24_000, 1001), rate(50, 1)] {
        let (mut muxer, _) = audio(picture_rate);
        let cadence = cadence(picture_rate);
        let mut next = 0;
        let mut segment = None;
        for chunk in (0..10_000).filter_map(|index| muxer.push(sound(index))) {
            assert_eq!(decode_time(&chunk), next);
            next += 1024 * (chunk.bytes.len() as u64 - 1);
            assert!(chunk.duration <= cadence.part_target() + Duration::from_nanos(1));
            assert!(chunk.duration * 100 >= cadence.part_target() * 85);
            let this = cadence.place_at(chunk.dts).segment;
            assert_eq!(
                chunk.starts_segment,
                segment != Some(this),
                "at {}",
                chunk.dts
            );
            let next = cadence.place_at(chunk.dts + chunk.duration).segment;
            assert_eq!(chunk.ends_segment, next != this, "at {}", chunk.dts);
            segment = Some(this);
        }
        assert!(next > 9_980 * 1024);
    }
}

#[test]
fn sound_alone_is_cut_on_its_own_frames() {
    let (mut muxer, _) = audio(rate(48_000, 1024));
    let chunks: Vec<Chunk> = (0..940)
        .filter_map(|index| muxer.push(sound(index)))
        .collect();
    let starts: Vec<usize> = chunks
        .iter()
        .enumerate()
        .filter(|(_, c)| c.starts_segment)
        .map(|(i, _)| i)
        .collect();
    let frames: Vec<usize> = chunks[..6].iter().map(|c| c.bytes.len() - 1).collect();
    assert_eq!(frames, [15, 16, 16, 15, 16, 16]);
    assert_eq!(starts[..3], [0, 6, 12]);
    assert_eq!(chunks[6].dts, sample_time(94 * 1024));
}

#[test]
fn sample_sizes_flags_and_the_data_offset_describe_the_bytes_that_follow() {
    let (mut muxer, _) = video(rate(25, 1));
    let chunk = (0..8)
        .find_map(|i| muxer.push(picture(rate(25, 1), i)))
        .expect("a chunk");
    let bytes = joined(&chunk);
    let moof_bytes = u32_at(&bytes, 0) as usize;
    let trun = find(&bytes, &[b"moof", b"traf", b"trun"]).expect("a run");
    assert_eq!(u32_at(trun, 4), 8, "samples");
    assert_eq!(u32_at(trun, 8) as usize, moof_bytes + 8, "data offset");
    let mut at = moof_bytes + 8;
    for index in 0..8 {
        let (size, flags) = (u32_at(trun, 12 + index * 8), u32_at(trun, 16 + index * 8));
        assert_eq!(flags, if index == 0 { 0x0200_0000 } else { 0x0101_0000 });
        assert!(
            bytes[at..at + size as usize]
                .iter()
                .all(|&byte| byte == index as u8)
        );
        at += size as usize;
    }
    assert_eq!(at, bytes.len());
    assert_eq!(
        find(&bytes, &[b"mdat"]).map(<[u8]>::len),
        Some(bytes.len() - moof_bytes - 8)
    );
}

#[test]
fn media_is_not_copied() {
    let (mut muxer, _) = video(rate(30, 1));
    let sample = picture(rate(30, 1), 0);
    let at = sample.data.as_ptr();
    muxer.push(sample);
    let chunk = muxer.finish().expect("what was open");
    assert_eq!(chunk.bytes[1].as_ptr(), at);
}

#[test]
fn the_codec_is_named_from_the_bitstream_and_the_init_holds_its_configuration() {
    let (_, init) = video(rate(30, 1));
    assert_eq!(init.codec, "avc1.64001f");
    let stsd = find(
        &init.bytes,
        &[b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"],
    );
    let entry = &stsd.expect("a description")[8..];
    assert_eq!(&entry[4..8], b"avc1");
    assert_eq!(find(&entry[8 + 78..], &[b"avcC"]), Some(AVCC));
    let mdhd = find(&init.bytes, &[b"moov", b"trak", b"mdia", b"mdhd"]).expect("a media header");
    assert_eq!(u32_at(mdhd, 12), 30_000, "timescale");
    assert_eq!(audio(rate(30, 1)).1.codec, "mp4a.40.2");
}

#[test]
fn a_damaged_configuration_is_an_error_that_names_it() {
    let kind = InitKind::Audio {
        sample_rate: 48_000,
        channels: 2,
    };
    let error = Muxer::new(&track(kind, &[0x11]), cadence(rate(30, 1))).expect_err("too short");
    let InvalidTrack::ShortConfig {
        what,
        found,
        needed,
        ..
    } = &error;
    assert_eq!((*what, *found, *needed), ("AudioSpecificConfig", 1, 2));
}

#[test]
fn a_broadcast_that_ends_in_the_middle_gives_its_last_part() {
    let (mut muxer, _) = video(rate(30, 1));
    for index in 0..3 {
        muxer.push(picture(rate(30, 1), index));
    }
    let last = muxer.finish().expect("three frames are open");
    assert_eq!((last.bytes.len() - 1, last.dts), (3, MediaTime::ZERO));
    assert!(muxer.finish().is_none());
}
