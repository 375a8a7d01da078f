//! Invitations: codes by which somebody may register where not everybody may, once each.

use std::fmt;
use std::time::{Duration, SystemTime};

use sqlx::any::AnyRow;
use sqlx::{Any, AnyPool, Row, Transaction};

use super::by::By;
use super::user::{Role, UserId};
use super::users::role_of;
use super::{Error, ID_CHARS, INVITATIONS_MAX, count, damaged, is_id, stored};
use crate::listing::{ByTime, Page, Paging, Select};
use crate::random;
use crate::unix_time::{from_unix_ms, to_unix_ms};

/// Begins every code, so that one is recognised where it should not be.
const PREFIX: &str = "mri_";

/// Characters of base32 after the prefix: 160 bits.
const RANDOM_CHARS: usize = 32;

/// The longest code that is looked at.
const CODE_CHARS_MAX: usize = 64;

/// For how long an invitation is valid: whole seconds, 1 to [`Lifetime::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(Duration);

/// A time that is not an invitation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is a number of seconds from 1 to {}", Lifetime::MAX.as_secs())]
pub struct InvalidLifetime;

impl Lifetime {
    /// Ninety days.
    pub const MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

    /// A week.
    pub const DEFAULT: Self = Self(Duration::from_secs(7 * 24 * 60 * 60));

    /// Checks a number of seconds.
    pub fn from_secs(seconds: u64) -> Result<Self, InvalidLifetime> {
        let time = Duration::from_secs(seconds);
        match (Duration::from_secs(1)..=Self::MAX).contains(&time) {
            true => Ok(Self(time)),
            false => Err(InvalidLifetime),
        }
    }
}

/// What somebody who is invited becomes. Admins are made of users, never invited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvitedAs {
    /// [`Role::Viewer`].
    #[default]
    Viewer,
    /// [`Role::Streamer`].
    Streamer,
}

impl From<InvitedAs> for Role {
    fn from(invited: InvitedAs) -> Self {
        match invited {
            InvitedAs::Viewer => Self::Viewer,
            InvitedAs::Streamer => Self::Streamer,
        }
    }
}

/// By which an invitation is deleted; no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationId(String);

/// A text that is no invitation's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no invitation's id")]
pub struct InvalidInvitationId;

impl InvitationId {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, InvalidInvitationId> {
        match is_id(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidInvitationId),
        }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An invitation without its code, which is seen once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// By which it is deleted.
    pub id: InvitationId,
    /// What whoever uses it becomes.
    pub role: Role,
    /// When it was made.
    pub created_at: SystemTime,
    /// The first moment at which it is not valid any more.
    pub expires_at: SystemTime,
    /// Who registered with it, as long as that user is there.
    pub used_by: Option<UserId>,
    /// When somebody did.
    pub used_at: Option<SystemTime>,
}

/// What somebody is given to register with: `mri_` and 32 characters of `a-z2-7`. `Debug` is
/// redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationCode(String);

impl InvitationCode {
    /// A code as somebody sent it; `None` where it cannot be one.
    pub fn presented(text: &str) -> Option<Self> {
        let may_be = text.starts_with(PREFIX) && text.len() <= CODE_CHARS_MAX;
        may_be.then(|| Self(text.to_owned()))
    }

    /// The secret itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationCode(redacted)")
    }
}

/// The invitations of a [`crate::Database`]. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Invitations {
    pool: AnyPool,
}

impl Invitations {
    pub(super) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// Invites somebody at `now`. The returned code is the only time that it is seen.
    /// [`Error::TooManyInvitations`], [`Error::NoRight`].
    pub async fn create(
        &self,
        invited: InvitedAs,
        lifetime: Lifetime,
        by: By<'_>,
        now: SystemTime,
    ) -> Result<(Invitation, InvitationCode), Error> {
        let (created_at_ms, expires_at_ms) = (to_unix_ms(now), to_unix_ms(now + lifetime.0));
        let code = InvitationCode(format!("{PREFIX}{}", random::base32::<RANDOM_CHARS>()?));
        let invitation = Invitation {
            id: InvitationId(random::base32::<ID_CHARS>()?),
            role: invited.into(),
            created_at: from_unix_ms(created_at_ms),
            expires_at: from_unix_ms(expires_at_ms),
            used_by: None,
            used_at: None,
        };
        let mut write = self.pool.begin().await?;
        by.judge(&mut write, None).await?;
        sqlx::query(
            "INSERT INTO invitations (id, code_sha256, role, created_at_ms, expires_at_ms) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(invitation.id.as_str())
        .bind(stored(code.reveal()))
        .bind(invitation.role.as_str())
        .bind(created_at_ms)
        .bind(expires_at_ms)
        .execute(&mut *write)
        .await?;
        let invitations = sqlx::query("SELECT COUNT(*) FROM invitations")
            .fetch_one(&mut *write)
            .await?;
        if count(&invitations)? > i64::from(INVITATIONS_MAX) {
            return Err(Error::TooManyInvitations);
        }
        write.commit().await?;
        Ok((invitation, code))
    }

    /// Invitations, used and expired ones too, the newest first, a page at a time.
    pub async fn list(&self, sort: ByTime, paging: &Paging) -> Result<Page<Invitation>, Error> {
        Select::new(
            "SELECT id, role, created_at_ms, expires_at_ms, used_by, used_at_ms FROM invitations",
        )
        .page(
            &self.pool,
            sort.order("created_at_ms"),
            paging,
            invitation_of,
        )
        .await
    }

    /// Whether somebody could register with `code` at `now`: to be asked before anything is told or
    /// done. Registering asks again. [`Error::NotInvited`].
    pub async fn check(&self, code: &InvitationCode, now: SystemTime) -> Result<(), Error> {
        let row = sqlx::query(
            "SELECT COUNT(*) FROM invitations \
             WHERE code_sha256 = $1 AND used_at_ms IS NULL AND expires_at_ms > $2",
        )
        .bind(stored(code.reveal()))
        .bind(to_unix_ms(now))
        .fetch_one(&self.pool)
        .await?;
        match count(&row)? {
            0 => Err(Error::NotInvited),
            _ => Ok(()),
        }
    }

    /// Deletes an invitation; whoever used it stays. [`Error::UnknownInvitation`],
    /// [`Error::NoRight`].
    pub async fn delete(&self, id: &InvitationId, by: By<'_>) -> Result<(), Error> {
        let mut write = self.pool.begin().await?;
        by.judge(&mut write, None).await?;
        let deleted = sqlx::query("DELETE FROM invitations WHERE id = $1")
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(Error::UnknownInvitation(id.clone()));
        }
        write.commit().await?;
        Ok(())
    }
}

/// Uses an invitation for `user`, and says what that user becomes.
pub(super) async fn redeem(
    write: &mut Transaction<'static, Any>,
    code: &InvitationCode,
    user: &UserId,
    now_ms: i64,
) -> Result<Role, Error> {
    let row = sqlx::query(
        "UPDATE invitations SET used_by = $1, used_at_ms = $2 \
         WHERE code_sha256 = $3 AND used_at_ms IS NULL AND expires_at_ms > $2 RETURNING id, role",
    )
    .bind(user.as_str())
    .bind(now_ms)
    .bind(stored(code.reveal()))
    .fetch_optional(&mut **write)
    .await?
    .ok_or(Error::NotInvited)?;
    let id: String = row.try_get("id")?;
    role_of(&row, &id)
}

fn invitation_of(row: &AnyRow) -> Result<Invitation, Error> {
    let id: String = row.try_get("id")?;
    let used_by: Option<String> = row.try_get("used_by")?;
    let used_by = used_by.map(|user| UserId::new(&user)).transpose();
    Ok(Invitation {
        role: role_of(row, &id)?,
        created_at: from_unix_ms(row.try_get("created_at_ms")?),
        expires_at: from_unix_ms(row.try_get("expires_at_ms")?),
        used_by: used_by.map_err(|error| damaged(&id, format!("used_by {error}")))?,
        used_at: row
            .try_get::<Option<i64>, _>("used_at_ms")?
            .map(from_unix_ms),
        id: InvitationId::new(&id).map_err(|error| damaged(&id, error))?,
    })
}
