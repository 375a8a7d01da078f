//! A publisher is lost, falls silent, returns as another one, or has another one beside it: viewers
//! see a pause at most, and their playlists never stall or begin anew.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clip::{AAC, Clip};
use crate::decode;
use crate::encoder::{self, Carrier};
use crate::http;
use crate::picture::Picture;
use crate::program::{ffmpeg, output, signal, wait_for};
use crate::server::{SMALL_LADDER, Server, Stream};
use crate::viewer::Viewer;

/// What a publisher sends that is stopped by its test.
fn long() -> Clip {
    Clip::new(30 * 40)
}

fn is_playable(server: &Server, stream: &Stream) {
    wait_for("a playable playlist", || server.status(stream) == "live");
}

fn playlist(server: &Server, stream: &Stream) -> String {
    let path = format!("/live/{}/180p/playlist.m3u8", stream.id);
    http::get(server.http, &path).expect("an answer").text()
}

fn change(server: &Server, stream: &Stream, body: &serde_json::Value) {
    let path = format!("/api/v1/streams/{}", stream.id);
    let answer = server.admin("PATCH", &path, Some(&body.to_string()));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The counters from the last publisher's first picture on, and how many pictures stood in before.
fn second_publisher(numbers: &[Option<u32>]) -> (usize, &[Option<u32>]) {
    let back = numbers.iter().rposition(|it| *it == Some(0));
    let back = back.expect("the second publisher's first picture");
    // Doubled where its frame rate is lower.
    let first = numbers[..back].iter().rposition(|it| *it != Some(0));
    let back = first.map_or(back, |last| last + 1);
    let last = numbers[..back].iter().flatten().max().expect("pictures");
    let stood_in = numbers[..back].iter().rev();
    let stood_in = stood_in.take_while(|it| it.is_none() || **it == Some(*last));
    (stood_in.count(), &numbers[back..])
}

fn assert_returns(other: Carrier, returning: &Clip) {
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    let lost = match other {
        Carrier::Rtmp => Carrier::Srt,
        Carrier::Srt => Carrier::Rtmp,
    };
    let publisher = lost.publish(&long().file(), &stream);
    is_playable(&server, &stream);
    publisher.kill();
    thread::sleep(Duration::from_millis(1500));
    other.publish(&returning.file(), &stream).finish();
    // One initialization segment and unbroken sequences: the viewer checks both.
    let watched = viewer.until_end();
    assert_eq!(watched.names(), ["180p", "90p", "audio"]);
    decode::assert_aligned(&watched);
    let pictures = decode::pictures(watched.rendition("180p"), &server.scratch());
    let numbers = decode::numbers(&pictures);
    let (stood_in, second) = second_publisher(&numbers);
    assert!(stood_in >= 15, "{stood_in} pictures stood in");
    // Whatever its rate is, none of its pictures is left out, but for one where it begins.
    let mut seen: Vec<u32> = second.iter().copied().flatten().collect();
    seen.dedup();
    let tail = other.tail_frames() as usize;
    let sent = returning.frames as usize;
    assert!(
        (sent - tail - 1..=sent).contains(&seen.len()),
        "{} of {sent}",
        seen.len()
    );
    let goes_on = |pair: &[u32]| pair[1] == pair[0] + 1;
    assert!(seen[3..].windows(2).all(goes_on), "{seen:?}");
    let beeps = decode::beeps(watched.rendition("audio"), &server.scratch());
    decode::assert_in_sync(&decode::flashes(&pictures), &beeps);
    assert_eq!(server.log_count(&["broadcast started"]), 1);
    server.stop();
}

#[test]
fn an_rtmp_publisher_returns_over_srt_as_hevc_of_another_size_rate_and_sound() {
    let returning = Clip {
        width: 640,
        height: 360,
        rate: (25, 1),
        video: "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25:bframes=0 \
                -pix_fmt yuv420p",
        audio: AAC,
        sound: "s=44100:c=mono",
        container: "ts",
        ..Clip::new(25 * 5)
    };
    assert_returns(Carrier::Srt, &returning);
}

#[test]
fn an_srt_publisher_returns_over_rtmp_with_another_size_and_sound() {
    let returning = Clip {
        width: 256,
        height: 144,
        sound: "s=22050:c=mono",
        ..Clip::new(30 * 5)
    };
    assert_returns(Carrier::Rtmp, &returning);
}

/// The longest time in which a playlist did not change while `during` ran, in seconds.
fn longest_pause(server: &Server, stream: &Stream, during: Duration) -> f64 {
    let start = Instant::now();
    let (mut known, mut since, mut longest) = (String::new(), start, Duration::ZERO);
    while start.elapsed() < during {
        let now = playlist(server, stream);
        if now != known {
            (known, since) = (now, Instant::now());
        }
        longest = longest.max(since.elapsed());
        thread::sleep(Duration::from_millis(50));
    }
    longest.as_secs_f64()
}

/// Wi-Fi that is gone says no goodbye: the connection stays, and nothing comes.
#[test]
fn a_publisher_that_falls_silent_for_eight_seconds_stalls_no_playlist_and_goes_on() {
    let clip = Clip::new(30 * 24);
    let file = clip.file();
    for carrier in [Carrier::Rtmp, Carrier::Srt] {
        let server = Server::start();
        let stream = server.stream();
        let viewer = Viewer::follow(server.http, &stream.id);
        let publisher = carrier.publish(&file, &stream);
        is_playable(&server, &stream);
        signal(publisher.pid(), "-STOP");
        // A part comes every 333 ms; without what stands in none would come at all.
        let pause = longest_pause(&server, &stream, Duration::from_secs(8));
        signal(publisher.pid(), "-CONT");
        assert!(pause < 4.0, "{carrier:?}: no part for {pause} s");
        // SRT counts it as lost after five seconds; RTMP has its connection still.
        drop(publisher);
        carrier.publish(&Clip::new(30 * 4).file(), &stream).finish();
        let watched = viewer.until_end();
        decode::assert_aligned(&watched);
        let pictures = decode::pictures(watched.rendition("180p"), &server.scratch());
        let numbers = decode::numbers(&pictures);
        let (_, second) = second_publisher(&numbers);
        assert!(second.len() >= 30 * 4 - 4, "{} pictures", second.len());
        server.stop();
    }
}

#[test]
fn a_streams_own_window_ends_the_broadcast_of_a_publisher_that_does_not_return() {
    let server = Server::start();
    let (patient, impatient) = (server.stream(), server.stream());
    change(&server, &impatient, &json!({ "reconnect_s": 1 }));
    let file = long().file();
    let publishers = [&patient, &impatient].map(|stream| {
        let publisher = encoder::rtmp(&file, &stream.rtmp);
        is_playable(&server, stream);
        publisher
    });
    let viewer = Viewer::follow(server.http, &impatient.id);
    publishers
        .into_iter()
        .for_each(|publisher| publisher.kill());
    // It ends cleanly: with an end of its playlists and a recording of what there was.
    let watched = viewer.until_end();
    decode::assert_aligned(&watched);
    assert!(playlist(&server, &impatient).contains("#EXT-X-ENDLIST"));
    assert!(!playlist(&server, &patient).contains("#EXT-X-ENDLIST"));
    assert_eq!(server.status(&patient), "live");
    let path = format!("/api/v1/recordings?stream_id={}", impatient.id);
    wait_for("the recording", || {
        let listed = server.admin("GET", &path, None).json();
        listed["items"][0]["status"] == "ready"
    });
    server.stop();
}

/// The operator's image of this test, black on its left and white on its right.
fn is_image(picture: &Picture) -> bool {
    let row = &picture.grey[picture.height / 2 * picture.width..][..picture.width];
    row[picture.width / 4] < 60 && row[picture.width * 3 / 4] > 200
}

#[test]
fn the_operators_image_is_seen_when_a_publisher_is_lost_also_when_its_file_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = folder.path().join("back-soon.png");
    let made = output(
        ffmpeg(["-f", "lavfi", "-i"])
            .arg("color=black:s=640x360,drawbox=x=320:w=320:h=360:color=white:t=fill")
            .args(["-frames:v", "1"])
            .arg(&image),
    );
    assert!(image.exists(), "{}", String::from_utf8_lossy(&made.stderr));
    let server = Server::with(&[
        ("MILLRACE_LADDER_RUNGS", SMALL_LADDER),
        ("MILLRACE_SLATE_IMAGE", image.to_str().expect("UTF-8")),
    ]);
    fs::remove_file(&image).expect("it is there");
    let stream = server.stream();
    change(&server, &stream, &json!({ "reconnect_s": 2 }));
    let publisher = encoder::rtmp(&long().file(), &stream.rtmp);
    is_playable(&server, &stream);
    let viewer = Viewer::follow(server.http, &stream.id);
    publisher.kill();
    let watched = viewer.until_end();
    decode::assert_aligned(&watched);
    let pictures = decode::pictures(watched.rendition("180p"), &server.scratch());
    let numbers = decode::numbers(&pictures);
    let last = numbers.iter().rposition(Option::is_some).expect("pictures");
    let behind = &pictures[last + 1..];
    let seen = behind.iter().filter(|picture| is_image(picture)).count();
    // It waits for two seconds, of which nothing stands in for a part of the first.
    assert!(
        seen > 20 && seen == behind.len(),
        "{seen} of {}",
        behind.len()
    );
    server.stop();
}

#[test]
fn a_publisher_that_stands_by_takes_over_within_half_a_second_and_a_third_is_refused() {
    let server = Server::start();
    let stream = server.stream();
    change(&server, &stream, &json!({ "backup_publisher": true }));
    let file = long().file();
    let viewer = Viewer::follow(server.http, &stream.id);
    let first = encoder::rtmp(&file, &stream.rtmp);
    is_playable(&server, &stream);
    let second = encoder::srt(&file, &stream.srt);
    wait_for("the second publisher", || {
        server.log_count(&["protocol=srt", "publishing"]) == 1
    });
    let (content, _) = encoder::rtmp(&file, &stream.rtmp).wait();
    assert!(!content, "a third publisher was let in");
    thread::sleep(Duration::from_secs(2));
    // Its connection stays, and nothing comes: the harder case.
    signal(first.pid(), "-STOP");
    server.wait_for_log(&["the one that stood by is on the air"]);
    thread::sleep(Duration::from_secs(2));
    drop(first);
    thread::sleep(Duration::from_secs(2));
    second.interrupt();
    let watched = viewer.until_end();
    decode::assert_aligned(&watched);
    let pictures = decode::pictures(watched.rendition("180p"), &server.scratch());
    let numbers = decode::numbers(&pictures);
    // The second one began later, so that its counter is behind: there it was switched.
    let back = |pair: &[Option<u32>]| pair[1] < pair[0] && pair[1].is_some();
    let switched = numbers.windows(2).position(back).expect("a switch");
    let last = numbers[switched];
    let stood_in = numbers[..switched].iter().rev();
    let stood_in = stood_in.take_while(|it| **it == last).count();
    assert!(
        stood_in <= 15,
        "{stood_in} pictures stood in for half a second"
    );
    let on_air = &numbers[switched + 1..];
    assert!(on_air.len() >= 30 * 3, "{} pictures", on_air.len());
    let goes_on = on_air
        .windows(2)
        .all(|pair| pair[0].is_some() && pair[1] >= pair[0]);
    assert!(goes_on, "{on_air:?}");
    let beeps = decode::beeps(watched.rendition("audio"), &server.scratch());
    let flashes = decode::flashes(&pictures);
    let near = |flash: &f64| beeps.iter().any(|beep| (flash - beep).abs() <= 0.040);
    let heard = flashes.iter().filter(|flash| near(flash)).count();
    // One may fall into the switch.
    assert!(heard + 1 >= flashes.len(), "{flashes:?}, {beeps:?}");
    server.stop();
}
