//! Times for decoders that only go forward, and the way back to the publisher's own.
//!
//! A decoder reorders pictures and makes up times by those that it was given: a clock that goes back
//! in the middle of a group of pictures would cost it pictures, and their order. What the
//! publisher's clock really did the Timeline finds out, by the times that leave here.

use std::collections::VecDeque;

use crate::time::MediaTime;

/// A decode time that is before the last one by more is another clock; by less, an encoder's fault
/// in single units. In nanoseconds.
const BACK_MIN: i64 = 100_000_000;

/// The same ahead: no decoder minds, but every clock has an end.
const AHEAD_MIN: i64 = 60_000_000_000;

/// What one unit takes where its clock says nothing about it: a thirtieth of a second.
const STEP: i64 = 33_333_333;

/// Where a track begins: GStreamer knows no negative times, and a picture may be shown before the
/// first one is decoded.
const ORIGIN: i64 = 3_600_000_000_000;

/// Units between a decoder's entry and its end whose times are remembered: 17 s at 60 pictures a
/// second, which is longer than a publisher may fall behind.
const UNITS_MAX: usize = 1024;

/// One track's. All times are in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Straight {
    /// The last unit's decode time, the publisher's and ours.
    last: Option<(i64, i64)>,
    /// Our time less the publisher's.
    offset: i64,
    /// Of each unit, when we show it and the offset by which.
    units: VecDeque<(i64, i64)>,
}

impl Straight {
    /// When the next unit is shown and decoded by our clock.
    pub(super) fn enter(&mut self, pts: MediaTime, dts: MediaTime) -> (u64, u64) {
        let (pts, dts) = (pts.as_nanos(), dts.as_nanos());
        let decoded = match self.last {
            None => {
                self.offset = ORIGIN.saturating_sub(dts);
                ORIGIN
            }
            Some((before, decoded)) => {
                let step = dts.saturating_sub(before);
                if !(-BACK_MIN..=AHEAD_MIN).contains(&step) {
                    self.offset = decoded.saturating_add(STEP).saturating_sub(dts);
                }
                dts.saturating_add(self.offset)
                    .max(decoded.saturating_add(1))
            }
        };
        self.last = Some((dts, decoded));
        let shown = pts.saturating_add(self.offset);
        if self.units.len() == UNITS_MAX {
            self.units.pop_front();
        }
        self.units.push_back((shown, self.offset));
        let positive = |time: i64| u64::try_from(time).unwrap_or(0);
        (positive(shown), positive(decoded))
    }

    /// The publisher's time of what a decoder hands out at `shown`; where it made that time up, by
    /// the unit before it.
    pub(super) fn leave(&self, shown: MediaTime) -> MediaTime {
        let shown = shown.as_nanos();
        let before = self.units.iter().filter(|(unit, _)| *unit <= shown);
        let nearest = before.max_by_key(|(unit, _)| *unit);
        let offset = nearest.map_or(self.offset, |(_, offset)| *offset);
        MediaTime::from_nanos(shown.saturating_sub(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> MediaTime = MediaTime::from_millis;

    /// Enters units in decode order; what a decoder that trusts its times hands out.
    fn through(units: &[(i64, i64)]) -> Vec<i64> {
        let mut straight = Straight::default();
        let mut shown = Vec::new();
        let mut decoded = 0;
        for (pts, dts) in units {
            let (unit, at) = straight.enter(MS(*pts), MS(*dts));
            assert!(at > decoded, "decode times go back");
            decoded = at;
            shown.push(unit as i64);
        }
        shown.sort_unstable();
        let left = shown
            .into_iter()
            .map(|unit| straight.leave(MediaTime::from_nanos(unit)));
        left.map(|time| time.as_nanos() / 1_000_000).collect()
    }

    #[test]
    fn a_steady_clock_leaves_as_it_came_whatever_it_began_with() {
        for start in [0, -500, 5_000_000_000] {
            let units = [(80, 0), (40, 40), (120, 80), (160, 120)];
            let units = units.map(|(pts, dts)| (start + pts, start + dts));
            let expected = [40, 80, 120, 160].map(|time| start + time);
            assert_eq!(through(&units), expected);
        }
    }

    #[test]
    fn a_clock_that_goes_back_by_a_day_among_reordered_pictures_keeps_their_order() {
        let units = [
            (90_000_080, 90_000_000),
            (90_000_040, 90_000_040),
            (3_600_160, 3_600_080),
            (3_600_120, 3_600_120),
        ];
        let expected = [90_000_040, 90_000_080, 3_600_120, 3_600_160];
        assert_eq!(through(&units), expected);
    }

    #[test]
    fn single_decode_times_that_go_back_move_no_picture() {
        let units = [(0, 0), (40, 40), (80, 20), (120, 120)];
        assert_eq!(through(&units), [0, 40, 80, 120]);
    }

    #[test]
    fn a_time_that_a_decoder_made_up_lies_behind_its_unit() {
        let mut straight = Straight::default();
        let (first, _) = straight.enter(MS(1000), MS(1000));
        straight.enter(MS(1040), MS(1040));
        let between = MediaTime::from_nanos(first as i64 + 20_000_000);
        assert_eq!(straight.leave(between), MS(1020));
    }

    /// A peer may step by less than a minute as often as it likes.
    #[test]
    fn the_end_of_all_time_is_no_panic() {
        let mut straight = Straight {
            last: Some((0, i64::MAX - 1)),
            offset: i64::MAX - 1,
            ..Straight::default()
        };
        for unit in 0..4 {
            straight.enter(MS(unit), MS(unit));
        }
        straight.leave(MediaTime::from_nanos(i64::MAX));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut straight = Straight::default();
        for unit in 0..5000 {
            straight.enter(MS(unit * 40), MS(unit * 40));
        }
        assert_eq!(straight.units.len(), UNITS_MAX);
    }
}
