//! Times in which nothing passes. Time is an argument.

use std::time::{Duration, Instant};

/// A time in which nothing passes, after the first bytes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When it begins, after the first packet, or the first byte.
    pub after: Duration,
    /// How long it lasts.
    pub lasts: Duration,
}

/// The outages of a proxy: those that were planned, and one that was asked for while it ran.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    planned: Vec<Outage>,
    first: Option<Instant>,
    until: Option<Instant>,
}

impl Outages {
    pub(crate) fn planned(planned: &[Outage]) -> Self {
        Self {
            planned: planned.to_vec(),
            ..Self::default()
        }
    }

    /// Something came: the first time is what planned outages count from.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.first.get_or_insert(now);
    }

    /// From now on nothing passes for so long.
    pub(crate) fn begin(&mut self, now: Instant, lasts: Duration) {
        self.until = Some(now + lasts);
    }

    pub(crate) fn is_out(&self, now: Instant) -> bool {
        let asked = self.until.is_some_and(|until| now < until);
        let since = self.first.map(|first| now.saturating_duration_since(first));
        let planned = since.is_some_and(|since| {
            let mut planned = self.planned.iter();
            planned.any(|one| (one.after..one.after + one.lasts).contains(&since))
        });
        asked || planned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn planned_outages_count_from_the_first_packet_and_others_from_now() {
        let start = Instant::now();
        let mut outages = Outages::planned(&[Outage {
            after: MS(100),
            lasts: MS(50),
        }]);
        assert!(!outages.is_out(start + MS(120)), "nothing came yet");
        outages.heard(start + MS(1000));
        outages.heard(start + MS(1050));
        let is_out = |at| outages.is_out(start + MS(at));
        assert_eq!(
            [1099, 1100, 1149, 1150].map(is_out),
            [false, true, true, false]
        );
        outages.begin(start + MS(2000), MS(10));
        let is_out = |at| outages.is_out(start + MS(at));
        assert_eq!([2009, 2010].map(is_out), [true, false]);
    }
}
