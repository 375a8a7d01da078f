//! How often each of many addresses may do something: a budget a minute that refills steadily (the
//! generic cell rate algorithm of ITU-T I.371). No clock: time is an argument.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::peer::Address;

/// The most addresses that are told apart, at about 100 bytes each. Those beyond it share one
/// budget until others have been quiet for a minute.
const ADDRESSES_MAX: usize = 65_536;

/// In which a whole budget refills.
const WINDOW: Duration = Duration::from_secs(60);

/// How often a full table is searched for addresses that have been quiet.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The budgets of all addresses.
#[derive(Debug)]
pub(super) struct Buckets {
    /// What one use costs.
    cost: Duration,
    /// What using more than there is costs beside the wait, if anything.
    ban: Option<Duration>,
    addresses: HashMap<Address, Bucket>,
    swept: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// When the whole budget is there again.
    full_at: Instant,
    /// Until when there is none, whatever has refilled.
    banned_until: Option<Instant>,
}

impl Bucket {
    /// As good as an address that was never seen.
    fn is_fresh(&self, now: Instant) -> bool {
        self.full_at <= now && self.banned_until.is_none_or(|until| until <= now)
    }
}

impl Buckets {
    /// `per_minute` uses a minute and address; one more bans it for `ban`.
    pub(super) fn new(per_minute: NonZeroU32, ban: Option<Duration>) -> Self {
        Self {
            cost: WINDOW / per_minute.get(),
            ban,
            addresses: HashMap::new(),
            swept: None,
        }
    }

    /// One use by `address`; where it has none left, how long it has to wait.
    pub(super) fn take(&mut self, address: Address, now: Instant) -> Result<(), Duration> {
        let address = self.place(address, now);
        let (cost, ban) = (self.cost, self.ban);
        let bucket = self.addresses.entry(address).or_insert(Bucket {
            full_at: now,
            banned_until: None,
        });
        if let Some(until) = bucket.banned_until {
            if now < until {
                return Err(until - now);
            }
            *bucket = Bucket {
                full_at: now,
                banned_until: None,
            };
        }
        let full_at = bucket.full_at.max(now) + cost;
        let Some(wait) = (full_at - now)
            .checked_sub(WINDOW)
            .filter(|wait| !wait.is_zero())
        else {
            bucket.full_at = full_at;
            return Ok(());
        };
        bucket.banned_until = ban.map(|ban| now + ban);
        Err(ban.unwrap_or(wait))
    }

    /// Where `address` is counted: by itself as long as there is room.
    fn place(&mut self, address: Address, now: Instant) -> Address {
        if self.addresses.len() < ADDRESSES_MAX || self.addresses.contains_key(&address) {
            return address;
        }
        let due = self.swept.is_none_or(|swept| now - swept >= SWEEP_EVERY);
        if due {
            self.addresses.retain(|_, bucket| !bucket.is_fresh(now));
            self.swept = Some(now);
        }
        match self.addresses.len() < ADDRESSES_MAX {
            true => address,
            false => Address::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn address(number: u32) -> Address {
        Address::Known(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn buckets(per_minute: u32, ban_s: Option<u64>) -> Buckets {
        let per_minute = NonZeroU32::new(per_minute).expect("not 0");
        Buckets::new(per_minute, ban_s.map(Duration::from_secs))
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
            let mut buckets = buckets(per_minute, None);
            assert_eq!(taken(&mut buckets, per_minute + 50, start), per_minute);
            assert_eq!(taken(&mut buckets, per_minute, after(30)), per_minute / 2);
            assert!(buckets.take(address(2), after(30)).is_ok(), "has its own");
            assert_eq!(taken(&mut buckets, per_minute * 2, after(600)), per_minute);
        }
    }

    #[test]
    fn whoever_is_refused_is_told_when_to_come_back() {
        let start = Instant::now();
        let mut buckets = buckets(5, None);
        assert_eq!(taken(&mut buckets, 5, start), 5);
        let wait = buckets.take(address(1), start).expect_err("none left");
        assert_eq!(wait, Duration::from_secs(12));
        let early = start + wait - Duration::from_millis(1);
        assert!(buckets.take(address(1), early).is_err());
        assert!(buckets.take(address(1), start + wait).is_ok());
    }

    #[test]
    fn a_ban_begins_with_the_first_use_too_many_and_is_not_prolonged() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut buckets = buckets(5, Some(900));
        assert_eq!(taken(&mut buckets, 5, start), 5);
        let wait = |seconds| Err(Duration::from_secs(seconds));
        assert_eq!(buckets.take(address(1), after(1)), wait(900));
        assert_eq!(buckets.take(address(1), after(801)), wait(100));
        assert_eq!(taken(&mut buckets, 6, after(901)), 5);
        assert_eq!(buckets.take(address(1), after(901)), wait(900));
    }

    #[test]
    fn memory_is_bounded_and_quiet_addresses_make_room() {
        let start = Instant::now();
        let mut buckets = buckets(1, None);
        for number in 0..ADDRESSES_MAX as u32 {
            assert!(buckets.take(address(number), start).is_ok());
        }
        // Those beyond share one budget.
        let beyond = ADDRESSES_MAX as u32;
        assert!(buckets.take(address(beyond), start).is_ok());
        assert!(buckets.take(address(beyond + 1), start).is_err());
        assert_eq!(buckets.addresses.len(), ADDRESSES_MAX + 1);
        let later = start + WINDOW;
        assert!(buckets.take(address(beyond + 1), later).is_ok());
        assert!(buckets.take(address(beyond + 2), later).is_ok());
        assert_eq!(buckets.addresses.len(), 2);
    }
}
