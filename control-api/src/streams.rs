//! `/api/v1/streams`: the owner's view of streams and their keys.
//!
//! A key is in the answers to creation and rotation, and in no other.

use std::future::Future;
use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use media_core::StreamId;
use serde::{Deserialize, Serialize};
use storage::streams::LIST_MAX;
use storage::{SrtPassphrase, Stream, StreamKey, Title};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::body::{self, JsonBody};
use crate::problem::{Error, FieldError, Problem};
use crate::time::rfc3339;
use crate::urls::{Extras, Origin, PlaybackUrls, PublishUrls};
use crate::visibility::Visibility;

/// How many streams a listing has where the caller does not say.
const LIST_DEFAULT: u32 = 100;

/// Whether a broadcast runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
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

#[derive(Debug, Deserialize, ToSchema)]
// A misspelt `srt_passphrase` must not silently leave a stream unencrypted.
#[serde(deny_unknown_fields)]
pub(crate) struct NewStream {
    /// What viewers read: 1 to 200 characters, no control characters.
    // Optional here and required in the document: its absence is reported like any other fault.
    #[schema(value_type = String, required, example = "Harbour camera")]
    title: Option<String>,
    /// SRT publishers must encrypt with it: 10 to 79 printable ASCII characters. Letters and
    /// digits are best: FFmpeg does not decode escapes in an address, which a space or `%&+;#` need.
    #[schema(example = "saltwater42")]
    srt_passphrase: Option<String>,
    /// Who may watch: `public` where it is not given.
    // No option: a null must not silently make a stream public.
    #[serde(default)]
    visibility: Visibility,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct StreamView {
    /// Stands in playback URLs.
    #[schema(example = "k3f9a2mzq7xw2b")]
    id: String,
    /// What viewers read.
    title: String,
    /// Who may watch.
    visibility: Visibility,
    /// Whether a broadcast runs.
    status: Status,
    /// When the running broadcast began (RFC 3339).
    live_since: Option<String>,
    /// How many watch it; null while it is offline.
    viewers: Option<u32>,
    /// The most who watched the running broadcast at a time; null while it is offline.
    viewers_peak: Option<u32>,
    /// When the stream was created (RFC 3339).
    #[schema(example = "2026-03-01T12:00:00.000Z")]
    created_at: String,
    /// Whether SRT publishers must encrypt.
    srt_encrypted: bool,
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
            visibility: stream.visibility.into(),
            status: Status::of(live_since),
            live_since: live_since.map(rfc3339),
            viewers: audience.map(|audience| audience.now),
            viewers_peak: audience.map(|audience| audience.peak),
            created_at: rfc3339(stream.created_at),
            srt_encrypted: stream.srt_passphrase.is_some(),
            playback: origin.playback(&stream.id, None, extras),
        }
    }
}

/// A stream with its key: shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct StreamWithKey {
    #[serde(flatten)]
    stream: StreamView,
    /// The secret to publish with. It is stored nowhere and cannot be shown again.
    stream_key: String,
    /// What to enter in an encoder; holds the key.
    publish: PublishUrls,
}

impl StreamWithKey {
    fn new(api: &Api, origin: &Origin, stream: &Stream, key: &StreamKey) -> Self {
        Self {
            stream: StreamView::new(api, origin, stream),
            stream_key: key.reveal().to_owned(),
            publish: origin.publish(key, stream.srt_passphrase.as_ref()),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct StreamList {
    /// In the order of their creation.
    streams: Vec<StreamView>,
    /// What to give as `after` to read on; null at the end.
    next_after: Option<String>,
}

/// As texts, so that a fault is reported with its parameter's name.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// How many streams at most: 1 to 500, 100 where it is not given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// The id of the stream after which the list begins.
    after: Option<String>,
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

/// Creates a stream. Its key is in this answer and in no later one.
#[utoipa::path(
    post,
    path = "/api/v1/streams",
    tag = "streams",
    security(("admin_token" = [])),
    request_body = NewStream,
    responses(
        (status = 201, description = "Created.", body = StreamWithKey,
            headers(("Location" = String, description = "The stream's address."))),
        (status = 401, description = "Without the admin token.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "There are too many streams already.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals,
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    origin: Origin,
    JsonBody(new): JsonBody<NewStream>,
) -> Result<impl IntoResponse, Error> {
    let invalid =
        |field, error: &dyn std::fmt::Display| Error::Invalid(FieldError::new(field, error));
    let title = new.title.ok_or_else(|| invalid("title", &"is missing"))?;
    let title = Title::new(&title).map_err(|error| invalid("title", &error))?;
    let srt_passphrase = new
        .srt_passphrase
        .map(|text| SrtPassphrase::new(&text))
        .transpose()
        .map_err(|error| invalid("srt_passphrase", &error))?;
    let visibility = new.visibility.into();
    let answer = to_the_end(async move {
        let now = SystemTime::now();
        let created = api.streams.create(title, srt_passphrase, visibility, now);
        let (stream, key) = created.await?;
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

/// Lists the streams.
#[utoipa::path(
    get,
    path = "/api/v1/streams",
    tag = "streams",
    security(("admin_token" = [])),
    params(ListQuery),
    responses(
        (status = 200, description = "The streams.", body = StreamList),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
        (status = 401, description = "Without the admin token.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    origin: Origin,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<StreamList>, Error> {
    let Query(query) = query.map_err(|rejection| Error::Query(rejection.body_text()))?;
    let limit = match query.limit {
        None => LIST_DEFAULT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=LIST_MAX).contains(limit))
            .ok_or_else(|| {
                let detail = format!("is a number from 1 to {LIST_MAX}");
                Error::Invalid(FieldError::new("limit", detail))
            })?,
    };
    let no_such_stream = || {
        let detail = "names no stream (any more); list from the beginning";
        Error::Invalid(FieldError::new("after", detail))
    };
    let after = query
        .after
        .map(|text| StreamId::new(&text).map_err(|_| no_such_stream()))
        .transpose()?;
    let streams = match api.streams.list(after.as_ref(), limit).await {
        Err(storage::streams::Error::UnknownStream(_)) => return Err(no_such_stream()),
        listed => listed?,
    };
    let full = streams.len() == limit as usize;
    Ok(Json(StreamList {
        next_after: streams
            .last()
            .filter(|_| full)
            .map(|stream| stream.id.to_string()),
        streams: streams
            .iter()
            .map(|stream| StreamView::new(&api, &origin, stream))
            .collect(),
    }))
}

/// Shows one stream, without its key.
#[utoipa::path(
    get,
    path = "/api/v1/streams/{id}",
    tag = "streams",
    security(("admin_token" = [])),
    params(("id" = String, Path, description = "The stream's id.")),
    responses(
        (status = 200, description = "The stream.", body = StreamView),
        (status = 401, description = "Without the admin token.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(api): State<Api>,
    StreamPath(id): StreamPath,
    origin: Origin,
) -> Result<Json<StreamView>, Error> {
    let stream = api.streams.find(&id).await?.ok_or(Error::NoStream)?;
    Ok(Json(StreamView::new(&api, &origin, &stream)))
}

/// Gives a stream a new key. The old one is invalid at once and its publisher is disconnected; a
/// publisher with the new key takes a running broadcast up again.
#[utoipa::path(
    post,
    path = "/api/v1/streams/{id}/key",
    tag = "streams",
    security(("admin_token" = [])),
    params(("id" = String, Path, description = "The stream's id.")),
    responses(
        (status = 200, description = "The stream with its new key.", body = StreamWithKey),
        (status = 401, description = "Without the admin token.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rotate_key(
    State(api): State<Api>,
    StreamPath(id): StreamPath,
    origin: Origin,
) -> Result<Json<StreamWithKey>, Error> {
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
    security(("admin_token" = [])),
    params(("id" = String, Path, description = "The stream's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 401, description = "Without the admin token.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    StreamPath(id): StreamPath,
) -> Result<StatusCode, Error> {
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
