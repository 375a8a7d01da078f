//! Tells an MPEG transport stream (ISO/IEC 13818-1 §2.4.3.2) from anything else by its sync bytes.
//!
//! It demultiplexes nothing; once it has seen a transport stream it passes everything on.

use media_core::transport_stream::{PACKET_BYTES, SYNC_BYTE};

/// Sync bytes in a row that make a transport stream: by chance once in 256⁵.
const SYNC_RUN: usize = 5;
/// Bytes held back while looking. The first SRT message of a proper publisher (seven packets)
/// already decides; an encoder that begins in mid-packet needs two.
pub(super) const PROBE_BYTES_MAX: usize = 8 * 1024;

/// What is known of a payload.
pub(super) enum Probe {
    /// Not yet decided: the bytes seen so far.
    Looking(Vec<u8>),
    /// It is a transport stream.
    Found,
}

/// The payload is no MPEG transport stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the payload is not an MPEG transport stream (no 0x47 every 188 bytes in the first {PROBE_BYTES_MAX} bytes); send mpegts over SRT"
)]
pub(super) struct NotTransportStream;

impl Probe {
    pub(super) fn new() -> Self {
        Self::Looking(Vec::new())
    }

    /// Takes the next bytes. `Some` is what may be passed on: `bytes`, with all that was held
    /// back before it; `None` while undecided.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, NotTransportStream> {
        let Self::Looking(held) = self else {
            return Ok(Some(bytes.to_vec()));
        };
        held.extend_from_slice(bytes);
        if has_sync(held) {
            let held = std::mem::take(held);
            *self = Self::Found;
            return Ok(Some(held));
        }
        if held.len() >= PROBE_BYTES_MAX {
            return Err(NotTransportStream);
        }
        Ok(None)
    }
}

fn has_sync(bytes: &[u8]) -> bool {
    let span = PACKET_BYTES * (SYNC_RUN - 1);
    let starts = bytes.len().saturating_sub(span).min(PACKET_BYTES);
    (0..starts)
        .any(|start| (0..SYNC_RUN).all(|packet| bytes[start + packet * PACKET_BYTES] == SYNC_BYTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(count: usize) -> Vec<u8> {
        let mut packet = [0u8; PACKET_BYTES];
        packet[0] = SYNC_BYTE;
        packet.repeat(count)
    }

    #[test]
    fn the_first_message_of_a_publisher_passes_whole() {
        let mut probe = Probe::new();
        assert_eq!(probe.pass(&packets(7)), Ok(Some(packets(7))));
        assert_eq!(probe.pass(b"anything"), Ok(Some(b"anything".to_vec())));
    }

    #[test]
    fn a_stream_that_begins_in_mid_packet_loses_nothing() {
        let stream = packets(14)[100..].to_vec();
        let mut probe = Probe::new();
        let mut passed = Vec::new();
        for piece in stream.chunks(400) {
            passed.extend(
                probe
                    .pass(piece)
                    .expect("a transport stream")
                    .unwrap_or_default(),
            );
        }
        assert_eq!(passed, stream);
    }

    #[test]
    fn other_payloads_are_refused_after_a_bounded_wait() {
        for payload in [
            vec![0u8; 1316],
            [SYNC_BYTE, 0, 0].repeat(400),
            vec![0x80; 1000],
        ] {
            let mut probe = Probe::new();
            let mut held = 0;
            loop {
                held += payload.len();
                match probe.pass(&payload) {
                    Ok(None) => assert!(held < PROBE_BYTES_MAX),
                    Ok(Some(_)) => panic!("taken for a transport stream"),
                    Err(NotTransportStream) => break,
                }
            }
        }
    }
}
