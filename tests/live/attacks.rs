//! What has felled other servers, thrown at this one while a broadcast is followed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use crate::clip::Clip;
use crate::decode::{assert_every_frame_once, assert_segments_decode};
use crate::encoder::{self, SRT_TAIL_FRAMES};
use crate::program::wait_for;
use crate::server::Server;
use crate::viewer::Viewer;

/// A conclusion handshake of nobody, with an extension that ended another listener.
const SRT_DATAGRAM: &str = "80000000000000000000000000000000000000050000000400000001000005dc\
    00002000ffffffff000000070000000000000000000000000000000000000000000600016576696c";

/// The server hangs up on rubbish; what it does not hang up on is over by then.
const HANG_UP_MAX: Duration = Duration::from_secs(15);

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| {
        let pair = str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).expect("hexadecimal digits")
    });
    bytes.collect()
}

/// A connection behind its handshake.
fn dial(rtmp: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(rtmp).expect("a connection");
    stream
        .set_read_timeout(Some(HANG_UP_MAX))
        .expect("an option");
    stream
        .write_all(&[&[3][..], &[0; 1536]].concat())
        .expect("C0 and C1");
    let mut answer = [0; 1 + 2 * 1536];
    stream.read_exact(&mut answer).expect("S0, S1 and S2");
    stream.write_all(&answer[1..=1536]).expect("C2");
    stream
}

/// A message on chunk stream 3 in chunks of 128 bytes.
fn command(stream_id: u8, payload: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = vec![3, 0, 0, 0, high, middle, low, 0x14, stream_id, 0, 0, 0];
    for (index, piece) in payload.chunks(128).enumerate() {
        if index > 0 {
            bytes.push(0xc3);
        }
        bytes.extend(piece);
    }
    bytes
}

/// An AMF0 string.
fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short").to_be_bytes();
    [&[2][..], &length, text.as_bytes()].concat()
}

/// An AMF0 number: 1.0, the transaction of a first command.
const ONE: [u8; 9] = [0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0];
const NULL: [u8; 1] = [5];

/// The peer is dropped.
fn is_hung_up_on(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
                return;
            }
        }
    }
}

/// Publishes as `key` and sends sound between the chunks of a picture, which is legal.
fn interleave(rtmp: SocketAddr, key: &str) -> TcpStream {
    let mut stream = dial(rtmp);
    let app = [&[0, 3][..], b"app", &text("live"), &[0, 0, 9]].concat();
    let connect = [&text("connect")[..], &ONE, &[3], &app].concat();
    let create = [&text("createStream")[..], &ONE, &NULL].concat();
    let publish = [&text("publish")[..], &ONE, &NULL, &text(key), &text("live")].concat();
    let picture = [&[0x17, 1, 0, 0, 0][..], &[0x77; 5000]].concat();
    let [_, high, middle, low] = u32::try_from(picture.len()).expect("short").to_be_bytes();
    let sequence = [
        command(0, &connect),
        command(0, &create),
        command(1, &publish),
        // Chunks of 4096 bytes from here.
        vec![2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0x10, 0],
        vec![0x0a, 0, 0, 40, high, middle, low, 9, 1, 0, 0, 0],
        picture[..4096].to_vec(),
        vec![0x0b, 0, 0, 40, 0, 0, 4, 8, 1, 0, 0, 0, 0xaf, 0, 0x12, 0x10],
        vec![0xca],
        picture[4096..].to_vec(),
    ];
    stream.write_all(&sequence.concat()).expect("taken");
    stream
}

#[test]
fn a_broadcast_beside_attacks_misses_no_frame() {
    let clip = Clip::new(30 * 10);
    let file = clip.file();
    let server = Server::start();
    let (stream, victim) = (server.stream(), server.stream());
    let viewer = Viewer::follow(server.http, &stream.id);
    let publisher = encoder::srt(&file, &stream.srt);
    wait_for("a playable playlist", || server.status(&stream) == "live");

    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    for _ in 0..20 {
        socket
            .send_to(&unhex(SRT_DATAGRAM), server.srt)
            .expect("sent");
        socket.send_to(b"rubbish", server.srt).expect("sent");
    }

    for levels in [19_000, 13_000] {
        let mut nested = dial(server.rtmp);
        let arrays = [0x0a, 0, 0, 0, 1].repeat(levels);
        let connect = [&text("connect")[..], &ONE, &arrays].concat();
        // May fail: the server hangs up in the middle of it.
        let _ = nested.write_all(&command(0, &connect));
        is_hung_up_on(nested);
    }

    let mut short = dial(server.rtmp);
    short
        .write_all(&unhex("02ffd3ba0000001401000000"))
        .expect("taken");
    is_hung_up_on(short);

    let interleaved = interleave(server.rtmp, &victim.key);
    server.wait_for_log(&["publishing", &victim.id]);
    drop(interleaved);

    let mut http = TcpStream::connect(server.http).expect("a connection");
    let _ = http.write_all(&[0xff; 100_000]);

    publisher.finish();
    let watched = viewer.until_end();
    assert_every_frame_once(&watched, clip.frames, SRT_TAIL_FRAMES, &server.scratch());
    assert_segments_decode(&watched, &server.scratch());
    server.stop();
}
