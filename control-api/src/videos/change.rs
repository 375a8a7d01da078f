//! `PATCH` and `DELETE /api/v1/videos/{id}`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use storage::videos::{Change, Description, Tags, Title};
use utoipa::ToSchema;

use super::OwnVideo;
use super::view::{self, VideoView, VideoVisibility};
use crate::Api;
use crate::body::{self, JsonBody, not_null};
use crate::faults::{self, Faults};
use crate::problem::{Error, Problem};
use crate::urls::Origin;

/// What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
// A misspelt `visibility` must not silently leave a video open.
#[serde(deny_unknown_fields)]
pub(crate) struct VideoChange {
    /// 3 to 100 characters, no control characters.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false, example = "Harbour at dawn")]
    title: Option<String>,
    /// At most 5000 characters, no control characters but line feeds; an empty text is none.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// All of its tags from now on.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false, example = json!(["harbour", "dawn"]))]
    tags: Option<Vec<String>>,
    /// Who may watch from the next request on.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Option<VideoVisibility>, nullable = false)]
    visibility: Option<String>,
}

/// Changes a video's texts, or who may watch it.
#[utoipa::path(
    patch,
    path = "/api/v1/videos/{id}",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id.")),
    request_body = VideoChange,
    responses(
        (status = 200, description = "The video as it is now.", body = VideoView),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    origin: Origin,
    OwnVideo(video): OwnVideo,
    JsonBody(wanted): JsonBody<VideoChange>,
) -> Result<Json<VideoView>, Error> {
    let mut faults = Faults::default();
    let change = Change {
        title: faults.optional("title", wanted.title, |text| Title::new(&text)),
        description: faults.optional("description", wanted.description, |text| {
            Description::new(&text)
        }),
        tags: faults.optional("tags", wanted.tags, Tags::new),
        visibility: faults
            .optional("visibility", wanted.visibility, |text| {
                text.parse::<VideoVisibility>()
            })
            .map(Into::into),
    };
    faults.end()?;
    let video = api.videos.change(&video.id, &change).await?;
    tracing::info!(video = %video.id, visibility = video.visibility.as_str(), "video changed");
    let downloads = view::downloads(&api, &video).await;
    let urls = origin.video(&video, None, &downloads);
    Ok(Json(VideoView::of(video, true, urls, None)))
}

/// Deletes a video with all that belongs to it, whatever its status. Media that a recording or
/// another video plays too stays.
#[utoipa::path(
    delete,
    path = "/api/v1/videos/{id}",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    OwnVideo(video): OwnVideo,
) -> Result<StatusCode, Error> {
    api.videos.delete(&video.id).await?;
    tracing::info!(video = %video.id, "video deleted");
    Ok(StatusCode::NO_CONTENT)
}
