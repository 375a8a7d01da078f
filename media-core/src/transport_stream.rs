//! What a transport stream's packets tell without being demultiplexed (ISO/IEC 13818-1 §2.4.3):
//! which of them are missing, and whether the tables that name its tracks are there.
//!
//! Demultiplexing is the graph's. What it is given of that are whole packets, whose tables are numbered
//! anew: a demultiplexer that sees a break among them takes the same tables for others. Pure: time is an
//! argument.

use std::time::Duration;

/// Bytes of a packet.
pub const PACKET_BYTES: usize = 188;

/// The first byte of a packet.
pub const SYNC_BYTE: u8 = 0x47;

/// Packet identifiers (13 bits).
const PIDS: usize = 1 << 13;

/// Of the program association table.
const PAT_PID: u16 = 0;

/// Of stuffing.
const NULL_PID: u16 = 0x1FFF;

/// How long a table may stay away: four times what broadcasting allows (ETSI TR 101 290 §5.2.1).
const TABLES_WITHIN: Duration = Duration::from_secs(2);

/// How far a clock goes from one of its times to the next, in units of 90 kHz: ten times what is
/// allowed (ISO/IEC 13818-1 §2.7.2).
const CLOCK_STEP_MAX: i64 = 90_000;

/// PIDs of tables that are known: what a program association table of one packet can name, and its own.
const TABLES_MAX: usize = 44;

/// A clock's base has 33 bits of 64.
const CLOCK_UNUSED_BITS: u32 = 64 - 33;

/// What was found since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Breaks of continuity counters: each is a packet, or more, that is missing.
    pub breaks: u32,
    /// The PAT, or the PMT that it names, has stayed away for so long; said once for each time.
    pub tables_lost: Option<Duration>,
    /// The PMT is another one than before.
    pub tables_changed: bool,
    /// The stream's clock (PCR) jumped by so much, ahead where positive, and did not say that it
    /// would. In nanoseconds.
    pub clock_jumped: Option<i64>,
}

/// Reads a publisher's packets, in any cut.
#[derive(Debug)]
pub struct Inspector {
    /// The beginning of a packet whose rest has not come.
    rest: Vec<u8>,
    /// The last counter of each PID and whether a packet came with it; 0: none yet.
    counters: Vec<u8>,
    /// The PIDs of tables, and how many packets of each were passed on; four bits of that count.
    tables: Vec<(u16, u8)>,
    pmt_pid: Option<u16>,
    pmt_version: Option<u8>,
    seen_pat: Option<Duration>,
    seen_pmt: Option<Duration>,
    lost_is_said: bool,
    /// The PID of the first clock that was seen, its last time in units of 90 kHz, and when it came.
    clock: Option<(u16, u64, Duration)>,
}

/// Stands in [`Inspector::counters`] beside a counter (4 bits).
const KNOWN: u8 = 0x10;

impl Default for Inspector {
    fn default() -> Self {
        Self {
            rest: Vec::with_capacity(PACKET_BYTES),
            counters: vec![0; PIDS],
            tables: vec![(PAT_PID, 0)],
            pmt_pid: None,
            pmt_version: None,
            seen_pat: None,
            seen_pmt: None,
            lost_is_said: false,
            clock: None,
        }
    }
}

impl Inspector {
    /// Takes the next bytes, which arrived at `now`, and says what they tell. Appends to `passed` the
    /// packets that are whole now, as the module says.
    pub fn take(&mut self, bytes: &[u8], now: Duration, passed: &mut Vec<u8>) -> Findings {
        let mut findings = Findings::default();
        let mut bytes = bytes;
        if !self.rest.is_empty() {
            let missing = PACKET_BYTES - self.rest.len();
            let (begin, end) = bytes.split_at(missing.min(bytes.len()));
            self.rest.extend_from_slice(begin);
            bytes = end;
            if self.rest.len() < PACKET_BYTES {
                return findings;
            }
            let packet = std::mem::take(&mut self.rest);
            self.packet(&packet, now, &mut findings);
            self.pass(&packet, passed);
            self.rest = packet;
            self.rest.clear();
        }
        while let Some(at) = bytes.iter().position(|byte| *byte == SYNC_BYTE) {
            bytes = &bytes[at..];
            let Some((packet, behind)) = bytes.split_at_checked(PACKET_BYTES) else {
                self.rest.extend_from_slice(bytes);
                break;
            };
            // A packet ends where the next one begins; else this byte was no beginning.
            if behind.first().is_some_and(|byte| *byte != SYNC_BYTE) {
                bytes = &bytes[1..];
                continue;
            }
            self.packet(packet, now, &mut findings);
            self.pass(packet, passed);
            bytes = behind;
        }
        self.miss_tables(now, &mut findings);
        findings
    }

    /// Appends a packet to `passed`; one of a table with the number that follows the last one's.
    fn pass(&mut self, packet: &[u8], passed: &mut Vec<u8>) {
        let begin = passed.len();
        passed.extend_from_slice(packet);
        let &[_, high, low, flags, ..] = packet else {
            return;
        };
        let pid = u16::from_be_bytes([high & 0x1F, low]);
        let has_payload = flags & 0x10 != 0;
        if has_payload && let Some((_, count)) = self.tables.iter_mut().find(|it| it.0 == pid) {
            passed[begin + 3] = flags & 0xF0 | *count & 0x0F;
            *count = count.wrapping_add(1);
        }
    }

    fn packet(&mut self, packet: &[u8], now: Duration, findings: &mut Findings) {
        let &[_, high, low, flags, ..] = packet else {
            return;
        };
        let pid = u16::from_be_bytes([high & 0x1F, low]);
        let (has_adaptation, has_payload) = (flags & 0x20 != 0, flags & 0x10 != 0);
        let transport_error = high & 0x80 != 0;
        if pid == NULL_PID || transport_error {
            return;
        }
        let adaptation_bytes = match has_adaptation {
            true => 1 + usize::from(packet.get(4).copied().unwrap_or(0)),
            false => 0,
        };
        let says_discontinuous =
            adaptation_bytes > 1 && packet.get(5).is_some_and(|flags| flags & 0x80 != 0);
        if adaptation_bytes >= 7 {
            self.clock(pid, packet, says_discontinuous, now, findings);
        }
        let counter = flags & 0x0F;
        if let Some(known) = self.counters.get_mut(usize::from(pid)) {
            let before = std::mem::replace(known, KNOWN | counter);
            let follows = counter == before.wrapping_add(1) & 0x0F;
            // A packet may be sent twice, and one without payload does not count (§2.4.3.3).
            let repeats = counter == before & 0x0F;
            let is_known = before & KNOWN != 0;
            let is_break = is_known && has_payload && !follows && !repeats && !says_discontinuous;
            findings.breaks += u32::from(is_break);
        }
        let starts_section = high & 0x40 != 0;
        let payload = packet.get(4 + adaptation_bytes..).unwrap_or_default();
        if has_payload && starts_section {
            self.section(pid, payload, now, findings);
        }
    }

    /// A clock in an adaptation field (§2.4.3.5).
    fn clock(
        &mut self,
        pid: u16,
        packet: &[u8],
        is_said: bool,
        now: Duration,
        findings: &mut Findings,
    ) {
        let &[_, _, _, _, _, flags, a, b, c, d, e, ..] = packet else {
            return;
        };
        if flags & 0x10 == 0 || self.clock.is_some_and(|(known, ..)| known != pid) {
            return;
        }
        // 33 bits, in which it wraps.
        let base = u64::from(u32::from_be_bytes([a, b, c, d])) << 1 | u64::from(e >> 7);
        if let Some((_, before, at)) = self.clock.replace((pid, base, now)) {
            let step = base.wrapping_sub(before) << CLOCK_UNUSED_BITS;
            let step = step as i64 >> CLOCK_UNUSED_BITS;
            // Where nothing came the clock went on all the same.
            let passed = now.saturating_sub(at).as_millis() as i64 * 90;
            if !(0..=CLOCK_STEP_MAX + passed).contains(&step) && !is_said {
                findings.clock_jumped = Some(step * 100_000 / 9);
            }
        }
    }

    /// A table's beginning, behind its pointer (§2.4.4).
    fn section(&mut self, pid: u16, payload: &[u8], now: Duration, findings: &mut Findings) {
        let is_pmt = self.pmt_pid == Some(pid);
        if pid != PAT_PID && !is_pmt {
            return;
        }
        let pointer = payload.first().map_or(0, |pointer| usize::from(*pointer));
        let Some(section) = payload.get(1 + pointer..) else {
            return;
        };
        match section {
            // table_id, length (2), transport_stream_id (2), version, section (2), then programs.
            [0x00, high, low, _, _, _, _, _, programs @ ..] if pid == PAT_PID => {
                self.seen_pat = Some(now);
                // Of the length five bytes stand before them and the checksum's four behind.
                let length = usize::from(u16::from_be_bytes([high & 0x0F, *low]));
                let programs = &programs[..length.saturating_sub(9).min(programs.len())];
                // A program's number and its table's PID. Program 0 is the network's table.
                let programs = programs.chunks_exact(4);
                let programs = programs.filter(|it| (it[0], it[1]) != (0, 0));
                let mut pids = programs.map(|it| u16::from_be_bytes([it[2] & 0x1F, it[3]]));
                if let Some(pmt_pid) = pids.next() {
                    self.number(pmt_pid);
                    pids.for_each(|pid| self.number(pid));
                    if self.pmt_pid.replace(pmt_pid) != Some(pmt_pid) {
                        self.seen_pmt = None;
                    }
                }
            }
            [0x02, _, _, _, _, version, ..] if is_pmt => {
                self.seen_pmt = Some(now);
                let version = version >> 1 & 0x1F;
                let before = self.pmt_version.replace(version);
                findings.tables_changed |= before.is_some_and(|before| before != version);
            }
            _ => {}
        }
    }

    /// From here on packets with this PID are numbered anew.
    fn number(&mut self, pid: u16) {
        let is_known = self.tables.iter().any(|(known, _)| *known == pid);
        if !is_known && self.tables.len() < TABLES_MAX {
            self.tables.push((pid, 0));
        }
    }

    /// Notes once that a table has stayed away while packets came.
    fn miss_tables(&mut self, now: Duration, findings: &mut Findings) {
        let pat = *self.seen_pat.get_or_insert(now);
        let pmt = *self.seen_pmt.get_or_insert(now);
        let missing = now.saturating_sub(pat.min(pmt));
        let is_lost = missing > TABLES_WITHIN;
        if is_lost && !self.lost_is_said {
            findings.tables_lost = Some(missing);
        }
        self.lost_is_said = is_lost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PMT_PID: u16 = 0x1000;
    const VIDEO_PID: u16 = 0x100;

    fn packet(pid: u16, counter: u8, payload: &[u8]) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let starts = if payload.is_empty() { 0 } else { 0x40 };
        let mut packet = vec![SYNC_BYTE, high | starts, low, 0x10 | counter & 0x0F];
        packet.extend(payload);
        packet.resize(PACKET_BYTES, 0xFF);
        packet
    }

    fn pat(counter: u8) -> Vec<u8> {
        let [high, low] = PMT_PID.to_be_bytes();
        let section = [0, 0x00, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0 | high, low];
        packet(PAT_PID, counter, &section)
    }

    fn pmt(counter: u8, version: u8) -> Vec<u8> {
        let section = [0, 0x02, 0xB0, 18, 0, 1, 0xC1 | version << 1, 0, 0];
        packet(PMT_PID, counter, &section)
    }

    fn video(counter: u8) -> Vec<u8> {
        packet(VIDEO_PID, counter, &[])
    }

    fn inspect(pieces: &[Vec<u8>]) -> Findings {
        take(&mut Inspector::default(), &pieces.concat(), Duration::ZERO)
    }

    fn take(inspector: &mut Inspector, bytes: &[u8], now: Duration) -> Findings {
        inspector.take(bytes, now, &mut Vec::new())
    }

    #[test]
    fn a_whole_stream_has_no_break_in_whatever_pieces_it_comes() {
        let mut stream = Vec::new();
        for counter in 0..100u8 {
            stream.extend([pat(counter), pmt(counter, 0), video(counter)].concat());
        }
        for piece in [1, 7, 188, 1316, stream.len()] {
            let mut inspector = Inspector::default();
            let mut passed = Vec::new();
            for bytes in stream.chunks(piece) {
                let findings = inspector.take(bytes, Duration::ZERO, &mut passed);
                assert_eq!(findings, Findings::default(), "in pieces of {piece}");
                assert_eq!(passed.len() % PACKET_BYTES, 0, "in pieces of {piece}");
            }
            assert_eq!(passed, stream, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_missing_packet_is_a_break_and_a_doubled_or_announced_one_is_none() {
        assert_eq!(inspect(&[video(0), video(2)]).breaks, 1);
        assert_eq!(
            inspect(&[video(15), video(0), video(0), video(1)]).breaks,
            0
        );
        let mut announced = video(9);
        (announced[3], announced[4], announced[5]) = (0x30 | 9, 1, 0x80);
        assert_eq!(inspect(&[video(0), announced]).breaks, 0);
        // Stuffing has no counter that means anything.
        let null = |counter| packet(NULL_PID, counter, &[]);
        assert_eq!(inspect(&[null(0), null(5)]).breaks, 0);
    }

    #[test]
    fn tables_are_passed_on_without_a_break_whatever_is_missing_and_media_as_it_came() {
        // Stuffing behind a table names no program.
        let stuffing = packet(0x1FFF, 7, &[]);
        let sent = [
            &pat(0),
            &pmt(0, 0),
            &video(0),
            &stuffing,
            &pat(5),
            &pmt(9, 0),
            &video(7),
        ];
        let sent = sent.map(Vec::as_slice).concat();
        let mut inspector = Inspector::default();
        let mut passed = Vec::new();
        let findings = inspector.take(&sent, Duration::ZERO, &mut passed);
        let numbered = [
            &pat(0),
            &pmt(0, 0),
            &video(0),
            &stuffing,
            &pat(1),
            &pmt(1, 0),
            &video(7),
        ];
        let numbered = numbered.map(Vec::as_slice).concat();
        assert_eq!((passed, findings.breaks), (numbered, 3));
    }

    #[test]
    fn more_programs_than_a_table_can_name_are_no_more_memory() {
        let mut inspector = Inspector::default();
        for pid in 0..2000u16 {
            let [high, low] = pid.to_be_bytes();
            let section = [0, 0x00, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0 | high, low];
            take(
                &mut inspector,
                &packet(PAT_PID, pid as u8, &section),
                Duration::ZERO,
            );
        }
        assert_eq!(inspector.tables.len(), TABLES_MAX);
    }

    #[test]
    fn rubbish_between_packets_is_passed_over() {
        let mut stream = video(0);
        stream.extend([SYNC_BYTE, 1, 2, 3]);
        stream.extend([video(1), video(2), video(4)].concat());
        let findings = inspect(&[stream]);
        assert!((1..=2).contains(&findings.breaks), "{findings:?}");
    }

    #[test]
    fn tables_that_stay_away_are_said_once_and_again_when_they_were_back() {
        let mut inspector = Inspector::default();
        let mut said = Vec::new();
        for second in 0..20u8 {
            let mut bytes = video(second);
            if second < 3 || (10..12).contains(&second) {
                bytes.extend([pat(second), pmt(second, 0)].concat());
            }
            let findings = take(&mut inspector, &bytes, Duration::from_secs(second.into()));
            if findings.tables_lost.is_some() {
                said.push(second);
            }
        }
        assert_eq!(said, [5, 14]);
    }

    fn clock(counter: u8, base: u64) -> Vec<u8> {
        let mut packet = video(counter);
        let [.., a, b, c, d] = ((base >> 1) as u32).to_be_bytes();
        packet[3] = 0x30 | counter & 0x0F;
        packet[4..11].copy_from_slice(&[7, 0x10, a, b, c, d, (base as u8) << 7]);
        packet
    }

    #[test]
    fn a_clock_that_wraps_goes_on_and_one_that_is_set_is_told() {
        let last = (1u64 << 33) - 4500;
        assert_eq!(
            inspect(&[clock(0, last), clock(1, 4500)]).clock_jumped,
            None
        );
        let back = inspect(&[clock(0, 9_000_000), clock(1, 900_000)]).clock_jumped;
        assert_eq!(back, Some(-90_000_000_000));
        let ahead = inspect(&[clock(0, 0), clock(1, 26 * 3600 * 90_000)]).clock_jumped;
        assert!(ahead.is_some());
        let mut said = clock(1, 900_000);
        said[5] |= 0x80;
        assert_eq!(inspect(&[clock(0, 9_000_000), said]).clock_jumped, None);
    }

    #[test]
    fn another_version_of_the_pmt_is_another_set_of_tracks() {
        let mut inspector = Inspector::default();
        let before = [pat(0), pmt(0, 3), pmt(1, 3)].concat();
        assert!(!take(&mut inspector, &before, Duration::ZERO).tables_changed);
        assert!(take(&mut inspector, &pmt(2, 4), Duration::ZERO).tables_changed);
    }
}
