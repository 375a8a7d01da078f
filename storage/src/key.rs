//! The secret with which an encoder publishes, and the only form in which it is stored.

use std::fmt;

use rand::rand_core::OsError;
use sha2::{Digest, Sha256};

use crate::random;

/// What every stream key begins with, so that one is recognised where it should not be: in a log,
/// a screenshot or a repository.
pub const STREAM_KEY_PREFIX: &str = "mr_";

/// Characters of base32 after the prefix: 160 bits, beyond any guessing.
const STREAM_KEY_RANDOM_CHARS: usize = 32;

/// A stream key in plain text: `mr_` and 32 characters of `a-z2-7`. It exists from its creation
/// until it has been shown once. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamKey(String);

impl StreamKey {
    /// A new key from the operating system's generator.
    pub(crate) fn generate() -> Result<Self, OsError> {
        let random = random::base32::<STREAM_KEY_RANDOM_CHARS>()?;
        Ok(Self(format!("{STREAM_KEY_PREFIX}{random}")))
    }

    /// The secret itself, to be shown to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(redacted)")
    }
}

/// SHA-256 of a stream key. A slow, salted hash would protect nothing more: those are for
/// passwords that people choose, and a key of 160 random bits can be found from its plain hash by
/// no dictionary and no table. A fast one lets a listener answer a stranger at no cost. Looking
/// one up in a map tells by its timing nothing of the key either, for the same reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of what a peer sent as its key, or of a key just made.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// 64 lowercase hexadecimal digits, as the database has it.
    pub(crate) fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads [`KeyHash::to_hex`] back; `None` where `text` is anything else.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut hash = [0; 32];
        if pairs.len() != hash.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
        }
        Some(Self(hash))
    }
}

/// Lowercase only: what this module did not write is not taken for its own.
fn hex_digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_shape_and_hides_from_logs() {
        let key = StreamKey::generate().expect("random");
        let random = key.reveal().strip_prefix("mr_").expect("prefix");
        assert_eq!(random.len(), 32);
        assert!(
            random
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
        );
        assert!(!format!("{key:?}").contains(random));
    }

    #[test]
    fn the_hash_is_sha_256_and_survives_the_database() {
        // FIPS 180-2, appendix B.1.
        let hash = KeyHash::of("abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_hex(), hex);
        assert_eq!(KeyHash::from_hex(hex), Some(hash));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let hex = KeyHash::of("abc").to_hex();
        for text in ["", &hex[1..], &hex.to_uppercase(), &format!("{hex}00")] {
            assert_eq!(KeyHash::from_hex(text), None, "{text:?}");
        }
    }
}
