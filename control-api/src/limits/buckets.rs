//! How often each of many addresses may do something: a budget that refills steadily (the generic
//! cell rate algorithm of ITU-T I.371). No clock: time is an argument.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::table::{Entry, Table};
use crate::peer::Address;

/// The budgets of all addresses.
#[derive(Debug)]
pub(super) struct Buckets {
    /// In which a whole budget refills.
    window: Duration,
    /// What one use costs.
    cost: Duration,
    addresses: Table<Bucket>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// When the whole budget is there again, if some of it was used.
    full_at: Option<Instant>,
}

impl Entry for Bucket {
    fn is_fresh(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

impl Buckets {
    /// `uses` of each address in each `window`.
    pub(super) fn new(uses: NonZeroU32, window: Duration) -> Self {
        Self {
            window,
            cost: window / uses.get(),
            addresses: Table::default(),
        }
    }

    /// One use by `address`; where it has none left, how long it has to wait.
    pub(super) fn take(&mut self, address: Address, now: Instant) -> Result<(), Duration> {
        let (_, bucket) = self.addresses.of(address, now);
        let full_at = bucket.full_at.map_or(now, |full_at| full_at.max(now)) + self.cost;
        match (full_at - now).checked_sub(self.window) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                bucket.full_at = Some(full_at);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::super::table::ADDRESSES_MAX;
    use super::*;

    fn address(number: u32) -> Address {
        Address::Known(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    const WINDOW: Duration = Duration::from_secs(60);

    fn buckets(per_minute: u32) -> Buckets {
        Buckets::new(NonZeroU32::new(per_minute).expect("not 0"), WINDOW)
    }

    fn taken(buckets: &mut Buckets, times: u32, now: Instant) -> u32 {
        let taken = (0..times).filter(|_| buckets.take(address(1), now).is_ok());
        taken.count() as u32
    }

    #[test]
    fn a_budget_is_there_at_once_and_refills_steadily() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        for per_minute in [1, 5, 7, 100, 100_000] {
            let mut buckets = buckets(per_minute);
            assert_eq!(taken(&mut buckets, per_minute + 50, start), per_minute);
            assert_eq!(taken(&mut buckets, per_minute, after(30)), per_minute / 2);
            assert!(buckets.take(address(2), after(30)).is_ok(), "has its own");
            assert_eq!(taken(&mut buckets, per_minute * 2, after(600)), per_minute);
        }
    }

    #[test]
    fn whoever_is_refused_is_told_when_to_come_back() {
        let start = Instant::now();
        let mut buckets = buckets(5);
        assert_eq!(taken(&mut buckets, 5, start), 5);
        let wait = buckets.take(address(1), start).expect_err("none left");
        assert_eq!(wait, Duration::from_secs(12));
        let early = start + wait - Duration::from_millis(1);
        assert!(buckets.take(address(1), early).is_err());
        assert!(buckets.take(address(1), start + wait).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_quiet_addresses_make_room() {
        let start = Instant::now();
        let mut buckets = buckets(1);
        for number in 0..ADDRESSES_MAX as u32 {
            assert!(buckets.take(address(number), start).is_ok());
        }
        // Those beyond share one budget a network.
        let beyond = 200 << 24;
        assert!(buckets.take(address(beyond), start).is_ok());
        assert!(buckets.take(address(beyond + 1), start).is_err());
        assert!(buckets.take(address(beyond + 256), start).is_ok());
        assert_eq!(buckets.addresses.len(), ADDRESSES_MAX + 2);
        // There is a bound for networks too.
        for number in 0..2 * ADDRESSES_MAX as u32 {
            let _ = buckets.take(address((201 << 24) + number * 256), start);
        }
        assert_eq!(buckets.addresses.len(), 2 * ADDRESSES_MAX + 1);
        let later = start + WINDOW;
        assert!(buckets.take(address(beyond + 1), later).is_ok());
        assert!(buckets.take(address(beyond + 2), later).is_ok());
        assert_eq!(buckets.addresses.len(), 2);
    }
}
