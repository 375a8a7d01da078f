use std::time::Duration;

use super::*;
use crate::sequence::{DiscontinuitySequence, MediaSequence};
use crate::synthetic::{Source, plan, rate, seconds};

fn id(text: &str) -> StreamId {
    StreamId::new(text).unwrap()
}

fn play(broadcast: &Broadcast) {
    let mut source = Source::video("720p", rate(30, 1), 6);
    broadcast.init(source.init());
    for chunk in source.until(seconds(5)) {
        broadcast.push(chunk);
    }
}

fn start(live: &Live, broadcast: &str) -> Arc<Broadcast> {
    let mut plan = plan(&["720p"], Duration::from_millis(200));
    plan.broadcast = BroadcastId::new(broadcast).unwrap();
    live.start(id("s"), plan, None)
}

fn numbers(broadcast: &Broadcast) -> (u64, u64) {
    let plan = broadcast.plan();
    (
        plan.first_sequence.as_u64(),
        plan.discontinuity_sequence.as_u64(),
    )
}

#[test]
fn numbers_go_on_from_broadcast_to_broadcast() {
    let live = Live::new();
    let first = start(&live, "one");
    assert_eq!(numbers(&first), (0, 0));
    play(&first);
    // Segments 0 and 1 are complete, 2 was begun; nobody ended the broadcast.
    let second = start(&live, "two");
    assert!(first.ended());
    assert_eq!(numbers(&second), (3, 1));
    // One that never had a segment still counts as a discontinuity.
    let third = start(&live, "three");
    assert_eq!(numbers(&third), (3, 2));
    assert_eq!(live.broadcast(&id("s")).unwrap().id().as_str(), "three");
}

#[test]
fn the_end_of_the_last_broadcast_is_shown_until_the_next_can_be_played() {
    let live = Live::new();
    let shown = |live: &Live| live.shown("s").unwrap().id().as_str().to_owned();
    play(&start(&live, "one"));
    // One that never got so far does not take its place.
    start(&live, "two");
    let third = start(&live, "three");
    assert_eq!(shown(&live), "one");
    assert!(live.named("s", "three").is_some());
    play(&third);
    assert_eq!(shown(&live), "three");
    assert!(live.named("s", "one").is_some());
}

#[test]
fn later_numbers_of_the_plan_are_kept() {
    let live = Live::new();
    start(&live, "one");
    let mut plan = plan(&["720p"], Duration::from_millis(200));
    plan.first_sequence = MediaSequence::new(70);
    plan.discontinuity_sequence = DiscontinuitySequence::new(9);
    assert_eq!(numbers(&live.start(id("s"), plan, None)), (70, 9));
}

#[test]
fn the_broadcast_before_is_found_by_its_name_until_it_is_retired() {
    let live = Live::new();
    let (first, second) = (start(&live, "one"), start(&live, "two"));
    assert!(Arc::ptr_eq(&live.named("s", "one").unwrap(), &first));
    assert!(Arc::ptr_eq(&live.named("s", "two").unwrap(), &second));
    live.retire(&id("s"), first.id());
    assert!(live.named("s", "one").is_none());
    assert!(!second.ended());
    live.retire(&id("s"), first.id());
    assert!(Arc::ptr_eq(&live.shown("s").unwrap(), &second));
    live.retire(&id("s"), second.id());
    assert!(live.broadcast(&id("s")).is_none() && second.ended());
}

#[test]
fn a_removed_stream_is_gone_and_ended() {
    let live = Live::new();
    let broadcast = start(&live, "one");
    live.clone().remove(&id("s"));
    assert!(live.broadcast(&id("s")).is_none());
    assert!(live.named("s", "one").is_none());
    assert!(broadcast.ended());
    live.remove(&id("s"));
}
