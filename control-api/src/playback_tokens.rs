//! `POST /api/v1/streams/{id}/playback-tokens`: tokens that open a private stream to a viewer.
//!
//! Nothing is stored: a token is valid because of its signature, until it expires.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use storage::playback_token::Lifetime;
use utoipa::ToSchema;

use crate::Api;
use crate::body::{self, JsonBody};
use crate::faults;
use crate::problem::{Error, Problem};
use crate::streams::OwnStream;
use crate::time::rfc3339;
use crate::urls::{Extras, Origin, PlaybackUrls};
use crate::visibility::Visibility;

#[derive(Debug, Default, Deserialize, ToSchema)]
// A misspelt `expires_in_s` must not silently make a token that is valid for longer.
#[serde(deny_unknown_fields)]
pub(crate) struct NewPlaybackToken {
    /// For how many seconds it is valid: 21600 (six hours) where it is not given.
    #[schema(minimum = 1, maximum = 31_536_000, example = 21_600)]
    expires_in_s: Option<u64>,
}

impl NewPlaybackToken {
    pub(crate) fn lifetime(&self) -> Result<Lifetime, Error> {
        let Some(seconds) = self.expires_in_s else {
            return Ok(Lifetime::DEFAULT);
        };
        faults::only("expires_in_s", Lifetime::new(Duration::from_secs(seconds)))
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct IssuedPlaybackToken {
    /// Who has it may watch this stream: the parameter `token` of its URLs.
    #[schema(example = "v1.1767247200.IsXooZZhUwlOgsNMxz2zzAc1bOaaG7PLwc1IrEp6MTw")]
    token: String,
    /// From when on it is not valid any more (RFC 3339).
    #[schema(example = "2026-01-01T06:00:00.000Z")]
    expires_at: String,
    /// While the stream is public, everyone may watch without a token too.
    visibility: Visibility,
    /// Where it plays, with the token.
    playback: PlaybackUrls,
}

/// Issues a playback token. The server keeps no list: tokens end by expiring, or all at once by a
/// new `playback-secret`. One for a public stream counts as soon as that is private. Without a body
/// it is as with an empty object.
#[utoipa::path(
    post,
    path = "/api/v1/streams/{id}/playback-tokens",
    tag = "streams",
    params(("id" = String, Path, description = "The stream's id.")),
    request_body = NewPlaybackToken,
    responses(
        (status = 201, description = "The token.", body = IssuedPlaybackToken),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn issue(
    State(api): State<Api>,
    OwnStream(stream): OwnStream,
    origin: Origin,
    body: Option<JsonBody<NewPlaybackToken>>,
) -> Result<(StatusCode, Json<IssuedPlaybackToken>), Error> {
    let JsonBody(new) = body.unwrap_or_default();
    let lifetime = new.lifetime()?;
    let extras = Extras::of(&stream.id, &*api.broadcasts);
    let token = api
        .playback_secret
        .issue(&stream.id, lifetime, SystemTime::now());
    let issued = IssuedPlaybackToken {
        token: token.reveal().to_owned(),
        expires_at: rfc3339(token.expires_at()),
        visibility: stream.visibility.into(),
        playback: origin.playback(&stream.id, Some(token.reveal()), extras),
    };
    Ok((StatusCode::CREATED, Json(issued)))
}
