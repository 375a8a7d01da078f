//! Lists of streams: the caller's, and those that everybody can watch now.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use storage::streams::{Among, Filter, Sort};
use storage::{UserId, Visibility};
use utoipa::IntoParams;

use super::view::{LiveView, Status, StreamView};
use crate::Api;
use crate::caller::{Caller, LoggedIn};
use crate::list::{self, Asked, Filters, Page, PageQuery};
use crate::problem::{Error, Problem};
use crate::urls::Origin;

/// What is looked for in any list of streams.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Streams with this in their title, in whatever case.
    q: Option<String>,
    /// Streams with this tag, in whatever case.
    tag: Option<String>,
    /// `created_at` (where it is not given), `-created_at`, `title` or `-title`; `-` is backwards.
    #[param(example = "-created_at")]
    sort: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatusQuery {
    /// Streams of which a broadcast runs, or of which none does.
    #[param(value_type = Option<Status>)]
    status: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OwnerQuery {
    /// Streams of the user with this id.
    owner: Option<String>,
}

impl Wanted {
    fn read(self) -> Result<(Filter, Sort), Error> {
        let sorts = [
            ("created_at", Sort::Oldest),
            ("-created_at", Sort::Newest),
            ("title", Sort::Title),
            ("-title", Sort::TitleReversed),
        ];
        let filter = Filter {
            text: list::searched("q", self.q)?,
            tag: list::searched("tag", self.tag)?,
            ..Filter::default()
        };
        let sort = list::chosen("sort", self.sort.as_deref(), &sorts)?;
        Ok((filter, sort.unwrap_or_default()))
    }
}

impl StatusQuery {
    fn read(&self, api: &Api) -> Result<Option<Among>, Error> {
        let statuses = [("live", Status::Live), ("offline", Status::Offline)];
        let status = list::chosen("status", self.status.as_deref(), &statuses)?;
        Ok(status.map(|status| match status {
            Status::Live => Among::These(api.broadcasts.live_streams()),
            Status::Offline => Among::Others(api.broadcasts.live_streams()),
        }))
    }
}

/// Lists the caller's streams; everybody's for the operator and admins.
#[utoipa::path(
    get,
    path = "/api/v1/streams",
    tag = "streams",
    params(Wanted, StatusQuery, OwnerQuery, PageQuery),
    responses(
        (status = 200, description = "Streams.", body = Page<StreamView>),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn all(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Asked(paging): Asked,
    Filters(wanted): Filters<Wanted>,
    Filters(status): Filters<StatusQuery>,
    Filters(owner): Filters<OwnerQuery>,
) -> Result<Json<Page<StreamView>>, Error> {
    let (mut filter, sort) = wanted.read()?;
    filter.among = status.read(&api)?;
    let owner = list::parameter("owner", owner.owner, |id| UserId::new(&id))?;
    filter.owner = match (caller.sees(), owner) {
        (Some(own), Some(owner)) if *own != owner => return Err(Error::Forbidden),
        (Some(own), _) => Some(own.clone()),
        (None, owner) => owner,
    };
    let page = api.streams.list(&filter, sort, &paging).await?;
    let view = |stream| StreamView::new(&api, &origin, &stream);
    Ok(Json(Page::of(page, view)))
}

/// Lists the caller's own streams, also an admin's.
#[utoipa::path(
    get,
    path = "/api/v1/streams/own",
    tag = "streams",
    params(Wanted, StatusQuery, PageQuery),
    responses(
        (status = 200, description = "Streams.", body = Page<StreamView>),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn own(
    State(api): State<Api>,
    LoggedIn(user): LoggedIn,
    origin: Origin,
    Asked(paging): Asked,
    Filters(wanted): Filters<Wanted>,
    Filters(status): Filters<StatusQuery>,
) -> Result<Json<Page<StreamView>>, Error> {
    let (mut filter, sort) = wanted.read()?;
    filter.among = status.read(&api)?;
    filter.owner = Some(user.id);
    let page = api.streams.list(&filter, sort, &paging).await?;
    let view = |stream| StreamView::new(&api, &origin, &stream);
    Ok(Json(Page::of(page, view)))
}

/// Lists the public streams of which a broadcast runs.
#[utoipa::path(
    get,
    path = "/api/v1/streams/live",
    tag = "public",
    params(Wanted, PageQuery),
    responses(
        (status = 200, description = "Streams that play now.", body = Page<LiveView>),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn live(
    State(api): State<Api>,
    origin: Origin,
    Asked(paging): Asked,
    Filters(wanted): Filters<Wanted>,
) -> Result<Json<Page<LiveView>>, Error> {
    let (mut filter, sort) = wanted.read()?;
    filter.among = Some(Among::These(api.broadcasts.live_streams()));
    filter.visibility = Some(Visibility::Public);
    let page = api.streams.list(&filter, sort, &paging).await?;
    Ok(Json(Page::of(page, |stream| {
        LiveView::new(&api, &origin, &stream)
    })))
}
