//! Answers to requests under `/live/`, from memory. It knows no socket: the caller's HTTP server
//! gives it requests and sends what it returns.
//!
//! A request allocates its response's header map and, if it waits, its place and timer; playlists
//! and media are references to what the encoder threads left. No compression, no delta updates.

mod body;
mod feed;
mod path;
mod query;
mod range;
mod reply;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response};

pub use body::Body;
pub(crate) use feed::Feed;
use feed::Look;
use path::{Media, Resource};
use reply::{Asked, Refused};

use crate::broadcast::Broadcast;
use crate::edition::{Edition, Found, Reload};
use crate::live::Live;

/// Most requests that wait at a time. Each holds a connection, a timer and about 2 kB; a viewer
/// has up to four (playlist and hinted part, of video and audio).
pub const WAITING_MAX: usize = 65_536;

/// How long a request waits, in target durations, before the stream counts as stalled
/// (draft-pantos-hls-rfc8216bis-18 §6.2.5.2).
pub const STALL_TARGETS: u32 = 3;

/// The part of the HTTP service that viewers' players talk to.
#[derive(Debug)]
pub struct Delivery {
    live: Live,
    waiting: AtomicUsize,
    waiting_max: usize,
}

impl Delivery {
    /// Serves the broadcasts of `live`.
    pub fn new(live: Live) -> Self {
        Self::with_waiting_max(live, WAITING_MAX)
    }

    fn with_waiting_max(live: Live, waiting_max: usize) -> Self {
        Self {
            live,
            waiting: AtomicUsize::new(0),
            waiting_max,
        }
    }

    /// Answers a request; `None` where its path is not under `/live/`. The request's body is not
    /// looked at.
    pub async fn respond<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let path = request.uri().path().strip_prefix(path::PREFIX)?;
        let query = request.uri().query().unwrap_or("");
        let headers = request.headers();
        Some(match *request.method() {
            Method::GET => self.get(path, query, headers).await,
            Method::HEAD => reply::head_of(self.get(path, query, headers).await),
            Method::OPTIONS => reply::preflight(),
            _ => reply::refusal(Refused::Method),
        })
    }

    /// How many requests wait for media that is still to come.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    async fn get(&self, path: &str, query: &str, headers: &HeaderMap) -> Response<Body> {
        let answer = match path::parse(path) {
            None => Err(Refused::NotFound),
            Some((stream, Resource::Master)) => self.master(stream),
            Some((stream, Resource::Playlist { rendition })) => {
                self.playlist(stream, rendition, query).await
            }
            Some((
                stream,
                Resource::Media {
                    rendition,
                    broadcast,
                    media,
                },
            )) => match self.live.named(stream, broadcast) {
                Some(broadcast) => self.media(&broadcast, rendition, media, headers).await,
                None => Err(Refused::NotFound),
            },
        };
        answer.unwrap_or_else(reply::refusal)
    }

    fn master(&self, stream: &str) -> Result<Response<Body>, Refused> {
        let broadcast = self.live.shown(stream).ok_or(Refused::NotLiveYet)?;
        let text = broadcast.master().ok_or(Refused::NotLiveYet)?;
        Ok(reply::playlist(text, Asked::Latest))
    }

    async fn playlist(
        &self,
        stream: &str,
        rendition: &str,
        query: &str,
    ) -> Result<Response<Body>, Refused> {
        let broadcast = self.live.shown(stream).ok_or(Refused::NotLiveYet)?;
        let feed = broadcast.feed(rendition).ok_or(Refused::NotFound)?;
        if !broadcast.playable() {
            return Err(Refused::NotLiveYet);
        }
        let latest = feed.latest().ok_or(Refused::NotLiveYet)?;
        let Some(awaited) = query::parse(query).map_err(|_| Refused::BadDirectives)? else {
            return Ok(reply::playlist(latest.playlist.clone(), Asked::Latest));
        };
        let text = match latest.reload(awaited) {
            Reload::Ready => latest.playlist.clone(),
            Reload::TooFarAhead => return Err(Refused::TooFarAhead),
            Reload::Wait => {
                // Not while waiting: it holds segments that may be gone by then.
                drop(latest);
                let look = |edition: &Edition| match edition.reload(awaited) {
                    // It was near enough, and the stream only moves towards it.
                    Reload::Wait | Reload::TooFarAhead => Look::Later,
                    Reload::Ready => Look::Answer(edition.playlist.clone()),
                };
                self.wait(&broadcast, feed, look).await?
            }
        };
        Ok(reply::playlist(text, Asked::Awaited))
    }

    async fn media(
        &self,
        broadcast: &Broadcast,
        rendition: &str,
        media: Media,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Refused> {
        let feed = broadcast.feed(rendition).ok_or(Refused::NotFound)?;
        let latest = feed.latest().ok_or(Refused::NotFound)?;
        let kind = latest.kind;
        let body = match media {
            Media::Init => Body::whole(latest.init.clone()),
            Media::Segment(sequence) => {
                let segment = latest.segment(sequence).ok_or(Refused::NotFound)?;
                Body::segment(Arc::clone(segment))
            }
            Media::Part(sequence, index) => match latest.part(sequence, index) {
                Found::Here(part) => Body::part(part),
                Found::Nowhere => return Err(Refused::NotFound),
                // §6.2.6: a hinted part is held until it is there.
                Found::Coming => {
                    drop(latest);
                    let look = |edition: &Edition| match edition.part(sequence, index) {
                        Found::Here(part) => Look::Answer(Some(part)),
                        Found::Coming => Look::Later,
                        Found::Nowhere => Look::Answer(None),
                    };
                    let part = self.wait(broadcast, feed, look).await?;
                    Body::part(part.ok_or(Refused::NotFound)?)
                }
            },
        };
        Ok(reply::media(body, kind, headers))
    }

    async fn wait<T>(
        &self,
        broadcast: &Broadcast,
        feed: &Feed,
        look: impl Fn(&Edition) -> Look<T>,
    ) -> Result<T, Refused> {
        let _place = Place::take(&self.waiting, self.waiting_max).ok_or(Refused::Busy)?;
        let patience = stall(broadcast);
        tokio::time::timeout(patience, feed.wait(look))
            .await
            .map_err(|_| Refused::Stalled)
    }
}

fn stall(broadcast: &Broadcast) -> Duration {
    broadcast.plan().target_duration() * STALL_TARGETS
}

/// A place among those who wait, given back when the request is answered or its viewer leaves.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let place = Self(waiting);
        // Dropping the place gives back what this takes, also when it was too much.
        (waiting.fetch_add(1, Ordering::Relaxed) < max).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
