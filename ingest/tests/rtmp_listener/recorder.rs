//! A gate that admits known keys and keeps what their publishers send.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ingest::{Admission, Closed, Gate, MediaSink, Publisher, Refusal, StreamKey, gate::Unpublish};
use media_core::{Media, StreamId};

/// How long a test waits for what must come; far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one stream has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) media: Vec<Media>,
    pub(crate) publishers: Vec<Publisher>,
    pub(crate) is_live: bool,
    /// How each publication ended; `None` for a sink that was dropped.
    pub(crate) ends: Vec<Option<Unpublish>>,
    /// What the sink answers from now on.
    pub(crate) closed: Option<Closed>,
    pub(crate) panics_at_media: bool,
}

#[derive(Default)]
pub(crate) struct Recorder {
    streams: Mutex<HashMap<String, Arc<Mutex<Seen>>>>,
}

impl Recorder {
    /// A recorder of streams whose keys are their names in capitals.
    pub(crate) fn of(streams: &[&str]) -> Arc<Self> {
        let recorder = Self::default();
        for stream in streams {
            let seen = Arc::default();
            let mut known = held(&recorder.streams);
            known.insert(stream.to_uppercase(), seen);
        }
        Arc::new(recorder)
    }

    pub(crate) fn with<T>(&self, stream: &str, look: impl FnOnce(&mut Seen) -> T) -> T {
        let seen = Arc::clone(&held(&self.streams)[&stream.to_uppercase()]);
        let mut seen = held(&seen);
        look(&mut seen)
    }

    /// Waits until `is_so`.
    pub(crate) async fn until(&self, stream: &str, is_so: impl Fn(&Seen) -> bool) {
        let poll = async {
            while !self.with(stream, |seen| is_so(seen)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, poll)
            .await
            .unwrap_or_else(|_| self.with(stream, |seen| panic!("{:?}", seen.ends)));
    }
}

impl Gate for Recorder {
    fn check(&self, key: &StreamKey, _: IpAddr) -> Result<Admission, Refusal> {
        let known = held(&self.streams);
        if !known.contains_key(key.reveal()) {
            return Err(Refusal::UnknownKey);
        }
        Ok(Admission {
            stream: StreamId::new(&key.reveal().to_lowercase()).expect("a stream id"),
            srt_passphrase: None,
        })
    }

    fn publish(
        &self,
        stream: &StreamId,
        publisher: Publisher,
    ) -> Result<Box<dyn MediaSink>, Refusal> {
        let known = held(&self.streams);
        let seen = Arc::clone(&known[&stream.as_str().to_uppercase()]);
        {
            let mut seen = held(&seen);
            if seen.is_live {
                return Err(Refusal::AlreadyLive);
            }
            seen.is_live = true;
            seen.publishers.push(publisher);
        }
        Ok(Box::new(Sink { seen, how: None }))
    }
}

/// Locks what a sink that panicked on purpose may have held.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sink {
    seen: Arc<Mutex<Seen>>,
    how: Option<Unpublish>,
}

impl MediaSink for Sink {
    fn push(&mut self, media: Media) -> Result<(), Closed> {
        self.check()?;
        let mut seen = held(&self.seen);
        assert!(!seen.panics_at_media, "a fault of the sink");
        seen.media.push(media);
        Ok(())
    }

    fn check(&self) -> Result<(), Closed> {
        held(&self.seen).closed.clone().map_or(Ok(()), Err)
    }

    fn close(mut self: Box<Self>, how: Unpublish) {
        self.how = Some(how);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let mut seen = held(&self.seen);
        seen.is_live = false;
        seen.ends.push(self.how);
    }
}
