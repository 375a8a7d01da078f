//! Viewers that do not read, requests that do not end, and ranges without end, beside a viewer who
//! must not notice. The deadlines themselves are tested on a simulated clock (src/listener/tests).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::clip::Clip;
use crate::decode::assert_every_frame_once;
use crate::encoder;
use crate::http;
use crate::program::wait_for;
use crate::server::{Server, Stream};
use crate::viewer::Viewer;

/// Viewers that ask and do not read.
const STALLED: usize = 200;

/// Requests that each of them sends at once: some 15 MB of answers, more than the buffers of two
/// sockets hold.
const PIPELINED: usize = 300;

/// Peers whose request's head does not end.
const SLOWLORISES: usize = 100;

/// A head has 10 to 15 s; a machine under load has its own idea of them.
const HEAD_MAX: Duration = Duration::from_secs(40);

fn dial(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("a connection");
    stream.set_read_timeout(Some(HEAD_MAX)).expect("an option");
    stream
}

/// The path of the first segment.
fn first_segment(server: &Server, stream: &Stream) -> String {
    let folder = format!("/live/{}/180p", stream.id);
    let playlist = http::get(server.http, &format!("{folder}/playlist.m3u8"));
    let text = playlist.expect("an answer").text();
    let uri = text.lines().find(|line| !line.starts_with('#'));
    format!("{folder}/{}", uri.expect("a segment"))
}

/// Asks for `path` over and over, and never reads.
fn stall(server: SocketAddr, path: &str) -> TcpStream {
    let mut stream = dial(server);
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(PIPELINED);
    stream.write_all(request.as_bytes()).expect("taken");
    stream
}

/// Values of `Range` that have cost other servers dearly, and the status that is due.
fn ranges(length: usize) -> [(String, u16); 6] {
    let many: Vec<String> = (0..1500).map(|first| format!("{first}-")).collect();
    [
        ("bytes=0-0".to_owned(), 206),
        (format!("bytes={}-{}", length - 1, u64::MAX), 206),
        ("bytes=-1".to_owned(), 206),
        (format!("bytes={}", many.join(",")), 200),
        (format!("bytes=0-{}", "9".repeat(12_000)), 206),
        (format!("bytes={length}-"), 416),
    ]
}

#[test]
fn a_viewer_beside_stalled_readers_slow_heads_and_endless_ranges_misses_no_frame() {
    let clip = Clip::new(30 * 14);
    let file = clip.file();
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    let publisher = encoder::rtmp(&file, &stream.rtmp);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    let path = first_segment(&server, &stream);
    let segment = http::get(server.http, &path).expect("an answer").body;

    let stalled: Vec<_> = (0..STALLED).map(|_| stall(server.http, &path)).collect();
    let since = Instant::now();
    let mut slow: Vec<_> = (0..SLOWLORISES).map(|_| dial(server.http)).collect();
    let is_over = AtomicBool::new(false);
    let (asked, cut_off) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let watched = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                for (range, status) in ranges(segment.len()) {
                    let range = format!("Range: {range}\r\n");
                    let answer = http::request(server.http, "GET", &path, &range, None);
                    let answer = answer.expect("an answer");
                    assert_eq!(answer.status, status, "{range}");
                    assert!(answer.body.len() <= segment.len(), "{range}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        scope.spawn(|| {
            for peer in &mut slow {
                peer.write_all(b"GET / HTTP/1.1\r\n").expect("taken");
            }
            while !slow.is_empty() && since.elapsed() < HEAD_MAX {
                thread::sleep(Duration::from_millis(500));
                slow.retain_mut(|peer| peer.write_all(b"X-A: b\r\n").is_ok());
            }
            cut_off.store(SLOWLORISES - slow.len(), Ordering::Relaxed);
        });
        publisher.finish();
        let watched = viewer.until_end();
        is_over.store(true, Ordering::Relaxed);
        watched
    });
    assert_every_frame_once(&watched, clip.frames, 0, &server.scratch());
    assert_eq!(
        cut_off.into_inner(),
        SLOWLORISES,
        "slow heads were left alone"
    );
    assert!(asked.into_inner() > 100, "too few ranges were asked for");
    drop(stalled);
    server.stop();
}

#[test]
fn a_head_that_is_too_large_is_refused_and_one_without_end_is_cut_off() {
    let server = Server::start();
    for line in ["X-A: ", "GET /"] {
        let mut stream = dial(server.http);
        let head = match line.starts_with("GET") {
            true => line.to_owned(),
            false => format!("GET / HTTP/1.1\r\n{line}"),
        };
        stream.write_all(head.as_bytes()).expect("taken");
        let mut written = 0;
        while written < 1 << 20 && stream.write_all(&[b'a'; 1024]).is_ok() {
            written += 1024;
        }
        let mut answer = Vec::new();
        // A reset may destroy the answer.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let is_refused = answer.is_empty()
            || answer.starts_with("HTTP/1.1 431 ")
            || answer.starts_with("HTTP/1.1 414 ");
        assert!(is_refused, "{answer}");
    }
    let healthy = http::get(server.http, "/health").expect("an answer");
    assert_eq!(healthy.status, 200);
    server.stop();
}
