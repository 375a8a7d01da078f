use std::path::PathBuf;

use super::*;
use crate::plan::Plan;
use crate::reread;
use crate::synthetic::{Source, name, plan, rate, seconds};
use crate::window::Window;

/// Every frame rate with the frames of its part, near 200 ms.
fn videos() -> Vec<(&'static str, Source)> {
    let video = |numerator, denominator, part_frames| {
        Source::video("720p", rate(numerator, denominator), part_frames)
    };
    vec![
        ("video-23.976", video(24_000, 1001, 5)),
        ("video-24", video(24, 1, 5)),
        ("video-25", video(25, 1, 5)),
        ("video-29.97", video(30_000, 1001, 6)),
        ("video-30", video(30, 1, 6)),
        ("video-50", video(50, 1, 10)),
        ("video-60", video(60, 1, 12)),
    ]
}

fn plan_of(source: &Source) -> Plan {
    let part_frames = match source.rendition.as_str() {
        // Audio shares the video's part target: here that of 30 frames a second.
        "audio" => return plan(&["audio"], Duration::from_millis(200)),
        _ => source.part_frames,
    };
    let part_target = source.rate().frame_time(part_frames);
    plan(&["720p"], part_target.saturating_since(MediaTime::ZERO))
}

struct Subject {
    plan: Plan,
    window: Window,
    source: Source,
}

impl Subject {
    fn new(source: Source) -> Self {
        let plan = plan_of(&source);
        let window = Window::new(&plan, source.kind);
        Self {
            plan,
            window,
            source,
        }
    }

    fn until(mut self, end: MediaTime) -> Self {
        for chunk in self.source.until(end) {
            self.window.push(chunk).expect("good media");
        }
        self
    }

    fn text(&self) -> String {
        self.text_with(&[])
    }

    fn text_with(&self, reports: &[Report]) -> String {
        self.text_as(self.form(), reports)
    }

    /// A full live playlist.
    fn form(&self) -> Form<'static> {
        Form {
            content: Content::Media,
            listed_max: self.plan.listed_segments(),
            delta: false,
            links: Links::default(),
        }
    }

    fn text_as(&self, form: Form<'_>, reports: &[Report]) -> String {
        let segments: Vec<_> = self.window.held().iter().cloned().collect();
        let snapshot = Snapshot {
            broadcast: &self.plan.broadcast,
            began: self.plan.began,
            target_duration_s: self.plan.target_duration_s,
            part_target: self.plan.part_target,
            history: self.window.history(),
            segments: &segments,
            open: self.window.open(),
            start: (
                self.window.open_sequence(),
                self.window.discontinuity_sequence(),
            ),
            hint: self.window.hint(),
            reports,
            ended: self.window.ended(),
        };
        render(&snapshot, form)
    }
}

/// Compares the whole text with a golden file; `UPDATE_GOLDEN=1` writes it instead.
#[track_caller]
fn golden(file: &str, text: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/playlists");
    let path = folder.join(file).with_added_extension("m3u8");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, expected, "{}", path.display());
    reread::media(text);
}

fn at_30() -> Subject {
    Subject::new(Source::video("720p", rate(30, 1), 6))
}

#[test]
fn golden_at_every_frame_rate() {
    for (file, source) in videos() {
        golden(file, &Subject::new(source).until(seconds(5)).text());
    }
    golden(
        "audio",
        &Subject::new(Source::audio()).until(seconds(5)).text(),
    );
}

#[test]
fn golden_window_start() {
    golden(
        "window-start",
        &at_30().until(MediaTime::from_millis(2100)).text(),
    );
}

#[test]
fn golden_before_the_first_chunk() {
    golden("empty", &at_30().text());
}

#[test]
fn golden_mid_segment_with_rendition_reports() {
    let last = |sequence, part| (MediaSequence::new(sequence), PartIndex::new(part));
    let reports = [
        Report {
            rendition: name("1080p"),
            last: last(3, 3),
        },
        Report {
            rendition: name("audio"),
            last: last(3, 2),
        },
    ];
    let subject = at_30().until(MediaTime::from_millis(6700));
    golden("mid-segment", &subject.text_with(&reports));
}

#[test]
fn golden_sliding() {
    golden(
        "sliding",
        &at_30().until(MediaTime::from_millis(20_500)).text(),
    );
}

#[test]
fn golden_segment_about_to_close() {
    golden("about-to-close", &at_30().until(seconds(20)).text());
}

#[test]
fn golden_ended() {
    let mut subject = at_30().until(MediaTime::from_millis(15_300));
    subject.window.end();
    golden("ended", &subject.text());
}

#[test]
fn golden_discontinuity_and_the_window_after_it() {
    let mut subject = at_30().until(seconds(4));
    subject.window.discontinuity();
    let subject = subject.until(seconds(7));
    golden("discontinuity", &subject.text());
    // Two segments before it: now it stands before the first one listed.
    let subject = subject.until(MediaTime::from_millis(16_100));
    golden("discontinuity-first", &subject.text());
    let subject = subject.until(MediaTime::from_millis(18_100));
    golden("discontinuity-left", &subject.text());
}

#[test]
fn golden_after_a_broadcast_before() {
    let source = Source::video("720p", rate(30, 1), 6);
    let mut subject = Subject::new(source);
    subject.plan.first_sequence = MediaSequence::new(1041);
    subject.plan.discontinuity_sequence = DiscontinuitySequence::new(3);
    subject.window = Window::new(&subject.plan, subject.source.kind);
    golden(
        "continued",
        &subject.until(MediaTime::from_millis(2500)).text(),
    );
}

#[test]
fn golden_delta_update() {
    let subject = at_30().until(MediaTime::from_millis(20_500));
    let form = Form {
        listed_max: 10,
        delta: true,
        ..subject.form()
    };
    golden("delta", &subject.text_as(form, &[]));
}

#[test]
fn golden_iframes() {
    let subject = at_30().until(MediaTime::from_millis(6700));
    let form = Form {
        content: Content::IFrames,
        ..subject.form()
    };
    golden("iframes", &subject.text_as(form, &[]));
}

#[test]
fn golden_dvr_of_a_private_stream() {
    let mut subject = at_30();
    subject.plan.dvr = Some(Duration::from_secs(70));
    subject.window = Window::new(&subject.plan, subject.source.kind);
    let subject = subject.until(MediaTime::from_millis(76_500));
    assert_eq!(subject.window.history().len(), 8);
    let form = Form {
        listed_max: 35,
        links: Links {
            dvr: true,
            token: Some("1800000000.abc"),
        },
        ..subject.form()
    };
    let reports = [Report {
        rendition: name("audio"),
        last: (MediaSequence::new(38), PartIndex::new(2)),
    }];
    golden("private-dvr", &subject.text_as(form, &reports));
}

/// §6.2.5.1: whoever has a playlist that is at most half the skip boundary old.
#[test]
fn a_delta_update_says_what_the_full_playlist_says() {
    let mut sources = videos();
    sources.push(("audio", Source::audio()));
    for (label, source) in sources {
        let mut subject = Subject::new(source);
        let mut older = std::collections::VecDeque::new();
        let mut skips = 0;
        while subject.source.now() < seconds(60) {
            let chunk = subject.source.chunk();
            if chunk.starts_segment && chunk.dts >= seconds(20) && chunk.dts < seconds(22) {
                subject.window.discontinuity();
            }
            subject.window.push(chunk).expect("good media");
            let full = Form {
                listed_max: 12,
                ..subject.form()
            };
            let delta = Form {
                delta: true,
                ..full
            };
            let full = reread::media(&subject.text_as(full, &[]));
            let delta = reread::media(&subject.text_as(delta, &[]));
            assert_eq!(full.skip_until_s, 12.0);
            assert_eq!(delta.sequence, full.sequence);
            skips = skips.max(delta.skipped);
            older.push_back((subject.source.now(), full));
            while subject.source.now().saturating_since(older[0].0) > Duration::from_secs(6) {
                older.pop_front();
            }
            let (_, full) = older.back().unwrap();
            let merged = delta.merged_into(&older[0].1);
            assert_eq!(without_parts(&merged), without_parts(full), "{label}");
            assert_eq!(merged.open_parts, full.open_parts, "{label}");
            assert_eq!(merged.hint, full.hint, "{label}");
            assert_eq!(merged.map, full.map, "{label}");
        }
        // Of twelve segments those that ended 12 s before the end.
        assert!((5..=7).contains(&skips), "{label}: {skips}");
    }
}

/// The segments, without the parts that an older playlist still lists and without the date that
/// only the first one has.
fn without_parts(playlist: &reread::Playlist) -> Vec<reread::Segment> {
    let segments = playlist.segments.iter();
    segments
        .map(|segment| reread::Segment {
            parts: Vec::new(),
            dated: segment.dated && segment.discontinuity,
            ..segment.clone()
        })
        .collect()
}

/// Every playlist of a minute, at every rate, by the rules that players check.
#[test]
fn every_playlist_of_a_minute_obeys_the_rules() {
    let mut sources = videos();
    sources.push(("audio", Source::audio()));
    for (label, source) in sources {
        let audio = label == "audio";
        let mut subject = Subject::new(source);
        let mut last_seen = (0, 0);
        while subject.source.now() < seconds(60) {
            let chunk = subject.source.chunk();
            subject.window.push(chunk).expect("good media");
            let playlist = reread::media(&subject.text());

            assert_eq!(playlist.target_duration_s, 2);
            assert!(playlist.hold_back_s >= 6.0);
            let part_target = playlist.part_target_s;
            let hold_back_parts = playlist.part_hold_back_s / part_target;
            assert!(
                (3.2 - 1e-9..=3.5).contains(&hold_back_parts),
                "{hold_back_parts}"
            );
            assert_eq!(playlist.map, "b7/init.mp4");

            let seen = (playlist.sequence, playlist.segments.len());
            assert!(seen >= last_seen, "{label}: {seen:?} after {last_seen:?}");
            last_seen = seen;
            assert!(playlist.segments.len() <= 6);

            let mut listed_s = playlist
                .open_parts
                .iter()
                .map(|p| p.duration_s)
                .sum::<f64>();
            for (index, segment) in playlist.segments.iter().enumerate().rev() {
                assert_eq!(segment.dated, index == 0, "{label}");
                assert!(segment.duration_s.round() <= 2.0);
                // Parts that end within three target durations must be there, and none of a
                // segment that lies behind them.
                assert_eq!(segment.parts.is_empty(), listed_s >= 6.0 - 1e-6, "{label}");
                listed_s += segment.duration_s;
                let sum: f64 = segment.parts.iter().map(|part| part.duration_s).sum();
                if !segment.parts.is_empty() {
                    assert!((sum - segment.duration_s).abs() < 1e-9, "{label}: {sum}");
                    let (_, full) = segment.parts.split_last().unwrap();
                    let shortest = full.iter().map(|part| part.duration_s).fold(9.0, f64::min);
                    assert!(shortest >= 0.85 * part_target, "{label}: {shortest}");
                }
            }
            let parts = playlist.segments.iter().flat_map(|s| &s.parts);
            for part in parts.chain(&playlist.open_parts) {
                assert!(part.duration_s <= part_target, "{label}: {part:?}");
                assert_eq!(part.independent, audio || part.uri.ends_with(".0.m4s"));
            }
        }
    }
}

#[test]
fn the_hint_is_the_part_that_comes() {
    let mut sources = videos();
    sources.push(("audio", Source::audio()));
    for (label, source) in sources {
        let mut subject = Subject::new(source);
        let mut hint = "b7/0.0.m4s".to_owned();
        while subject.source.now() < seconds(60) {
            let chunk = subject.source.chunk();
            subject.window.push(chunk).expect("good media");
            let playlist = reread::media(&subject.text());
            let newest = playlist.open_parts.last().expect("the part just pushed");
            assert_eq!(newest.uri, hint, "{label}");
            hint = playlist.hint.expect("a live playlist hints");
        }
    }
}
