//! `/api/v1/webhooks/{id}/ping` and `…/deliveries`: what was sent to a webhook, what is still to
//! be, and how to have it sent.

use std::time::SystemTime;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use media_core::DeliveryId;
use serde::{Deserialize, Serialize};
use storage::listing::ByTime;
use storage::webhooks::{Delivery, Event, EventType, Status};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::list::{self, Asked, Filters, Page, PageQuery, SortQuery};
use crate::problem::{Error, Problem};
use crate::time::rfc3339;
use crate::webhooks::OwnWebhook;

#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// Stands in this API's paths.
    id: String,
    /// The event's id, which the receiver is told in the header `webhook-id`: the same for all
    /// webhooks and attempts.
    event_id: String,
    /// What happened.
    #[schema(example = "broadcast.started")]
    event_type: String,
    /// How it fares: `pending`, `delivered` or `failed` (given up).
    #[schema(example = "delivered")]
    status: &'static str,
    /// Attempts begun since it was recorded, or was given up and asked for again.
    attempts: u32,
    /// When it is sent next, or again (RFC 3339); null where it is not.
    next_at: Option<String>,
    /// The HTTP status of the last answer; null where there was none.
    last_status: Option<u16>,
    /// Why the last attempt did not deliver.
    last_error: Option<String>,
    /// The first KiB of the last answer.
    last_answer: Option<String>,
    /// When it was recorded (RFC 3339). It is forgotten 30 days later.
    created_at: String,
    /// When it was delivered or given up (RFC 3339).
    finished_at: Option<String>,
    /// The body that is sent.
    payload: String,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            event_id: delivery.event,
            event_type: delivery.event_type,
            status: delivery.status.name(),
            attempts: delivery.attempts,
            next_at: delivery.next_at.map(rfc3339),
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            last_answer: delivery.last_answer,
            created_at: rfc3339(delivery.created_at),
            finished_at: delivery.finished_at.map(rfc3339),
            payload: delivery.payload,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatusQuery {
    /// Only those that fare so: `pending`, `delivered` or `failed`.
    status: Option<String>,
}

/// The delivery's id of a path. What cannot be one names nothing.
pub(crate) struct DeliveryPath(DeliveryId);

impl<S: Send + Sync> FromRequestParts<S> for DeliveryPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path((_, delivery)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::NoDelivery)?;
        let id = DeliveryId::new(&delivery).map_err(|_| Error::NoDelivery)?;
        Ok(Self(id))
    }
}

/// Sends a webhook an event `ping`, also where it is not active.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/ping",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id.")),
    responses(
        (status = 202, description = "It is sent in about a second.", body = DeliveryView),
        (status = 404, description = "No such webhook.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "Too much is pending for it.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn ping(
    State(api): State<Api>,
    OwnWebhook(id): OwnWebhook,
) -> Result<(StatusCode, Json<DeliveryView>), Error> {
    let now = SystemTime::now();
    let event = Event::new(EventType::Ping, "{}", now).map_err(storage::webhooks::Error::from)?;
    let delivery = api.webhooks.send_to(&id, &event, now).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}

/// Lists what was sent to a webhook in the last 30 days, and what is still to be.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{id}/deliveries",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id."), StatusQuery, SortQuery, PageQuery),
    responses(
        (status = 200, description = "The deliveries.", body = Page<DeliveryView>),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such webhook.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    OwnWebhook(id): OwnWebhook,
    Asked(paging): Asked,
    Filters(wanted): Filters<StatusQuery>,
    Filters(sort): Filters<SortQuery>,
) -> Result<Json<Page<DeliveryView>>, Error> {
    let statuses = [Status::Pending, Status::Delivered, Status::Failed];
    let statuses = statuses.map(|status| (status.name(), status));
    let status = list::chosen("status", wanted.status.as_deref(), &statuses)?;
    let sort = sort.read(ByTime::Newest)?;
    let page = api.webhooks.deliveries(&id, status, sort, &paging).await?;
    Ok(Json(Page::of(page, DeliveryView::from)))
}

/// Has an event sent once more, or at once where it waits for its next attempt. The receiver gets
/// the same event id as before.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/deliveries/{delivery}/redeliver",
    tag = "webhooks",
    params(
        ("id" = String, Path, description = "The webhook's id."),
        ("delivery" = String, Path, description = "The delivery's id."),
    ),
    responses(
        (status = 202, description = "It is sent in about a second.", body = DeliveryView),
        (status = 404, description = "No such webhook, or no such delivery of it.",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn redeliver(
    State(api): State<Api>,
    OwnWebhook(webhook): OwnWebhook,
    DeliveryPath(delivery): DeliveryPath,
) -> Result<(StatusCode, Json<DeliveryView>), Error> {
    let now = SystemTime::now();
    let delivery = api.webhooks.redeliver(&webhook, &delivery, now).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}
