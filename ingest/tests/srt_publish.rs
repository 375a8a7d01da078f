//! What an SRT publisher meets, with `srt-tokio` as the independent caller.

mod recording;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt;
use ingest::gate::{Closed, Unpublish};
use ingest::srt::{self, Config, Error, Listener};
use recording::{RecordingGate, continuity, messages, until};
use srt_tokio::SrtSocket;
use tokio::net::UdpSocket;

/// Nine callers one after the other, each of which would wait for three seconds if nobody answered.
const REFUSED_WITHIN: Duration = Duration::from_secs(20);
/// Far more than telling two publishers takes, on a machine that is busy.
const SHUT_DOWN_WITHIN: Duration = Duration::from_secs(20);

const PASSPHRASE: &str = "correct horse battery";
const ANY_PORT: &str = "127.0.0.1:0";

fn listen(gate: &RecordingGate) -> Listener {
    listen_as(gate, Config::default())
}

fn listen_as(gate: &RecordingGate, config: Config) -> Listener {
    let address = ANY_PORT.parse().expect("an address");
    srt::listen(address, config, Arc::new(gate.clone())).expect("an ephemeral port")
}

async fn call(to: SocketAddr, stream_id: &str) -> io::Result<SrtSocket> {
    let to = to.to_string();
    SrtSocket::builder()
        .call(to.as_str(), Some(stream_id))
        .await
}

async fn call_encrypted(
    to: SocketAddr,
    stream_id: &str,
    key_bytes: u16,
    passphrase: &str,
) -> io::Result<SrtSocket> {
    let to = to.to_string();
    SrtSocket::builder()
        .encryption(key_bytes, passphrase)
        .call(to.as_str(), Some(stream_id))
        .await
}

/// Sends at a pace that a live encoder could have (about 5 Mbit/s).
async fn send(socket: &mut SrtSocket, messages: &[Vec<u8>]) {
    for message in messages {
        let message = Bytes::from(message.clone());
        socket
            .send((Instant::now(), message))
            .await
            .expect("connected");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_arrives_by_every_form_of_name_and_ends_as_finished() {
    let gate = RecordingGate::default().with("key-a", None);
    let listener = listen(&gate);
    let sent = messages(150);
    for (index, name) in [
        "publish:key-a",
        "#!::m=publish,r=key-a",
        "#!::r=live/key-a,m=publish",
        "#!::h=127.0.0.1,r=live/key-a,m=publish",
        "live/key-a",
        "key-a",
        "%23!::m%3Dpublish%2Cr%3Dkey-a",
    ]
    .into_iter()
    .enumerate()
    {
        let mut socket = call(listener.local_addr(), name).await.expect(name);
        send(&mut socket, &sent).await;
        socket.close_and_finish().await.expect("a goodbye");
        until("the publication's end", || gate.ending_of(index).is_some()).await;
        assert_eq!(
            gate.ending_of(index),
            Some(Some(Unpublish::Finished)),
            "{name}"
        );
        let received = &gate.publications()[index].bytes;
        assert_eq!(continuity(received), (150 * 7, 0), "{name}");
        assert!(
            *received == sent.concat(),
            "{name}: other bytes than were sent"
        );
    }
    listener.shutdown();
}

#[tokio::test(flavor = "multi_thread")]
async fn aes_128_192_and_256_follow_the_callers_key() {
    let gate = RecordingGate::default().with("key-a", Some(PASSPHRASE));
    let listener = listen(&gate);
    let sent = messages(100);
    for (index, key_bytes) in [16, 24, 32].into_iter().enumerate() {
        let mut socket = call_encrypted(listener.local_addr(), "key-a", key_bytes, PASSPHRASE)
            .await
            .expect("the right passphrase");
        send(&mut socket, &sent).await;
        socket.close_and_finish().await.expect("a goodbye");
        until("the publication's end", || gate.ending_of(index).is_some()).await;
        let received = &gate.publications()[index].bytes;
        assert!(*received == sent.concat(), "AES-{}", key_bytes * 8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_publish_is_refused_at_once_and_a_broadcast_goes_on() {
    let gate = RecordingGate::default()
        .with("open", None)
        .with("sealed", Some(PASSPHRASE));
    let listener = listen(&gate);
    let to = listener.local_addr();
    let sent = messages(600);
    let mut socket = call(to, "publish:open").await.expect("the right key");
    let broadcast = tokio::spawn({
        let sent = sent.clone();
        async move {
            send(&mut socket, &sent).await;
            socket.close_and_finish().await.expect("a goodbye");
        }
    });
    until("the broadcast's begin", || gate.bytes_of(0) > 0).await;

    let began = Instant::now();
    for name in [
        "publish:wrong",
        "",
        "#!::m=request,r=open",
        "#!::r=open",
        "publish:%zz",
        // The broadcast holds its stream.
        "publish:open",
    ] {
        let error = call(to, name).await.err();
        let refused = error.map(|error| error.kind());
        assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused), "{name:?}");
    }
    for (name, passphrase) in [
        ("sealed", "another passphrase"),
        ("publish:wrong", PASSPHRASE),
    ] {
        let refused = call_encrypted(to, name, 16, passphrase).await.err();
        assert!(refused.is_some(), "{name}");
    }
    assert!(
        call(to, "sealed").await.is_err(),
        "no passphrase where one is needed"
    );
    assert!(began.elapsed() < REFUSED_WITHIN, "refused late");

    broadcast.await.expect("the broadcast");
    until("the broadcast's end", || gate.ending_of(0).is_some()).await;
    assert_eq!(gate.publications().len(), 1);
    assert!(
        gate.publications()[0].bytes == sent.concat(),
        "the broadcast was harmed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_caller_where_no_passphrase_is_set_harms_nobody() {
    let gate = RecordingGate::default().with("open", None);
    let listener = listen(&gate);
    let to = listener.local_addr();
    assert!(call_encrypted(to, "open", 16, PASSPHRASE).await.is_err());
    let sent = messages(20);
    let mut socket = call(to, "open").await.expect("the listener lives");
    send(&mut socket, &sent).await;
    socket.close_and_finish().await.expect("a goodbye");
    until("the publication's end", || gate.ending_of(0).is_some()).await;
    assert!(gate.publications()[0].bytes == sent.concat());
}

/// One datagram that ended another SRT implementation's listener, and rubbish of every size.
#[tokio::test(flavor = "multi_thread")]
async fn datagrams_of_strangers_cost_a_broadcast_no_byte() {
    const CULPRIT: &str = "80000000000000000000000000000000000000050000000400000001000005dc\
                           00002000ffffffff000000070000000000000000000000000000000000000000\
                           000600016576696c";
    let gate = RecordingGate::default().with("key-a", None);
    let listener = listen(&gate);
    let to = listener.local_addr();
    let sent = messages(400);
    let mut socket = call(to, "key-a").await.expect("the right key");
    let broadcast = tokio::spawn({
        let sent = sent.clone();
        async move {
            send(&mut socket, &sent).await;
            socket.close_and_finish().await.expect("a goodbye");
        }
    });
    until("the broadcast's begin", || gate.bytes_of(0) > 0).await;

    let culprit: Vec<u8> = CULPRIT
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    assert_eq!(culprit.len(), 72);
    let stranger = UdpSocket::bind(ANY_PORT).await.expect("a socket");
    for round in 0..100usize {
        stranger.send_to(&culprit, to).await.expect("sent");
        // The same, each byte changed in turn, and every shorter length.
        let mut changed = culprit.clone();
        changed[round % 72] ^= 0x5a;
        stranger.send_to(&changed, to).await.expect("sent");
        stranger
            .send_to(&culprit[..round % 72], to)
            .await
            .expect("sent");
        stranger
            .send_to(&vec![round as u8; round * 14], to)
            .await
            .expect("sent");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    broadcast.await.expect("the broadcast");
    until("the broadcast's end", || gate.ending_of(0).is_some()).await;
    assert!(
        gate.publications()[0].bytes == sent.concat(),
        "the broadcast was harmed"
    );
    assert_eq!(gate.publications().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_capped_in_all_and_a_place_comes_free_again() {
    let gate = RecordingGate::default()
        .with("key-a", None)
        .with("key-b", None)
        .with("key-c", None);
    for config in [
        Config {
            callers_max: 2,
            ..Config::default()
        },
        Config {
            callers_per_address_max: 2,
            ..Config::default()
        },
    ] {
        let begun = gate.publications().len();
        let listener = listen_as(&gate, config);
        let to = listener.local_addr();
        let mut first = call(to, "key-a").await.expect("a free place");
        let _second = call(to, "key-b").await.expect("a free place");
        assert!(call(to, "key-c").await.is_err(), "two are the most");
        until("both publications", || {
            gate.publications().len() == begun + 2
        })
        .await;
        first.close_and_finish().await.expect("a goodbye");
        until("the first one's end", || gate.ending_of(begun).is_some()).await;
        call(to, "key-c").await.expect("a place has come free");
        listener.shutdown();
        until("all ends", || {
            (begun..begun + 3).all(|one| gate.ending_of(one).is_some())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_passphrases_do_not_use_places_up() {
    let gate = RecordingGate::default().with("sealed", Some(PASSPHRASE));
    let listener = listen_as(
        &gate,
        Config {
            callers_max: 1,
            ..Config::default()
        },
    );
    let to = listener.local_addr();
    assert!(
        call_encrypted(to, "sealed", 16, "another passphrase")
            .await
            .is_err()
    );
    tokio::time::sleep(Duration::from_millis(1500)).await;
    call_encrypted(to, "sealed", 16, PASSPHRASE)
        .await
        .expect("the only place is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knocks_too_often_is_not_even_looked_up() {
    let gate = RecordingGate::default();
    let config = Config {
        handshake_burst: 3,
        handshakes_per_second: 1,
        ..Config::default()
    };
    let listener = listen_as(&gate, config);
    let began = Instant::now();
    for _ in 0..20 {
        assert!(call(listener.local_addr(), "publish:guess").await.is_err());
    }
    let allowed = 3 + began.elapsed().as_secs() as usize + 1;
    assert!(
        (3..=allowed).contains(&gate.checks()),
        "{} of 20 guesses looked up",
        gate.checks()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_publisher_takes_over_and_the_old_connection_is_closed() {
    let gate = RecordingGate::default().with("key-a", None).taking_over();
    let listener = listen(&gate);
    let to = listener.local_addr();
    let mut old = call(to, "key-a").await.expect("the right key");
    send(&mut old, &messages(50)).await;
    until("media", || gate.bytes_of(0) > 0).await;
    let sent = messages(50);
    let mut new = call(to, "key-a").await.expect("taken over");
    // It is silent: only the look once in a while can find that it was taken over.
    until("the old one's end", || {
        gate.ending_of(0) == Some(Some(Unpublish::Lost))
    })
    .await;
    send(&mut new, &sent).await;
    new.close_and_finish().await.expect("a goodbye");
    until("the new one's end", || gate.ending_of(1).is_some()).await;
    assert!(gate.publications()[1].bytes == sent.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_closes_or_panics_ends_its_own_session_only() {
    let gate = RecordingGate::default()
        .with("key-a", None)
        .with("key-b", None)
        .with("key-c", None);
    let listener = listen(&gate);
    let to = listener.local_addr();
    let mut sockets = Vec::new();
    for (index, key) in ["key-a", "key-b", "key-c"].into_iter().enumerate() {
        sockets.push(call(to, key).await.expect("the right key"));
        until("a publication", || gate.publications().len() == index + 1).await;
    }
    gate.change(0, |one| {
        one.closed = Some(Closed::Unsupported("MPEG-2 video".into()))
    });
    gate.change(1, |one| one.panics = true);
    let sent = messages(100);
    let mut good = sockets.pop().expect("three");
    let mut bad = sockets.pop().expect("three");
    for message in &sent {
        let _ = bad
            .send((Instant::now(), Bytes::from(message.clone())))
            .await;
        good.send((Instant::now(), Bytes::from(message.clone())))
            .await
            .expect("connected");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    good.close_and_finish().await.expect("a goodbye");
    until("all ends", || {
        (0..3).all(|index| gate.ending_of(index).is_some())
    })
    .await;
    assert_eq!(gate.ending_of(0), Some(Some(Unpublish::Lost)));
    assert_eq!(gate.ending_of(1), Some(Some(Unpublish::Lost)));
    assert!(gate.publications()[2].bytes == sent.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_transport_stream_is_refused() {
    let gate = RecordingGate::default().with("key-a", None);
    let listener = listen(&gate);
    let mut socket = call(listener.local_addr(), "key-a")
        .await
        .expect("the right key");
    for _ in 0..50 {
        if socket
            .send((Instant::now(), Bytes::from_static(&[b'x'; 1000])))
            .await
            .is_err()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    until("the session's end", || {
        gate.ending_of(0) == Some(Some(Unpublish::Lost))
    })
    .await;
    assert_eq!(gate.bytes_of(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_sessions_and_is_over_soon() {
    let gate = RecordingGate::default()
        .with("key-a", None)
        .with("key-b", None);
    let listener = listen(&gate);
    let to = listener.local_addr();
    let mut active = call(to, "key-a").await.expect("the right key");
    let _silent = call(to, "key-b").await.expect("the right key");
    let sending = tokio::spawn(async move {
        for message in messages(20_000) {
            if active
                .send((Instant::now(), Bytes::from(message)))
                .await
                .is_err()
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        false
    });
    until("media", || {
        gate.bytes_of(0) > 0 && gate.publications().len() == 2
    })
    .await;
    let began = Instant::now();
    tokio::task::spawn_blocking(move || listener.shutdown())
        .await
        .expect("no panic");
    assert!(began.elapsed() < SHUT_DOWN_WITHIN);
    assert_eq!(gate.ending_of(0), Some(Some(Unpublish::Lost)));
    assert_eq!(gate.ending_of(1), Some(Some(Unpublish::Lost)));
    assert!(
        sending.await.expect("no panic"),
        "the publisher was not told"
    );
    assert!(call(to, "key-a").await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_busy_port_and_an_absurd_latency_are_errors_that_say_so() {
    let gate = RecordingGate::default();
    let listener = listen(&gate);
    let again = srt::listen(
        listener.local_addr(),
        Config::default(),
        Arc::new(gate.clone()),
    );
    assert!(
        matches!(again, Err(Error::AddressInUse(_))),
        "{:?}",
        again.err()
    );
    let taken = UdpSocket::bind(ANY_PORT).await.expect("a port");
    let address = taken.local_addr().expect("bound");
    let again = srt::listen(address, Config::default(), Arc::new(gate.clone()));
    let error = again.err().expect("the port is taken");
    assert!(matches!(error, Error::AddressInUse(_)), "{error:?}");
    assert!(error.to_string().contains("already in use"), "{error}");
    let config = Config {
        latency: Duration::from_secs(60),
        ..Config::default()
    };
    let absurd = srt::listen(
        ANY_PORT.parse().expect("an address"),
        config,
        Arc::new(gate),
    );
    assert!(matches!(absurd, Err(Error::Latency(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_on_the_ipv6_wildcard_takes_both_families() {
    let gate = RecordingGate::default()
        .with("key-a", None)
        .with("key-b", None);
    let wildcard = "[::]:0".parse().expect("an address");
    let listener = match srt::listen(wildcard, Config::default(), Arc::new(gate.clone())) {
        Ok(listener) => listener,
        // A machine without IPv6.
        Err(Error::Bind { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    let port = listener.local_addr().port();
    let sent = messages(20);
    for (index, (ip, key)) in [("127.0.0.1", "key-a"), ("::1", "key-b")]
        .into_iter()
        .enumerate()
    {
        let ip: IpAddr = ip.parse().expect("an address");
        let mut socket = SrtSocket::builder()
            .local_ip(ip)
            .call(SocketAddr::new(ip, port), Some(key))
            .await
            .expect("the right key");
        send(&mut socket, &sent).await;
        socket.close_and_finish().await.expect("a goodbye");
        until("the publication's end", || gate.ending_of(index).is_some()).await;
        let publication = gate.publications().swap_remove(index);
        assert!(publication.bytes == sent.concat(), "{ip}");
        assert_eq!(publication.peer.map(|peer| peer.ip()), Some(ip));
    }
}
