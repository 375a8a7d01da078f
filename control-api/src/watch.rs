//! What the watch page asks about its stream. Nothing here is a secret, but where the stream is
//! private: then all but its being there needs a playback token.

use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use storage::{Stream, Visibility};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::problem::{Error, Problem};
use crate::streams::{Status, StreamPath};
use crate::time::rfc3339;
use crate::urls::{Extras, Origin, PlaybackUrls};

#[derive(Serialize, ToSchema)]
pub(crate) struct Watch {
    /// The stream.
    #[schema(example = "k3f9a2mzq7xw2b")]
    id: String,
    /// What viewers read above the picture.
    title: String,
    /// What they read below it; may be empty.
    description: String,
    /// Whether a broadcast runs.
    status: Status,
    /// Where it plays; where it is private, with the token of the request.
    playback: PlaybackUrls,
    /// When the running broadcast began (RFC 3339).
    live_since: Option<String>,
    /// How far back viewers can rewind, in seconds; null where no broadcast runs that can be
    /// rewound. It may not have lasted for so long yet.
    rewind_s: Option<u64>,
    /// How many watch it; null while it is offline.
    viewers: Option<u32>,
    /// The most who watched the running broadcast at a time; null while it is offline.
    viewers_peak: Option<u32>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WatchQuery {
    /// A playback token. Ignored where the stream is public.
    token: Option<String>,
    /// `1`: a page asks that plays the stream, and will ask again in five seconds. So a viewer is
    /// counted whose playlists come from a cache.
    playing: Option<String>,
}

/// What a viewer may know of a stream.
#[utoipa::path(
    get,
    path = "/api/v1/watch/{id}",
    tag = "public",
    params(("id" = String, Path, description = "The stream's id."), WatchQuery),
    responses(
        (status = 200, description = "The stream.", body = Watch),
        (status = 403, description = "The stream is private and the token is missing or wrong \
            (code `playback_token_required`), or has expired (code `playback_token_expired`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "The database does not answer (code `database_unavailable`).",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn watch(
    State(api): State<Api>,
    StreamPath(id): StreamPath,
    origin: Origin,
    query: Result<Query<WatchQuery>, QueryRejection>,
) -> Result<Json<Watch>, Error> {
    let Query(query) = query.map_err(|rejection| Error::Query(rejection.body_text()))?;
    let stream = api.streams.find(&id).await?.ok_or(Error::NoStream)?;
    let token = admit(&api, &stream, query.token.as_deref())?;
    if query.playing.as_deref() == Some("1") {
        api.broadcasts.page_plays(&stream.id);
    }
    let live_since = api.broadcasts.live_since(&stream.id);
    let audience = api.broadcasts.audience(&stream.id);
    let rewind = api.broadcasts.rewind(&stream.id);
    let extras = Extras::of(&stream.id, &*api.broadcasts);
    Ok(Json(Watch {
        id: stream.id.to_string(),
        title: stream.title.to_string(),
        description: stream.description.as_str().to_owned(),
        status: Status::of(live_since),
        playback: origin.playback(&stream.id, token, extras),
        live_since: live_since.map(rfc3339),
        rewind_s: rewind.map(|reach| reach.as_secs()),
        viewers: audience.map(|audience| audience.now),
        viewers_peak: audience.map(|audience| audience.peak),
    }))
}

/// The token that the stream's URLs need, if it needs one.
fn admit<'a>(api: &Api, stream: &Stream, token: Option<&'a str>) -> Result<Option<&'a str>, Error> {
    match stream.visibility {
        Visibility::Public => Ok(None),
        Visibility::Private => {
            let token = token.ok_or(Error::NoPlaybackToken)?;
            let now = SystemTime::now();
            api.playback_secret.check(&stream.id, token, now)?;
            Ok(Some(token))
        }
    }
}
