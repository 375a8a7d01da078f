//! The frame rate of a file, from the timestamps of its first coded pictures and from what it says
//! itself.

use crate::time::{FrameRate, MediaTime};

/// Rates that variable sources are rounded to.
const STANDARD_RATES: [(u32, u32); 8] = [
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
];

/// The highest rate that is kept; a faster source loses pictures.
const RATE_MAX: f64 = 60.5;

/// The lowest rate of a grid: a segment must not be a single picture. A slower source repeats
/// pictures.
const RATE_MIN: f64 = 5.0;

/// How far a step between pictures may lie from the usual one in a constant rate: two roundings to
/// a millisecond.
const STEADY_NANOS: i64 = 2_100_000;

/// The rate of a source without timestamps to judge by.
const UNKNOWN: (u32, u32) = (30, 1);

/// The grid for pictures at `times`, in any order, of which the file says that they come at
/// `nominal`. `interlaced` pictures may be timed as fields: of them the file's word holds.
pub(super) fn frame_rate(
    mut times: Vec<MediaTime>,
    nominal: Option<FrameRate>,
    interlaced: bool,
) -> FrameRate {
    times.sort_unstable();
    let mut steps: Vec<i64> = times
        .windows(2)
        .map(|pair| pair[1].nanos_from(pair[0]))
        .filter(|step| *step > 0)
        .collect();
    steps.sort_unstable();
    let nominal = nominal.filter(|rate| (RATE_MIN..=RATE_MAX).contains(&rate.as_f64()));
    let Some(&usual) = steps.get(steps.len() / 2) else {
        return nominal.unwrap_or_else(|| rate(UNKNOWN));
    };
    if let Some(nominal) = nominal.filter(|_| interlaced) {
        return nominal;
    }
    let steady: Vec<i64> = steps
        .iter()
        .copied()
        .filter(|step| (step - usual).abs() <= STEADY_NANOS)
        .collect();
    // The mean tells 29.97 from 30 where timestamps are whole milliseconds.
    let measured = 1e9 * steady.len() as f64 / steady.iter().sum::<i64>() as f64;
    let is_constant = steady.len() * 10 >= steps.len() * 9;
    let agrees = |rate: &FrameRate| (rate.as_f64() / measured - 1.0).abs() < 0.01;
    match nominal.filter(agrees) {
        Some(nominal) if is_constant => nominal,
        _ => on_grid(measured, is_constant),
    }
}

/// A rate that was measured, brought into the range of grids.
fn on_grid(measured: f64, is_constant: bool) -> FrameRate {
    let mut wanted = measured;
    while wanted > RATE_MAX {
        wanted /= 2.0;
    }
    while wanted < RATE_MIN {
        wanted *= 2.0;
    }
    let distance = |rate: &FrameRate| (rate.as_f64() / wanted).ln().abs();
    let standard = STANDARD_RATES
        .into_iter()
        .map(rate)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap_or_else(|| rate(UNKNOWN));
    let thousandths = (wanted * 1000.0).round() as u32;
    match FrameRate::new(thousandths, 1000) {
        // 12 or 15 frames a second, say.
        Some(odd) if is_constant && distance(&standard) > 0.004 => odd,
        _ => standard,
    }
}

fn rate((numerator, denominator): (u32, u32)) -> FrameRate {
    FrameRate::new(numerator, denominator).expect("neither is zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(fps: f64, frames: i64) -> Vec<MediaTime> {
        (0..frames)
            .map(|i| MediaTime::from_millis((i as f64 * 1000.0 / fps).round() as i64))
            .collect()
    }

    fn of(times: Vec<MediaTime>, nominal: Option<(u32, u32)>) -> FrameRate {
        frame_rate(times, nominal.map(rate), false)
    }

    #[test]
    fn a_constant_rate_is_told_by_its_timestamps_alone() {
        for standard in STANDARD_RATES {
            let expected = rate(standard);
            assert_eq!(of(times(expected.as_f64(), 240), None), expected);
        }
        assert_eq!(of(times(12.0, 240), None).as_f64(), 12.0);
        assert_eq!(of(times(15.0, 240), Some((15, 1))), rate((15, 1)));
    }

    #[test]
    fn pictures_in_decoding_order_have_the_same_rate() {
        let mut shuffled = times(25.0, 240);
        for group in shuffled.chunks_mut(4) {
            group.reverse();
        }
        assert_eq!(of(shuffled, None), rate((25, 1)));
    }

    #[test]
    fn the_files_own_word_holds_where_the_times_agree() {
        let ntsc = (30_000, 1001);
        assert_eq!(of(times(30.0, 20), Some(ntsc)), rate(ntsc));
        assert_eq!(of(times(25.0, 240), Some((50, 1))), rate((25, 1)));
        assert_eq!(of(times(25.0, 1), Some((50, 1))), rate((50, 1)));
        let fields = frame_rate(times(50.0, 240), Some(rate((25, 1))), true);
        assert_eq!(fields, rate((25, 1)));
    }

    #[test]
    fn a_variable_rate_takes_the_grid_of_its_usual_step() {
        // A phone: thirty a second, some of them missing. The file states the average.
        let phone: Vec<_> = times(30.0, 240)
            .into_iter()
            .enumerate()
            .filter_map(|(index, time)| (index % 5 != 3).then_some(time))
            .collect();
        assert_eq!(of(phone, Some((24, 1))), rate((30, 1)));
    }

    #[test]
    fn fast_sources_are_halved_and_slow_ones_doubled() {
        assert_eq!(of(times(240.0, 240), Some((240, 1))), rate((60, 1)));
        assert_eq!(of(times(1.0, 20), Some((1, 1))).as_f64(), 8.0);
    }
}
