//! MPEG-2 transport streams (ISO/IEC 13818-1; RFC 8216 §3.2): which elementary streams there are,
//! and the times of their access units. Video has one access unit a PES packet, which HLS asks for;
//! AAC in ADTS has many.

use super::bitstream::{self, Coding};
use super::{Kind, Media, Run, SAMPLES_MAX, Sample, Track, Unreadable, digest};

const PACKET: usize = 188;
const SYNC: u8 = 0x47;
const CLOCK: u32 = 90_000;

/// Timestamps have 33 bits (§2.4.3.7).
const WRAP: i64 = 1 << 33;

/// Most elementary streams of a program.
const STREAMS_MAX: usize = 16;

/// Whether bytes look like a transport stream.
pub(crate) fn is_ts(bytes: &[u8]) -> bool {
    bytes.first() == Some(&SYNC) && bytes.get(PACKET).is_none_or(|byte| *byte == SYNC)
}

/// Reads a segment.
pub(crate) fn parse(bytes: &[u8]) -> Result<Media, Unreadable> {
    let mut program = None;
    let mut streams: Vec<Stream> = Vec::new();
    for (index, packet) in bytes.chunks_exact(PACKET).enumerate() {
        if packet[0] != SYNC {
            return Err(Unreadable::Sync(index * PACKET));
        }
        let Some(packet) = Packet::parse(packet) else {
            continue;
        };
        if packet.pid == 0 && packet.starts {
            program = program.or_else(|| program_map_pid(packet.payload));
        } else if Some(packet.pid) == program && packet.starts && streams.is_empty() {
            streams = elementary_streams(packet.payload);
        } else if let Some(stream) = streams.iter_mut().find(|it| it.pid == packet.pid) {
            stream.push(&packet)?;
        }
    }
    if program.is_none() {
        return Err(Unreadable::NoTable("a program association table"));
    }
    if streams.is_empty() {
        return Err(Unreadable::NoTable("a program map table"));
    }
    let runs = streams.into_iter().map(Stream::finish);
    Ok(Media {
        runs: runs.collect::<Result<_, _>>()?,
    })
}

/// The difference that is meant between two times of a clock that wraps.
fn unwrapped(time: i64, near: i64) -> i64 {
    let difference = (time - near).rem_euclid(WRAP);
    match difference > WRAP / 2 {
        true => near + difference - WRAP,
        false => near + difference,
    }
}

struct Packet<'a> {
    pid: u16,
    starts: bool,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// §2.4.3.2; `None` where it has no payload.
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let control = (packet[3] >> 4) & 3;
        let skipped = match control {
            1 => 4,
            3 => 5 + usize::from(packet[4]),
            _ => return None,
        };
        Some(Self {
            pid,
            starts: packet[1] & 0x40 != 0,
            payload: packet.get(skipped..)?,
        })
    }
}

/// The section behind a pointer field, cut to its length and without its CRC.
fn section(payload: &[u8]) -> Option<&[u8]> {
    let start = 1 + usize::from(*payload.first()?);
    let section = payload.get(start..)?;
    let len = usize::from(u16::from_be_bytes([
        section.get(1)? & 0x0f,
        *section.get(2)?,
    ]));
    section.get(..(3 + len).checked_sub(4)?)
}

/// §2.4.4.3: the first program.
fn program_map_pid(payload: &[u8]) -> Option<u16> {
    let entries = section(payload)?.get(8..)?;
    let program = entries.chunks_exact(4).find(|entry| entry[..2] != [0, 0])?;
    Some(u16::from_be_bytes([program[2] & 0x1f, program[3]]))
}

/// §2.4.4.8.
fn elementary_streams(payload: &[u8]) -> Vec<Stream> {
    let mut streams = Vec::new();
    let Some(section) = section(payload).filter(|section| section.len() >= 12) else {
        return streams;
    };
    let info = usize::from(u16::from_be_bytes([section[10] & 0x0f, section[11]]));
    let mut rest = section.get(12 + info..).unwrap_or_default();
    while let [kind, high, low, info_high, info_low, after @ ..] = rest {
        let pid = u16::from_be_bytes([high & 0x1f, *low]);
        if streams.len() < STREAMS_MAX {
            streams.push(Stream::new(pid, *kind));
        }
        let info = usize::from(u16::from_be_bytes([info_high & 0x0f, *info_low]));
        rest = after.get(info..).unwrap_or_default();
    }
    streams
}

struct Stream {
    pid: u16,
    kind: u8,
    pes: Vec<u8>,
    samples: Vec<Sample>,
    codec: String,
    size: Option<(u32, u32)>,
    shown: Option<(u32, u32)>,
}

impl Stream {
    fn new(pid: u16, kind: u8) -> Self {
        Self {
            pid,
            kind,
            pes: Vec::new(),
            samples: Vec::new(),
            codec: String::new(),
            size: None,
            shown: None,
        }
    }

    /// Table 2-34.
    fn track_kind(&self) -> Kind {
        match self.kind {
            0x01 | 0x02 | 0x1b | 0x24 => Kind::Video,
            0x03 | 0x04 | 0x0f | 0x11 | 0x81 | 0x87 => Kind::Audio,
            _ => Kind::Other,
        }
    }

    fn push(&mut self, packet: &Packet<'_>) -> Result<(), Unreadable> {
        if packet.starts {
            self.flush()?;
        }
        // What comes before the first start belongs to a packet of the segment before.
        if packet.starts || !self.pes.is_empty() {
            self.pes.extend_from_slice(packet.payload);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Unreadable> {
        let pes = std::mem::take(&mut self.pes);
        if self.track_kind() == Kind::Other {
            return Ok(());
        }
        let Some((pts, dts, data)) = timed(&pes) else {
            return Ok(());
        };
        if self.samples.len() >= SAMPLES_MAX {
            return Err(Unreadable::TooMany);
        }
        let near = self.samples.last().map_or(dts, |last| last.dts);
        let dts = unwrapped(dts, near);
        let pts = unwrapped(pts, dts);
        match self.kind {
            0x0f => self.push_adts(pts, data),
            _ => {
                let independent = self.look_at_picture(data);
                self.samples.push(Sample {
                    dts,
                    pts,
                    duration: 0,
                    independent,
                    digest: digest(data),
                });
                Ok(())
            }
        }
    }

    fn look_at_picture(&mut self, data: &[u8]) -> bool {
        let coding = match self.kind {
            0x1b => Coding::H264,
            0x24 => Coding::H265,
            _ => Coding::Other,
        };
        if coding == Coding::H264 && self.codec.is_empty() {
            let found = bitstream::start_coded(data).find_map(bitstream::parameters);
            if let Some(parameters) = found {
                self.codec = parameters.codec;
                self.size = parameters.size;
                self.shown = parameters.shown;
            }
        }
        bitstream::is_random_access(coding, bitstream::start_coded(data)).unwrap_or(true)
    }

    /// ISO/IEC 13818-7 §6.2: frames of 1024 samples, of which the packet's time is the first's.
    fn push_adts(&mut self, pts: i64, data: &[u8]) -> Result<(), Unreadable> {
        const RATES: [u32; 13] = [
            96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
            8_000, 7_350,
        ];
        let mut rest = data;
        let mut index = 0;
        while let [0xff, second, third, fourth, fifth, sixth, _, ..] = rest {
            let rate = RATES.get(usize::from((third >> 2) & 0xf)).copied();
            let (Some(rate), 0xf0) = (rate, second & 0xf6) else {
                break;
            };
            let len = (usize::from(fourth & 3) << 11)
                | (usize::from(*fifth) << 3)
                | usize::from(sixth >> 5);
            let Some(frame) = rest.get(..len).filter(|frame| frame.len() >= 7) else {
                break;
            };
            if self.samples.len() >= SAMPLES_MAX {
                return Err(Unreadable::TooMany);
            }
            self.codec = format!("mp4a.40.{}", (third >> 6) + 1);
            let duration = i64::from(1024 * CLOCK / rate);
            let time = pts + index * 1024 * i64::from(CLOCK) / i64::from(rate);
            self.samples.push(Sample {
                dts: time,
                pts: time,
                duration,
                independent: true,
                digest: digest(frame),
            });
            index += 1;
            rest = &rest[len..];
        }
        Ok(())
    }

    /// Gives each sample of the picture the time until the next; the last one the usual.
    fn finish(mut self) -> Result<Run, Unreadable> {
        self.flush()?;
        if self.kind != 0x0f {
            let times: Vec<i64> = self.samples.iter().map(|sample| sample.dts).collect();
            let mut usual: Vec<i64> = times.windows(2).map(|two| two[1] - two[0]).collect();
            for (sample, duration) in self.samples.iter_mut().zip(&usual) {
                sample.duration = *duration;
            }
            usual.sort_unstable();
            if let (Some(last), Some(median)) =
                (self.samples.last_mut(), usual.get(usual.len() / 2))
            {
                last.duration = *median;
            }
        }
        let kind = self.track_kind();
        Ok(Run {
            track: Track {
                id: u32::from(self.pid),
                kind,
                timescale: CLOCK,
                codec: self.codec,
                size: self.size,
                shown: self.shown,
            },
            samples: self.samples,
        })
    }
}

/// §2.4.3.6: presentation time, decoding time, payload.
fn timed(pes: &[u8]) -> Option<(i64, i64, &[u8])> {
    if pes.get(..3)? != [0, 0, 1] {
        return None;
    }
    let flags = pes.get(7)? >> 6;
    let header = usize::from(*pes.get(8)?);
    let data = pes.get(9 + header..)?;
    if flags & 2 == 0 {
        return None;
    }
    let pts = timestamp(pes.get(9..14)?);
    let dts = match flags {
        3 => timestamp(pes.get(14..19)?),
        _ => pts,
    };
    Some((pts, dts, data))
}

fn timestamp(bytes: &[u8]) -> i64 {
    let at = |index: usize| i64::from(bytes[index]);
    (at(0) >> 1 & 7) << 30 | at(1) << 22 | (at(2) >> 1) << 15 | at(3) << 7 | at(4) >> 1
}

#[cfg(test)]
mod tests {
    use super::{WRAP, timed, unwrapped};

    #[test]
    fn a_clock_that_begins_anew_goes_on() {
        assert_eq!(unwrapped(3000, WRAP - 600), WRAP + 3000);
        assert_eq!(unwrapped(WRAP - 600, 3000), -600);
        assert_eq!(unwrapped(5000, 3000), 5000);
    }

    #[test]
    fn both_times_are_read_from_a_header() {
        // §2.4.3.7: 33 bits in five bytes with marker bits between: 6000 and 3000.
        let header = [
            0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 10, 0x31, 0x00, 0x01, 0x2e, 0xe1, 0x11, 0x00, 0x01,
            0x17, 0x71, 0xab,
        ];
        assert_eq!(timed(&header), Some((6000, 3000, &[0xab][..])));
        assert_eq!(timed(&header[..12]), None);
    }
}
