//! What a webhook's requests are signed with: `whsec_` and base64, as Standard Webhooks has it.
//!
//! A signature is `v1,` and base64 of HMAC-SHA256 (RFC 2104) over `{event id}.{time}.{body}`.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use rand::rand_core::OsError;
use sha2::Sha256;

use crate::random;

/// Begins every secret (Standard Webhooks 1.0.0, "Signature scheme").
const PREFIX: &str = "whsec_";

/// Bytes of a new one: the specification asks for 24 to 64.
const LENGTH_BYTES: usize = 32;

/// A signing secret. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    key: Vec<u8>,
}

impl Secret {
    /// A new one, from the operating system's generator.
    pub(super) fn generate() -> Result<Self, OsError> {
        let key = random::bytes::<LENGTH_BYTES>()?.to_vec();
        let text = format!("{PREFIX}{}", BASE64_STANDARD.encode(&key));
        Ok(Self { text, key })
    }

    /// One from the database; `None` where it is damaged.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let key = BASE64_STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let text = text.to_owned();
        (!key.is_empty()).then_some(Self { text, key })
    }

    /// As its owner is shown it.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The signature of a request with the event `id`, sent at `unix_s` seconds since 1970.
    pub fn sign(&self, id: &str, unix_s: u64, body: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{unix_s}.").as_bytes());
        mac.update(body.as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        format!("v1,{signature}")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the reference implementations' tests (standard-webhooks 1.0).
    #[test]
    fn a_signature_is_that_of_standard_webhooks() {
        let secret = Secret::from_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("valid");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        assert_eq!(
            secret.sign(id, 1_614_265_330, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_is_32_bytes_comes_back_from_its_text_and_does_not_show() {
        let secret = Secret::generate().expect("random");
        assert_eq!(secret.key.len(), LENGTH_BYTES);
        assert_eq!(Secret::from_text(secret.reveal()).as_ref(), Some(&secret));
        assert!(!format!("{secret:?}").contains(secret.reveal()));
        for damaged in ["", "whsec_", "whsec_%%", "c2VjcmV0"] {
            assert_eq!(Secret::from_text(damaged), None, "{damaged}");
        }
    }
}
