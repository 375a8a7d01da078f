//! `/api/v1/recordings`: broadcasts that were recorded. Everybody sees those of public streams, their
//! owners, the operator and admins the others too.

mod view;

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use media_core::{RecordingId, RenditionName, StreamId};
use serde::Deserialize;
use storage::playback_token::Lifetime;
use storage::recording::{self, Recording};
use storage::recordings::{Change, Filter, SeenBy, Sort};
use storage::{Title, Visibility, recordings};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::body::{self, JsonBody, not_null};
use crate::caller::Caller;
use crate::faults;
use crate::list::{self, Asked, Filters, Page, PageQuery};
use crate::problem::{Error, Problem};
use crate::urls::Origin;

pub(crate) use view::RecordingUrls;
use view::{RecordingView, Status};

/// For how long what a download is sent to is open: its bytes are asked for in pieces until it is
/// through.
const DOWNLOAD_OPEN_FOR: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordingQuery {
    /// Recordings of the stream with this id.
    stream_id: Option<String>,
    /// Recordings with this status.
    #[param(value_type = Option<Status>)]
    status: Option<String>,
    /// Recordings with this in their title, in whatever case.
    q: Option<String>,
    /// `-started_at` (where it is not given) or `started_at`; `-` is backwards.
    #[param(example = "-started_at")]
    sort: Option<String>,
}

/// What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordingChange {
    /// What it is called: 3 to 100 characters, no control characters.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false, example = "Harbour at dawn")]
    title: Option<String>,
    /// Whether retention leaves it alone.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    protected: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DownloadQuery {
    /// Which rendition, with its sound; the first one of the recording where it is not given.
    #[param(example = "720p")]
    rendition: Option<String>,
}

/// The recording of a path, which the caller may see. What cannot be an id names none, and of one
/// that the caller may not see nobody is told that it is there.
pub(crate) struct Seen(Recording);

impl FromRequestParts<Api> for Seen {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let caller = Caller::from_request_parts(parts, api).await?;
        let Path(text) = Path::<String>::from_request_parts(parts, api)
            .await
            .map_err(|_| Error::NoRecording)?;
        let id = RecordingId::new(&text).map_err(|_| Error::NoRecording)?;
        let recording = api.recordings.find(&id).await?.ok_or(Error::NoRecording)?;
        let is_seen =
            recording.visibility == Visibility::Public || caller.owns(recording.owner.as_ref());
        match is_seen {
            true => Ok(Self(recording)),
            false => Err(Error::NoRecording),
        }
    }
}

/// The recording of a path, which the caller may change.
pub(crate) struct Own(Recording);

impl FromRequestParts<Api> for Own {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let caller = Caller::from_request_parts(parts, api).await?;
        let Seen(recording) = Seen::from_request_parts(parts, api).await?;
        match caller.owns(recording.owner.as_ref()) {
            true => Ok(Self(recording)),
            false => Err(Error::NotYours),
        }
    }
}

/// Lists recordings: those of public streams, and the caller's own; all for the operator and admins.
#[utoipa::path(
    get,
    path = "/api/v1/recordings",
    tag = "recordings",
    params(RecordingQuery, PageQuery),
    responses(
        (status = 200, description = "Recordings.", body = Page<RecordingView>),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
        (status = 401, description = "The token is wrong or has expired.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Asked(paging): Asked,
    Filters(query): Filters<RecordingQuery>,
) -> Result<Json<Page<RecordingView>>, Error> {
    use recording::Status as Stored;
    let statuses = [
        Stored::Recording,
        Stored::Ready,
        Stored::Interrupted,
        Stored::Failed,
    ];
    let statuses = statuses.map(|status| (status.as_str(), status));
    let sorts = [("-started_at", Sort::Newest), ("started_at", Sort::Oldest)];
    let filter = Filter {
        stream: list::parameter("stream_id", query.stream_id, |id| StreamId::new(&id))?,
        status: list::chosen("status", query.status.as_deref(), &statuses)?,
        text: list::searched("q", query.q)?,
        seen_by: match &caller {
            caller if caller.is_admin() => SeenBy::Operator,
            Caller::User(user) => SeenBy::User(user.id.clone()),
            _ => SeenBy::Everybody,
        },
    };
    let sort = list::chosen("sort", query.sort.as_deref(), &sorts)?.unwrap_or_default();
    let page = api.recordings.list(&filter, sort, &paging).await?;
    let view = |recording| RecordingView::new(&api, &origin, &recording);
    Ok(Json(Page::of(page, view)))
}

/// Shows one recording.
#[utoipa::path(
    get,
    path = "/api/v1/recordings/{id}",
    tag = "recordings",
    params(("id" = String, Path, description = "The recording's id.")),
    responses(
        (status = 200, description = "The recording.", body = RecordingView),
        (status = 401, description = "The token is wrong or has expired.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such recording.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(api): State<Api>,
    Seen(recording): Seen,
    origin: Origin,
) -> Json<RecordingView> {
    Json(RecordingView::new(&api, &origin, &recording))
}

/// Changes what a recording is called, or whether retention leaves it alone.
#[utoipa::path(
    patch,
    path = "/api/v1/recordings/{id}",
    tag = "recordings",
    params(("id" = String, Path, description = "The recording's id.")),
    request_body = RecordingChange,
    responses(
        (status = 200, description = "The recording as it is now.", body = RecordingView),
        (status = 404, description = "No such recording.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    Own(recording): Own,
    origin: Origin,
    JsonBody(wanted): JsonBody<RecordingChange>,
) -> Result<Json<RecordingView>, Error> {
    let title = wanted.title.map(|text| Title::new(&text)).transpose();
    let change = Change {
        title: faults::only("title", title)?,
        is_protected: wanted.protected,
    };
    let recording = api.recordings.change(&recording.id, &change).await?;
    tracing::info!(recording = %recording.id, protected = recording.is_protected, "recording changed");
    Ok(Json(RecordingView::new(&api, &origin, &recording)))
}

/// Deletes a recording with its media, also a protected one.
#[utoipa::path(
    delete,
    path = "/api/v1/recordings/{id}",
    tag = "recordings",
    params(("id" = String, Path, description = "The recording's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "No such recording.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "Its broadcast runs, or ended so badly less than five minutes ago that it is not noted.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    Own(recording): Own,
) -> Result<StatusCode, Error> {
    match api.recordings.delete(&recording.id).await {
        // Unless nobody ends it any more.
        Err(error @ recordings::Error::Running(_)) => {
            let now = SystemTime::now();
            if !api.recordings.delete_abandoned(&recording.id, now).await? {
                return Err(error.into());
            }
        }
        deleted => deleted?,
    }
    tracing::info!(recording = %recording.id, "recording deleted");
    api.broadcasts.recording_deleted();
    Ok(StatusCode::NO_CONTENT)
}

/// Leads to one ordinary MP4 of a rendition with its sound. Of a private recording the address is
/// open for an hour.
#[utoipa::path(
    get,
    path = "/api/v1/recordings/{id}/download",
    tag = "recordings",
    params(("id" = String, Path, description = "The recording's id."), DownloadQuery),
    responses(
        (status = 307, description = "Where it is.",
            headers(("Location" = String, description = "The MP4's address."))),
        (status = 400, description = "The recording has no such rendition.", body = Problem,
            content_type = "application/problem+json"),
        (status = 401, description = "The token is wrong or has expired.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such recording.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It still runs, or has failed.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn download(
    State(api): State<Api>,
    Seen(recording): Seen,
    origin: Origin,
    Filters(query): Filters<DownloadQuery>,
) -> Result<impl IntoResponse, Error> {
    if !view::plays(&recording) {
        return Err(Error::NothingToDownload);
    }
    let wanted = list::parameter("rendition", query.rendition, |name| {
        RenditionName::new(&name)
    })?;
    let rendition = match wanted {
        Some(wanted) => Some(wanted).filter(|wanted| {
            recording.renditions.is_empty() || recording.renditions.contains(wanted)
        }),
        None => recording.renditions.first().cloned(),
    };
    let rendition = rendition.ok_or_else(|| {
        let detail = "names none of the recording's renditions";
        list::invalid("rendition", detail)
    })?;
    let lifetime = Lifetime::new(DOWNLOAD_OPEN_FOR).expect("an hour is a token's lifetime");
    let token = view::token(&api, &recording, lifetime, SystemTime::now());
    let location = origin.download(&recording.id, &rendition, token.as_deref());
    Ok((
        StatusCode::TEMPORARY_REDIRECT,
        [(header::LOCATION, location)],
    ))
}
