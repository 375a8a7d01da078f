//! HTTP/1.1.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use super::super::limits::{HEAD_BYTES_MAX, HEAD_TICKS_MAX, IDLE_TICKS_MAX};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Sends a request.
async fn ask(client: &mut DuplexStream, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n");
    client.write_all(head.as_bytes()).await.expect("taken");
}

/// The answer to a request that closes the connection.
async fn answer(client: &mut DuplexStream) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_asks_is_cut_off_sooner_than_one_that_asked() {
    let (served, client) = Served::http1();
    let (end, after) = served.end().await;
    assert_eq!(end, Err(CutOff::Head));
    assert!(after <= TICK * HEAD_TICKS_MAX, "{after:?}");
    drop(client);

    let (served, mut client) = Served::http1();
    ask(&mut client, "/small").await;
    let (end, after) = served.end().await;
    assert_eq!(end, Ok(()), "idle is no offence");
    assert!(after >= TICK * IDLE_TICKS_MAX, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_is_cut_off_also_behind_a_whole_one() {
    for whole in [false, true] {
        let (served, mut client) = Served::http1();
        if whole {
            ask(&mut client, "/small").await;
        }
        client
            .write_all(b"GET / HTTP/1.1\r\n")
            .await
            .expect("taken");
        let trickle = tokio::spawn(async move {
            // Until the server hangs up.
            while client.write_all(b"X-A: b\r\n").await.is_ok() {
                sleep(SECOND).await;
            }
        });
        let (end, after) = served.end().await;
        assert_eq!(end, Err(CutOff::Head));
        assert!(after <= TICK * (HEAD_TICKS_MAX + 2), "{after:?}");
        trickle.await.expect("it was hung up on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_or_trickles_is_cut_off() {
    for trickles in [false, true] {
        let (served, mut client) = Served::http1();
        ask(&mut client, "/big").await;
        let reader = tokio::spawn(async move {
            loop {
                sleep(SECOND).await;
                // Reads what is left too, and so sees the end.
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
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_gets_on_has_everything() {
    let (served, mut client) = Served::http1();
    ask(&mut client, "/big").await;
    let mut got = 0;
    let mut piece = vec![0; 32 * 1024];
    while got + piece.len() < BIG_BYTES {
        // 13 kB/s: seven times as slow as the picture is long.
        sleep(Duration::from_millis(2500)).await;
        // The rest, behind the head, is a little more than the pieces.
        got += client.read_exact(&mut piece).await.expect("bytes");
    }
    assert!(served.since.elapsed() > DEADLINE_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_its_answer_is_left_alone() {
    let (served, mut client) = Served::http1();
    ask(&mut client, "/never").await;
    sleep(DEADLINE_MAX).await;
    assert!(!served.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_large_is_refused() {
    let (_served, mut client) = Served::http1();
    let value = "a".repeat(HEAD_BYTES_MAX);
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nRange: bytes={value}\r\n\r\n");
    client.write_all(head.as_bytes()).await.expect("taken");
    let answer = answer(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn an_endless_body_that_nobody_reads_ends_with_the_answer() {
    for framing in [
        "Transfer-Encoding: chunked",
        "Content-Length: 1000000000000",
    ] {
        let (served, client) = Served::http1();
        let (mut reads, mut writes) = tokio::io::split(client);
        let head = format!("POST /live/a/master.m3u8 HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        writes.write_all(head.as_bytes()).await.expect("taken");
        let upload = tokio::spawn(async move {
            let chunk = [&b"400\r\n"[..], &[7; 1024], b"\r\n"].concat();
            let mut bytes: usize = 0;
            while writes.write_all(&chunk).await.is_ok() {
                bytes += chunk.len();
                sleep(Duration::from_millis(1)).await;
            }
            bytes
        });
        let mut answer = Vec::new();
        reads.read_to_end(&mut answer).await.expect("an end");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert_eq!(served.end().await.0, Ok(()));
        let bytes = upload.await.expect("it was hung up on");
        assert!(bytes < 2 * PIPE_BYTES, "{bytes} bytes were taken");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_lets_an_answer_be_read_and_closes_what_is_idle() {
    let (served, mut client) = Served::http1();
    ask(&mut client, "/big").await;
    let mut start = [0; 100];
    client.read_exact(&mut start).await.expect("a start");
    served.closing.send_replace(true);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.expect("the rest");
    assert!(rest.len() > BIG_BYTES, "{}", rest.len());
    assert_eq!(served.end().await.0, Ok(()));

    let (served, mut client) = Served::http1();
    ask(&mut client, "/small").await;
    client.read_exact(&mut start).await.expect("an answer");
    served.closing.send_replace(true);
    let (end, after) = served.end().await;
    assert_eq!((end, after), (Ok(()), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn plain_requests_from_elsewhere_go_to_https_and_hsts_is_said_there_alone() {
    let hsts = "strict-transport-security: max-age=300\r\n";
    let redirection = "location: https://a.example:8443/small\r\n";
    for (is_secure, is_local, status) in [
        (true, false, "200 OK"),
        (false, true, "200 OK"),
        (false, false, "308 Permanent Redirect"),
    ] {
        let via = Via::new(is_secure, if is_local { HERE } else { ELSEWHERE });
        let (_served, mut client) = Served::http1_via(via);
        let head = "GET /small HTTP/1.1\r\nHost: a.example:8080\r\nConnection: close\r\n\r\n";
        client.write_all(head.as_bytes()).await.expect("taken");
        let answer = answer(&mut client).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{answer}"
        );
        assert_eq!(answer.contains(hsts), is_secure, "{answer}");
        let is_redirected = !is_secure && !is_local;
        assert_eq!(answer.contains(redirection), is_redirected, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_api_is_told_whose_request_it_answers() {
    let (_served, mut client) = Served::http1_via(Via::new(true, ELSEWHERE));
    let head = "GET /peer HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    client.write_all(head.as_bytes()).await.expect("taken");
    let answer = answer(&mut client).await;
    assert!(answer.ends_with("\r\n\r\n192.0.2.7:40000"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn whom_a_trusted_proxy_asks_for_is_whose_request_it_is() {
    let forwarded = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.4, 10.0.0.2";
    for (peer, headers, expected) in [
        (ELSEWHERE, "X-Forwarded-For: 198.51.100.4", "198.51.100.4:0"),
        (ELSEWHERE, forwarded, "198.51.100.4:0"),
        (ELSEWHERE, "X-Forwarded-For: nobody", "192.0.2.7:40000"),
        (ELSEWHERE, "X-Other: 1", "192.0.2.7:40000"),
        // This machine is no proxy unless the setting says so.
        (HERE, forwarded, "127.0.0.1:40000"),
    ] {
        let (_served, mut client) = Served::http1_via(Via::new(true, peer));
        let head = format!(
            "GET /peer HTTP/1.1\r\nHost: a.example\r\n{headers}\r\nConnection: close\r\n\r\n"
        );
        client.write_all(head.as_bytes()).await.expect("taken");
        let answer = answer(&mut client).await;
        assert!(
            answer.ends_with(&format!("\r\n\r\n{expected}")),
            "{headers}: {answer}"
        );
    }
}
