//! Sessions: what follows from one log-in. A refresh token is exchanged for the next one, each
//! once; all that follow from one log-in are a family, and end together.
//!
//! A token that comes a second time ends its family: one of the two who hold it has stolen it, and
//! nobody can tell which. There is no grace for a client that sends one twice by mistake: it would
//! be a thief's too. Such a client logs in again.

use std::fmt;
use std::time::{Duration, SystemTime};

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyPool, Row, Transaction};

use super::password::PasswordHash;
use super::user::{Role, User, UserId};
use super::users::{role_of, user_of};
use super::{Error, ID_CHARS, damaged, stored};
use crate::random;
use crate::unix_time::to_unix_ms;

/// For how long a refresh token is valid: who does not come back for so long logs in again.
pub const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The most sessions of one user: with one more, the one that was idle for longest ends.
pub const SESSIONS_PER_USER_MAX: i64 = 50;

/// Begins every token, so that one is recognised where it should not be.
const PREFIX: &str = "mrr_";

/// Characters of base32 after the prefix: 260 bits.
const RANDOM_CHARS: usize = 52;

/// One log-in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// As an access token carries it.
    pub(crate) fn from_claim(text: String) -> Self {
        Self(text)
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the next access token is had by. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(String);

impl RefreshToken {
    fn generate() -> Result<Self, Error> {
        Ok(Self(format!(
            "{PREFIX}{}",
            random::base32::<RANDOM_CHARS>()?
        )))
    }

    /// The secret itself, for whoever logged in.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(redacted)")
    }
}

/// The sessions of a [`crate::Database`]. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Sessions {
    pool: AnyPool,
}

impl Sessions {
    pub(super) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// Begins a session of `user`, whose password was found to be that of `password`, at `now`;
    /// `None` where the user has got another one, was disabled or deleted since: finding that out
    /// takes a while. What has expired of anybody's is forgotten on this occasion.
    pub async fn open(
        &self,
        user: &UserId,
        password: &PasswordHash,
        now: SystemTime,
    ) -> Result<Option<(SessionId, RefreshToken)>, Error> {
        let session = SessionId(random::base32::<ID_CHARS>()?);
        let now_ms = to_unix_ms(now);
        let mut write = self.pool.begin().await?;
        // Holds the user's row: whoever changes it ends this session too, or comes before.
        let unchanged = sqlx::query(
            "UPDATE users SET disabled = disabled \
             WHERE id = $1 AND password_hash = $2 AND disabled = 0",
        )
        .bind(user.as_str())
        .bind(password.as_str())
        .execute(&mut *write)
        .await?;
        if unchanged.rows_affected() == 0 {
            return Ok(None);
        }
        for expired in [
            "DELETE FROM sessions WHERE expires_at_ms <= $1",
            "DELETE FROM refresh_tokens WHERE expires_at_ms <= $1",
        ] {
            sqlx::query(expired)
                .bind(now_ms)
                .execute(&mut *write)
                .await?;
        }
        sqlx::query(
            "DELETE FROM sessions WHERE user_id = $1 AND id NOT IN (SELECT id FROM sessions \
             WHERE user_id = $1 ORDER BY expires_at_ms DESC, id LIMIT $2)",
        )
        .bind(user.as_str())
        .bind(SESSIONS_PER_USER_MAX - 1)
        .execute(&mut *write)
        .await?;
        sqlx::query("INSERT INTO sessions (id, user_id, expires_at_ms) VALUES ($1, $2, $3)")
            .bind(session.as_str())
            .bind(user.as_str())
            .bind(to_unix_ms(now + REFRESH_LIFETIME))
            .execute(&mut *write)
            .await?;
        let token = add_token(&mut write, &session, now).await?;
        write.commit().await?;
        Ok(Some((session, token)))
    }

    /// What `user` may do now by this session; `None` where it has ended or the user is disabled.
    pub async fn role(&self, session: &SessionId, user: &UserId) -> Result<Option<Role>, Error> {
        let row = role_by(session, user).fetch_optional(&self.pool).await?;
        row.map(|row| role_of(&row, user.as_str())).transpose()
    }

    /// Exchanges a refresh token for the next one, and says whose it is: with the role that the
    /// user has now. [`Error::RefreshRefused`], [`Error::RefreshReused`], [`Error::Disabled`].
    pub async fn refresh(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<(User, SessionId, RefreshToken), Error> {
        let mut write = self.pool.begin().await?;
        // The session's row before its token's, in which order a log-out locks them too.
        sqlx::query(
            "UPDATE sessions SET expires_at_ms = expires_at_ms \
             WHERE id = (SELECT session_id FROM refresh_tokens WHERE sha256 = $1)",
        )
        .bind(stored(token))
        .execute(&mut *write)
        .await?;
        let used = sqlx::query(
            "UPDATE refresh_tokens SET used = 1 \
             WHERE sha256 = $1 AND used = 0 AND expires_at_ms > $2 RETURNING session_id",
        )
        .bind(stored(token))
        .bind(to_unix_ms(now))
        .fetch_optional(&mut *write)
        .await?;
        let Some(used) = used else {
            return self.refuse(write, token).await;
        };
        let session = SessionId(used.try_get("session_id")?);
        let row = sqlx::query(
            "SELECT id, name, email, role, disabled, display_name, bio, created_at_ms FROM users \
             WHERE id = (SELECT user_id FROM sessions WHERE id = $1)",
        )
        .bind(session.as_str())
        .fetch_one(&mut *write)
        .await?;
        let user = user_of(&row)?;
        if user.disabled {
            return Err(Error::Disabled);
        }
        sqlx::query("UPDATE sessions SET expires_at_ms = $1 WHERE id = $2")
            .bind(to_unix_ms(now + REFRESH_LIFETIME))
            .bind(session.as_str())
            .execute(&mut *write)
            .await?;
        let next = add_token(&mut write, &session, now).await?;
        write.commit().await?;
        Ok((user, session, next))
    }

    /// Ends a session: none of its refresh tokens counts any more. No error where it has ended.
    pub async fn end(&self, session: &SessionId) -> Result<(), Error> {
        sqlx::query("DELETE FROM sessions WHERE id = $1")
            .bind(session.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Ends the session that a refresh token belongs to, used or not, and says whose it was. No
    /// error where there is none.
    pub async fn end_of(&self, token: &str) -> Result<Option<UserId>, Error> {
        let ended = sqlx::query(
            "DELETE FROM sessions WHERE id IN \
             (SELECT session_id FROM refresh_tokens WHERE sha256 = $1) RETURNING user_id",
        )
        .bind(stored(token))
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = ended else {
            return Ok(None);
        };
        let id: String = row.try_get("user_id")?;
        let user = UserId::new(&id).map_err(|error| damaged(&id, error))?;
        Ok(Some(user))
    }

    /// Why a token was not exchanged; one that was used before ends its family.
    async fn refuse<T>(
        &self,
        mut write: Transaction<'static, Any>,
        token: &str,
    ) -> Result<T, Error> {
        let ended = sqlx::query(
            "DELETE FROM sessions WHERE id IN \
             (SELECT session_id FROM refresh_tokens WHERE sha256 = $1 AND used = 1)",
        )
        .bind(stored(token))
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        match ended.rows_affected() {
            0 => Err(Error::RefreshRefused),
            _ => Err(Error::RefreshReused),
        }
    }
}

/// Asks what `user` may do now by `session`: no row where it has ended or the user is disabled.
pub(super) fn role_by<'a>(
    session: &'a SessionId,
    user: &'a UserId,
) -> Query<'a, Any, AnyArguments> {
    sqlx::query(
        "SELECT users.role FROM sessions JOIN users ON users.id = sessions.user_id \
         WHERE sessions.id = $1 AND users.id = $2 AND users.disabled = 0",
    )
    .bind(session.as_str())
    .bind(user.as_str())
}

async fn add_token(
    write: &mut Transaction<'static, Any>,
    session: &SessionId,
    now: SystemTime,
) -> Result<RefreshToken, Error> {
    let token = RefreshToken::generate()?;
    sqlx::query(
        "INSERT INTO refresh_tokens (sha256, session_id, expires_at_ms) VALUES ($1, $2, $3)",
    )
    .bind(stored(token.reveal()))
    .bind(session.as_str())
    .bind(to_unix_ms(now + REFRESH_LIFETIME))
    .execute(&mut **write)
    .await?;
    Ok(token)
}
