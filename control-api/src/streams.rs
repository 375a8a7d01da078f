//! `/api/v1/streams`: the owner's view of streams and their keys.
//!
//! A key is in the answers to creation and rotation, and in no other.

pub(crate) mod list;
pub(crate) mod settings;
mod view;

use std::future::Future;
use std::time::SystemTime;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use media_core::StreamId;
use serde::Deserialize;
use storage::stream::{Description, Publishers, ReconnectWindow, Reconnection, Tags};
use storage::{SrtPassphrase, Stream, Title, Visibility as Watching, streams};
use utoipa::ToSchema;

use crate::Api;
use crate::body::{self, JsonBody, not_null};
use crate::caller::{Caller, Streamer};
use crate::faults::{self, Faults};
use crate::problem::{Error, Problem};
use crate::urls::Origin;
use crate::visibility::Visibility;

use settings::{Recording, Retention};
pub(crate) use view::{Status, StreamView, StreamWithKey};

#[derive(Debug, Deserialize, ToSchema)]
// A misspelt `srt_passphrase` must not silently leave a stream unencrypted.
#[serde(deny_unknown_fields)]
pub(crate) struct NewStream {
    /// What viewers read: 3 to 100 characters, no control characters.
    // Optional here and required in the document: its absence is reported like any other fault.
    #[schema(value_type = String, required, example = "Harbour camera")]
    title: Option<String>,
    /// What they read below it: at most 5000 characters, no control characters but line feeds.
    description: Option<String>,
    /// By what it is found: at most 10 tags of 1 to 30 characters.
    #[schema(example = json!(["harbour", "sea"]))]
    tags: Option<Vec<String>>,
    /// SRT publishers must encrypt with it: 10 to 79 printable ASCII characters. Letters and
    /// digits are best: FFmpeg does not decode escapes in an address, which a space or `%&+;#` need.
    #[schema(example = "saltwater42")]
    srt_passphrase: Option<String>,
    /// Who may watch: `public` where it is not given.
    // A null must not silently make a stream public.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Visibility, required = false)]
    visibility: Option<String>,
    /// From where may be published: at most 32 IP addresses and networks in CIDR notation; all,
    /// where there is none.
    #[schema(example = json!(["192.0.2.7", "2001:db8::/32"]))]
    publishers: Option<Vec<String>>,
    /// For how many seconds a broadcast waits for a publisher that was lost, 0 to 3600; null: as the
    /// server's setting says.
    #[schema(maximum = 3600)]
    reconnect_s: Option<u32>,
    /// Whether a second publisher may stand by: with the same key, and taken when what the first one
    /// sends stays away. False where it is not given.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    backup_publisher: Option<bool>,
    /// Whether broadcasts are recorded; null: as the server's setting says.
    record: Option<bool>,
    /// Which renditions are recorded, by their names; none: as the server's setting says.
    #[schema(example = json!(["1080p", "audio"]))]
    record_renditions: Option<Vec<String>>,
    /// How long recordings are kept.
    retention: Option<Retention>,
}

impl NewStream {
    fn check(self) -> Result<streams::NewStream, Error> {
        let mut faults = Faults::default();
        let title = faults.required("title", self.title, |text| Title::new(&text));
        let description = faults.optional("description", self.description, |text| {
            Description::new(&text)
        });
        let tags = faults.optional("tags", self.tags, |tags| Tags::new(&tags));
        let srt_passphrase = faults.optional("srt_passphrase", self.srt_passphrase, |text| {
            SrtPassphrase::new(&text)
        });
        let visibility = faults.optional("visibility", self.visibility, |text| {
            text.parse::<Visibility>()
        });
        let publishers = faults.optional("publishers", self.publishers, |texts| {
            Publishers::new(&texts)
        });
        let recording = Recording {
            record: Some(self.record),
            renditions: self.record_renditions,
            retention: self.retention,
        };
        let recording = recording.check(&mut faults);
        let window = faults.optional("reconnect_s", self.reconnect_s, ReconnectWindow::from_secs);
        faults.end()?;
        Ok(streams::NewStream {
            description: description.unwrap_or_default(),
            tags: tags.unwrap_or_default(),
            srt_passphrase,
            visibility: visibility.unwrap_or_default().into(),
            publishers: publishers.unwrap_or_default(),
            recording: settings::choice(recording),
            reconnection: Reconnection {
                window,
                backup: self.backup_publisher.unwrap_or_default(),
            },
            ..streams::NewStream::titled(title.ok_or(Error::Aborted)?)
        })
    }
}

/// The stream id of a path. What cannot be one names no stream.
pub(crate) struct StreamPath(pub(crate) StreamId);

impl<S: Send + Sync> FromRequestParts<S> for StreamPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::NoStream)?;
        let id = StreamId::new(&text).map_err(|_| Error::NoStream)?;
        Ok(Self(id))
    }
}

/// The stream of a path, which the caller may see and change. Of somebody else's private one nobody
/// is told that it is there; what everybody may know of a public one `/api/v1/watch/{id}` tells.
pub(crate) struct OwnStream(pub(crate) Stream);

impl FromRequestParts<Api> for OwnStream {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let caller = Caller::from_request_parts(parts, api).await?;
        let StreamPath(id) = StreamPath::from_request_parts(parts, api).await?;
        let stream = api.streams.find(&id).await?.ok_or(Error::NoStream)?;
        match (caller.owns(stream.owner.as_ref()), stream.visibility) {
            (true, _) => Ok(Self(stream)),
            (false, Watching::Public) => Err(Error::NotYours),
            (false, Watching::Private) => Err(Error::NoStream),
        }
    }
}

/// Creates a stream, the caller's own; the operator's where the operator calls. Its key is in this answer and in no later one.
#[utoipa::path(
    post,
    path = "/api/v1/streams",
    tag = "streams",
    request_body = NewStream,
    responses(
        (status = 201, description = "Created.", body = StreamWithKey,
            headers(("Location" = String, description = "The stream's address."))),
        (status = 409, description = "There are too many streams already, here or of this user.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    Streamer(owner): Streamer,
    origin: Origin,
    JsonBody(new): JsonBody<NewStream>,
) -> Result<impl IntoResponse, Error> {
    let new = streams::NewStream {
        owner,
        ..new.check()?
    };
    let answer = to_the_end(async move {
        let now = SystemTime::now();
        let (stream, key) = api.streams.create(new, now).await?;
        tracing::info!(stream = %stream.id, "stream created");
        announce(&api).await;
        Ok(StreamWithKey::new(&api, &origin, &stream, &key))
    })
    .await?;
    let location = format!("/api/v1/streams/{}", answer.stream.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(answer),
    ))
}

/// Shows one stream, without its key.
#[utoipa::path(
    get,
    path = "/api/v1/streams/{id}",
    tag = "streams",
    params(("id" = String, Path, description = "The stream's id.")),
    responses(
        (status = 200, description = "The stream.", body = StreamView),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(api): State<Api>,
    OwnStream(stream): OwnStream,
    origin: Origin,
) -> Result<Json<StreamView>, Error> {
    Ok(Json(StreamView::new(&api, &origin, &stream)))
}

/// Gives a stream a new key. The old one is invalid at once and its publisher is disconnected; a
/// publisher with the new key takes a running broadcast up again.
#[utoipa::path(
    post,
    path = "/api/v1/streams/{id}/key",
    tag = "streams",
    params(("id" = String, Path, description = "The stream's id.")),
    responses(
        (status = 200, description = "The stream with its new key.", body = StreamWithKey),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rotate_key(
    State(api): State<Api>,
    OwnStream(stream): OwnStream,
    origin: Origin,
) -> Result<Json<StreamWithKey>, Error> {
    let id = stream.id;
    to_the_end(async move {
        let (stream, key) = api.streams.rotate_key(&id).await?;
        tracing::info!(stream = %id, "stream key rotated");
        announce(&api).await;
        // After the keys, so that the old one cannot slip in again.
        api.broadcasts.disconnect(&id);
        Ok(Json(StreamWithKey::new(&api, &origin, &stream, &key)))
    })
    .await
}

/// Deletes a stream and its key, and ends its broadcast.
#[utoipa::path(
    delete,
    path = "/api/v1/streams/{id}",
    tag = "streams",
    params(("id" = String, Path, description = "The stream's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    OwnStream(stream): OwnStream,
) -> Result<StatusCode, Error> {
    let id = stream.id;
    to_the_end(async move {
        api.streams.delete(&id).await?;
        tracing::info!(stream = %id, "stream deleted");
        announce(&api).await;
        api.broadcasts.end(&id);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Hands the process the keys, and who may watch what, as they are now.
pub(crate) async fn announce(api: &Api) {
    match api.streams.keys().await {
        Ok(keys) => api.broadcasts.keys_changed(keys),
        // The change itself is done; the process sees it when it next asks for the revision.
        Err(error) => tracing::error!(%error, "the new keys cannot be read yet"),
    }
}

/// Runs a change to its end also where the caller hangs up meanwhile: a rotated key must not
/// leave the old publisher connected.
pub(crate) async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(change)
        .await
        .unwrap_or_else(|_| Err(Error::Aborted))
}
