//! Sends requests within the bounds of a look and keeps what came of them.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::client::{Client, Received};
use crate::session::{ByteRange, Exchange, Purpose, Session};

/// Most requests of one look: a minute of twelve playlists with parts of a fifth of a second.
const REQUESTS_MAX: usize = 20_000;

/// Most bytes that are kept: a minute of a large ladder, parts and segments.
const BYTES_MAX: usize = 512 << 20;

/// No answer takes longer: a blocking reload is given up by servers after three target durations.
const ANSWER_MAX: Duration = Duration::from_secs(40);

/// What is waited for when the time is over gets this long still.
const GRACE: Duration = Duration::from_secs(2);

/// Everything that was asked and answered so far.
pub(super) struct Recorder {
    client: Client,
    start: Instant,
    watch: Duration,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    exchanges: Vec<Exchange>,
    requests: usize,
    bytes: usize,
    cut_short: Option<String>,
}

/// A request that is to be sent.
pub(super) struct Asked<'a> {
    url: &'a str,
    purpose: Purpose,
    range: Option<ByteRange>,
    gzip: bool,
    patience: Duration,
}

impl<'a> Asked<'a> {
    /// All of it, compressed where it can be.
    pub(super) fn new(url: &'a str, purpose: Purpose) -> Self {
        Self {
            url,
            purpose,
            range: None,
            gzip: !purpose.is_media(),
            patience: ANSWER_MAX,
        }
    }

    /// These bytes of it.
    pub(super) fn range(mut self, range: Option<ByteRange>) -> Self {
        self.range = range;
        self
    }

    /// As it is.
    pub(super) fn identity(mut self) -> Self {
        self.gzip = false;
        self
    }

    fn may_take_long(&self) -> bool {
        self.purpose.may_wait() || self.purpose.is_media()
    }

    /// Not for longer than this.
    pub(super) fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// Why a request was not sent, or its answer not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The time is over.
    Time,
    /// A bound was reached.
    Bound,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "the time is over",
            Self::Bound => "too many requests or bytes",
        })
    }
}

impl Recorder {
    pub(super) fn new(client: Client, watch: Duration) -> Self {
        Self {
            client,
            start: Instant::now(),
            watch,
            kept: Mutex::default(),
        }
    }

    /// Whether the time is over in which new things are asked.
    pub(super) fn is_over(&self) -> bool {
        self.start.elapsed() >= self.watch || self.kept().cut_short.is_some()
    }

    /// Waits, but not past the end.
    pub(super) async fn pause(&self, time: Duration) {
        let left = self.watch.saturating_sub(self.start.elapsed());
        tokio::time::sleep(time.min(left)).await;
    }

    /// Sends a request and keeps what comes of it.
    pub(super) async fn fetch(&self, asked: Asked<'_>) -> Result<Exchange, Stopped> {
        self.take_place()?;
        let sent = self.start.elapsed();
        let left = (self.watch + GRACE)
            .checked_sub(sent)
            .ok_or(Stopped::Time)?;
        let answer = self.client.get(asked.url, asked.range, asked.gzip);
        let received = match tokio::time::timeout(asked.patience.min(left), answer).await {
            Ok(received) => received,
            // The look's end says nothing of a server that may let it wait, or of a slow line.
            Err(_) if left < asked.patience && (left < GRACE || asked.may_take_long()) => {
                return Err(Stopped::Time);
            }
            Err(_) => Received {
                first_byte: Instant::now(),
                end: Instant::now(),
                redirected: None,
                result: Err(format!("no answer within {:?}", asked.patience.min(left))),
            },
        };
        let exchange = Exchange {
            url: asked.url.to_owned(),
            redirected: received.redirected,
            purpose: asked.purpose,
            range: asked.range,
            sent,
            first_byte: received.first_byte.duration_since(self.start),
            end: received.end.duration_since(self.start),
            result: received.result,
        };
        let mut kept = self.kept();
        kept.bytes += exchange
            .result
            .as_ref()
            .map_or(0, |answer| answer.body.len());
        kept.exchanges.push(exchange.clone());
        Ok(exchange)
    }

    fn take_place(&self) -> Result<(), Stopped> {
        let mut kept = self.kept();
        let bound = if kept.requests >= REQUESTS_MAX {
            Some(format!("{REQUESTS_MAX} requests were sent"))
        } else if kept.bytes >= BYTES_MAX {
            Some(format!("{} MiB were received", BYTES_MAX >> 20))
        } else {
            None
        };
        if let Some(bound) = bound {
            kept.cut_short.get_or_insert(bound);
            return Err(Stopped::Bound);
        }
        kept.requests += 1;
        Ok(())
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // What is kept is whole between any two statements.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of it.
    pub(super) fn session(&self, entry: String) -> Session {
        let mut kept = self.kept();
        Session {
            entry,
            exchanges: std::mem::take(&mut kept.exchanges),
            watched: self.start.elapsed(),
            cut_short: kept.cut_short.clone(),
        }
    }
}
