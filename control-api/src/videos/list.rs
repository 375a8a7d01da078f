//! `GET /api/v1/videos`: what there is to watch.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use storage::UserId;
use storage::videos::{Filter, Owner, Seen, Sort, Status, Visibility};
use utoipa::IntoParams;

use super::view::{VideoStatus, VideoView, VideoVisibility};
use crate::Api;
use crate::caller::Caller;
use crate::list::{self, Asked, Filters, Page, PageQuery};
use crate::problem::{Error, FieldError, Problem};
use crate::urls::Origin;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct VideoQuery {
    /// Videos with this in their title or description, whatever its case.
    q: Option<String>,
    /// Videos with this tag, whatever its case.
    tag: Option<String>,
    /// Videos with this status.
    #[param(value_type = Option<VideoStatus>)]
    status: Option<String>,
    /// Videos for these viewers.
    #[param(value_type = Option<VideoVisibility>)]
    visibility: Option<String>,
    /// Videos of the user with this id, of `operator`, or of `me`.
    #[param(example = "me")]
    owner: Option<String>,
    /// `-created_at` (where it is not given), `created_at`, `-views`, `views`, `-likes`, `likes`,
    /// `title` or `-title`; `-` is backwards.
    #[param(example = "-views")]
    sort: Option<String>,
}

/// Lists videos: public ones that are ready, beside them all of the caller's own, and everything for
/// the operator and admins.
#[utoipa::path(
    get,
    path = "/api/v1/videos",
    tag = "videos",
    params(VideoQuery, PageQuery),
    responses(
        (status = 200, description = "Videos.", body = Page<VideoView>),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
        (status = 401, description = "`owner=me` without a token, or a token that is wrong or has \
            expired.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Asked(paging): Asked,
    Filters(query): Filters<VideoQuery>,
) -> Result<Json<Page<VideoView>>, Error> {
    let statuses = [
        Status::Uploading,
        Status::Queued,
        Status::Processing,
        Status::Ready,
        Status::Failed,
    ];
    let visibilities = [
        Visibility::Public,
        Visibility::Unlisted,
        Visibility::Private,
    ];
    let sorts = [
        ("-created_at", Sort::Newest),
        ("created_at", Sort::Oldest),
        ("-views", Sort::MostViews),
        ("views", Sort::FewestViews),
        ("-likes", Sort::MostLikes),
        ("likes", Sort::FewestLikes),
        ("title", Sort::Title),
        ("-title", Sort::TitleReversed),
    ];
    let filter = Filter {
        seen: match &caller {
            caller if caller.is_admin() => Seen::All,
            Caller::User(user) => Seen::By(user.id.clone()),
            _ => Seen::Public,
        },
        text: list::searched("q", query.q)?,
        tag: list::searched("tag", query.tag)?,
        status: list::chosen(
            "status",
            query.status.as_deref(),
            &statuses.map(|status| (status.as_str(), status)),
        )?,
        owner: query
            .owner
            .map(|owner| owner_of(&caller, &owner))
            .transpose()?,
        visibility: list::chosen(
            "visibility",
            query.visibility.as_deref(),
            &visibilities.map(|visibility| (visibility.as_str(), visibility)),
        )?,
    };
    let sort = list::chosen("sort", query.sort.as_deref(), &sorts)?.unwrap_or_default();
    let page = api.videos.list(&filter, sort, &paging).await?;
    Ok(Json(Page::of(page, |video| {
        let is_own = caller.owns(video.owner.as_ref());
        let urls = origin.video(&video, None, &[]);
        VideoView::of(video, is_own, urls, None)
    })))
}

fn owner_of(caller: &Caller, text: &str) -> Result<Owner, Error> {
    match (text, caller) {
        ("me", Caller::User(user)) => Ok(Owner::User(user.id.clone())),
        ("me", Caller::Anonymous) => Err(Error::NoToken),
        ("me" | "operator", _) => Ok(Owner::Operator),
        (id, _) => UserId::new(id).map(Owner::User).map_err(|error| {
            let detail = format!("{error}, nor `me` or `operator`");
            Error::Invalid(FieldError::new("owner", detail))
        }),
    }
}
