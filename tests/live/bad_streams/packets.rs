//! What an SRT encoder sends, packet by packet, so that a test can spoil it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt;
use srt_tokio::SrtSocket;

use crate::clip::Clip;
use crate::program::{ffmpeg, output};

/// Bytes of a packet of a transport stream.
const PACKET_BYTES: usize = 188;

/// Packets in a datagram.
const DATAGRAM_PACKETS: usize = 7;

/// A packet of a transport stream.
pub(super) type Packet = [u8; PACKET_BYTES];

/// The clip as a transport stream, muxed with these options.
pub(super) fn of(clip: &Clip, options: &str) -> Vec<Packet> {
    let clip = Clip {
        container: "ts",
        ..clip.clone()
    };
    let mut command = ffmpeg(["-i"]);
    command.arg(clip.file()).args(["-c", "copy"]);
    command.args(options.split_whitespace());
    let muxed = output(command.args(["-f", "mpegts", "-"]));
    let packets = muxed.stdout.as_chunks::<PACKET_BYTES>().0;
    assert!(
        !packets.is_empty(),
        "{}",
        String::from_utf8_lossy(&muxed.stderr)
    );
    packets.to_vec()
}

/// Which stream of packets it belongs to (ISO/IEC 13818-1 §2.4.3.2).
pub(super) fn pid(packet: &Packet) -> u16 {
    u16::from_be_bytes([packet[1] & 0x1F, packet[2]])
}

/// The PIDs of the tables that ffmpeg writes: PAT, SDT and PMT.
pub(super) fn is_table(packet: &Packet) -> bool {
    [0, 0x11, 0x1000].contains(&pid(packet))
}

/// Publishes the packets in `length`, evenly, by a caller that is not ours, and says goodbye.
pub(super) async fn publish(to: SocketAddr, key: &str, packets: &[Packet], length: Duration) {
    let to = to.to_string();
    let name = format!("#!::r={key},m=publish");
    let call = SrtSocket::builder().call(to.as_str(), Some(name.as_str()));
    let mut socket = call.await.expect("a caller with the right key");
    let start = Instant::now();
    for (index, datagram) in packets.chunks(DATAGRAM_PACKETS).enumerate() {
        let share = (index * DATAGRAM_PACKETS) as f64 / packets.len() as f64;
        let due = length.mul_f64(share);
        tokio::time::sleep(due.saturating_sub(start.elapsed())).await;
        let bytes = Bytes::from(datagram.concat());
        let sent = socket.send((Instant::now(), bytes)).await;
        sent.expect("connected");
    }
    socket.close_and_finish().await.expect("a goodbye");
}
