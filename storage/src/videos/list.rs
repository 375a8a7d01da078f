//! Lists of videos: what is asked for, among those that somebody may see.

use super::column::{SELECT, video_of};
use super::video::{Status, Video, Visibility};
use super::{Error, Videos};
use crate::accounts::UserId;
use crate::listing::{Column, Order, Page, Paging, Select};

/// Which videos are listed; those that every given condition holds for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Among these.
    pub seen: Seen,
    /// Those with this in their title or description, whatever its case.
    pub text: Option<String>,
    /// Those with this tag, whatever its case.
    pub tag: Option<String>,
    /// Those with this status.
    pub status: Option<Status>,
    /// Those of this owner.
    pub owner: Option<Owner>,
    /// Those for these viewers.
    pub visibility: Option<Visibility>,
}

/// What somebody may see in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// Public videos that are ready.
    #[default]
    Public,
    /// Those, and all of the user's own.
    By(UserId),
    /// Everything.
    All,
}

/// Whose a video is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The operator's.
    Operator,
    /// A user's.
    User(UserId),
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// The most watched first.
    MostViews,
    /// The least watched first.
    FewestViews,
    /// The most liked first.
    MostLikes,
    /// The least liked first.
    FewestLikes,
    /// By title, from A.
    Title,
    /// By title, from Z.
    TitleReversed,
}

impl Sort {
    fn order(self) -> Order {
        let (column, descending) = match self {
            Self::Newest => (Column::Number("created_at_ms"), true),
            Self::Oldest => (Column::Number("created_at_ms"), false),
            Self::MostViews => (Column::Number("views"), true),
            Self::FewestViews => (Column::Number("views"), false),
            Self::MostLikes => (Column::Number("likes"), true),
            Self::FewestLikes => (Column::Number("likes"), false),
            Self::Title => (Column::Text("title_lower"), false),
            Self::TitleReversed => (Column::Text("title_lower"), true),
        };
        Order { column, descending }
    }
}

impl Videos {
    /// Videos, a page at a time.
    pub async fn list(
        &self,
        filter: &Filter,
        sort: Sort,
        paging: &Paging,
    ) -> Result<Page<Video>, Error> {
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
        let select = Select::new(SELECT);
        let select = match &filter.seen {
            Seen::All => select,
            Seen::Public => select.always("visibility = 'public' AND status = 'ready'"),
            Seen::By(user) => select.holding(
                "(owner_id = {} OR (visibility = 'public' AND status = 'ready'))",
                Some(user.as_str()),
            ),
        };
        let select = match &filter.owner {
            None => select,
            Some(Owner::Operator) => select.always("owner_id IS NULL"),
            Some(Owner::User(user)) => select.only("owner_id", Some(user.as_str())),
        };
        let mut page: Page<Video> = select
            .only("status", filter.status.map(Status::as_str))
            .only("visibility", filter.visibility.map(Visibility::as_str))
            .holding(
                "EXISTS (SELECT 1 FROM video_tags WHERE video_id = videos.id AND tag_lower = {})",
                lower(&filter.tag).as_deref(),
            )
            .containing(
                &["title_lower", "description_lower"],
                lower(&filter.text).as_deref(),
            )
            .page(&self.pool, sort.order(), paging, video_of)
            .await?;
        self.read_tags(&mut page.items).await?;
        Ok(page)
    }
}
