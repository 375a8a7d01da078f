//! How many wrong passwords each of many addresses may try in any minute, and its ban. No clock: time
//! is an argument.
//!
//! Whether a password is right is known some time after its attempt began: what is under way counts
//! as wrong until then, so that nobody tries many at once, and bans nobody.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::table::{Entry, Table};
use crate::peer::Address;

/// In which wrong passwords are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// When to come back where what is under way may leave room: longer than a password is checked.
const UNDER_WAY_WAIT: Duration = Duration::from_secs(1);

/// The attempts of all addresses.
#[derive(Debug)]
pub(super) struct Attempts {
    /// Wrong ones in a minute.
    wrong_max: usize,
    ban: Duration,
    addresses: Table<Tried>,
}

/// Why an attempt may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// How long it has to wait.
    pub(super) wait: Duration,
    /// Whether its address is banned from now on.
    pub(super) bans: bool,
}

/// What one address has tried.
#[derive(Debug, Default)]
struct Tried {
    /// When passwords were wrong, of the last minute; no more than are allowed.
    wrong: VecDeque<Instant>,
    under_way: usize,
    banned_until: Option<Instant>,
}

impl Tried {
    fn forget(&mut self, now: Instant) {
        if self.banned_until.is_some_and(|until| until <= now) {
            self.banned_until = None;
            self.wrong.clear();
        }
        while self.wrong.front().is_some_and(|at| *at + WINDOW <= now) {
            self.wrong.pop_front();
        }
    }
}

impl Entry for Tried {
    fn is_fresh(&self, now: Instant) -> bool {
        let is_past = |at: &Instant| *at + WINDOW <= now;
        self.under_way == 0
            && self.banned_until.is_none_or(|until| until <= now)
            && self.wrong.back().is_none_or(is_past)
    }
}

impl Attempts {
    /// `per_minute` wrong passwords in a minute; one more attempt bans for `ban`.
    pub(super) fn new(per_minute: NonZeroU32, ban: Duration) -> Self {
        Self {
            wrong_max: per_minute.get() as usize,
            ban,
            addresses: Table::default(),
        }
    }

    /// An attempt by `address` begins: where it is counted.
    pub(super) fn begin(&mut self, address: Address, now: Instant) -> Result<Address, Refused> {
        let waits = |wait| Err(Refused { wait, bans: false });
        let (place, tried) = self.addresses.of(address, now);
        tried.forget(now);
        if let Some(until) = tried.banned_until {
            return waits(until - now);
        }
        if tried.wrong.len() >= self.wrong_max {
            // Those who share a place are not banned for each other's mistakes.
            if matches!(place, Address::Known(_)) {
                tried.banned_until = Some(now + self.ban);
                return Err(Refused {
                    wait: self.ban,
                    bans: true,
                });
            }
            let first = tried.wrong.front().copied().unwrap_or(now);
            return waits(first + WINDOW - now);
        }
        if tried.wrong.len() + tried.under_way >= self.wrong_max {
            return waits(UNDER_WAY_WAIT);
        }
        tried.under_way += 1;
        Ok(place)
    }

    /// An attempt that is counted at `place` ends.
    pub(super) fn end(&mut self, place: Address, is_wrong: bool, now: Instant) {
        let tried = self.addresses.at(place);
        tried.under_way = tried.under_way.saturating_sub(1);
        if is_wrong {
            tried.wrong.push_back(now);
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

    fn attempts() -> Attempts {
        let per_minute = NonZeroU32::new(5).expect("not 0");
        Attempts::new(per_minute, Duration::from_secs(900))
    }

    fn wrong(attempts: &mut Attempts, address: Address, now: Instant) -> Result<(), Refused> {
        let place = attempts.begin(address, now)?;
        attempts.end(place, true, now);
        Ok(())
    }

    const BAN: Result<(), Refused> = Err(Refused {
        wait: Duration::from_secs(900),
        bans: true,
    });

    fn waits<T>(wait: Duration) -> Result<T, Refused> {
        Err(Refused { wait, bans: false })
    }

    #[test]
    fn the_sixth_attempt_within_a_minute_bans_however_the_others_are_spread() {
        for spread_s in [0, 1, 11, 14] {
            let start = Instant::now();
            let after = |seconds| start + Duration::from_secs(seconds);
            let mut attempts = attempts();
            for number in 0..5 {
                assert_eq!(
                    wrong(&mut attempts, address(1), after(number * spread_s)),
                    Ok(())
                );
            }
            assert_eq!(
                wrong(&mut attempts, address(1), after(59)),
                BAN,
                "{spread_s}"
            );
            assert!(
                wrong(&mut attempts, address(2), after(59)).is_ok(),
                "has its own"
            );
            let rest = waits(Duration::from_secs(100));
            assert_eq!(
                wrong(&mut attempts, address(1), after(859)),
                rest,
                "not prolonged"
            );
            assert!(wrong(&mut attempts, address(1), after(959)).is_ok());
        }
    }

    #[test]
    fn fewer_than_six_in_any_minute_are_never_refused() {
        let start = Instant::now();
        let mut attempts = attempts();
        for number in 0..100 {
            let now = start + Duration::from_secs(number * 12);
            assert_eq!(wrong(&mut attempts, address(1), now), Ok(()), "{number}");
        }
    }

    #[test]
    fn who_logs_in_with_the_right_password_is_never_banned() {
        let now = Instant::now();
        let mut attempts = attempts();
        for _ in 0..4 {
            assert_eq!(wrong(&mut attempts, address(1), now), Ok(()));
        }
        for _ in 0..100 {
            let place = attempts.begin(address(1), now).expect("leave");
            attempts.end(place, false, now);
        }
    }

    #[test]
    fn nobody_tries_more_at_once_and_waiting_for_them_is_no_ban() {
        let now = Instant::now();
        let mut attempts = attempts();
        let places: Vec<_> = (0..5)
            .map(|_| attempts.begin(address(1), now).expect("leave"))
            .collect();
        assert_eq!(attempts.begin(address(1), now), waits(UNDER_WAY_WAIT));
        places
            .iter()
            .for_each(|place| attempts.end(*place, false, now));
        assert!(attempts.begin(address(1), now).is_ok());
    }

    #[test]
    fn who_shares_a_place_is_not_banned_for_others() {
        let start = Instant::now();
        let mut attempts = attempts();
        for number in 0..ADDRESSES_MAX as u32 {
            wrong(&mut attempts, address(number), start).expect("leave");
        }
        // All of one /24.
        let beyond = |number: u32| address((200_u32 << 24) + number);
        for number in 0..5 {
            wrong(&mut attempts, beyond(number), start).expect("leave");
        }
        let minute = waits(WINDOW);
        assert_eq!(wrong(&mut attempts, beyond(6), start), minute);
        assert!(wrong(&mut attempts, address(201 << 24), start).is_ok());
        assert!(wrong(&mut attempts, beyond(6), start + WINDOW).is_ok());
    }
}
