//! `/api/v1/webhooks`: who is told what happens.
//!
//! A secret is in the answer to creation and in no other.

use std::collections::HashMap;
use std::time::SystemTime;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use media_core::WebhookId;
use serde::{Deserialize, Serialize};
use storage::UserId;
use storage::listing::ByTime;
use storage::webhooks::{Change, EventSet, HookUrl, InvalidEvents, Secret, Webhook};
use utoipa::ToSchema;

use crate::Api;
use crate::body::{self, JsonBody, not_null};
use crate::caller::{Caller, Streamer};
use crate::faults::{self, Faults};
use crate::list::{Asked, Filters, Page, PageQuery, SortQuery};
use crate::problem::{Error, Problem};
use crate::streams::to_the_end;
use crate::time::rfc3339;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWebhook {
    /// Where events are posted to: `http://` or `https://`, at most 2048 bytes, without a user and
    /// a fragment.
    #[schema(value_type = String, required, example = "https://example.org/millrace")]
    url: Option<String>,
    /// Of what it is told: any of `broadcast.started`, `broadcast.ended`, `recording.ready`,
    /// `recording.failed`, `video.ready` and `video.failed`, at least one.
    #[schema(value_type = Vec<String>, required, example = json!(["broadcast.started", "broadcast.ended"]))]
    events: Option<Vec<String>>,
    /// Whether it is called: `true` where it is not given.
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

/// What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookChange {
    /// Where events are posted to, also those that are pending.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    url: Option<String>,
    /// Of what it is told from now on.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    events: Option<Vec<String>>,
    /// Whether it is called. While it is not, events are not recorded for it, and what is pending
    /// waits.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    active: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookView {
    /// Stands in this API's paths.
    #[schema(example = "mz4qk6x2c7v3bpt5ahwe")]
    id: String,
    /// The user whose streams it is told of; null: the operator's, told of everybody's.
    owner: Option<String>,
    /// Where events are posted to.
    url: String,
    /// Of what it is told.
    events: Vec<&'static str>,
    /// Whether it is called.
    active: bool,
    /// When it was created (RFC 3339).
    created_at: String,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            owner: webhook.owner,
            url: webhook.url.to_string(),
            events: webhook.events.names().collect(),
            active: webhook.active,
            created_at: rfc3339(webhook.created_at),
        }
    }
}

/// A webhook with its secret: shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: WebhookView,
    /// What requests are signed with (Standard Webhooks). It cannot be shown again.
    #[schema(example = "whsec_…")]
    secret: String,
}

impl WebhookWithSecret {
    fn new(webhook: Webhook, secret: &Secret) -> Self {
        Self {
            webhook: webhook.into(),
            secret: secret.reveal().to_owned(),
        }
    }
}

/// The webhook of a path, which is the caller's. Of somebody else's nobody is told that it is there.
pub(crate) struct OwnWebhook(pub(crate) WebhookId);

impl FromRequestParts<Api> for OwnWebhook {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let Path(path) = Path::<HashMap<String, String>>::from_request_parts(parts, api)
            .await
            .map_err(|_| Error::NoWebhook)?;
        let caller = Caller::from_request_parts(parts, api).await?;
        let id = path.get("id").ok_or(Error::NoWebhook)?;
        let id = WebhookId::new(id).map_err(|_| Error::NoWebhook)?;
        let owner = api.webhooks.find(&id).await?.owner;
        let owner = owner.and_then(|owner| UserId::new(&owner).ok());
        match caller.owns(owner.as_ref()) {
            true => Ok(Self(id)),
            false => Err(Error::NoWebhook),
        }
    }
}

fn event_set(names: &[String]) -> Result<EventSet, InvalidEvents> {
    EventSet::of(names.iter().map(String::as_str))
}

/// Creates a webhook: a streamer's is told of the own streams, the operator's of everybody's. Its
/// secret is in this answer and in no later one.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    request_body = NewWebhook,
    responses(
        (status = 201, description = "Created.", body = WebhookWithSecret,
            headers(("Location" = String, description = "The webhook's address."))),
        (status = 409, description = "There are too many webhooks already.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    Streamer(owner): Streamer,
    JsonBody(new): JsonBody<NewWebhook>,
) -> Result<impl IntoResponse, Error> {
    let owner = owner.map(|owner| owner.to_string());
    let mut faults = Faults::default();
    let url = faults.required("url", new.url, |text| HookUrl::new(&text));
    let events = faults.required("events", new.events, |names| event_set(&names));
    faults.end()?;
    let (url, events) = url.zip(events).ok_or(Error::Aborted)?;
    let answer = to_the_end(async move {
        let now = SystemTime::now();
        let created = api.webhooks.create(url, events, new.active, owner, now);
        let (webhook, secret) = created.await?;
        tracing::info!(webhook = %webhook.id, url = ?webhook.url, "webhook created");
        Ok(WebhookWithSecret::new(webhook, &secret))
    })
    .await?;
    let location = format!("/api/v1/webhooks/{}", answer.webhook.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(answer),
    ))
}

/// Lists the caller's webhooks; everybody's for the operator and admins.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    params(SortQuery, PageQuery),
    responses(
        (status = 200, description = "The webhooks.", body = Page<WebhookView>),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(paging): Asked,
    Filters(sort): Filters<SortQuery>,
) -> Result<Json<Page<WebhookView>>, Error> {
    let owner = caller.sees().map(UserId::as_str);
    let sort = sort.read(ByTime::Oldest)?;
    let page = api.webhooks.list(owner, sort, &paging).await?;
    Ok(Json(Page::of(page, WebhookView::from)))
}

/// Shows one webhook, without its secret.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id.")),
    responses(
        (status = 200, description = "The webhook.", body = WebhookView),
        (status = 404, description = "No such webhook.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(api): State<Api>,
    OwnWebhook(id): OwnWebhook,
) -> Result<Json<WebhookView>, Error> {
    let webhook = api.webhooks.find(&id).await?;
    Ok(Json(WebhookView::from(webhook)))
}

/// Changes a webhook's address, of what it is told, or whether it is called.
#[utoipa::path(
    patch,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id.")),
    request_body = WebhookChange,
    responses(
        (status = 200, description = "The webhook as it is now.", body = WebhookView),
        (status = 404, description = "No such webhook.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    OwnWebhook(id): OwnWebhook,
    JsonBody(wanted): JsonBody<WebhookChange>,
) -> Result<Json<WebhookView>, Error> {
    let mut faults = Faults::default();
    let change = Change {
        url: faults.optional("url", wanted.url, |text| HookUrl::new(&text)),
        events: faults.optional("events", wanted.events, |names| event_set(&names)),
        active: wanted.active,
    };
    faults.end()?;
    let webhook = api.webhooks.change(&id, &change).await?;
    tracing::info!(webhook = %id, url = ?webhook.url, active = webhook.active, "webhook changed");
    Ok(Json(WebhookView::from(webhook)))
}

/// Deletes a webhook with its log and what is pending for it.
#[utoipa::path(
    delete,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "No such webhook.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    OwnWebhook(id): OwnWebhook,
) -> Result<StatusCode, Error> {
    api.webhooks.delete(&id).await?;
    tracing::info!(webhook = %id, "webhook deleted");
    Ok(StatusCode::NO_CONTENT)
}
