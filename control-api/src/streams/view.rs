//! Streams as the API shows them.

use std::time::SystemTime;

use serde::Serialize;
use storage::stream::ReconnectWindow;
use storage::{Stream, StreamKey};
use utoipa::ToSchema;

use super::settings::Retention;
use crate::Api;
use crate::broadcasts::LastRefusal;
use crate::time::rfc3339;
use crate::urls::{Extras, Origin, PlaybackUrls, PublishUrls};
use crate::visibility::Visibility;

/// Whether a broadcast runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
// Schemas are known by their names alone, and recordings have a status too.
#[schema(as = StreamStatus)]
pub(crate) enum Status {
    Offline,
    Live,
}

impl Status {
    pub(crate) fn of(live_since: Option<SystemTime>) -> Self {
        match live_since {
            Some(_) => Self::Live,
            None => Self::Offline,
        }
    }
}

/// Why a publisher may not publish.
#[derive(Serialize, ToSchema)]
#[schema(as = PublisherRefusal)]
struct RefusalView {
    /// `overloaded` (the machine is too small for another broadcast), `full`, `address`, `kicked`,
    /// `banned`, `vetoed`, `unanswered` or `shutting_down`.
    #[schema(example = "overloaded")]
    reason: &'static str,
    /// For people.
    #[schema(example = "this server cannot encode another broadcast in real time now")]
    detail: String,
    /// When (RFC 3339).
    #[schema(example = "2026-03-01T12:00:00.000Z")]
    at: String,
}

impl From<LastRefusal> for RefusalView {
    fn from(it: LastRefusal) -> Self {
        Self {
            reason: it.reason,
            detail: it.detail,
            at: rfc3339(it.at),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct StreamView {
    /// Stands in playback URLs.
    #[schema(example = "k3f9a2mzq7xw2b")]
    pub(super) id: String,
    /// What viewers read.
    title: String,
    /// What they read below it; may be empty.
    description: String,
    /// By what it is found.
    tags: Vec<String>,
    /// The user whose it is; null: the operator's.
    owner: Option<String>,
    /// Who may watch.
    visibility: Visibility,
    /// Whether a broadcast runs.
    status: Status,
    /// When the running broadcast began (RFC 3339).
    live_since: Option<String>,
    /// The last publisher with the right key that was refused since the server began; null: none.
    last_refusal: Option<RefusalView>,
    /// How many watch it; null while it is offline.
    viewers: Option<u32>,
    /// The most who watched the running broadcast at a time; null while it is offline.
    viewers_peak: Option<u32>,
    /// When the stream was created (RFC 3339).
    #[schema(example = "2026-03-01T12:00:00.000Z")]
    created_at: String,
    /// Whether SRT publishers must encrypt.
    srt_encrypted: bool,
    /// Addresses and networks from which may be published; empty: all.
    #[schema(example = json!(["192.0.2.7", "2001:db8::/32"]))]
    publishers: Vec<String>,
    /// For how many seconds a broadcast waits for a publisher that was lost; null: as the server's
    /// setting says.
    reconnect_s: Option<u32>,
    /// Whether a second publisher may stand by.
    backup_publisher: bool,
    /// Whether broadcasts are recorded; null: as the server's setting says.
    record: Option<bool>,
    /// Which renditions are recorded; empty: as the server's setting says.
    record_renditions: Vec<String>,
    /// How long recordings are kept.
    retention: Retention,
    /// Where it plays; where it is private, with `?token=` and a playback token behind.
    playback: PlaybackUrls,
}

impl StreamView {
    pub(crate) fn new(api: &Api, origin: &Origin, stream: &Stream) -> Self {
        let live_since = api.broadcasts.live_since(&stream.id);
        let audience = api.broadcasts.audience(&stream.id);
        let extras = Extras::of(&stream.id, &*api.broadcasts);
        Self {
            id: stream.id.to_string(),
            title: stream.title.to_string(),
            description: stream.description.as_str().to_owned(),
            tags: stream.tags.as_slice().to_vec(),
            owner: stream.owner.as_ref().map(ToString::to_string),
            visibility: stream.visibility.into(),
            status: Status::of(live_since),
            live_since: live_since.map(rfc3339),
            last_refusal: api
                .broadcasts
                .last_refusal(&stream.id)
                .map(RefusalView::from),
            viewers: audience.map(|audience| audience.now),
            viewers_peak: audience.map(|audience| audience.peak),
            created_at: rfc3339(stream.created_at),
            srt_encrypted: stream.srt_passphrase.is_some(),
            publishers: stream.publishers.texts(),
            reconnect_s: stream.reconnection.window.map(ReconnectWindow::as_secs),
            backup_publisher: stream.reconnection.backup,
            record: stream.recording.record,
            record_renditions: stream
                .recording
                .renditions
                .iter()
                .map(ToString::to_string)
                .collect(),
            retention: Retention::of(&stream.recording),
            playback: origin.playback(&stream.id, None, extras),
        }
    }
}

/// A stream with its key: shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct StreamWithKey {
    #[serde(flatten)]
    pub(super) stream: StreamView,
    /// The secret to publish with. It is stored nowhere and cannot be shown again.
    stream_key: String,
    /// What to enter in an encoder; holds the key.
    publish: PublishUrls,
}

impl StreamWithKey {
    pub(super) fn new(api: &Api, origin: &Origin, stream: &Stream, key: &StreamKey) -> Self {
        Self {
            stream: StreamView::new(api, origin, stream),
            stream_key: key.reveal().to_owned(),
            publish: origin.publish(key, stream.srt_passphrase.as_ref()),
        }
    }
}

/// A public stream with a running broadcast, as everybody may see it.
#[derive(Serialize, ToSchema)]
pub(crate) struct LiveView {
    /// Stands in playback URLs.
    #[schema(example = "k3f9a2mzq7xw2b")]
    id: String,
    /// What viewers read.
    title: String,
    /// What they read below it; may be empty.
    description: String,
    /// By what it is found.
    tags: Vec<String>,
    /// When its broadcast began (RFC 3339); null where that has just ended.
    live_since: Option<String>,
    /// How many watch it.
    viewers: Option<u32>,
    /// The most who watched it at a time.
    viewers_peak: Option<u32>,
    /// Where it plays.
    playback: PlaybackUrls,
}

impl LiveView {
    pub(super) fn new(api: &Api, origin: &Origin, stream: &Stream) -> Self {
        let audience = api.broadcasts.audience(&stream.id);
        let extras = Extras::of(&stream.id, &*api.broadcasts);
        Self {
            id: stream.id.to_string(),
            title: stream.title.to_string(),
            description: stream.description.as_str().to_owned(),
            tags: stream.tags.as_slice().to_vec(),
            live_since: api.broadcasts.live_since(&stream.id).map(rfc3339),
            viewers: audience.map(|audience| audience.now),
            viewers_peak: audience.map(|audience| audience.peak),
            playback: origin.playback(&stream.id, None, extras),
        }
    }
}
