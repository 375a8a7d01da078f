//! A recording that is given segments as the packager gives them.

use std::time::Instant;

use media_core::{Bitrate, BroadcastId, InitKind};
use packager::DiscontinuitySequence;
use packager::segment::Part;
use scratch::Scratch;
use storage::asset::{Folder, Reserve};
use storage::recording::{Choice, Status};
use storage::retention::Policy;
use storage::streams::NewStream;
use storage::webhooks::EventType;
use storage::{Database, Title};

use super::*;
use crate::hooks::Events;
use crate::recordings::Defaults;

const SEGMENT: Duration = Duration::from_secs(2);

/// How long a test waits for what must come; far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn init(rendition: &RenditionName) -> Init {
    Init {
        rendition: rendition.clone(),
        codec: "mp4a.40.2".into(),
        kind: InitKind::Audio {
            sample_rate: 48_000,
            channels: 2,
        },
        bitrate: Bitrate::from_kbps(128),
        bytes: "an initialization segment".into(),
    }
}

fn segment(number: u32) -> Arc<Segment> {
    let start = MediaTime::ZERO + SEGMENT * number;
    let pieces = vec!["head".into(), "a sample".into(), "another one".into()];
    let len_bytes = pieces.iter().map(bytes::Bytes::len).sum();
    let part = Part {
        start,
        end: start + SEGMENT,
        independent: true,
        keyframe_bytes: None,
        pieces,
        len_bytes,
    };
    Arc::new(Segment {
        sequence: MediaSequence::new(7 + u64::from(number)),
        discontinuity: false,
        discontinuity_sequence: DiscontinuitySequence::new(1),
        after_gap: false,
        start,
        parts: vec![Arc::new(part)],
        len_bytes,
    })
}

/// The reserve stopped it before its first segment, and nobody was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_that_the_reserve_stops_ends_with_its_event_and_the_broadcast_goes_on() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let database = Database::open(scratch.url()).await.expect("open");
    let title = Title::new("Harbour").expect("a title");
    let new = NewStream::titled(title);
    let created = database.streams().create(new, SystemTime::now()).await;
    let stream = created.expect("create").0.id;
    let audio = RenditionName::new("audio").expect("a name");
    let (events, mut told) = Events::heard();
    let recorder = Recorder::new(
        database.recordings(),
        Folder::open(scratch.folder()).expect("writable"),
        None,
        Defaults {
            record: true,
            renditions: Vec::new(),
            reserve: Reserve {
                bytes: u64::MAX,
                percent: 100,
            },
            retention: Policy::default(),
        },
        events,
    );
    let subject = Subject {
        stream: stream.clone(),
        broadcast: BroadcastId::new("b7").expect("an id"),
        began: SystemTime::now(),
        renditions: vec![audio.clone()],
    };
    let recording = recorder.record(subject, &Choice::default());
    let recording = recording.expect("it is wanted");
    recording.init(&init(&audio));
    let began = Instant::now();
    let mut number = 0;
    // Until then segments are the recording's, and from then on the spool's.
    while recording.append(&audio, &segment(number)) {
        number += 1;
        assert!(began.elapsed() < PATIENCE, "it does not stop");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!recording.takes(&audio));
    let ending = Arc::clone(&recording);
    let ended = tokio::task::spawn_blocking(move || ending.end()).await;
    ended.expect("it does not panic");
    let (event, data) = loop {
        if let Some(told) = told() {
            break told;
        }
        assert!(began.elapsed() < PATIENCE, "nobody is told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(event, EventType::RecordingFailed);
    assert_eq!(data["stream_id"], stream.as_str());
    assert_eq!(data["reason"], "disk-full");
    assert!(told().is_none());
    let id = data["recording_id"].as_str().expect("an id");
    let id = media_core::RecordingId::new(id).expect("an id");
    let row = database.recordings().find(&id).await.expect("find");
    assert_eq!(row.expect("there").status, Status::Failed);
}

/// Its cues were on the broadcast's clock, though it plays from zero.
#[test]
fn a_recording_that_the_database_kept_waiting_begins_with_its_first_segment() {
    let audio = RenditionName::new("audio").expect("a name");
    let mut state = State::default();
    let count = u32::try_from(HELD_MAX).expect("a few");
    for number in 0..count {
        state.hold(&audio, &segment(number));
    }
    assert_eq!(state.origin, None);
    state.hold(&audio, &segment(count));
    assert_eq!(state.held.len(), HELD_MAX);
    assert_eq!(state.origin, Some(MediaTime::ZERO + SEGMENT));
}
