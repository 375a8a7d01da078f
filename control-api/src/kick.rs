//! `POST /api/v1/streams/{id}/kick`: sends a stream's publisher away.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Api;
use crate::body::{self, JsonBody};
use crate::faults;
use crate::problem::{Error, Problem};
use crate::streams::OwnStream;
use crate::time::rfc3339;

/// For how long the key is refused where the caller does not say: an encoder that connects anew by
/// itself does so within seconds, and most give up then.
const REFUSED_FOR_DEFAULT_S: u64 = 10;

/// For how long it can be: who is not to publish for longer gets a new key.
const REFUSED_FOR_MAX_S: u64 = 3600;

#[derive(Debug, Default, Deserialize, ToSchema)]
// A misspelt `end` must not silently leave a broadcast running.
#[serde(deny_unknown_fields)]
pub(crate) struct Kick {
    /// For how many seconds the key is refused: 10 where it is not given.
    #[schema(minimum = 0, maximum = 3600, example = 10)]
    for_s: Option<u64>,
    /// `true` ends the broadcast at once. Else it goes on as after a lost connection: it ends
    /// unless somebody publishes within the server's time.
    #[serde(default)]
    end: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Kicked {
    /// Whether there was a publisher.
    disconnected: bool,
    /// Until when the key is refused (RFC 3339).
    #[schema(example = "2026-03-01T12:00:10.000Z")]
    refused_until: String,
}

/// Disconnects the stream's publisher, and refuses its key for some seconds, so that the encoder
/// does not come back by itself. A new key counts at once. Without a body it is as with an empty
/// object.
#[utoipa::path(
    post,
    path = "/api/v1/streams/{id}/kick",
    tag = "streams",
    params(("id" = String, Path, description = "The stream's id.")),
    request_body = Kick,
    responses(
        (status = 200, description = "Done, also where nobody published.", body = Kicked),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn kick(
    State(api): State<Api>,
    OwnStream(stream): OwnStream,
    body: Option<JsonBody<Kick>>,
) -> Result<Json<Kicked>, Error> {
    let JsonBody(wanted) = body.unwrap_or_default();
    let for_s = wanted.for_s.unwrap_or(REFUSED_FOR_DEFAULT_S);
    if for_s > REFUSED_FOR_MAX_S {
        let detail = format!("is at most {REFUSED_FOR_MAX_S}");
        return faults::only("for_s", Err(detail));
    }
    let refuse_for = Duration::from_secs(for_s);
    let disconnected = api.broadcasts.kick(&stream.id, refuse_for);
    if wanted.end {
        api.broadcasts.end(&stream.id);
    }
    tracing::info!(stream = %stream.id, disconnected, for_s, end = wanted.end, "publisher kicked");
    Ok(Json(Kicked {
        disconnected,
        refused_until: rfc3339(SystemTime::now() + refuse_for),
    }))
}
