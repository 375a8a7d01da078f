//! The server's side of the RTMP handshake (RTMP 1.0 §5.2), in its simple and its digest form.
//!
//! The digest form is not in the published specification; it is what Flash Media Server 3 and its
//! clients do: 32 bytes of C1 and S1 at a place that the packet itself names are an HMAC-SHA256 of
//! the rest. It proves nothing (the keys are public) and is answered only since some encoders ask
//! for it. RTMPE (version 6) is not spoken: RTMPS is the encrypted form.

use bytes::{BufMut, BytesMut};
use hmac::{Hmac, Mac};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use sha2::Sha256;

use super::error::{Error, Place};

/// Bytes of C1, C2, S1 and S2.
const PACKET_BYTES: usize = 1536;
const DIGEST_BYTES: usize = 32;
const VERSION: u8 = 3;
const SECTION: &str = "RTMP 1.0 §5.2.2";

const CLIENT_KEY: &[u8] = b"Genuine Adobe Flash Player 001";
const SERVER_KEY: &[u8] = b"Genuine Adobe Flash Media Server 001";
/// Follows either key where S2 or C2 is signed.
const KEY_SUFFIX: [u8; 32] = [
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57,
    0x6e, 0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];
/// What Flash Media Server 3.0.1 called itself; clients only ask whether it is zero.
const SERVER_VERSION: [u8; 4] = [3, 0, 1, 1];

/// The two places where a packet may name its digest's place.
const SCHEMES: [Scheme; 2] = [Scheme { base: 8 }, Scheme { base: 772 }];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scheme {
    /// Four bytes here add up to the digest's distance from behind them.
    base: usize,
}

impl Scheme {
    fn digest_offset(self, packet: &[u8; PACKET_BYTES]) -> usize {
        let sum: usize = packet[self.base..self.base + 4]
            .iter()
            .map(|&byte| usize::from(byte))
            .sum();
        // 764 bytes a block, less the four of the place and the 32 of the digest.
        sum % 728 + self.base + 4
    }
}

/// What a step of the handshake came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More bytes are needed.
    Incomplete,
    /// C2 is complete; what is left of the input is chunks.
    Done,
}

/// Takes C0, C1 and C2, and gives S0, S1 and S2.
pub(crate) struct Handshake {
    /// C0 and C1 as they arrive.
    first: Vec<u8>,
    /// Bytes of C2 received; their values are not looked at, since encoders differ in them.
    second: Option<usize>,
    seed: u64,
}

impl Handshake {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            first: Vec::new(),
            second: None,
            seed,
        }
    }

    /// Consumes from `input` what belongs to the handshake and appends replies to `output`.
    pub(crate) fn receive(
        &mut self,
        input: &mut &[u8],
        output: &mut BytesMut,
    ) -> Result<Progress, Error> {
        let second = match &mut self.second {
            Some(second) => second,
            None => {
                let wanted = (1 + PACKET_BYTES - self.first.len()).min(input.len());
                let (taken, rest) = input.split_at(wanted);
                self.first.extend_from_slice(taken);
                *input = rest;
                if let Some(&version) = self.first.first()
                    && version != VERSION
                {
                    return Err(Error::Malformed {
                        place: Place::Connection(0),
                        expected: "handshake version 3",
                        found: version.to_string(),
                        section: SECTION,
                    });
                }
                let Some(c1) = self.first.get(1..).and_then(|c1| c1.try_into().ok()) else {
                    return Ok(Progress::Incomplete);
                };
                reply(c1, self.seed, output);
                self.first = Vec::new();
                self.second.insert(0)
            }
        };
        let taken = (PACKET_BYTES - *second).min(input.len());
        *input = &input[taken..];
        *second += taken;
        Ok(if *second == PACKET_BYTES {
            Progress::Done
        } else {
            Progress::Incomplete
        })
    }
}

/// Writes S0, S1 and S2 in answer to C1.
fn reply(c1: &[u8; PACKET_BYTES], seed: u64, output: &mut BytesMut) {
    // Filling, not a secret: the digest's keys are public.
    let mut filling = StdRng::seed_from_u64(seed);
    let mut s1 = [0; PACKET_BYTES];
    filling.fill_bytes(&mut s1[8..]);
    let mut s2 = *c1;

    // Clients of the simple form leave the version zero (RTMP 1.0 §5.2.3).
    let digest_form = SCHEMES
        .into_iter()
        .filter(|_| c1[4..8] != [0; 4])
        .find_map(|scheme| {
            let offset = scheme.digest_offset(c1);
            let digest = digest(CLIENT_KEY, c1, offset);
            (digest == c1[offset..offset + DIGEST_BYTES]).then_some((scheme, digest))
        });
    if let Some((scheme, client_digest)) = digest_form {
        s1[4..8].copy_from_slice(&SERVER_VERSION);
        let offset = scheme.digest_offset(&s1);
        let digest = digest(SERVER_KEY, &s1, offset);
        s1[offset..offset + DIGEST_BYTES].copy_from_slice(&digest);

        filling.fill_bytes(&mut s2);
        let key = hmac(&[SERVER_KEY, &KEY_SUFFIX].concat(), &[&client_digest]);
        let (body, signature) = s2.split_at_mut(PACKET_BYTES - DIGEST_BYTES);
        signature.copy_from_slice(&hmac(&key, &[body]));
    }
    output.reserve(1 + 2 * PACKET_BYTES);
    output.put_u8(VERSION);
    output.put_slice(&s1);
    output.put_slice(&s2);
}

/// HMAC of a packet without the 32 bytes at `offset`.
fn digest(key: &[u8], packet: &[u8; PACKET_BYTES], offset: usize) -> [u8; DIGEST_BYTES] {
    hmac(key, &[&packet[..offset], &packet[offset + DIGEST_BYTES..]])
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any size");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(packets: &[u8], cut: usize) -> (BytesMut, Progress) {
        let mut handshake = Handshake::new(7);
        let mut output = BytesMut::new();
        let mut progress = Progress::Incomplete;
        for mut piece in packets.chunks(cut) {
            progress = handshake.receive(&mut piece, &mut output).expect("valid");
            assert!(piece.is_empty());
        }
        (output, progress)
    }

    fn c1_with_digest(scheme: Scheme) -> [u8; PACKET_BYTES] {
        let mut c1 = [0x5a; PACKET_BYTES];
        c1[4..8].copy_from_slice(&[128, 0, 7, 2]);
        let offset = scheme.digest_offset(&c1);
        let digest = digest(CLIENT_KEY, &c1, offset);
        c1[offset..offset + DIGEST_BYTES].copy_from_slice(&digest);
        c1
    }

    #[test]
    fn the_simple_form_echoes_c1_whatever_the_cut() {
        let mut c1 = [0x11; PACKET_BYTES];
        c1[4..8].fill(0);
        let packets = [&[3][..], &c1, &[0x22; PACKET_BYTES]].concat();
        for cut in [1, 7, 1536, 1537, packets.len()] {
            let (output, progress) = run(&packets, cut);
            assert_eq!(progress, Progress::Done);
            assert_eq!(output.len(), 1 + 2 * PACKET_BYTES);
            assert_eq!(output[0], 3);
            assert_eq!(&output[5..9], &[0; 4]);
            assert_eq!(&output[1 + PACKET_BYTES..], &c1);
        }
    }

    #[test]
    fn a_digest_in_either_place_is_answered_in_that_place() {
        for scheme in SCHEMES {
            let c1 = c1_with_digest(scheme);
            let (output, progress) = run(&[&[3][..], &c1].concat(), 1000);
            assert_eq!(progress, Progress::Incomplete);
            let s1: &[u8; PACKET_BYTES] = output[1..1 + PACKET_BYTES].try_into().expect("S1");
            let offset = scheme.digest_offset(s1);
            assert_eq!(
                digest(SERVER_KEY, s1, offset),
                s1[offset..offset + DIGEST_BYTES]
            );
            // As a client checks S2: signed with a key made from the digest that it sent.
            let sent_at = scheme.digest_offset(&c1);
            let key = hmac(
                &[SERVER_KEY, &KEY_SUFFIX].concat(),
                &[&c1[sent_at..sent_at + DIGEST_BYTES]],
            );
            let (body, signature) = output[1 + PACKET_BYTES..].split_at(PACKET_BYTES - 32);
            assert_eq!(hmac(&key, &[body]), signature);
        }
    }

    #[test]
    fn a_version_without_a_digest_gets_the_simple_form() {
        let mut c1 = [0x33; PACKET_BYTES];
        c1[4..8].copy_from_slice(&[9, 0, 124, 2]);
        let (output, _) = run(&[&[3][..], &c1].concat(), 4096);
        assert_eq!(&output[1 + PACKET_BYTES..], &c1);
    }

    #[test]
    fn rtmpe_and_http_are_turned_away_at_their_first_byte() {
        for first in [6, b'G'] {
            let error = Handshake::new(0)
                .receive(&mut &[first][..], &mut BytesMut::new())
                .expect_err("not RTMP");
            assert!(matches!(error, Error::Malformed { .. }), "{error}");
        }
    }
}
