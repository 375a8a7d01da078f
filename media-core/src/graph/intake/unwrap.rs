//! The clock of a transport stream, which wraps at 33 bits (ISO/IEC 13818-1 §2.4.3.7), as one that
//! does not.

use crate::time::MediaTime;

/// When it wraps, in nanoseconds: 2³³ ticks of 90 kHz, which are 26.5 hours.
pub(super) const PERIOD: i64 = (1 << 33) * 100_000 / 9;

/// One publisher's: its tracks wrap one after the other, and one of them may begin between.
#[derive(Debug, Default)]
pub(super) struct Unwrap {
    last: Option<i64>,
}

impl Unwrap {
    /// A time that counts on. What was read may be off by any number of periods: it is the one
    /// that is nearest to the time before.
    pub(super) fn enter(&mut self, read: MediaTime) -> MediaTime {
        let read = read.as_nanos();
        let time = self.last.map_or(read, |last| {
            // In half a period's steps from the last one, either way.
            let ahead = read.saturating_sub(last).rem_euclid(PERIOD);
            let step = match ahead > PERIOD / 2 {
                true => ahead - PERIOD,
                false => ahead,
            };
            last.saturating_add(step)
        });
        self.last = Some(time);
        MediaTime::from_nanos(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn through(read: &[i64]) -> Vec<i64> {
        let mut unwrap = Unwrap::default();
        let times = read.iter().map(|read| MediaTime::from_nanos(*read));
        times.map(|read| unwrap.enter(read).as_nanos()).collect()
    }

    #[test]
    fn times_of_both_sides_of_the_wrap_stay_in_their_order() {
        let last = PERIOD - SECOND;
        let read = [last, SECOND, last + 1, 2 * SECOND, 3 * SECOND + PERIOD];
        let expected = [
            last,
            PERIOD + SECOND,
            last + 1,
            PERIOD + 2 * SECOND,
            PERIOD + 3 * SECOND,
        ];
        assert_eq!(through(&read), expected);
    }

    #[test]
    fn a_clock_counts_on_through_any_number_of_wraps() {
        let hour = 3600 * SECOND;
        let read: Vec<_> = (0..1000).map(|hours| (hours * hour) % PERIOD).collect();
        let expected: Vec<_> = (0..1000).map(|hours| hours * hour).collect();
        assert_eq!(through(&read), expected);
    }

    #[test]
    fn a_clock_that_is_set_back_goes_back() {
        let read = [50_000 * SECOND, 20_000 * SECOND, 20_001 * SECOND];
        assert_eq!(through(&read), read);
    }

    #[test]
    fn the_end_of_all_time_is_no_panic() {
        through(&[i64::MAX, i64::MIN, i64::MAX - PERIOD, 0, i64::MIN]);
    }
}
