//! What goes, by hand and over simulated months.

use media_core::{AssetId, BroadcastId};

use super::*;
use crate::recording::Place;
use crate::stream::Visibility;

const GB: u64 = 1_000_000_000;

fn day(number: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * number
}

fn stream(text: &str) -> StreamId {
    StreamId::new(text).expect("an id")
}

/// Of an hour, begun at `began`.
fn recording(id: &str, of: &str, began: SystemTime, bytes: u64) -> Recording {
    Recording {
        id: RecordingId::new(id).expect("an id"),
        asset: AssetId::new(id).ok(),
        stream: stream(of),
        stream_title: "Harbour".into(),
        broadcast: BroadcastId::new("b1").expect("an id"),
        owner: None,
        renditions: Vec::new(),
        started_at: began,
        ended_at: Some(began + Duration::from_secs(3600)),
        status: Status::Ready,
        reason: None,
        visibility: Visibility::Public,
        is_protected: false,
        place: Place::Local,
        bytes,
        duration: Duration::from_secs(3600),
    }
}

fn planned(recordings: &[Recording], policy: &Policy, now: SystemTime) -> Vec<(String, Why)> {
    let plan = plan(recordings, policy, &HashMap::new(), now);
    let text = |(id, why): (RecordingId, Why)| (id.to_string(), why);
    plan.into_iter().map(text).collect()
}

#[test]
fn without_a_bound_nothing_goes() {
    let all = [recording("r1", "a", day(0), 900 * GB)];
    assert!(planned(&all, &Policy::default(), day(100_000)).is_empty());
}

#[test]
fn age_counts_from_the_end() {
    let all = [recording("r1", "a", day(0), GB)];
    let policy = Policy {
        days: Some(7),
        ..Policy::default()
    };
    let hour = Duration::from_secs(3600);
    assert!(planned(&all, &policy, day(7) + hour).is_empty());
    let over = planned(&all, &policy, day(7) + hour * 2);
    assert_eq!(over, [("r1".into(), Why::Age { days: 7 })]);
    // A clock that was set back.
    assert!(planned(&all, &policy, day(0)).is_empty());
}

#[test]
fn the_oldest_go_first_and_no_more_than_needed() {
    let all = [
        recording("r3", "a", day(3), 3 * GB),
        recording("r1", "a", day(1), 3 * GB),
        recording("r2", "b", day(2), 3 * GB),
    ];
    let total = |bytes| Policy {
        total_bytes: Some(bytes),
        ..Policy::default()
    };
    assert!(planned(&all, &total(9 * GB), day(9)).is_empty());
    let bytes = 9 * GB - 1;
    let over = planned(&all, &total(bytes), day(9));
    assert_eq!(over, [("r1".into(), Why::TotalBytes { bytes })]);
    let of_stream = Policy {
        stream_bytes: Some(4 * GB),
        ..Policy::default()
    };
    let over = planned(&all, &of_stream, day(9));
    assert_eq!(over, [("r1".into(), Why::StreamBytes { bytes: 4 * GB })]);
    // What goes for one reason is not counted for the next.
    let both = Policy {
        total_bytes: Some(6 * GB),
        ..of_stream
    };
    assert_eq!(planned(&all, &both, day(9)), over);
}

#[test]
fn running_protected_and_empty_ones_stay_and_the_first_two_count() {
    let mut all = [
        recording("running", "a", day(1), 3 * GB),
        recording("protected", "a", day(2), 3 * GB),
        recording("failed", "a", day(3), 0),
        recording("ready", "a", day(4), 3 * GB),
    ];
    all[0].status = Status::Recording;
    all[0].ended_at = None;
    all[1].is_protected = true;
    all[2].status = Status::Failed;
    let policy = Policy {
        total_bytes: Some(GB),
        ..Policy::default()
    };
    let over = planned(&all, &policy, day(9));
    assert_eq!(over, [("ready".into(), Why::TotalBytes { bytes: GB })]);
    let policy = Policy {
        days: Some(1),
        ..Policy::default()
    };
    let gone: Vec<String> = planned(&all, &policy, day(9))
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(gone, ["failed", "ready"]);
}

#[test]
fn a_stream_has_its_own_bounds_or_none() {
    let all = ["own", "none", "default"].map(|of| recording(of, of, day(0), 5 * GB));
    let policy = Policy {
        days: Some(10),
        stream_bytes: Some(GB),
        ..Policy::default()
    };
    let bounds = |days, bytes| OfStream { days, bytes };
    let streams = HashMap::from([
        (stream("own"), bounds(Limit::AtMost(3), Limit::Unbounded)),
        (
            stream("none"),
            bounds(Limit::Unbounded, Limit::AtMost(5 * GB)),
        ),
    ]);
    let at = |now| plan(&all, &policy, &streams, now);
    let id = |text: &str| RecordingId::new(text).expect("an id");
    let bytes = Why::StreamBytes { bytes: GB };
    assert_eq!(at(day(2)), [(id("default"), bytes)]);
    assert_eq!(
        at(day(5)),
        [(id("own"), Why::Age { days: 3 }), (id("default"), bytes)]
    );
    assert_eq!(
        at(day(50)),
        [
            (id("default"), Why::Age { days: 10 }),
            (id("own"), Why::Age { days: 3 })
        ]
    );
}

/// Half a year of three streams, planned anew each day.
#[test]
fn months_of_recordings_stay_within_every_bound() {
    const DAYS: u32 = 180;
    let policy = Policy {
        days: Some(60),
        stream_bytes: Some(150 * GB),
        total_bytes: Some(200 * GB),
    };
    let streams = HashMap::from([(
        stream("archive"),
        OfStream {
            days: Limit::Unbounded,
            bytes: Limit::AtMost(20 * GB),
        },
    )]);
    let mut held: Vec<Recording> = Vec::new();
    let mut went: HashMap<&str, usize> = HashMap::new();
    for today in 0..DAYS {
        for (of, gigabytes) in [
            ("archive", 1),
            ("daily", 1),
            ("heavy", u64::from(today % 7)),
        ] {
            let mut new = recording(&format!("{of}-{today}"), of, day(today), gigabytes * GB);
            new.is_protected = of == "daily" && today % 50 == 0;
            held.push(new);
        }
        let now = day(today) + DAY / 2;
        for (id, why) in plan(&held, &policy, &streams, now) {
            let index = held
                .iter()
                .position(|it| it.id == id)
                .expect("each goes once");
            let gone = held.remove(index);
            assert!(!gone.is_protected, "{id}");
            let (reason, older_kept) = match why {
                Why::Age { .. } => {
                    assert!(gone.stream != stream("archive") && is_older(&gone, 60, now));
                    ("age", false)
                }
                Why::StreamBytes { .. } => {
                    let older = |it: &&Recording| {
                        it.stream == gone.stream && it.started_at < gone.started_at
                    };
                    (
                        "stream",
                        held.iter()
                            .filter(older)
                            .any(|it| may_go(it) && it.bytes > 0),
                    )
                }
                Why::TotalBytes { .. } => {
                    let older = |it: &&Recording| it.started_at < gone.started_at;
                    (
                        "total",
                        held.iter()
                            .filter(older)
                            .any(|it| may_go(it) && it.bytes > 0),
                    )
                }
            };
            assert!(!older_kept, "{id} went before an older one");
            *went.entry(reason).or_default() += 1;
        }
        let bytes = |of: Option<&str>| -> u64 {
            let counted = held
                .iter()
                .filter(|it| of.is_none_or(|of| it.stream == stream(of)));
            counted.map(|it| it.bytes).sum()
        };
        assert!(
            bytes(None) <= 200 * GB && bytes(Some("archive")) <= 20 * GB,
            "day {today}"
        );
        assert!(bytes(Some("heavy")) <= 150 * GB, "day {today}");
        assert!(
            plan(&held, &policy, &streams, now).is_empty(),
            "day {today}: one pass is enough"
        );
    }
    let protected = held.iter().filter(|it| it.is_protected).count();
    assert_eq!(protected, 4);
    for reason in ["age", "stream", "total"] {
        assert!(
            went.get(reason).is_some_and(|&count| count > 10),
            "{went:?}"
        );
    }
}
