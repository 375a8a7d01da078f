//! What the API stands on, and who may become a user.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use storage::{
    AccessSecret, Accounts, AdminToken, Audit, PlaybackSecret, Recordings, Streams, Videos,
    Webhooks, uploads,
};

use crate::cors::WebOrigin;
use crate::media::Media;
use crate::{Broadcasts, Guesses, Urls};

/// Everything that [`crate::Api`] is made of.
pub struct Options {
    /// The streams.
    pub streams: Streams,
    /// What was recorded of them.
    pub recordings: Recordings,
    /// The VOD library.
    pub videos: Videos,
    /// The media of recordings and videos, wherever it lies.
    pub media: Arc<dyn Media>,
    /// The users.
    pub accounts: Accounts,
    /// Where changes are written down.
    pub audit: Audit,
    /// Who is told of events.
    pub webhooks: Webhooks,
    /// Where files go that are uploaded into the VOD library.
    pub uploads: uploads::Folder,
    /// How much may be uploaded.
    pub upload_limits: UploadLimits,
    /// The process around the API.
    pub broadcasts: Arc<dyn Broadcasts>,
    /// The operator's secret.
    pub admin_token: AdminToken,
    /// What playback tokens are signed with.
    pub playback_secret: PlaybackSecret,
    /// What access tokens are signed with.
    pub access_secret: AccessSecret,
    /// Where the world reaches this server.
    pub urls: Urls,
    /// Who may become a user.
    pub registration: Registration,
    /// Whose pages may call the API from a browser, beside the server's own.
    pub cors_origins: Vec<WebOrigin>,
    /// How much one address may ask.
    pub limits: Limits,
    /// Who guesses secrets, here and at the process's other doors.
    pub guesses: Guesses,
}

/// How much may be uploaded into the VOD library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// How long a file may be, in bytes.
    pub bytes_max: u64,
    /// What a user's files may have together that are on their way or not encoded yet.
    pub owner_bytes_max: u64,
}

/// Who may become a user. The operator and admins can always make one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Everybody; as a viewer.
    Open,
    /// Whoever has an invitation; as it says.
    Invitation,
    /// Nobody.
    #[default]
    Closed,
}

/// A text that is no kind of registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("open, invitation or closed is expected")]
pub struct UnknownRegistration;

impl FromStr for Registration {
    type Err = UnknownRegistration;

    fn from_str(text: &str) -> Result<Self, UnknownRegistration> {
        match text {
            "open" => Ok(Self::Open),
            "invitation" => Ok(Self::Invitation),
            "closed" => Ok(Self::Closed),
            _ => Err(UnknownRegistration),
        }
    }
}

/// How much one address (IPv6: one /64) may ask of the API. The operator is not limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute, but for `/health` and what the watch page asks: many viewers may share an
    /// address.
    pub requests_per_minute: NonZeroU32,
    /// Accounts that can be made in an hour, but by the operator and admins.
    pub registrations_per_hour: NonZeroU32,
    /// Wrong passwords in any minute.
    pub logins_per_minute: NonZeroU32,
    /// For how long an address that tries one more, right or wrong, may try none.
    pub login_ban: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_minute: NonZeroU32::new(100).expect("not 0"),
            registrations_per_hour: NonZeroU32::new(10).expect("not 0"),
            logins_per_minute: NonZeroU32::new(5).expect("not 0"),
            login_ban: Duration::from_secs(900),
        }
    }
}
