//! Answers to requests under `/live/`, from memory. It knows no socket: the caller's HTTP server
//! gives it requests and sends what it returns.
//!
//! A request allocates its response's header map and, if it waits, its place and timer; playlists
//! and media are references to what the encoder threads left, or read from the archive piece by
//! piece.

mod access;
mod archive;
mod body;
mod coding;
mod counters;
mod feed;
mod path;
mod query;
mod range;
mod reply;
mod stored;
mod viewers;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, Method, Response};

pub use access::{Access, Everyone, Verdict};
pub use archive::{Archive, Stored};
pub use body::Body;
pub use counters::{Counters, Subject};
pub(crate) use feed::Feed;
use feed::Look;
use path::{Media, Resource};
use reply::{Asked, Audience, Refused};
pub(crate) use viewers::{Sign, Viewers};

use crate::broadcast::Broadcast;
use crate::edition::{Edition, Found, Kind, Reload, Shape};
use crate::live::Live;
use crate::playlist::links::Links;
use crate::playlist::media::Content;

/// Most requests that wait at a time. Each holds a connection, a timer and about 2 kB; a viewer
/// has up to four (playlist and hinted part, of video and audio).
pub const WAITING_MAX: usize = 65_536;

/// How long a request waits, in target durations, before the stream counts as stalled
/// (draft-pantos-hls-rfc8216bis-18 §6.2.5.2).
pub const STALL_TARGETS: u32 = 3;

/// The part of the HTTP service that viewers' players talk to.
pub struct Delivery {
    live: Live,
    access: Arc<dyn Access>,
    counters: Arc<Counters>,
    waiting_max: usize,
}

/// A request that [`Access`] has let in.
#[derive(Clone, Copy)]
struct Request<'a> {
    stream: &'a str,
    query: &'a str,
    headers: &'a HeaderMap,
    /// The token that opened a private stream.
    token: Option<&'a str>,
}

impl Request<'_> {
    fn audience(&self) -> Audience {
        match self.token {
            None => Audience::Everyone,
            Some(_) => Audience::Granted,
        }
    }
}

impl Delivery {
    /// Serves the broadcasts of `live` to those whom `access` lets in.
    pub fn new(live: Live, access: Arc<dyn Access>) -> Self {
        Self::with_waiting_max(live, access, WAITING_MAX)
    }

    fn with_waiting_max(live: Live, access: Arc<dyn Access>, waiting_max: usize) -> Self {
        Self {
            live,
            access,
            counters: Arc::default(),
            waiting_max,
        }
    }

    /// Answers a request; `None` where its path is not under `/live/`. The request's body is not
    /// looked at.
    pub async fn respond<B>(&self, request: &http::Request<B>) -> Option<Response<Body>> {
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
        self.counters.waiting()
    }

    /// What was asked for and sent.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    async fn get(&self, path: &str, query: &str, headers: &HeaderMap) -> Response<Body> {
        let parsed = path::parse(path);
        let subject = parsed.map_or(Subject::Other, |(_, resource)| subject(resource));
        let response = match parsed {
            Some((stream, resource)) => self.find(stream, resource, query, headers).await,
            None => reply::refusal(Refused::NotFound),
        };
        let (status, len_bytes) = (response.status(), response.body().len_bytes());
        self.counters.note(subject, status.is_success(), len_bytes);
        response
    }

    async fn find(
        &self,
        stream: &str,
        resource: Resource<'_>,
        query: &str,
        headers: &HeaderMap,
    ) -> Response<Body> {
        let token = query::token(query);
        let token = match self.access.check(stream, token) {
            Verdict::Public => None,
            Verdict::Granted => token,
            Verdict::Refused => return reply::refusal(Refused::NoToken),
        };
        let request = Request {
            stream,
            query,
            headers,
            token,
        };
        let answer = match resource {
            Resource::Master => self.master(request),
            Resource::Playlist { rendition, content } => {
                self.playlist(request, rendition, content).await
            }
            Resource::Media {
                rendition,
                broadcast,
                media,
            } => self.media(request, rendition, broadcast, media).await,
        };
        answer.unwrap_or_else(reply::refusal)
    }

    fn master(&self, request: Request<'_>) -> Result<Response<Body>, Refused> {
        let query = query::parse(request.query).map_err(|_| Refused::BadDirectives)?;
        let broadcast = self.live.shown(request.stream).ok_or(Refused::NotLiveYet)?;
        let master = broadcast.master().ok_or(Refused::NotLiveYet)?;
        let joining = Sign::Joining(broadcast.plan().target_duration());
        broadcast.viewers().note(joining);
        let links = Links {
            dvr: query.dvr && broadcast.plan().dvr.is_some(),
            token: request.token,
        };
        let coding = coding::accepted(request.headers);
        let text = master.text(links, coding);
        Ok(reply::playlist(text, coding, Asked::Latest))
    }

    async fn playlist(
        &self,
        request: Request<'_>,
        rendition: &str,
        content: Content,
    ) -> Result<Response<Body>, Refused> {
        let broadcast = self.live.shown(request.stream).ok_or(Refused::NotLiveYet)?;
        let feed = broadcast.feed(rendition).ok_or(Refused::NotFound)?;
        if !broadcast.playable() {
            return Err(Refused::NotLiveYet);
        }
        let latest = feed.latest().ok_or(Refused::NotLiveYet)?;
        if content == Content::IFrames && latest.kind == Kind::Audio {
            return Err(Refused::NotFound);
        }
        let query = query::parse(request.query).map_err(|_| Refused::BadDirectives)?;
        let shape = Shape {
            content,
            dvr: query.dvr && broadcast.plan().dvr.is_some(),
            delta: query.skip,
        };
        // One playlist a viewer: the picture's where there is one.
        if content == Content::Media
            && (latest.kind == Kind::Video || broadcast.plan().renditions.len() == 1)
        {
            let next = match query.awaited.and_then(|awaited| awaited.part) {
                Some(_) => latest.part_duration(),
                None => broadcast.plan().target_duration(),
            };
            broadcast.viewers().note(Sign::Reload(next));
        }
        let coding = coding::accepted(request.headers);
        let text = |edition: &Edition| edition.text(shape, request.token, coding);
        let Some(awaited) = query.awaited else {
            return Ok(reply::playlist(text(&latest), coding, Asked::Latest));
        };
        let text = match latest.reload(awaited) {
            Reload::Ready => text(&latest),
            Reload::TooFarAhead => return Err(Refused::TooFarAhead),
            Reload::Wait => {
                // Not while waiting: it holds segments that may be gone by then.
                drop(latest);
                let look = |edition: &Edition| match edition.reload(awaited) {
                    // It was near enough, and the stream only moves towards it.
                    Reload::Wait | Reload::TooFarAhead => Look::Later,
                    Reload::Ready => Look::Answer(text(edition)),
                };
                self.wait(&broadcast, feed, look).await?
            }
        };
        let asked = Asked::Awaited(request.audience());
        Ok(reply::playlist(text, coding, asked))
    }

    async fn media(
        &self,
        request: Request<'_>,
        rendition: &str,
        broadcast: &str,
        media: Media,
    ) -> Result<Response<Body>, Refused> {
        let broadcast = self.live.named(request.stream, broadcast);
        let broadcast = broadcast.ok_or(Refused::NotFound)?;
        let feed = broadcast.feed(rendition).ok_or(Refused::NotFound)?;
        let latest = feed.latest().ok_or(Refused::NotFound)?;
        let kind = latest.kind;
        let body = match media {
            Media::Init => Body::whole(latest.init.clone()),
            Media::Segment(sequence) => match latest.segment(sequence) {
                Some(segment) => Body::segment(Arc::clone(segment)),
                None => {
                    let stored = broadcast.archived(rendition, sequence);
                    Body::stored(stored.ok_or(Refused::NotFound)?)
                }
            },
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
                    let part = self.wait(&broadcast, feed, look).await?;
                    Body::part(part.ok_or(Refused::NotFound)?)
                }
            },
        };
        Ok(reply::media(
            body,
            kind,
            request.audience(),
            request.headers,
        ))
    }

    async fn wait<T>(
        &self,
        broadcast: &Broadcast,
        feed: &Feed,
        look: impl Fn(&Edition) -> Look<T>,
    ) -> Result<T, Refused> {
        let _place = Place::take(&self.counters.waiting, self.waiting_max).ok_or(Refused::Busy)?;
        let patience = stall(broadcast);
        tokio::time::timeout(patience, feed.wait(look))
            .await
            .map_err(|_| Refused::Stalled)
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Delivery");
        shown
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

fn subject(resource: Resource<'_>) -> Subject {
    match resource {
        Resource::Master => Subject::Master,
        Resource::Playlist { .. } => Subject::Playlist,
        Resource::Media { media, .. } => match media {
            Media::Init => Subject::Init,
            Media::Segment(_) => Subject::Segment,
            Media::Part(..) => Subject::Part,
        },
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
