//! The recordings that can be played, as VOD delivery asks for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use media_core::{AssetId, RecordingId};
use packager::delivery::Audience;
use packager::vod::{Closed, Contents, Library, Opened, Pending, Title};
use storage::recording::{Recording, Status};
use storage::{PlaybackSecret, Recordings, Visibility};

use super::stock::{Media, Stock};

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
    recordings: Recordings,
    media: Media,
    secret: PlaybackSecret,
    open: Mutex<HashMap<RecordingId, Held>>,
}

/// A title that was asked for lately.
#[derive(Clone, Debug)]
struct Held {
    recording: Recording,
    title: Arc<Title>,
    /// When the row was read.
    read: Instant,
    asked: Instant,
}

impl Shelf {
    /// The recordings whose files are in `media`; private ones for who has a token of `secret`.
    pub(crate) fn new(recordings: Recordings, media: Media, secret: PlaybackSecret) -> Self {
        let inner = Inner {
            recordings,
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
        let Ok(id) = RecordingId::new(id) else {
            return Box::pin(std::future::ready(Err(Closed::NotFound)));
        };
        let (inner, token) = (Arc::clone(&self.inner), token.map(str::to_owned));
        Box::pin(async move {
            let Held {
                recording, title, ..
            } = inner.find(&id).await?;
            let audience = inner.admit(&recording, token.as_deref())?;
            Ok(Opened { title, audience })
        })
    }
}

impl Inner {
    fn admit(&self, recording: &Recording, token: Option<&str>) -> Result<Audience, Closed> {
        if recording.visibility == Visibility::Public {
            return Ok(Audience::Everyone);
        }
        let opens = |token| {
            let checked = self
                .secret
                .check(&recording.stream, token, SystemTime::now());
            checked.is_ok()
        };
        match token.is_some_and(opens) {
            true => Ok(Audience::Granted),
            false => Err(Closed::NoToken),
        }
    }

    async fn find(&self, id: &RecordingId) -> Result<Held, Closed> {
        let now = Instant::now();
        let held = self.held(id, now);
        if let Some(held) = &held
            && now.duration_since(held.read) < BELIEVED_FOR
        {
            return Ok(held.clone());
        }
        let recording = match (self.recordings.find(id).await, held.clone()) {
            (Ok(Some(recording)), _) => recording,
            (Ok(None), _) => {
                self.open().remove(id);
                return Err(Closed::NotFound);
            }
            // Who watches watches on.
            (Err(_), Some(held)) => return Ok(held),
            (Err(error), None) => {
                tracing::warn!(recording = %id, %error, "a recording cannot be looked up");
                return Err(Closed::Unavailable);
            }
        };
        let asset = asset_of(&recording).ok_or(Closed::NotFound)?.clone();
        let same = held.filter(|held| {
            asset_of(&held.recording) == Some(&asset) && held.recording.place == recording.place
        });
        let title = match same {
            Some(held) => held.title,
            None => self.read(&recording, asset).await?,
        };
        let held = Held {
            recording,
            title,
            read: now,
            asked: now,
        };
        self.keep(id, held.clone());
        Ok(held)
    }

    /// Opens a recording's files.
    async fn read(&self, recording: &Recording, asset: AssetId) -> Result<Arc<Title>, Closed> {
        let opened = self.media.open(&asset, recording.place).await;
        let Stock { renditions, store } = opened.map_err(|error| {
            let id = &recording.id;
            match error.is_passing() {
                true => tracing::warn!(recording = %id, %error, "a recording cannot be played now"),
                false => tracing::error!(recording = %id, %error, "a recording cannot be played"),
            }
            Closed::Unavailable
        })?;
        let contents = Contents {
            asset,
            name: name_of(recording),
            renditions,
            subtitles: Vec::new(),
            store,
        };
        // It goes through all segments.
        let title = tokio::task::spawn_blocking(|| Arc::new(Title::new(contents)));
        title.await.map_err(|error| {
            tracing::error!(recording = %recording.id, %error, "a recording cannot be played");
            Closed::Unavailable
        })
    }

    fn held(&self, id: &RecordingId, now: Instant) -> Option<Held> {
        let mut open = self.open();
        let held = open.get_mut(id)?;
        held.asked = now;
        Some(held.clone())
    }

    fn keep(&self, id: &RecordingId, held: Held) {
        let mut open = self.open();
        open.insert(id.clone(), held);
        if open.len() > TITLES_MAX {
            let oldest = open.iter().min_by_key(|(_, held)| held.asked);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                open.remove(&oldest);
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<RecordingId, Held>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is to play of a recording.
fn asset_of(recording: &Recording) -> Option<&AssetId> {
    let asset = recording.asset.as_ref();
    asset.filter(|_| matches!(recording.status, Status::Ready | Status::Interrupted))
}

/// What a download is called: the title and the day.
fn name_of(recording: &Recording) -> String {
    let at = humantime::format_rfc3339_seconds(recording.started_at).to_string();
    let day = at.split_once('T').map_or("", |(day, _)| day);
    format!("{} {day}", recording.stream_title)
}
