//! Accounts: users, their passwords, their sessions and the invitations by which they come.
//!
//! The operator is none of them: whoever holds the admin token ([`crate::admin_token`]) has every
//! right and no row here. Nobody becomes an admin by being first; the operator makes admins.

mod by;
pub mod invitations;
pub mod password;
pub mod sessions;
pub mod user;
pub mod users;

use rand::rand_core::OsError;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row};

use crate::key::KeyHash;
use crate::listing::InvalidCursor;

pub use by::By;
pub use invitations::{Invitation, InvitationCode, InvitationId, Invitations};
pub use password::{Hasher, Password, PasswordHash};
pub use sessions::{RefreshToken, SessionId, Sessions};
pub use user::{Bio, DisplayName, Email, Role, User, UserId, UserName};
pub use users::Users;

/// How many users a database holds: far more than one machine serves, and few enough to list.
pub const USERS_MAX: u32 = 100_000;

/// How many invitations a database holds, used and expired ones included.
pub const INVITATIONS_MAX: u32 = 10_000;

/// Characters of base32 in the id of a user, a session or an invitation: 70 bits.
const ID_CHARS: usize = 14;

/// Why a query about accounts has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No user has this id (any more).
    #[error("there is no user {0}")]
    UnknownUser(UserId),
    /// No invitation has this id (any more).
    #[error("there is no invitation {0}")]
    UnknownInvitation(InvitationId),
    /// Somebody has this name or this e-mail address already, whatever its case.
    #[error("the user name or the e-mail address is taken")]
    Taken {
        /// The name is.
        name: bool,
        /// The address is.
        email: bool,
    },
    /// [`USERS_MAX`] are there already.
    #[error("the database holds {USERS_MAX} users already; delete some first")]
    TooManyUsers,
    /// [`INVITATIONS_MAX`] are there already.
    #[error("the database holds {INVITATIONS_MAX} invitations already; delete some first")]
    TooManyInvitations,
    /// The code of an invitation is unknown, used or expired.
    #[error("the invitation is unknown, used or expired")]
    NotInvited,
    /// The refresh token is unknown or expired, or its session has ended.
    #[error("the refresh token is not valid (any more)")]
    RefreshRefused,
    /// The refresh token was used before: whoever holds its successor is logged out too, since one
    /// of the two has stolen it.
    #[error("the refresh token was used before; its session has been ended")]
    RefreshReused,
    /// Who asks may not (any more): the session has ended, or its user is no admin, since the request
    /// came.
    #[error("the session has ended, or may do less, since the request came")]
    NoRight,
    /// The user may not log in.
    #[error("this account is disabled")]
    Disabled,
    /// Too many passwords are being checked.
    #[error("the server checks too many passwords at once")]
    Busy,
    /// Not a place in this list.
    #[error("cursor: {0}")]
    Cursor(#[from] InvalidCursor),
    /// A row that this crate cannot have written.
    #[error("the database's row {id:?} is damaged: {what}")]
    DamagedRow {
        /// The row's id, whatever it is.
        id: String,
        /// Which column, and what is wrong with it. No secret.
        what: String,
    },
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] OsError),
    /// The database cannot be asked in time, or refuses.
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// The accounts of a [`crate::Database`]. Clones share its connections, and how many passwords are
/// hashed at once.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// The users.
    pub users: Users,
    /// Their log-ins.
    pub sessions: Sessions,
    /// Who may become one.
    pub invitations: Invitations,
    /// Their passwords.
    pub hasher: Hasher,
}

impl Accounts {
    pub(crate) fn new(pool: &AnyPool) -> Self {
        Self {
            users: Users::new(pool.clone()),
            sessions: Sessions::new(pool.clone()),
            invitations: Invitations::new(pool.clone()),
            hasher: Hasher::new(),
        }
    }
}

/// The only form in which a secret of 160 random bits and more is stored: SHA-256 in hexadecimal
/// ([`KeyHash`] says why that is enough).
fn stored(secret: &str) -> String {
    KeyHash::of(secret).to_hex()
}

/// The one number of a `SELECT COUNT(*)`.
fn count(row: &AnyRow) -> Result<i64, Error> {
    Ok(row.try_get(0)?)
}

/// Whether `text` can be an id of [`ID_CHARS`]: nothing else is asked of the database, which may
/// not even take it (PostgreSQL's texts have no U+0000).
fn is_id(text: &str) -> bool {
    let is_base32 = |byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
    text.len() == ID_CHARS && text.bytes().all(is_base32)
}

fn damaged(id: &str, what: impl ToString) -> Error {
    Error::DamagedRow {
        id: id.to_owned(),
        what: what.to_string(),
    }
}

#[cfg(test)]
mod tests;
