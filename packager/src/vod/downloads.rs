//! The plans of downloads, made when somebody asks and kept as long as they are among the latest:
//! a client asks for many ranges of one file.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use media_core::StoredRendition;
use tokio::sync;

use super::Title;
use super::library::Lost;
use super::reads::in_time;
use super::reply::Refused;
use crate::progressive::{Invalid, Progressive, Source};

/// Most that plans take together; one of two hours takes 3.4 MB. The latest is kept whatever it
/// takes, which is some 130 MB at the most (`progressive::SAMPLES_MAX`).
pub const PLANS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest that a request waits for another's plan. One of two hours takes 6 ms, but what it is
/// made of has to be read.
const TURN_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(super) struct Downloads {
    /// By validator, the latest first.
    made: Mutex<VecDeque<(String, Arc<Progressive>)>>,
    /// Held while one is made: what it is made of takes as much room again.
    making: sync::Mutex<()>,
}

impl Downloads {
    /// The plan of the file that is made of `renditions` and whose validator is `tag`.
    pub(super) async fn plan(
        &self,
        title: &Arc<Title>,
        renditions: &[&StoredRendition],
        tag: &str,
    ) -> Result<Arc<Progressive>, Refused> {
        if let Some(made) = self.find(tag) {
            return Ok(made);
        }
        let turn = tokio::time::timeout(TURN_WITHIN, self.making.lock()).await;
        let _turn = turn.map_err(|_| Refused::Unavailable)?;
        // It may have been made while this request waited.
        if let Some(made) = self.find(tag) {
            return Ok(made);
        }
        let made = make(title, renditions).await?;
        self.keep(tag.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    fn find(&self, tag: &str) -> Option<Arc<Progressive>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let index = made.iter().position(|(it, _)| it == tag)?;
        let found = made.remove(index)?;
        let plan = Arc::clone(&found.1);
        made.push_front(found);
        Some(plan)
    }

    fn keep(&self, tag: String, plan: Arc<Progressive>) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.push_front((tag, plan));
        let mut bytes = 0;
        let kept = made.iter().take_while(|(_, plan)| {
            bytes += plan.memory_bytes();
            bytes <= PLANS_BYTES_MAX
        });
        let kept = kept.count().max(1);
        made.truncate(kept);
    }
}

async fn make(
    title: &Arc<Title>,
    renditions: &[&StoredRendition],
) -> Result<Arc<Progressive>, Refused> {
    let mut sources = Vec::with_capacity(renditions.len());
    for &rendition in renditions {
        let store = &title.contents().store;
        let samples = in_time(store.samples(&rendition.init.rendition)).await;
        let samples = samples.map_err(|lost: Lost| Refused::of(title, &lost))?;
        sources.push((rendition.clone(), samples));
    }
    let made = tokio::task::spawn_blocking(move || {
        let sources: Vec<_> = sources
            .iter()
            .map(|(rendition, runs)| Source { rendition, runs })
            .collect();
        Progressive::new(&sources)
    });
    match made.await {
        Ok(Ok(made)) => Ok(Arc::new(made)),
        Ok(Err(Invalid::TooLong { .. })) => Err(Refused::TooLong),
        Ok(Err(invalid)) => {
            let asset = &title.contents().asset;
            tracing::error!(%asset, error = %invalid, "a download cannot be made");
            Err(Refused::Damaged)
        }
        // The runtime ends.
        Err(_) => Err(Refused::Unavailable),
    }
}
