//! The recordings and videos that can be played, as VOD delivery asks for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use packager::delivery::Audience;
use packager::vod::{Closed, Contents, Library, Opened, Pending, Store, Title};
use storage::playback_token::Opens;
use storage::{PlaybackSecret, Recordings, Videos};

use super::catalogue::{Catalogue, Door, Entry, Plays};
use super::stock::{Media, Stock};
use super::subtitled::Subtitled;

/// Titles that are held open: of two hours each, a megabyte and five files.
const TITLES_MAX: usize = 128;

/// How long a row is believed: each request of a player asks for it.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Shelf {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    catalogue: Catalogue,
    media: Media,
    secret: PlaybackSecret,
    open: Mutex<HashMap<String, Held>>,
}

/// A title that was asked for lately.
#[derive(Clone, Debug)]
struct Held {
    entry: Entry,
    title: Arc<Title>,
    /// When the row was read.
    read: Instant,
    asked: Instant,
}

impl Shelf {
    /// The recordings and videos whose files are in `media`; private ones for who has a token of
    /// `secret`.
    pub(crate) fn new(
        recordings: Recordings,
        videos: Videos,
        media: Media,
        secret: PlaybackSecret,
    ) -> Self {
        let inner = Inner {
            catalogue: Catalogue { recordings, videos },
            media,
            secret,
            open: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl Library for Shelf {
    fn open(&self, id: &str, token: Option<&str>) -> Pending<Result<Opened, Closed>> {
        let (inner, token) = (Arc::clone(&self.inner), token.map(str::to_owned));
        let id = id.to_owned();
        Box::pin(async move {
            let Held { entry, title, .. } = inner.find(&id).await?;
            let audience = inner.admit(&entry.door, token.as_deref())?;
            Ok(Opened { title, audience })
        })
    }
}

impl Inner {
    fn admit(&self, door: &Door, token: Option<&str>) -> Result<Audience, Closed> {
        let wanted = match door {
            Door::Open => return Ok(Audience::Everyone),
            Door::OfStream(stream) => Opens::Stream(stream),
            Door::OfVideo(video) => Opens::Video(video),
        };
        let now = SystemTime::now();
        let opens = |token| self.secret.check(wanted, token, now).is_ok();
        match token.is_some_and(opens) {
            true => Ok(Audience::Granted),
            false => Err(Closed::NoToken),
        }
    }

    async fn find(&self, id: &str) -> Result<Held, Closed> {
        let now = Instant::now();
        let held = self.held(id, now);
        if let Some(held) = &held
            && now.duration_since(held.read) < BELIEVED_FOR
        {
            return Ok(held.clone());
        }
        let entry = match (self.catalogue.find(id).await, held.clone()) {
            (Ok(Some(entry)), _) => entry,
            (Ok(None), _) => {
                self.open().remove(id);
                return Err(Closed::NotFound);
            }
            // Who watches watches on.
            (Err(_), Some(held)) => return Ok(held),
            (Err(error), None) => {
                tracing::warn!(id, %error, "a title cannot be looked up");
                return Err(Closed::Unavailable);
            }
        };
        let same = held.filter(|held| held.entry.plays == entry.plays);
        let title = match same {
            Some(held) => held.title,
            None => self.read(id, &entry.plays).await?,
        };
        let held = Held {
            entry,
            title,
            read: now,
            asked: now,
        };
        self.keep(id, held.clone());
        Ok(held)
    }

    /// Opens a title's files.
    async fn read(&self, id: &str, plays: &Plays) -> Result<Arc<Title>, Closed> {
        let opened = self.media.open(&plays.asset, plays.place).await;
        let Stock { renditions, store } = opened.map_err(|error| {
            match error.is_passing() {
                true => tracing::warn!(id, %error, "a title cannot be played now"),
                false => tracing::error!(id, %error, "a title cannot be played"),
            }
            Closed::Unavailable
        })?;
        let store: Arc<dyn Store> = match plays.video.clone() {
            Some(video) => Arc::new(Subtitled {
                media: store,
                videos: self.catalogue.videos.clone(),
                video,
            }),
            None => store,
        };
        let contents = Contents {
            asset: plays.asset.clone(),
            name: plays.name.clone(),
            renditions,
            subtitles: plays.subtitles.clone(),
            store,
        };
        // It goes through all segments.
        let title = tokio::task::spawn_blocking(|| Arc::new(Title::new(contents)));
        title.await.map_err(|error| {
            tracing::error!(id, %error, "a title cannot be played");
            Closed::Unavailable
        })
    }

    fn held(&self, id: &str, now: Instant) -> Option<Held> {
        let mut open = self.open();
        let held = open.get_mut(id)?;
        held.asked = now;
        Some(held.clone())
    }

    fn keep(&self, id: &str, held: Held) {
        let mut open = self.open();
        open.insert(id.to_owned(), held);
        if open.len() > TITLES_MAX {
            let oldest = open.iter().min_by_key(|(_, held)| held.asked);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                open.remove(&oldest);
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
