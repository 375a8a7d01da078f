//! Whose handshakes the kernel drops, and the socket filter that says so.
//!
//! libsrt sets up a whole connection (about 20 kB, kept for two seconds) before it asks whether
//! the caller is wanted, so one machine that sends 30,000 handshakes a second costs more than a
//! gigabyte whatever the answer. A source that goes on far beyond its allowance is therefore
//! dropped before libsrt sees it; and where all sources together are too many, every new
//! handshake is, for a moment. Connections that exist are never touched: only packets of type
//! handshake to socket 0 are (draft-sharabayko-srt-01 §3.2.1), which is how connecting begins.
//!
//! Pure: time is an argument, and the filter is made, not installed. It is a classic BPF program
//! (Linux, `SO_ATTACH_FILTER`); it sees the UDP header at offset 0.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::rate::{Allowance, HandshakeRate, source_of};

/// Refusals beyond its allowance before a source is dropped: an impatient encoder still reads why.
const EXCESS_MAX: u32 = 32;
/// How long a source is dropped, then it has its allowance again.
const BAN: Duration = Duration::from_secs(10);
/// Sources dropped at once: the filter may have 4096 instructions (`BPF_MAXINSNS`), an IPv6
/// source takes five.
const BANNED_MAX: usize = 256;
/// Handshakes of all sources at once and a second: four times what the most callers need to come
/// back together. At 20 kB each they hold 10 MB.
const TOTAL_BURST: u32 = 256;
const TOTAL_PER_SECOND: u32 = 128;
/// How long everybody waits when that is exceeded; callers repeat a handshake for 3 s.
const PAUSE: Duration = Duration::from_secs(1);

/// Who is dropped until when.
pub(super) struct Bans {
    sources: HashMap<IpAddr, Duration>,
    everybody_until: Option<Duration>,
    total: HandshakeRate,
}

impl Bans {
    pub(super) fn new() -> Self {
        Self {
            sources: HashMap::new(),
            everybody_until: None,
            total: HandshakeRate::new(TOTAL_BURST, TOTAL_PER_SECOND),
        }
    }

    /// Takes note of a handshake from `address` and what its allowance said. Whether the filter
    /// has changed.
    pub(super) fn note(&mut self, address: IpAddr, allowance: Allowance, now: Duration) -> bool {
        let mut changed = false;
        if let Allowance::Exceeded { nth } = allowance
            && nth > EXCESS_MAX
            && self.sources.len() < BANNED_MAX
        {
            changed = self.sources.insert(source_of(address), now + BAN).is_none();
        }
        let total = self.total.take(IpAddr::V4(Ipv4Addr::UNSPECIFIED), now);
        if total != Allowance::Granted && !changed {
            changed = self.everybody_until.replace(now + PAUSE).is_none();
        }
        changed
    }

    /// Forgets what is over at `now`. Whether the filter has changed.
    pub(super) fn expire(&mut self, now: Duration) -> bool {
        let before = (self.sources.len(), self.everybody_until.is_some());
        self.sources.retain(|_, until| *until > now);
        self.everybody_until = self.everybody_until.filter(|until| *until > now);
        before != (self.sources.len(), self.everybody_until.is_some())
    }

    /// How many sources are dropped, and whether everybody is.
    pub(super) fn extent(&self) -> (usize, bool) {
        (self.sources.len(), self.everybody_until.is_some())
    }

    /// The filter; empty where nobody is dropped.
    pub(super) fn filter(&self) -> Vec<Instruction> {
        if self.everybody_until.is_none() && self.sources.is_empty() {
            return Vec::new();
        }
        // Anything but a handshake to socket 0 passes.
        let mut program = vec![
            load_word(UDP_HEADER_BYTES),
            Instruction::new(AND, 0, 0, 0xffff_0000),
            Instruction::new(JUMP_EQUAL, 1, 0, 0x8000_0000),
            PASS,
            load_word(UDP_HEADER_BYTES + 12),
            Instruction::new(JUMP_EQUAL, 1, 0, 0),
            PASS,
        ];
        if self.everybody_until.is_some() {
            program.push(DROP);
            return program;
        }
        let (mut of_ipv4, mut of_ipv6) = (vec![load_word(IP_HEADER + 12)], Vec::new());
        for source in self.sources.keys() {
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

    const MS: fn(u64) -> Duration = Duration::from_millis;

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
                from[offset..offset + bytes]
                    .iter()
                    .fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            };
            match one.code {
                LOAD_WORD => register = load(4),
                LOAD_BYTE => register = load(1),
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

    #[test]
    fn only_handshakes_of_the_banned_are_dropped_and_only_for_a_while() {
        let mut bans = Bans::new();
        assert!(bans.filter().is_empty());
        let exceeded = |nth| Allowance::Exceeded { nth };
        let banned = ["192.0.2.1", "192.0.2.9", "2001:db8::1", "2001:db8:0:7::1"].map(address);
        for source in banned {
            assert!(!bans.note(source, exceeded(EXCESS_MAX), MS(0)));
            assert!(bans.note(source, exceeded(EXCESS_MAX + 1), MS(0)));
            assert!(!bans.note(source, exceeded(EXCESS_MAX + 2), MS(0)));
        }
        let filter = bans.filter();
        let passes = |from: &str, kind, socket| {
            let (ip_header, udp) = packet(address(from), kind, socket);
            passes(&filter, &ip_header, &udp)
        };
        for source in ["192.0.2.1", "192.0.2.9", "2001:db8::5", "2001:db8:0:7::5"] {
            assert!(!passes(source, HANDSHAKE, 0), "{source}");
            assert!(passes(source, HANDSHAKE, 7), "{source}");
            assert!(passes(source, ACKNOWLEDGEMENT, 0), "{source}");
            assert!(passes(source, 1234, 77), "{source}: media");
        }
        for source in ["192.0.2.2", "2001:db8:0:1::1", "2001:db9::1", "10.0.0.1"] {
            assert!(passes(source, HANDSHAKE, 0), "{source}");
        }
        assert!(!bans.expire(MS(9_999)));
        assert!(bans.expire(MS(10_000)));
        assert!(bans.filter().is_empty());
    }

    #[test]
    fn too_many_handshakes_in_all_make_everybody_wait_a_moment() {
        let mut bans = Bans::new();
        let nth = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n));
        let changes = (0..10_000).filter(|n| bans.note(nth(*n), Allowance::Granted, MS(0)));
        assert_eq!(changes.count(), 1);
        assert_eq!(bans.extent(), (0, true));
        let (ip_header, udp) = packet(nth(1), HANDSHAKE, 0);
        assert!(!passes(&bans.filter(), &ip_header, &udp));
        let (ip_header, udp) = packet(nth(1), HANDSHAKE, 9);
        assert!(passes(&bans.filter(), &ip_header, &udp));
        assert!(bans.expire(MS(1000)));
        assert!(bans.filter().is_empty());
    }

    #[test]
    fn the_filter_never_outgrows_the_kernels_limit() {
        let mut bans = Bans::new();
        for n in 0..1000u128 {
            let source = IpAddr::V6(((0x2001_0db8_u128 << 96) | (n << 64)).into());
            bans.note(
                source,
                Allowance::Exceeded { nth: u32::MAX },
                MS(n as u64 * 9),
            );
        }
        assert_eq!(bans.extent().0, BANNED_MAX);
        bans.everybody_until = None;
        assert!(bans.filter().len() <= 4096);
    }
}
