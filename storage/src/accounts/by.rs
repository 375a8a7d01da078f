//! By what right somebody changes users and invitations: judged in the transaction that does it.
//!
//! Who calls was looked up before its request was dealt with, which may have waited for a password to
//! be hashed: an admin who has been demoted since must not make itself one again, and whoever knew
//! the old password must not write over the one that an admin has given since.

use sqlx::{Any, Transaction};

use super::Error;
use super::sessions::{self, SessionId};
use super::user::{Role, UserId};
use super::users::role_of;

/// By what right.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// The admin token's, which nobody takes away.
    Operator,
    /// That of an admin, by a session of this user.
    Admin(&'a SessionId, &'a UserId),
    /// That of a user about itself, by a session of its own.
    Oneself(&'a SessionId, &'a UserId),
}

impl By<'_> {
    /// Judges it, and holds the rows of who asks and of `subject` until the transaction ends: nothing
    /// of it is taken away meanwhile. Before any video, whose likes and uploads hold their user first.
    /// [`Error::NoRight`].
    pub(super) async fn judge(
        self,
        write: &mut Transaction<'static, Any>,
        subject: Option<&UserId>,
    ) -> Result<(), Error> {
        let asks = match self {
            Self::Operator => None,
            Self::Admin(session, user) | Self::Oneself(session, user) => Some((session, user)),
        };
        let mut held: Vec<&str> = subject.into_iter().map(UserId::as_str).collect();
        held.extend(asks.map(|(_, user)| user.as_str()));
        // In one order, so that two who change each other do not wait in a circle.
        held.sort_unstable();
        held.dedup();
        for user in held {
            sqlx::query("UPDATE users SET role = role WHERE id = $1")
                .bind(user)
                .execute(&mut **write)
                .await?;
        }
        let Some((session, user)) = asks else {
            return Ok(());
        };
        let row = sessions::role_by(session, user)
            .fetch_optional(&mut **write)
            .await?;
        let role = row.map(|row| role_of(&row, user.as_str())).transpose()?;
        match (self, role) {
            (Self::Admin(..), Some(Role::Admin)) | (Self::Oneself(..), Some(_)) => Ok(()),
            _ => Err(Error::NoRight),
        }
    }
}
