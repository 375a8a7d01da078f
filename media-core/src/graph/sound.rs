//! Blocks of decoded sound, made to fit their place.

use gstreamer as gst;

use super::ladder::{CHANNELS, SAMPLE_BYTES};

/// `sound` (`F32LE`, interleaved) without its first `skip` samples and, of what is left, evenly
/// longer by `stretch` samples, or shorter where that is negative. `None` where nothing is left.
pub(super) fn fitted(sound: gst::Buffer, skip: u64, stretch: i64) -> Option<gst::Buffer> {
    let from = usize::try_from(skip).ok()?.checked_mul(SAMPLE_BYTES)?;
    let kept = match from {
        0 => sound,
        _ => sound
            .copy_region(gst::BufferCopyFlags::MEMORY, from..)
            .ok()?,
    };
    if stretch == 0 {
        return Some(kept);
    }
    let bytes = kept.map_readable().ok()?;
    let stretched = stretched(&bytes, stretch)?;
    Some(gst::Buffer::from_slice(stretched))
}

/// Each new sample is taken between the two old ones that it lies between. By a few samples in a
/// thousand that is inaudible, and silence or a cut of the same length is a click.
fn stretched(bytes: &[u8], by: i64) -> Option<Vec<u8>> {
    let samples = bytes.len() / SAMPLE_BYTES;
    let length = samples.checked_add_signed(isize::try_from(by).ok()?)?;
    if samples == 0 || length == 0 {
        return None;
    }
    let value = |sample: usize, channel: usize| {
        let at = sample.min(samples - 1) * SAMPLE_BYTES + channel * size_of::<f32>();
        let four = bytes.get(at..at + size_of::<f32>());
        four.and_then(|four| four.try_into().ok())
            .map_or(0.0, f32::from_le_bytes)
    };
    let mut stretched = Vec::with_capacity(length * SAMPLE_BYTES);
    for index in 0..length {
        let place = index as f64 * samples as f64 / length as f64;
        let before = place as usize;
        let share = (place - before as f64) as f32;
        for channel in 0..CHANNELS as usize {
            let (left, right) = (value(before, channel), value(before + 1, channel));
            stretched.extend((left + (right - left) * share).to_le_bytes());
        }
    }
    Some(stretched)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone of 480 Hz at 48 kHz.
    fn tone(samples: usize) -> Vec<f32> {
        let radians = std::f32::consts::TAU / 100.0;
        (0..samples)
            .map(|sample| (sample as f32 * radians).sin())
            .collect()
    }

    fn buffer(mono: &[f32]) -> gst::Buffer {
        gst::init().expect("GStreamer");
        let stereo = mono.iter().flat_map(|value| [*value, -value]);
        gst::Buffer::from_slice(stereo.flat_map(f32::to_le_bytes).collect::<Vec<_>>())
    }

    fn left(buffer: &gst::Buffer) -> Vec<f32> {
        let bytes = buffer.map_readable().expect("memory");
        let samples = bytes.chunks_exact(SAMPLE_BYTES);
        samples
            .map(|it| f32::from_le_bytes([it[0], it[1], it[2], it[3]]))
            .collect()
    }

    #[test]
    fn sound_that_is_stretched_keeps_its_shape_and_has_no_click() {
        for by in [-5, -1, 1, 5] {
            let fitted = fitted(buffer(&tone(1024)), 0, by).expect("sound");
            let samples = left(&fitted);
            assert_eq!(samples.len() as i64, 1024 + by);
            let step = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs());
            let steepest = step.fold(0.0, f32::max);
            assert!(steepest < 0.064, "{steepest} at {by}: a sine's is 0.0628");
            let last = samples.last().expect("some");
            assert!((last - tone(1024)[1023]).abs() < 0.07, "{last}");
        }
    }

    #[test]
    fn what_is_skipped_is_cut_off_the_front() {
        let fitted_one = fitted(buffer(&tone(1024)), 1000, 0).expect("sound");
        assert_eq!(left(&fitted_one), tone(1024)[1000..]);
        assert!(fitted(buffer(&tone(4)), 4, -1).is_none());
    }
}
