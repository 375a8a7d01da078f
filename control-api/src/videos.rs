//! `/api/v1/videos`: the VOD library.
//!
//! A video is seen by its owner and by admins always, and by others once it is ready: by everybody
//! where it is public or unlisted, and with a playback token where it is private. To everybody else
//! it does not exist.

pub(crate) mod change;
pub(crate) mod chapters;
pub(crate) mod create;
pub(crate) mod likes;
pub(crate) mod list;
pub(crate) mod playback_tokens;
pub(crate) mod retry;
pub(crate) mod subtitles;
mod view;
pub(crate) mod views;

use std::time::SystemTime;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use media_core::VideoId;
use serde::Deserialize;
use storage::videos::{Status, Video, Visibility};
use utoipa::IntoParams;

use crate::Api;
use crate::caller::Caller;
use crate::list::Filters;
use crate::problem::{Error, Problem};
use crate::urls::Origin;
use view::VideoView;

pub(crate) use views::Watched;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TokenQuery {
    /// A playback token, where the video is private.
    token: Option<String>,
}

/// A path's first part, which names a video, and perhaps more.
#[derive(Deserialize)]
struct VideoPath {
    id: String,
}

/// The video of a path that the caller may see.
#[derive(Debug)]
pub(crate) struct SeenVideo {
    pub(crate) video: Video,
    /// Whether the caller may change it too.
    pub(crate) is_own: bool,
    /// The playback token that opened it.
    pub(crate) token: Option<String>,
}

impl FromRequestParts<Api> for SeenVideo {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let Path(VideoPath { id }) = Path::from_request_parts(parts, api)
            .await
            .map_err(|_| Error::NoVideo)?;
        let id = VideoId::new(&id).map_err(|_| Error::NoVideo)?;
        let caller = Caller::from_request_parts(parts, api).await?;
        let Filters(query) = Filters::<TokenQuery>::from_request_parts(parts, api).await?;
        let video = api.videos.find(&id).await?.ok_or(Error::NoVideo)?;
        let is_own = caller.owns(video.owner.as_ref());
        let opens = |token: &String| {
            let checked = api.playback_secret.check(&id, token, SystemTime::now());
            checked.is_ok()
        };
        let token = query.token.filter(opens);
        let is_open = video.visibility != Visibility::Private || token.is_some();
        match is_own || video.status == Status::Ready && is_open {
            true => Ok(Self {
                video,
                is_own,
                token,
            }),
            false => Err(Error::NoVideo),
        }
    }
}

/// The video of a path that the caller may change.
#[derive(Debug)]
pub(crate) struct OwnVideo(pub(crate) Video);

impl FromRequestParts<Api> for OwnVideo {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        if Caller::from_request_parts(parts, api).await? == Caller::Anonymous {
            return Err(Error::NoToken);
        }
        let seen = SeenVideo::from_request_parts(parts, api).await?;
        match seen.is_own {
            true => Ok(Self(seen.video)),
            false => Err(Error::NotYours),
        }
    }
}

/// Shows a video.
#[utoipa::path(
    get,
    path = "/api/v1/videos/{id}",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id."), TokenQuery),
    responses(
        (status = 200, description = "The video.", body = VideoView),
        (status = 401, description = "A token that is wrong or has expired.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    seen: SeenVideo,
) -> Result<Json<VideoView>, Error> {
    let downloads = view::downloads(&api, &seen.video).await;
    let liked = match &caller {
        Caller::User(user) => Some(api.videos.likes(&seen.video.id, &user.id).await?),
        _ => None,
    };
    let urls = origin.video(&seen.video, seen.token.as_deref(), &downloads);
    Ok(Json(VideoView::of(seen.video, seen.is_own, urls, liked)))
}
