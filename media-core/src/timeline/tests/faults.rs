//! Hours of a publisher's faults, simulated: every picture and every block of sound knows when it
//! was made, and is looked for where it is put.

use std::collections::BTreeMap;

use super::*;

/// Samples of a block of sound: an AAC frame.
const BLOCK: u64 = 1024;

/// How often the shell ticks.
const TICK_S: f64 = 0.1;

/// How far apart sound and picture may be put that were made at the same time.
const SYNC_MAX_S: f64 = 0.040;

/// What a publisher does with a unit that was made at `made`, in seconds: its timestamp and when it
/// arrives; `None`: it never does.
type Way<'a> = &'a dyn Fn(Track, f64) -> Option<(f64, f64)>;

/// What a Timeline made of it.
struct Outcome {
    timeline: Timeline,
    /// When each picture was made, and where it is shown.
    pictures: Vec<(f64, f64)>,
    /// When each block of sound was made, and where it is heard.
    sounds: Vec<(f64, f64)>,
    /// Where the pictures end at each tick.
    ends: Vec<(f64, f64)>,
    faults: Vec<SourceFault>,
}

/// A publisher at 30 frames a second whose sound has `sound_rate` samples a second by its own
/// clock, which is stamped with the time at which it was made.
fn broadcast(seconds: f64, sound_rate: f64, way: Way<'_>) -> Outcome {
    let mut arrivals: BTreeMap<(u64, u64), (Track, f64, f64)> = BTreeMap::new();
    let mut number = 0;
    let mut add = |track, made: f64| {
        if let Some((pts, at)) = way(track, made) {
            number += 1;
            arrivals.insert(((at * 1e9) as u64, number), (track, made, pts));
        }
    };
    let (mut frame, mut block) = (0u64, 0u64);
    loop {
        let picture = frame as f64 / 30.0;
        let sound = (block * BLOCK) as f64 / sound_rate;
        if picture.min(sound) >= seconds {
            break;
        }
        if picture <= sound {
            add(Track::Video, picture);
            frame += 1;
        } else {
            add(Track::Audio, sound);
            block += 1;
        }
    }
    let mut outcome = Outcome {
        timeline: Timeline::new(rate(30, 1)),
        pictures: Vec::new(),
        sounds: Vec::new(),
        ends: Vec::new(),
        faults: Vec::new(),
    };
    let mut ticks = 1u64;
    for ((nanos, _), (track, made, pts)) in arrivals {
        let now = nanos as f64 / 1e9;
        while ticks as f64 * TICK_S <= now {
            outcome.tick(ticks as f64 * TICK_S);
            ticks += 1;
        }
        outcome.unit(track, made, pts, now);
    }
    while (ticks as f64 * TICK_S) < seconds {
        outcome.tick(ticks as f64 * TICK_S);
        ticks += 1;
    }
    outcome
}

impl Outcome {
    fn unit(&mut self, track: Track, made: f64, pts: f64, now: f64) {
        let (frame, sample) = (self.timeline.next_frame(), self.timeline.next_sample());
        // RTMP's and MPEG-TS's clocks are coarser than a nanosecond.
        let pts = MediaTime::from_90k((pts * 90_000.0).round() as i64);
        match track {
            Track::Video => {
                if let VideoPlacement::Place { index, repeats } = self.timeline.video(pts, at(now))
                {
                    assert_eq!(index, frame + repeats, "a grid point was left out");
                    self.pictures.push((made, index as f64 / 30.0));
                }
            }
            Track::Audio => {
                let placed = self.timeline.audio(pts, BLOCK, at(now));
                if let AudioPlacement::Place { silence, skip, .. } = placed {
                    let heard = sample_time(sample + silence).as_secs_f64();
                    self.sounds.push((made + skip as f64 / 48_000.0, heard));
                }
            }
        }
        self.faults
            .extend(self.timeline.take_faults().into_iter().map(|it| it.0));
    }

    fn tick(&mut self, now: f64) {
        self.timeline.tick(at(now), true, true);
        let end = self.timeline.next_frame() as f64 / 30.0;
        self.ends.push((now, end));
    }

    /// The worst distance between a picture and the sound that was made with it, of all but those
    /// made within `except`.
    fn out_of_sync(&self, except: std::ops::Range<f64>) -> f64 {
        let mut sounds = self.sounds.iter().peekable();
        let mut worst = 0.0f64;
        for (made, shown) in &self.pictures {
            while sounds
                .next_if(|(sound, _)| sound + 0.0107 < *made)
                .is_some()
            {}
            let Some((sound, heard)) = sounds.peek() else {
                break;
            };
            if (sound - made).abs() < 0.022 && !except.contains(made) {
                worst = worst.max(((heard - sound) - (shown - made)).abs());
            }
        }
        worst
    }

    /// The longest time in which no picture was added, looked at with every tick.
    fn longest_pause(&self) -> f64 {
        let (mut since, mut end, mut longest) = (0.0, 0.0, 0.0f64);
        for (now, reached) in &self.ends {
            if *reached > end {
                (since, end) = (*now, *reached);
            }
            longest = longest.max(now - since);
        }
        longest
    }

    /// The share of what was made in these seconds that is shown.
    fn shown(&self, made: std::ops::Range<f64>) -> f64 {
        let count = self.pictures.iter().filter(|(at, _)| made.contains(at));
        count.count() as f64 / ((made.end - made.start) * 30.0)
    }
}

#[test]
fn a_day_of_sound_that_drifts_by_100_ppm_stays_within_20_ms_and_has_neither_gap_nor_cut() {
    for ppm in [-100.0, 100.0] {
        let sound_rate = 48_000.0 * (1.0 + ppm / 1e6);
        let day = broadcast(24.0 * 3600.0, sound_rate, &|_, made| Some((made, made)));
        assert!(day.out_of_sync(0.0..0.0) < 0.020, "{ppm}");
        let counters = day.timeline.counters();
        assert_eq!((counters.samples_silenced, counters.samples_cut), (0, 0));
        let mended = counters.samples_stretched as f64 / 48_000.0;
        assert!((8.5..8.8).contains(&mended), "{mended} s of 8.64");
        assert_eq!((counters.frames_dropped, counters.frames_repeated), (0, 0));
        assert!(day.faults.contains(&SourceFault::AudioDrift));
        // Neither does the broadcast leave the publisher's clock.
        let end = day.timeline.end().as_secs_f64();
        assert!((end - 24.0 * 3600.0).abs() < 0.1, "{end}");
    }
}

#[test]
fn both_clocks_jump_by_a_millisecond_to_26_hours_and_nothing_is_lost() {
    for jump in [0.001, 0.2, 0.6, 2.0, 30.0, 3600.0, 26.0 * 3600.0] {
        for sign in [1.0, -1.0] {
            let by = jump * sign;
            let outcome = broadcast(40.0, 48_000.0, &|track, made| {
                // Sound is muxed a little behind its picture, as it is.
                let behind = if track == Track::Audio { 0.13 } else { 0.0 };
                let pts = 100_000.0 + made + if made >= 20.0 { by } else { 0.0 };
                Some((pts, made + behind))
            });
            // But for the picture whose sound began before the jump.
            assert!(outcome.out_of_sync(19.97..20.03) <= SYNC_MAX_S, "{by}");
            let pause = outcome.longest_pause();
            assert!(pause < 0.35, "{pause} at {by}");
            let shown = outcome.shown(1.0..39.0);
            assert!(shown > 0.98, "{shown} at {by}");
            let end = outcome.timeline.end().as_secs_f64();
            assert!((end - 40.0).abs() < 0.3, "{end} at {by}");
            let jumps = outcome.timeline.counters().clock_jumps;
            assert_eq!(jumps, u64::from(!(-0.1..0.35).contains(&by)), "{by}");
        }
    }
}

/// A hundred milliseconds are a jump by more and none by less, and blocks of sound and pictures do not
/// end at the same time.
#[test]
fn steps_near_the_limit_part_no_sound_from_its_picture() {
    for ms in (60..140).chain(330..370) {
        for sign in [1.0, -1.0] {
            for behind in [0.0, 0.3] {
                let by = f64::from(ms) / 1000.0 * sign;
                let outcome = broadcast(12.0, 48_000.0, &|track, made| {
                    let late = if track == Track::Audio { behind } else { 0.0 };
                    let pts = made + if made >= 5.0 { 100.0 + by } else { 100.0 };
                    Some((pts, made + late))
                });
                let worst = outcome.out_of_sync(4.97..5.03);
                assert!(worst <= SYNC_MAX_S, "{worst} at {by}, {behind}");
            }
        }
    }
}

#[test]
fn sound_in_packets_of_a_third_of_a_second_of_which_some_are_lost_keeps_the_others() {
    let outcome = broadcast(60.0, 48_000.0, &|track, made| {
        let packet = (made * 2.75).floor();
        match track {
            Track::Video => Some((made, made)),
            Track::Audio if packet % 3.0 == 2.0 => None,
            Track::Audio => Some((made, (packet + 1.0) / 2.75)),
        }
    });
    assert!(outcome.out_of_sync(0.0..0.0) <= SYNC_MAX_S);
    let heard = outcome
        .sounds
        .iter()
        .filter(|(made, _)| *made > 3.0)
        .count();
    assert!(heard as f64 > 56.5 * 46.875 * 0.66, "{heard}");
}

#[test]
fn a_video_clock_that_is_reset_alone_leaves_the_sound_where_it_was() {
    for by in [-20.0, -1.0, -0.3, 0.7, 2.0, 500.0] {
        let outcome = broadcast(60.0, 48_000.0, &|track, made| {
            let reset = track == Track::Video && made >= 20.0;
            Some((50.0 + made + if reset { by } else { 0.0 }, made))
        });
        assert!(outcome.out_of_sync(0.0..0.0) <= SYNC_MAX_S, "{by}");
        assert!(outcome.longest_pause() < 0.35, "{by}");
        let counters = outcome.timeline.counters();
        assert_eq!(
            (counters.samples_silenced, counters.samples_cut),
            (0, 0),
            "{by}"
        );
        let fault = match by > 0.0 {
            true => SourceFault::ClockAhead,
            false => SourceFault::ClockBack,
        };
        assert_eq!(outcome.faults, [fault], "{by}");
    }
}

#[test]
fn an_audio_clock_that_is_reset_alone_leaves_the_pictures_where_they_were() {
    let outcome = broadcast(60.0, 48_000.0, &|track, made| {
        let reset = track == Track::Audio && made >= 20.0;
        Some((if reset { made - 20.0 } else { made }, made))
    });
    assert!(outcome.out_of_sync(0.0..0.0) <= SYNC_MAX_S);
    let counters = outcome.timeline.counters();
    assert_eq!((counters.frames_dropped, counters.frames_repeated), (0, 0));
    assert_eq!(outcome.faults, [SourceFault::ClockBack]);
}

#[test]
fn clocks_that_jump_one_after_the_other_again_and_again_stay_together() {
    let outcome = broadcast(300.0, 48_000.0, &|track, made| {
        // A jump each ten seconds; the sound is muxed 0.4 s behind.
        let era = (made / 10.0).floor();
        let by = era * if era % 2.0 == 0.0 { 7.5 } else { -11.25 };
        let behind = if track == Track::Audio { 0.4 } else { 0.0 };
        Some((1000.0 + made + by, made + behind))
    });
    assert!(outcome.out_of_sync(0.0..0.0) <= SYNC_MAX_S);
    assert_eq!(outcome.timeline.counters().clock_jumps, 29);
    assert!(outcome.shown(1.0..299.0) > 0.99);
}

#[test]
fn single_bad_timestamps_cost_no_more_than_their_picture() {
    let outcome = broadcast(120.0, 48_000.0, &|track, made| {
        let is_bad = track == Track::Video && (made * 30.0).round() as u64 % 100 == 99;
        Some((
            if is_bad {
                made * 977.0 % 90_000.0
            } else {
                made
            },
            made,
        ))
    });
    assert!(outcome.out_of_sync(0.0..0.0) <= SYNC_MAX_S);
    assert!(outcome.shown(1.0..119.0) > 0.97);
    let counters = outcome.timeline.counters();
    assert_eq!((counters.samples_silenced, counters.samples_cut), (0, 0));
}

#[test]
fn a_stall_of_the_link_is_a_pause_and_what_was_held_up_is_skipped_over() {
    for stall in [0.3, 1.0, 3.0, 10.0] {
        let outcome = broadcast(60.0, 48_000.0, &|_, made| {
            let held = (20.0..20.0 + stall).contains(&made);
            Some((made, if held { 20.0 + stall } else { made }))
        });
        assert!(outcome.out_of_sync(0.0..0.0) <= SYNC_MAX_S, "{stall}");
        assert!(outcome.longest_pause() < 0.65, "{stall}");
        assert!(outcome.shown(1.0..19.5) > 0.99, "{stall}");
        assert!(outcome.shown(20.1 + stall..59.0) > 0.98, "{stall}");
        let end = outcome.timeline.end().as_secs_f64();
        assert!((end - 60.0).abs() < 0.4, "{end} after {stall}");
    }
}

#[test]
fn a_link_that_stays_slower_after_a_stall_is_followed_within_a_second() {
    let outcome = broadcast(60.0, 48_000.0, &|_, made| {
        Some((made, if made < 20.0 { made } else { made + 4.0 }))
    });
    assert!(outcome.out_of_sync(0.0..0.0) <= SYNC_MAX_S);
    assert!(outcome.longest_pause() < 0.65);
    assert!(outcome.shown(21.2..55.0) > 0.99);
    assert_eq!(outcome.faults.first(), Some(&SourceFault::Late));
}

#[test]
fn media_that_is_lost_on_the_way_leaves_its_gap_and_no_more() {
    for lost in [0.1, 0.45, 2.0, 20.0] {
        let outcome = broadcast(60.0, 48_000.0, &|_, made| {
            (!(20.0..20.0 + lost).contains(&made)).then_some((made, made))
        });
        assert!(outcome.out_of_sync(0.0..0.0) <= SYNC_MAX_S, "{lost}");
        assert!(outcome.longest_pause() < 0.65, "{lost}");
        assert!(outcome.shown(20.1 + lost..59.0) > 0.99, "{lost}");
        let end = outcome.timeline.end().as_secs_f64();
        assert!((end - 60.0).abs() < 0.3, "{end}");
        assert_eq!(outcome.timeline.counters().clock_jumps, 0, "{lost}");
    }
}

#[test]
fn sound_that_is_missing_for_a_while_returns_in_sync() {
    for (from, to) in [(20.0, 20.4), (20.0, 35.0), (0.0, 12.0)] {
        let outcome = broadcast(60.0, 48_000.0, &|track, made| {
            let is_missing = track == Track::Audio && (from..to).contains(&made);
            (!is_missing).then_some((made + 5.0, made))
        });
        assert!(outcome.out_of_sync(0.0..0.0) <= SYNC_MAX_S);
        let heard = outcome.sounds.iter().filter(|(made, _)| *made > to + 0.1);
        assert!(heard.count() as f64 > (60.0 - to - 0.2) * 46.8);
        let counters = outcome.timeline.counters();
        assert_eq!((counters.frames_dropped, counters.frames_repeated), (0, 0));
        let silence = counters.samples_silenced as f64 / 48_000.0;
        assert!((silence - (to - from)).abs() < 0.1, "{silence}");
    }
}

#[test]
fn sound_that_is_muxed_two_seconds_behind_its_picture_is_heard_with_it() {
    for (lag, rate_hz) in [(0.6, 48_000.0), (2.0, 48_000.0), (2.8, 47_998.0)] {
        let outcome = broadcast(60.0, rate_hz, &|track, made| {
            let behind = if track == Track::Audio { lag } else { 0.0 };
            Some((made, made + behind))
        });
        assert!(outcome.out_of_sync(0.0..0.0) <= SYNC_MAX_S, "{lag}");
        let heard = outcome
            .sounds
            .iter()
            .filter(|(made, _)| *made > 3.0)
            .count();
        assert!(heard as f64 > (60.0 - lag - 3.1) * 46.8, "{heard} at {lag}");
    }
}

#[test]
fn media_that_comes_in_bursts_of_a_second_is_shown_whole_once_that_is_known() {
    let outcome = broadcast(60.0, 48_000.0, &|_, made| Some((made, made.floor() + 1.0)));
    assert!(outcome.out_of_sync(0.0..0.0) <= SYNC_MAX_S);
    assert!(
        outcome.shown(10.0..58.0) > 0.995,
        "{}",
        outcome.shown(10.0..58.0)
    );
    assert!(outcome.longest_pause() < 1.15);
}

#[test]
fn pictures_that_share_a_timestamp_by_the_four_follow_each_other() {
    let outcome = broadcast(60.0, 48_000.0, &|_, made| {
        Some(((made * 8.0).floor() / 8.0, made))
    });
    let worst = outcome.out_of_sync(0.0..0.0);
    assert!(worst <= SYNC_MAX_S, "{worst}");
    assert!(outcome.longest_pause() < 0.35);
    // Those that the step brings too near to their neighbours are not.
    let shown = outcome.shown(0.0..60.0);
    assert!(shown > 0.9, "{shown}");
    let counters = outcome.timeline.counters();
    assert_eq!((counters.clock_jumps, counters.samples_silenced), (0, 0));
}

#[test]
fn sound_that_comes_behind_a_returning_publishers_first_picture_is_not_lost_to_silence() {
    let mut timeline = Timeline::new(rate(30, 1));
    timeline.video(millis(0.0), at(0.0));
    timeline.audio(millis(0.0), BLOCK, at(0.0));
    timeline.publisher_left();
    timeline.tick(at(2.0), true, true);
    timeline.publisher_began();
    for frame in 0..12 {
        let seconds = f64::from(frame) / 30.0;
        timeline.video(millis(70.0 + seconds), at(2.1 + seconds));
        timeline.tick(at(2.1 + seconds), true, true);
    }
    let placed = timeline.audio(millis(70.0), BLOCK, at(2.5));
    let is_whole = matches!(placed, AudioPlacement::Place { skip: 0, .. });
    assert!(is_whole, "{placed:?}");
}

#[test]
fn the_slate_begins_at_once_where_the_publisher_has_left_and_goes_on_until_another_sends() {
    let mut timeline = Timeline::new(rate(30, 1));
    for index in 0..30 {
        let seconds = f64::from(index) / 30.0;
        timeline.video(millis(seconds), at(seconds));
        timeline.audio(millis(seconds), 1600, at(seconds));
    }
    timeline.publisher_left();
    let mut end = timeline.next_frame();
    for tick in 12..40 {
        let now = f64::from(tick) * 0.1;
        if tick == 20 {
            // Connected, and its first picture is not decoded yet.
            timeline.publisher_began();
        }
        timeline.tick(at(now), true, true);
        let reached = timeline.next_frame();
        assert!(
            (2..=4).contains(&(reached - end)),
            "{} at {now}",
            reached - end
        );
        end = reached;
    }
    let back = index_of(timeline.video(millis(9.0), at(4.0)));
    assert!((119..=121).contains(&back), "{back} at four seconds");
}
