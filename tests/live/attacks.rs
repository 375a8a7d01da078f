//! What has felled other servers, thrown at this one while a broadcast is followed.

mod beside;
mod floods;
mod sizes;
mod texts;

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};

use crate::clip::Clip;
use crate::decode::{assert_every_frame_once, assert_segments_decode};
use crate::encoder::{self, SRT_TAIL_FRAMES};
use crate::program::wait_for;
use crate::rtmp_peer::{ONE, command, dial, publish, text, until_hung_up};
use crate::server::Server;
use crate::viewer::Viewer;

/// A conclusion handshake of nobody, with an extension that ended another listener.
const SRT_DATAGRAM: &str = "80000000000000000000000000000000000000050000000400000001000005dc\
    00002000ffffffff000000070000000000000000000000000000000000000000000600016576696c";

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| {
        let pair = str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).expect("hexadecimal digits")
    });
    bytes.collect()
}

/// Publishes as `key` and sends sound between the chunks of a picture, which is legal.
fn interleave(rtmp: SocketAddr, key: &str) -> TcpStream {
    let mut stream = dial(rtmp);
    let picture = [&[0x17, 1, 0, 0, 0][..], &[0x77; 5000]].concat();
    let [_, high, middle, low] = u32::try_from(picture.len()).expect("short").to_be_bytes();
    let sequence = [
        publish(key),
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
        until_hung_up(nested);
    }

    let mut short = dial(server.rtmp);
    short
        .write_all(&unhex("02ffd3ba0000001401000000"))
        .expect("taken");
    until_hung_up(short);

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
