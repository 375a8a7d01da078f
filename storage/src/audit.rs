//! The audit log: every change through the API, kept for [`KEPT_FOR`].

use std::time::{Duration, SystemTime};

use rand::rand_core::OsError;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row};

use crate::accounts::UserId;
use crate::listing::{ByTime, InvalidCursor, Page, Paging, Select};
use crate::random;
use crate::unix_time::{from_unix_ms, to_unix_ms};

/// How far the log reaches back: long enough to look into what is noticed a quarter later, and no
/// longer, since it has people's addresses in it.
pub const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Characters of base32 in an entry's id: entries of one millisecond are in no order of their own.
const ID_CHARS: usize = 14;

/// The operator, in the column `actor`.
const OPERATOR: &str = "operator";

/// Nobody known, in the column `actor`.
const ANONYMOUS: &str = "anonymous";

/// Why there is no entry, or no list of them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a place in this list.
    #[error("cursor: {0}")]
    Cursor(#[from] InvalidCursor),
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] OsError),
    /// The database cannot be asked in time, or refuses.
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// Who changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever holds the admin token.
    Operator,
    /// Somebody with an account, under the name of that time.
    User {
        /// Whose.
        id: UserId,
        /// The name.
        name: String,
    },
    /// Somebody who had not logged in, as for registering.
    Anonymous,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub actor: Actor,
    /// What: `POST /api/v1/streams/{id}/key`.
    pub action: String,
    /// Of what: an id.
    pub subject: Option<String>,
    /// What of it: the names of fields, and the values of those that say what somebody may do:
    /// `role=admin, email`.
    pub detail: Option<String>,
    /// From where: an address.
    pub address: Option<String>,
    /// When, to the millisecond.
    pub at: SystemTime,
}

/// Which entries are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of `operator`, `anonymous` or a user's id.
    pub actor: Option<String>,
    /// Those about this id.
    pub subject: Option<String>,
}

/// The audit log of a [`crate::Database`]. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Audit {
    pool: AnyPool,
}

impl Audit {
    pub(crate) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// Writes an entry, and forgets those that are older than [`KEPT_FOR`] then.
    pub async fn record(&self, entry: &Entry) -> Result<(), Error> {
        let (actor, name) = match &entry.actor {
            Actor::Operator => (OPERATOR, None),
            Actor::User { id, name } => (id.as_str(), Some(name.as_str())),
            Actor::Anonymous => (ANONYMOUS, None),
        };
        let mut write = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO audit_log (id, at_ms, actor, actor_name, action, subject, detail, \
             address) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(random::base32::<ID_CHARS>()?)
        .bind(to_unix_ms(entry.at))
        .bind(actor)
        .bind(name)
        .bind(&entry.action)
        .bind(entry.subject.as_deref())
        .bind(entry.detail.as_deref())
        .bind(entry.address.as_deref())
        .execute(&mut *write)
        .await?;
        sqlx::query("DELETE FROM audit_log WHERE at_ms < $1")
            .bind(to_unix_ms(entry.at) - KEPT_FOR.as_millis() as i64)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }

    /// Entries, the newest first, a page at a time.
    pub async fn list(
        &self,
        filter: &Filter,
        sort: ByTime,
        paging: &Paging,
    ) -> Result<Page<Entry>, Error> {
        Select::new(
            "SELECT id, at_ms, actor, actor_name, action, subject, detail, address FROM audit_log",
        )
        .only("actor", filter.actor.as_deref())
        .only("subject", filter.subject.as_deref())
        .page(&self.pool, sort.order("at_ms"), paging, entry_of)
        .await
    }
}

fn entry_of(row: &AnyRow) -> Result<Entry, Error> {
    let actor: String = row.try_get("actor")?;
    let name: Option<String> = row.try_get("actor_name")?;
    let actor = match (UserId::new(&actor), name) {
        (Ok(id), Some(name)) => Actor::User { id, name },
        _ if actor == OPERATOR => Actor::Operator,
        _ => Actor::Anonymous,
    };
    Ok(Entry {
        actor,
        action: row.try_get("action")?,
        subject: row.try_get("subject")?,
        detail: row.try_get("detail")?,
        address: row.try_get("address")?,
        at: from_unix_ms(row.try_get("at_ms")?),
    })
}

#[cfg(test)]
mod tests;
