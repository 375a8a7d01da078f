//! A recording as the API shows it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;
use storage::Visibility as Watching;
use storage::playback_token::Lifetime;
use storage::recording::{self, Recording};
use utoipa::ToSchema;

use crate::Api;
use crate::time::rfc3339;
use crate::urls::Origin;
use crate::visibility::Visibility;

/// What became of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RecordingStatus)]
pub(crate) enum Status {
    /// Its broadcast runs.
    Recording,
    /// All of the broadcast can be played.
    Ready,
    /// What was recorded before something went wrong can be played.
    Interrupted,
    /// Nothing can be played.
    Failed,
}

impl From<recording::Status> for Status {
    fn from(status: recording::Status) -> Self {
        match status {
            recording::Status::Recording => Self::Recording,
            recording::Status::Ready => Self::Ready,
            recording::Status::Interrupted => Self::Interrupted,
            recording::Status::Failed => Self::Failed,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RecordingView {
    /// Stands in playback URLs.
    #[schema(example = "q4f9a2mzq7xw2b")]
    id: String,
    /// The stream, which may be deleted since.
    #[schema(example = "k3f9a2mzq7xw2b")]
    stream_id: String,
    /// The broadcast.
    broadcast_id: String,
    /// The stream's title when the broadcast began, or what it was called since.
    title: String,
    /// Who may watch: as of the stream, also after that was deleted.
    visibility: Visibility,
    /// What became of it.
    status: Status,
    /// Why it is not all of its broadcast, as `restart` or `disk-full`; null where it is.
    reason: Option<&'static str>,
    /// Whether retention leaves it alone.
    protected: bool,
    /// When it began (RFC 3339).
    #[schema(example = "2026-03-01T12:00:00.000Z")]
    started_at: String,
    /// When it ended (RFC 3339); null while it runs.
    ended_at: Option<String>,
    /// Its length in milliseconds; 0 while it runs.
    duration_ms: u64,
    /// Bytes of its media; while it runs, as of a minute ago or less.
    bytes: u64,
    /// Its renditions; empty where an earlier version recorded it.
    #[schema(example = json!(["1080p", "720p", "audio"]))]
    renditions: Vec<String>,
    /// Where it plays; null while it runs, and where nothing can be played.
    playback: Option<RecordingUrls>,
}

/// Where a recording plays. Those of a private one are open for six hours.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordingUrls {
    /// The multivariant playlist.
    #[schema(example = "https://live.example.org/vod/q4f9a2mzq7xw2b/master.m3u8")]
    pub(crate) hls: String,
    /// Three pictures of it, of which some may be the same; none where it is sound alone. They
    /// answer 404 where the server was killed in its first ten seconds.
    pub(crate) thumbnails: Vec<String>,
    /// Pictures for scrubbing: WebVTT that says which part of which JPEG stands for which time; null
    /// where it is sound alone.
    pub(crate) sprite: Option<String>,
    /// One ordinary MP4 a rendition, by its name.
    pub(crate) download: BTreeMap<String, String>,
}

impl RecordingView {
    pub(super) fn new(api: &Api, origin: &Origin, recording: &Recording) -> Self {
        let token = token(api, recording, Lifetime::DEFAULT, SystemTime::now());
        let playback = || origin.recording(recording, token.as_deref());
        Self {
            id: recording.id.to_string(),
            stream_id: recording.stream.to_string(),
            broadcast_id: recording.broadcast.to_string(),
            title: recording.stream_title.clone(),
            visibility: recording.visibility.into(),
            status: recording.status.into(),
            reason: recording.reason.map(recording::Reason::as_str),
            protected: recording.is_protected,
            started_at: rfc3339(recording.started_at),
            ended_at: recording.ended_at.map(rfc3339),
            duration_ms: u64::try_from(recording.duration.as_millis()).unwrap_or(u64::MAX),
            bytes: recording.bytes,
            renditions: recording
                .renditions
                .iter()
                .map(ToString::to_string)
                .collect(),
            playback: plays(recording).then(playback),
        }
    }
}

/// Whether there is something to play.
pub(super) fn plays(recording: &Recording) -> bool {
    use recording::Status::{Interrupted, Ready};
    recording.asset.is_some() && matches!(recording.status, Ready | Interrupted)
}

/// The playback token that the recording's URLs need, if they need one: whoever sees a private
/// recording here may watch it.
pub(super) fn token(
    api: &Api,
    recording: &Recording,
    lifetime: Lifetime,
    now: SystemTime,
) -> Option<String> {
    let issue = || api.playback_secret.issue(&recording.stream, lifetime, now);
    let is_private = recording.visibility == Watching::Private;
    is_private.then(|| issue().reveal().to_owned())
}
