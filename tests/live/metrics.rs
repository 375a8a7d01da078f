//! What an operator reads at `/metrics`: figures that are exactly what was asked for, encoded and
//! measured; and a port of its own that is nobody's obstacle.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::SystemTime;

use crate::clip::Clip;
use crate::encoder;
use crate::exposition::Scrape;
use crate::http;
use crate::program::{output, wait_for};
use crate::server::{SMALL_LADDER, Server, free_tcp, free_udp, millrace};
use crate::viewer::attribute;

const RENDITIONS: [&str; 3] = ["180p", "90p", "audio"];

/// Pictures between the intake's end and an encoder's: one waits before each scaler and encoder.
const IN_FLIGHT_MAX: f64 = 8.0;

/// A server with `/metrics` on a port that the system chose.
fn metered() -> (Server, SocketAddr) {
    let server = Server::with(&[
        ("MILLRACE_LADDER_RUNGS", SMALL_LADDER),
        ("MILLRACE_METRICS", "127.0.0.1:0"),
        ("MILLRACE_INGEST_RECONNECT_MS", "3000"),
    ]);
    let address = address_of(&server);
    (server, address)
}

/// Where a server answers `/metrics` whose port the system chose.
pub(crate) fn address_of(server: &Server) -> SocketAddr {
    // It answers a moment before it says so.
    server.wait_for_log(&[" metrics=\""]);
    let log = server.log();
    let (_, rest) = log.split_once(" metrics=\"").expect("it is in the log");
    let address = rest.split('"').next().expect("quoted");
    address.parse().expect("an address")
}

pub(crate) fn scrape(metrics: SocketAddr) -> Scrape {
    let answer = http::get(metrics, "/metrics").expect("an answer");
    assert_eq!(answer.status, 200);
    Scrape::parse(&answer.text())
}

/// A viewer who counts what it asks for.
struct Asking<'a> {
    server: SocketAddr,
    stream: &'a str,
    bytes: usize,
}

impl Asking<'_> {
    fn get(&mut self, path: &str) -> String {
        let path = format!("/live/{}/{path}", self.stream);
        let answer = http::get(self.server, &path).expect("an answer");
        assert_eq!(answer.status, 200, "{path}");
        self.bytes += answer.body.len();
        answer.text()
    }
}

/// Of each rendition: its playlist, its initialization segment, its last segment and its last
/// part. The path of a playlist with the segment after the next, which nobody has yet.
fn watch(asking: &mut Asking<'_>) -> Vec<String> {
    let each = RENDITIONS.map(|name| {
        let playlist = asking.get(&format!("{name}/playlist.m3u8"));
        let line = |wanted: &str| playlist.lines().rfind(|line| line.starts_with(wanted));
        let uri = |wanted| attribute(line(wanted).expect(wanted), "URI=").expect("a URI");
        let segment = playlist.lines().rfind(|line| !line.starts_with('#'));
        for uri in [
            uri("#EXT-X-MAP:"),
            segment.expect("one"),
            uri("#EXT-X-PART:"),
        ] {
            asking.get(&format!("{name}/{uri}"));
        }
        let first = line("#EXT-X-MEDIA-SEQUENCE:").and_then(|line| line.split(':').nth(1));
        let first: usize = first.expect("a number").parse().expect("a number");
        let complete = playlist.lines().filter(|line| line.starts_with("#EXTINF:"));
        let next = first + complete.count();
        format!("{name}/playlist.m3u8?_HLS_msn={}", next + 1)
    });
    each.into()
}

#[test]
fn figures_are_what_was_asked_for_and_what_was_encoded() {
    let file = Clip::new(30 * 40).file();
    let (server, metrics) = metered();
    let stream = server.stream();
    let publisher = encoder::rtmp(&file, &stream.rtmp);
    wait_for("a live stream", || server.status(&stream) == "live");
    assert_eq!(scrape(metrics).sum("millrace_http_requests_total"), 0.0);

    let mut asking = Asking {
        server: server.http,
        stream: &stream.id,
        bytes: 0,
    };
    let hold_back = asking.get("180p/playlist.m3u8");
    asking.get("master.m3u8");
    let awaited = watch(&mut asking);
    let mut bytes = asking.bytes;
    thread::scope(|scope| {
        let held: Vec<_> = awaited
            .iter()
            .map(|path| {
                let (server, stream) = (server.http, &stream.id);
                scope.spawn(move || {
                    let mut asking = Asking {
                        server,
                        stream,
                        bytes: 0,
                    };
                    asking.get(path);
                    asking.bytes
                })
            })
            .collect();
        wait_for("three waiting requests", || {
            scrape(metrics).value("millrace_http_waiting_requests", &[]) == 3.0
        });
        bytes += held
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .sum::<usize>();
    });
    for path in ["/live/nobody/master.m3u8", "/live/a/b/c/d/e"] {
        let answer = http::get(server.http, path).expect("an answer");
        assert_eq!(answer.status, 404);
        bytes += answer.body.len();
    }

    let figures = scrape(metrics);
    assert_requests(&figures, bytes);
    assert_encoded(&figures, &stream.id);
    assert_process(&figures);
    let text = attribute(
        hold_back
            .lines()
            .find(|line| line.contains("CAN-BLOCK"))
            .expect("a control"),
        "PART-HOLD-BACK=",
    );
    let told = figures.value("millrace_part_hold_back_seconds", &[("stream", &stream.id)]);
    assert_eq!(text.expect("low latency").parse(), Ok(told));
    assert_documented(&figures);

    publisher.kill();
    let connected = [("stream", stream.id.as_str())];
    wait_for("a lost publisher", || {
        let figures = scrape(metrics);
        figures.value("millrace_publisher_losses_total", &[]) == 1.0
            && figures.value("millrace_publisher_connected", &connected) == 0.0
    });
    wait_for("the broadcast's end", || {
        scrape(metrics).value("millrace_broadcasts", &[]) == 0.0
    });
    assert!(
        !scrape(metrics).has_label("stream"),
        "of an ended broadcast"
    );
    server.stop();
}

/// Exactly the requests of the test.
fn assert_requests(figures: &Scrape, bytes: usize) {
    for (resource, answered, refused) in [
        ("multivariant", 1.0, 1.0),
        ("playlist", 7.0, 0.0),
        ("init", 3.0, 0.0),
        ("segment", 3.0, 0.0),
        ("part", 3.0, 0.0),
        ("thumbnail", 0.0, 0.0),
        ("other", 0.0, 1.0),
    ] {
        let count = |outcome| {
            let labels = [("resource", resource), ("outcome", outcome)];
            figures.value("millrace_http_requests_total", &labels)
        };
        let counts = (count("answered"), count("refused"));
        assert_eq!(counts, (answered, refused), "{resource}");
    }
    let sent = figures.sum("millrace_http_response_bytes_total");
    assert_eq!(sent, bytes as f64);
    assert_eq!(figures.value("millrace_http_waiting_requests", &[]), 0.0);
}

/// Every stage of every rendition was measured as often as there was something to measure.
fn assert_encoded(figures: &Scrape, stream: &str) {
    let of = |name: &str| figures.value(name, &[("stream", stream)]);
    let kind = |kind: &str| {
        let labels = [("stream", stream), ("kind", kind)];
        figures.value("millrace_timeline_mends_total", &labels)
    };
    let intake = [("stream", stream), ("stage", "intake")];
    let entered = figures.value("millrace_stage_duration_seconds_count", &intake);
    let placed = entered + kind("frames_repeated") + kind("frames_filled") - kind("frames_dropped");
    for rendition in RENDITIONS {
        let count =
            |name: &str| figures.value(name, &[("stream", stream), ("rendition", rendition)]);
        let stage = |stage: &str| {
            let labels = [
                ("stream", stream),
                ("rendition", rendition),
                ("stage", stage),
            ];
            figures.value("millrace_stage_duration_seconds_count", &labels)
        };
        let samples = count("millrace_encoded_samples_total");
        // One may be between its two counters while they are read.
        assert!((stage("encode") - samples).abs() <= 1.0, "{rendition}");
        let (parts, segments) = (
            count("millrace_parts_total"),
            count("millrace_segments_total"),
        );
        assert!((stage("part") - parts).abs() <= 1.0, "{rendition}");
        assert!(segments >= 3.0 && parts > segments, "{parts} in {segments}");
        assert_eq!(stage("publish"), 1.0, "{rendition}");
        assert!(count("millrace_encoded_bytes_total") > 1000.0);
        let media = count("millrace_encoded_media_seconds_total");
        let each = if rendition == "audio" {
            1024.0 / 48_000.0
        } else {
            1.0 / 30.0
        };
        // One may be between its two counters while they are read.
        assert!(
            (media / each - samples).abs() < 1.01,
            "{rendition}: {media} s"
        );
        if rendition != "audio" {
            let in_flight = placed - samples;
            assert!(
                (0.0..=IN_FLIGHT_MAX).contains(&in_flight),
                "{rendition}: {in_flight}"
            );
        }
    }
    assert_eq!(figures.sum("millrace_media_faults_total"), 0.0);
    assert_eq!(of("millrace_intake_dropped_bytes_total"), 0.0);
    assert!(of("millrace_ingest_bytes_total") > 10_000.0);
    assert_eq!(of("millrace_publisher_connected"), 1.0);
    assert!(of("millrace_viewers") <= of("millrace_viewers_peak"));
    for (name, value) in [
        ("millrace_publishers", 1.0),
        ("millrace_publications_total", 1.0),
    ] {
        assert_eq!(figures.value(name, &[("protocol", "rtmp")]), value);
        assert_eq!(figures.value(name, &[("protocol", "srt")]), 0.0);
    }
    assert_eq!(figures.value("millrace_broadcasts", &[]), 1.0);
}

fn assert_process(figures: &Scrape) {
    let of = |name: &str| figures.value(name, &[]);
    let resident_mib = of("process_resident_memory_bytes") / 1024.0 / 1024.0;
    assert!((5.0..4096.0).contains(&resident_mib), "{resident_mib} MiB");
    assert!(of("process_cpu_seconds_total") > 0.0);
    assert!((5.0..=of("process_max_fds")).contains(&of("process_open_fds")));
    assert!(of("process_threads") > 5.0);
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    let runs = now.as_secs_f64() - of("process_start_time_seconds");
    assert!((-2.0..600.0).contains(&runs), "it has run for {runs} s");
    assert!(of("millrace_data_free_bytes") <= of("millrace_data_size_bytes"));
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(figures.value("millrace_build_info", &version), 1.0);
}

/// docs/operations.md lists every family, and no other.
fn assert_documented(figures: &Scrape) {
    let documents = include_str!("../../docs/operations.md");
    let rows = documents
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split(['`', '{']).next());
    let is_metric = |name: &&str| name.starts_with("millrace_") || name.starts_with("process_");
    let listed: BTreeSet<String> = names.filter(is_metric).map(str::to_owned).collect();
    assert_eq!(listed, figures.families);
}

#[test]
fn the_metrics_port_answers_nothing_else_and_the_public_port_does_not_answer_metrics() {
    let (server, metrics) = metered();
    let status = |to, method, path| {
        let answer = http::request(to, method, path, "", None);
        answer.expect("an answer").status
    };
    assert_eq!(status(metrics, "GET", "/metrics"), 200);
    assert_eq!(status(metrics, "GET", "/metrics?name[]=x"), 200);
    assert_eq!(status(metrics, "POST", "/metrics"), 405);
    for path in ["/", "/health", "/live/x/master.m3u8", "/metrics/"] {
        assert_eq!(status(metrics, "GET", path), 404, "{path}");
    }
    assert_eq!(status(server.http, "GET", "/metrics"), 404);
    // Connections that say nothing take all places for a while, and no longer.
    let idle: Vec<_> = (0..20)
        .map(|_| std::net::TcpStream::connect(metrics))
        .collect();
    assert_eq!(status(server.http, "GET", "/health"), 200);
    drop(idle);
    assert_eq!(status(metrics, "GET", "/metrics"), 200);
    server.stop();
}

#[test]
fn a_busy_metrics_port_that_was_asked_for_is_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let busy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = busy.local_addr().expect("bound").to_string();
    let mut command = millrace();
    command.arg("serve").arg("--data").arg(folder.path());
    command.args(["--http", &free_tcp().to_string()]);
    command.args(["--rtmp", &free_tcp().to_string()]);
    command.args(["--srt", &free_udp().to_string()]);
    let failed = output(command.env("MILLRACE_METRICS", &address));
    assert!(!failed.status.success(), "it succeeded");
    let said = String::from_utf8_lossy(&failed.stderr);
    let last = said.lines().last().expect("a line");
    let port = address.rsplit(':').next().expect("a port");
    for word in [port, "in use", "set metrics"] {
        assert!(last.contains(word), "no {word:?} in: {said}");
    }
}

#[test]
fn a_busy_default_metrics_port_is_a_warning() {
    // Where that fails, another program has it: as good.
    let _busy = TcpListener::bind("127.0.0.1:9998");
    let server = Server::configured(|command| _ = command.env_remove("MILLRACE_METRICS"));
    server.wait_for_log(&["WARN", "no /metrics", "9998", "in use"]);
    server.stop();
}
