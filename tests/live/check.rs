//! `millrace check` on live streams: of ours nothing may be broken, and of FFmpeg's and nginx-rtmp's
//! it has to find what they lack, no more and no less.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::clip::Clip;
use crate::encoder;
use crate::program::{Program, ffmpeg, output, wait_for};
use crate::server::{Server, free_tcp, millrace};
use crate::static_files;

/// What the static server here lacks, whatever it serves.
const OF_STATIC_FILES: &[&str] = &[
    "http.range",
    "http.cors",
    "http.cache-playlists",
    "http.cache-media",
    "http.cache-absent",
];

/// A report, as programs read it.
struct Report {
    exit_code: Option<i32>,
    json: Value,
}

impl Report {
    fn of(url: &str, seconds: u32) -> Self {
        let mut command = millrace();
        command.args(["check", "--json", "--seconds", &seconds.to_string(), url]);
        let output = output(&mut command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let json = serde_json::from_slice(&output.stdout);
        Self {
            exit_code: output.status.code(),
            json: json.unwrap_or_else(|error| panic!("{error}: {said}")),
        }
    }

    /// The rules of this level with this outcome.
    fn rules(&self, level: &str, outcome: &str) -> BTreeSet<&str> {
        let rules = self.json["rules"].as_array().expect("rules");
        rules
            .iter()
            .filter(|rule| rule["level"] == level && rule["outcome"] == outcome)
            .map(|rule| rule["id"].as_str().expect("an id"))
            .collect()
    }

    /// Fails where this rule is not broken, and says which are.
    #[track_caller]
    fn assert_finds(&self, id: &str) {
        let (broken, warnings) = (self.broken(), self.warnings());
        let found = broken.contains(id) || warnings.contains(id);
        assert!(found, "not {id}, but {broken:?}, {warnings:?}");
    }

    fn broken(&self) -> BTreeSet<&str> {
        self.rules("must", "broken")
    }

    fn warnings(&self) -> BTreeSet<&str> {
        self.rules("should", "broken")
    }

    #[track_caller]
    fn assert_kept(&self, rules: &[&str]) {
        for id in rules {
            let kept = ["must", "should"].map(|level| self.rules(level, "kept").contains(id));
            assert!(kept.contains(&true), "{id}: {:#}", self.evidence(id));
        }
    }

    fn evidence(&self, id: &str) -> &Value {
        let mut rules = self.json["rules"].as_array().expect("rules").iter();
        rules.find(|rule| rule["id"] == id).expect("a rule")
    }
}

#[track_caller]
fn assert_set(found: &BTreeSet<&str>, expected: &[&[&str]], report: &Report) {
    let expected: BTreeSet<&str> = expected.concat().into_iter().collect();
    let odd: Vec<&Value> = found
        .symmetric_difference(&expected)
        .map(|id| report.evidence(id))
        .collect();
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn of_a_broadcast_of_ours_no_rule_is_broken() {
    let clip = Clip::new(30 * 25).file();
    let server = Server::start();
    let stream = server.stream();
    let publisher = encoder::rtmp(&clip, &stream.rtmp);
    wait_for("the stream to be live", || server.status(&stream) == "live");
    let url = format!("http://{}/live/{}/master.m3u8", server.http, stream.id);
    let report = Report::of(&url, 8);
    assert_set(&report.broken(), &[], &report);
    assert_eq!(report.exit_code, Some(0));
    assert_eq!(report.json["ok"], true);
    // What is judged has to have been seen, or nothing was tested.
    report.assert_kept(&[
        "mv.codecs-true",
        "mv.resolution-true",
        "mv.frame-rate-true",
        "mv.bandwidth-true",
        "pl.segments-unchanged",
        "pl.target-duration-same",
        "md.segment-durations",
        "md.part-durations",
        "md.parts-are-segment",
        "md.continuous",
        "md.renditions-aligned",
        "md.date-time-same",
        "ll.part-longest",
        "ll.part-shortest",
        "ll.independent-true",
        "ll.independent-told",
        "ll.reload-blocks",
        "ll.reload-at-once",
        "ll.reload-past-end",
        "ll.reload-far-ahead",
        "ll.reload-part-alone",
        "ll.hint-true",
        "ll.hint-held",
        "ll.reports-there",
        "ll.reports-true",
        "http.range",
        "http.cors",
        "http.cache-playlists",
        "http.cache-media",
    ]);
    publisher.kill();
    server.stop();
}

#[test]
fn a_publisher_that_is_lost_and_returns_and_the_end_break_no_rule_of_ours() {
    let clip = Clip::new(30 * 25).file();
    let server = Server::start();
    let stream = server.stream();
    let first = encoder::rtmp(&clip, &stream.rtmp);
    wait_for("the stream to be live", || server.status(&stream) == "live");
    let url = format!("http://{}/live/{}/master.m3u8", server.http, stream.id);
    let check = thread::spawn(move || Report::of(&url, 20));
    thread::sleep(Duration::from_secs(3));
    first.kill();
    let mut second = encoder::rtmp(&clip, &stream.rtmp);
    wait_for("the publisher's return", || {
        server.log_count(&["publishing", &stream.id]) == 2
    });
    thread::sleep(Duration::from_secs(4));
    second.interrupt();
    // Whether it was content to be interrupted is its own matter.
    let _ = second.wait();
    let report = check.join().expect("no panic");
    assert_set(&report.broken(), &[], &report);
    report.assert_kept(&[
        "pl.end",
        "md.continuous",
        "md.parts-are-segment",
        "ll.hint-held",
    ]);
    server.stop();
}

/// The picture and sound that other people's programs are fed with here, in real time.
const SOURCE: &str = "-re -f lavfi -i testsrc=size=160x90:rate=25 -f lavfi -i sine=sample_rate=48000 \
     -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -threads 1 -c:a aac";

/// FFmpeg's HLS muxer into `folder`.
fn ffmpeg_hls(folder: &Path, options: &str) -> Program {
    let mut command: Command = ffmpeg(SOURCE.split_whitespace());
    command
        .args(options.split_whitespace())
        .args(["-f", "hls", "-hls_time", "1", "-hls_delete_threshold", "20"])
        .args(["-master_pl_name", "master.m3u8"])
        .arg(folder.join("live.m3u8"));
    Program::start(&mut command)
}

/// Waits until the playlist in `folder` lists the segment of this number.
fn wait_for_segment(folder: &Path, name: &str) {
    let playlist = folder.join("live.m3u8");
    wait_for(name, || {
        fs::read_to_string(&playlist).is_ok_and(|text| text.contains(name))
    });
}

/// What FFmpeg's multivariant playlist never tells, and what it tells wrong: its BANDWIDTH is made of
/// the bitrates that the encoders were asked for, here the sound's alone.
const OF_FFMPEGS_MASTER: &[&str] = &[
    "mv.average-bandwidth-listed",
    "mv.bandwidth-true",
    "mv.closed-captions-listed",
    "mv.frame-rate-listed",
    "mv.independent-segments",
];

#[test]
fn of_ffmpegs_fragmented_mp4_it_finds_what_it_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = static_files::serve(folder.path());
    let options = "-g 25 -hls_list_size 5 -hls_segment_type fmp4 \
                   -hls_flags delete_segments+program_date_time";
    let _muxer = ffmpeg_hls(folder.path(), options);
    wait_for_segment(folder.path(), "live6.m4s");
    let report = Report::of(&format!("http://{address}/master.m3u8"), 6);
    // Whatever it does not offer, it breaks no rule.
    assert_set(&report.broken(), &[], &report);
    assert_eq!(report.exit_code, Some(0));
    let expected = [OF_FFMPEGS_MASTER, OF_STATIC_FILES, &["pl.window-six"]];
    assert_set(&report.warnings(), &expected, &report);
    report.assert_kept(&[
        "md.readable",
        "md.segment-durations",
        "md.date-time-true",
        "mv.codecs-true",
    ]);
}

/// FFmpeg tells as target duration the longest segment that is listed at the moment: with keyframes
/// at uneven distances it changes (RFC 8216 §6.2.1).
#[test]
fn of_ffmpegs_transport_streams_it_finds_a_target_duration_that_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = static_files::serve(folder.path());
    let options = "-g 1000 -force_key_frames 0,1,2,3,4,7,8,9,10,13,14,15,16,19,20,21,22,25,26 \
                   -hls_list_size 4 -hls_flags delete_segments+independent_segments";
    let _muxer = ffmpeg_hls(folder.path(), options);
    wait_for_segment(folder.path(), "live3.ts");
    let report = Report::of(&format!("http://{address}/master.m3u8"), 8);
    report.assert_finds("pl.target-duration");
    assert_eq!(report.exit_code, Some(1));
    report.assert_kept(&["md.independent-true", "md.readable", "md.segment-durations"]);
}

/// Segments that FFmpeg cuts by time begin anywhere.
#[test]
fn of_ffmpegs_transport_streams_cut_by_time_it_finds_that_they_begin_anywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = static_files::serve(folder.path());
    let options = "-g 40 -hls_list_size 5 -hls_flags delete_segments+split_by_time";
    let _muxer = ffmpeg_hls(folder.path(), options);
    wait_for_segment(folder.path(), "live4.ts");
    let report = Report::of(&format!("http://{address}/master.m3u8"), 5);
    assert_set(&report.broken(), &[], &report);
    let expected = [
        OF_FFMPEGS_MASTER,
        OF_STATIC_FILES,
        &["md.starts-with-idr", "pl.date-time", "pl.window-six"],
    ];
    assert_set(&report.warnings(), &expected, &report);
    assert_eq!(report.exit_code, Some(0));
    report.assert_kept(&["md.readable", "md.segment-durations", "md.continuous"]);
}

/// FFmpeg has no EXT-X-DISCONTINUITY-SEQUENCE: when a restart's discontinuity leaves the playlist,
/// all segments behind it are in another discontinuity than before (RFC 8216 §6.2.2).
#[test]
fn of_a_restarted_ffmpeg_it_finds_that_discontinuities_are_not_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = static_files::serve(folder.path());
    let options = "-g 25 -hls_list_size 5 -hls_flags delete_segments+append_list+omit_endlist";
    let first = ffmpeg_hls(folder.path(), options);
    wait_for_segment(folder.path(), "live3.ts");
    first.kill();
    let _second = ffmpeg_hls(folder.path(), options);
    wait_for("the discontinuity", || {
        let text = fs::read_to_string(folder.path().join("live.m3u8"));
        text.is_ok_and(|text| text.contains("#EXT-X-DISCONTINUITY\n"))
    });
    let report = Report::of(&format!("http://{address}/live.m3u8"), 9);
    report.assert_finds("pl.discontinuity-sequence");
    assert_eq!(report.exit_code, Some(1));
}

/// nginx with its RTMP module, as it is set up everywhere, with fragments of a second.
struct Nginx {
    program: Option<Program>,
    folder: tempfile::TempDir,
    http: std::net::SocketAddr,
    rtmp: std::net::SocketAddr,
}

impl Nginx {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (http, rtmp) = (free_tcp(), free_tcp());
        let at = folder.path().display();
        fs::create_dir(folder.path().join("hls")).expect("room for it");
        let config = format!(
            "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n\
             daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
             events {{ worker_connections 64; }}\n\
             rtmp {{ server {{ listen {rtmp}; application live {{\n\
               live on; hls on; hls_path {at}/hls; hls_fragment 1s; hls_playlist_length 6s;\n\
               hls_variant _mid BANDWIDTH=500000; }} }} }}\n\
             http {{ access_log off; client_body_temp_path {at}/1; proxy_temp_path {at}/2;\n\
               fastcgi_temp_path {at}/3; uwsgi_temp_path {at}/4; scgi_temp_path {at}/5;\n\
               types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}\n\
               server {{ listen {http}; root {at}/hls; }} }}\n"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config).expect("room for it");
        // Debian has it where only root's shell looks.
        let mut command = Command::new("/usr/sbin/nginx");
        command
            .arg("-c")
            .arg(file)
            .arg("-e")
            .arg(folder.path().join("error.log"));
        let program = Some(Program::start(&mut command));
        let nginx = Self {
            program,
            folder,
            http,
            rtmp,
        };
        wait_for("nginx", || std::net::TcpStream::connect(nginx.rtmp).is_ok());
        nginx
    }

    fn publish(&self) -> Program {
        let mut command: Command = ffmpeg(SOURCE.split_whitespace());
        let url = format!("rtmp://{}/live/stream_mid", self.rtmp);
        command.args(["-g", "25", "-f", "flv", &url]);
        Program::start(&mut command)
    }

    fn wait_for_segment(&self, number: u32) {
        let playlist = self.folder.path().join("hls/stream_mid.m3u8");
        let name = format!("stream_mid-{number}.ts");
        wait_for(&name, || {
            fs::read_to_string(&playlist).is_ok_and(|text| text.contains(&name))
        });
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Before its folder.
        drop(self.program.take());
    }
}

/// What nginx-rtmp never tells, and what nginx needs to be told.
const OF_NGINX: &[&str] = &[
    "http.cache-absent",
    "http.cache-media",
    "http.cache-playlists",
    "http.cors",
    "mv.average-bandwidth-listed",
    "mv.closed-captions-listed",
    "mv.codecs-listed",
    "mv.frame-rate-listed",
    "mv.independent-segments",
    "mv.resolution-listed",
    "pl.date-time",
];

#[test]
fn of_nginx_rtmp_it_finds_what_it_lacks_and_that_a_reconnect_is_not_counted() {
    let nginx = Nginx::start();
    let first = nginx.publish();
    nginx.wait_for_segment(6);
    let url = format!("http://{}/stream.m3u8", nginx.http);
    let report = Report::of(&url, 6);
    assert_set(&report.broken(), &[], &report);
    assert_eq!(report.exit_code, Some(0));
    assert_set(&report.warnings(), &[OF_NGINX], &report);

    // A publisher that reconnects makes a discontinuity, and as in FFmpeg it is not counted when it
    // leaves: nginx-rtmp has no EXT-X-DISCONTINUITY-SEQUENCE either (RFC 8216 §6.2.2).
    let check = thread::spawn(move || Report::of(&url, 10));
    thread::sleep(Duration::from_secs(2));
    first.kill();
    let _second = nginx.publish();
    let report = check.join().expect("no panic");
    report.assert_finds("pl.discontinuity-sequence");
    assert_eq!(report.exit_code, Some(1));
}

#[test]
fn what_cannot_be_judged_is_one_line_and_exit_code_2() {
    let nowhere = free_tcp();
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("page"), "<html>").expect("room for it");
    let files = static_files::serve(folder.path());
    for (url, word) in [
        ("nonsense".to_owned(), "no http or https URL"),
        (format!("http://{nowhere}/master.m3u8"), "does not answer"),
        (format!("http://{files}/absent.m3u8"), "status 404"),
        (format!("http://{files}/page"), "no playlist"),
    ] {
        let output = output(millrace().args(["check", "--seconds", "1", &url]));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{url}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(word), "{said}");
    }
}
