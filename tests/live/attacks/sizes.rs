//! Lengths and counts that nothing stands behind, and bodies that grow when they are read.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::beside::attack;
use crate::http;
use crate::rtmp_peer::{HANG_UP_MAX, ONE, command, dial, publish, text, until_hung_up};
use crate::server::{ADMIN_TOKEN, Server};

/// Connections of one address that do not publish.
const PEERS: usize = 32;

/// A chunk of type 0 that begins a message.
fn begin(chunk_stream: u8, kind: u8, declared: u32, stream_id: u8, piece: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = declared.to_be_bytes();
    let head = [
        chunk_stream,
        0,
        0,
        0,
        high,
        middle,
        low,
        kind,
        stream_id,
        0,
        0,
        0,
    ];
    [&head[..], piece].concat()
}

#[test]
fn sizes_that_rtmp_peers_declare_are_not_believed() {
    attack("RTMP sizes", |server| {
        // 16 MiB each, before anything is known of the peer.
        let strangers = (0..PEERS - 1).map(|_| {
            let mut peer = dial(server.rtmp);
            let message = begin(3, 0x14, 0xff_ffff, 0, &[2; 128]);
            peer.write_all(&message).expect("taken");
            peer
        });
        strangers.collect::<Vec<_>>().into_iter().for_each(|peer| {
            until_hung_up(peer);
        });
        // Behind a valid key: as many messages at a time as there may be.
        let known = server.stream();
        let mut peer = dial(server.rtmp);
        peer.write_all(&publish(&known.key)).expect("taken");
        server.wait_for_log(&["publishing", &known.id]);
        for chunk_stream in 4..12 {
            let message = begin(chunk_stream, 9, 8 << 20, 1, &[0x17; 128]);
            peer.write_all(&message).expect("taken");
        }
        // Counts and lengths of AMF0: a long string, an array and a map of 2³² and an endless object.
        for value in [
            &[0x0c, 0xff, 0xff, 0xff, 0xff, b'a'][..],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 5],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0, 1, b'a', 5],
            &[0x02, 0xff, 0xff, b'a'],
            &[0x03, 0xff, 0xff, b'a'],
        ] {
            let mut peer = dial(server.rtmp);
            let connect = [&text("connect")[..], &ONE, value].concat();
            peer.write_all(&command(0, &connect)).expect("taken");
            until_hung_up(peer);
        }
    });
}

/// Sends a head of the operator's, then `pieces` as long as they are taken; what is answered.
fn post(server: &Server, head: &str, pieces: impl Iterator<Item = Vec<u8>>) -> String {
    let mut stream = TcpStream::connect(server.http).expect("a connection");
    stream
        .set_read_timeout(Some(HANG_UP_MAX))
        .expect("an option");
    let head = format!(
        "POST /api/v1/streams HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\
         Content-Type: application/json\r\n{head}\r\n"
    );
    stream.write_all(head.as_bytes()).expect("taken");
    for piece in pieces {
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    // Reset where it went on writing into a connection that was over.
    let _reset = stream.read_exact(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn bodies_without_an_end_and_bodies_that_grow_are_refused() {
    attack("HTTP bodies", |server| {
        let none = || std::iter::empty();
        // At once: 408 would be the end of waiting for it.
        for length in [
            "1000000000000000",
            "18446744073709551613",
            "18446744073709551616",
        ] {
            let head = format!("Content-Length: {length}\r\n");
            let answer = post(server, &head, none());
            let is_refused = ["HTTP/1.1 413", "HTTP/1.1 400", "HTTP/1.1 431"].contains(&&*answer);
            assert!(is_refused, "{length}: {answer}");
        }
        let chunk = [&b"10000\r\n"[..], &[b'['; 0x10000], b"\r\n"].concat();
        let chunks = std::iter::repeat_n(chunk, 1000);
        let endless = post(server, "Transfer-Encoding: chunked\r\n", chunks);
        assert!(
            ["HTTP/1.1 413", "\0\0\0\0\0\0\0\0\0\0\0\0"].contains(&&*endless),
            "{endless}"
        );
        let declared = b"fffffffffffffff\r\n[".to_vec();
        post(
            server,
            "Transfer-Encoding: chunked\r\nConnection: close\r\n",
            std::iter::once([&declared[..], &[b'['; 100_000]].concat()),
        );

        let admin = |headers: &str, body: &str| {
            let token = format!("Authorization: Bearer {ADMIN_TOKEN}\r\n{headers}");
            let answer = http::request(server.http, "POST", "/api/v1/streams", &token, Some(body));
            answer.expect("an answer").status
        };
        // Whatever it would unpack to, it is not unpacked.
        for coding in ["gzip", "br", "deflate", "zstd", "gzip, gzip"] {
            let header = format!("Content-Encoding: {coding}\r\n");
            let status = admin(&header, "\u{1f}\u{8b}\u{8}\u{0}");
            assert!((400..500).contains(&status), "{coding}: {status}");
        }
        for nested in [
            "[".repeat(60_000),
            "{\"a\":".repeat(12_000),
            format!(
                "{{\"title\":{}1{}}}",
                "[".repeat(30_000),
                "]".repeat(30_000)
            ),
        ] {
            let status = admin("", &nested);
            assert!((400..500).contains(&status), "{status}");
        }
        assert_eq!(admin("", "{\"title\":\"still there\"}"), 201);
    });
}
