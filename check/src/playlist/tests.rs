use super::*;
use crate::session::Position;

const URL: &str = "http://host/live/720p/playlist.m3u8";

fn media(text: &str) -> MediaPlaylist {
    MediaPlaylist::parse(URL, text.as_bytes())
}

#[test]
fn a_low_latency_playlist_is_read_with_its_lines() {
    let text = include_str!("../../../fixtures/playlists/mid-segment.m3u8");
    let it = media(text);
    assert_eq!(it.faults, []);
    assert_eq!(it.target(), 2.0);
    assert_eq!(it.part_target(), Some(0.2));
    assert!(it.can_block());
    assert_eq!(it.whole().count(), 3);
    assert_eq!(it.segments.len(), 4);
    let first = &it.segments[0];
    assert_eq!(first.parts.len(), 10);
    assert!(first.parts[0].independent && !first.parts[1].independent);
    assert_eq!(first.parts[0].line, 10);
    assert_eq!(first.date.map(|date| date.value), Some(1_600_000_000.0));
    let resource = first.resource.as_ref().unwrap();
    assert_eq!(resource.line, 21);
    assert_eq!(resource.value.url, "http://host/live/720p/b7/0.m4s");
    assert_eq!(it.text.line(20), Some("#EXTINF:2.000000,"));
    let map = first.map.as_ref().unwrap();
    assert_eq!(map.url, "http://host/live/720p/b7/init.mp4");
    let place = |msn, part| Some(Position { msn, part });
    assert_eq!(it.last(), place(3, Some(3)));
    assert_eq!(it.next(), place(3, Some(4)));
    assert_eq!(
        it.part_hint().unwrap().resource.url,
        "http://host/live/720p/b7/3.4.m4s"
    );
    assert_eq!(it.reports[1].url, "http://host/live/audio/playlist.m3u8");
    assert_eq!((it.reports[1].msn, it.reports[1].part), (Some(3), Some(2)));
}

#[test]
fn what_was_asked_for_is_there_or_not() {
    let it = media(include_str!("../../../fixtures/playlists/mid-segment.m3u8"));
    let has = |msn, part| it.has(Position { msn, part });
    assert!(has(2, None) && has(2, Some(9)) && has(2, Some(99)));
    assert!(has(3, Some(3)));
    assert!(!has(3, Some(4)) && !has(3, None) && !has(4, Some(0)));
}

#[test]
fn byte_ranges_go_on_where_the_one_before_ended() {
    let it = media(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"a.mp4\",BYTERANGE=\"700@0\"\n\
         #EXTINF:2,\n#EXT-X-BYTERANGE:100@700\na.mp4\n#EXTINF:2,\n#EXT-X-BYTERANGE:50\na.mp4\n",
    );
    assert_eq!(it.faults, []);
    let range = |index: usize| it.segments[index].resource.as_ref().unwrap().value.range;
    let of = |first, len| {
        Some(ByteRange {
            first,
            len: Some(len),
        })
    };
    assert_eq!((range(0), range(1)), (of(700, 100), of(800, 50)));
    assert_eq!(it.segments[0].map.as_ref().unwrap().range, of(0, 700));
}

#[test]
fn numbers_count_over_skipped_segments_and_discontinuities() {
    let it = media(
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n\
         #EXT-X-SKIP:SKIPPED-SEGMENTS=4\n#EXTINF:2,\na\n#EXT-X-DISCONTINUITY\n#EXTINF:2,\nb\n",
    );
    assert_eq!(it.faults, []);
    assert_eq!((it.segments[0].msn, it.segments[1].msn), (14, 15));
    let sequence = |index: usize| it.segments[index].discontinuity_sequence;
    assert_eq!((sequence(0), sequence(1)), (3, 4));
}

#[test]
fn what_cannot_be_read_is_a_fault_with_its_line() {
    for (text, line, word) in [
        ("#EXTINF:2,\na\n", 1, "#EXTM3U"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:2.5\n", 2, "integer"),
        ("#EXTM3U\n#EXTINF:x,\na\n", 2, "EXTINF"),
        ("#EXTM3U\na\n", 2, "without EXTINF"),
        ("#EXTM3U\n#EXTINF:2,\n", 2, "without a URI"),
        ("#EXTM3U\n#EXT-X-PART:DURATION=1\n", 2, "EXT-X-PART"),
        (
            "#EXTM3U\n#EXT-X-PART-INF:PART-TARGET=1,PART-TARGET=2\n",
            2,
            "twice",
        ),
        ("#EXTM3U\n#EXT-X-MAP:URI=\"x\n", 2, "not closed"),
        ("#EXTM3U\n#EXT-X-MAP:URI=x\n", 2, "quoted"),
        ("#EXTM3U\n#EXT-X-SKIP:a=1\n", 2, "name"),
        (
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n",
            2,
            "multivariant",
        ),
    ] {
        let faults = media(text).faults;
        let found = faults
            .iter()
            .any(|it| it.line == line && it.what.contains(word));
        assert!(found, "{text:?}: {faults:?}");
    }
}

#[test]
fn a_multivariant_playlist_is_read_with_its_groups() {
    let text = include_str!("../../../fixtures/playlists/master-full.m3u8");
    let it = Multivariant::parse("http://host/live/master.m3u8", text.as_bytes());
    assert_eq!(it.faults, []);
    assert_eq!(it.variants.len(), 4);
    assert_eq!(it.variants[0].url, URL);
    assert_eq!(
        it.variants[0].attributes.integer("BANDWIDTH"),
        Some(2_890_800)
    );
    assert_eq!(it.variants[0].attributes.decimal("FRAME-RATE"), Some(29.97));
    assert_eq!(it.audio_of(&it.variants[0]).len(), 1);
    assert!(it.text.is_multivariant());
}

/// Whatever a peer sends, reading it ends, and ends without a panic.
#[test]
fn no_text_makes_it_panic() {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    const WORDS: &[&str] = &[
        "#EXTM3U",
        "\n",
        ":",
        ",",
        "=",
        "\"",
        "@",
        "#EXTINF",
        "#EXT-X-PART",
        "#EXT-X-SKIP",
        "SKIPPED-SEGMENTS",
        "18446744073709551615",
        "#EXT-X-MEDIA-SEQUENCE",
        "#EXT-X-BYTERANGE",
        "#EXT-X-MAP",
        "URI",
        "BYTERANGE",
        "DURATION",
        "1e400",
        "-1",
        "NaN",
        "../..",
        "\u{0}",
        "é",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-PROGRAM-DATE-TIME",
        "2020-09-13T12:26:40Z",
        "YES",
        "#EXT-X-STREAM-INF",
        "#EXT-X-MEDIA",
        "#EXT-X-PRELOAD-HINT",
        "TYPE",
        "PART",
        "a.m4s",
    ];
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..3000 {
        let words = random.random_range(0..60);
        let text: String = (0..words)
            .map(|_| WORDS[random.random_range(0..WORDS.len())])
            .collect();
        let playlist = media(&text);
        let (_, _) = (playlist.next(), playlist.last());
        Multivariant::parse(URL, text.as_bytes());
    }
}
