//! Records with a checksum, one behind the other: what an asset's manifest and indexes are made of.
//!
//! A file begins with [`Kind`] (four letters) and the format's version (u32); a record is its
//! payload's length (u32), a CRC-32 (u32, the polynomial of ISO 3309) over that length and the
//! payload, and the payload. Integers of fixed size are big-endian, as in the boxes beside them;
//! all others are varints: seven bits a byte, the lowest first, the top bit set on all but the last.

use std::io::{self, ErrorKind, Read};

/// Bytes before a file's first record.
pub(super) const HEADER_BYTES: u64 = 8;

/// Bytes before a record's payload.
const FRAME_BYTES: usize = 8;

/// The longest payload: an hour of samples in one segment is below it. It bounds what a damaged
/// length can make a reader allocate.
const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// The format's version.
const VERSION: u32 = 1;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The renditions and their initialization segments.
    Manifest,
    /// Where a rendition's segments lie.
    Index,
}

impl Kind {
    const fn letters(self) -> [u8; 4] {
        match self {
            Self::Manifest => *b"mram",
            Self::Index => *b"mrix",
        }
    }

    /// What a file of this kind begins with.
    pub(super) fn header(self) -> [u8; HEADER_BYTES as usize] {
        let mut header = [0; HEADER_BYTES as usize];
        header[..4].copy_from_slice(&self.letters());
        header[4..].copy_from_slice(&VERSION.to_be_bytes());
        header
    }
}

/// A record of `payload`.
pub(super) fn frame(payload: &[u8]) -> Vec<u8> {
    // A segment whose samples need more than PAYLOAD_BYTES_MAX is refused before it comes here.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(FRAME_BYTES + payload.len());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&checksum(length, payload).to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// Whether a payload of this length can be read again.
pub(super) const fn fits(payload_bytes: usize) -> bool {
    payload_bytes > 0 && payload_bytes <= PAYLOAD_BYTES_MAX
}

fn checksum(length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_be_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Why a file's records cannot be read at all.
#[derive(Debug)]
pub(super) enum HeaderError {
    /// It does not begin as a file of its kind does.
    Damaged,
    /// It has another version of the format.
    Version(u32),
    /// The disk does not give it.
    Io(io::Error),
}

/// A file's whole records, up to the first one that is not.
#[derive(Debug)]
pub(super) struct Records<R> {
    from: R,
    payload: Vec<u8>,
    end: u64,
    torn: bool,
}

impl<R: Read> Records<R> {
    /// Reads the header.
    pub(super) fn open(mut from: R, kind: Kind) -> Result<Self, HeaderError> {
        let mut header = [0; HEADER_BYTES as usize];
        if !fill(&mut from, &mut header).map_err(HeaderError::Io)? {
            return Err(HeaderError::Damaged);
        }
        let [a, b, c, d, version @ ..] = header;
        let version = u32::from_be_bytes(version);
        if [a, b, c, d] != kind.letters() || version == 0 {
            return Err(HeaderError::Damaged);
        }
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        Ok(Self {
            from,
            payload: Vec::new(),
            end: HEADER_BYTES,
            torn: false,
        })
    }

    /// The next record's payload and where the record ends in the file; `None` where the file ends
    /// or goes on with something that is no whole record.
    pub(super) fn next(&mut self) -> io::Result<Option<(&[u8], u64)>> {
        if self.torn {
            return Ok(None);
        }
        let mut head = [0; FRAME_BYTES];
        let begun = read_up_to(&mut self.from, &mut head)?;
        if begun == 0 {
            return Ok(None);
        }
        self.torn = true;
        let [a, b, c, d, checksum_bytes @ ..] = head;
        let length = u32::from_be_bytes([a, b, c, d]);
        let payload_bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if begun < FRAME_BYTES || !fits(payload_bytes) {
            return Ok(None);
        }
        self.payload.resize(payload_bytes, 0);
        let whole = fill(&mut self.from, &mut self.payload)?
            && checksum(length, &self.payload) == u32::from_be_bytes(checksum_bytes);
        if !whole {
            return Ok(None);
        }
        self.torn = false;
        self.end += (FRAME_BYTES + payload_bytes) as u64;
        Ok(Some((&self.payload, self.end)))
    }

    /// Whether something that is no whole record was met.
    pub(super) const fn is_torn(&self) -> bool {
        self.torn
    }
}

/// Whether `buffer` could be filled before the end.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    Ok(read_up_to(from, buffer)? == buffer.len())
}

fn read_up_to(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Appends a varint.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length and the bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A payload's fields, read from its beginning on. `None` is a payload that no writer made.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// A varint.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A varint of at most 32 bits.
    pub(super) fn varint_u32(&mut self) -> Option<u32> {
        u32::try_from(self.varint()?).ok()
    }

    /// How many of something follow, each of at least a byte: never more than there are bytes.
    pub(super) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.varint()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    /// A length and the bytes.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A length and UTF-8.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.bytes()?).ok()
    }

    /// Whether nothing is left over.
    pub(super) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
        let mut records = Records::open(bytes, Kind::Index).expect("a header");
        let mut found = Vec::new();
        while let Some((payload, _)) = records.next().expect("memory") {
            found.push(payload.to_vec());
        }
        (found, records.is_torn())
    }

    fn file() -> Vec<u8> {
        let mut file = Kind::Index.header().to_vec();
        file.extend(frame(b"first"));
        file.extend(frame(b"second"));
        file
    }

    #[test]
    fn records_come_back_up_to_the_one_that_is_torn() {
        let file = file();
        assert_eq!(
            payloads(&file),
            (vec![b"first".to_vec(), b"second".to_vec()], false)
        );
        let first_end = 8 + 8 + 5;
        for end in 8..file.len() {
            let (found, torn) = payloads(&file[..end]);
            assert_eq!(found.len(), usize::from(end >= first_end), "{end}");
            assert_eq!(torn, end != 8 && end != first_end, "{end}");
        }
        for zeros in 1..40 {
            let (found, torn) = payloads(&[&file[..], &vec![0; zeros]].concat());
            assert_eq!((found.len(), torn), (2, true));
        }
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let file = file();
        for bit in 8 * 21..8 * file.len() {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(payloads(&damaged), (vec![b"first".to_vec()], true));
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let mut file = file();
        file[7] = 2;
        assert!(matches!(
            Records::open(&file[..], Kind::Index),
            Err(HeaderError::Version(2))
        ));
        for bytes in [&file[..7], b"mram\0\0\0\x01", &[0; 8]] {
            assert!(matches!(
                Records::open(bytes, Kind::Index),
                Err(HeaderError::Damaged)
            ));
        }
    }

    #[test]
    fn varints_come_back_and_never_overflow() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut fields = Fields(&out);
            assert_eq!(fields.varint(), Some(value));
            assert!(fields.is_at_end());
            assert_eq!(Fields(&out[..out.len() - 1]).varint(), None);
        }
        assert_eq!(Fields(&[0xff; 10]).varint(), None);
        assert_eq!(Fields(&[0x80; 11]).varint(), None);
        assert_eq!(Fields(&[5, 1, 2]).bytes(), None);
    }
}
