//! `/api/v1/invitations`: by which somebody may register where not everybody may.

use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use storage::accounts::invitations::{InvitedAs, Lifetime};
use storage::accounts::{Invitation, InvitationId};
use storage::listing::ByTime;
use utoipa::ToSchema;

use crate::Api;
use crate::body::{self, JsonBody};
use crate::caller::Caller;
use crate::faults::{self, Faults};
use crate::list::{Asked, Filters, Page, PageQuery, SortQuery};
use crate::problem::{Error, Problem};
use crate::role::Role;
use crate::time::rfc3339;

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewInvitation {
    /// What whoever uses it becomes: `viewer` (where it is not given) or `streamer`.
    #[schema(value_type = Option<Role>)]
    role: Option<String>,
    /// For how many seconds it is valid: 604800 (a week) where it is not given.
    #[schema(minimum = 1, maximum = 7_776_000, example = 604_800)]
    expires_in_s: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct InvitationView {
    /// By which it is deleted.
    #[schema(example = "k3f7a2mzq7xw2b")]
    id: String,
    /// What whoever uses it becomes.
    role: Role,
    /// When it was made (RFC 3339).
    #[schema(example = "2026-03-01T12:00:00.000Z")]
    created_at: String,
    /// From when on it is not valid any more (RFC 3339).
    #[schema(example = "2026-03-08T12:00:00.000Z")]
    expires_at: String,
    /// The id of the user who registered with it, as long as that one is there.
    used_by: Option<String>,
    /// When somebody did (RFC 3339).
    used_at: Option<String>,
}

impl InvitationView {
    fn of(invitation: Invitation) -> Self {
        Self {
            id: invitation.id.to_string(),
            role: invitation.role.into(),
            created_at: rfc3339(invitation.created_at),
            expires_at: rfc3339(invitation.expires_at),
            used_by: invitation.used_by.map(|user| user.to_string()),
            used_at: invitation.used_at.map(rfc3339),
        }
    }
}

/// An invitation with its code: shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct InvitationWithCode {
    #[serde(flatten)]
    invitation: InvitationView,
    /// What to register with, once. It is stored nowhere and cannot be shown again.
    #[schema(example = "mri_…")]
    code: String,
}

/// Invites somebody. The code is in this answer and in no later one.
#[utoipa::path(
    post,
    path = "/api/v1/invitations",
    tag = "accounts",
    request_body = NewInvitation,
    responses(
        (status = 201, description = "The invitation.", body = InvitationWithCode,
            headers(("Location" = String, description = "By which it is deleted."))),
        (status = 409, description = "There are too many invitations already.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body: Option<JsonBody<NewInvitation>>,
) -> Result<impl IntoResponse, Error> {
    let JsonBody(new) = body.unwrap_or_default();
    let mut faults = Faults::default();
    let invited = faults.optional("role", new.role, |role| match role.parse() {
        Ok(Role::Viewer) => Ok(InvitedAs::Viewer),
        Ok(Role::Streamer) => Ok(InvitedAs::Streamer),
        Ok(Role::Admin) | Err(_) => Err("is `viewer` or `streamer`: admins are made of users"),
    });
    let lifetime = faults.optional("expires_in_s", new.expires_in_s, Lifetime::from_secs);
    faults.end()?;
    let (invitation, code) = api
        .accounts
        .invitations
        .create(
            invited.unwrap_or_default(),
            lifetime.unwrap_or(Lifetime::DEFAULT),
            caller.as_admin()?,
            SystemTime::now(),
        )
        .await?;
    let location = format!("/api/v1/invitations/{}", invitation.id);
    let answer = InvitationWithCode {
        invitation: InvitationView::of(invitation),
        code: code.reveal().to_owned(),
    };
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(answer),
    ))
}

/// Lists invitations, used and expired ones too, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/invitations",
    tag = "accounts",
    params(SortQuery, PageQuery),
    responses(
        (status = 200, description = "Invitations.", body = Page<InvitationView>),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Asked(paging): Asked,
    Filters(sort): Filters<SortQuery>,
) -> Result<Json<Page<InvitationView>>, Error> {
    let sort = sort.read(ByTime::Newest)?;
    let page = api.accounts.invitations.list(sort, &paging).await?;
    Ok(Json(Page::of(page, InvitationView::of)))
}

/// Deletes an invitation: its code is not valid any more. Whoever used it stays.
#[utoipa::path(
    delete,
    path = "/api/v1/invitations/{id}",
    tag = "accounts",
    params(("id" = String, Path, description = "The invitation's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "No such invitation.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Error> {
    let Path(id) = id.map_err(|_| Error::NoInvitation)?;
    let id = InvitationId::new(&id).map_err(|_| Error::NoInvitation)?;
    let by = caller.as_admin()?;
    api.accounts.invitations.delete(&id, by).await?;
    Ok(StatusCode::NO_CONTENT)
}
