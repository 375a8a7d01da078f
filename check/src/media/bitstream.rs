//! What is read of coded pictures: where decoding can begin, and what an H.264 sequence parameter
//! set says (Rec. ITU-T H.264 §7.3, H.265 §7.3).

use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::rbsp::{BitReader, decode_nal};

/// A sequence parameter set is longer than this only where it is none.
const PARAMETER_SET_MAX: usize = 1024;

/// How a picture's NAL units are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    H264,
    H265,
    /// Another, of which the container has to say where decoding can begin.
    Other,
}

/// What a sequence parameter set says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameters {
    /// `avc1.PPCCLL`.
    pub(crate) codec: String,
    /// The picture's size, cropped.
    pub(crate) size: Option<(u32, u32)>,
    /// Its size with square pixels.
    pub(crate) shown: Option<(u32, u32)>,
}

/// Whether the picture that these NAL units make is an IDR, or, in H.265, another random access
/// point; `None` where none of them is a picture's slice.
pub(crate) fn is_random_access<'a>(
    coding: Coding,
    mut units: impl Iterator<Item = &'a [u8]>,
) -> Option<bool> {
    units.find_map(|unit| {
        let header = *unit.first()?;
        match coding {
            // Table 7-1: 1 to 5 are slices, 5 of an IDR picture.
            Coding::H264 => (1..=5)
                .contains(&(header & 0x1f))
                .then_some(header & 0x1f == 5),
            // Table 7-1: below 32 are slices, 16 to 21 of a random access point.
            Coding::H265 => {
                let kind = (header >> 1) & 0x3f;
                (kind < 32).then_some((16..=21).contains(&kind))
            }
            Coding::Other => None,
        }
    })
}

/// Reads an H.264 sequence parameter set with its NAL header.
pub(crate) fn parameters(unit: &[u8]) -> Option<Parameters> {
    if unit.len() < 4 || unit.len() > PARAMETER_SET_MAX || unit[0] & 0x1f != 7 {
        return None;
    }
    let codec = format!("avc1.{:02x}{:02x}{:02x}", unit[1], unit[2], unit[3]);
    let payload = decode_nal(unit).ok();
    let set = payload.and_then(|payload| {
        let bits = BitReader::new(&payload[..]);
        SeqParameterSet::from_bits(bits).ok()
    });
    let size = set.as_ref().and_then(|set| set.pixel_dimensions().ok());
    let shown = size.zip(set.as_ref().and_then(aspect)).map(stretched);
    Some(Parameters { codec, size, shown })
}

/// The shape of a pixel (H.264 §E.2.1), where it is told.
fn aspect(set: &SeqParameterSet) -> Option<(u16, u16)> {
    let usability = set.vui_parameters.as_ref()?;
    let aspect = usability.aspect_ratio_info.as_ref()?.get();
    aspect.filter(|(width, height)| *width > 0 && *height > 0)
}

/// The height stays and the width is what square pixels make of it.
fn stretched(((width, height), (x, y)): ((u32, u32), (u16, u16))) -> (u32, u32) {
    let width = f64::from(width) * f64::from(x) / f64::from(y);
    (width.round() as u32, height)
}

/// NAL units behind length fields of `len_bytes` (ISO/IEC 14496-15 §5.3.2).
pub(crate) fn length_prefixed(sample: &[u8], len_bytes: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = sample;
    std::iter::from_fn(move || {
        let (len, after) = rest.split_at_checked(len_bytes.max(1))?;
        let len = len
            .iter()
            .fold(0usize, |len, byte| (len << 8) | usize::from(*byte));
        let (unit, after) = after.split_at_checked(len)?;
        rest = after;
        Some(unit)
    })
}

/// NAL units behind start codes (H.264 annex B).
pub(crate) fn start_coded(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        let unit = rest?;
        let end = unit.windows(3).position(|three| three == [0, 0, 1]);
        rest = end.map(|end| &unit[end + 3..]);
        Some(&unit[..end.unwrap_or(unit.len())])
    })
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    let at = stream.windows(3).position(|three| three == [0, 0, 1])?;
    Some(&stream[at + 3..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x264's set for 320×180, High profile, level 1.2: twelve rows of macroblocks, cropped.
    const SET: &[u8] = &[
        0x67, 0x64, 0x00, 0x0c, 0xac, 0xd9, 0x41, 0x41, 0x9f, 0x9e, 0x10, 0x00, 0x00, 0x03, 0x00,
        0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42, 0x99, 0x60,
    ];

    #[test]
    fn a_parameter_set_says_codec_and_cropped_size() {
        let parameters = parameters(SET).unwrap();
        assert_eq!(parameters.codec, "avc1.64000c");
        assert_eq!(parameters.size, Some((320, 180)));
    }

    /// The same picture with pixels of 4:3.
    const WIDE: &[u8] = &[
        0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0x9f, 0x9f, 0x0e, 0x10, 0x00, 0x00, 0x03, 0x00,
        0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42, 0xa4, 0x80,
    ];

    #[test]
    fn pixels_that_are_not_square_make_another_size_to_show() {
        let parameters = parameters(WIDE).unwrap();
        assert_eq!(parameters.size, Some((320, 180)));
        assert_eq!(parameters.shown, Some((427, 180)));
    }

    #[test]
    fn the_first_slice_decides_where_decoding_can_begin() {
        let units = |kinds: &[u8]| kinds.iter().map(|kind| vec![*kind, 0]).collect::<Vec<_>>();
        let of = |coding, kinds: &[u8]| {
            let units = units(kinds);
            is_random_access(coding, units.iter().map(Vec::as_slice))
        };
        assert_eq!(of(Coding::H264, &[0x09, 0x67, 0x68, 0x65]), Some(true));
        assert_eq!(of(Coding::H264, &[0x06, 0x41]), Some(false));
        assert_eq!(of(Coding::H264, &[0x67]), None);
        assert_eq!(of(Coding::H265, &[0x40, 0x26]), Some(true));
        assert_eq!(of(Coding::H265, &[0x02]), Some(false));
    }

    #[test]
    fn units_are_found_behind_lengths_and_start_codes() {
        let lengths = [0, 0, 0, 1, 9, 0, 0, 0, 2, 5, 6, 0, 0, 0, 9, 1];
        let found: Vec<_> = length_prefixed(&lengths, 4).collect();
        assert_eq!(found, [&[9][..], &[5, 6]]);
        let codes = [0, 0, 0, 1, 9, 0, 0, 1, 5, 6];
        let found: Vec<_> = start_coded(&codes).collect();
        assert_eq!(found, [&[9][..], &[5, 6]]);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        use rand::rngs::StdRng;
        use rand::{Rng, SeedableRng};
        let mut random = StdRng::seed_from_u64(2);
        for _ in 0..20_000 {
            let mut unit = SET.to_vec();
            for _ in 0..random.random_range(0..6) {
                let at = random.random_range(1..unit.len());
                unit[at] = random.random();
            }
            unit.truncate(random.random_range(0..=unit.len()));
            parameters(&unit);
            length_prefixed(&unit, usize::from(unit.len() as u8 % 5)).count();
            start_coded(&unit).count();
        }
    }
}
