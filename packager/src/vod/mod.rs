//! Answers to requests under `/vod/`: what is stored of a broadcast or a video, as HLS in byte
//! ranges of one file a rendition, and as one ordinary MP4. It knows no socket, no folder and no
//! bucket: the caller's HTTP server gives it requests, a [`Library`] its titles and their bytes.
//!
//! Media is read as it is sent, a piece at a time; playlists are texts in memory.

mod body;
mod conditions;
mod counters;
mod downloads;
mod file_name;
mod library;
mod path;
mod reads;
mod reply;
mod title;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, Request, Response};
use media_core::{RenditionName, StoredRendition};
use tokio::time::timeout;

pub use crate::playlist::multivariant::Subtitles;
pub use body::Body;
use body::File;
use conditions::Conditions;
pub use counters::{Counters, Subject};
use downloads::Downloads;
pub use downloads::PLANS_BYTES_MAX;
pub use library::{Closed, Library, Lost, Opened, Pending, SMALL_FILE_BYTES_MAX, SmallFile, Store};
use path::Resource;
use reads::in_time;
pub use reads::{PIECE_BYTES, READ_WITHIN};
use reply::{Found, Kind, Refused};
pub use title::{Contents, Title};

use crate::delivery::{Audience, query, values};
use crate::playlist::links::Links;

/// The part of the HTTP service that plays what is stored.
pub struct Delivery {
    library: Arc<dyn Library>,
    downloads: Downloads,
    counters: Arc<Counters>,
}

/// A request for something of a title that was opened for it.
#[derive(Clone, Copy)]
struct Admitted<'a> {
    title: &'a Arc<Title>,
    audience: Audience,
    /// The token that opened a private title.
    token: Option<&'a str>,
    conditions: Conditions<'a>,
}

impl Admitted<'_> {
    fn links(&self) -> Links<'_> {
        Links {
            dvr: false,
            token: self.token,
        }
    }

    fn found(&self, kind: Kind, tag: String, body: Body) -> Found {
        Found {
            kind,
            audience: self.audience,
            tag,
            body,
        }
    }

    /// A playlist that `text` makes, unless the client has it: a private title's is made anew for
    /// each request, and of two hours that is work.
    fn playlist(&self, text: impl FnOnce() -> Bytes) -> Response<Body> {
        let kind = Kind::Playlist(self.conditions.coding());
        let tag = self.title.playlist_tag();
        let body = match self.conditions.has(&tag) {
            true => Body::empty(),
            false => Body::whole(text()),
        };
        self.found(kind, tag, body).answer(self.conditions)
    }

    /// A file that is small and may be written anew.
    fn changing(&self, content_type: &'static HeaderValue, bytes: Bytes) -> Response<Body> {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let tag = format!("\"{:x}\"", hasher.finish());
        self.found(Kind::Changing { content_type }, tag, Body::whole(bytes))
            .answer(self.conditions)
    }
}

impl Delivery {
    /// Serves the titles of `library` to those for whom it opens them.
    pub fn new(library: Arc<dyn Library>) -> Self {
        Self {
            library,
            downloads: Downloads::default(),
            counters: Arc::default(),
        }
    }

    /// What was asked for and sent.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Answers a request; `None` where its path is not under `/vod/`. Its body is not looked at.
    pub async fn respond<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let path = request.uri().path().strip_prefix(path::PREFIX)?;
        let asked = Asked {
            path,
            query: request.uri().query().unwrap_or(""),
            conditions: Conditions::of(request.method(), request.headers()),
            has_content: *request.method() != Method::HEAD,
        };
        Some(match *request.method() {
            Method::GET | Method::HEAD => self.get(asked).await,
            Method::OPTIONS => reply::preflight(),
            _ => reply::refusal(Refused::Method),
        })
    }

    async fn get(&self, asked: Asked<'_>) -> Response<Body> {
        let parsed = path::parse(asked.path);
        let subject = parsed.map_or(Subject::Other, |(_, resource)| resource.subject());
        let response = match parsed {
            Some((id, resource)) => self.find(id, resource, asked).await,
            None => Err(Refused::NotFound),
        };
        let response = response.unwrap_or_else(reply::refusal);
        let is_answer = response.status().as_u16() < 400;
        self.counters
            .note(subject, is_answer, response.body().len_bytes());
        match asked.has_content {
            true => response,
            false => reply::without_content(response),
        }
    }

    async fn find(
        &self,
        id: &str,
        resource: Resource<'_>,
        asked: Asked<'_>,
    ) -> Result<Response<Body>, Refused> {
        let token = query::token(asked.query);
        let opened = timeout(READ_WITHIN, self.library.open(id, token)).await;
        let Opened { title, audience } = opened.map_err(|_| Refused::Unavailable)??;
        let request = Admitted {
            title: &title,
            audience,
            token: token.filter(|_| audience == Audience::Granted),
            conditions: asked.conditions,
        };
        let (links, coding) = (request.links(), request.conditions.coding());
        let mut response = match resource {
            Resource::Master => request.playlist(|| title.master(links, coding)),
            Resource::Playlist { rendition, content } => {
                let (index, _) = title.rendition(rendition).ok_or(Refused::NotFound)?;
                let text = title.playlist(index, content, links, coding);
                request.playlist(text.ok_or(Refused::NotFound)?)
            }
            Resource::SubtitlesPlaylist { name } => {
                let (index, _) = title.subtitles(name).ok_or(Refused::NotFound)?;
                let text = title.subtitles_playlist(index, links, coding);
                request.playlist(text.ok_or(Refused::NotFound)?)
            }
            Resource::Media { rendition } => {
                let (_, rendition) = title.rendition(rendition).ok_or(Refused::NotFound)?;
                self.media(request, rendition).await?
            }
            Resource::Download { rendition } => {
                let (index, _) = title.rendition(rendition).ok_or(Refused::NotFound)?;
                self.download(request, index).await?
            }
            Resource::Subtitles { name } => {
                let (_, subtitles) = title.subtitles(name).ok_or(Refused::NotFound)?;
                let file = SmallFile::Subtitles(&subtitles.name);
                let bytes = self.small_file(request, file).await?;
                request.changing(&values::SUBTITLES_TYPE, bytes)
            }
            Resource::Thumbnail { file } => {
                let bytes = self.small_file(request, SmallFile::Thumbnail(file)).await?;
                match (file.ends_with(".vtt"), request.token) {
                    (false, _) => request.changing(&values::PICTURE_TYPE, bytes),
                    (true, None) => request.changing(&values::SUBTITLES_TYPE, bytes),
                    (true, Some(token)) => {
                        let bytes = with_token(&bytes, token);
                        request.changing(&values::SUBTITLES_TYPE, bytes)
                    }
                }
            }
        };
        if asked.has_content {
            let started = response.body_mut().start().await;
            started.map_err(|lost| Refused::of(&title, &lost))?;
        }
        Ok(response)
    }

    async fn media(
        &self,
        request: Admitted<'_>,
        rendition: &StoredRendition,
    ) -> Result<Response<Body>, Refused> {
        let (title, name) = (request.title, &rendition.init.rendition);
        if let Some(url) = self.elsewhere(&request, name).await? {
            let location = HeaderValue::try_from(url).map_err(|_| {
                let asset = &title.contents().asset;
                tracing::error!(%asset, rendition = %name, "its URL elsewhere is none");
                Refused::Unavailable
            })?;
            return Ok(reply::redirect(location));
        }
        let len_bytes = title::file_bytes(rendition);
        let file = File::Stored(name.clone());
        let body = Body::media(Arc::clone(title), file, len_bytes);
        let kind = Kind::File {
            content_type: media_type(rendition),
            disposition: None,
        };
        let tag = title.media_tag(&[rendition]);
        Ok(request.found(kind, tag, body).answer(request.conditions))
    }

    /// The URL at which a rendition's file is to be fetched. Of a private title there is none: it would
    /// let everybody in who has it, for longer than the token does.
    async fn elsewhere(
        &self,
        request: &Admitted<'_>,
        name: &RenditionName,
    ) -> Result<Option<String>, Refused> {
        if request.audience == Audience::Granted {
            return Ok(None);
        }
        let store = &request.title.contents().store;
        let elsewhere = in_time(store.elsewhere(name)).await;
        elsewhere.map_err(|lost| Refused::of(request.title, &lost))
    }

    /// The rendition at `index`, and its sound, as one file.
    async fn download(
        &self,
        request: Admitted<'_>,
        index: usize,
    ) -> Result<Response<Body>, Refused> {
        let title = request.title;
        let renditions = title.download_of(index);
        let first = *renditions.first().ok_or(Refused::NotFound)?;
        // Nothing is stored of what has just begun.
        if renditions.iter().all(|it| it.segments.is_empty()) {
            return Err(Refused::NotFound);
        }
        // Of other bytes than the files that it is made of.
        let tag = title.media_tag(&renditions).replacen('"', "\"made-", 1);
        let plan = self.downloads.plan(title, &renditions, &tag);
        let made = plan.await?;
        let len_bytes = made.len_bytes();
        let names = renditions.iter().map(|it| it.init.rendition.clone());
        let file = File::Made(made, names.collect());
        let body = Body::media(Arc::clone(title), file, len_bytes);
        let extension = match title::is_video(first) {
            true => "mp4",
            false => "m4a",
        };
        let rendition = first.init.rendition.as_str();
        let name = file_name::disposition(&title.contents().name, rendition, extension);
        let kind = Kind::File {
            content_type: media_type(first),
            disposition: Some(name),
        };
        Ok(request.found(kind, tag, body).answer(request.conditions))
    }

    async fn small_file(
        &self,
        request: Admitted<'_>,
        file: SmallFile<'_>,
    ) -> Result<Bytes, Refused> {
        let store = &request.title.contents().store;
        let read = in_time(store.small_file(file)).await;
        read.map_err(|lost| Refused::of(request.title, &lost))
    }
}

/// A request as it came.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// Without [`path::PREFIX`].
    path: &'a str,
    query: &'a str,
    conditions: Conditions<'a>,
    has_content: bool,
}

fn media_type(rendition: &StoredRendition) -> &'static HeaderValue {
    match title::is_video(rendition) {
        true => &values::VIDEO_TYPE,
        false => &values::AUDIO_TYPE,
    }
}

/// The pictures that a WebVTT of a private title names, with the token that opens them.
fn with_token(bytes: &[u8], token: &str) -> Bytes {
    let text = String::from_utf8_lossy(bytes);
    text.replace(".jpg", &format!(".jpg?token={token}")).into()
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
