//! A machine that is too small: the broadcast that is one too many is refused, and those that run lose
//! nothing by it; under sudden pressure something is left out, in order, and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::clip::Clip;
use crate::decode::{assert_aligned, assert_every_frame_once, assert_segments_decode};
use crate::encoder;
use crate::exposition::Scrape;
use crate::metrics::{address_of, scrape};
use crate::program::{Program, ffmpeg, wait_at_most, wait_for};
use crate::server::{Server, Stream};
use crate::viewer::Viewer;

/// For a source of 720p two renditions. For what is not known yet all of it: more than any machine has
/// cores for.
const HUGE_LADDER: &str = "a 4096x4096 9000k, b 4096x4094 9000k, c 4096x4092 9000k, \
     d 4096x4090 9000k, e 4096x4088 9000k, f 4096x4086 9000k, 720p 1280x720 2500k, 90p 160x90 200k";

/// Eleven seconds, of a size from which the machine's speed is learnt.
fn large_clip() -> Clip {
    Clip {
        width: 1280,
        height: 720,
        ..Clip::new(30 * 11)
    }
}

fn capacity(server: &Server) -> Value {
    server.admin("GET", "/api/v1/capacity", None).json()
}

fn last_refusal(server: &Server, stream: &Stream) -> Value {
    let path = format!("/api/v1/streams/{}", stream.id);
    server.admin("GET", &path, None).json()["last_refusal"].clone()
}

/// Figures of publishers that were refused because the machine is too small.
fn overloaded(figures: &Scrape) -> f64 {
    figures.value(
        "millrace_publisher_refusals_total",
        &[("reason", "overloaded")],
    )
}

#[test]
fn heavy_a_second_broadcast_that_would_push_the_first_below_real_time_is_refused() {
    let server = Server::with(&[
        ("MILLRACE_LADDER_RUNGS", HUGE_LADDER),
        ("MILLRACE_METRICS", "127.0.0.1:0"),
    ]);
    let metrics = address_of(&server);
    let (first, second) = (server.stream(), server.stream());
    let clip = large_clip();
    let known = capacity(&server);
    assert_eq!(known["megapixels_per_core_s"], Value::Null, "{known}");
    let viewer = Viewer::follow(server.http, &first.id);
    let publisher = encoder::rtmp(&clip.file(), &first.rtmp);
    wait_for("the machine's speed", || {
        capacity(&server)["megapixels_per_core_s"].is_number()
    });
    let known = capacity(&server);
    let needed = known["needed_cores"].as_f64().expect("it is known");
    assert!(needed > 0.0 && needed < 8.0, "{known}");
    assert_eq!(known["admission"], "refuse");

    assert_eq!(last_refusal(&server, &second), Value::Null);
    let (sent, log) = encoder::rtmp(&clip.file(), &second.rtmp).wait();
    let words = "this server cannot encode another broadcast in real time now";
    assert!(!sent && log.contains(words), "the encoder's log: {log}");
    assert!(server.log_has(&[words]), "in the server's log");
    let refusal = last_refusal(&server, &second);
    assert_eq!(refusal["reason"], "overloaded", "{refusal}");
    assert_eq!(refusal["detail"], words);
    assert!(refusal["at"].as_str().is_some_and(|at| at.ends_with('Z')));
    let (sent, _) = encoder::srt(&clip.file(), &second.srt).wait();
    assert!(!sent, "SRT is refused too");
    assert!(overloaded(&scrape(metrics)) >= 2.0);
    assert_eq!(server.status(&second), "offline");

    // Who was there lost nothing.
    publisher.finish();
    let watched = viewer.until_end();
    assert_every_frame_once(&watched, clip.frames, 0, &server.scratch());
    assert_eq!(last_refusal(&server, &first), Value::Null);
    // And now there is nobody to be pushed down.
    let publisher = encoder::rtmp(&clip.file(), &second.rtmp);
    wait_for("the second broadcast", || server.status(&second) == "live");
    publisher.kill();
    server.stop();
}

/// The same with less for the highest rendition, which a broadcast whose source is passed through is
/// reckoned by.
const LARGE_LADDER: &str = "a 2048x2048 9000k, b 2048x2046 9000k, c 2048x2044 9000k, \
     d 2048x2042 9000k, e 2048x2040 9000k, f 2048x2038 9000k, 720p 1280x720 2500k, 90p 160x90 200k";

#[test]
fn heavy_a_second_broadcast_that_there_is_no_room_for_has_its_source_for_its_one_rendition() {
    let server = Server::with(&[
        ("MILLRACE_LADDER_RUNGS", LARGE_LADDER),
        // What decoding costs is little beside it, also where the machine is busy.
        ("MILLRACE_LADDER_PRESET", "veryfast"),
        ("MILLRACE_INGEST_ADMISSION", "source"),
        ("MILLRACE_INGEST_RECONNECT_MS", "1000"),
    ]);
    let (first, second, third) = (server.stream(), server.stream(), server.stream());
    let clip = large_clip();
    let viewer = Viewer::follow(server.http, &first.id);
    let publisher = encoder::rtmp(&clip.file(), &first.rtmp);
    wait_for("the machine's speed", || {
        capacity(&server)["megapixels_per_core_s"].is_number()
    });
    assert_eq!(capacity(&server)["admission"], "source");
    let fits = Clip {
        width: 1280,
        height: 720,
        ..Clip::new(30 * 5)
    };
    let alone = Viewer::follow(server.http, &second.id);
    let passed = encoder::rtmp(&fits.file(), &second.rtmp);
    let reordered = Clip {
        video: "-c:v libx264 -preset superfast -bf 2 -g 30 -pix_fmt yuv420p -threads 1",
        ..fits.clone()
    };
    let (sent, _) = encoder::rtmp(&reordered.file(), &third.rtmp).wait();
    assert!(!sent, "it cannot be passed through");
    assert!(server.log_has(&["it has B-frames", "can only pass pictures through"]));
    passed.finish();
    let watched = alone.until_end();
    assert_eq!(watched.names(), ["720p", "audio"]);
    assert_every_frame_once(&watched, fits.frames, 0, &server.scratch());
    assert!(server.log_has(&["the source alone is passed on", &second.id]));
    publisher.finish();
    let watched = viewer.until_end();
    assert_eq!(watched.names(), ["720p", "90p", "audio"]);
    assert_every_frame_once(&watched, clip.frames, 0, &server.scratch());
    server.stop();
}

/// Lets a process have a fraction of the machine's time, however many cores that has: it is stopped
/// again and again.
struct Throttle {
    gone: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Throttle {
    /// `runs` of each `runs` and `stands`.
    fn put_on(server: &Server, runs: Duration, stands: Duration) -> Self {
        let gone = Arc::new(AtomicBool::new(false));
        let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("a process");
        let ends = Arc::clone(&gone);
        let thread = thread::spawn(move || {
            let send = |signal| kill_process(pid, signal).expect("it runs");
            while !ends.load(Ordering::Relaxed) {
                send(Signal::STOP);
                thread::sleep(stands);
                send(Signal::CONT);
                thread::sleep(runs);
            }
        });
        Self {
            gone,
            thread: Some(thread),
        }
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))));
    }
}

/// The lines of the log about what is left out, in order: what it is.
fn shed(server: &Server) -> Vec<String> {
    let log = server.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("left out") || line.contains("leaves something"));
    let shed = lines.filter_map(|line| line.split_once(" shed=")?.1.split(' ').next());
    shed.map(str::to_owned).collect()
}

#[test]
fn heavy_pressure_is_shed_in_order_and_what_was_shed_comes_back() {
    let server = Server::with(&[
        (
            "MILLRACE_LADDER_RUNGS",
            "720p 1280x720 2500k, 180p 320x180 300k",
        ),
        ("MILLRACE_LADDER_PRESET", "superfast"),
        ("MILLRACE_METRICS", "127.0.0.1:0"),
    ]);
    let metrics = address_of(&server);
    let stream = server.stream();
    let clip = large_clip();
    let viewer = Viewer::follow(server.http, &stream.id);
    let mut command = ffmpeg(["-re", "-stream_loop", "-1", "-i"]);
    command.arg(clip.file());
    let mut publisher = Program::start(command.args(["-c", "copy", "-f", "flv", &stream.rtmp]));
    wait_for("the broadcast", || server.status(&stream) == "live");
    assert_eq!(capacity(&server)["shed"], "nothing");

    let throttle = Throttle::put_on(
        &server,
        Duration::from_millis(10),
        Duration::from_millis(240),
    );
    let minute = Duration::from_secs(60);
    wait_at_most(minute, "all to be shed", || shed(&server).len() >= 3);
    // Where that does not suffice either no queue grows: what is too late is dropped.
    wait_at_most(minute, "what is too late to be dropped", || {
        server.log_has(&["media comes faster than it is decoded"])
    });
    drop(throttle);
    assert_eq!(shed(&server), ["thumbnails", "preset", "top_rung"]);
    assert_eq!(capacity(&server)["shed"], "top_rung");
    let figures = scrape(metrics);
    assert_eq!(figures.value("millrace_shed_level", &[]), 3.0);
    for what in ["thumbnails", "preset", "top_rung"] {
        let steps = figures.value("millrace_shed_steps_total", &[("what", what)]);
        assert_eq!(steps, 1.0, "{what}");
    }
    server.wait_for_log(&["decoding has caught up"]);
    // One step after twenty seconds; the others follow as slowly.
    wait_at_most(minute, "the highest rendition", || shed(&server).len() > 3);
    assert_eq!(shed(&server)[3], "preset");
    assert_eq!(capacity(&server)["shed"], "preset");
    // It begins with the next segment, and is seen.
    thread::sleep(Duration::from_secs(4));
    publisher.interrupt();
    let watched = viewer.until_end();
    // It says that it was interrupted.
    let _interrupted = publisher.wait();
    assert_eq!(watched.names(), ["180p", "720p", "audio"]);
    for rendition in &watched.renditions {
        let sequences: Vec<u64> = rendition.segments.iter().map(|it| it.sequence).collect();
        let gapless = sequences.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        assert!(
            gapless && sequences.len() > 20,
            "{}: {sequences:?}",
            rendition.name
        );
    }
    assert_aligned(&watched);
    assert_segments_decode(&watched, &server.scratch());
    server.stop();
}
