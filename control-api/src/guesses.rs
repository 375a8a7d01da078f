//! Who guesses secrets: how many different wrong ones came from each address, and its ban.
//!
//! For secrets that machines make and keep: stream keys, the admin token, access tokens. Passwords,
//! which people choose, are counted by [`limits`](crate::limits). design/0023 has the reasons:
//!
//! - *Different* wrong secrets are counted. An encoder with an old key tries it for ever, and is no
//!   guess: nobody behind the same address pays for it.
//! - A banned address opens nothing with a secret that has not opened anything from there before.
//!   What has goes on: who publishes beside somebody that guesses may come back.
//!
//! The gate asks this from threads that must not wait: each question is a short look under a lock.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use storage::Networks;

use crate::limits::table::{Entry, Table};
use crate::peer::Address;

/// Different wrong secrets from an address in [`WINDOW`]; one more bans it. A studio whose encoders
/// all have last week's keys is below it, and 2¹²⁸ keys are not guessed at ten a minute.
pub const WRONG_MAX: usize = 10;

/// In which they are counted.
pub const WINDOW: Duration = Duration::from_secs(60);

/// For how long an address is banned.
pub const BAN: Duration = Duration::from_secs(600);

/// Secrets that are remembered of an address because they opened something: encoders of one studio.
const KNOWN_MAX: usize = 64;

/// What is guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// What opens a stream to a publisher.
    StreamKey,
    /// The admin token, or a user's access token.
    ApiToken,
    /// A private stream's or video's. Counted alone: it is a signature, and viewers share addresses.
    PlaybackToken,
    /// A user's password.
    Password,
}

impl Secret {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::StreamKey,
        Self::ApiToken,
        Self::PlaybackToken,
        Self::Password,
    ];

    /// As figures and the log name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StreamKey => "stream_key",
            Self::ApiToken => "api_token",
            Self::PlaybackToken => "playback_token",
            Self::Password => "password",
        }
    }
}

/// What a wrong secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// One that was not tried from there in the last minute.
    New,
    /// The same again.
    Again,
    /// One too many: the address is banned from now on.
    Bans,
    /// Of an address that is banned, still for so long.
    Banned(Duration),
}

/// See the module. Clones share it.
#[derive(Clone, Debug)]
pub struct Guesses(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Behind these are many: they are never banned.
    proxies: Networks,
    book: Mutex<Book>,
    /// Of this process alone, so that nothing that is kept says what a secret is.
    hasher: RandomState,
    wrong: [AtomicU64; Secret::ALL.len()],
    bans: [AtomicU64; Secret::ALL.len()],
}

impl Guesses {
    /// Nobody has guessed yet. Behind `proxies` are many, who are not banned for one.
    pub fn new(proxies: Networks) -> Self {
        Self(Arc::new(Shared {
            proxies,
            book: Mutex::default(),
            hasher: RandomState::new(),
            wrong: Default::default(),
            bans: Default::default(),
        }))
    }

    /// Whether `secret`, which is right, opens what it is for from `peer`; where not, how long that
    /// stays so.
    pub fn right(&self, secret: &str, peer: IpAddr) -> Result<(), Duration> {
        if self.0.proxies.contain(peer) {
            return Ok(());
        }
        let digest = self.0.hasher.hash_one(secret);
        self.book()
            .right(Address::from(peer), digest, Instant::now())
    }

    /// Notes that a wrong `secret` came from `peer`; what it is.
    pub fn wrong(&self, kind: Secret, secret: &str, peer: IpAddr) -> Wrong {
        self.note_wrong(kind);
        let digest = self.0.hasher.hash_one(secret);
        let address = Address::from(peer);
        let can_be_banned = !self.0.proxies.contain(peer);
        let wrong = self
            .book()
            .wrong(address, digest, can_be_banned, Instant::now());
        if wrong == Wrong::Bans {
            self.note_ban(kind, address, BAN);
        }
        wrong
    }

    /// Counts a wrong one for which nobody is banned.
    pub fn note_wrong(&self, kind: Secret) {
        self.0.wrong[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a ban, and says so: once, whatever its address tries meanwhile.
    pub(crate) fn note_ban(&self, kind: Secret, address: Address, ban: Duration) {
        self.0.bans[kind as usize].fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%address, secret = kind.name(), ban_s = ban.as_secs(), "banned: too many wrong secrets");
    }

    /// How many wrong ones there were of a kind.
    pub fn wrong_count(&self, kind: Secret) -> u64 {
        self.0.wrong[kind as usize].load(Ordering::Relaxed)
    }

    /// How many bans there were for them.
    pub fn ban_count(&self, kind: Secret) -> u64 {
        self.0.bans[kind as usize].load(Ordering::Relaxed)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // A panic leaves at worst one guess uncounted.
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of all addresses. No clock: time is an argument.
#[derive(Debug, Default)]
struct Book {
    addresses: Table<Tried>,
}

/// What is known of one.
#[derive(Debug, Default)]
struct Tried {
    /// Different wrong secrets of the last minute, in the order in which they were first tried; no
    /// more than [`WRONG_MAX`].
    wrong: VecDeque<(u64, Instant)>,
    /// What has opened something, the latest last; no more than [`KNOWN_MAX`].
    known: VecDeque<u64>,
    banned_until: Option<Instant>,
}

impl Entry for Tried {
    fn is_fresh(&self, now: Instant) -> bool {
        // What is known of it is given up where the table is full: it helps during a ban alone.
        self.banned_until.is_none_or(|until| until <= now)
            && self.wrong.back().is_none_or(|(_, at)| *at + WINDOW <= now)
    }
}

impl Tried {
    fn forget(&mut self, now: Instant) {
        if self.banned_until.is_some_and(|until| until <= now) {
            self.banned_until = None;
            self.wrong.clear();
        }
        while self
            .wrong
            .front()
            .is_some_and(|(_, at)| *at + WINDOW <= now)
        {
            self.wrong.pop_front();
        }
    }

    fn know(&mut self, digest: u64) {
        if self.known.back() == Some(&digest) {
            return;
        }
        self.known.retain(|known| *known != digest);
        if self.known.len() == KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back(digest);
    }
}

impl Book {
    fn right(&mut self, address: Address, digest: u64, now: Instant) -> Result<(), Duration> {
        let (_, tried) = self.addresses.of(address, now);
        tried.forget(now);
        match tried.banned_until {
            Some(until) if !tried.known.contains(&digest) => Err(until - now),
            _ => {
                tried.know(digest);
                Ok(())
            }
        }
    }

    fn wrong(&mut self, address: Address, digest: u64, can_be_banned: bool, now: Instant) -> Wrong {
        let (place, tried) = self.addresses.of(address, now);
        tried.forget(now);
        if let Some(until) = tried.banned_until {
            return Wrong::Banned(until - now);
        }
        if tried.wrong.iter().any(|(known, _)| *known == digest) {
            return Wrong::Again;
        }
        // Those who share a place are not banned for each other's guesses.
        let can_be_banned = can_be_banned && matches!(place, Address::Known(_));
        if tried.wrong.len() < WRONG_MAX {
            tried.wrong.push_back((digest, now));
            return Wrong::New;
        }
        if can_be_banned {
            tried.banned_until = Some(now + BAN);
            return Wrong::Bans;
        }
        // As quiet as one that is banned.
        Wrong::Again
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::limits::table::ADDRESSES_MAX;
    use super::*;

    fn address(number: u32) -> Address {
        Address::Known(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    /// Guesses so many different secrets, from `first` on.
    fn guess(book: &mut Book, from: Address, first: u64, count: u64, now: Instant) -> Vec<Wrong> {
        let each = first..first + count;
        each.map(|digest| book.wrong(from, digest, true, now))
            .collect()
    }

    const MAX: u64 = WRONG_MAX as u64;

    #[test]
    fn an_encoder_that_tries_its_old_key_for_ever_bans_nobody() {
        let (mut book, start) = (Book::default(), Instant::now());
        for second in 0..3600 {
            let now = start + Duration::from_secs(second);
            let wrong = book.wrong(address(1), 7, true, now);
            let is_new = second % WINDOW.as_secs() == 0;
            assert_eq!(wrong, if is_new { Wrong::New } else { Wrong::Again });
            // Its neighbour begins to publish.
            assert_eq!(book.right(address(1), second + 100, now), Ok(()));
        }
    }

    #[test]
    fn who_guesses_is_banned_once_and_opens_nothing_new_even_by_a_right_key() {
        let (mut book, start) = (Book::default(), Instant::now());
        assert_eq!(book.right(address(1), 1, start), Ok(()), "a neighbour");
        let guessed = guess(&mut book, address(1), 100, MAX, start);
        assert_eq!(guessed, [Wrong::New; WRONG_MAX]);
        assert_eq!(book.right(address(1), 2, start), Ok(()), "not yet banned");
        assert_eq!(guess(&mut book, address(1), 200, 1, start), [Wrong::Bans]);
        let banned = [Wrong::Banned(BAN); 3];
        assert_eq!(guess(&mut book, address(1), 201, 3, start), banned);

        let late = start + BAN - Duration::from_secs(1);
        let rest = Duration::from_secs(1);
        assert_eq!(book.right(address(1), 1, late), Ok(()), "known from there");
        assert_eq!(book.right(address(1), 2, late), Ok(()));
        assert_eq!(book.right(address(1), 3, late), Err(rest), "right, and new");
        assert_eq!(book.right(address(2), 3, late), Ok(()), "from elsewhere");
        let not_prolonged = start + BAN;
        assert_eq!(book.right(address(1), 3, not_prolonged), Ok(()));
        assert_eq!(
            guess(&mut book, address(1), 300, 1, not_prolonged),
            [Wrong::New]
        );
    }

    #[test]
    fn ten_in_any_minute_are_no_guessing_however_long_it_lasts() {
        let (mut book, start) = (Book::default(), Instant::now());
        for number in 0..500 {
            let now = start + WINDOW / WRONG_MAX as u32 * number;
            let wrong = guess(&mut book, address(1), number.into(), 1, now);
            assert_eq!(wrong, [Wrong::New], "{number}");
        }
    }

    #[test]
    fn what_is_remembered_of_an_address_is_bounded() {
        let (mut book, now) = (Book::default(), Instant::now());
        for digest in 0..1000 {
            assert_eq!(book.right(address(1), digest, now), Ok(()));
            let _ = book.wrong(address(1), 5000 + digest, false, now);
        }
        let (_, tried) = book.addresses.of(address(1), now);
        assert_eq!(
            (tried.known.len(), tried.wrong.len()),
            (KNOWN_MAX, WRONG_MAX)
        );
        assert_eq!(tried.known.back(), Some(&999));
    }

    #[test]
    fn who_shares_a_place_is_not_banned_for_others() {
        let (mut book, now) = (Book::default(), Instant::now());
        for number in 0..ADDRESSES_MAX as u32 {
            assert_eq!(guess(&mut book, address(number), 1, 1, now), [Wrong::New]);
        }
        let beyond = |number: u32| address((200_u32 << 24) + number);
        for number in 0..2 * WRONG_MAX as u32 {
            let wrong = guess(&mut book, beyond(number), u64::from(number) + 9, 1, now);
            assert!(!wrong.contains(&Wrong::Bans), "{number}");
        }
        assert_eq!(book.right(beyond(1), 3, now), Ok(()));
    }

    #[test]
    fn a_trusted_proxy_is_not_banned_for_one_of_many() {
        let guesses = Guesses::new(Networks::new(&["10.0.0.0/8"]).expect("a network"));
        let (proxy, other) = ("10.1.2.3", "192.0.2.1");
        let peer = |text: &str| text.parse().expect("an address");
        for number in 0..50 {
            for from in [proxy, other] {
                guesses.wrong(Secret::StreamKey, &number.to_string(), peer(from));
            }
        }
        assert_eq!(guesses.right("right", peer(proxy)), Ok(()));
        assert!(guesses.right("right", peer(other)).is_err());
        assert_eq!(guesses.wrong_count(Secret::StreamKey), 100);
        assert_eq!(guesses.ban_count(Secret::StreamKey), 1);
        assert_eq!(guesses.ban_count(Secret::ApiToken), 0);
    }
}
