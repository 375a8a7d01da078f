//! `/api/v1/videos/{id}/subtitles`: WebVTT files, which players are offered with the video.

use std::time::Duration;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use media_core::RenditionName;
use serde::{Deserialize, Serialize};
use storage::videos::webvtt::WEBVTT_BYTES_MAX;
use storage::videos::{Label, Language, NewSubtitles, Subtitles, WebVtt};
use utoipa::{IntoParams, ToSchema};

use super::chapters::WEBVTT_TYPE;
use super::{OwnVideo, SeenVideo, TokenQuery};
use crate::Api;
use crate::faults::{self, Faults};
use crate::list::{Filters, OnlyKnown, Page};
use crate::problem::{Error, Problem};

/// How long a file may take to arrive: a megabyte by a telephone line of the nineties.
const FILE_WAIT_MAX: Duration = Duration::from_secs(60);

#[derive(Serialize, ToSchema)]
pub(crate) struct SubtitlesView {
    /// Stands in its URLs.
    #[schema(example = "de")]
    name: String,
    /// What they are in (BCP 47).
    #[schema(example = "de-CH")]
    language: String,
    /// What a player's menu calls them.
    #[schema(example = "Deutsch")]
    label: String,
    /// Whether a player shows them unless its user chose others.
    default: bool,
}

impl From<Subtitles> for SubtitlesView {
    fn from(subtitles: Subtitles) -> Self {
        Self {
            name: subtitles.name.to_string(),
            language: subtitles.language.to_string(),
            label: subtitles.label.to_string(),
            default: subtitles.is_default,
        }
    }
}

/// As texts, so that a fault is reported with its parameter's name.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SubtitlesQuery {
    /// What they are in (BCP 47).
    #[param(value_type = String, required, example = "de-CH")]
    language: Option<String>,
    /// What a player's menu calls them: 1 to 100 characters; the language where it is not given.
    #[param(example = "Deutsch")]
    label: Option<String>,
    /// Whether a player shows them unless its user chose others: of one at most.
    #[param(value_type = Option<bool>)]
    default: Option<String>,
    /// Stands in their URLs: `a-z`, `0-9`, `-` and `_`; the language in lowercase where it is not
    /// given. Those of the same name are replaced.
    #[param(example = "de")]
    name: Option<String>,
}

impl SubtitlesQuery {
    fn checked(self) -> Result<Subtitles, Error> {
        let mut faults = Faults::default();
        let language = faults.required("language", self.language, |text| Language::new(&text));
        let of_language = language.as_ref().map(Language::as_str);
        // A language that is none is to blame alone.
        let label = self.label.or_else(|| of_language.map(str::to_owned));
        let name = self
            .name
            .or_else(|| of_language.map(str::to_ascii_lowercase));
        let label = faults.optional("label", label, |text| Label::new(&text));
        let name = faults.optional("name", name, |text| RenditionName::new(&text));
        let is_default = faults.optional("default", self.default, |text| {
            text.parse::<bool>().map_err(|_| "is `true` or `false`")
        });
        faults.end()?;
        match (name, language, label) {
            (Some(name), Some(language), Some(label)) => Ok(Subtitles {
                name,
                language,
                label,
                is_default: is_default.unwrap_or(false),
            }),
            _ => Err(Error::Aborted),
        }
    }
}

/// The name in a path. What cannot be one names nothing.
pub(crate) struct SubtitlesName(RenditionName);

#[derive(Deserialize)]
struct SubtitlesPath {
    name: String,
}

impl<S: Send + Sync> FromRequestParts<S> for SubtitlesName {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(SubtitlesPath { name }) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::NoSubtitles)?;
        RenditionName::new(&name)
            .map(Self)
            .map_err(|_| Error::NoSubtitles)
    }
}

/// Lists a video's subtitles.
#[utoipa::path(
    get,
    path = "/api/v1/videos/{id}/subtitles",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id."), TokenQuery),
    responses(
        (status = 200, description = "The subtitles.", body = Page<SubtitlesView>),
        (status = 400, description = "There is no such parameter.", body = Problem,
            content_type = "application/problem+json"),
        (status = 401, description = "A token that is wrong or has expired.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    _: OnlyKnown,
    seen: SeenVideo,
) -> Result<Json<Page<SubtitlesView>>, Error> {
    let subtitles = api.videos.subtitles(&seen.video.id).await?;
    let views = subtitles.into_iter().map(SubtitlesView::from).collect();
    Ok(Json(Page::whole(views)))
}

/// Shows subtitles as they were sent.
#[utoipa::path(
    get,
    path = "/api/v1/videos/{id}/subtitles/{name}",
    tag = "videos",
    params(
        ("id" = String, Path, description = "The video's id."),
        ("name" = String, Path, description = "The subtitles' name."),
        TokenQuery,
    ),
    responses(
        (status = 200, description = "The file.", body = String, content_type = "text/vtt"),
        (status = 401, description = "A token that is wrong or has expired.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such video or subtitles.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(api): State<Api>,
    seen: SeenVideo,
    SubtitlesName(name): SubtitlesName,
) -> Result<impl IntoResponse, Error> {
    let text = api.videos.webvtt(&seen.video.id, &name).await?;
    let text = text.ok_or(Error::NoSubtitles)?;
    Ok(([(header::CONTENT_TYPE, WEBVTT_TYPE)], text))
}

/// Gives a video subtitles: the body is a WebVTT file of at most a megabyte.
#[utoipa::path(
    post,
    path = "/api/v1/videos/{id}/subtitles",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id."), SubtitlesQuery),
    request_body(content = String, content_type = "text/vtt"),
    responses(
        (status = 201, description = "Kept.", body = SubtitlesView,
            headers(("Location" = String, description = "The subtitles' address."))),
        (status = 400, description = "The query or the body cannot be read.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The file did not arrive in time.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The video has 20 subtitles already.", body = Problem,
            content_type = "application/problem+json"),
        (status = 413, description = "The file is larger than a megabyte.", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The file is not declared as WebVTT.", body = Problem,
            content_type = "application/problem+json"),
        faults::Refusals,
    )
)]
pub(crate) async fn put(
    State(api): State<Api>,
    OwnVideo(video): OwnVideo,
    Filters(query): Filters<SubtitlesQuery>,
    request: Request,
) -> Result<impl IntoResponse, Error> {
    if !is_webvtt(request.headers()) {
        return Err(Error::NotWebVttType);
    }
    let about = query.checked()?;
    let file = to_bytes(request.into_body(), WEBVTT_BYTES_MAX);
    let file = tokio::time::timeout(FILE_WAIT_MAX, file)
        .await
        .map_err(|_| Error::BodyTooSlow)?
        .map_err(|error| match is_too_large(&error) {
            true => Error::SubtitlesTooLarge,
            false => Error::BodyBroken,
        })?;
    let mut faults = Faults::default();
    let webvtt = faults.required("body", Some(file), |file| WebVtt::new(&file));
    faults.end()?;
    let new = NewSubtitles {
        about: about.clone(),
        webvtt: webvtt.ok_or(Error::Aborted)?,
    };
    api.videos.put_subtitles(&video.id, &new).await?;
    tracing::info!(video = %video.id, name = %about.name, "subtitles of a video kept");
    let location = format!("/api/v1/videos/{}/subtitles/{}", video.id, about.name);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        // The address ends with the name, and the change is one of the video.
        axum::Extension(crate::audit::Subject(video.id.to_string())),
        Json(SubtitlesView::from(about)),
    ))
}

/// Takes subtitles from a video.
#[utoipa::path(
    delete,
    path = "/api/v1/videos/{id}/subtitles/{name}",
    tag = "videos",
    params(
        ("id" = String, Path, description = "The video's id."),
        ("name" = String, Path, description = "The subtitles' name."),
    ),
    responses(
        (status = 204, description = "Taken."),
        (status = 404, description = "No such video or subtitles.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    OwnVideo(video): OwnVideo,
    SubtitlesName(name): SubtitlesName,
) -> Result<StatusCode, Error> {
    api.videos.delete_subtitles(&video.id, &name).await?;
    tracing::info!(video = %video.id, %name, "subtitles of a video deleted");
    Ok(StatusCode::NO_CONTENT)
}

fn is_webvtt(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE);
    let declared = declared.and_then(|value| value.to_str().ok());
    let essence = declared.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(WEBVTT_TYPE))
}

/// Whether a body was refused for its length, and did not break off.
fn is_too_large(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.to_string().contains("length limit"))
}
