use super::*;
use crate::synthetic::{Source, plan, rate, seconds};
use crate::window::Window;
use media_core::MediaTime;

/// Segments 0 to 2 are complete, 3 has four parts.
fn edition() -> Edition {
    edition_at(MediaTime::from_millis(6700), false)
}

fn edition_at(end: MediaTime, ended: bool) -> Edition {
    let plan = plan(&["720p"], Duration::from_millis(200));
    let mut source = Source::video("720p", rate(30, 1), 6);
    let mut window = Window::new(&plan, source.kind);
    for chunk in source.until(end) {
        window.push(chunk).expect("good media");
    }
    if ended {
        window.end();
    }
    Edition {
        plan: Arc::new(plan),
        kind: Kind::Video,
        init: Bytes::new(),
        history: window.history().clone(),
        segments: window.held().iter().cloned().collect(),
        open: window.open().cloned().map(Arc::new),
        open_sequence: window.open_sequence(),
        discontinuity_sequence: window.discontinuity_sequence(),
        hint: window.hint(),
        reports: Vec::new(),
        ended,
        texts: Default::default(),
    }
}

fn reload(edition: &Edition, sequence: u64, part: Option<u32>) -> Reload {
    edition.reload(Awaited {
        sequence: MediaSequence::new(sequence),
        part: part.map(PartIndex::new),
    })
}

#[test]
fn a_reload_waits_for_what_is_next_and_for_nothing_else() {
    use Reload::{Ready, TooFarAhead, Wait};
    let edition = edition();
    for (sequence, part, expected) in [
        (0, None, Ready),
        (2, None, Ready),
        (2, Some(0), Ready),
        // Past the segment's end: the next segment's first part, which is there.
        (2, Some(10), Ready),
        (2, Some(u32::MAX), Ready),
        (3, Some(3), Ready),
        (3, Some(4), Wait),
        (3, Some(10), Wait),
        (3, None, Wait),
        (4, Some(0), Wait),
        (4, None, Wait),
        // The advance part limit at 200 ms is 15 parts.
        (3, Some(4 + 15), Wait),
        (3, Some(4 + 16), TooFarAhead),
        (5, Some(0), TooFarAhead),
        (5, None, TooFarAhead),
        (u64::MAX, None, TooFarAhead),
    ] {
        assert_eq!(
            reload(&edition, sequence, part),
            expected,
            "{sequence} {part:?}"
        );
    }
}

#[test]
fn a_part_past_the_end_waits_where_the_next_segment_has_not_begun() {
    let mut edition = edition_at(seconds(6), true);
    edition.ended = false;
    assert!(edition.open.is_none());
    assert_eq!(reload(&edition, 2, Some(9)), Reload::Ready);
    assert_eq!(reload(&edition, 2, Some(10)), Reload::Wait);
    assert_eq!(reload(&edition, 1, Some(10)), Reload::Ready);
}

#[test]
fn after_the_end_every_reload_is_answered() {
    let edition = edition_at(seconds(3), true);
    for (sequence, part) in [(0, None), (1, Some(9)), (2, Some(0)), (99, None)] {
        assert_eq!(reload(&edition, sequence, part), Reload::Ready);
    }
}

#[test]
fn only_the_next_parts_are_coming() {
    let edition = edition();
    let found =
        |sequence, part| match edition.part(MediaSequence::new(sequence), PartIndex::new(part)) {
            Found::Here(_) => "here",
            Found::Coming => "coming",
            Found::Nowhere => "nowhere",
        };
    assert_eq!(found(0, 0), "here");
    assert_eq!(found(2, 9), "here");
    assert_eq!(found(2, 10), "nowhere");
    assert_eq!(found(3, 3), "here");
    assert_eq!(found(3, 4), "coming");
    assert_eq!(found(3, 5), "nowhere");
    assert_eq!(found(4, 0), "coming");
    assert_eq!(found(4, 1), "nowhere");
    assert_eq!(found(5, 0), "nowhere");
}

#[test]
fn segments_are_found_by_number() {
    let edition = edition_at(seconds(41), false);
    let first = edition.segments[0].sequence.as_u64();
    assert_eq!(first, 7);
    assert!(edition.segment(MediaSequence::new(first - 1)).is_none());
    for number in first..20 {
        let segment = edition.segment(MediaSequence::new(number)).expect("held");
        assert_eq!(segment.sequence.as_u64(), number);
    }
    assert!(edition.segment(MediaSequence::new(20)).is_none());
}
