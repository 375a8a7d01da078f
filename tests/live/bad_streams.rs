//! Bad timestamps and bad streams, from independent clients: what is shown stays in order, aligned
//! and in sync, nothing stalls, and the fault has a name in the log.

mod packets;
mod units;

use std::net::SocketAddr;
use std::time::Duration;

use crate::clip::Clip;
use crate::decode;
use crate::server::{Server, Stream};
use crate::viewer::Viewer;

use packets::{Packet, is_table};
use units::Unit;

/// H.264 with B-frames.
const B_FRAMES: &str =
    "-c:v libx264 -preset veryfast -bf 3 -g 60 -pix_fmt yuv420p -threads 1 -x264-params scenecut=0";

/// How far sound and picture may be apart.
const SYNC_MAX_S: f64 = 0.040;

/// What a test demands of what viewers got.
struct Demand {
    /// How many different pictures were sent.
    sent: u32,
    /// How many of them may be missing.
    missing_max: u32,
    /// The fault's name in the log; empty: none may be there.
    fault: &'static str,
    /// How many flashes may be without their beep, or the other way round.
    lonely_max: usize,
}

impl Demand {
    /// All of them, in sync.
    fn whole(sent: u32, fault: &'static str) -> Self {
        Self {
            sent,
            missing_max: 0,
            fault,
            lonely_max: 0,
        }
    }
}

fn clip(frames: u32) -> Clip {
    Clip {
        video: B_FRAMES,
        ..Clip::new(frames)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("a runtime")
}

/// Publishes `units` over RTMP and holds what viewers got to `demand`.
fn over_rtmp(units: Vec<Unit>, demand: &Demand) {
    over(demand, |server, stream| {
        runtime().block_on(units::publish(server.rtmp, &stream.key, units));
    });
}

/// Publishes `packets` over SRT, in so many seconds.
fn over_srt(packets: &[Packet], seconds: f64, demand: &Demand) {
    over(demand, |server, stream| {
        let length = Duration::from_secs_f64(seconds);
        let to: SocketAddr = server.srt;
        runtime().block_on(packets::publish(to, &stream.key, packets, length));
    });
}

fn over(demand: &Demand, publish: impl FnOnce(&Server, &Stream)) {
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    publish(&server, &stream);
    // One initialization segment and unbroken sequences: the viewer checks both.
    let watched = viewer.until_end();
    decode::assert_aligned(&watched);
    let pictures = decode::pictures(watched.rendition("180p"), &server.scratch());
    let numbers = decode::numbers(&pictures);
    let shown: Vec<u32> = numbers.iter().copied().flatten().collect();
    let rises = shown.windows(2).all(|pair| pair[0] <= pair[1]);
    assert!(rises, "pictures go back: {shown:?}");
    let mut once = shown;
    once.dedup();
    let missing = demand.sent.saturating_sub(once.len() as u32);
    assert!(
        missing <= demand.missing_max,
        "{missing} are missing: {numbers:?}"
    );
    let beeps = decode::beeps(watched.rendition("audio"), &server.scratch());
    let flashes = decode::flashes(&pictures);
    let lonely = |one: &[f64], other: &[f64]| {
        let near = |time: &&f64| other.iter().any(|it| (**time - it).abs() <= SYNC_MAX_S);
        one.len() - one.iter().filter(near).count()
    };
    let alone = lonely(&flashes, &beeps).max(lonely(&beeps, &flashes));
    assert!(
        !flashes.is_empty() && alone <= demand.lonely_max,
        "flashes {flashes:?}, beeps {beeps:?}"
    );
    assert_eq!(server.log_count(&["broadcast started"]), 1);
    match demand.fault {
        "" => assert_eq!(server.log_count(&["fault="]), 0, "{}", server.log()),
        // One line, however often it was found.
        fault => assert_eq!(
            server.log_count(&[&format!("fault=\"{fault}\"")]),
            1,
            "{}",
            server.log()
        ),
    }
    server.stop();
}

#[test]
fn b_frames_over_rtmp_are_shown_in_their_order() {
    over_rtmp(units::of(&clip(150)), &Demand::whole(150, ""));
}

#[test]
fn decode_timestamps_that_go_back_change_nothing_that_is_shown() {
    let mut units = units::of(&clip(150));
    let mut count = 0;
    for unit in units.iter_mut().filter(|unit| unit.is_video()) {
        count += 1;
        if count % 5 == 0
            && let Some(unit) = unit.access()
        {
            unit.dts = unit.dts - Duration::from_millis(50);
        }
    }
    over_rtmp(units, &Demand::whole(150, "dts_back"));
}

/// Shifts what is sent from the third second on.
fn shifted(by_ms: i64, which: impl Fn(&Unit) -> bool) -> Vec<Unit> {
    let mut units = units::of(&clip(180));
    let later = units.iter_mut().filter(|unit| unit.at_s >= 3.0);
    later
        .filter(|unit| which(unit))
        .for_each(|unit| unit.shift(by_ms));
    units
}

#[test]
fn a_clock_that_jumps_ahead_by_two_seconds_loses_no_picture() {
    over_rtmp(shifted(2000, |_| true), &Demand::whole(180, "clock_ahead"));
}

#[test]
fn a_clock_that_goes_back_by_26_hours_loses_no_picture() {
    let mut units = shifted(-26 * 3_600_000, |_| true);
    units
        .iter_mut()
        .for_each(|unit| unit.shift(100 * 3_600_000));
    over_rtmp(units, &Demand::whole(180, "clock_back"));
}

#[test]
fn a_clock_that_wraps_after_32_bits_goes_on() {
    let mut units = units::of(&clip(180));
    // Three seconds before it.
    units
        .iter_mut()
        .for_each(|unit| unit.shift((1 << 32) - 3000));
    over_rtmp(units, &Demand::whole(180, ""));
}

#[test]
fn a_video_clock_that_is_reset_alone_stays_beside_its_sound() {
    let mut units = shifted(-50_000, Unit::is_video);
    units.iter_mut().for_each(|unit| unit.shift(60_000));
    over_rtmp(units, &Demand::whole(180, "clock_back"));
}

#[test]
fn sound_that_is_missing_for_two_seconds_returns_in_sync() {
    let mut units = units::of(&clip(210));
    units.retain(|unit| !(unit.is_audio() && (2.5..4.5).contains(&unit.at_s)));
    let demand = Demand {
        lonely_max: 2,
        ..Demand::whole(210, "sound_missing")
    };
    over_rtmp(units, &demand);
}

#[test]
fn sound_that_begins_three_seconds_late_is_heard_with_its_picture() {
    let mut units = units::of(&clip(210));
    units.retain(|unit| !(unit.is_audio() && unit.at_s < 3.2));
    let demand = Demand {
        lonely_max: 3,
        ..Demand::whole(210, "sound_missing")
    };
    over_rtmp(units, &demand);
}

#[test]
fn parameter_sets_that_change_in_the_middle_change_no_rendition() {
    let first = units::of(&clip(90));
    let second = Clip {
        width: 640,
        height: 360,
        ..clip(90)
    };
    let units = units::joined(first, units::of(&second), 3.0);
    // Its counter begins anew, which is what shows that it is the second one.
    over_rtmp_joined(units, "video_parameters");
}

#[test]
fn sound_whose_configuration_changes_in_the_middle_stays_in_sync() {
    let first = units::of(&clip(90));
    let second = Clip {
        sound: "s=44100:c=mono",
        ..clip(90)
    };
    over_rtmp_joined(
        units::joined(first, units::of(&second), 3.0),
        "audio_parameters",
    );
}

/// Two clips of 90 pictures, one behind the other.
fn over_rtmp_joined(units: Vec<Unit>, fault: &'static str) {
    joined(fault, |server, stream| {
        runtime().block_on(units::publish(server.rtmp, &stream.key, units));
    });
}

fn joined(fault: &'static str, publish: impl FnOnce(&Server, &Stream)) {
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    publish(&server, &stream);
    let watched = viewer.until_end();
    decode::assert_aligned(&watched);
    let pictures = decode::pictures(watched.rendition("180p"), &server.scratch());
    let numbers: Vec<u32> = decode::numbers(&pictures).into_iter().flatten().collect();
    let back = numbers.windows(2).position(|pair| pair[1] < pair[0]);
    let (first, second) = numbers.split_at(back.expect("two clips") + 1);
    for half in [first, second] {
        let mut once = half.to_vec();
        once.dedup();
        // Where one decoder's pictures end and another's begin some may be held back for good.
        assert!(once.len() >= 84, "{numbers:?}");
        assert!(once.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }
    let beeps = decode::beeps(watched.rendition("audio"), &server.scratch());
    let flashes = decode::flashes(&pictures);
    assert!(flashes.len() >= 3, "{flashes:?}");
    let near = |flash: &&f64| {
        beeps
            .iter()
            .any(|beep| (**flash - beep).abs() <= SYNC_MAX_S)
    };
    let together = flashes.iter().filter(near).count();
    assert!(
        together == flashes.len(),
        "flashes {flashes:?}, beeps {beeps:?}"
    );
    let line = format!("fault=\"{fault}\"");
    assert_eq!(server.log_count(&[&line]), 1, "{}", server.log());
    server.stop();
}

#[test]
fn a_group_of_pictures_of_ten_seconds_and_one_without_end_play_like_any_other() {
    for video in [
        "-c:v libx264 -preset veryfast -bf 2 -g 300 -keyint_min 300 -pix_fmt yuv420p -threads 1 \
         -x264-params scenecut=0",
        "-c:v libx264 -preset veryfast -bf 2 -g 9999 -keyint_min 9999 -pix_fmt yuv420p -threads 1 \
         -x264-params scenecut=0",
    ] {
        let long = Clip { video, ..clip(330) };
        over_rtmp(units::of(&long), &Demand::whole(330, ""));
    }
}

#[test]
fn a_stream_that_begins_behind_its_keyframe_shows_no_grey_and_starts_at_the_next_one() {
    let mut units = units::of(&clip(210));
    let first = units.iter().position(Unit::is_video).expect("a picture");
    units.remove(first);
    let demand = Demand {
        missing_max: 61,
        lonely_max: 2,
        ..Demand::whole(210, "no_keyframe")
    };
    over_rtmp(units, &demand);
}

#[test]
fn damaged_nal_units_cost_their_pictures_and_no_more() {
    let mut units = units::of(&clip(210));
    let mut count = 0;
    for unit in units.iter_mut().filter(|unit| unit.is_video()) {
        count += 1;
        if count % 50 == 40
            && let Some(unit) = unit.access()
        {
            let mut bytes = unit.data.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle..].iter_mut().for_each(|byte| *byte ^= 0xA5);
            unit.data = bytes.into();
        }
    }
    let demand = Demand {
        missing_max: 60,
        lonely_max: 1,
        ..Demand::whole(210, "damaged_picture")
    };
    over_rtmp(units, &demand);
}

#[test]
fn media_that_comes_in_bursts_of_half_a_second_is_shown_whole() {
    let mut units = units::of(&clip(210));
    for unit in &mut units {
        unit.at_s = (unit.at_s * 2.0).floor() / 2.0;
    }
    let demand = Demand {
        // Until it is known that it comes so.
        missing_max: 12,
        ..Demand::whole(210, "")
    };
    over_rtmp(units, &demand);
}

#[test]
fn b_frames_in_a_transport_stream_are_shown_in_their_order() {
    let demand = Demand {
        missing_max: 2,
        ..Demand::whole(150, "")
    };
    over_srt(&packets::of(&clip(150), ""), 5.0, &demand);
}

#[test]
fn lost_packets_cost_their_pictures_and_no_more() {
    let mut count = 0;
    let mut packets = packets::of(&clip(210), "");
    packets.retain(|packet| {
        count += 1;
        is_table(packet) || count % 151 != 150
    });
    let demand = Demand {
        missing_max: 80,
        lonely_max: 2,
        ..Demand::whole(210, "lost_packets")
    };
    over_srt(&packets, 7.0, &demand);
}

#[test]
fn a_pat_and_pmt_that_stay_away_in_the_middle_change_nothing() {
    let packets = packets::of(&clip(240), "");
    let (from, to) = (packets.len() / 4, packets.len() * 3 / 4);
    let kept = packets.into_iter().enumerate();
    let kept = kept.filter(|(index, packet)| !((from..to).contains(index) && is_table(packet)));
    let packets: Vec<Packet> = kept.map(|(_, packet)| packet).collect();
    let demand = Demand {
        missing_max: 2,
        ..Demand::whole(240, "lost_tables")
    };
    over_srt(&packets, 8.0, &demand);
}

#[test]
fn a_clock_of_33_bits_wraps_and_goes_on() {
    // 2³³ ∕ 90,000 s is 95,443.7 s.
    let packets = packets::of(&clip(210), "-output_ts_offset 95440 -muxdelay 0");
    let demand = Demand {
        missing_max: 2,
        ..Demand::whole(210, "")
    };
    over_srt(&packets, 7.0, &demand);
}

#[test]
fn tracks_that_the_tables_name_anew_take_the_place_of_the_old_ones() {
    let first = packets::of(&clip(90), "");
    let second = Clip {
        sound: "s=44100:c=mono",
        ..clip(90)
    };
    let options = "-output_ts_offset 3 -mpegts_start_pid 0x200 -mpegts_pmt_start_pid 0x1000 \
                   -tables_version 1";
    let packets = [first, packets::of(&second, options)].concat();
    joined("changed_tracks", |server, stream| {
        let length = Duration::from_secs(6);
        runtime().block_on(packets::publish(server.srt, &stream.key, &packets, length));
    });
}

#[test]
fn a_transport_stream_whose_clock_is_set_back_in_the_middle_goes_on() {
    let first = packets::of(&clip(90), "-output_ts_offset 1000");
    let second = packets::of(&clip(90), "-output_ts_offset 20");
    let packets = [first, second].concat();
    joined("clock_back", |server, stream| {
        let length = Duration::from_secs(6);
        runtime().block_on(packets::publish(server.srt, &stream.key, &packets, length));
    });
}
