//! Joins the crates: a publisher that the gate lets in gets an intake, its broadcast a transcoder,
//! and what that yields goes through the muxers into the window that viewers are served from.
//!
//! It also is what the listeners, delivery and the API ask: which keys are valid, who may watch,
//! what is live.

mod access;
mod archive;
mod broadcast;
mod encoding;
mod ends;
mod figures;
mod gate;
mod kicked;
mod lane;
mod link;
mod load;
mod packaging;
mod places;
mod refused;
mod sink;
mod vetting;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use control_api::{Audience, Broadcasts, Guesses};
use ingest::Closed;
use media_core::StreamId;
use packager::Live;
use storage::streams::{Grant, Keys};

use crate::hooks::{Events, OnPublish};
use crate::overload::Overload;

use self::broadcast::Broadcast;
pub(crate) use self::encoding::Encoding;
use self::ends::Ends;
pub(crate) use self::figures::{Figures, Publications, RenditionFigures};
use self::kicked::Kicked;
pub(crate) use self::link::Publishing;
pub(crate) use self::packaging::{Playlists, Rewind};
pub(crate) use self::refused::Refused;
use crate::recordings::Recorder;

/// How often the database is asked whether another process has changed the streams.
const KEYS_POLLED_EVERY: Duration = Duration::from_secs(1);

/// How long the database may take to tell them: longer than it takes to give up a connection that
/// was refused, so that the reason is known.
const DATABASE_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long an ended broadcast stays served: players that poll slowly must see its end.
const ENDED_SERVED_FOR: Duration = Duration::from_secs(120);

/// What the supervisor needs to know.
pub(crate) struct Options {
    pub(crate) encoding: Encoding,
    pub(crate) playlists: Playlists,
    pub(crate) recorder: Recorder,
    pub(crate) broadcasts_max: usize,
    /// What the machine can do.
    pub(crate) overload: Overload,
    pub(crate) reconnect: Duration,
    /// Who is asked about each publisher besides; `None`: nobody.
    pub(crate) on_publish: Option<Arc<OnPublish>>,
    /// Where it is said what happens.
    pub(crate) events: Events,
    /// Who guesses keys.
    pub(crate) guesses: Guesses,
}

/// See the module. Clones share it.
#[derive(Clone)]
pub(crate) struct Supervisor {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    live: Live,
    keys: ArcSwap<Keys>,
    /// Held while the keys are replaced; who reads them takes no lock.
    replacing_keys: Mutex<()>,
    broadcasts: Mutex<HashMap<StreamId, Arc<Broadcast>>>,
    kicked: Kicked,
    refused: Refused,
    publications: Publications,
    closing: AtomicBool,
    ends: Ends,
    /// Timers and ends run here, whichever thread asks for them.
    runtime: tokio::runtime::Handle,
}

impl Supervisor {
    /// A supervisor that answers from `keys`. Must be called inside a tokio runtime.
    pub(crate) fn new(options: Options, live: Live, keys: Keys) -> Self {
        let inner = Inner {
            options,
            live,
            keys: ArcSwap::from_pointee(keys),
            replacing_keys: Mutex::new(()),
            broadcasts: Mutex::new(HashMap::new()),
            kicked: Kicked::default(),
            refused: Refused::default(),
            publications: Publications::default(),
            closing: AtomicBool::new(false),
            ends: Ends::default(),
            runtime: tokio::runtime::Handle::current(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Follows changes that other processes make to the database; ends with the process.
    pub(crate) async fn follow(self, streams: storage::Streams) {
        let mut answered = true;
        loop {
            tokio::time::sleep(KEYS_POLLED_EVERY).await;
            let asked = tokio::time::timeout(DATABASE_WAIT_MAX, self.take_newer_keys(&streams));
            // Whoever publishes or watches goes on meanwhile, by the keys that are known.
            let failure = match asked.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer in time".to_owned()),
            };
            match &failure {
                Some(error) if answered => {
                    tracing::warn!(%error, "stream keys cannot be read anew, going on without");
                }
                None if !answered => tracing::info!("stream keys can be read again"),
                _ => {}
            }
            answered = failure.is_none();
        }
    }

    async fn take_newer_keys(
        &self,
        streams: &storage::Streams,
    ) -> Result<(), storage::streams::Error> {
        if streams.revision().await? != self.inner.keys.load().revision {
            self.replace_keys(streams.keys().await?);
        }
        Ok(())
    }

    /// Ends every broadcast and lets no publisher in from now on; returns when all playlists have
    /// their end.
    pub(crate) async fn close(&self) {
        self.inner.closing.store(true, Ordering::Release);
        let all: Vec<_> = self
            .inner
            .broadcasts()
            .drain()
            .map(|(_, broadcast)| broadcast)
            .collect();
        let ends = all.into_iter().map(|broadcast| {
            broadcast.disconnect(&Closed::Ended);
            self.inner.spawn_end(broadcast)
        });
        for end in ends.collect::<Vec<_>>() {
            if let Err(error) = end.await {
                tracing::error!(%error, "a broadcast did not end in order");
            }
        }
        // Those too that were ending already.
        self.inner.ends.none().await;
    }

    /// Takes a newer snapshot of the keys, and disconnects whoever publishes to a stream that is
    /// gone, with a key that is no longer valid, or from an address that is no longer allowed.
    fn replace_keys(&self, mut keys: Keys) {
        let replacing = self.inner.replacing_keys.lock();
        let _replacing = replacing.unwrap_or_else(PoisonError::into_inner);
        let previous = self.inner.keys.load_full();
        if keys.revision <= previous.revision {
            return;
        }
        let (mut gone, mut rekeyed, mut still_private) = (Vec::new(), Vec::new(), Vec::new());
        let valid: HashMap<_, _> = keys
            .iter()
            .map(|(hash, grant)| (&grant.stream, hash))
            .collect();
        for (hash, Grant { stream, .. }) in previous.iter() {
            match valid.get(stream) {
                None => gone.push(stream),
                Some(valid) if *valid != hash => rekeyed.push(stream),
                Some(_) => {}
            }
        }
        for stream in previous.all_private() {
            // Its last broadcast is served for a while, and not to everyone just because the
            // stream is deleted.
            if !valid.contains_key(stream) && self.inner.live.broadcast(stream).is_some() {
                still_private.push(stream.clone());
            }
        }
        keys.keep_private(still_private);
        let keys = Arc::new(keys);
        self.inner.keys.store(Arc::clone(&keys));
        let broadcasts: Vec<_> = self.inner.broadcasts().values().cloned().collect();
        for broadcast in &broadcasts {
            let grant = keys.of(broadcast.stream());
            let publishers = grant.map(|(_, grant)| &grant.publishers);
            let allows = |peer| publishers.is_none_or(|publishers| publishers.allow(peer));
            broadcast.disconnect_from(&Closed::Ended, |peer| !allows(peer));
        }
        gone.into_iter().for_each(|stream| self.end(stream));
        rekeyed
            .into_iter()
            .for_each(|stream| self.disconnect(stream));
    }
}

impl Inner {
    fn broadcasts(&self) -> MutexGuard<'_, HashMap<StreamId, Arc<Broadcast>>> {
        // Entries are inserted and removed whole: a panic in between leaves a valid map.
        self.broadcasts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream's broadcast, where viewers can play it and it has not ended.
    fn shown_live(&self, stream: &StreamId) -> Option<Arc<packager::Broadcast>> {
        let broadcast = self.live.broadcast(stream)?;
        (broadcast.playable() && !broadcast.ended()).then_some(broadcast)
    }

    /// Whether nobody has ended `broadcast`.
    fn runs(&self, broadcast: &Arc<Broadcast>) -> bool {
        is_in(&self.broadcasts(), broadcast)
    }

    /// Takes `broadcast` out of the map, unless another one has taken its place.
    fn forget(&self, broadcast: &Arc<Broadcast>) {
        let mut broadcasts = self.broadcasts();
        if is_in(&broadcasts, broadcast) {
            broadcasts.remove(broadcast.stream());
        }
    }

    /// Ends a broadcast on a thread that may wait, and stops serving it some time later.
    fn spawn_end(self: &Arc<Self>, broadcast: Arc<Broadcast>) -> tokio::task::JoinHandle<()> {
        let inner = Arc::clone(self);
        let end = self.ends.begin();
        self.runtime.spawn(async move {
            let ending = Arc::clone(&broadcast);
            let ended = tokio::task::spawn_blocking(move || ending.end()).await;
            if let Err(error) = ended {
                tracing::error!(%error, "a broadcast did not end in order");
            }
            drop(end);
            inner.runtime.clone().spawn(async move {
                tokio::time::sleep(ENDED_SERVED_FOR).await;
                let rest = broadcast.settle();
                let (stream, id) = (broadcast.stream().clone(), broadcast.id().clone());
                // Its encoders need not wait for that.
                drop(broadcast);
                tokio::time::sleep(rest).await;
                inner.live.retire(&stream, &id);
            });
        })
    }
}

fn is_in(broadcasts: &HashMap<StreamId, Arc<Broadcast>>, broadcast: &Arc<Broadcast>) -> bool {
    let of_stream = broadcasts.get(broadcast.stream());
    of_stream.is_some_and(|current| Arc::ptr_eq(current, broadcast))
}

impl Broadcasts for Supervisor {
    fn live_since(&self, stream: &StreamId) -> Option<SystemTime> {
        Some(self.inner.shown_live(stream)?.plan().began)
    }

    fn audience(&self, stream: &StreamId) -> Option<Audience> {
        let broadcast = self.inner.shown_live(stream)?;
        Some(Audience {
            now: broadcast.viewers_now(),
            peak: broadcast.viewers_peak(),
        })
    }

    fn publishers(&self, stream: &StreamId) -> Vec<control_api::Publisher> {
        let broadcast = self.inner.broadcasts().get(stream).cloned();
        let publishers = broadcast.map(|broadcast| broadcast.publishers());
        let publishers = publishers.unwrap_or_default().into_iter();
        publishers.map(control_api::Publisher::from).collect()
    }

    fn rewind(&self, stream: &StreamId) -> Option<Duration> {
        self.inner.shown_live(stream)?.plan().dvr
    }

    fn has_thumbnail(&self, stream: &StreamId) -> bool {
        let broadcast = self.inner.shown_live(stream);
        broadcast.is_some_and(|broadcast| broadcast.has_thumbnail())
    }

    fn page_plays(&self, stream: &StreamId) {
        if let Some(broadcast) = self.inner.shown_live(stream) {
            broadcast.note_page();
        }
    }

    fn live_streams(&self) -> Vec<StreamId> {
        let broadcasts = self.inner.broadcasts();
        let streams = broadcasts.keys();
        streams
            .filter(|stream| self.inner.shown_live(stream).is_some())
            .cloned()
            .collect()
    }

    fn live_count(&self) -> usize {
        self.inner.broadcasts().len()
    }

    fn last_refusal(&self, stream: &StreamId) -> Option<control_api::LastRefusal> {
        let (refusal, at) = self.inner.refused.last_of(stream)?;
        Some(control_api::LastRefusal {
            reason: refusal.name(),
            detail: refusal.to_string(),
            at,
        })
    }

    fn capacity(&self) -> control_api::Capacity {
        Supervisor::capacity(self).into()
    }

    fn keys_changed(&self, keys: Keys) {
        self.replace_keys(keys);
    }

    fn disconnect(&self, stream: &StreamId) {
        let broadcast = self.inner.broadcasts().get(stream).cloned();
        if let Some(broadcast) = broadcast {
            broadcast.disconnect(&Closed::Ended);
        }
    }

    fn kick(&self, stream: &StreamId, refuse_for: Duration) -> bool {
        let keys = self.inner.keys.load();
        if let Some((key, _)) = keys.of(stream) {
            self.inner.kicked.refuse(*key, refuse_for, Instant::now());
        }
        let broadcast = self.inner.broadcasts().get(stream).cloned();
        let Some(broadcast) = broadcast.filter(|broadcast| broadcast.is_published()) else {
            return false;
        };
        broadcast.disconnect(&Closed::Ended);
        true
    }

    fn recording_deleted(&self) {
        self.inner.options.recorder.tidy();
    }

    fn end(&self, stream: &StreamId) {
        let broadcast = self.inner.broadcasts().remove(stream);
        if let Some(broadcast) = broadcast {
            broadcast.disconnect(&Closed::Ended);
            drop(self.inner.spawn_end(broadcast));
        }
    }
}
