//! The socket filter before libsrt: what can be for nobody costs no place in the port's buffer.
//!
//! Through comes what is for a connection that exists, and handshakes to socket 0 (which is how
//! connecting begins, draft-sharabayko-srt-01 §3.2.1) of whoever is not banned. Whatever else is sent to
//! the port, the kernel drops: a flood of it would push out packets of publishers.
//!
//! Pure: it is made here, not installed. It is a classic BPF program (Linux, `SO_ATTACH_FILTER`); it sees
//! the UDP header at offset 0, and a packet that ends before what it looks at is dropped.

use std::net::IpAddr;

use super::bans::{BANNED_MAX, Banned};
use super::sys::SocketId;

/// Connections that are told from others: each takes two instructions, of at most 4096
/// (`BPF_MAXINSNS`). Where there are more, packets of all connections come through.
const SESSIONS_MAX: usize = 1024;
/// `BPF_MAXINSNS`.
const INSTRUCTIONS_MAX: usize = 4096;
/// An IPv6 source takes five, and what is not for a connection or a source fewer than these.
const _: () = assert!(2 * SESSIONS_MAX + 5 * BANNED_MAX + 32 <= INSTRUCTIONS_MAX);

/// The filter for these connections and bans.
pub(super) fn program(sessions: &[SocketId], banned: &Banned) -> Vec<Instruction> {
    // Whom it is for.
    let mut program = vec![load_word(UDP_HEADER_BYTES + 12)];
    let for_sessions = match sessions.len() <= SESSIONS_MAX {
        true => sessions
            .iter()
            .flat_map(|id| [Instruction::new(JUMP_EQUAL, 0, 1, id.bits()), PASS])
            .collect(),
        false => vec![Instruction::new(JUMP_EQUAL, 1, 0, 0), PASS],
    };
    program.extend(for_sessions);
    program.extend([
        Instruction::new(JUMP_EQUAL, 1, 0, 0),
        DROP,
        load_word(UDP_HEADER_BYTES),
        Instruction::new(AND, 0, 0, 0xffff_0000),
        Instruction::new(JUMP_EQUAL, 1, 0, 0x8000_0000),
        DROP,
    ]);
    let sources = match banned {
        Banned::Everybody => {
            program.push(DROP);
            return program;
        }
        Banned::Sources(sources) => sources,
    };
    let (mut of_ipv4, mut of_ipv6) = (vec![load_word(IP_HEADER + 12)], Vec::new());
    for source in sources {
        match source {
            IpAddr::V4(v4) => {
                of_ipv4.extend([Instruction::new(JUMP_EQUAL, 0, 1, v4.to_bits()), DROP])
            }
            IpAddr::V6(v6) => {
                let network = (v6.to_bits() >> 64) as u64;
                of_ipv6.extend([
                    load_word(IP_HEADER + 8),
                    Instruction::new(JUMP_EQUAL, 0, 3, (network >> 32) as u32),
                    load_word(IP_HEADER + 12),
                    Instruction::new(JUMP_EQUAL, 0, 1, network as u32),
                    DROP,
                ]);
            }
        }
    }
    of_ipv4.push(PASS);
    of_ipv6.push(PASS);
    program.extend([
        Instruction::new(LOAD_BYTE, 0, 0, IP_HEADER),
        Instruction::new(AND, 0, 0, 0xf0),
        Instruction::new(JUMP_EQUAL, 0, 1, 0x40),
        Instruction::new(JUMP, 0, 0, of_ipv6.len() as u32),
    ]);
    program.extend(of_ipv6);
    program.extend(of_ipv4);
    program
}

/// One instruction of classic BPF (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    /// Instructions to skip where a comparison holds, and where not.
    pub(super) skip_if: u8,
    pub(super) skip_else: u8,
    pub(super) value: u32,
}

impl Instruction {
    const fn new(code: u16, skip_if: u8, skip_else: u8, value: u32) -> Self {
        Self {
            code,
            skip_if,
            skip_else,
            value,
        }
    }
}

/// `BPF_LD | BPF_W | BPF_ABS`, in network order.
const LOAD_WORD: u16 = 0x20;
/// `BPF_LD | BPF_B | BPF_ABS`.
const LOAD_BYTE: u16 = 0x30;
/// `BPF_ALU | BPF_AND | BPF_K`.
const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const JUMP_EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JA`.
const JUMP: u16 = 0x05;
/// `BPF_RET | BPF_K`: how many bytes to keep.
const PASS: Instruction = Instruction::new(0x06, 0, 0, u32::MAX);
const DROP: Instruction = Instruction::new(0x06, 0, 0, 0);
/// `SKF_NET_OFF`: offsets from the IP header.
const IP_HEADER: u32 = (-0x10_0000_i32) as u32;
const UDP_HEADER_BYTES: u32 = 8;

const fn load_word(offset: u32) -> Instruction {
    Instruction::new(LOAD_WORD, 0, 0, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Runs `program` on a packet as the kernel would.
    fn passes(program: &[Instruction], ip_header: &[u8], udp: &[u8]) -> bool {
        let (mut at, mut register) = (0, 0u32);
        loop {
            let one = program[at];
            at += 1;
            let load = |bytes: usize| {
                let (from, offset) = match one.value.checked_sub(IP_HEADER) {
                    Some(offset) => (ip_header, offset as usize),
                    None => (udp, one.value as usize),
                };
                let read = from.get(offset..offset + bytes)?.iter();
                Some(read.fold(0u32, |word, byte| word << 8 | u32::from(*byte)))
            };
            let loaded = match one.code {
                LOAD_WORD => load(4),
                LOAD_BYTE => load(1),
                _ => Some(register),
            };
            // What reads behind the end is done, and drops.
            let Some(loaded) = loaded else { return false };
            match one.code {
                LOAD_WORD | LOAD_BYTE => register = loaded,
                AND => register &= one.value,
                JUMP => at += one.value as usize,
                JUMP_EQUAL if register == one.value => at += usize::from(one.skip_if),
                JUMP_EQUAL => at += usize::from(one.skip_else),
                _ => return one.value != 0,
            }
        }
    }

    fn packet(from: IpAddr, kind: u32, socket: u32) -> (Vec<u8>, Vec<u8>) {
        let header = match from {
            IpAddr::V4(v4) => {
                let mut header = vec![0; 20];
                header[0] = 0x45;
                header[12..16].copy_from_slice(&v4.octets());
                header
            }
            IpAddr::V6(v6) => {
                let mut header = vec![0; 40];
                header[0] = 0x60;
                header[8..24].copy_from_slice(&v6.octets());
                header
            }
        };
        let mut udp = vec![0; 8 + 64];
        udp[8..12].copy_from_slice(&kind.to_be_bytes());
        udp[20..24].copy_from_slice(&socket.to_be_bytes());
        (header, udp)
    }

    const HANDSHAKE: u32 = 0x8000_0000;
    const ACKNOWLEDGEMENT: u32 = 0x8002_0000;
    /// The number of a packet of media.
    const MEDIA: u32 = 1234;

    fn nobody() -> Banned {
        Banned::Sources(Vec::new())
    }

    fn sockets(ids: impl IntoIterator<Item = i32>) -> Vec<SocketId> {
        ids.into_iter().map(SocketId::from_raw).collect()
    }

    #[test]
    fn what_is_for_no_connection_and_no_handshake_costs_no_place() {
        let from = address("192.0.2.1");
        let program = program(&sockets([7, 0x3fff_fff0]), &nobody());
        let passes = |kind, socket| {
            let (ip_header, udp) = packet(from, kind, socket);
            passes(&program, &ip_header, &udp)
        };
        for socket in [7, 0x3fff_fff0] {
            assert!(passes(MEDIA, socket) && passes(ACKNOWLEDGEMENT, socket));
            assert!(passes(HANDSHAKE, socket), "a handshake that is repeated");
        }
        assert!(passes(HANDSHAKE, 0), "who wants to connect");
        for socket in [1, 6, 8, 0x3fff_ffef, u32::MAX] {
            assert!(!passes(MEDIA, socket) && !passes(ACKNOWLEDGEMENT, socket));
            assert!(!passes(HANDSHAKE, socket), "{socket}");
        }
        assert!(!passes(MEDIA, 0) && !passes(ACKNOWLEDGEMENT, 0));
        let rubbish = packet(from, u32::MAX, u32::MAX);
        assert!(!super::tests::passes(&program, &rubbish.0, &rubbish.1));
    }

    #[test]
    fn a_packet_that_is_too_short_for_a_header_is_dropped() {
        let program = program(&sockets([7]), &nobody());
        let (ip_header, udp) = packet(address("192.0.2.1"), MEDIA, 7);
        for bytes in 8..24 {
            assert!(!passes(&program, &ip_header, &udp[..bytes]), "{bytes}");
        }
        assert!(passes(&program, &ip_header, &udp[..24]));
    }

    #[test]
    fn only_handshakes_of_the_banned_are_dropped() {
        let banned = ["192.0.2.1", "192.0.2.9", "2001:db8::", "2001:db8:0:7::"].map(address);
        let program = program(&sockets([7]), &Banned::Sources(banned.to_vec()));
        let passes = |from: &str, kind, socket| {
            let (ip_header, udp) = packet(address(from), kind, socket);
            passes(&program, &ip_header, &udp)
        };
        for source in ["192.0.2.1", "192.0.2.9", "2001:db8::5", "2001:db8:0:7::5"] {
            assert!(!passes(source, HANDSHAKE, 0), "{source}");
            assert!(passes(source, HANDSHAKE, 7), "{source}");
            assert!(passes(source, MEDIA, 7), "{source}");
        }
        for source in ["192.0.2.2", "2001:db8:0:1::1", "2001:db9::1", "10.0.0.1"] {
            assert!(passes(source, HANDSHAKE, 0), "{source}");
        }
    }

    #[test]
    fn where_everybody_waits_connections_go_on() {
        let program = program(&sockets([9]), &Banned::Everybody);
        let passes = |kind, socket| {
            let (ip_header, udp) = packet(address("10.0.0.1"), kind, socket);
            passes(&program, &ip_header, &udp)
        };
        assert!(!passes(HANDSHAKE, 0));
        assert!(passes(HANDSHAKE, 9) && passes(MEDIA, 9));
    }

    #[test]
    fn the_filter_never_outgrows_the_kernels_limit() {
        let nth = |n: u128| IpAddr::V6(((0x2001_0db8_u128 << 96) | (n << 64)).into());
        let banned = Banned::Sources((0..BANNED_MAX as u128).map(nth).collect());
        for (count, tells) in [(SESSIONS_MAX, true), (SESSIONS_MAX + 1, false)] {
            let program = program(&sockets(1..=count as i32), &banned);
            assert!(program.len() <= INSTRUCTIONS_MAX, "{}", program.len());
            let (ip_header, udp) = packet(address("10.0.0.1"), MEDIA, count as u32);
            assert!(passes(&program, &ip_header, &udp));
            let (ip_header, udp) = packet(address("10.0.0.1"), MEDIA, 0x1234_5678);
            assert_eq!(passes(&program, &ip_header, &udp), !tells);
        }
    }
}
