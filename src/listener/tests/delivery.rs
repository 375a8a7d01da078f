//! Delivery over HTTP/1.1, beside hyper and instead of it.

use http::{Method, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::super::limits::{HEAD_BYTES_MAX, HEAD_TICKS_MAX, IDLE_TICKS_MAX};
use super::studio::segment;
use super::*;

const PLAYLIST: &str = "/live/s/720p/playlist.m3u8";
const SEGMENT: &str = "/live/s/720p/b7/1.m4s";
/// The part that comes next, and the playlist that has it.
const NEXT_PART: &str = "/live/s/720p/b7/2.1.m4s";
const NEXT_PLAYLIST: &str = "/live/s/720p/playlist.m3u8?_HLS_msn=2&_HLS_part=1";

/// What an idle connection without TLS costs as a task.
const TASK_BYTES_MAX: usize = 1024;

/// No answer takes this long on the test's clock, but one that never comes.
const ANSWER_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> u16 {
        self.head[9..12].parse().expect("a status")
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// The head of a request.
fn head(method: &str, target: &str, headers: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\n{headers}\r\n")
}

async fn send(client: &mut DuplexStream, text: &str) {
    client.write_all(text.as_bytes()).await.expect("taken");
}

/// The next answer on a connection, without content where it is one to HEAD.
async fn read(client: &mut DuplexStream, to: &str) -> Answer {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("ASCII");
        let mut answer = Answer {
            head,
            body: Vec::new(),
        };
        let length = answer.header("content-length");
        let length = length.map_or(0, |length| length.parse().expect("a number"));
        answer.body.resize(if to == "HEAD" { 0 } else { length }, 0);
        client.read_exact(&mut answer.body).await.expect("a body");
        answer
    };
    timeout(ANSWER_MAX, read).await.expect("an answer in time")
}

async fn ask(client: &mut DuplexStream, method: &str, target: &str, headers: &str) -> Answer {
    send(client, &head(method, target, headers)).await;
    read(client, method).await
}

async fn is_closed(client: &mut DuplexStream) -> bool {
    let mut rest = Vec::new();
    let end = timeout(ANSWER_MAX, client.read_to_end(&mut rest)).await;
    end.is_ok() && rest.is_empty()
}

fn waiting(served: &Served) -> usize {
    served.front.service.delivery().waiting()
}

async fn until_waiting(served: &Served, count: usize) {
    let reached = timeout(ANSWER_MAX, async {
        while waiting(served) != count {
            sleep(Duration::from_millis(1)).await;
        }
    });
    let reached = reached.await;
    assert!(reached.is_ok(), "{} wait, not {count}", waiting(served));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_what_delivery_says_and_what_every_answer_has() {
    let (served, mut client) = Served::http1();
    for (method, target, headers) in [
        ("GET", "/live/s/master.m3u8", ""),
        ("GET", PLAYLIST, ""),
        ("HEAD", PLAYLIST, "Accept-Encoding: br, gzip\r\n"),
        ("GET", PLAYLIST, "accept-encoding: gzip\r\n"),
        ("GET", SEGMENT, ""),
        ("HEAD", SEGMENT, ""),
        ("GET", SEGMENT, "range: bytes=1000-\r\n"),
        ("HEAD", SEGMENT, "Range: bytes=-5\r\n"),
        ("GET", SEGMENT, "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n"),
        ("GET", SEGMENT, "Range: bytes=9999999-\r\n"),
        ("GET", "/live/s/720p/b7/init.mp4", ""),
        ("GET", "/live/s/720p/b7/2.0.m4s", ""),
        ("GET", "/live/s/720p/b7/99.m4s", ""),
        ("HEAD", "/live/unknown/master.m3u8", ""),
        ("GET", "/live/s/720p/playlist.m3u8?_HLS_part=1", ""),
        ("OPTIONS", SEGMENT, "Origin: http://b.example\r\n"),
    ] {
        let answer = ask(&mut client, method, target, headers).await;
        let mut request = Request::builder().uri(target);
        request = request.method(Method::from_bytes(method.as_bytes()).expect("a method"));
        for (name, value) in headers.lines().filter_map(|line| line.split_once(": ")) {
            request = request.header(name, value);
        }
        let request = request.body(()).expect("a request");
        let delivery = served.front.service.delivery();
        let expected = delivery.respond(&request).await.expect("under /live/");
        assert_eq!(answer.status(), expected.status().as_u16(), "{target}");
        for (name, value) in expected.headers() {
            let value = value.to_str().expect("ASCII");
            assert_eq!(answer.header(name.as_str()), Some(value), "{target}");
        }
        let has_length = method != "OPTIONS";
        let of_connection = ["date", "strict-transport-security", "content-length"];
        for name in &of_connection[..2 + usize::from(has_length)] {
            assert!(answer.header(name).is_some(), "{name} of {target}");
        }
        let named = expected.headers().contains_key("content-length");
        let lines = expected.headers().len() + 2 + usize::from(has_length && !named);
        assert_eq!(
            answer.head.lines().count(),
            1 + lines + 1,
            "{}",
            answer.head
        );
        let body = axum::body::to_bytes(axum::body::Body::new(expected.into_body()), usize::MAX);
        assert_eq!(answer.body, body.await.expect("memory"), "{target}");
    }
    assert_eq!(waiting(&served), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_at_once_are_answered_in_order_and_across_a_hand_over() {
    let (_served, mut client) = Served::http1();
    let targets = [
        SEGMENT,
        "/live/s/720p/b7/99.m4s",
        PLAYLIST,
        "/small",
        "/live/s/720p/b7/0.m4s",
    ];
    let heads: String = targets.iter().map(|it| head("GET", it, "")).collect();
    let echo = "Content-Type: text/plain\r\nContent-Length: 5\r\n";
    let echo = head("POST", "/echo", echo) + "hello";
    let last = head("GET", "/live/s/720p/b7/init.mp4", "Connection: close\r\n");
    send(&mut client, &[heads, echo, last].concat()).await;
    let mut answers = Vec::new();
    for _ in 0..targets.len() + 2 {
        answers.push(read(&mut client, "GET").await);
    }
    let statuses: Vec<u16> = answers.iter().map(Answer::status).collect();
    assert_eq!(statuses, [200, 404, 200, 200, 200, 200, 200]);
    assert!(answers[0].body == segment(1) && answers[4].body == segment(0));
    assert!(answers[2].body.starts_with(b"#EXTM3U"));
    assert_eq!(
        (&answers[3].body[..], &answers[5].body[..]),
        (&b"small"[..], &b"hello"[..])
    );
    assert_eq!(answers[6].body, b"init");
    assert!(is_closed(&mut client).await);
}

#[tokio::test(start_paused = true)]
async fn a_head_may_come_byte_by_byte_and_be_anybodys() {
    for (target, body) in [("/live/s/720p/b7/init.mp4", "init"), ("/small", "small")] {
        let (_served, mut client) = Served::http1();
        for _ in 0..2 {
            for byte in head("GET", target, "User-Agent: test\r\n").bytes() {
                client.write_all(&[byte]).await.expect("taken");
                tokio::task::yield_now().await;
            }
            let answer = read(&mut client, "GET").await;
            assert_eq!(answer.body, body.as_bytes(), "{}", answer.head);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_as_the_request_says() {
    let close = "Connection: close\r\n";
    for (version, headers, stays) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", close, false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
    ] {
        let (_served, mut client) = Served::http1();
        let line = format!("GET {PLAYLIST} HTTP/{version}\r\n");
        send(&mut client, &format!("{line}Host: a\r\n{headers}\r\n")).await;
        assert_eq!(read(&mut client, "GET").await.status(), 200);
        if stays {
            assert_eq!(ask(&mut client, "GET", PLAYLIST, close).await.status(), 200);
        }
        assert!(is_closed(&mut client).await, "{version} {headers}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_regular_is_refused_and_the_connection_ends() {
    let large = format!("A: {}\r\n", "b".repeat(HEAD_BYTES_MAX));
    let many = "A: b\r\n".repeat(200);
    for (start, headers, statuses) in [
        ("GET /live/x HTTP/1.1", "", [400, 400]),
        ("GET /live/x HTTP/1.1", "Host: a\r\nhost: b\r\n", [400, 400]),
        (
            "GET /live/x HTTP/1.1",
            "Host: a\r\nRange : bytes=0-1\r\n",
            [400, 400],
        ),
        (
            "GET /live/x HTTP/1.1",
            "Host: a\r\nA: b\r\n folded\r\n",
            [400, 400],
        ),
        ("GET /live/x HTTP/1.1", "Host: a\r\nA: b\rc\r\n", [400, 400]),
        ("GET /live/x HTTP/1.1", "Host: a\r\nA: \0\r\n", [400, 400]),
        (
            "GET /live/x HTTP/1.1",
            "Host: a\r\nno colon\r\n",
            [400, 400],
        ),
        (
            "GET /live/x HTTP/1.1",
            "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
            [400, 400],
        ),
        (
            "GET /live/x HTTP/1.1",
            "Host: a\r\nContent-Length: -1\r\n",
            [400, 400],
        ),
        (
            "GET /live/x HTTP/1.1",
            "Host: a\r\nTransfer-Encoding: gzip\r\n",
            [400, 400],
        ),
        ("GET /live/x y HTTP/1.1", "Host: a\r\n", [400, 400]),
        ("GET /live/x HTTP/3.7", "Host: a\r\n", [400, 505]),
        ("GE\0T /live/x HTTP/1.1", "Host: a\r\n", [400, 400]),
        ("\u{16}\u{3}\u{1}\u{2}", "", [400, 400]),
        ("GET /live/x HTTP/1.1", &large, [431, 431]),
        ("GET /live/x HTTP/1.1", &many, [431, 431]),
    ] {
        // Behind a regular one, too.
        for before in [false, true] {
            let (served, mut client) = Served::http1();
            if before {
                assert_eq!(ask(&mut client, "GET", PLAYLIST, "").await.status(), 200);
            }
            send(&mut client, &format!("{start}\r\n{headers}\r\n")).await;
            let answer = read(&mut client, "GET").await;
            let case = format!("{start} {headers:.60}: {}", answer.head);
            assert!(statuses.contains(&answer.status()), "{case}");
            assert!(is_closed(&mut client).await, "{case}");
            assert_eq!(served.end().await.0, Ok(()), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_names_no_host_is_told_the_kind_of_its_problem() {
    let (_served, mut client) = Served::http1();
    send(&mut client, "GET /live/x HTTP/1.1\r\n\r\n").await;
    let answer = read(&mut client, "GET").await;
    assert_eq!(answer.status(), 400);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(
        String::from_utf8(answer.body).expect("UTF-8"),
        r#"{"type":"/api/v1/problems/invalid_request","status":400,"title":"one header Host is needed","code":"invalid_request"}"#
    );
}

#[tokio::test(start_paused = true)]
async fn a_length_beside_a_coding_lets_no_request_be_smuggled() {
    let (_served, mut client) = Served::http1();
    // Who believes the length sees a request in the body (RFC 9112 §6.1).
    let inner = head("GET", "/small", "");
    let chunk = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let both = "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n";
    send(&mut client, &(head("GET", PLAYLIST, both) + &chunk)).await;
    let answer = read(&mut client, "GET").await;
    assert!([200, 400].contains(&answer.status()), "{}", answer.head);
    let mut rest = String::new();
    let end = timeout(ANSWER_MAX, client.read_to_string(&mut rest)).await;
    assert!(!rest.contains("small"), "{end:?}: {rest}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_answered_when_its_media_is_there_and_who_leaves_gives_its_place_back() {
    let (mut served, mut client) = Served::http1();
    send(&mut client, &head("GET", NEXT_PART, "Range: bytes=0-9\r\n")).await;
    until_waiting(&served, 1).await;
    // What comes meanwhile waits its turn, also if it comes in pieces.
    let second = head("HEAD", NEXT_PLAYLIST, "") + &head("GET", "/small", "");
    let (start, rest) = second.split_at(20);
    for piece in [start, rest] {
        send(&mut client, piece).await;
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(waiting(&served), 1);
    served.studio.push();
    let part = read(&mut client, "GET").await;
    assert_eq!((part.status(), part.body.len()), (206, 10));
    let playlist = read(&mut client, "HEAD").await;
    assert_eq!(playlist.header("cache-control"), Some("public, max-age=10"));
    assert_eq!(read(&mut client, "GET").await.body, b"small");
    assert_eq!(waiting(&served), 0);

    for target in [
        "/live/s/720p/b7/2.2.m4s",
        "/live/s/720p/playlist.m3u8?_HLS_msn=2&_HLS_part=2",
    ] {
        let (gone, mut client) = Served::http1();
        // Of that studio it is not the next part, but of the next segment at most.
        send(&mut client, &head("GET", NEXT_PART, "")).await;
        until_waiting(&gone, 1).await;
        drop(client);
        until_waiting(&gone, 0).await;
        assert_eq!(gone.end().await.0, Ok(()), "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_one_waits_no_more_than_a_head_is_read_on() {
    let (mut served, mut client) = Served::http1();
    send(&mut client, &head("GET", NEXT_PART, "")).await;
    until_waiting(&served, 1).await;
    let init = head("GET", "/live/s/720p/b7/init.mp4", "");
    let flood = init.repeat((PIPE_BYTES + 2 * HEAD_BYTES_MAX) / init.len());
    let flooding = timeout(ANSWER_MAX, client.write_all(flood.as_bytes()));
    assert!(flooding.await.is_err(), "all of it was read");
    served.studio.push();
    assert_eq!(read(&mut client, "GET").await.status(), 200);
    assert_eq!(read(&mut client, "GET").await.body, b"init");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever() {
    let (served, mut client) = Served::http1();
    send(&mut client, &head("GET", NEXT_PLAYLIST, "")).await;
    until_waiting(&served, 1).await;
    sleep(Duration::from_secs(6)).await;
    let answer = read(&mut client, "GET").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(waiting(&served), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_media_has_the_deadlines_of_every_other() {
    for trickles in [false, true] {
        let (served, mut client) = Served::http1();
        send(&mut client, &head("GET", SEGMENT, "")).await;
        let reader = tokio::spawn(async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                if trickles && client.read_u8().await.is_err() {
                    return;
                }
            }
        });
        let (end, after) = served.end().await;
        assert_eq!(end, Err(CutOff::Stalled));
        assert!(after >= TICK * STALL_TICKS_MAX, "{after:?}");
        reader.abort();
    }

    let (served, mut client) = Served::http1();
    send(&mut client, &head("GET", SEGMENT, "")).await;
    let mut got = vec![0; BIG_BYTES];
    for piece in got.chunks_mut(32 * 1024) {
        sleep(Duration::from_millis(2500)).await;
        client.read_exact(piece).await.expect("bytes");
    }
    assert!(served.since.elapsed() > DEADLINE_MAX);

    let (served, mut client) = Served::http1();
    assert_eq!(ask(&mut client, "GET", PLAYLIST, "").await.status(), 200);
    let (end, after) = served.end().await;
    assert_eq!(end, Ok(()), "idle is no offence");
    assert!(after >= TICK * IDLE_TICKS_MAX, "{after:?}");

    let (served, mut client) = Served::http1();
    send(&mut client, "GET /live/s/master.m3u8 HTTP/1.1\r\n").await;
    let trickle = tokio::spawn(async move {
        while client.write_all(b"X-A: b\r\n").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    let (end, after) = served.end().await;
    assert_eq!(end, Err(CutOff::Head));
    assert!(after <= TICK * HEAD_TICKS_MAX, "{after:?}");
    trickle.await.expect("it was hung up on");
}

#[tokio::test(start_paused = true)]
async fn the_end_closes_who_is_idle_and_lets_others_have_their_answers() {
    let (served, mut client) = Served::http1();
    assert_eq!(ask(&mut client, "GET", PLAYLIST, "").await.status(), 200);
    served.closing.send_replace(true);
    let (end, after) = served.end().await;
    assert_eq!((end, after), (Ok(()), Duration::ZERO));

    // One that waits, one whose answer is on its way, and one that just came.
    for (target, is_told) in [(NEXT_PART, true), (SEGMENT, false), (PLAYLIST, true)] {
        let (mut served, mut client) = Served::http1();
        send(&mut client, &head("GET", target, "")).await;
        if target != PLAYLIST {
            sleep(Duration::from_millis(1)).await;
        }
        served.closing.send_replace(true);
        sleep(Duration::from_millis(u64::from(target != PLAYLIST))).await;
        served.studio.push();
        let answer = read(&mut client, "GET").await;
        assert_eq!(answer.status(), 200, "{target}");
        assert!(!is_told || target == PLAYLIST || answer.header("connection") == Some("close"));
        assert!(is_closed(&mut client).await, "{target}");
        assert_eq!(served.end().await.0, Ok(()), "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn plain_requests_from_elsewhere_are_redirected_here_too() {
    let via = Via::new(false, ELSEWHERE);
    let (_served, mut client) = Served::http1_via(via);
    let answer = ask(&mut client, "GET", PLAYLIST, "").await;
    let location = format!("https://a.example:8443{PLAYLIST}");
    assert_eq!(answer.status(), 308);
    assert_eq!(answer.header("location"), Some(&location[..]));
    assert_eq!(answer.header("strict-transport-security"), None);
}

#[tokio::test]
async fn a_connection_is_a_small_task() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let _client = TcpStream::connect(address).await.expect("a connection");
    let (stream, peer) = listener.accept().await.expect("a connection");
    let (served, _pipe) = Served::http1();
    let closes = served.closing.subscribe();
    let front = Arc::clone(&served.front);
    let held = (front.place(peer).expect("a place"), watch::channel(()).1);
    let task = super::super::connect(stream, peer, None, front, closes, held);
    let bytes = size_of_val(&task);
    assert!(bytes <= TASK_BYTES_MAX, "{bytes} bytes");
}
