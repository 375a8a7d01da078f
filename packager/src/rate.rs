//! The bit rates of a rendition, measured on its complete segments
//! (draft-pantos-hls-rfc8216bis §4.1, "Peak Segment Bit Rate" and "Average Segment Bit Rate").

use std::time::Duration;

/// Adds complete segments up. Shorter than half a target duration they count for the average
/// only: the definition of the peak leaves them out, and a broadcast's stump would exaggerate it.
#[derive(Debug)]
pub(crate) struct Meter {
    peak_floor: Duration,
    peak_bps: u64,
    iframe_peak_bps: u64,
    total_bytes: u64,
    total: Duration,
}

impl Meter {
    pub(crate) fn new(target_duration: Duration) -> Self {
        Self {
            peak_floor: target_duration / 2,
            peak_bps: 0,
            iframe_peak_bps: 0,
            total_bytes: 0,
            total: Duration::ZERO,
        }
    }

    /// Counts a segment of so many bytes, of which the first frame of video takes so many.
    pub(crate) fn add(&mut self, len_bytes: u64, duration: Duration, keyframe_bytes: u64) {
        self.total_bytes = self.total_bytes.saturating_add(len_bytes);
        self.total = self.total.saturating_add(duration);
        if duration >= self.peak_floor {
            self.peak_bps = self.peak_bps.max(bits_per_second(len_bytes, duration));
            let iframe_bps = bits_per_second(keyframe_bytes, duration);
            self.iframe_peak_bps = self.iframe_peak_bps.max(iframe_bps);
        }
    }

    /// The largest rate of any one segment, in bits a second; 0 before there is one.
    pub(crate) fn peak_bps(&self) -> u64 {
        self.peak_bps
    }

    /// The largest rate of any one segment's first frame, which an I-frame playlist shows for as
    /// long as the segment; 0 before there is one, and of audio.
    pub(crate) fn iframe_peak_bps(&self) -> u64 {
        self.iframe_peak_bps
    }

    /// The rate over all segments so far, in bits a second; 0 before there is one.
    pub(crate) fn average_bps(&self) -> u64 {
        bits_per_second(self.total_bytes, self.total)
    }
}

fn bits_per_second(len_bytes: u64, duration: Duration) -> u64 {
    let bits_e9 = u128::from(len_bytes) * 8 * 1_000_000_000;
    let rate = bits_e9.checked_div(duration.as_nanos()).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX)
}
