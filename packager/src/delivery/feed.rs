//! A rendition's latest edition, and waiting for its next.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use media_core::Histogram;
use tokio::sync::Notify;

use crate::edition::Edition;

/// What a look at an edition says about a request.
pub(super) enum Look<T> {
    /// This is the answer.
    Answer(T),
    /// The next edition may have it.
    Later,
}

/// What a request waits for. A player has to have the media itself in time; the playlist only
/// tells it what to ask for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    Media,
    Playlist,
}

/// The latest edition; nothing before the initialization segment came.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    latest: ArcSwapOption<Published>,
    /// Those who wait for media: they are woken first, and so answered first.
    for_media: Notify,
    for_playlists: Notify,
    answered: Histogram,
}

/// An edition and when it was published.
#[derive(Debug)]
pub(crate) struct Published {
    edition: Edition,
    at: Instant,
}

impl Deref for Published {
    type Target = Edition;

    fn deref(&self) -> &Edition {
        &self.edition
    }
}

impl Feed {
    /// Replaces the edition and wakes everyone who waits.
    pub(crate) fn publish(&self, edition: Edition) {
        let at = Instant::now();
        self.latest.store(Some(Arc::new(Published { edition, at })));
        self.for_media.notify_waiters();
        self.for_playlists.notify_waiters();
    }

    /// The latest edition.
    pub(crate) fn latest(&self) -> Option<Arc<Published>> {
        self.latest.load_full()
    }

    /// From an edition's being published to the answer of each request that was held for it.
    pub(crate) fn answered(&self) -> &Histogram {
        &self.answered
    }

    /// Looks at each edition from the latest on until one has the answer; never ends while none
    /// has.
    pub(super) async fn wait<T>(&self, awaits: Awaits, look: impl Fn(&Edition) -> Look<T>) -> T {
        let published = match awaits {
            Awaits::Media => &self.for_media,
            Awaits::Playlist => &self.for_playlists,
        };
        loop {
            // Before the look: from here on no edition is missed.
            let next = published.notified();
            // Not held while waiting: it refers to segments that may be gone by then.
            if let Some(latest) = self.latest.load().as_deref()
                && let Look::Answer(answer) = look(latest)
            {
                self.answered.observe(latest.at.elapsed());
                return answer;
            }
            next.await;
        }
    }
}
