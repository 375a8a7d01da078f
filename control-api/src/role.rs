//! What a user may do, as the API writes it.

use serde::{Deserialize, Serialize};
use storage::accounts;
use utoipa::ToSchema;

/// What a user may do: watch, have streams, or everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
// By way of a text: an enum's own reader calls a null or a number malformed JSON.
#[serde(rename_all = "lowercase", try_from = "String")]
pub(crate) enum Role {
    Viewer,
    Streamer,
    Admin,
}

impl TryFrom<String> for Role {
    type Error = accounts::user::UnknownRole;

    fn try_from(text: String) -> Result<Self, Self::Error> {
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
