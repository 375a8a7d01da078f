//! Passwords: what is accepted as one, and how it is stored and checked.
//!
//! Argon2id (RFC 9106) by OWASP's parameters, 19 MiB in two passes; the hash is a PHC string, which
//! names its parameters, so that older ones stay valid when they are raised. Hashing is done on
//! tokio's blocking threads, few at a time: it is slow and large by design.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::Error;

/// The shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 8;

/// The longest password, in characters: more than any phrase, little enough to hash at once.
pub const PASSWORD_CHARS_MAX: usize = 128;

/// Hashes at once: each takes 19 MiB and a core, which are the encoders' too.
const HASHES_MAX: usize = 2;

/// How long a request waits for its turn: some two hundred hashes.
const TURN_WAIT_MAX: Duration = Duration::from_secs(5);

/// A hash that no password has, by the same parameters: for checking against where there is no
/// user, so that the time of an answer does not tell whether there is one.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                       AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password that is good enough to be somebody's. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// Why a text is no password. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Too short or too long.
    #[error("has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters")]
    Length,
    /// Letters alone, or digits alone.
    #[error("has at least one letter and one digit")]
    TooPlain,
}

impl Password {
    /// Checks `text`: its length, and that there is a letter and a digit (of any script) in it.
    pub fn new(text: &str) -> Result<Self, InvalidPassword> {
        let chars = text.chars().count();
        if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
            return Err(InvalidPassword::Length);
        }
        let has = |is: fn(char) -> bool| text.chars().any(is);
        match has(char::is_alphabetic) && has(char::is_numeric) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidPassword::TooPlain),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// A password as it is stored. `Debug` is redacted: it can be tried offline.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// What the database has.
    pub(super) fn from_database(text: String) -> Self {
        Self(text)
    }

    /// For the database.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

/// Hashes and checks passwords, [`HASHES_MAX`] at once. Clones share that.
#[derive(Clone, Debug)]
pub struct Hasher {
    turns: Arc<Semaphore>,
}

impl Hasher {
    pub(super) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(HASHES_MAX)),
        }
    }

    /// The form in which `password` is stored, with a salt of its own. [`Error::Busy`] where too
    /// many wait.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Error> {
        self.in_turn(move || {
            let hash: phc::PasswordHash = Argon2::default()
                .hash_password(password.0.as_bytes())
                .map_err(|error| super::damaged("password", error))?;
            Ok(PasswordHash(hash.to_string()))
        })
        .await?
    }

    /// Whether `candidate`, as somebody typed it, is the password of `hash`. Where there is none
    /// it is not, after the same work. [`Error::Busy`] where too many wait.
    pub async fn matches(
        &self,
        candidate: String,
        hash: Option<PasswordHash>,
    ) -> Result<bool, Error> {
        // What cannot be anybody's is not hashed either, however long it is.
        let candidate = match candidate.chars().count() <= PASSWORD_CHARS_MAX {
            true => candidate,
            false => String::new(),
        };
        self.in_turn(move || {
            let is_somebodys = hash.is_some();
            let text = hash.map_or_else(|| NOBODYS.to_owned(), |hash| hash.0);
            let hash =
                phc::PasswordHash::new(&text).map_err(|error| super::damaged("password", error))?;
            let matches = Argon2::default().verify_password(candidate.as_bytes(), &hash);
            Ok(matches.is_ok() && is_somebodys)
        })
        .await?
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(TURN_WAIT_MAX, turn)
            .await
            .map_err(|_| Error::Busy)?
            .expect("the semaphore is never closed");
        let working = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, also where nobody waits for it any more.
            let _turn = turn;
            work()
        });
        Ok(working.await.expect("hashing does not panic"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_keep_their_limits_and_hide_from_logs() {
        for (text, expected) in [
            ("abcdefg1", Ok(())),
            ("pässwör1", Ok(())),
            (&*format!("1{}", "x".repeat(127)), Ok(())),
            ("abcdef1", Err(InvalidPassword::Length)),
            (
                &format!("1{}", "x".repeat(128)),
                Err(InvalidPassword::Length),
            ),
            ("abcdefgh", Err(InvalidPassword::TooPlain)),
            ("12345678", Err(InvalidPassword::TooPlain)),
            ("!!!!!!!!", Err(InvalidPassword::TooPlain)),
        ] {
            assert_eq!(Password::new(text).map(|_| ()), expected, "{text:?}");
        }
        let password = Password::new("correct horse 1").expect("valid");
        assert_eq!(format!("{password:?}"), "Password(redacted)");
    }

    #[tokio::test]
    async fn a_hash_opens_to_its_password_alone() {
        let hasher = Hasher::new();
        let password = Password::new("correct horse 1").expect("valid");
        let hash = hasher.hash(password.clone()).await.expect("hash");
        let again = hasher.hash(password).await.expect("hash");
        assert_ne!(hash, again, "each has a salt of its own");
        // OWASP's Password Storage Cheat Sheet: m=19456, t=2, p=1.
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!format!("{hash:?}").contains("argon2"));
        for (candidate, matches) in [
            ("correct horse 1".to_owned(), true),
            ("correct horse 2".to_owned(), false),
            (String::new(), false),
            ("x".repeat(100_000), false),
        ] {
            let checked = hasher.matches(candidate, Some(hash.clone())).await;
            assert_eq!(checked.expect("checked"), matches);
        }
    }

    #[tokio::test]
    async fn nobodys_hash_costs_the_same_and_is_never_right() {
        let parameters = |text: &str| text.rsplitn(3, '$').last().map(str::to_owned);
        let hasher = Hasher::new();
        let password = Password::new("correct horse 1").expect("valid");
        let hash = hasher.hash(password).await.expect("hash");
        assert_eq!(parameters(NOBODYS), parameters(&hash.0));
        let parsed = phc::PasswordHash::new(NOBODYS).expect("a PHC string");
        assert!(parsed.hash.is_some() && parsed.salt.is_some());
        for candidate in ["", "correct horse 1"] {
            let checked = hasher.matches(candidate.to_owned(), None).await;
            assert!(!checked.expect("checked"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_is_told() {
        let hasher = Hasher::new();
        let all = hasher.turns.acquire_many(HASHES_MAX as u32).await;
        let checked = hasher.matches("a".to_owned(), None).await;
        assert!(matches!(checked, Err(Error::Busy)));
        drop(all);
        assert!(!hasher.matches("a".to_owned(), None).await.expect("free"));
    }
}
