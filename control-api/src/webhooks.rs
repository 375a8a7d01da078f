//! `/api/v1/webhooks`: who is told what happens.
//!
//! A secret is in the answer to creation and in no other.

use std::collections::HashMap;
use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use media_core::WebhookId;
use serde::{Deserialize, Serialize};
use storage::UserId;
use storage::webhooks::{Change, EventSet, HookUrl, LIST_MAX, Secret, Webhook};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::body::not_null;
use crate::body::{self, JsonBody};
use crate::caller::{Caller, Streamer};
use crate::problem::{Error, FieldError, Problem};
use crate::streams::to_the_end;
use crate::time::rfc3339;

/// How many items a listing has where the caller does not say.
const LIST_DEFAULT: u32 = 100;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWebhook {
    /// Where events are posted to: `http://` or `https://`, at most 2048 bytes, without a user and
    /// a fragment.
    #[schema(value_type = String, required, example = "https://example.org/millrace")]
    url: Option<String>,
    /// Of what it is told: any of `broadcast.started`, `broadcast.ended`, `recording.ready`,
    /// `video.ready` and `video.failed`, at least one.
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

impl From<&Webhook> for WebhookView {
    fn from(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            owner: webhook.owner.clone(),
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
    fn new(webhook: &Webhook, secret: &Secret) -> Self {
        Self {
            webhook: webhook.into(),
            secret: secret.reveal().to_owned(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookList {
    /// In the order of their creation.
    items: Vec<WebhookView>,
    /// What to give as `cursor` to read on; null at the end.
    next_cursor: Option<String>,
}

/// As texts, so that a fault is reported with its parameter's name.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many items at most: 1 to 500, 100 where it is not given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    pub(crate) limit: Option<String>,
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

impl PageQuery {
    /// How many items are wanted.
    pub(crate) fn limit(&self) -> Result<u32, Error> {
        let Some(text) = &self.limit else {
            return Ok(LIST_DEFAULT);
        };
        let limit = text.parse().ok();
        limit
            .filter(|limit| (1..=LIST_MAX).contains(limit))
            .ok_or_else(|| {
                let detail = format!("is a number from 1 to {LIST_MAX}");
                Error::Invalid(FieldError::new("limit", detail))
            })
    }
}

/// A cursor that leads nowhere (any more).
pub(crate) fn stale_cursor() -> Error {
    let detail = "names nothing in this list (any more); list from the beginning";
    Error::Invalid(FieldError::new("cursor", detail))
}

/// What to give as `cursor` to read on behind `items`, where there may be more.
pub(crate) fn next_cursor<T>(items: &[T], limit: u32, id: impl Fn(&T) -> String) -> Option<String> {
    let full = items.len() == limit as usize;
    items.last().filter(|_| full).map(id)
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

fn url(text: &str) -> Result<HookUrl, Error> {
    HookUrl::new(text).map_err(|error| Error::Invalid(FieldError::new("url", error)))
}

fn events(names: &[String]) -> Result<EventSet, Error> {
    EventSet::of(names.iter().map(String::as_str))
        .map_err(|error| Error::Invalid(FieldError::new("events", error)))
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
        body::Refusals,
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    Streamer(owner): Streamer,
    JsonBody(new): JsonBody<NewWebhook>,
) -> Result<impl IntoResponse, Error> {
    let owner = owner.map(|owner| owner.to_string());
    let missing = |field| Error::Invalid(FieldError::new(field, "is missing"));
    let url = url(&new.url.ok_or_else(|| missing("url"))?)?;
    let events = events(&new.events.ok_or_else(|| missing("events"))?)?;
    let answer = to_the_end(async move {
        let now = SystemTime::now();
        let created = api.webhooks.create(url, events, new.active, owner, now);
        let (webhook, secret) = created.await?;
        tracing::info!(webhook = %webhook.id, url = ?webhook.url, "webhook created");
        Ok(WebhookWithSecret::new(&webhook, &secret))
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
    params(PageQuery),
    responses(
        (status = 200, description = "The webhooks.", body = WebhookList),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
        (status = 401, description = "Without the admin token.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<WebhookList>, Error> {
    let Query(query) = query.map_err(|rejection| Error::Query(rejection.body_text()))?;
    let limit = query.limit()?;
    let after = query
        .cursor
        .map(|text| WebhookId::new(&text).map_err(|_| stale_cursor()))
        .transpose()?;
    let owner = caller.sees().map(UserId::as_str);
    let webhooks = match api.webhooks.list(owner, after.as_ref(), limit).await {
        Err(storage::webhooks::Error::UnknownWebhook(_)) => return Err(stale_cursor()),
        listed => listed?,
    };
    Ok(Json(WebhookList {
        next_cursor: next_cursor(&webhooks, limit, |webhook| webhook.id.to_string()),
        items: webhooks.iter().map(WebhookView::from).collect(),
    }))
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
    Ok(Json(WebhookView::from(&webhook)))
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
        body::Refusals,
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    OwnWebhook(id): OwnWebhook,
    JsonBody(wanted): JsonBody<WebhookChange>,
) -> Result<Json<WebhookView>, Error> {
    let change = Change {
        url: wanted.url.map(|text| url(&text)).transpose()?,
        events: wanted.events.map(|names| events(&names)).transpose()?,
        active: wanted.active,
    };
    let webhook = api.webhooks.change(&id, &change).await?;
    tracing::info!(webhook = %id, url = ?webhook.url, active = webhook.active, "webhook changed");
    Ok(Json(WebhookView::from(&webhook)))
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
