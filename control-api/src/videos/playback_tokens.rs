//! `POST /api/v1/videos/{id}/playback-tokens`: tokens that open a private video to a viewer.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::OwnVideo;
use super::view::{self, VideoUrls, VideoVisibility};
use crate::Api;
use crate::body::{self, JsonBody};
use crate::faults;
use crate::playback_tokens::NewPlaybackToken;
use crate::problem::{Error, Problem};
use crate::time::rfc3339;
use crate::urls::Origin;

#[derive(Serialize, ToSchema)]
pub(crate) struct IssuedVideoToken {
    /// Who has it may watch this video: the parameter `token` of its URLs.
    #[schema(example = "v1.1767247200.IsXooZZhUwlOgsNMxz2zzAc1bOaaG7PLwc1IrEp6MTw")]
    token: String,
    /// From when on it is not valid any more (RFC 3339).
    #[schema(example = "2026-01-01T06:00:00.000Z")]
    expires_at: String,
    /// Unless the video is private, everyone may watch without a token too.
    visibility: VideoVisibility,
    /// Where it plays, with the token; null until it is ready.
    playback: Option<VideoUrls>,
}

/// Issues a playback token for a video. It opens nothing else. Without a body it is as with an empty
/// object.
#[utoipa::path(
    post,
    path = "/api/v1/videos/{id}/playback-tokens",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id.")),
    request_body = NewPlaybackToken,
    responses(
        (status = 201, description = "The token.", body = IssuedVideoToken),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn issue(
    State(api): State<Api>,
    origin: Origin,
    OwnVideo(video): OwnVideo,
    body: Option<JsonBody<NewPlaybackToken>>,
) -> Result<(StatusCode, Json<IssuedVideoToken>), Error> {
    let JsonBody(new) = body.unwrap_or_default();
    let lifetime = new.lifetime()?;
    let now = SystemTime::now();
    let token = api.playback_secret.issue(&video.id, lifetime, now);
    let downloads = view::downloads(&api, &video).await;
    let issued = IssuedVideoToken {
        token: token.reveal().to_owned(),
        expires_at: rfc3339(token.expires_at()),
        visibility: video.visibility.into(),
        playback: origin.video(&video, Some(token.reveal()), &downloads),
    };
    Ok((StatusCode::CREATED, Json(issued)))
}
