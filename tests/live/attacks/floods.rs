//! Handshakes without end, and connections that say nothing.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::beside::attack;
use crate::rtmp_peer::{HANG_UP_MAX, dial, publish};
use crate::server::Server;

const RTMP_HANDSHAKES: usize = 4_000;
const SRT_DATAGRAMS: u32 = 20_000;
const HTTP_IDLE: usize = 10_000;
/// More than the RTMP port carries, and far more than one address may have there.
const RTMP_IDLE: usize = 600;
/// As many as one address may have that do not publish (`UNPUBLISHED_PER_ADDRESS_MAX`).
const HALF_OPEN: usize = 32;

/// Lets this process have as many files as it may, and the server that it starts.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("within the hard limit");
}

#[test]
fn a_flood_of_rtmp_handshakes_costs_a_broadcast_nothing() {
    attack("RTMP handshakes", |server| {
        let rtmp = server.rtmp;
        let floods = (0..4).map(|number| {
            thread::spawn(move || {
                for handshake in 0..RTMP_HANDSHAKES / 4 {
                    let Ok(mut stream) = TcpStream::connect(rtmp) else {
                        continue;
                    };
                    // Whole, cut off, another protocol's, and none; sent or not.
                    let _refused = match (handshake + number) % 4 {
                        0 => stream.write_all(&[&[3][..], &[7; 1536]].concat()),
                        1 => stream.write_all(&[3; 700]),
                        2 => stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                        _ => Ok(()),
                    };
                }
            })
        });
        for flood in floods.collect::<Vec<_>>() {
            flood.join().expect("no panic");
        }
    });
}

/// A handshake of SRT to socket 0 (draft-sharabayko-srt-01 §3.2.1): version 4 asks for a cookie,
/// version 5 brings it, and what it wants behind it.
fn srt_handshake(version: u32, extensions: u32, kind: u32, socket: u32, cookie: u32) -> Vec<u8> {
    // The first packet's number, MTU, window and the address of a caller on this machine among them.
    let words = [
        0x8000_0000,
        0,
        0,
        0,
        version,
        extensions,
        socket,
        1500,
        8192,
        kind,
        socket,
        cookie,
        0x7f00_0001,
        0,
        0,
        0,
    ];
    words
        .iter()
        .flat_map(|word: &u32| word.to_be_bytes())
        .collect()
}

/// One that brings the cookie and a wrong key.
fn srt_conclusion(socket: u32, cookie: u32) -> Vec<u8> {
    let mut packet = srt_handshake(5, 5, u32::MAX, socket, cookie);
    // The request (version, flags, delays) and a Stream ID of two words (§3.2.1.1, §3.2.1.3), of which
    // each is reversed.
    for word in [0x0001_0003, 0x0001_0501, 0xbf, 0x0078_0078, 0x0005_0002] {
        packet.extend(u32::to_be_bytes(word));
    }
    packet.extend(b"norwyekg");
    packet
}

#[test]
fn a_flood_of_srt_handshakes_costs_a_broadcast_nothing() {
    const INDUCTION: u32 = 1;
    attack("SRT handshakes", |server| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let timeout = socket.set_read_timeout(Some(HANG_UP_MAX));
        timeout.expect("an option");
        let induction = srt_handshake(4, 2, INDUCTION, 77, 0);
        socket.send_to(&induction, server.srt).expect("sent");
        let mut answer = [0; 1500];
        socket.recv(&mut answer).expect("an answer");
        let cookie = u32::from_be_bytes([answer[44], answer[45], answer[46], answer[47]]);
        for number in 0..SRT_DATAGRAMS {
            let datagram = match number % 4 {
                0 | 1 => srt_conclusion(1000 + number, cookie),
                2 => srt_handshake(4, 2, INDUCTION, 1000 + number, 0),
                _ => vec![0xff; 1400],
            };
            socket.send_to(&datagram, server.srt).expect("sent");
        }
    });
}

#[test]
fn ten_thousand_idle_connections_cost_a_broadcast_nothing() {
    raise_file_limit();
    attack("idle connections", |server| {
        let mut held = Vec::new();
        for number in 0..HTTP_IDLE {
            let mut stream = TcpStream::connect(server.http).expect("a connection");
            // Half a head, a whole request, or nothing.
            match number % 3 {
                0 => stream.write_all(b"GET /live/x/master.m3u8 HTTP/1.1\r\nHost: a\r\n"),
                1 => stream.write_all(b"GET /live/x/master.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n"),
                _ => Ok(()),
            }
            .expect("taken");
            held.push(stream);
        }
        for _ in 0..RTMP_IDLE {
            held.extend(TcpStream::connect(server.rtmp));
        }
        // All at a time: the last one that asked is answered beside those that wait.
        let mut answer = [0; 12];
        let last = &mut held[HTTP_IDLE - 3];
        last.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 404");
    });
}

#[test]
fn publishers_that_never_send_cost_a_broadcast_nothing() {
    attack("half-open publishers", |server: &Server| {
        let silent: Vec<_> = (0..8).map(|_| server.stream()).collect();
        let mut held: Vec<TcpStream> = (0..HALF_OPEN - silent.len())
            .map(|_| dial(server.rtmp))
            .collect();
        for stream in &silent {
            let mut peer = dial(server.rtmp);
            peer.write_all(&publish(&stream.key)).expect("taken");
            server.wait_for_log(&["publishing", &stream.id]);
            held.push(peer);
        }
    });
}
