//! The RTMP listener over real sockets: an independent client, attacks, limits, and encoders.

mod client;
mod encoders;
mod recorder;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{AVC_CONFIG, Client};
use ingest::gate::Unpublish;
use ingest::rtmp::{Limits, serve};
use ingest::{Closed, Protocol};
use media_core::{Media, MediaTime};
use recorder::{Recorder, held};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A listener on a port of its own.
struct Server {
    address: SocketAddr,
    recorder: Arc<Recorder>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(streams: &[&str]) -> Self {
        Self::start_with(streams, Limits::default(), None).await
    }

    async fn start_with(streams: &[&str], limits: Limits, tls: Option<TlsAcceptor>) -> Self {
        let recorder = Recorder::of(streams);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = watch::channel(false);
        let gate = Arc::clone(&recorder);
        let task = tokio::spawn(serve(listener, tls, gate, limits, stopped));
        Self {
            address,
            recorder,
            stop,
            task,
        }
    }

    async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("listening")
    }

    /// A client that publishes to `stream` and has sent its configuration.
    async fn publisher(&self, stream: &str) -> Client<TcpStream> {
        let mut client = Client::connect(self.dial().await, "live").await;
        let answer = client.publish(&stream.to_uppercase()).await;
        assert_eq!(answer, Ok(()));
        client.video(0, &AVC_CONFIG).await;
        client
    }

    /// Waits for a picture's coded bytes.
    async fn until_picture(&self, stream: &str, data: &[u8]) {
        self.recorder
            .until(stream, |seen| {
                seen.media.iter().any(
                    |media| matches!(media, Media::Video(picture) if picture.data[..] == *data),
                )
            })
            .await;
    }
}

#[tokio::test]
async fn a_publication_from_connect_to_goodbye() {
    let server = Server::start(&["a"]).await;
    let mut client = server.publisher("a").await;
    let large = vec![0x5a; 300_000];
    for index in 0..50_u32 {
        client.picture(index * 40, &index.to_be_bytes()).await;
    }
    client.picture(2000, &large).await;
    client.stop().await;
    server
        .recorder
        .until("a", |seen| !seen.ends.is_empty())
        .await;
    server.recorder.with("a", |seen| {
        assert_eq!(seen.ends, [Some(Unpublish::Finished)]);
        assert_eq!(seen.publishers[0].protocol, Protocol::Rtmp);
        assert!(matches!(seen.media[0], Media::VideoConfig(_)));
        let pictures: Vec<_> = seen.media[1..]
            .iter()
            .map(|media| match media {
                Media::Video(picture) => (picture.dts, &picture.data[..]),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(pictures.len(), 51);
        for (index, (dts, data)) in pictures[..50].iter().enumerate() {
            assert_eq!(*dts, MediaTime::from_millis(index as i64 * 40));
            assert_eq!(*data, (index as u32).to_be_bytes());
        }
        assert_eq!(pictures[50], (MediaTime::from_millis(2000), &large[..]));
    });
}

#[tokio::test]
async fn a_broken_connection_is_a_lost_publisher() {
    let server = Server::start(&["a"]).await;
    let client = server.publisher("a").await;
    drop(client);
    server
        .recorder
        .until("a", |seen| !seen.ends.is_empty())
        .await;
    let ends = server.recorder.with("a", |seen| seen.ends.clone());
    assert_eq!(ends, [Some(Unpublish::Lost)]);
}

#[tokio::test]
async fn a_wrong_key_is_answered_and_the_connection_closed() {
    let server = Server::start(&["a"]).await;
    let mut client = Client::connect(server.dial().await, "live").await;
    let answer = client.publish("WRONG").await;
    assert_eq!(answer, Err("NetStream.Publish.BadName".to_owned()));
    client.closed().await;
}

#[tokio::test]
async fn every_way_of_naming_a_stream_reaches_it() {
    let server = Server::start(&["a"]).await;
    for (index, (app, name)) in [
        ("live", "A"),
        ("live/A", ""),
        ("A", ""),
        ("live", "A?token=1"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Client::connect(server.dial().await, app).await;
        assert_eq!(client.publish(name).await, Ok(()), "{app} {name}");
        client.stop().await;
        server
            .recorder
            .until("a", |seen| seen.ends.len() == index + 1)
            .await;
    }
}

#[tokio::test]
async fn attacks_end_their_own_connection_and_leave_a_publisher_alone() {
    let server = Server::start(&["a", "b"]).await;
    let mut steady = server.publisher("a").await;

    let hello = [&[3][..], &[0; 2 * 1536]].concat();
    let nested = nested_connect(19_000);
    let nested_short = nested_connect(13_000);
    let no_name = [2, 0xff, 0xd3, 0xba, 0, 0, 0, 0x14, 1, 0, 0, 0];
    let attacks = [&nested[..], &nested_short, &no_name];
    for (index, attack) in attacks.into_iter().enumerate() {
        let mut stream = server.dial().await;
        stream.write_all(&hello).await.expect("taken");
        // May already fail: the connection is closed in the middle of it.
        let _ = stream.write_all(attack).await;
        let mut buffer = [0; 4096];
        while client::read(&mut stream, &mut buffer).await > 0 {}
        steady.picture(index as u32, &[0xa0, index as u8]).await;
        server.until_picture("a", &[0xa0, index as u8]).await;
    }

    // Legal, and what felled others: audio between the chunks of a picture.
    let mut other = server.publisher("b").await;
    let picture = [&[0x17, 1, 0, 0, 0][..], &[0x77; 5000]].concat();
    let length = (picture.len() as u32).to_be_bytes();
    let interleaved = [
        &[0x02, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0x10, 0][..],
        &[
            0x0a, 0, 0, 40, length[1], length[2], length[3], 9, 1, 0, 0, 0,
        ],
        &picture[..4096],
        &[0x0b, 0, 0, 40, 0, 0, 4, 8, 1, 0, 0, 0, 0xaf, 0, 0x12, 0x10],
        &[0xca],
        &picture[4096..],
    ]
    .concat();
    other.stream.write_all(&interleaved).await.expect("taken");
    server.until_picture("b", &picture[5..]).await;
    server.recorder.with("b", |seen| {
        assert!(matches!(
            seen.media[..],
            [
                Media::VideoConfig(_),
                Media::AudioConfig(_),
                Media::Video(_)
            ]
        ));
    });
    server
        .recorder
        .with("a", |seen| assert!(seen.is_live && seen.ends.is_empty()));
}

/// A `connect` command whose argument is nested `levels` deep, in chunks of 128 bytes.
fn nested_connect(levels: usize) -> Vec<u8> {
    let payload = [
        &b"\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00\x00\x00\x00"[..],
        &[0x0a, 0, 0, 0, 1].repeat(levels),
    ]
    .concat();
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![
        3, 0, 0, 0, length[1], length[2], length[3], 0x14, 0, 0, 0, 0,
    ];
    for (index, piece) in payload.chunks(128).enumerate() {
        if index > 0 {
            bytes.push(0xc3);
        }
        bytes.extend(piece);
    }
    bytes
}

#[tokio::test]
async fn a_panicking_sink_ends_one_session_only() {
    let server = Server::start(&["a", "b"]).await;
    let mut steady = server.publisher("a").await;
    let mut doomed = server.publisher("b").await;
    server
        .recorder
        .until("b", |seen| !seen.media.is_empty())
        .await;
    server
        .recorder
        .with("b", |seen| seen.panics_at_media = true);
    doomed.picture(0, b"x").await;
    doomed.closed().await;
    server
        .recorder
        .with("b", |seen| assert_eq!(seen.ends, [None]));
    steady.picture(0, b"on").await;
    server.until_picture("a", b"on").await;
}

#[tokio::test]
async fn who_comes_back_takes_over_when_the_old_connection_goes() {
    let server = Server::start(&["a"]).await;
    let old = server.publisher("a").await;
    let waiting = tokio::spawn({
        let stream = server.dial().await;
        async move { Client::connect(stream, "live").await.publish("A").await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(old);
    assert_eq!(waiting.await.expect("no panic"), Ok(()));
}

#[tokio::test]
async fn a_second_publisher_is_refused() {
    let server = Server::start(&["a"]).await;
    let mut first = server.publisher("a").await;
    let mut second = Client::connect(server.dial().await, "live").await;
    let answer = second.publish("A").await;
    assert_eq!(answer, Err("NetStream.Publish.BadName".to_owned()));
    second.closed().await;
    first.picture(0, b"still").await;
    server.until_picture("a", b"still").await;
}

#[tokio::test]
async fn a_closed_sink_ends_a_silent_session_and_says_why() {
    let server = Server::start(&["a"]).await;
    let mut client = server.publisher("a").await;
    server
        .recorder
        .with("a", |seen| seen.closed = Some(Closed::TakenOver));
    let code = client.ending().await;
    assert_eq!(code.as_deref(), Some("NetStream.Publish.Rejected"));
    client.closed().await;
    server
        .recorder
        .with("a", |seen| assert_eq!(seen.ends, [None]));
}

#[tokio::test]
async fn an_unsupported_codec_is_answered() {
    let server = Server::start(&["a"]).await;
    let mut client = server.publisher("a").await;
    client.video(40, &[0x22, 0, 0]).await;
    let code = client.ending().await;
    assert_eq!(code.as_deref(), Some("NetStream.Publish.Rejected"));
    server
        .recorder
        .until("a", |seen| !seen.ends.is_empty())
        .await;
    let ends = server.recorder.with("a", |seen| seen.ends.clone());
    assert_eq!(ends, [Some(Unpublish::Lost)]);
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_dropped() {
    let server = Server::start(&["a"]).await;
    let mut silent = server.dial().await;
    let began = std::time::Instant::now();
    assert_eq!(client::read(&mut silent, &mut [0; 16]).await, 0);
    assert!(
        began.elapsed() >= Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn one_address_has_so_many_connections_that_do_not_publish() {
    let limits = Limits {
        connections_max: 4,
        unpublished_per_address_max: 2,
    };
    let server = Server::start_with(&["a", "b", "c"], limits, None).await;
    let first = server.publisher("a").await;
    // Each place is free again when its connection publishes.
    let second = server.publisher("b").await;
    let third = server.publisher("c").await;
    let fourth = Client::connect(server.dial().await, "live").await;
    let mut over = server.dial().await;
    assert_eq!(client::read(&mut over, &mut [0; 16]).await, 0, "full");
    drop(first);
    server
        .recorder
        .until("a", |seen| !seen.ends.is_empty())
        .await;
    drop((second, third, fourth));
}

#[tokio::test]
async fn shutdown_ends_the_sessions_and_the_listener() {
    let server = Server::start(&["a"]).await;
    let mut client = server.publisher("a").await;
    server
        .recorder
        .until("a", |seen| !seen.media.is_empty())
        .await;
    server.stop.send(true).expect("listening");
    let code = client.ending().await;
    assert_eq!(code.as_deref(), Some("NetStream.Publish.Rejected"));
    drop(client);
    server.task.await.expect("no panic");
    server
        .recorder
        .with("a", |seen| assert_eq!(seen.ends, [Some(Unpublish::Lost)]));
    assert!(TcpStream::connect(server.address).await.is_err());
}

/// A log that tests can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        held(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_each_session_s_life_and_never_a_key() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // The test's runtime has one thread, so that the sessions run under it too.
    let _guard = tracing::subscriber::set_default(subscriber);

    let server = Server::start(&["sesame"]).await;
    let mut client = server.publisher("sesame").await;
    client.stop().await;
    drop(client);
    server
        .recorder
        .until("sesame", |seen| !seen.ends.is_empty())
        .await;
    let mut wrong = Client::connect(server.dial().await, "OPEN-UP").await;
    assert!(wrong.publish("WRONG-KEY?token=HIDDEN").await.is_err());
    drop(wrong);
    server.stop.send(true).expect("listening");
    server.task.await.expect("no panic");

    let log = String::from_utf8(held(&log.0).clone()).expect("a text");
    for secret in ["SESAME", "OPEN-UP", "WRONG-KEY", "HIDDEN"] {
        assert!(!log.contains(secret), "{log}");
    }
    let count = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!(
        count("protocol=rtmp}: ingest::rtmp::listener: connected"),
        2,
        "{log}"
    );
    assert_eq!(count("INFO session{peer=127.0.0.1:"), 2, "{log}");
    assert_eq!(count(": publishing"), 1, "{log}");
    assert_eq!(
        count("unpublished reason=\"finished by the publisher\" bytes="),
        1,
        "{log}"
    );
    assert_eq!(
        count("refused reason=\"the stream key is wrong\""),
        1,
        "{log}"
    );
    assert!(log.contains("stream=\"sesame\""), "{log}");
}

/// A listener's TLS with a certificate of its own for `localhost`, and a client's that trusts it.
fn tls() -> (TlsAcceptor, TlsConnector) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    let certificate = certified.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], PrivateKeyDer::from(key))
        .expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server).into(), Arc::new(client).into())
}

#[tokio::test]
async fn rtmps_is_rtmp_in_tls() {
    let (acceptor, connector) = tls();
    let server = Server::start_with(&["a"], Limits::default(), Some(acceptor)).await;
    // Plain RTMP on the port of RTMPS ends that connection only.
    let mut plain = server.dial().await;
    plain.write_all(&[3; 1537]).await.expect("taken");
    while client::read(&mut plain, &mut [0; 64]).await > 0 {}

    let name = ServerName::try_from("localhost").expect("a name");
    let stream = connector
        .connect(name, server.dial().await)
        .await
        .expect("TLS");
    let mut client = Client::connect(stream, "live").await;
    assert_eq!(client.publish("A").await, Ok(()));
    client.video(0, &AVC_CONFIG).await;
    client.picture(0, b"secret").await;
    server.until_picture("a", b"secret").await;
    client.stop().await;
    server
        .recorder
        .until("a", |seen| !seen.ends.is_empty())
        .await;
    server.recorder.with("a", |seen| {
        assert_eq!(seen.ends, [Some(Unpublish::Finished)]);
        assert_eq!(seen.publishers[0].protocol, Protocol::Rtmps);
    });
}
