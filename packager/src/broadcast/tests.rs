use std::time::Duration;

use super::*;
use crate::edition::Shape;
use crate::playlist::links::Links;
use crate::playlist::media::Content;
use crate::synthetic::{Source, name, plan, rate, seconds};
use crate::text::Coding;
use media_core::MediaTime;

const PART: Duration = Duration::from_millis(200);

fn sources() -> [Source; 3] {
    [
        Source::video("720p", rate(30, 1), 6),
        Source::video("360p", rate(30, 1), 6),
        Source::audio(),
    ]
}

fn broadcast() -> Broadcast {
    Broadcast::new(plan(&["720p", "360p", "audio"], PART), None)
}

fn fill(broadcast: &Broadcast, source: &mut Source, end: MediaTime) {
    for chunk in source.until(end) {
        broadcast.push(chunk);
    }
}

fn text(broadcast: &Broadcast, rendition: &str) -> String {
    let edition = broadcast.feed(rendition).unwrap().latest().unwrap();
    let shape = Shape {
        content: Content::Media,
        dvr: false,
        delta: false,
    };
    let text = edition.text(shape, None, Coding::Identity);
    String::from_utf8(text.to_vec()).unwrap()
}

#[test]
fn it_is_playable_once_every_rendition_has_a_segment() {
    let broadcast = broadcast();
    let mut sources = sources();
    for source in &sources {
        broadcast.init(source.init());
    }
    for source in &mut sources {
        assert!(!broadcast.playable());
        fill(&broadcast, source, MediaTime::from_millis(2500));
    }
    assert!(broadcast.playable());
    assert_eq!(broadcast.faults(), Faults::default());
}

#[test]
fn a_broadcast_shorter_than_a_segment_is_playable_at_its_end() {
    let broadcast = broadcast();
    for mut source in sources() {
        broadcast.init(source.init());
        fill(&broadcast, &mut source, seconds(1));
    }
    assert!(!broadcast.playable());
    broadcast.end();
    assert!(broadcast.playable());
    assert!(text(&broadcast, "audio").ends_with("#EXT-X-ENDLIST\n"));
}

#[test]
fn the_playlist_reports_the_other_renditions() {
    let broadcast = broadcast();
    let mut sources = sources();
    for source in &sources {
        broadcast.init(source.init());
    }
    for source in &mut sources {
        fill(&broadcast, source, seconds(3));
    }
    fill(&broadcast, &mut sources[0], MediaTime::from_millis(3100));
    let reports = crate::reread::media(&text(&broadcast, "720p")).reports;
    let report =
        |rendition: &str, sequence, part| (format!("../{rendition}/playlist.m3u8"), sequence, part);
    // Audio's last part before 3 s began at 2.965 s: the sixth of its segment.
    assert_eq!(reports, [report("360p", 1, 4), report("audio", 1, 5)]);
}

#[test]
fn faults_are_counted_and_viewers_see_none_of_them() {
    let broadcast = broadcast();
    let [mut video, mut other, _] = sources();
    broadcast.push(video.chunk());
    broadcast.init(video.init());
    broadcast.init(video.init());
    let mut stray = other.chunk();
    stray.rendition = name("4k");
    broadcast.push(stray);
    broadcast.push(video.chunk());
    broadcast.end();
    broadcast.push(video.chunk());
    broadcast.init(other.init());
    let seen: Vec<_> = broadcast.faults().seen().collect();
    assert_eq!(
        seen,
        [
            (Fault::UnknownRendition, 1),
            (Fault::SecondInit, 1),
            (Fault::BeforeInit, 1),
            (Fault::AfterEnd, 2),
            (Fault::OutsideSegment, 1),
        ]
    );
}

#[test]
fn discontinuities_stand_at_the_same_segment_in_all_renditions() {
    let broadcast = broadcast();
    let mut sources = sources();
    for source in &sources {
        broadcast.init(source.init());
    }
    for source in &mut sources {
        fill(&broadcast, source, seconds(4));
    }
    broadcast.discontinuity();
    for source in &mut sources {
        fill(&broadcast, source, seconds(8));
    }
    broadcast.end();
    for rendition in ["720p", "360p", "audio"] {
        let segments = crate::reread::media(&text(&broadcast, rendition)).segments;
        let marked: Vec<_> = segments.iter().map(|s| s.discontinuity).collect();
        assert_eq!(marked, [false, false, true, false], "{rendition}");
        assert!(segments[2].dated);
    }
}

#[test]
fn the_master_shows_the_measured_peak_where_it_is_above_the_configured_rate() {
    let broadcast = Broadcast::new(plan(&["360p"], PART), None);
    // 100 kB in 0.2 s: 4 Mbit/s on a rung of 800 kbit/s.
    let mut source = Source::video("360p", rate(30, 1), 6).with_part_bytes(100_000);
    broadcast.init(source.init());
    fill(&broadcast, &mut source, MediaTime::from_millis(2100));
    let master = broadcast.master().unwrap();
    let master = master.text(Links::default(), Coding::Identity);
    let master = String::from_utf8(master.to_vec()).unwrap();
    assert!(master.contains(":BANDWIDTH=4000000,AVERAGE-BANDWIDTH=4000000,"));
}

#[test]
fn encoder_threads_do_not_disturb_each_other() {
    let broadcast = broadcast();
    std::thread::scope(|scope| {
        for mut source in sources() {
            let broadcast = &broadcast;
            scope.spawn(move || {
                broadcast.init(source.init());
                fill(broadcast, &mut source, seconds(60));
            });
        }
    });
    assert_eq!(broadcast.faults(), Faults::default());
    for rendition in ["720p", "360p", "audio"] {
        let playlist = crate::reread::media(&text(&broadcast, rendition));
        assert_eq!(playlist.last_sequence(), 28, "{rendition}");
    }
}

#[test]
fn a_page_and_its_own_playlist_requests_are_one_viewer() {
    let broadcast = broadcast();
    assert_eq!((broadcast.viewers_now(), broadcast.viewers_peak()), (0, 0));
    // What two players and three pages say is counted from the next second on.
    for _ in 0..2 {
        broadcast.viewers().note(Sign::Reload(PAGE_EVERY));
    }
    for _ in 0..3 {
        broadcast.note_page();
    }
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((broadcast.viewers.count(), broadcast.pages.count()), (2, 3));
    assert_eq!((broadcast.viewers_now(), broadcast.viewers_peak()), (3, 3));
}
