//! The log of a webhook: what was sent to it, what is still to be, and how each came out.

use std::time::SystemTime;

use media_core::{DeliveryId, WebhookId};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Error, Webhooks, damaged};
use crate::listing::{ByTime, Page, Paging, Select};
use crate::unix_time::{from_unix_ms, to_unix_ms};

/// How an event fares on its way to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// To be sent, for the first time or again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// Given up.
    Failed,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// Its name in the API and the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The status with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// One event and one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Stands in the API's paths.
    pub id: DeliveryId,
    /// The event's own id, which the receiver is told.
    pub event: String,
    /// What happened: the name of an [`EventType`](super::EventType), or of one that only a newer
    /// version knows.
    pub event_type: String,
    /// The body that is sent.
    pub payload: String,
    /// How it fares.
    pub status: Status,
    /// Attempts begun since it was recorded, or last asked for by hand.
    pub attempts: u32,
    /// Not before this; `None` where nothing more is to be sent.
    pub next_at: Option<SystemTime>,
    /// The HTTP status of the last attempt's answer.
    pub last_status: Option<u16>,
    /// Why the last attempt did not deliver.
    pub last_error: Option<String>,
    /// How the last attempt's answer began.
    pub last_answer: Option<String>,
    /// When the event was recorded.
    pub created_at: SystemTime,
    /// When it was delivered or given up.
    pub finished_at: Option<SystemTime>,
}

impl Webhooks {
    /// The webhook's deliveries by when they were recorded, only those with `status` where one is
    /// given.
    ///
    /// # Errors
    /// There is no such webhook.
    pub async fn deliveries(
        &self,
        webhook: &WebhookId,
        status: Option<Status>,
        sort: ByTime,
        paging: &Paging,
    ) -> Result<Page<Delivery>, Error> {
        self.find(webhook).await?;
        Select::new(
            "SELECT id, event_id, event_type, payload, attempts, next_at_ms, status, last_status, \
             last_error, last_answer, created_at_ms, finished_at_ms FROM webhook_deliveries",
        )
        .only("webhook_id", Some(webhook.as_str()))
        .only("status", status.map(Status::name))
        .page(&self.pool, sort.order("created_at_ms"), paging, delivery_of)
        .await
    }

    /// One delivery of the webhook.
    pub async fn delivery(&self, webhook: &WebhookId, id: &DeliveryId) -> Result<Delivery, Error> {
        let row = sqlx::query(
            "SELECT id, event_id, event_type, payload, attempts, next_at_ms, status, last_status, \
             last_error, last_answer, created_at_ms, finished_at_ms FROM webhook_deliveries \
             WHERE id = $1 AND webhook_id = $2",
        )
        .bind(id.as_str())
        .bind(webhook.as_str())
        .fetch_optional(&self.pool)
        .await?;
        delivery_of(&row.ok_or_else(|| Error::UnknownDelivery(id.clone()))?)
    }

    /// Has a delivery sent at `now`, whatever became of it: one that is pending does not wait any
    /// longer, one that was finished is tried as often as a new one.
    pub async fn redeliver(
        &self,
        webhook: &WebhookId,
        id: &DeliveryId,
        now: SystemTime,
    ) -> Result<Delivery, Error> {
        let row = sqlx::query(
            "UPDATE webhook_deliveries SET \
             attempts = CASE WHEN status = 'pending' THEN attempts ELSE 0 END, \
             status = 'pending', next_at_ms = $1, finished_at_ms = NULL \
             WHERE id = $2 AND webhook_id = $3 \
             RETURNING id, event_id, event_type, payload, attempts, next_at_ms, status, \
             last_status, last_error, last_answer, created_at_ms, finished_at_ms",
        )
        .bind(to_unix_ms(now))
        .bind(id.as_str())
        .bind(webhook.as_str())
        .fetch_optional(&self.pool)
        .await?;
        delivery_of(&row.ok_or_else(|| Error::UnknownDelivery(id.clone()))?)
    }
}

pub(super) fn delivery_of(row: &AnyRow) -> Result<Delivery, Error> {
    let id: String = row.try_get("id")?;
    let status: String = row.try_get("status")?;
    let status = Status::named(&status).ok_or_else(|| damaged(&id, "its status is unknown"))?;
    let attempts: i64 = row.try_get("attempts")?;
    let last_status: Option<i64> = row.try_get("last_status")?;
    let finished_at_ms: Option<i64> = row.try_get("finished_at_ms")?;
    let next_at = from_unix_ms(row.try_get("next_at_ms")?);
    Ok(Delivery {
        event: row.try_get("event_id")?,
        event_type: row.try_get("event_type")?,
        payload: row.try_get("payload")?,
        status,
        attempts: u32::try_from(attempts).map_err(|error| damaged(&id, error))?,
        next_at: (status == Status::Pending).then_some(next_at),
        last_status: last_status
            .map(u16::try_from)
            .transpose()
            .map_err(|error| damaged(&id, error))?,
        last_error: row.try_get("last_error")?,
        last_answer: row.try_get("last_answer")?,
        created_at: from_unix_ms(row.try_get("created_at_ms")?),
        finished_at: finished_at_ms.map(from_unix_ms),
        id: DeliveryId::new(&id).map_err(|error| damaged(&id, error))?,
    })
}
