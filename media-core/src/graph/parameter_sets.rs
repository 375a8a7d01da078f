//! Parameter sets in band: what lets a rendition's samples change their encoder.
//!
//! Players have the decoder configuration that was announced first, in the initialization segment.
//! A sync sample of another configuration brings that one's SPS and PPS along, before its slices
//! (ISO/IEC 14496-10 §7.4.1.2.1 lets an IDR picture activate new ones).

use bytes::{BufMut, Bytes, BytesMut};

/// A rendition's configuration as players have it, and what its samples carry where theirs is
/// another one.
pub(super) struct Announced {
    record: Bytes,
    /// Of the latest other configuration: its record and its sets.
    other: Option<(Bytes, Bytes)>,
}

/// A record that is none, or whose samples write their lengths in another way than the announced
/// one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// It ends too early, or names a length of three bytes.
    #[error("not an AVCDecoderConfigurationRecord")]
    Malformed,
    /// The samples cannot stand in one track.
    #[error("NAL units have lengths of {found} bytes, and {announced} were announced")]
    LengthSize {
        /// Bytes of a length by the record.
        found: u8,
        /// Bytes of a length as announced.
        announced: u8,
    },
}

impl Announced {
    /// `record` was announced: an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1).
    pub(super) const fn new(record: Bytes) -> Self {
        Self {
            record,
            other: None,
        }
    }

    /// A sync sample's data, of which `record` is the configuration: as it is where that is what was
    /// announced or where it begins with its parameter sets, as x264enc has it; else behind them.
    /// Length-prefixed NAL units, as they come in.
    ///
    /// # Errors
    /// See [`Error`].
    pub(super) fn sync_sample(&mut self, record: &Bytes, data: Bytes) -> Result<Bytes, Error> {
        if *record == self.record {
            return Ok(data);
        }
        let known = self.other.take().filter(|(known, _)| known == record);
        let (record, sets) = match known {
            Some(known) => known,
            None => {
                let announced = length_size(&self.record)?;
                let found = length_size(record)?;
                if found != announced {
                    return Err(Error::LengthSize { found, announced });
                }
                (record.clone(), length_prefixed(record)?)
            }
        };
        if begins_with_sps(&self.record, &data) {
            self.other = Some((record, sets));
            return Ok(data);
        }
        let mut carried = BytesMut::with_capacity(sets.len() + data.len());
        carried.put_slice(&sets);
        carried.put_slice(&data);
        self.other = Some((record, sets));
        Ok(carried.freeze())
    }
}

/// The SPS and then the PPS of an `AVCDecoderConfigurationRecord` as a sample of it has them: each
/// behind its length, in as many bytes as the record says.
///
/// # Errors
/// The record is malformed.
pub(super) fn length_prefixed(record: &[u8]) -> Result<Bytes, Error> {
    let size = usize::from(length_size(record)?);
    let mut rest = record.get(5..).ok_or(Error::Malformed)?;
    let mut sets = BytesMut::with_capacity(record.len());
    for count_mask in [0x1f, 0xff] {
        let (count, mut units) = rest.split_first().ok_or(Error::Malformed)?;
        for _ in 0..count & count_mask {
            let (length, behind) = units.split_first_chunk().ok_or(Error::Malformed)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (unit, behind) = behind.split_at_checked(length).ok_or(Error::Malformed)?;
            // One byte holds less than a record can say.
            if size == 1 && length > usize::from(u8::MAX) {
                return Err(Error::Malformed);
            }
            sets.put_uint(length as u64, size);
            sets.put_slice(unit);
            units = behind;
        }
        rest = units;
    }
    Ok(sets.freeze())
}

/// Whether the first NAL unit but for an access unit delimiter is an SPS.
fn begins_with_sps(record: &[u8], data: &[u8]) -> bool {
    const DELIMITER: u8 = 9;
    const SPS: u8 = 7;
    let Ok(size) = length_size(record) else {
        return false;
    };
    let mut rest = data;
    while let Some((length, behind)) = rest.split_at_checked(size.into()) {
        let length = length
            .iter()
            .fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        match behind.first().map(|header| header & 0x1f) {
            Some(SPS) => return true,
            Some(DELIMITER) => rest = behind.get(length..).unwrap_or_default(),
            _ => return false,
        }
    }
    false
}

/// Bytes of the length before each NAL unit of a sample.
fn length_size(record: &[u8]) -> Result<u8, Error> {
    match record.get(4).map(|flags| 1 + (flags & 0x3)) {
        Some(size @ (1 | 2 | 4)) => Ok(size),
        _ => Err(Error::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One SPS of three bytes, two PPS, lengths of `size` bytes, and the extension of High profile.
    fn record(size: u8, sps: &[u8; 3]) -> Bytes {
        let mut record = vec![1, 100, 0, 31, 0xfc | (size - 1), 0xe1, 0, 3];
        record.extend_from_slice(sps);
        record.extend_from_slice(&[2, 0, 2, 0x68, 1, 0, 1, 0x68, 0xfd, 0xf8, 0xf8, 0]);
        Bytes::from(record)
    }

    #[test]
    fn sets_are_written_with_the_lengths_of_the_record() {
        let sps = b"\x67ab";
        let of = |size| length_prefixed(&record(size, sps)).map(|sets| sets.to_vec());
        let four = b"\0\0\0\x03\x67ab\0\0\0\x02\x68\x01\0\0\0\x01\x68";
        assert_eq!(of(4), Ok(four.to_vec()));
        assert_eq!(of(2), Ok(b"\0\x03\x67ab\0\x02\x68\x01\0\x01\x68".to_vec()));
        assert_eq!(of(1), Ok(b"\x03\x67ab\x02\x68\x01\x01\x68".to_vec()));
        assert_eq!(of(3), Err(Error::Malformed));
    }

    #[test]
    fn a_record_that_is_cut_off_is_an_error_and_no_panic() {
        let whole = record(4, b"\x67ab");
        // Behind the PPS may stand an extension, or nothing.
        for length in 0..whole.len() - 4 {
            assert_eq!(length_prefixed(&whole[..length]), Err(Error::Malformed));
        }
        assert!(length_prefixed(&whole[..whole.len() - 4]).is_ok());
    }

    #[test]
    fn only_samples_of_another_configuration_carry_it() {
        let (first, second) = (record(4, b"\x67ab"), record(4, b"\x67cd"));
        let mut announced = Announced::new(first.clone());
        let data = Bytes::from_static(b"\0\0\0\x02\x65x");
        let carried = [length_prefixed(&second).expect("valid"), data.clone()].concat();
        for _ in 0..2 {
            assert_eq!(
                announced.sync_sample(&first, data.clone()),
                Ok(data.clone())
            );
            let sample = announced.sync_sample(&second, data.clone());
            assert_eq!(sample.as_deref(), Ok(carried.as_slice()));
        }
    }

    #[test]
    fn samples_that_have_their_sets_get_no_second_ones() {
        let second = record(4, b"\x67cd");
        let mut announced = Announced::new(record(4, b"\x67ab"));
        let sets = length_prefixed(&second).expect("valid");
        for before in [&b""[..], &b"\0\0\0\x02\x09\xf0"[..]] {
            let data = Bytes::from([before, &sets, b"\0\0\0\x02\x65x"].concat());
            assert_eq!(announced.sync_sample(&second, data.clone()), Ok(data));
        }
    }

    #[test]
    fn samples_with_other_lengths_do_not_enter_the_track() {
        let mut announced = Announced::new(record(4, b"\x67ab"));
        let sample =
            announced.sync_sample(&record(2, b"\x67cd"), Bytes::from_static(b"\0\x01\x65"));
        let (found, announced) = (2, 4);
        assert_eq!(sample, Err(Error::LengthSize { found, announced }));
    }
}
