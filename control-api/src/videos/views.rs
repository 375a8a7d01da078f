//! `POST /api/v1/videos/{id}/views`: somebody watches. A user, or else an address, counts once an
//! hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use media_core::VideoId;
use serde::Serialize;
use storage::UserId;
use utoipa::ToSchema;

use super::{SeenVideo, TokenQuery};
use crate::Api;
use crate::caller::Caller;
use crate::peer::Address;
use crate::problem::{Error, Problem};

/// For how long watching again is the same view.
const COUNTED_ONCE_IN: Duration = Duration::from_secs(3600);

/// The most views that are remembered, at about 100 bytes each. Those beyond it are not counted
/// until earlier ones are forgotten: nobody fills the memory, and a flood of addresses counts little.
const REMEMBERED_MAX: usize = 100_000;

/// How often a full memory is searched for what can be forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Who watches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Viewer {
    User(UserId),
    Address(Address),
}

impl Viewer {
    fn of(caller: Caller, address: Address) -> Self {
        match caller {
            Caller::User(user) => Self::User(user.id),
            Caller::Operator | Caller::Anonymous => Self::Address(address),
        }
    }
}

/// Who has watched what lately.
#[derive(Debug, Default)]
pub(crate) struct Watched(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    counted: HashMap<(Viewer, VideoId), Instant>,
    swept: Option<Instant>,
}

impl Memory {
    /// Whether it counts that `viewer` watches `video` at `now`.
    fn counts(&mut self, viewer: Viewer, video: VideoId, now: Instant) -> bool {
        let is_old = |counted: &Instant| now.duration_since(*counted) >= COUNTED_ONCE_IN;
        let key = (viewer, video);
        if let Some(counted) = self.counted.get_mut(&key) {
            let counts = is_old(counted);
            if counts {
                *counted = now;
            }
            return counts;
        }
        let is_due = self
            .swept
            .is_none_or(|swept| now.duration_since(swept) >= SWEEP_EVERY);
        if self.counted.len() >= REMEMBERED_MAX && is_due {
            self.counted.retain(|_, counted| !is_old(counted));
            self.swept = Some(now);
        }
        let has_room = self.counted.len() < REMEMBERED_MAX;
        if has_room {
            self.counted.insert(key, now);
        }
        has_room
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ViewsView {
    /// How often the video was watched by now.
    views: u64,
    /// Whether this time counted.
    counted: bool,
}

/// Says that somebody watches. The same user, or without one the same address, counts once an hour.
#[utoipa::path(
    post,
    path = "/api/v1/videos/{id}/views",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id."), TokenQuery),
    responses(
        (status = 200, description = "Said.", body = ViewsView),
        (status = 401, description = "A token that is wrong or has expired.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn count(
    State(api): State<Api>,
    caller: Caller,
    address: Address,
    seen: SeenVideo,
) -> Result<Json<ViewsView>, Error> {
    let id = &seen.video.id;
    let counted = {
        let mut memory = api.views.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.counts(Viewer::of(caller, address), id.clone(), Instant::now())
    };
    let views = match counted {
        true => api.videos.add_views(id, 1).await?,
        false => seen.video.views,
    };
    Ok(Json(ViewsView { views, counted }))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn viewer(number: u32) -> Viewer {
        Viewer::Address(Address::Known(IpAddr::V4(Ipv4Addr::from_bits(number))))
    }

    fn video(text: &str) -> VideoId {
        VideoId::new(text).expect("an id")
    }

    #[test]
    fn a_viewer_counts_once_an_hour_and_video() {
        let mut memory = Memory::default();
        let start = Instant::now();
        assert!(memory.counts(viewer(1), video("a"), start));
        assert!(!memory.counts(viewer(1), video("a"), start + COUNTED_ONCE_IN / 2));
        assert!(memory.counts(viewer(1), video("b"), start));
        assert!(memory.counts(viewer(2), video("a"), start));
        assert!(memory.counts(viewer(1), video("a"), start + COUNTED_ONCE_IN));
        assert!(!memory.counts(viewer(1), video("a"), start + COUNTED_ONCE_IN));
    }

    #[test]
    fn memory_is_bounded_and_makes_room() {
        let mut memory = Memory::default();
        let start = Instant::now();
        let beyond = REMEMBERED_MAX as u32;
        for number in 0..beyond {
            assert!(memory.counts(viewer(number), video("a"), start));
        }
        assert!(!memory.counts(viewer(beyond), video("a"), start));
        assert_eq!(memory.counted.len(), REMEMBERED_MAX);
        assert!(memory.counts(viewer(beyond), video("a"), start + COUNTED_ONCE_IN));
        assert_eq!(memory.counted.len(), 1);
    }
}
