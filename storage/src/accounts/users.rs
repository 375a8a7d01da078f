//! The users in the database.

use std::time::SystemTime;

use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row};

use super::by::By;
use super::invitations::{self, InvitationCode};
use super::password::PasswordHash;
use super::user::{Bio, DisplayName, Email, Role, User, UserId, UserName};
use super::{Error, ID_CHARS, USERS_MAX, count, damaged};
use crate::listing::{Column, Order, Page, Paging, Select};
use crate::random;
use crate::streams::raise_revision;
use crate::unix_time::{from_unix_ms, to_unix_ms};
use crate::videos::likes;

/// Somebody who is to become a user.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Unique, whatever its case.
    pub name: UserName,
    /// Unique, whatever its case.
    pub email: Email,
    /// Of the password.
    pub password: PasswordHash,
    /// An invitation's role goes before it.
    pub role: Role,
}

/// What is to change in a user; the rest stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// A new address.
    pub email: Option<Email>,
    /// Counts from the user's next refresh on, and at once where it was an admin.
    pub role: Option<Role>,
    /// `true` ends all sessions of the user; access tokens are valid until they expire, but for an
    /// admin's.
    pub disabled: Option<bool>,
    /// A new display name; an empty one is none.
    pub display_name: Option<DisplayName>,
    /// A new text; an empty one is none.
    pub bio: Option<Bio>,
    /// Of a new password, which ends all sessions of the user.
    pub password: Option<PasswordHash>,
}

impl Change {
    /// Whether the user's streams may open, or stay shut, from then on.
    pub fn concerns_keys(&self) -> bool {
        self.role.is_some() || self.disabled.is_some()
    }
}

/// Which users are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those with this in their name or address, whatever its case.
    pub text: Option<String>,
    /// Those with this role.
    pub role: Option<Role>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The oldest account first.
    #[default]
    Oldest,
    /// The newest account first.
    Newest,
    /// By name, from A.
    Name,
    /// By name, from Z.
    NameReversed,
}

impl Sort {
    fn order(self) -> Order {
        let (column, descending) = match self {
            Self::Oldest => (Column::Number("created_at_ms"), false),
            Self::Newest => (Column::Number("created_at_ms"), true),
            Self::Name => (Column::Text("name_lower"), false),
            Self::NameReversed => (Column::Text("name_lower"), true),
        };
        Order { column, descending }
    }
}

/// The users of a [`crate::Database`]. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Users {
    pub(super) pool: AnyPool,
}

impl Users {
    pub(super) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// Makes an account at `now`; with an invitation, which is then used, whoever gave it has said
    /// the role. [`Error::NotInvited`], [`Error::Taken`], [`Error::TooManyUsers`].
    pub async fn create(
        &self,
        new: NewUser,
        invitation: Option<&InvitationCode>,
        now: SystemTime,
    ) -> Result<User, Error> {
        let created_at_ms = to_unix_ms(now);
        let id = random::base32::<ID_CHARS>()?;
        let mut user = User {
            id: UserId::new(&id).expect("base32 of its length is an id"),
            name: new.name,
            email: new.email,
            role: new.role,
            disabled: false,
            display_name: DisplayName::default(),
            bio: Bio::default(),
            created_at: from_unix_ms(created_at_ms),
        };
        let mut write = self.pool.begin().await?;
        // The first statement writes: the transaction holds SQLite's lock from its beginning.
        let inserted = sqlx::query(
            "INSERT INTO users (id, name, name_lower, email, email_lower, password_hash, role, \
             created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(user.id.as_str())
        .bind(user.name.as_str())
        .bind(user.name.lower())
        .bind(user.email.as_str())
        .bind(user.email.lower())
        .bind(new.password.as_str())
        .bind(user.role.as_str())
        .bind(created_at_ms)
        .execute(&mut *write)
        .await;
        if inserted.as_ref().is_err_and(is_duplicate) {
            write.rollback().await?;
            return Err(self.taken(&user.name, &user.email).await?);
        }
        inserted?;
        if let Some(code) = invitation {
            user.role = invitations::redeem(&mut write, code, &user.id, created_at_ms).await?;
            sqlx::query("UPDATE users SET role = $1 WHERE id = $2")
                .bind(user.role.as_str())
                .bind(user.id.as_str())
                .execute(&mut *write)
                .await?;
        }
        let users = sqlx::query("SELECT COUNT(*) FROM users")
            .fetch_one(&mut *write)
            .await?;
        if count(&users)? > i64::from(USERS_MAX) {
            return Err(Error::TooManyUsers);
        }
        write.commit().await?;
        Ok(user)
    }

    /// The user with this id.
    pub async fn find(&self, id: &UserId) -> Result<Option<User>, Error> {
        let row = sqlx::query(
            "SELECT id, name, email, role, disabled, display_name, bio, created_at_ms FROM users \
             WHERE id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(user_of).transpose()
    }

    /// The user who logs in by this name or address, and the password's hash. A name has no `@`
    /// and an address has one, so that no two users are meant.
    pub async fn find_by_login(&self, login: &str) -> Result<Option<(User, PasswordHash)>, Error> {
        let lower = match (UserName::new(login), Email::new(login)) {
            (Ok(name), _) => name.lower(),
            (_, Ok(email)) => email.lower(),
            _ => return Ok(None),
        };
        let row = sqlx::query(
            "SELECT id, name, email, role, disabled, display_name, bio, created_at_ms, \
             password_hash FROM users WHERE name_lower = $1 OR email_lower = $1",
        )
        .bind(lower)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref()
            .map(|row| Ok((user_of(row)?, hash_of(row)?)))
            .transpose()
    }

    /// The hash of the user's password.
    pub async fn password(&self, id: &UserId) -> Result<Option<PasswordHash>, Error> {
        let row = sqlx::query("SELECT password_hash FROM users WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(hash_of).transpose()
    }

    /// Users, a page at a time.
    pub async fn list(
        &self,
        filter: &Filter,
        sort: Sort,
        paging: &Paging,
    ) -> Result<Page<User>, Error> {
        let text = filter.text.as_ref().map(|text| text.to_lowercase());
        Select::new(
            "SELECT id, name, name_lower, email, role, disabled, display_name, bio, \
             created_at_ms FROM users",
        )
        .only("role", filter.role.map(Role::as_str))
        .containing(&["name_lower", "email_lower"], text.as_deref())
        .page(&self.pool, sort.order(), paging, user_of)
        .await
    }

    /// Changes a user. [`Error::UnknownUser`], [`Error::Taken`], [`Error::NoRight`].
    pub async fn change(&self, id: &UserId, change: &Change, by: By<'_>) -> Result<User, Error> {
        let mut write = self.pool.begin().await?;
        if change.concerns_keys() {
            // Which keys open anything is in the snapshot that running processes have.
            raise_revision(&mut write).await?;
        }
        by.judge(&mut write, Some(id)).await?;
        let changed = sqlx::query(
            "UPDATE users SET email = COALESCE($1, email), email_lower = COALESCE($2, \
             email_lower), role = COALESCE($3, role), disabled = COALESCE($4, disabled), \
             display_name = COALESCE($5, display_name), bio = COALESCE($6, bio), \
             password_hash = COALESCE($7, password_hash) WHERE id = $8 \
             RETURNING id, name, email, role, disabled, display_name, bio, created_at_ms",
        )
        .bind(change.email.as_ref().map(Email::as_str))
        .bind(change.email.as_ref().map(Email::lower))
        .bind(change.role.map(Role::as_str))
        .bind(change.disabled.map(i64::from))
        .bind(change.display_name.as_ref().map(DisplayName::as_str))
        .bind(change.bio.as_ref().map(Bio::as_str))
        .bind(change.password.as_ref().map(PasswordHash::as_str))
        .bind(id.as_str())
        .fetch_optional(&mut *write)
        .await;
        if changed.as_ref().is_err_and(is_duplicate) {
            return Err(Error::Taken {
                name: false,
                email: true,
            });
        }
        let row = changed?.ok_or_else(|| Error::UnknownUser(id.clone()))?;
        let user = user_of(&row)?;
        if change.disabled == Some(true) || change.password.is_some() {
            sqlx::query("DELETE FROM sessions WHERE user_id = $1")
                .bind(id.as_str())
                .execute(&mut *write)
                .await?;
        }
        write.commit().await?;
        Ok(user)
    }

    /// Deletes the user with its sessions, likes and webhooks; its streams and videos become
    /// the operator's. [`Error::UnknownUser`], [`Error::NoRight`].
    pub async fn delete(&self, id: &UserId, by: By<'_>) -> Result<(), Error> {
        let mut write = self.pool.begin().await?;
        // Whose streams are is in the snapshot that running processes have.
        raise_revision(&mut write).await?;
        by.judge(&mut write, Some(id)).await?;
        likes::uncount_all_of(&mut write, id).await?;
        let deleted = sqlx::query("DELETE FROM users WHERE id = $1")
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(Error::UnknownUser(id.clone()));
        }
        write.commit().await?;
        Ok(())
    }

    /// Which of the two somebody has already.
    async fn taken(&self, name: &UserName, email: &Email) -> Result<Error, Error> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM users WHERE name_lower = $1), \
             (SELECT COUNT(*) FROM users WHERE email_lower = $2)",
        )
        .bind(name.lower())
        .bind(email.lower())
        .fetch_one(&self.pool)
        .await?;
        Ok(Error::Taken {
            name: row.try_get::<i64, _>(0)? > 0,
            email: row.try_get::<i64, _>(1)? > 0,
        })
    }
}

fn is_duplicate(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| error.is_unique_violation())
}

/// The user of a row that has all of its columns.
pub(super) fn user_of(row: &AnyRow) -> Result<User, Error> {
    let id: String = row.try_get("id")?;
    let text = |column| row.try_get::<String, _>(column);
    let name = UserName::new(&text("name")?);
    let email = Email::new(&text("email")?);
    let display_name = DisplayName::new(&text("display_name")?);
    let bio = Bio::new(&text("bio")?);
    Ok(User {
        name: name.map_err(|error| damaged(&id, format!("name {error}")))?,
        email: email.map_err(|error| damaged(&id, format!("email {error}")))?,
        role: role_of(row, &id)?,
        disabled: match row.try_get::<i64, _>("disabled")? {
            0 => false,
            1 => true,
            _ => return Err(damaged(&id, "disabled is neither 0 nor 1")),
        },
        display_name: display_name
            .map_err(|error| damaged(&id, format!("display_name {error}")))?,
        bio: bio.map_err(|error| damaged(&id, format!("bio {error}")))?,
        created_at: from_unix_ms(row.try_get("created_at_ms")?),
        id: UserId::new(&id).map_err(|error| damaged(&id, format!("id {error}")))?,
    })
}

/// The column `role` of row `id`.
pub(super) fn role_of(row: &AnyRow, id: &str) -> Result<Role, Error> {
    let role: String = row.try_get("role")?;
    role.parse()
        .map_err(|error| damaged(id, format!("role {error}")))
}

fn hash_of(row: &AnyRow) -> Result<PasswordHash, Error> {
    Ok(PasswordHash::from_database(row.try_get("password_hash")?))
}
