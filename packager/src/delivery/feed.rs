//! A rendition's latest edition, and waiting for its next.

use std::sync::Arc;

use tokio::sync::watch;

use crate::edition::Edition;

/// What a look at an edition says about a request.
pub(super) enum Look<T> {
    /// This is the answer.
    Answer(T),
    /// The next edition may have it.
    Later,
}

/// The latest edition; nothing before the initialization segment came.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    latest: watch::Sender<Option<Arc<Edition>>>,
}

impl Feed {
    /// Replaces the edition and wakes everyone who waits.
    pub(crate) fn publish(&self, edition: Edition) {
        self.latest.send_replace(Some(Arc::new(edition)));
    }

    /// The latest edition.
    pub(crate) fn latest(&self) -> Option<Arc<Edition>> {
        self.latest.borrow().clone()
    }

    /// Looks at each edition from the latest on until one has the answer; never ends while none
    /// has. The caller holds the broadcast, and so the sender, alive.
    pub(super) async fn wait<T>(&self, look: impl Fn(&Edition) -> Look<T>) -> T {
        let mut editions = self.latest.subscribe();
        loop {
            let latest = editions.borrow_and_update().clone();
            if let Some(Look::Answer(answer)) = latest.map(|edition| look(&edition)) {
                return answer;
            }
            editions
                .changed()
                .await
                .expect("the sender lives in self, which is borrowed");
        }
    }
}
