//! Answers to requests under `/live/`, from memory. It knows no socket: the caller's HTTP server
//! gives it requests and sends what it returns.
//!
//! A request allocates nothing unless it waits: then its place and timer. Playlists and media are
//! references to what the encoder threads left, or read from the archive piece by piece.

mod access;
mod archive;
mod body;
pub(crate) mod coding;
mod counters;
mod feed;
mod held;
mod path;
pub(crate) mod query;
pub(crate) mod range;
mod reply;
mod request;
mod stored;
pub(crate) mod values;
mod viewers;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};

pub use access::{Access, Everyone, Verdict};
pub use archive::{Archive, Stored};
pub use body::Body;
pub(crate) use counters::Tally;
pub use counters::{Counters, Subject};
pub(crate) use feed::Feed;
use feed::{Awaits, Look};
use held::Place;
pub use held::{Answer, Held};
use path::{Media, Resource};
use reply::{Asked, Refused};
pub use reply::{Audience, Reply};
pub use request::{Fields, Request};
pub(crate) use viewers::{Sign, Viewers};

use crate::broadcast::Broadcast;
use crate::disk::Disk;
use crate::edition::{Edition, Found, Kind, Reload, Shape};
use crate::live::Live;
use crate::playlist::links::Links;
use crate::playlist::media::Content;

/// Most requests that wait at a time. Each holds a connection, a timer and about 1 kB; a viewer
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
    disk: Disk,
    waiting_max: usize,
}

/// A request that [`Access`] has let in.
#[derive(Clone, Copy)]
struct Admitted<'a> {
    stream: &'a str,
    query: &'a str,
    fields: Fields<'a>,
    subject: Subject,
    /// The token that opened a private stream.
    token: Option<&'a str>,
}

impl Admitted<'_> {
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
            disk: Disk::default(),
            waiting_max,
        }
    }

    /// The same, that reads what viewers rewind to on the threads of `disk`.
    #[must_use]
    pub fn reading_on(self, disk: Disk) -> Self {
        Self { disk, ..self }
    }

    /// Answers a request; `None` where its path is not under `/live/`.
    pub fn answer(&self, request: &Request<'_>) -> Option<Answer> {
        let path = request.path.strip_prefix(path::PREFIX)?;
        Some(match *request.method {
            Method::GET => self.get(path, request),
            Method::HEAD => self.get(path, request).without_content(),
            Method::OPTIONS => Answer::Now(Reply::preflight()),
            _ => Answer::Now(Reply::refusal(Refused::Method)),
        })
    }

    /// The same with the types of the `http` crate. The request's body is not looked at.
    pub async fn respond<B>(&self, request: &http::Request<B>) -> Option<Response<Body>> {
        let answer = self.answer(&Request::of(request))?;
        let reply = match answer {
            Answer::Now(reply) => reply,
            Answer::Later(held) => held.await,
        };
        Some(reply.into_response())
    }

    /// How many requests wait for media that is still to come.
    pub fn waiting(&self) -> usize {
        self.counters.waiting()
    }

    /// What was asked for and sent.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn get(&self, path: &str, request: &Request<'_>) -> Answer {
        let parsed = path::parse(path);
        let subject = parsed.map_or(Subject::Other, |(_, resource)| subject(resource));
        let answer = match parsed {
            Some((stream, resource)) => self.find(stream, resource, subject, request),
            None => Err(Refused::NotFound),
        };
        let answer = answer.unwrap_or_else(|refused| Answer::Now(Reply::refusal(refused)));
        if let Answer::Now(reply) = &answer {
            self.counters.note(subject, reply);
        }
        answer
    }

    fn find(
        &self,
        stream: &str,
        resource: Resource<'_>,
        subject: Subject,
        request: &Request<'_>,
    ) -> Result<Answer, Refused> {
        let token = query::token(request.query);
        let token = match self.access.check(stream, token) {
            Verdict::Public => None,
            Verdict::Granted => token,
            Verdict::Refused => return Err(Refused::NoToken),
        };
        let request = Admitted {
            stream,
            query: request.query,
            fields: request.fields,
            subject,
            token,
        };
        match resource {
            Resource::Master => self.master(request),
            Resource::Thumbnail => self.thumbnail(request),
            Resource::Playlist { rendition, content } => self.playlist(request, rendition, content),
            Resource::Media {
                rendition,
                broadcast,
                media,
            } => self.media(request, rendition, broadcast, media),
        }
    }

    fn master(&self, request: Admitted<'_>) -> Result<Answer, Refused> {
        let query = query::parse(request.query).map_err(|_| Refused::BadDirectives)?;
        let broadcast = self.live.shown(request.stream).ok_or(Refused::NotLiveYet)?;
        let master = broadcast.master().ok_or(Refused::NotLiveYet)?;
        let joining = Sign::Joining(broadcast.plan().target_duration());
        broadcast.viewers().note(joining);
        let links = Links {
            dvr: query.dvr && broadcast.plan().dvr.is_some(),
            token: request.token,
        };
        let coding = request.fields.coding();
        let text = master.text(links, coding);
        Ok(Answer::Now(Reply::playlist(text, coding, Asked::Latest)))
    }

    fn thumbnail(&self, request: Admitted<'_>) -> Result<Answer, Refused> {
        let broadcast = self.live.shown(request.stream).ok_or(Refused::NotLiveYet)?;
        let thumbnail = broadcast.thumbnail().ok_or(Refused::NoThumbnail)?;
        let (tag, audience) = (thumbnail.tag, request.audience());
        let known = request.fields.none_match();
        let reply = match known.is_some_and(|known| tag.is_in(known)) {
            true => Reply::unmodified(tag, audience),
            false => Reply::thumbnail(thumbnail.jpeg.clone(), tag, audience),
        };
        Ok(Answer::Now(reply))
    }

    fn playlist(
        &self,
        request: Admitted<'_>,
        rendition: &str,
        content: Content,
    ) -> Result<Answer, Refused> {
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
        let coding = request.fields.coding();
        let Some(awaited) = query.awaited else {
            let text = latest.text(shape, request.token, coding);
            return Ok(Answer::Now(Reply::playlist(text, coding, Asked::Latest)));
        };
        let asked = Asked::Awaited(request.audience());
        match latest.reload(awaited) {
            Reload::TooFarAhead => Err(Refused::TooFarAhead),
            Reload::Ready => {
                let text = latest.text(shape, request.token, coding);
                Ok(Answer::Now(Reply::playlist(text, coding, asked)))
            }
            Reload::Wait => {
                let token: Option<Box<str>> = request.token.map(Into::into);
                let look = move |edition: &Edition| match edition.reload(awaited) {
                    // It was near enough, and the stream only moves towards it.
                    Reload::Wait | Reload::TooFarAhead => Look::Later,
                    Reload::Ready => {
                        let text = edition.text(shape, token.as_deref(), coding);
                        Look::Answer(Ok(Reply::playlist(text, coding, asked)))
                    }
                };
                self.hold(request, broadcast, rendition, Awaits::Playlist, look)
            }
        }
    }

    fn media(
        &self,
        request: Admitted<'_>,
        rendition: &str,
        broadcast: &str,
        media: Media,
    ) -> Result<Answer, Refused> {
        let broadcast = self.live.named(request.stream, broadcast);
        let broadcast = broadcast.ok_or(Refused::NotFound)?;
        let feed = broadcast.feed(rendition).ok_or(Refused::NotFound)?;
        let latest = feed.latest().ok_or(Refused::NotFound)?;
        let (kind, audience) = (latest.kind, request.audience());
        let range = request.fields.range();
        let body = match media {
            Media::Init => Body::whole(latest.init.clone()),
            Media::Segment(sequence) => match latest.segment(sequence) {
                Some(segment) => Body::segment(Arc::clone(segment)),
                None => {
                    let stored = broadcast.archived(rendition, sequence);
                    Body::stored(stored.ok_or(Refused::NotFound)?, self.disk.clone())
                }
            },
            Media::Part(sequence, index) => match latest.part(sequence, index) {
                Found::Here(part) => Body::part(part),
                Found::Nowhere => return Err(Refused::NotFound),
                // §6.2.6: a hinted part is held until it is there.
                Found::Coming => {
                    let range: Option<Box<[u8]>> = range.map(Into::into);
                    let look = move |edition: &Edition| match edition.part(sequence, index) {
                        Found::Here(part) => {
                            let (body, range) = (Body::part(part), range.as_deref());
                            Look::Answer(Ok(Reply::media(body, kind, audience, range)))
                        }
                        Found::Coming => Look::Later,
                        Found::Nowhere => Look::Answer(Err(Refused::NotFound)),
                    };
                    return self.hold(request, broadcast, rendition, Awaits::Media, look);
                }
            },
        };
        Ok(Answer::Now(Reply::media(body, kind, audience, range)))
    }

    /// Holds a request until `look` finds its answer.
    fn hold(
        &self,
        request: Admitted<'_>,
        broadcast: Arc<Broadcast>,
        rendition: &str,
        awaits: Awaits,
        look: impl Fn(&Edition) -> Look<Result<Reply, Refused>> + Send + 'static,
    ) -> Result<Answer, Refused> {
        let place = Place::take(&self.counters, self.waiting_max).ok_or(Refused::Busy)?;
        let rendition: Box<str> = rendition.into();
        let subject = request.subject;
        Ok(Answer::Later(Held::new(async move {
            let answered = match broadcast.feed(&rendition) {
                Some(feed) => {
                    tokio::time::timeout(stall(&broadcast), feed.wait(awaits, look)).await
                }
                None => Ok(Err(Refused::NotFound)),
            };
            let reply = answered.unwrap_or(Err(Refused::Stalled));
            let reply = reply.unwrap_or_else(Reply::refusal);
            place.counters().note(subject, &reply);
            reply
        })))
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
        Resource::Thumbnail => Subject::Thumbnail,
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

#[cfg(test)]
mod tests;
