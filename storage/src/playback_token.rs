//! Playback tokens: what opens a private stream or video to a viewer until a time, without a row in
//! any database.
//!
//! A token is `v1.{expiry}.{signature}`: the expiry in seconds since 1970, and HMAC-SHA256 (RFC
//! 2104) over a label of its kind, the stream's or video's id and the expiry, in base64url without padding (RFC 4648 §5).
//! All of it is unreserved in URIs (RFC 3986 §2.3). It is a bearer token: who has it may watch.
//!
//! A token cannot be taken back by itself; another secret voids all of them.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use media_core::{StreamId, VideoId};
use sha2::Sha256;

use crate::random;
use crate::secret_file::{self, SecretFile};

/// The secret's file in the data folder.
pub const FILE_NAME: &str = "playback-secret";

/// Characters of base32 in a generated secret: 260 bits, more than the signature has.
const SECRET_CHARS: usize = 52;

/// The shortest secret accepted from the file: signatures can be tried offline, so that it must be
/// beyond any guessing.
const SECRET_CHARS_MIN: usize = 32;

/// The longest secret accepted from the file: a line.
const SECRET_CHARS_MAX: usize = 512;

/// Names the format. With another one this module's tokens are refused and the other way round.
const VERSION: &str = "v1";

/// Begins what is signed for a stream, so that no signature made for anything else opens one.
const STREAM_LABEL: &[u8] = b"millrace playback token v1\n";

/// The same for a video.
const VIDEO_LABEL: &[u8] = b"millrace video playback token v1\n";

/// SHA-256's output.
const SIGNATURE_BYTES: usize = 32;

/// The same in base64url.
const SIGNATURE_CHARS: usize = 43;

/// What decoding needs for that many characters before it has looked at them.
const SIGNATURE_BUFFER_BYTES: usize = SIGNATURE_CHARS.div_ceil(4) * 3;

/// What a token opens. One of a kind never opens another, whatever their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens<'a> {
    /// A stream, its running broadcast and its recordings.
    Stream(&'a StreamId),
    /// A video.
    Video(&'a VideoId),
}

impl<'a> From<&'a StreamId> for Opens<'a> {
    fn from(stream: &'a StreamId) -> Self {
        Self::Stream(stream)
    }
}

impl<'a> From<&'a VideoId> for Opens<'a> {
    fn from(video: &'a VideoId) -> Self {
        Self::Video(video)
    }
}

impl<'a> Opens<'a> {
    /// What is signed before the expiry: the kind's label, and the id.
    fn signed(self) -> (&'static [u8], &'a str) {
        match self {
            Self::Stream(stream) => (STREAM_LABEL, stream.as_str()),
            Self::Video(video) => (VIDEO_LABEL, video.as_str()),
        }
    }
}

/// For how long a token is valid: whole seconds, 1 to [`Lifetime::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(Duration);

/// A time that is not a token's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a playback token is valid for 1 to {} seconds", Lifetime::MAX.as_secs())]
pub struct InvalidLifetime;

impl Lifetime {
    /// A year: one that is to be valid for longer is as good as a public stream.
    pub const MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    /// An evening's broadcast.
    pub const DEFAULT: Self = Self(Duration::from_secs(6 * 60 * 60));

    /// Checks a time; what it has beyond whole seconds is dropped.
    pub fn new(time: Duration) -> Result<Self, InvalidLifetime> {
        let whole = Duration::from_secs(time.as_secs());
        match (Duration::from_secs(1)..=Self::MAX).contains(&whole) {
            true => Ok(Self(whole)),
            false => Err(InvalidLifetime),
        }
    }
}

/// A token and until when it is valid. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct PlaybackToken {
    text: String,
    expires_at: SystemTime,
}

impl PlaybackToken {
    /// The token itself, for the viewer's URL.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The first moment at which it is not valid any more.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl fmt::Debug for PlaybackToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaybackToken")
            .field("text", &"redacted")
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// Why a token does not open what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not one of this server's for this stream or video.
    #[error("the playback token is not valid here")]
    Invalid,
    /// It was valid here.
    #[error("the playback token has expired")]
    Expired,
}

/// What tokens are signed with. Clones are the same secret. `Debug` is redacted.
#[derive(Clone)]
pub struct PlaybackSecret {
    /// With the key taken in already: a clone of it is all that a check begins with.
    keyed: Hmac<Sha256>,
}

impl fmt::Debug for PlaybackSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlaybackSecret(redacted)")
    }
}

/// Reads `data_dir`'s secret; makes one where there is none yet. Of several processes that do this
/// at once, one makes it and all return it. Blocks on a few small files.
pub fn load_or_create(data_dir: &Path) -> Result<PlaybackSecret, secret_file::Error> {
    let file = SecretFile {
        what: "the playback secret",
        name: FILE_NAME,
        length: SECRET_CHARS_MIN..=SECRET_CHARS_MAX,
        generate: random::base32::<SECRET_CHARS>,
    };
    file.load_or_create(data_dir)
        .map(|secret| PlaybackSecret::of(&secret))
}

impl PlaybackSecret {
    fn of(secret: &str) -> Self {
        let keyed = Hmac::new_from_slice(secret.as_bytes());
        Self {
            keyed: keyed.expect("HMAC takes keys of any length (RFC 2104 §3)"),
        }
    }

    /// A token that opens a stream or a video from `now` on.
    pub fn issue<'a>(
        &self,
        opens: impl Into<Opens<'a>>,
        lifetime: Lifetime,
        now: SystemTime,
    ) -> PlaybackToken {
        let expiry_s = unix_s(now).saturating_add(lifetime.0.as_secs());
        let expiry = expiry_s.to_string();
        let signature = self.signing(opens.into(), &expiry).finalize().into_bytes();
        let signature = URL_SAFE_NO_PAD.encode(signature);
        PlaybackToken {
            text: format!("{VERSION}.{expiry}.{signature}"),
            expires_at: SystemTime::UNIX_EPOCH + Duration::from_secs(expiry_s),
        }
    }

    /// Whether `token`, as a viewer sent it, opens a stream or a video at `now`.
    pub fn check<'a>(
        &self,
        opens: impl Into<Opens<'a>>,
        token: &str,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let (expiry, signature) = parse(token).ok_or(Refusal::Invalid)?;
        // In constant time, so that an answer's delay does not tell how much of a guess was right.
        self.signing(opens.into(), expiry)
            .verify_slice(&signature)
            .map_err(|_| Refusal::Invalid)?;
        // What is signed was written by `issue`.
        let expiry_s: u64 = expiry.parse().map_err(|_| Refusal::Invalid)?;
        match unix_s(now) < expiry_s {
            true => Ok(()),
            false => Err(Refusal::Expired),
        }
    }

    /// The expiry is signed as it is written, so that no other way to write it is valid; an id has
    /// no line feed, so that no two pairs are signed alike.
    fn signing(&self, opens: Opens<'_>, expiry: &str) -> Hmac<Sha256> {
        let (label, id) = opens.signed();
        let mut mac = self.keyed.clone();
        mac.update(label);
        mac.update(id.as_bytes());
        mac.update(b"\n");
        mac.update(expiry.as_bytes());
        mac
    }
}

/// The expiry's text and the signature.
fn parse(token: &str) -> Option<(&str, [u8; SIGNATURE_BYTES])> {
    let (expiry, signature) = token
        .strip_prefix(VERSION)?
        .strip_prefix('.')?
        .split_once('.')?;
    if signature.len() != SIGNATURE_CHARS {
        return None;
    }
    let mut buffer = [0; SIGNATURE_BUFFER_BYTES];
    let decoded = URL_SAFE_NO_PAD.decode_slice(signature, &mut buffer).ok()?;
    Some((expiry, buffer[..decoded].try_into().ok()?))
}

/// A clock set before 1970 counts as 1970.
fn unix_s(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
