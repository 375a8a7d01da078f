//! `PUT` and `DELETE /api/v1/videos/{id}/like`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{SeenVideo, TokenQuery};
use crate::Api;
use crate::caller::LoggedIn;
use crate::problem::{Error, Problem};

#[derive(Serialize, ToSchema)]
pub(crate) struct LikesView {
    /// How many users like the video now.
    likes: u64,
    /// Whether the caller does.
    liked: bool,
}

/// The caller likes the video; again is as once.
#[utoipa::path(
    put,
    path = "/api/v1/videos/{id}/like",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id."), TokenQuery),
    responses(
        (status = 200, description = "Liked.", body = LikesView),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn like(
    State(api): State<Api>,
    LoggedIn(user): LoggedIn,
    seen: SeenVideo,
) -> Result<Json<LikesView>, Error> {
    let likes = api.videos.like(&seen.video.id, &user.id).await?;
    Ok(Json(LikesView { likes, liked: true }))
}

/// The caller likes the video no more.
#[utoipa::path(
    delete,
    path = "/api/v1/videos/{id}/like",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id."), TokenQuery),
    responses(
        (status = 200, description = "Not liked.", body = LikesView),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn unlike(
    State(api): State<Api>,
    LoggedIn(user): LoggedIn,
    seen: SeenVideo,
) -> Result<Json<LikesView>, Error> {
    let likes = api.videos.unlike(&seen.video.id, &user.id).await?;
    Ok(Json(LikesView {
        likes,
        liked: false,
    }))
}
