//! Random names and secrets, from the operating system's generator alone.

use rand::TryRngCore;
use rand::rand_core::OsError;
use rand::rngs::OsRng;

/// RFC 4648's base32 alphabet in lowercase: safe in a URL, in a file name and on the phone.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// `LENGTH` random bytes.
pub(crate) fn bytes<const LENGTH: usize>() -> Result<[u8; LENGTH], OsError> {
    let mut bytes = [0; LENGTH];
    OsRng.try_fill_bytes(&mut bytes)?;
    Ok(bytes)
}

/// `LENGTH` characters of the alphabet, five random bits each.
pub(crate) fn base32<const LENGTH: usize>() -> Result<String, OsError> {
    let bytes = bytes::<LENGTH>()?;
    // 256 is a multiple of 32: every character is equally likely.
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_character_is_drawn_and_nothing_repeats() {
        let drawn: Vec<String> = (0..200).map(|_| base32::<32>().expect("random")).collect();
        let characters: BTreeSet<char> = drawn.iter().flat_map(|text| text.chars()).collect();
        assert_eq!(characters.len(), ALPHABET.len());
        assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len());
    }
}
