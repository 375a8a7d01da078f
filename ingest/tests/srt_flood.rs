//! One machine sends handshakes as fast as it can, each with the right cookie and a wrong key.
#![cfg(target_os = "linux")]

mod recording;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt;
use ingest::srt::{self, Config};
use recording::{RecordingGate, messages, until};
use srt_tokio::SrtSocket;

/// Without a filter before libsrt each of them cost about 20 kB for two seconds.
const HANDSHAKES: u32 = 50_000;
/// What the process may grow by meanwhile; all of them would be 1 GB.
const GROWTH_KB_MAX: u64 = 64 * 1024;

/// A handshake packet (draft-sharabayko-srt-01 §3.2.1) to socket 0.
fn handshake(version: u32, extensions: u32, kind: u32, socket: u32, cookie: u32) -> Vec<u8> {
    let mut words = vec![0x8000_0000, 0, 0, 0];
    words.extend([
        version, extensions, socket, 1500, 8192, kind, socket, cookie,
    ]);
    words.extend([0x7f00_0001, 0, 0, 0]);
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A conclusion with the request and Stream ID extensions (§3.2.1.1, §3.2.1.3).
fn conclusion(socket: u32, cookie: u32) -> Vec<u8> {
    let mut packet = handshake(5, 5, 0xffff_ffff, socket, cookie);
    for word in [0x0001_0003, 0x0001_0501, 0xbf, 0x0078_0078, 0x0005_0002] {
        packet.extend_from_slice(&u32::to_be_bytes(word));
    }
    // "wrongkey", each word of it reversed.
    packet.extend_from_slice(b"norwyekg");
    packet
}

/// Sends them, and counts the answers.
fn flood(to: SocketAddr) -> usize {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let wait = Some(Duration::from_secs(2));
    socket.set_read_timeout(wait).expect("a timeout");
    let induction = handshake(4, 2, 1, 77, 0);
    socket.send_to(&induction, to).expect("sent");
    let mut answer = [0; 1500];
    let (bytes, _) = socket.recv_from(&mut answer).expect("an answer");
    assert!(bytes >= 64);
    let cookie = u32::from_be_bytes([answer[44], answer[45], answer[46], answer[47]]);
    socket
        .set_nonblocking(true)
        .expect("a mode of every socket");
    let mut answers = 0;
    for number in 0..HANDSHAKES {
        let _ = socket.send_to(&conclusion(1000 + number, cookie), to);
        while socket.recv_from(&mut answer).is_ok() {
            answers += 1;
        }
    }
    answers
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_handshakes_costs_neither_memory_nor_the_broadcast_of_its_own_address() {
    let gate = RecordingGate::default()
        .with("key-a", None)
        .with("key-b", None);
    let address = "127.0.0.1:0".parse().expect("an address");
    let listener = srt::listen(address, Config::default(), Arc::new(gate.clone())).expect("a port");
    let to = listener.local_addr();
    let name = to.to_string();
    let mut socket = SrtSocket::builder()
        .call(name.as_str(), Some("key-a"))
        .await
        .expect("the right key");
    let sent = messages(800);
    let broadcast = tokio::spawn({
        let sent = sent.clone();
        async move {
            for message in sent {
                let message = (Instant::now(), Bytes::from(message));
                socket.send(message).await.expect("connected");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            socket.close_and_finish().await.expect("a goodbye");
        }
    });
    until("the broadcast's begin", || gate.bytes_of(0) > 0).await;
    let before_kb = resident_kb();
    let flooding = tokio::task::spawn_blocking(move || flood(to));
    let answers = flooding.await.expect("no panic");
    let growth_kb = resident_kb().saturating_sub(before_kb);
    assert!(answers > 0, "the flood did not get through at all");
    assert!(
        answers < 2000,
        "{answers} of {HANDSHAKES} handshakes were answered"
    );
    assert!(gate.checks() < 200, "{} keys were looked up", gate.checks());
    assert!(growth_kb < GROWTH_KB_MAX, "{growth_kb} kB for nothing");
    broadcast.await.expect("the broadcast");
    until("the broadcast's end", || gate.ending_of(0).is_some()).await;
    assert!(
        gate.publications()[0].bytes == sent.concat(),
        "the broadcast was harmed"
    );

    // The ban ends by itself.
    let began = Instant::now();
    while SrtSocket::builder()
        .call(name.as_str(), Some("key-b"))
        .await
        .is_err()
    {
        assert!(began.elapsed() < Duration::from_secs(60), "banned for ever");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
