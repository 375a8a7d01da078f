use super::*;
use crate::synthetic::{Source, plan, rate, seconds};

const PART: Duration = Duration::from_millis(200);

fn subject() -> (Window, Source) {
    let source = Source::video("720p", rate(30, 1), 6);
    (Window::new(&plan(&["720p"], PART), source.kind), source)
}

fn fill(window: &mut Window, source: &mut Source, end: MediaTime) {
    for chunk in source.until(end) {
        let pushed = window.push(chunk).expect("good media");
        assert_eq!(pushed.oddity, None);
    }
}

fn numbers(window: &Window) -> Vec<u64> {
    let held = window.held().iter();
    held.map(|segment| segment.sequence.as_u64()).collect()
}

#[test]
fn a_segment_closes_when_the_next_begins() {
    let (mut window, mut source) = subject();
    fill(&mut window, &mut source, seconds(2));
    assert!(numbers(&window).is_empty());
    assert_eq!(window.open().map(|open| open.parts.len()), Some(10));
    let pushed = window.push(source.chunk()).expect("good media");
    assert!(pushed.closed);
    assert_eq!(numbers(&window), [0]);
    assert_eq!(window.open().map(|open| open.parts.len()), Some(1));
}

#[test]
fn memory_is_bounded_and_a_left_segment_stays_a_playlist_longer() {
    let (mut window, mut source) = subject();
    fill(&mut window, &mut source, seconds(200));
    assert_eq!(numbers(&window), (86..99).collect::<Vec<_>>());
    assert!(window.history().is_empty());
}

#[test]
fn where_viewers_may_rewind_a_minute_is_in_memory_and_twice_the_reach_is_remembered() {
    let mut plan = plan(&["720p"], Duration::from_millis(200));
    plan.dvr = Some(seconds_of(100));
    let mut source = Source::video("720p", rate(30, 1), 6);
    let mut window = Window::new(&plan, source.kind);
    fill(&mut window, &mut source, seconds(60));
    assert!(window.history().is_empty());
    fill(&mut window, &mut source, seconds(600));
    assert_eq!(numbers(&window), (269..299).collect::<Vec<_>>());
    let remembered = |window: &Window| -> Vec<u64> {
        let history = window.history().iter();
        history.map(|entry| entry.sequence.as_u64()).collect()
    };
    // What ends up to 202 s before the last segment does.
    assert_eq!(remembered(&window), (197..269).collect::<Vec<_>>());
    window.forget_before(Some(MediaSequence::new(250)));
    assert_eq!(remembered(&window), (250..269).collect::<Vec<_>>());
    window.forget_before(None);
    assert!(window.history().is_empty());
}

fn seconds_of(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn what_does_not_fit_is_refused_and_the_next_segment_taken() {
    let (mut window, mut source) = subject();
    fill(&mut window, &mut source, seconds(3));
    let mut late = Source::video("720p", rate(30, 1), 6).chunk();
    late.starts_segment = false;
    assert_eq!(window.push(late), Err(Fault::BackInTime));
    // What belongs to the broken segment is lost up to the next.
    let mut lost = 0;
    loop {
        let chunk = source.chunk();
        let starts_segment = chunk.starts_segment;
        match window.push(chunk) {
            Ok(pushed) => {
                assert!(starts_segment);
                assert_eq!(pushed.oddity, Some(Fault::Gap));
                break;
            }
            Err(fault) => {
                assert_eq!(fault, Fault::OutsideSegment);
                lost += 1;
            }
        }
    }
    assert_eq!(lost, 5);
    let open = window.open().expect("the new segment");
    assert_eq!((open.sequence.as_u64(), open.start), (2, seconds(4)));
    assert!(open.after_gap);
    assert_eq!(window.held()[1].end(), seconds(3));
}

#[test]
fn a_chunk_without_content_is_refused() {
    let (mut window, mut source) = subject();
    let mut chunk = source.chunk();
    chunk.bytes.clear();
    assert_eq!(window.push(chunk), Err(Fault::Empty));
    let mut chunk = source.chunk();
    chunk.duration = Duration::ZERO;
    assert_eq!(window.push(chunk), Err(Fault::Empty));
}

#[test]
fn a_segment_without_an_idr_is_not_begun() {
    let (mut window, mut source) = subject();
    let mut chunk = source.chunk();
    chunk.independent = false;
    assert_eq!(window.push(chunk), Err(Fault::NotIndependent));
    assert_eq!(window.push(source.chunk()), Err(Fault::OutsideSegment));
}

/// Chunks that never begin a segment after the first; how many are taken, and the faults.
fn without_keyframes(part: Duration) -> (Window, usize, Vec<Fault>) {
    let (mut window, mut source) = subject();
    let mut dts = MediaTime::ZERO;
    let (mut taken, mut faults) = (0, Vec::new());
    for index in 0..1000 {
        let mut chunk = source.chunk();
        (chunk.dts, chunk.duration) = (dts, part);
        (chunk.starts_segment, chunk.ends_segment) = (index == 0, false);
        dts = dts + part;
        match window.push(chunk) {
            Ok(_) => taken += 1,
            Err(fault) => faults.push(fault),
        }
    }
    (window, taken, faults)
}

#[test]
fn an_encoder_without_keyframes_breaks_neither_target_duration_nor_memory() {
    // 2.4 s rounds to the target duration of 2 s, 2.6 s does not.
    for (part, expected) in [(PART, 12), (Duration::from_millis(1), SEGMENT_PARTS_MAX)] {
        let (window, taken, faults) = without_keyframes(part);
        assert_eq!(taken, expected);
        assert_eq!(faults[0], Fault::SegmentTooLong);
        assert!(faults[1..].iter().all(|f| *f == Fault::OutsideSegment));
        assert_eq!(numbers(&window), [0]);
    }
}

#[test]
fn a_day_of_segments_lists_as_a_day() {
    let ntsc = Source::video("720p", rate(30_000, 1001), 20);
    for mut source in [ntsc, Source::audio()] {
        source.part_frames = 30;
        let part_target = source
            .rate()
            .frame_time(30)
            .saturating_since(MediaTime::ZERO);
        let mut window = Window::new(&plan(&["720p"], part_target), source.kind);
        let (mut listed_micros, mut end) = (0, MediaTime::ZERO);
        while source.now() < seconds(24 * 3600) {
            let pushed = window.push(source.chunk()).expect("good media");
            assert_eq!(pushed.oddity, None);
            if pushed.closed {
                let closed = window.held().back().expect("just closed");
                listed_micros += closed.entry().listed_duration().as_micros();
                end = closed.end();
            }
        }
        assert!(end > seconds(24 * 3600 - 3));
        let drift_nanos = end.as_nanos() - listed_micros as i64 * 1000;
        assert!(drift_nanos.abs() <= 500, "{drift_nanos}");
    }
}

#[test]
fn an_encoder_gone_wild_fills_no_memory() {
    let (mut window, source) = subject();
    let mut source = source.with_part_bytes(SEGMENT_BYTES_MAX / 4);
    let results: Vec<_> = (0..10).map(|_| window.push(source.chunk())).collect();
    assert!(results[..4].iter().all(Result::is_ok));
    assert_eq!(results[4], Err(Fault::SegmentTooLong));
    assert_eq!(results[5], Err(Fault::OutsideSegment));
    assert_eq!(window.held()[0].len_bytes, SEGMENT_BYTES_MAX);
    // One chunk alone too large leaves no empty segment behind.
    let (mut window, source) = subject();
    let mut source = source.with_part_bytes(SEGMENT_BYTES_MAX + 1);
    assert_eq!(window.push(source.chunk()), Err(Fault::SegmentTooLong));
    assert!(window.held().is_empty() && window.open().is_none());
}

#[test]
fn a_long_part_is_taken_and_told() {
    let (mut window, mut source) = subject();
    source.part_frames = 7;
    let pushed = window.push(source.chunk()).expect("taken");
    assert_eq!(pushed.oddity, Some(Fault::PartTooLong));
}

#[test]
fn nanoseconds_of_rounding_are_no_gap_and_never_add_up() {
    let (mut window, mut source) = subject();
    for (index, mut chunk) in source.until(seconds(60)).into_iter().enumerate() {
        let wobble = (index as i64 % 3 - 1) * 400;
        chunk.dts = MediaTime::from_nanos(chunk.dts.as_nanos() + wobble);
        let pushed = window.push(chunk).expect("good media");
        assert_eq!(pushed.oddity, None);
    }
    for segment in window.held() {
        let micros = segment.entry().listed_duration().as_micros();
        assert!((1_999_999..=2_000_001).contains(&micros), "{micros}");
        let parts = segment
            .parts
            .iter()
            .map(|p| p.listed_duration().as_micros());
        assert_eq!(parts.sum::<u64>(), micros);
    }
}

#[test]
fn the_end_closes_what_is_open_and_takes_no_more() {
    let (mut window, mut source) = subject();
    fill(&mut window, &mut source, seconds(3));
    window.end();
    assert_eq!(numbers(&window), [0, 1]);
    assert_eq!(window.held()[1].duration(), Duration::from_secs(1));
    assert_eq!(window.hint(), None);
    assert_eq!(window.push(source.chunk()), Err(Fault::AfterEnd));
}

#[test]
fn rates_are_measured_on_whole_segments() {
    let (mut window, mut source) = subject();
    // Ten parts of 1000 bytes in 2 s; then half a segment more.
    fill(&mut window, &mut source, MediaTime::from_millis(4600));
    assert_eq!((window.peak_bps(), window.average_bps()), (40_000, 40_000));
    source = source.with_part_bytes(50_000);
    fill(&mut window, &mut source, MediaTime::from_millis(4800));
    window.end();
    // A stump of 0.8 s counts for the average alone.
    assert_eq!(window.peak_bps(), 40_000);
    assert_eq!(window.average_bps(), (20_000 + 3000 + 50_000) * 8 * 10 / 48);
}
