//! What a user may do, as the API writes it.

use std::str::FromStr;

use serde::Serialize;
use storage::accounts;
use utoipa::ToSchema;

/// What a user may do: watch, have streams, or everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Viewer,
    Streamer,
    Admin,
}

impl FromStr for Role {
    type Err = accounts::user::UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<accounts::Role>().map(Self::from)
    }
}

impl From<accounts::Role> for Role {
    fn from(role: accounts::Role) -> Self {
        match role {
            accounts::Role::Viewer => Self::Viewer,
            accounts::Role::Streamer => Self::Streamer,
            accounts::Role::Admin => Self::Admin,
        }
    }
}

impl From<Role> for accounts::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Streamer => Self::Streamer,
            Role::Admin => Self::Admin,
        }
    }
}
