//! The plans of downloads, made when somebody asks and kept as long as they are among the latest:
//! a client asks for many ranges of one file.
//!
//! What a plan is made of has to be read, which waits for the title's store: of each title once, of a
//! few titles at a time, and of those whose store does not answer beside them.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use media_core::{SampleRun, StoredRendition};
use tokio::sync::{self, Semaphore};
use tokio::time::timeout;

use super::Title;
use super::library::Lost;
use super::reads::in_time;
use super::reply::Refused;
use crate::progressive::{Invalid, Progressive, Source};

/// Most that plans take together; one of two hours takes 3.4 MB. The latest is kept whatever it
/// takes, which is some 130 MB at the most (`progressive::SAMPLES_MAX`).
pub const PLANS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest that a request waits for another's of the same title, or for others to be read. A plan of
/// two hours takes 6 ms, but what it is made of has to be read.
const TURN_WITHIN: Duration = Duration::from_secs(20);

/// Titles of which it is read at a time: what is read takes as much room as the plan.
const READING_MAX: usize = 4;

/// How long a title is read until others need not wait for it any more: a store that works needs a
/// tenth of that, and one that does not has filled no room yet. How many may wait for that is the
/// stores' to say.
const READ_SOON: Duration = Duration::from_secs(1);

/// A rendition, and the samples of each of its segments.
type Sampled = (StoredRendition, Vec<Vec<SampleRun>>);

#[derive(Debug)]
pub(super) struct Downloads {
    /// By validator, the latest first.
    made: Mutex<VecDeque<(String, Arc<Progressive>)>>,
    reading: Semaphore,
    /// Held while one is made of what was read: a plan of the longest title takes 130 MB.
    making: sync::Mutex<()>,
}

impl Default for Downloads {
    fn default() -> Self {
        Self {
            made: Mutex::default(),
            reading: Semaphore::new(READING_MAX),
            making: sync::Mutex::default(),
        }
    }
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
        let turn = timeout(TURN_WITHIN, title.planning().lock()).await;
        let _turn = turn.map_err(|_| Refused::Unavailable)?;
        // It may have been made while this request waited.
        if let Some(made) = self.find(tag) {
            return Ok(made);
        }
        let sources = self.read(title, renditions).await?;
        let _making = self.making.lock().await;
        let made = make(title, sources).await?;
        self.keep(tag.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    async fn read(
        &self,
        title: &Title,
        renditions: &[&StoredRendition],
    ) -> Result<Vec<Sampled>, Refused> {
        let Ok(Ok(place)) = timeout(TURN_WITHIN, self.reading.acquire()).await else {
            return Err(Refused::Unavailable);
        };
        let mut reading = pin!(read(title, renditions));
        match timeout(READ_SOON, &mut reading).await {
            Ok(read) => read,
            Err(_) => {
                drop(place);
                reading.await
            }
        }
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

async fn read(title: &Title, renditions: &[&StoredRendition]) -> Result<Vec<Sampled>, Refused> {
    let mut sources = Vec::with_capacity(renditions.len());
    for &rendition in renditions {
        let store = &title.contents().store;
        let samples = in_time(store.samples(&rendition.init.rendition)).await;
        let samples = samples.map_err(|lost: Lost| Refused::of(title, &lost))?;
        sources.push((rendition.clone(), samples));
    }
    Ok(sources)
}

async fn make(title: &Title, sources: Vec<Sampled>) -> Result<Arc<Progressive>, Refused> {
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
