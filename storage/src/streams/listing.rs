//! Which streams are listed, and in which order.

use media_core::StreamId;

use super::to_private;
use crate::accounts::UserId;
use crate::listing::{Column, Order, Select};
use crate::stream::{Tags, Visibility};

/// Which streams are listed: those that every given condition holds for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// With this in their title, in whatever case.
    pub text: Option<String>,
    /// With this tag, in whatever case.
    pub tag: Option<String>,
    /// Of this user.
    pub owner: Option<UserId>,
    /// For these viewers.
    pub visibility: Option<Visibility>,
    /// By their ids.
    pub among: Option<Among>,
}

/// Streams by their ids, as many as run at a time.
#[derive(Clone, Debug)]
pub enum Among {
    /// These alone.
    These(Vec<StreamId>),
    /// All but these.
    Others(Vec<StreamId>),
}

/// In which order streams are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// As they were created.
    #[default]
    Oldest,
    /// The newest first.
    Newest,
    /// By title, from A.
    Title,
    /// By title, from Z.
    TitleReversed,
}

impl Sort {
    pub(super) fn order(self) -> Order {
        let (column, descending) = match self {
            Self::Oldest => (Column::Number("created_at_ms"), false),
            Self::Newest => (Column::Number("created_at_ms"), true),
            Self::Title => (Column::Text("title_lower"), false),
            Self::TitleReversed => (Column::Text("title_lower"), true),
        };
        Order { column, descending }
    }
}

/// `sql`, which selects from the streams, with the conditions of `filter`.
pub(super) fn select(sql: &'static str, filter: &Filter) -> Select {
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    let tag = filter
        .tag
        .as_ref()
        .map(|tag| Tags::in_column(&tag.to_lowercase()));
    let select = Select::new(sql)
        .containing(&["title_lower"], text.as_deref())
        .containing(&["tags_lower"], tag.as_deref())
        .only("owner_id", filter.owner.as_ref().map(UserId::as_str))
        .only("private", filter.visibility.map(to_private));
    match &filter.among {
        Some(Among::These(ids)) => select.among("id", ids.iter().map(StreamId::as_str), true),
        Some(Among::Others(ids)) => select.among("id", ids.iter().map(StreamId::as_str), false),
        None => select,
    }
}
