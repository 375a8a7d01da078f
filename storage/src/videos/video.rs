//! A video as it is stored: an item of the VOD library, and what has become of it.

use std::fmt;
use std::time::{Duration, SystemTime};

use media_core::{AssetId, RecordingId, VideoId};

use super::text::{Description, Tag, Title};
use crate::accounts::UserId;
use crate::recording::{Place, word};

/// An item of the VOD library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Video {
    /// Stands in playback URLs.
    pub id: VideoId,
    /// Whose it is; `None`: the operator's.
    pub owner: Option<UserId>,
    /// Its media; `None`: there is nothing to play (yet).
    pub asset: Option<AssetId>,
    /// Where its media is.
    pub place: Place,
    /// Which recording it was imported from, which may be deleted since.
    pub recording: Option<RecordingId>,
    /// What viewers read.
    pub title: Title,
    /// More about it; may be empty.
    pub description: Description,
    /// Words to find it by, in the order in which they were given.
    pub tags: Vec<Tag>,
    /// Who may watch.
    pub visibility: Visibility,
    /// What has become of it.
    pub status: Status,
    /// Why it failed, for people.
    pub reason: Option<String>,
    /// How much of it is encoded: 0 to 1000.
    pub progress_permille: u16,
    /// Its length, to the millisecond; zero until it is ready.
    pub duration: Duration,
    /// Bytes of its media; zero until it is ready.
    pub bytes: u64,
    /// What the uploaded file was called.
    pub source_name: Option<String>,
    /// How often it was watched.
    pub views: u64,
    /// How many users like it.
    pub likes: u64,
    /// When its row was made, to the millisecond.
    pub created_at: SystemTime,
    /// When it could first be played.
    pub published_at: Option<SystemTime>,
}

word! {
    /// Who may watch a video.
    Visibility {
        /// Everyone; it is listed.
        Public = "public",
        /// Everyone who knows its id; it is not listed.
        Unlisted = "unlisted",
        /// Who has a playback token ([`crate::playback_token`]).
        Private = "private",
    }
}

word! {
    /// What has become of a video.
    Status {
        /// Its file is to come, or on its way.
        Uploading = "uploading",
        /// Its file waits for being encoded.
        Queued = "queued",
        /// Its file is being encoded.
        Processing = "processing",
        /// It can be played.
        Ready = "ready",
        /// Its file cannot be encoded, or never came.
        Failed = "failed",
    }
}
