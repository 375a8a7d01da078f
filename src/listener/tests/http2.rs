//! HTTP/2, with h2's own client.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::{Request, StatusCode};
use tokio::time::sleep;

use super::super::limits::{
    IDLE_TICKS_MAX, RESETS_MAX, STREAM_PROGRESS_BYTES_MIN, STREAM_STALL_MAX, STREAMS_MAX,
};
use super::*;

/// A client whose streams' windows are what HTTP/2 begins with: 64 KiB less one.
async fn client(pipe: TlsStream<DuplexStream>) -> SendRequest<Bytes> {
    let mut builder = h2::client::Builder::new();
    builder.initial_connection_window_size(16 << 20);
    let (requests, connection) = builder.handshake(pipe).await.expect("a handshake");
    tokio::spawn(connection);
    requests.ready().await.expect("a connection")
}

fn get(requests: &mut SendRequest<Bytes>, path: &str) -> ResponseFuture {
    let uri = format!("https://a.example{path}");
    let request = Request::get(uri).body(()).expect("a request");
    requests.send_request(request, true).expect("a stream").0
}

/// Reads a body of which each piece is read after `pause`; `release` says how much of the window
/// is opened again.
async fn read(
    mut body: RecvStream,
    pause: Duration,
    release: impl Fn(usize) -> usize,
) -> Result<usize, h2::Error> {
    let mut read = 0;
    while let Some(data) = body.data().await {
        let length = data?.len();
        read += length;
        sleep(pause).await;
        body.flow_control().release_capacity(release(length))?;
    }
    Ok(read)
}

async fn big(requests: &mut SendRequest<Bytes>) -> RecvStream {
    let response = get(requests, "/big").await.expect("a response");
    assert_eq!(response.headers()["content-length"], BIG_BYTES.to_string());
    assert!(response.headers().contains_key("date"));
    response.into_body()
}

#[tokio::test(start_paused = true)]
async fn answers_come_whole_and_bodies_are_read() {
    let (_served, pipe) = Served::http2().await;
    let mut requests = client(pipe).await;
    let bodies = [big(&mut requests).await, big(&mut requests).await];
    for body in bodies {
        let read = read(body, Duration::ZERO, |length| length).await;
        assert_eq!(read.expect("a body"), BIG_BYTES);
    }
    let request = Request::post("https://a.example/echo")
        .body(())
        .expect("a request");
    let (response, mut upload) = requests.send_request(request, false).expect("a stream");
    // More than the window holds: the server opens it as it reads.
    let text = "x".repeat(200_000);
    upload.send_data(text.clone().into(), true).expect("sent");
    let body = response.await.expect("a response").into_body();
    let echoed = read(body, Duration::ZERO, |length| length).await;
    assert_eq!(echoed.expect("a body"), text.len());
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_window_stays_shut_or_opens_by_bytes_is_reset_alone() {
    for opened in [0, 1] {
        let (served, pipe) = Served::http2().await;
        let mut requests = client(pipe).await;
        let stalled = big(&mut requests).await;
        let pause = Duration::from_millis(10);
        let stalled = tokio::spawn(read(stalled, pause, move |_| opened));
        let since = Instant::now();
        // The others on the connection go on.
        while !stalled.is_finished() {
            let body = big(&mut requests).await;
            let read = read(body, Duration::ZERO, |length| length).await;
            assert_eq!(read.expect("a body"), BIG_BYTES);
            sleep(Duration::from_secs(1)).await;
            assert!(since.elapsed() < DEADLINE_MAX);
        }
        assert!(since.elapsed() >= STREAM_STALL_MAX, "{:?}", since.elapsed());
        let error = stalled.await.expect("no panic").expect_err("a reset");
        assert_eq!(error.reason(), Some(Reason::CANCEL));
        assert_eq!(served.front.counters.cut_streams.value(), 1);
        assert!(!served.task.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_gets_on_slowly_has_everything() {
    let (served, pipe) = Served::http2().await;
    let mut requests = client(pipe).await;
    let body = big(&mut requests).await;
    // Pieces are frames of at most 16 KiB.
    let pieces = u32::try_from(STREAM_PROGRESS_BYTES_MIN / (16 * 1024)).expect("few");
    let pause = STREAM_STALL_MAX / (pieces + 3);
    let read = read(body, pause, |length| length).await;
    assert_eq!(read.expect("a body"), BIG_BYTES);
    assert!(served.since.elapsed() > 2 * DEADLINE_MAX);
    assert_eq!(served.front.counters.cut_streams.value(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_reads_is_cut_off() {
    let (served, pipe) = Served::http2().await;
    let (mut requests, connection) = h2::client::Builder::new()
        .initial_window_size(16 << 20)
        .initial_connection_window_size(16 << 20)
        .handshake::<_, Bytes>(pipe)
        .await
        .expect("a handshake");
    let mut connection = Box::pin(connection);
    let _response = get(&mut requests, "/big");
    // Polled once, to write the request: more often, it would take the whole answer.
    tokio::select! {
        biased;
        _ = &mut connection => panic!("it ended"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(served.end().await.0, Err(CutOff::Stalled));
}

#[tokio::test(start_paused = true)]
async fn whoever_resets_what_he_asks_for_over_and_over_is_cut_off() {
    let (served, pipe) = Served::http2().await;
    let mut requests = client(pipe).await;
    let flood = tokio::spawn(async move {
        let mut asked: u32 = 0;
        loop {
            // Dropped, which resets the stream, when the server has begun to answer it.
            let waits =
                tokio::time::timeout(Duration::from_millis(1), get(&mut requests, "/never"));
            if matches!(waits.await, Ok(Err(_))) {
                return asked;
            }
            asked += 1;
            let Ok(ready) = requests.ready().await else {
                return asked;
            };
            requests = ready;
        }
    });
    let (end, after) = served.end().await;
    assert_eq!(end, Err(CutOff::Resets));
    assert!(after <= TICK, "{after:?}");
    assert!(flood.await.expect("no panic") > RESETS_MAX);
}

#[tokio::test(start_paused = true)]
async fn more_streams_than_allowed_wait_or_are_refused() {
    let (_served, pipe) = Served::http2().await;
    let mut requests = client(pipe).await;
    // The server's settings have come.
    get(&mut requests, "/small").await.expect("a response");
    assert_eq!(requests.current_max_send_streams(), STREAMS_MAX as usize);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_large_is_refused() {
    let (_served, pipe) = Served::http2().await;
    let mut requests = client(pipe).await;
    let request = Request::get("https://a.example/small")
        .header("range", "a".repeat(20_000))
        .body(())
        .expect("a request");
    let (response, _) = requests.send_request(request, true).expect("a stream");
    let response = response.await.expect("a response");
    assert_eq!(
        response.status(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_speaks_another_protocol_is_refused() {
    use tokio::io::AsyncWriteExt;
    let (served, mut pipe) = Served::http2().await;
    pipe.write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("taken");
    let front = Arc::clone(&served.front);
    assert_eq!(served.end().await.0, Ok(()));
    assert_eq!(front.counters.refused_handshake.value(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_told_to_go_and_goes() {
    let (served, pipe) = Served::http2().await;
    let mut requests = client(pipe).await;
    get(&mut requests, "/small").await.expect("a response");
    let (end, after) = served.end().await;
    assert_eq!(end, Ok(()));
    assert!(after >= TICK * IDLE_TICKS_MAX, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn the_end_lets_an_answer_be_read() {
    let (served, pipe) = Served::http2().await;
    let mut requests = client(pipe).await;
    let body = big(&mut requests).await;
    served.closing.send_replace(true);
    let read = read(body, Duration::from_millis(1), |length| length).await;
    assert_eq!(read.expect("a body"), BIG_BYTES);
    assert_eq!(served.end().await.0, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_api_is_told_whose_request_it_answers() {
    let (_served, pipe) = Served::http2().await;
    let mut requests = client(pipe).await;
    let response = get(&mut requests, "/peer").await.expect("a response");
    let data = response.into_body().data().await.expect("a body");
    assert_eq!(data.expect("whole"), HERE.to_string());
}
