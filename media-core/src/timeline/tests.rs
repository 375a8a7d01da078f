use super::*;

mod faults;

fn rate(numerator: u32, denominator: u32) -> FrameRate {
    FrameRate::new(numerator, denominator).expect("a rate")
}

fn place(index: u64) -> VideoPlacement {
    VideoPlacement::Place { index, repeats: 0 }
}

fn index_of(placement: VideoPlacement) -> u64 {
    match placement {
        VideoPlacement::Place { index, .. } => index,
        VideoPlacement::Drop => panic!("a picture is dropped"),
    }
}

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn millis(seconds: f64) -> MediaTime {
    MediaTime::from_millis((seconds * 1000.0).round() as i64)
}

/// A generator of equally distributed numbers in -1..1; the same ones in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    }
}

#[test]
fn a_steady_source_is_never_dropped_or_doubled_for_24_hours_of_millisecond_timestamps() {
    for rate in [
        rate(24_000, 1001),
        rate(25, 1),
        rate(30_000, 1001),
        rate(60, 1),
    ] {
        let mut timeline = Timeline::new(rate);
        let frames = (24.0 * 3600.0 * rate.as_f64()) as u64;
        for index in 0..frames {
            let seconds = index as f64 / rate.as_f64();
            assert_eq!(
                timeline.video(millis(1234.0 + seconds), at(seconds)),
                place(index)
            );
        }
        assert_eq!(timeline.counters(), Counters::default());
    }
}

#[test]
fn jitter_of_a_third_of_a_frame_around_any_phase_costs_nothing() {
    let mut noise = Noise(7);
    for start in 0..20 {
        let mut timeline = Timeline::new(rate(30, 1));
        for index in 0..2000 {
            let seconds = 10.0 + f64::from(start) / 600.0 + index as f64 / 30.0;
            let jittered = if index == 0 {
                seconds
            } else {
                seconds + noise.next() * 0.33 / 30.0
            };
            let pts = MediaTime::from_nanos((jittered * 1e9) as i64);
            assert_eq!(timeline.video(pts, at(seconds)), place(index));
        }
    }
}

#[test]
fn a_missing_frame_is_filled_and_a_doubled_one_dropped() {
    let mut timeline = Timeline::new(rate(25, 1));
    assert_eq!(timeline.video(millis(0.0), at(0.0)), place(0));
    assert_eq!(
        timeline.video(millis(0.08), at(0.08)),
        VideoPlacement::Place {
            index: 2,
            repeats: 1
        }
    );
    assert_eq!(
        timeline.video(millis(0.081), at(0.081)),
        VideoPlacement::Drop
    );
    assert_eq!(timeline.video(millis(0.12), at(0.12)), place(3));
    let counters = timeline.counters();
    assert_eq!((counters.frames_repeated, counters.frames_dropped), (1, 1));
}

#[test]
fn a_source_of_twice_the_rate_loses_every_other_frame_and_keeps_time() {
    let mut timeline = Timeline::new(rate(30, 1));
    for index in 0..600 {
        timeline.video(millis(f64::from(index) / 60.0), at(f64::from(index) / 60.0));
    }
    assert!(
        (300..=301).contains(&timeline.next_frame()),
        "{}",
        timeline.next_frame()
    );
}

#[test]
fn a_clock_that_jumps_back_or_far_ahead_goes_on_at_the_next_grid_point() {
    let mut timeline = Timeline::new(rate(30, 1));
    assert_eq!(timeline.video(millis(5000.0), at(0.0)), place(0));
    assert_eq!(timeline.video(millis(0.0), at(0.033)), place(1));
    assert_eq!(timeline.video(millis(0.033), at(0.067)), place(2));
    assert_eq!(timeline.video(millis(90_000.0), at(0.1)), place(3));
    assert_eq!(timeline.counters().clock_jumps, 2);
}

#[test]
fn sound_follows_the_pictures_jump_with_the_distance_the_publisher_gave_it() {
    let mut timeline = Timeline::new(rate(25, 1));
    timeline.video(millis(100.0), at(0.0));
    assert_eq!(
        timeline.audio(millis(100.1), 960, at(0.0)),
        AudioPlacement::Place {
            silence: 4800,
            skip: 0,
            stretch: 0
        }
    );
    assert_eq!(timeline.video(millis(7.0), at(0.04)), place(1));
    // Still the old clock: sent before the jump.
    assert_eq!(
        timeline.audio(millis(100.12), 960, at(0.05)),
        AudioPlacement::Place {
            silence: 0,
            skip: 0,
            stretch: 0
        }
    );
    // The new clock: picture 1 stands at 40 ms, so 7.1 belongs at 140 ms; 140 ms are there.
    assert_eq!(
        timeline.audio(millis(7.1), 960, at(0.06)),
        AudioPlacement::Place {
            silence: 0,
            skip: 0,
            stretch: 0
        }
    );
    assert_eq!(timeline.counters().clock_jumps, 1);
}

#[test]
fn sound_that_begins_before_the_first_picture_is_cut_there() {
    let mut timeline = Timeline::new(rate(25, 1));
    timeline.video(millis(1.0), at(0.0));
    assert_eq!(
        timeline.audio(millis(0.9), 1024, at(0.0)),
        AudioPlacement::Drop
    );
    assert_eq!(
        timeline.audio(millis(0.98), 1920, at(0.0)),
        AudioPlacement::Place {
            silence: 0,
            skip: 960,
            stretch: 0
        }
    );
    assert_eq!(timeline.next_sample(), 960);
}

#[test]
fn drift_of_the_sound_is_mended_before_it_is_heard_as_such() {
    let mut timeline = Timeline::new(rate(25, 1));
    timeline.video(millis(0.0), at(0.0));
    for block in 0..47_000u64 {
        // 100 parts in a million too slow.
        let seconds = block as f64 * 1024.0 / 48_000.0 * 1.0001;
        timeline.audio(
            MediaTime::from_nanos((seconds * 1e9) as i64),
            1024,
            at(seconds),
        );
        let drift = seconds + 1024.0 / 48_000.0 - sample_time(timeline.next_sample()).as_secs_f64();
        assert!(drift.abs() < 0.019, "{drift} at {seconds}");
    }
    let counters = timeline.counters();
    assert!(counters.samples_stretched > 0);
    assert_eq!(counters.samples_silenced, 0, "a gap is heard");
}

#[test]
fn silence_and_slate_stand_in_for_a_publisher_that_went_away_and_its_return_takes_the_next_point() {
    let mut timeline = Timeline::new(rate(30, 1));
    for index in 0..30 {
        let seconds = f64::from(index) / 30.0;
        timeline.video(millis(seconds), at(seconds));
        timeline.audio(millis(seconds), 1600, at(seconds));
    }
    let mut filled = Fill::default();
    for tick in 0..50 {
        let fill = timeline.tick(at(1.0 + f64::from(tick) * 0.1), true, true);
        filled.frames += fill.frames;
        filled.silence += fill.silence;
    }
    // Last picture at 0.967, last tick at 5.9: 4.93 s less the stall's 0.35.
    assert_eq!(filled.frames, 137);
    // Sound is as far behind the picture as it was before.
    let behind = 137 * 1600 - filled.silence;
    assert!(behind <= 1601, "{behind}");
    timeline.publisher_began();
    let back = index_of(timeline.video(millis(777.0), at(6.0)));
    assert!((179..=181).contains(&back), "{back} at six seconds");
    let AudioPlacement::Place { silence, skip, .. } = timeline.audio(millis(777.0), 1600, at(6.0))
    else {
        panic!("its sound is cut");
    };
    assert_eq!((silence, skip), (behind + (back - 30 - 137) * 1600, 0));
    assert_eq!(timeline.counters().clock_jumps, 0);
}

#[test]
fn a_first_picture_that_comes_behind_its_sound_is_not_lost_to_the_slate() {
    let mut timeline = Timeline::new(rate(30, 1));
    timeline.video(millis(0.0), at(0.0));
    timeline.audio(millis(0.0), 1600, at(0.0));
    timeline.tick(at(2.0), true, true);
    timeline.publisher_began();
    timeline.audio(millis(50.0), 960, at(2.01));
    // Its picture is being decoded while the slate goes on.
    let slate = timeline.tick(at(2.1), true, true).frames;
    assert!(slate >= 2, "{slate}");
    let next = index_of(timeline.video(millis(50.0), at(2.11)));
    // It is where the clock is, not where the slate happened to end.
    assert_eq!(next, 63);
    assert_eq!(timeline.video(millis(50.033), at(2.12)), place(next + 1));
    assert_eq!(timeline.counters().frames_dropped, 0);
    // What belongs to that first picture is heard with it.
    timeline.audio(millis(50.02), 960, at(2.13));
    let sound = sample_time(timeline.next_sample());
    let belongs = MediaTime::from_nanos(
        timeline.rate.frame_time(next).as_nanos() + Duration::from_millis(40).as_nanos() as i64,
    );
    assert!(
        sound.nanos_from(belongs).abs() <= 18_000_000,
        "{sound:?}, not {belongs:?}"
    );
}

#[test]
fn the_burst_after_a_stall_is_dropped_up_to_where_the_tick_filled() {
    let mut timeline = Timeline::new(rate(30, 1));
    for index in 0..30 {
        timeline.video(millis(f64::from(index) / 30.0), at(f64::from(index) / 30.0));
    }
    let fill = timeline.tick(at(2.317), true, false);
    assert_eq!(fill.frames, 30);
    for index in 30..60 {
        let late = timeline.video(millis(f64::from(index) / 30.0), at(2.7));
        assert!(
            index == 59 || late == VideoPlacement::Drop,
            "{index}: {late:?}"
        );
    }
    assert!(timeline.video(millis(2.0), at(2.7)).is_placed());
}

#[test]
fn a_path_that_stays_late_after_a_stall_is_mapped_anew_within_a_second() {
    let mut timeline = Timeline::new(rate(30, 1));
    for index in 0..30 {
        timeline.video(millis(f64::from(index) / 30.0), at(f64::from(index) / 30.0));
    }
    timeline.tick(at(3.667), true, false);
    let mut dropped = 0;
    for index in 30..120 {
        let now = 3.7 + f64::from(index - 30) / 30.0;
        if timeline.video(millis(f64::from(index) / 30.0), at(now)) == VideoPlacement::Drop {
            dropped += 1;
        }
        timeline.tick(at(now), true, false);
        // What stands in goes on meanwhile.
        let behind = now - timeline.next_frame() as f64 / 30.0;
        assert!(behind < 0.6, "{behind} at {now}");
    }
    assert!((29..=32).contains(&dropped), "{dropped}");
}

#[test]
fn a_broadcast_without_sound_gets_silence_up_to_its_picture() {
    let mut timeline = Timeline::new(rate(25, 1));
    timeline.video(millis(0.0), at(0.0));
    timeline.video(millis(0.04), at(0.04));
    assert_eq!(
        timeline.tick(at(0.05), true, true),
        Fill {
            frames: 0,
            silence: 3840
        }
    );
    assert_eq!(timeline.tick(at(0.06), true, true), Fill::default());
}

#[test]
fn no_timestamp_makes_it_go_back_or_stop() {
    let mut noise = Noise(99);
    let mut timeline = Timeline::new(rate(30, 1));
    let mut now = 0.0;
    for step in 0..20_000 {
        now += 0.01 + noise.next().abs() * 0.05;
        let before = (timeline.next_frame(), timeline.next_sample());
        let pts = match step % 7 {
            0 => MediaTime::from_nanos((noise.next() * i64::MAX as f64) as i64),
            _ => MediaTime::from_nanos((now * 1e9) as i64),
        };
        match step % 3 {
            0 => {
                timeline.video(pts, at(now));
            }
            1 => {
                timeline.audio(pts, 1024, at(now));
            }
            _ => {
                timeline.tick(at(now), true, true);
            }
        }
        assert!(timeline.next_frame() >= before.0 && timeline.next_sample() >= before.1);
        assert!(
            timeline.next_frame() < before.0 + 200,
            "one step filled too much"
        );
    }
}

#[test]
fn a_files_tracks_keep_their_distance_whichever_is_decoded_first() {
    let rate = rate(25, 1);
    let sounds: Vec<_> = (0..50)
        .map(|block| millis(12.0 + f64::from(block) * 0.02))
        .collect();
    let pictures: Vec<_> = (0..50)
        .map(|frame| millis(5.0 + f64::from(frame) * 0.04))
        .collect();
    let mut ends = Vec::new();
    for sound_first in [true, false] {
        let mut timeline = Timeline::of_file(rate, millis(5.0));
        let sound = |timeline: &mut Timeline| {
            for pts in &sounds {
                timeline.audio(*pts, 960, Duration::ZERO);
            }
        };
        if sound_first {
            sound(&mut timeline);
        }
        for (index, pts) in pictures.iter().enumerate() {
            assert_eq!(timeline.video(*pts, Duration::ZERO), place(index as u64));
        }
        if !sound_first {
            sound(&mut timeline);
        }
        assert_eq!(timeline.counters().samples_silenced, 7 * 48_000);
        // Sound to 8 s, pictures to 2 s: the last one stands in for the rest.
        assert_eq!(
            timeline.even_out(),
            Fill {
                frames: 150,
                silence: 0
            }
        );
        ends.push((
            timeline.next_frame(),
            timeline.next_sample(),
            timeline.counters(),
        ));
    }
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn a_file_that_jumps_back_goes_on_and_one_that_jumps_ahead_by_hours_does_not_fill_them() {
    for jump in [-100.0, 36_000.0] {
        let mut timeline = Timeline::of_file(rate(25, 1), millis(100.0));
        for frame in 0..50 {
            let seconds = 100.0 + f64::from(frame) * 0.04 + if frame < 25 { 0.0 } else { jump };
            assert_eq!(
                timeline.video(millis(seconds), Duration::ZERO),
                place(frame as u64)
            );
        }
        assert_eq!(timeline.counters().clock_jumps, 1);
    }
}

#[test]
fn sound_that_outlasts_the_pictures_by_its_last_frame_adds_no_picture() {
    let mut timeline = Timeline::of_file(rate(25, 1), MediaTime::ZERO);
    for frame in 0..25 {
        timeline.video(millis(f64::from(frame) * 0.04), Duration::ZERO);
    }
    timeline.audio(MediaTime::ZERO, 48_000 + 2048, Duration::ZERO);
    assert_eq!(timeline.even_out(), Fill::default());
}

#[test]
fn only_what_is_no_frame_rate_counts_as_a_gap_of_a_file() {
    let mut timeline = Timeline::of_file(rate(25, 1), MediaTime::ZERO);
    for second in [0.0, 0.5, 1.4, 2.4] {
        timeline.video(millis(second), Duration::ZERO);
    }
    assert_eq!(timeline.gaps(), Duration::ZERO);
    timeline.video(millis(2.44 + 599.0), Duration::ZERO);
    timeline.video(millis(2.48 + 599.0 + 599.0), Duration::ZERO);
    timeline.audio(millis(10.0), 480, Duration::ZERO);
    assert_eq!(timeline.gaps(), Duration::from_secs(2 * 599));
    assert_eq!(timeline.end(), millis(2.52 + 599.0 + 599.0));
}

#[test]
fn silence_follows_pictures_whose_sound_does_not_come() {
    let mut timeline = Timeline::of_file(rate(25, 1), MediaTime::ZERO);
    for frame in 0..25 * 12 {
        timeline.video(millis(f64::from(frame) * 0.04), Duration::ZERO);
    }
    assert_eq!(timeline.silence_behind(Duration::from_secs(10)), 2 * 48_000);
    assert_eq!(timeline.silence_behind(Duration::from_secs(10)), 0);
    // What comes at last lies behind that silence, and all of it counts.
    let placed = timeline.audio(millis(11.0), 480, Duration::ZERO);
    let silence = 9 * 48_000;
    assert_eq!(
        placed,
        AudioPlacement::Place {
            silence,
            skip: 0,
            stretch: 0
        }
    );
}
