//! The recordings and videos that can be played, as VOD delivery asks for them: first what the
//! database says, then who asks, and only then the files.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use control_api::Guesses;
use control_api::guesses::Secret;
use packager::delivery::Audience;
use packager::vod::{Closed, Contents, Library, Opened, Pending, Store, Title};
use storage::playback_token::{Opens, Refusal};
use storage::recording::Place;
use storage::{PlaybackSecret, Recordings, Videos};
use tokio::sync::OnceCell;

use super::catalogue::{Catalogue, Door, Plays};
use super::rows::Rows;
use super::stock::{Media, Stock};
use super::subtitled::Subtitled;

/// Titles that are held open: of two hours each, a megabyte.
const TITLES_MAX: usize = 128;

/// How long a title is taken for damaged, or for gone, before its files are looked for again: a player
/// asks every second.
const SHUT_FOR: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(crate) struct Shelf {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rows: Rows,
    media: Media,
    /// Of videos, whose subtitles are in the database.
    videos: Videos,
    secret: PlaybackSecret,
    guesses: Guesses,
    titles: Mutex<HashMap<String, Held>>,
}

/// A title that was asked for lately.
#[derive(Debug)]
struct Held {
    plays: Plays,
    title: Arc<Cell>,
    /// That its files were found to be damaged or gone, and when.
    shut: Option<(Closed, Instant)>,
    asked: Instant,
}

/// Of many viewers who come at once one opens the files.
type Cell = OnceCell<Arc<Title>>;

impl Shelf {
    /// The recordings and videos whose files are in `media`; private ones for who has a token of
    /// `secret`.
    pub(crate) fn new(
        recordings: Recordings,
        videos: Videos,
        media: Media,
        secret: PlaybackSecret,
        guesses: Guesses,
    ) -> Self {
        let catalogue = Catalogue {
            recordings,
            videos: videos.clone(),
        };
        let inner = Inner {
            rows: Rows::new(catalogue),
            media,
            videos,
            secret,
            guesses,
            titles: Mutex::default(),
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
            let found = inner.rows.find(&id).await;
            if matches!(found, Err(Closed::NotFound)) {
                inner.titles().remove(&id);
            }
            let entry = found?;
            // Before anything is opened: who may not watch costs no disk and nobody's place.
            let audience = inner.admit(&entry.door, token.as_deref())?;
            let title = inner.title(&id, entry.plays).await?;
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
        let token = token.ok_or(Closed::NoToken)?;
        let checked = self.secret.check(wanted, token, SystemTime::now());
        if checked == Err(Refusal::Invalid) {
            self.guesses.note_wrong(Secret::PlaybackToken);
        }
        checked
            .map(|()| Audience::Granted)
            .map_err(|_| Closed::NoToken)
    }

    async fn title(&self, id: &str, plays: Plays) -> Result<Arc<Title>, Closed> {
        let cell = self.held(id, &plays)?;
        let opened = cell.get_or_try_init(|| self.read(id, &plays)).await;
        if let Err(closed @ (Closed::Damaged | Closed::NotFound)) = opened
            && let Some(held) = self.titles().get_mut(id)
        {
            held.shut = Some((closed, Instant::now()));
        }
        opened.cloned()
    }

    /// Opens a title's files.
    async fn read(&self, id: &str, plays: &Plays) -> Result<Arc<Title>, Closed> {
        let opened = self.media.open(&plays.asset, plays.place).await;
        let Stock { renditions, store } = opened.map_err(|error| {
            if plays.place == Place::Local && error.is_gone() {
                tracing::info!(id, %error, "a title was just deleted, or lies on another server");
                return Closed::NotFound;
            }
            match error.is_passing() {
                true => tracing::warn!(id, %error, "a title cannot be played now"),
                false => tracing::error!(id, %error, "a title cannot be played"),
            }
            match error.is_damage() {
                true => Closed::Damaged,
                false => Closed::Unavailable,
            }
        })?;
        let store: Arc<dyn Store> = match plays.video.clone() {
            Some(video) => Arc::new(Subtitled {
                media: store,
                videos: self.videos.clone(),
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

    /// The place of a title that plays this: open, or to be opened.
    fn held(&self, id: &str, plays: &Plays) -> Result<Arc<Cell>, Closed> {
        let now = Instant::now();
        let mut titles = self.titles();
        if let Some(held) = titles.get_mut(id)
            && held.plays == *plays
        {
            held.asked = now;
            let shut = held
                .shut
                .filter(|(_, since)| now.duration_since(*since) < SHUT_FOR);
            return match shut {
                Some((closed, _)) => Err(closed),
                None => Ok(Arc::clone(&held.title)),
            };
        }
        let title = Arc::<Cell>::default();
        let held = Held {
            plays: plays.clone(),
            title: Arc::clone(&title),
            shut: None,
            asked: now,
        };
        titles.insert(id.to_owned(), held);
        if titles.len() > TITLES_MAX {
            let oldest = titles.iter().min_by_key(|(_, held)| held.asked);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                titles.remove(&oldest);
            }
        }
        Ok(title)
    }

    fn titles(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        // No change of it can stop half-way.
        self.titles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
