//! Webhooks and what is to be sent to them: every SQL statement about them, written once in the
//! dialect that SQLite and PostgreSQL share.
//!
//! A webhook is an address that is told of events. Each event becomes one row for each webhook that
//! wants it ([`queue`]); the rows are the queue that survives a restart, and the log of what was
//! sent ([`delivery`]). Sending is not done here.

pub mod address;
pub mod delivery;
pub mod event;
pub mod queue;
pub mod secret;

use std::time::SystemTime;

use media_core::{DeliveryId, WebhookId};
use rand::rand_core::OsError;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row};

use crate::listing::{ByTime, InvalidCursor, Page, Paging, Select};
use crate::random;
use crate::unix_time::{from_unix_ms, to_unix_ms};

pub use address::HookUrl;
pub use delivery::{Delivery, Status};
pub use event::{Event, EventSet, EventType, InvalidEvents};
pub use queue::{Attempt, Claim, Outcome, Recorded};
pub use secret::Secret;

/// Webhooks in one database: each event looks at all of them.
pub const WEBHOOKS_MAX: u32 = 1000;

/// Webhooks of one user.
pub const WEBHOOKS_OF_OWNER_MAX: u32 = 20;

/// Characters of a webhook's and a delivery's id: 100 bits, so that none repeats.
const ID_CHARS: usize = 20;

/// Why the webhooks cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such webhook.
    #[error("there is no webhook {0}")]
    UnknownWebhook(WebhookId),
    /// Its owner is deleted (by now).
    #[error("there is no such user")]
    UnknownOwner,
    /// The webhook has no such delivery.
    #[error("there is no delivery {0}")]
    UnknownDelivery(DeliveryId),
    /// [`WEBHOOKS_MAX`] is reached, or the owner's [`WEBHOOKS_OF_OWNER_MAX`].
    #[error(
        "there are {WEBHOOKS_MAX} webhooks already, or {WEBHOOKS_OF_OWNER_MAX} of this user; delete \
         one first"
    )]
    TooManyWebhooks,
    /// [`queue::PENDING_MAX`] are pending for it.
    #[error(
        "{} deliveries are pending for this webhook; they are sent when its receiver answers",
        queue::PENDING_MAX
    )]
    TooManyPending,
    /// Not a place in this list.
    #[error("cursor: {0}")]
    Cursor(#[from] InvalidCursor),
    /// A row that this version cannot have written.
    #[error("the database's row {id} is damaged: {what}")]
    DamagedRow {
        /// The row's id.
        id: String,
        /// What is wrong with it.
        what: String,
    },
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] OsError),
    /// The database cannot be asked in time, or refuses.
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// An address that is told of events. Its secret is not part of it: it is shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Stands in the API's paths.
    pub id: WebhookId,
    /// Whose streams and videos it is told of; `None`: the operator's, told of everybody's.
    pub owner: Option<String>,
    /// Where it is called.
    pub url: HookUrl,
    /// Of what it is told.
    pub events: EventSet,
    /// Whether it is called at all.
    pub active: bool,
    /// When it was created, to the millisecond.
    pub created_at: SystemTime,
}

/// What is to change in a webhook; the rest stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// A new address.
    pub url: Option<HookUrl>,
    /// Of what it is told from now on.
    pub events: Option<EventSet>,
    /// Whether it is called from now on.
    pub active: Option<bool>,
}

/// The webhooks of a [`crate::Database`]. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Webhooks {
    pool: AnyPool,
}

impl Webhooks {
    pub(crate) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// Creates a webhook at `now`. The returned secret is the only time that it is shown.
    pub async fn create(
        &self,
        url: HookUrl,
        events: EventSet,
        active: bool,
        owner: Option<String>,
        now: SystemTime,
    ) -> Result<(Webhook, Secret), Error> {
        let created_at_ms = to_unix_ms(now);
        let id = random::base32::<ID_CHARS>()?;
        let secret = Secret::generate()?;
        // The write comes first: SQLite does not let a reader become a writer once somebody else
        // has written.
        let mut write = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO webhooks (id, owner_id, url, secret, events, active, created_at_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&id)
        .bind(owner.as_deref())
        .bind(url.as_str())
        .bind(secret.reveal())
        .bind(events.to_text())
        .bind(i64::from(active))
        .bind(created_at_ms)
        .execute(&mut *write)
        .await
        .map_err(|error| match error.as_database_error() {
            Some(told) if told.is_foreign_key_violation() => Error::UnknownOwner,
            _ => error.into(),
        })?;
        let counts = sqlx::query(
            "SELECT COUNT(*), (SELECT COUNT(*) FROM webhooks WHERE owner_id = $1) FROM webhooks",
        )
        .bind(owner.as_deref())
        .fetch_one(&mut *write)
        .await?;
        if counts.try_get::<i64, _>(0)? > i64::from(WEBHOOKS_MAX)
            || counts.try_get::<i64, _>(1)? > i64::from(WEBHOOKS_OF_OWNER_MAX)
        {
            return Err(Error::TooManyWebhooks);
        }
        write.commit().await?;
        let webhook = Webhook {
            id: WebhookId::new(&id).expect("base32 is valid in an id"),
            owner,
            url,
            events,
            active,
            created_at: from_unix_ms(created_at_ms),
        };
        Ok((webhook, secret))
    }

    /// Webhooks, `owner`'s alone where one is given, by their creation.
    pub async fn list(
        &self,
        owner: Option<&str>,
        sort: ByTime,
        paging: &Paging,
    ) -> Result<Page<Webhook>, Error> {
        Select::new("SELECT id, owner_id, url, events, active, created_at_ms FROM webhooks")
            .only("owner_id", owner)
            .page(&self.pool, sort.order("created_at_ms"), paging, webhook_of)
            .await
    }

    /// The webhook with this id.
    pub async fn find(&self, id: &WebhookId) -> Result<Webhook, Error> {
        let row = sqlx::query(
            "SELECT id, owner_id, url, events, active, created_at_ms FROM webhooks WHERE id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        webhook_of(&row.ok_or_else(|| Error::UnknownWebhook(id.clone()))?)
    }

    /// Changes a webhook. What is pending for it goes to its new address; while it is not active,
    /// that waits.
    pub async fn change(&self, id: &WebhookId, change: &Change) -> Result<Webhook, Error> {
        let row = sqlx::query(
            "UPDATE webhooks SET url = COALESCE($1, url), events = COALESCE($2, events), \
             active = COALESCE($3, active) WHERE id = $4 \
             RETURNING id, owner_id, url, events, active, created_at_ms",
        )
        .bind(change.url.as_ref().map(HookUrl::as_str))
        .bind(change.events.as_ref().map(EventSet::to_text))
        .bind(change.active.map(i64::from))
        .bind(id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        webhook_of(&row.ok_or_else(|| Error::UnknownWebhook(id.clone()))?)
    }

    /// Deletes a webhook with its log and what is pending for it.
    pub async fn delete(&self, id: &WebhookId) -> Result<(), Error> {
        let deleted = sqlx::query("DELETE FROM webhooks WHERE id = $1")
            .bind(id.as_str())
            .execute(&self.pool)
            .await?;
        match deleted.rows_affected() {
            0 => Err(Error::UnknownWebhook(id.clone())),
            _ => Ok(()),
        }
    }
}

fn webhook_of(row: &AnyRow) -> Result<Webhook, Error> {
    let id: String = row.try_get("id")?;
    Ok(Webhook {
        owner: row.try_get("owner_id")?,
        url: url_of(row, &id)?,
        events: events_of(row, &id)?,
        active: match row.try_get::<i64, _>("active")? {
            0 => false,
            1 => true,
            _ => return Err(damaged(&id, "active is neither 0 nor 1")),
        },
        created_at: from_unix_ms(row.try_get("created_at_ms")?),
        id: WebhookId::new(&id).map_err(|error| damaged(&id, error))?,
    })
}

fn url_of(row: &AnyRow, id: &str) -> Result<HookUrl, Error> {
    let text: String = row.try_get("url")?;
    HookUrl::new(&text).map_err(|error| damaged(id, error))
}

fn events_of(row: &AnyRow, id: &str) -> Result<EventSet, Error> {
    let text: String = row.try_get("events")?;
    EventSet::from_text(&text).map_err(|error| damaged(id, error))
}

fn damaged(id: &str, what: impl ToString) -> Error {
    Error::DamagedRow {
        id: id.to_owned(),
        what: what.to_string(),
    }
}

#[cfg(test)]
mod tests;
