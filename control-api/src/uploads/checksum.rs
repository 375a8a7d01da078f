//! tus's checksum extension: what a piece's bytes have to add up to.

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::tus::fault;

/// The algorithms that are offered. SHA-1 is the protocol's must: it finds broken bytes, and is no
/// proof against an attacker, who could send the wrong checksum as well.
pub(crate) const ALGORITHMS: &str = "sha1,sha256";

const NAME: &str = "Upload-Checksum";

/// A checksum that is awaited, and the bytes so far.
#[derive(Clone, Debug)]
pub(crate) struct Checksum {
    awaited: Vec<u8>,
    hasher: Hasher,
}

#[derive(Clone, Debug)]
enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Checksum {
    /// `sha1 ` and the Base64 of what is awaited.
    pub(crate) fn parse(value: &HeaderValue) -> Result<Self, Fault> {
        let text = value.to_str().map_err(|_| fault(NAME, "is no text"))?;
        let (algorithm, awaited) = text
            .split_once(' ')
            .ok_or(fault(NAME, "is an algorithm, a space and Base64"))?;
        let (hasher, len) = match algorithm {
            "sha1" => (Hasher::Sha1(Sha1::new()), 20),
            "sha256" => (Hasher::Sha256(Sha256::new()), 32),
            _ => {
                return Err(fault(
                    NAME,
                    "the algorithm is not offered (see Tus-Checksum-Algorithm)",
                ));
            }
        };
        let awaited = STANDARD.decode(awaited).ok().filter(|it| it.len() == len);
        Ok(Self {
            awaited: awaited.ok_or(fault(NAME, "is not the Base64 of such a checksum"))?,
            hasher,
        })
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// Whether the bytes are what is awaited.
    pub(crate) fn holds(self) -> bool {
        match self.hasher {
            Hasher::Sha1(hasher) => hasher.finalize()[..] == self.awaited[..],
            Hasher::Sha256(hasher) => hasher.finalize()[..] == self.awaited[..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Checksum, Fault> {
        Checksum::parse(&HeaderValue::from_str(text).expect("a value"))
    }

    #[test]
    fn both_algorithms_tell_right_from_wrong() {
        for text in [
            // The protocol's own example, and FIPS 180-4's.
            ("hello world", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="),
            ("abc", "sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        ] {
            let (content, awaited) = text;
            for (sent, met) in [(content, true), ("something else", false)] {
                let mut checksum = parse(awaited).expect("valid");
                let (head, tail) = sent.split_at(2);
                checksum.update(head.as_bytes());
                checksum.update(tail.as_bytes());
                assert_eq!(checksum.holds(), met, "{sent}");
            }
        }
    }

    #[test]
    fn what_cannot_be_checked_is_refused() {
        for text in [
            "",
            "sha1",
            "md5 CY9rzUYh03PK3k6DJie09g==",
            "sha1 !!!!",
            "sha1 Kq5sNclPz7QV",
            "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
