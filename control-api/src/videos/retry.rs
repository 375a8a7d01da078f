//! `POST /api/v1/videos/{id}/retry`: encodes a failed video's file once more.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;

use super::OwnVideo;
use super::view::VideoView;
use crate::Api;
use crate::problem::{Error, Problem};
use crate::urls::Origin;

/// Encodes the file of a failed video once more, as after the operator has made room on the disk. A
/// file that could not be encoded through no fault of its own is kept for seven days.
#[utoipa::path(
    post,
    path = "/api/v1/videos/{id}/retry",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id.")),
    responses(
        (status = 200, description = "It is queued.", body = VideoView),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has not failed, or its file is gone (code `nothing_to_retry`).",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn retry(
    State(api): State<Api>,
    origin: Origin,
    OwnVideo(video): OwnVideo,
) -> Result<Json<VideoView>, Error> {
    api.videos
        .jobs()
        .retry(&video.id, SystemTime::now())
        .await?;
    tracing::info!(video = %video.id, "a file is to be encoded once more");
    let video = api.videos.find(&video.id).await?.ok_or(Error::NoVideo)?;
    let urls = origin.video(&video, None, &[]);
    Ok(Json(VideoView::of(video, true, urls, None)))
}
