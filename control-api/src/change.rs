//! `PATCH /api/v1/streams/{id}`: a stream's title, and who may watch it.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use storage::Title;
use storage::streams::Change;
use utoipa::ToSchema;

use crate::Api;
use crate::body::{self, JsonBody, not_null};
use crate::problem::{Error, FieldError, Problem};
use crate::streams::{StreamPath, StreamView, announce, to_the_end};
use crate::urls::Origin;
use crate::visibility::Visibility;

/// What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
// A misspelt `visibility` must not silently leave a stream open.
#[serde(deny_unknown_fields)]
pub(crate) struct StreamChange {
    /// What viewers read: 1 to 200 characters, no control characters.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false, example = "Harbour camera")]
    title: Option<String>,
    /// Who may watch from the next request on.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    visibility: Option<Visibility>,
}

/// Changes a stream's title or who may watch it. Viewers without a token are refused from the next
/// request on where it becomes private; its broadcast and its key stay.
#[utoipa::path(
    patch,
    path = "/api/v1/streams/{id}",
    tag = "streams",
    security(("admin_token" = [])),
    params(("id" = String, Path, description = "The stream's id.")),
    request_body = StreamChange,
    responses(
        (status = 200, description = "The stream as it is now.", body = StreamView),
        (status = 401, description = "Without the admin token.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals,
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    StreamPath(id): StreamPath,
    origin: Origin,
    JsonBody(wanted): JsonBody<StreamChange>,
) -> Result<Json<StreamView>, Error> {
    let title = wanted.title.map(|title| Title::new(&title)).transpose();
    let change = Change {
        title: title.map_err(|error| Error::Invalid(FieldError::new("title", error)))?,
        visibility: wanted.visibility.map(Into::into),
    };
    to_the_end(async move {
        let stream = api.streams.change(&id, &change).await?;
        tracing::info!(stream = %id, visibility = ?stream.visibility, "stream changed");
        announce(&api).await;
        Ok(Json(StreamView::new(&api, &origin, &stream)))
    })
    .await
}
