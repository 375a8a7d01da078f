//! What the watch page asks about its stream. Public: nothing here is a secret.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::problem::{Error, Problem};
use crate::streams::{Status, StreamPath};
use crate::time::rfc3339;
use crate::urls::{Origin, PlaybackUrls};

#[derive(Serialize, ToSchema)]
pub(crate) struct Watch {
    /// The stream.
    #[schema(example = "k3f9a2mzq7xw2b")]
    id: String,
    /// What viewers read above the picture.
    title: String,
    /// Whether a broadcast runs.
    status: Status,
    /// Where it plays.
    playback: PlaybackUrls,
    /// When the running broadcast began (RFC 3339).
    live_since: Option<String>,
}

/// What a viewer may know of a stream.
#[utoipa::path(
    get,
    path = "/api/v1/watch/{id}",
    tag = "public",
    params(("id" = String, Path, description = "The stream's id.")),
    responses(
        (status = 200, description = "The stream.", body = Watch),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn watch(
    State(api): State<Api>,
    StreamPath(id): StreamPath,
    origin: Origin,
) -> Result<Json<Watch>, Error> {
    let stream = api.streams.find(&id).await?.ok_or(Error::NoStream)?;
    let live_since = api.broadcasts.live_since(&stream.id);
    Ok(Json(Watch {
        id: stream.id.to_string(),
        title: stream.title.to_string(),
        status: Status::of(live_since),
        playback: origin.playback(&stream.id),
        live_since: live_since.map(rfc3339),
    }))
}
