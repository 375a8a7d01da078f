//! `PATCH /api/v1/streams/{id}`: what its owner says about a stream.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use storage::stream::{Description, Publishers, ReconnectWindow, Tags};
use storage::streams::Change;
use storage::{SrtPassphrase, Title};
use utoipa::ToSchema;

use crate::Api;
use crate::body::{self, JsonBody, given, not_null};
use crate::faults::{self, Faults};
use crate::problem::{Error, Problem};
use crate::streams::settings::{Recording, Retention};
use crate::streams::{OwnStream, StreamView, announce, to_the_end};
use crate::urls::Origin;
use crate::visibility::Visibility;

/// What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
// A misspelt `visibility` must not silently leave a stream open.
#[serde(deny_unknown_fields)]
pub(crate) struct StreamChange {
    /// What viewers read: 3 to 100 characters, no control characters.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false, example = "Harbour camera")]
    title: Option<String>,
    /// Who may watch from the next request on.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Option<Visibility>, nullable = false)]
    visibility: Option<String>,
    /// What viewers read below the title; an empty text is none.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// All tags that it has from now on.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    tags: Option<Vec<String>>,
    /// The passphrase of SRT publishers from the next one on; null: none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "saltwater42")]
    srt_passphrase: Option<Option<String>>,
    /// All addresses and networks from which may be published; who publishes from another one is
    /// disconnected. An empty list: from everywhere.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false, example = json!(["192.0.2.7", "2001:db8::/32"]))]
    publishers: Option<Vec<String>>,
    /// For how many seconds a broadcast waits for a publisher that was lost, 0 to 3600; null: as the
    /// server's setting says.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, maximum = 3600)]
    reconnect_s: Option<Option<u32>>,
    /// Whether a second publisher may stand by, from the next one that comes on.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    backup_publisher: Option<bool>,
    /// Whether broadcasts are recorded from the next one on; null: as the server's setting says.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>)]
    record: Option<Option<bool>>,
    /// Which renditions are recorded; an empty list: as the server's setting says.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false, example = json!(["1080p", "audio"]))]
    record_renditions: Option<Vec<String>>,
    /// How long recordings are kept, also those that are there already.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    retention: Option<Retention>,
}

impl StreamChange {
    fn check(self) -> Result<Change, Error> {
        let recording = Recording {
            record: self.record,
            renditions: self.record_renditions,
            retention: self.retention,
        };
        let mut faults = Faults::default();
        let change = Change {
            title: faults.optional("title", self.title, |text| Title::new(&text)),
            description: faults.optional("description", self.description, |text| {
                Description::new(&text)
            }),
            tags: faults.optional("tags", self.tags, |tags| Tags::new(&tags)),
            visibility: faults
                .optional("visibility", self.visibility, |text| {
                    text.parse::<Visibility>()
                })
                .map(Into::into),
            srt_passphrase: faults.optional("srt_passphrase", self.srt_passphrase, |text| {
                text.map(|text| SrtPassphrase::new(&text)).transpose()
            }),
            publishers: faults.optional("publishers", self.publishers, |texts| {
                Publishers::new(&texts)
            }),
            recording: recording.check(&mut faults),
            reconnect: faults.optional("reconnect_s", self.reconnect_s, |seconds| {
                seconds.map(ReconnectWindow::from_secs).transpose()
            }),
            backup: self.backup_publisher,
        };
        faults.end()?;
        Ok(change)
    }
}

/// Changes what its owner says about a stream. Viewers without a token are refused from the next
/// request on where it becomes private; its broadcast and its key stay.
#[utoipa::path(
    patch,
    path = "/api/v1/streams/{id}",
    tag = "streams",
    params(("id" = String, Path, description = "The stream's id.")),
    request_body = StreamChange,
    responses(
        (status = 200, description = "The stream as it is now.", body = StreamView),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    OwnStream(stream): OwnStream,
    origin: Origin,
    JsonBody(wanted): JsonBody<StreamChange>,
) -> Result<Json<StreamView>, Error> {
    let change = wanted.check()?;
    let id = stream.id;
    to_the_end(async move {
        let stream = api.streams.change(&id, &change).await?;
        tracing::info!(stream = %id, visibility = ?stream.visibility, "stream changed");
        announce(&api).await;
        Ok(Json(StreamView::new(&api, &origin, &stream)))
    })
    .await
}
