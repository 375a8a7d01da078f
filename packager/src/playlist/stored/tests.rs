use std::path::PathBuf;

use super::*;
use crate::reread;
use crate::synthetic::name;
use crate::synthetic::stored::Tape;

const HOURS_2: Duration = Duration::from_secs(7200);

fn video(seconds: u64) -> StoredRendition {
    Tape::video("720p", Duration::ZERO, Duration::from_secs(seconds)).rendition
}

fn private() -> Links<'static> {
    Links {
        token: Some("1800000000.abc"),
        ..Links::default()
    }
}

#[track_caller]
fn golden(file: &str, text: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/playlists");
    let path = folder.join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, expected, "{}", path.display());
}

#[test]
fn golden_all_media_in_byte_ranges_of_one_file() {
    let text = render(&video(9), Content::Media, Links::default());
    golden("stored.m3u8", &text);
}

#[test]
fn golden_iframes_alone() {
    let text = render(&video(9), Content::IFrames, Links::default());
    golden("stored-iframes.m3u8", &text);
}

#[test]
fn golden_of_a_private_title_every_uri_has_the_token() {
    let text = render(&video(3), Content::Media, private());
    golden("stored-private.m3u8", &text);
}

#[test]
fn golden_subtitles_are_one_segment() {
    let duration = Duration::from_nanos(9_033_333_333);
    let text = render_subtitles(&name("en"), duration, private());
    golden("stored-subtitles.m3u8", &text);
}

#[test]
fn nothing_stored_is_a_playlist_without_segments() {
    let mut rendition = video(2);
    rendition.segments.clear();
    let playlist = reread::media(&render(&rendition, Content::Media, Links::default()));
    assert!(playlist.ended && playlist.segments.is_empty());
    assert_eq!(playlist.target_duration_s, 1);
}

/// 3600 segments of pictures, and as many of whole AAC frames: each byte of the file is in one,
/// and they last two hours.
#[test]
fn two_hours_are_listed_to_the_byte_and_to_the_microsecond() {
    let sound = Tape::audio(Duration::ZERO, HOURS_2);
    let pictures = Tape::video("720p", Duration::ZERO, HOURS_2);
    for (tape, duration_us) in [(pictures, 7_200_000_000), (sound, 7_200_000_000)] {
        let text = render(&tape.rendition, Content::Media, Links::default());
        let playlist = reread::media(&text);
        assert_eq!(playlist.segments.len(), 3600);
        assert!(playlist.ended);
        let init_bytes = tape.rendition.init.bytes.len() as u64;
        assert_eq!(playlist.map_range, Some((init_bytes, 0)));
        let mut at = init_bytes;
        let mut micros = 0;
        for segment in &playlist.segments {
            let (len_bytes, offset) = segment.range.unwrap();
            assert_eq!((offset, &segment.uri), (at, &playlist.map));
            at += len_bytes;
            micros += (segment.duration_s * 1e6).round() as u64;
            assert!(segment.duration_s < playlist.target_duration_s as f64 + 0.5);
        }
        assert_eq!((at, micros), (tape.file.len() as u64, duration_us));
    }
}

#[test]
fn an_iframe_stands_for_its_segment() {
    let mut rendition = video(20);
    rendition.segments[3].keyframe_bytes = None;
    let playlist = reread::media(&render(&rendition, Content::IFrames, Links::default()));
    assert!(playlist.iframes_only);
    assert_eq!(playlist.segments.len(), 9);
    let keyframes = rendition.segments.iter().filter_map(|segment| {
        let bytes = u64::from(segment.keyframe_bytes?);
        Some((bytes, segment.offset))
    });
    let listed = playlist
        .segments
        .iter()
        .map(|segment| segment.range.unwrap());
    assert!(keyframes.eq(listed));
}
