//! The queue of what is to be sent: rows that are due, taken up by one process at a time.
//!
//! Whoever takes up a row moves it behind a deadline by which its attempt is over, and counts the
//! attempt. A process that dies leaves a row that is due again after that deadline; one that comes
//! back too late finds another attempt's number and changes nothing. Receivers may so be told twice
//! and never not at all.

use std::time::SystemTime;

use media_core::{DeliveryId, WebhookId};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::delivery::{Delivery, Status, delivery_of};
use super::{
    Error, Event, EventType, HookUrl, ID_CHARS, Secret, Webhooks, damaged, events_of, url_of,
};
use crate::random;
use crate::unix_time::to_unix_ms;

/// Deliveries that one webhook may have pending: a receiver that is gone for days must not fill the
/// disk. What comes past it is not recorded for that webhook.
pub const PENDING_MAX: i64 = 10_000;

/// What became of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Webhooks that will be told.
    pub queued: usize,
    /// Webhooks that will not, since [`PENDING_MAX`] are pending for them.
    pub overflowed: usize,
}

/// A delivery that this process has taken up, and all that is needed to send it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The delivery.
    pub id: DeliveryId,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The webhook.
    pub webhook: WebhookId,
    /// Whose webhook it is; `None`: the operator's.
    pub owner: Option<String>,
    /// Where to.
    pub url: HookUrl,
    /// What to sign with.
    pub secret: Secret,
    /// What to send.
    pub event: Event,
}

/// How one attempt came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// The answer's HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Why it did not deliver.
    pub error: Option<String>,
    /// How the answer began. Without control characters that PostgreSQL does not store.
    pub answer: Option<String>,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It is tried again, not before this.
    Retry(SystemTime),
    /// It is given up.
    Failed,
}

impl Webhooks {
    /// Queues `event` at `now` for every active webhook that wants it, of `owner` and of the
    /// operator.
    pub async fn record(
        &self,
        event: &Event,
        owner: Option<&str>,
        now: SystemTime,
    ) -> Result<Recorded, Error> {
        let rows = sqlx::query(
            "SELECT id, events, (SELECT COUNT(*) FROM webhook_deliveries \
             WHERE webhook_id = webhooks.id AND status = 'pending') AS pending \
             FROM webhooks WHERE active = 1 AND (owner_id IS NULL OR owner_id = $1)",
        )
        .bind(owner.unwrap_or(""))
        .fetch_all(&self.pool)
        .await?;
        let mut recorded = Recorded::default();
        let mut wanting = Vec::new();
        for row in &rows {
            let id: String = row.try_get("id")?;
            if !events_of(row, &id)?.contains(event.event_type) {
                continue;
            }
            match row.try_get::<i64, _>("pending")? < PENDING_MAX {
                true => wanting.push(id),
                false => recorded.overflowed += 1,
            }
        }
        if wanting.is_empty() {
            return Ok(recorded);
        }
        let mut write = self.pool.begin().await?;
        for webhook in &wanting {
            insert(webhook, event, now)?.execute(&mut *write).await?;
        }
        write.commit().await?;
        recorded.queued = wanting.len();
        Ok(recorded)
    }

    /// Queues `event` at `now` for one webhook, whatever it wants.
    pub async fn send_to(
        &self,
        webhook: &WebhookId,
        event: &Event,
        now: SystemTime,
    ) -> Result<Delivery, Error> {
        self.find(webhook).await?;
        let row = insert(webhook.as_str(), event, now)?
            .fetch_one(&self.pool)
            .await?;
        delivery_of(&row)
    }

    /// Takes up at most `limit` deliveries that are due at `now`, the one due longest of each
    /// webhook that is not `busy`. They are due again at `until`, by which their attempts must be
    /// over. A webhook that is not active gets its pings alone.
    pub async fn claim(
        &self,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
        busy: &[WebhookId],
    ) -> Result<Vec<Claim>, Error> {
        let now_ms = to_unix_ms(now);
        let waiting = sqlx::query(
            "SELECT d.webhook_id AS webhook_id, MIN(d.next_at_ms) AS due_ms \
             FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id \
             WHERE d.status = 'pending' AND d.next_at_ms <= $1 \
             AND (w.active = 1 OR d.event_type = 'ping') \
             GROUP BY d.webhook_id ORDER BY due_ms LIMIT $2",
        )
        .bind(now_ms)
        .bind(i64::try_from(limit + busy.len()).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        let mut claims = Vec::new();
        for row in &waiting {
            let webhook: String = row.try_get("webhook_id")?;
            if claims.len() == limit || busy.iter().any(|busy| busy.as_str() == webhook) {
                continue;
            }
            match self.claim_of(&webhook, now_ms, to_unix_ms(until)).await {
                Ok(claim) => claims.extend(claim),
                // One row that cannot be read must not keep the others' events back.
                Err(error @ Error::DamagedRow { .. }) => {
                    tracing::error!(%webhook, %error, "a delivery cannot be sent");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(claims)
    }

    /// Takes up the delivery that this webhook has been waiting for longest; `None` where another
    /// process was faster.
    async fn claim_of(
        &self,
        webhook: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<Option<Claim>, Error> {
        let row = sqlx::query(
            "SELECT d.id AS id, d.attempts AS attempts, d.event_id AS event_id, \
             d.event_type AS event_type, d.payload AS payload, w.id AS webhook_id, \
             w.owner_id AS owner_id, w.url AS url, w.secret AS secret \
             FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id \
             WHERE d.webhook_id = $1 AND d.status = 'pending' AND d.next_at_ms <= $2 \
             AND (w.active = 1 OR d.event_type = 'ping') \
             ORDER BY d.next_at_ms, d.created_at_ms, d.id LIMIT 1",
        )
        .bind(webhook)
        .bind(now_ms)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let claim = claim_of(&row)?;
        let taken = sqlx::query(
            "UPDATE webhook_deliveries SET attempts = attempts + 1, next_at_ms = $1 \
             WHERE id = $2 AND attempts = $3 AND status = 'pending' AND next_at_ms <= $4",
        )
        .bind(until_ms)
        .bind(claim.id.as_str())
        .bind(i64::from(claim.attempt) - 1)
        .bind(now_ms)
        .execute(&self.pool)
        .await?;
        Ok((taken.rows_affected() == 1).then_some(claim))
    }

    /// Writes down how a claimed attempt came out at `now`. `false`: another attempt has begun
    /// since, and its outcome counts.
    pub async fn finish(
        &self,
        claim: &Claim,
        attempt: &Attempt,
        outcome: Outcome,
        now: SystemTime,
    ) -> Result<bool, Error> {
        let now_ms = to_unix_ms(now);
        let (status, next_at_ms, finished_at_ms) = match outcome {
            Outcome::Delivered => (Status::Delivered, now_ms, Some(now_ms)),
            Outcome::Failed => (Status::Failed, now_ms, Some(now_ms)),
            Outcome::Retry(at) => (Status::Pending, to_unix_ms(at), None),
        };
        let written = sqlx::query(
            "UPDATE webhook_deliveries SET status = $1, next_at_ms = $2, finished_at_ms = $3, \
             last_status = $4, last_error = $5, last_answer = $6 \
             WHERE id = $7 AND attempts = $8 AND status = 'pending'",
        )
        .bind(status.name())
        .bind(next_at_ms)
        .bind(finished_at_ms)
        .bind(attempt.status.map(i64::from))
        .bind(attempt.error.as_deref())
        .bind(attempt.answer.as_deref())
        .bind(claim.id.as_str())
        .bind(i64::from(claim.attempt))
        .execute(&self.pool)
        .await?;
        Ok(written.rows_affected() == 1)
    }

    /// Forgets what was recorded before `before`, also where it is still pending. How many.
    pub async fn prune(&self, before: SystemTime) -> Result<u64, Error> {
        let deleted = sqlx::query("DELETE FROM webhook_deliveries WHERE created_at_ms < $1")
            .bind(to_unix_ms(before))
            .execute(&self.pool)
            .await?;
        Ok(deleted.rows_affected())
    }
}

type Insert<'a> = sqlx::query::Query<'a, sqlx::Any, sqlx::any::AnyArguments>;

fn insert<'a>(webhook: &'a str, event: &'a Event, now: SystemTime) -> Result<Insert<'a>, Error> {
    let now_ms = to_unix_ms(now);
    let insert = sqlx::query(
        "INSERT INTO webhook_deliveries (id, webhook_id, event_id, event_type, payload, \
         attempts, next_at_ms, status, created_at_ms) \
         VALUES ($1, $2, $3, $4, $5, 0, $6, 'pending', $6) \
         RETURNING id, event_id, event_type, payload, attempts, next_at_ms, status, \
         last_status, last_error, last_answer, created_at_ms, finished_at_ms",
    );
    Ok(insert
        .bind(random::base32::<ID_CHARS>()?)
        .bind(webhook)
        .bind(event.id.as_str())
        .bind(event.event_type.name())
        .bind(event.payload.as_str())
        .bind(now_ms))
}

fn claim_of(row: &AnyRow) -> Result<Claim, Error> {
    let id: String = row.try_get("id")?;
    let webhook: String = row.try_get("webhook_id")?;
    let event_type: String = row.try_get("event_type")?;
    let secret: String = row.try_get("secret")?;
    let attempts: i64 = row.try_get("attempts")?;
    Ok(Claim {
        attempt: u32::try_from(attempts + 1).map_err(|error| damaged(&id, error))?,
        owner: row.try_get("owner_id")?,
        url: url_of(row, &webhook)?,
        secret: Secret::from_text(&secret)
            .ok_or_else(|| damaged(&webhook, "its secret is not whsec_ and base64"))?,
        event: Event {
            id: row.try_get("event_id")?,
            event_type: EventType::named(&event_type)
                .ok_or_else(|| damaged(&id, "its event is unknown"))?,
            payload: row.try_get("payload")?,
        },
        webhook: WebhookId::new(&webhook).map_err(|error| damaged(&webhook, error))?,
        id: DeliveryId::new(&id).map_err(|error| damaged(&id, error))?,
    })
}
