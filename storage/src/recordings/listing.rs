//! Which recordings are listed, and in which order.

use media_core::StreamId;

use crate::accounts::UserId;
use crate::listing::{Column, Order, Select};
use crate::recording::Status;
use crate::stream::Visibility;
use crate::streams::to_private;

/// Which recordings are listed: those that every given condition holds for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this stream.
    pub stream: Option<StreamId>,
    /// With this status.
    pub status: Option<Status>,
    /// With this in their title, in whatever case.
    pub text: Option<String>,
    /// That this one may see.
    pub seen_by: SeenBy,
}

/// Who looks at a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SeenBy {
    /// Somebody who may see all.
    #[default]
    Operator,
    /// Somebody who may see the public ones, and the own.
    User(UserId),
    /// Somebody who may see the public ones.
    Everybody,
}

/// In which order they are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Those that began last come first.
    #[default]
    Newest,
    /// Those that began first come first.
    Oldest,
}

impl Sort {
    pub(super) fn order(self) -> Order {
        Order {
            column: Column::Number("started_at_ms"),
            descending: self == Self::Newest,
        }
    }
}

/// `sql`, which selects from the recordings, with the conditions of `filter`.
pub(super) fn select(sql: &'static str, filter: &Filter) -> Select {
    let public = ("private", to_private(Visibility::Public).into());
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    let select = Select::new(sql)
        .only("stream_id", filter.stream.as_ref().map(StreamId::as_str))
        .only("status", filter.status.map(Status::as_str))
        .containing(&["stream_title_lower"], text.as_deref());
    match &filter.seen_by {
        SeenBy::Operator => select,
        SeenBy::User(user) => select.either([public, ("owner_id", user.as_str().into())]),
        SeenBy::Everybody => select.either([public]),
    }
}
