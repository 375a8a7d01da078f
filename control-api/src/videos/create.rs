//! `POST /api/v1/videos`: a video whose file is to come, or one of a recording.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use media_core::RecordingId;
use serde::Deserialize;
use storage::recording::Recording;
use storage::videos::{Description, NewVideo, Tags, Title, Visibility};
use utoipa::ToSchema;

use super::view::{self, VideoView, VideoVisibility};
use crate::Api;
use crate::body::{self, JsonBody, not_null};
use crate::caller::Caller;
use crate::faults::{self, Faults};
use crate::problem::{Error, FieldError, Problem};
use crate::urls::Origin;

/// What a recording is called whose stream's title is too short for a video.
const UNTITLED: &str = "Recording";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVideoBody {
    /// What viewers read: 3 to 100 characters, no control characters. Of a recording it may be left
    /// out: then it is the stream's.
    #[schema(example = "Harbour at dawn")]
    title: Option<String>,
    /// More about it: at most 5000 characters, no control characters but line feeds.
    description: Option<String>,
    /// At most 10 words of 1 to 30 characters to find it by, each once.
    #[schema(example = json!(["harbour", "dawn"]))]
    tags: Option<Vec<String>>,
    /// Who may watch. Where it is not given: `private` for a recording that is, and `public` for
    /// everything else.
    // A null must not silently make a video public.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = VideoVisibility, required = false)]
    visibility: Option<String>,
    /// The recording that it is made of. Without one its file is to be uploaded.
    #[schema(example = "p7q2x4mzk3f9ab")]
    recording_id: Option<String>,
}

/// Makes a video: of a recording, at once and without encoding anything anew, or one whose file is
/// to be uploaded. For streamers and admins.
#[utoipa::path(
    post,
    path = "/api/v1/videos",
    tag = "videos",
    request_body = NewVideoBody,
    responses(
        (status = 201, description = "Made.", body = VideoView,
            headers(("Location" = String, description = "The video's address."))),
        (status = 409, description = "The recording runs or has failed (code \
            `recording_not_playable`), or there are too many videos (`too_many_videos`).",
            body = Problem, content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    JsonBody(wanted): JsonBody<NewVideoBody>,
) -> Result<impl IntoResponse, Error> {
    let owner = caller.streamer()?.cloned();
    let mut faults = Faults::default();
    let recording = match &wanted.recording_id {
        Some(id) => Some(importable(&api, &caller, id).await?),
        None => None,
    };
    let title = match (&recording, wanted.title) {
        (Some(Some(recording)), None) => Some(title_of(recording)?),
        (_, title) => faults.required("title", title, |text| Title::new(&text)),
    };
    let description = faults.optional("description", wanted.description, |text| {
        Description::new(&text)
    });
    let tags = faults.optional("tags", wanted.tags, Tags::new);
    let visibility = faults.optional("visibility", wanted.visibility, |text| {
        text.parse::<VideoVisibility>()
    });
    if recording == Some(None) {
        faults.found("recording_id", "names no recording of the caller's");
    }
    faults.end()?;
    let recording = recording.flatten();
    let new = NewVideo {
        owner,
        title: title.ok_or(Error::Aborted)?,
        description: description.unwrap_or_default(),
        tags: tags.unwrap_or_default(),
        visibility: visibility.map_or_else(|| unsaid_visibility(recording.as_ref()), Into::into),
    };
    let now = SystemTime::now();
    let video = match recording {
        Some(recording) => api.videos.import(&recording.id, new, now).await?,
        None => api.videos.create(new, now).await?,
    };
    tracing::info!(video = %video.id, status = video.status.as_str(), "video created");
    let location = format!("/api/v1/videos/{}", video.id);
    let downloads = view::downloads(&api, &video).await;
    let urls = origin.video(&video, None, &downloads);
    let view = VideoView::of(video, true, urls, None);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(view),
    ))
}

/// Who may watch a video of which nothing is said: nobody is shown what was hidden while it was
/// recorded.
fn unsaid_visibility(recording: Option<&Recording>) -> Visibility {
    match recording.map(|recording| recording.visibility) {
        Some(storage::Visibility::Private) => Visibility::Private,
        Some(storage::Visibility::Public) | None => Visibility::Public,
    }
}

/// The recording that a caller names, if there is one and it is the caller's, also once its stream
/// is deleted.
async fn importable(api: &Api, caller: &Caller, id: &str) -> Result<Option<Recording>, Error> {
    let Ok(id) = RecordingId::new(id) else {
        return Ok(None);
    };
    let Some(recording) = api.recordings.find(&id).await? else {
        return Ok(None);
    };
    Ok(caller.owns(recording.owner.as_ref()).then_some(recording))
}

fn title_of(recording: &Recording) -> Result<Title, Error> {
    let untitled =
        Title::new(UNTITLED).map_err(|error| Error::Invalid(FieldError::new("title", error)))?;
    Ok(Title::out_of(&recording.stream_title, &untitled))
}
