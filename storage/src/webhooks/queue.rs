//! The queue of what is to be sent: rows that are due, taken up by one process at a time.
//!
//! Whoever takes up a row has its webhook to itself up to a deadline by which the attempt is over:
//! so its events leave in order, one at a time, from however many processes. The attempt is counted
//! before it is made. What a dead process took up is due again after the deadline; one that comes
//! back too late finds another attempt's number and changes nothing. Receivers may so be told twice
//! and never not at all.
//!
//! A user's webhook is told nothing while the user is disabled or may not have streams any more:
//! nothing is recorded for it, and what is pending waits.

use std::time::SystemTime;

use media_core::{DeliveryId, WebhookId};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::delivery::{Delivery, Status, delivery_of};
use super::{
    Error, Event, EventType, HookUrl, ID_CHARS, Secret, Webhooks, damaged, events_of, url_of,
};
use crate::random;
use crate::unix_time::to_unix_ms;

/// Deliveries that one webhook may have pending: a receiver that is gone for days must not fill the
/// disk. What comes past it is not recorded for that webhook.
pub const PENDING_MAX: i64 = 10_000;

/// How long what cannot be read is left alone: so seldom looked at, it costs its owner's other events
/// nothing, and a process that can read it has it within the hour.
const DAMAGED_WAIT_MS: i64 = 60 * 60 * 1000;

/// Whether whoever has the webhook `w` may be told of anything: the operator, or a user who could
/// make one.
macro_rules! may_be_told {
    () => {
        "(w.owner_id IS NULL OR EXISTS (SELECT 1 FROM users u WHERE u.id = w.owner_id \
         AND u.disabled = 0 AND u.role <> 'viewer'))"
    };
}

/// The active webhooks of `$1` and of the operator, and how much is pending for each.
pub(super) const LISTENING: &str = concat!(
    "SELECT w.id AS id, w.events AS events, (SELECT COUNT(*) FROM webhook_deliveries d \
     WHERE d.webhook_id = w.id AND d.status = 'pending') AS pending FROM webhooks w \
     WHERE w.active = 1 AND (w.owner_id IS NULL OR w.owner_id = $1) AND ",
    may_be_told!(),
);

/// The webhooks that something is due for at `$1` and nobody is sending to. A look into an index for
/// each, however much is pending: there are at most [`super::WEBHOOKS_MAX`].
pub(super) const WAITING: &str = concat!(
    "SELECT id, owner_id FROM (SELECT w.id AS id, w.owner_id AS owner_id, \
     CASE WHEN w.active = 1 THEN (SELECT MIN(d.next_at_ms) FROM webhook_deliveries d \
     WHERE d.webhook_id = w.id AND d.status = 'pending') \
     ELSE (SELECT MIN(d.next_at_ms) FROM webhook_deliveries d \
     WHERE d.webhook_id = w.id AND d.status = 'pending' AND d.event_type = 'ping') \
     END AS due_ms FROM webhooks w WHERE w.busy_until_ms <= $1 AND ",
    may_be_told!(),
    ") AS waiting WHERE due_ms <= $1 ORDER BY due_ms, id",
);

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
    /// Up to when nobody else sends to the webhook.
    until_ms: i64,
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
        let rows = sqlx::query(LISTENING)
            .bind(owner.unwrap_or(""))
            .fetch_all(&self.pool)
            .await?;
        let mut recorded = Recorded::default();
        let mut wanting = Vec::new();
        for row in &rows {
            let id: String = row.try_get("id")?;
            match events_of(row, &id) {
                Ok(wanted) if wanted.contains(event.event_type) => {}
                Ok(_) => continue,
                // The others are told all the same.
                Err(error) => {
                    tracing::error!(webhook = %id, %error, "a webhook is not told");
                    continue;
                }
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
    ///
    /// # Errors
    /// There is no such webhook, or [`PENDING_MAX`] are pending for it.
    pub async fn send_to(
        &self,
        webhook: &WebhookId,
        event: &Event,
        now: SystemTime,
    ) -> Result<Delivery, Error> {
        self.find(webhook).await?;
        // The write comes first: see `create`.
        let mut write = self.pool.begin().await?;
        let row = insert(webhook.as_str(), event, now)?
            .fetch_one(&mut *write)
            .await?;
        let pending = sqlx::query(
            "SELECT COUNT(*) FROM webhook_deliveries WHERE webhook_id = $1 AND status = 'pending'",
        )
        .bind(webhook.as_str())
        .fetch_one(&mut *write)
        .await?;
        if pending.try_get::<i64, _>(0)? > PENDING_MAX {
            return Err(Error::TooManyPending);
        }
        write.commit().await?;
        delivery_of(&row)
    }

    /// Takes up deliveries that are due at `now`, the one due longest of each webhook to which nobody
    /// is sending. They are due again at `until`, by which their attempts must be over. A webhook
    /// that is not active gets its pings alone.
    ///
    /// `admit` is asked about each webhook by its owner (`None`: the operator), those that have
    /// waited longest first, and says whether one more may be taken up.
    ///
    /// # Errors
    /// The database does not answer. What was taken up before it fell silent is returned all the
    /// same: its attempts are counted.
    pub async fn claim(
        &self,
        now: SystemTime,
        until: SystemTime,
        mut admit: impl FnMut(Option<&str>) -> bool,
    ) -> Result<Vec<Claim>, Error> {
        let now_ms = to_unix_ms(now);
        let mut claims = Vec::new();
        for row in &self.waiting(now_ms).await? {
            let webhook: String = row.try_get("id")?;
            let owner: Option<String> = row.try_get("owner_id")?;
            if !admit(owner.as_deref()) {
                continue;
            }
            match self.claim_of(&webhook, now_ms, to_unix_ms(until)).await {
                Ok(claim) => claims.extend(claim),
                // One row that cannot be read must not keep the others' events back.
                Err(error @ Error::DamagedRow { .. }) => {
                    tracing::error!(%webhook, %error, "a delivery cannot be sent");
                }
                Err(error) if claims.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(%webhook, %error, "other webhooks wait for the database");
                    break;
                }
            }
        }
        Ok(claims)
    }

    async fn waiting(&self, now_ms: i64) -> Result<Vec<AnyRow>, Error> {
        let rows = sqlx::query(WAITING)
            .bind(now_ms)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// Takes up the delivery that this webhook has been waiting for longest; `None` where another
    /// process was faster. One that cannot be read is put off.
    async fn claim_of(
        &self,
        webhook: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<Option<Claim>, Error> {
        // What does not come to its commit has not happened.
        let mut write = self.pool.begin().await?;
        let taken = sqlx::query(
            "UPDATE webhooks SET busy_until_ms = $1 WHERE id = $2 AND busy_until_ms <= $3",
        )
        .bind(until_ms)
        .bind(webhook)
        .bind(now_ms)
        .execute(&mut *write)
        .await?;
        if taken.rows_affected() == 0 {
            return Ok(None);
        }
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
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let claim = match claim_of(&row, until_ms) {
            Ok(claim) => claim,
            Err(error) => {
                if let Error::DamagedRow { id, .. } = &error {
                    put_off(&mut write, webhook, id, now_ms).await?;
                    write.commit().await?;
                }
                return Err(error);
            }
        };
        sqlx::query("UPDATE webhook_deliveries SET attempts = attempts + 1 WHERE id = $1")
            .bind(claim.id.as_str())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(Some(claim))
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
        let mut write = self.pool.begin().await?;
        // In the same order as where it is taken up, so that neither waits for the other.
        sqlx::query("UPDATE webhooks SET busy_until_ms = 0 WHERE id = $1 AND busy_until_ms = $2")
            .bind(claim.webhook.as_str())
            .bind(claim.until_ms)
            .execute(&mut *write)
            .await?;
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
        .execute(&mut *write)
        .await?;
        write.commit().await?;
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

/// Leaves the damaged row `id`, of a webhook or of a delivery to it, alone for a while. It is not given
/// up: it may be the event of a newer version, of which a process runs beside this one.
async fn put_off(
    write: &mut Transaction<'static, Any>,
    webhook: &str,
    id: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let later_ms = now_ms + DAMAGED_WAIT_MS;
    let is_webhook = id == webhook;
    sqlx::query("UPDATE webhooks SET busy_until_ms = $1 WHERE id = $2")
        .bind(if is_webhook { later_ms } else { 0 })
        .bind(webhook)
        .execute(&mut **write)
        .await?;
    if !is_webhook {
        sqlx::query("UPDATE webhook_deliveries SET next_at_ms = $1 WHERE id = $2")
            .bind(later_ms)
            .bind(id)
            .execute(&mut **write)
            .await?;
    }
    Ok(())
}

fn claim_of(row: &AnyRow, until_ms: i64) -> Result<Claim, Error> {
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
        until_ms,
    })
}
