//! Who may watch a stream, as the API writes it.

use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

/// Who may watch: everyone who knows the id, or who has a playback token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Visibility {
    #[default]
    Public,
    Private,
}

/// A text that is no visibility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is `public` or `private`")]
pub(crate) struct UnknownVisibility;

impl FromStr for Visibility {
    type Err = UnknownVisibility;

    fn from_str(text: &str) -> Result<Self, UnknownVisibility> {
        match text {
            "public" => Ok(Self::Public),
            "private" => Ok(Self::Private),
            _ => Err(UnknownVisibility),
        }
    }
}

impl From<storage::Visibility> for Visibility {
    fn from(visibility: storage::Visibility) -> Self {
        match visibility {
            storage::Visibility::Public => Self::Public,
            storage::Visibility::Private => Self::Private,
        }
    }
}

impl From<Visibility> for storage::Visibility {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Public => Self::Public,
            Visibility::Private => Self::Private,
        }
    }
}
