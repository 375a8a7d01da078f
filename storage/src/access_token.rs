//! Access tokens: who somebody is, for a quarter of an hour, without a row in any database.
//!
//! JSON Web Tokens (RFC 7519) signed with HMAC-SHA256 (HS256, RFC 7518 §3.2). This server alone
//! makes and reads them, and so its header is one text: another algorithm, or none, is a token that
//! this server did not make. The well-known libraries bring RSA and elliptic curves, or aws-lc;
//! HMAC is here already.
//!
//! A token cannot be taken back: what was said of a user counts until it expires, and a disabled
//! user, a new role or a log-out takes effect at the next refresh.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::accounts::{Role, SessionId, User, UserId, UserName};
use crate::random;
use crate::secret_file::{self, SecretFile};

/// The secret's file in the data folder.
pub const FILE_NAME: &str = "access-secret";

/// For how long a token is valid.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Characters of base32 in a generated secret: 260 bits, no less than SHA-256's output (RFC 7518
/// §3.2).
const SECRET_CHARS: usize = 52;

/// The shortest secret accepted from the file: signatures can be tried offline.
const SECRET_CHARS_MIN: usize = 32;

/// The longest secret accepted from the file: a line.
const SECRET_CHARS_MAX: usize = 512;

/// The longest token that is looked at: twice the longest that is made.
const TOKEN_CHARS_MAX: usize = 1024;

/// The header of every token, as it stands in it.
const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub id: UserId,
    /// The user's name.
    pub name: UserName,
    /// What the user may do.
    pub role: Role,
    /// The log-in that the token follows from.
    pub session: SessionId,
}

impl Identity {
    /// `user`, logged in by `session`.
    pub fn of(user: &User, session: SessionId) -> Self {
        Self {
            id: user.id.clone(),
            name: user.name.clone(),
            role: user.role,
            session,
        }
    }
}

/// The payload (RFC 7519 §4): registered claims and our own.
#[derive(Debug, Deserialize, Serialize)]
struct Claims {
    sub: String,
    name: String,
    role: String,
    /// The session.
    sid: String,
    iat: u64,
    exp: u64,
}

/// Why a token says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not one of this server's.
    #[error("the access token is not valid")]
    Invalid,
    /// It was valid.
    #[error("the access token has expired")]
    Expired,
}

/// What tokens are signed with. Clones are the same secret. `Debug` is redacted.
#[derive(Clone)]
pub struct AccessSecret {
    keyed: Hmac<Sha256>,
}

impl fmt::Debug for AccessSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessSecret(redacted)")
    }
}

/// Reads `data_dir`'s secret; makes one where there is none yet. Of several processes that do this
/// at once, one makes it and all return it. Blocks on a few small files.
pub fn load_or_create(data_dir: &Path) -> Result<AccessSecret, secret_file::Error> {
    let file = SecretFile {
        what: "the secret of access tokens",
        name: FILE_NAME,
        length: SECRET_CHARS_MIN..=SECRET_CHARS_MAX,
        generate: random::base32::<SECRET_CHARS>,
    };
    file.load_or_create(data_dir)
        .map(|secret| AccessSecret::of(secret.as_bytes()))
}

impl AccessSecret {
    fn of(secret: &[u8]) -> Self {
        let keyed = Hmac::new_from_slice(secret);
        Self {
            keyed: keyed.expect("HMAC takes keys of any length (RFC 2104 §3)"),
        }
    }

    /// A token that says who somebody is from `now` on, for [`LIFETIME`].
    pub fn issue(&self, identity: &Identity, now: SystemTime) -> String {
        let iat = unix_s(now);
        let claims = Claims {
            sub: identity.id.to_string(),
            name: identity.name.as_str().to_owned(),
            role: identity.role.as_str().to_owned(),
            sid: identity.session.as_str().to_owned(),
            iat,
            exp: iat.saturating_add(LIFETIME.as_secs()),
        };
        let claims = serde_json::to_vec(&claims).expect("texts and numbers are JSON");
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(HEADER),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = self.signing(&signed).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Who `token`, as somebody sent it, is at `now`.
    pub fn check(&self, token: &str, now: SystemTime) -> Result<Identity, Refusal> {
        let claims = self.claims(token).ok_or(Refusal::Invalid)?;
        let identity = identity_of(&claims).ok_or(Refusal::Invalid)?;
        match unix_s(now) < claims.exp {
            true => Ok(identity),
            false => Err(Refusal::Expired),
        }
    }

    /// What a token of this server's says, expired or not.
    fn claims(&self, token: &str) -> Option<Claims> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // In constant time, so that an answer's delay does not tell how much of a guess was right.
        self.signing(signed).verify_slice(&signature).ok()?;
        let (header, claims) = signed.split_once('.')?;
        if header != URL_SAFE_NO_PAD.encode(HEADER) {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }

    fn signing(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(text.as_bytes());
        mac
    }
}

fn identity_of(claims: &Claims) -> Option<Identity> {
    Some(Identity {
        id: UserId::new(&claims.sub).ok()?,
        name: UserName::new(&claims.name).ok()?,
        role: claims.role.parse().ok()?,
        session: SessionId::from_claim(claims.sid.clone()),
    })
}

/// A clock set before 1970 counts as 1970.
fn unix_s(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            id: UserId::new("k3f7a2mzq7xw2b").expect("id"),
            name: UserName::new("Mona_7").expect("name"),
            role: Role::Streamer,
            session: SessionId::from_claim("s3f7a2mzq7xw2b".to_owned()),
        }
    }

    fn at(unix_s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(unix_s)
    }

    fn part(token: &str, index: usize) -> serde_json::Value {
        let part = token.split('.').nth(index).expect("part");
        let json = URL_SAFE_NO_PAD.decode(part).expect("base64url");
        serde_json::from_slice(&json).expect("JSON")
    }

    #[test]
    fn the_signature_is_that_of_rfc_7515() {
        // RFC 7515, appendix A.1: the key, the signing input and the signature of its example.
        let key = URL_SAFE_NO_PAD
            .decode(
                "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1\
                 Z9CAow",
            )
            .expect("base64url");
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMD\
                      A4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = AccessSecret::of(&key)
            .signing(signed)
            .finalize()
            .into_bytes();
        let text = URL_SAFE_NO_PAD.encode(signature);
        assert_eq!(text, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    #[test]
    fn a_token_says_who_somebody_is_until_it_expires() {
        let secret = AccessSecret::of(b"a secret of the test's own");
        let token = secret.issue(&identity(), at(1000));
        assert_eq!(
            part(&token, 0),
            serde_json::json!({ "alg": "HS256", "typ": "JWT" })
        );
        assert_eq!(
            part(&token, 1),
            serde_json::json!({
                "sub": "k3f7a2mzq7xw2b", "name": "Mona_7", "role": "streamer",
                "sid": "s3f7a2mzq7xw2b", "iat": 1000, "exp": 1900,
            })
        );
        assert_eq!(secret.check(&token, at(1000)), Ok(identity()));
        assert_eq!(secret.check(&token, at(1899)), Ok(identity()));
        assert_eq!(secret.check(&token, at(1900)), Err(Refusal::Expired));
    }

    #[test]
    fn what_this_server_did_not_sign_is_refused() {
        let secret = AccessSecret::of(b"a secret of the test's own");
        let token = secret.issue(&identity(), at(1000));
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let claims = signed.split_once('.').expect("two parts").1;
        let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let other = AccessSecret::of(b"another").issue(&identity(), at(1000));
        // Signed by us, but not made as a token: as another use of the secret would be.
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
        let odd = format!("{header}.{claims}");
        let odd_signature = URL_SAFE_NO_PAD.encode(secret.signing(&odd).finalize().into_bytes());
        for text in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            signed.to_owned(),
            format!("{signed}."),
            format!("{unsigned}.{claims}."),
            format!("{unsigned}.{claims}.{signature}"),
            format!("{token}A"),
            format!("{token}="),
            format!("{odd}.{odd_signature}"),
            other,
            "x".repeat(TOKEN_CHARS_MAX + 1),
        ] {
            assert_eq!(
                secret.check(&text, at(1000)),
                Err(Refusal::Invalid),
                "{text}"
            );
        }
        for index in 0..token.len() {
            let mut mangled = token.clone().into_bytes();
            mangled[index] = if mangled[index] == b'A' { b'B' } else { b'A' };
            let mangled = String::from_utf8(mangled).expect("ASCII");
            assert_eq!(secret.check(&mangled, at(1000)), Err(Refusal::Invalid));
        }
    }

    #[test]
    fn the_secret_is_made_once_and_hides_from_logs() {
        let folder = tempfile::tempdir().expect("folder");
        let secret = load_or_create(folder.path()).expect("made");
        let token = secret.issue(&identity(), at(1000));
        let again = load_or_create(folder.path()).expect("read");
        assert_eq!(again.check(&token, at(1000)), Ok(identity()));
        assert_eq!(format!("{secret:?}"), "AccessSecret(redacted)");
    }
}
