//! The addresses that the API hands out: where to publish, where to watch.
//!
//! Those that are not configured are made from the host by which the caller reached the server:
//! right on a laptop, in a local network and on a rented machine alike.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, header};
use media_core::ladder::AUDIO_RENDITION;
use media_core::{RecordingId, RenditionName, StreamId};
use serde::Serialize;
use storage::recording::Recording;
use storage::stream::SRT_PBKEYLEN_BYTES;
use storage::{SrtPassphrase, StreamKey};
use utoipa::ToSchema;

use crate::Api;
use crate::broadcasts::Broadcasts;
use crate::problem::Error;
use crate::recordings::RecordingUrls;

/// Where the world reaches this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// The public base of pages and playlists. Without it: the request's host and port, with
    /// `https://` where it is [`Secured`] and else `http://`.
    pub http: Option<HttpBase>,
    /// Where RTMP publishers connect.
    pub rtmp: PublishAddress,
    /// Where SRT publishers connect.
    pub srt: PublishAddress,
}

/// Marks a request that came by TLS, as an extension of it. Its URI does not say so in HTTP/1.1, and
/// in HTTP/2 it says what the client likes.
#[derive(Clone, Copy, Debug)]
pub struct Secured;

/// Where publishers of one protocol connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishAddress {
    /// A configured address.
    Public(HostPort),
    /// This port on the host of [`Urls::http`], or of the request where that is not configured.
    SameHost {
        /// The listener's port.
        port: u16,
    },
}

/// Why a configured address is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Not `http://host` or `https://host`.
    #[error(
        "{0:?} is not a public base URL: http:// or https://, a host, and at most a port and a \
         path are"
    )]
    HttpBase(String),
    /// Not `host:port`.
    #[error("{0:?} is not a public address: a host, a colon and a port are")]
    HostPort(String),
}

/// Pictures that stand for a recording or a video.
pub(crate) const STILLS: usize = 3;

/// A request that names no host: it has to, where no public address is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the header Host is missing or not usable, and no public address is configured: this server \
     does not know its own address"
)]
pub(crate) struct NoHost;

/// `http(s)://host[:port][/path]` without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpBase {
    text: String,
    authority: Authority,
}

impl HttpBase {
    /// Checks a configured text. Slashes at its end are dropped.
    pub fn new(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress::HttpBase(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().filter(|authority| is_plain(authority));
        match authority {
            Some(authority) if scheme && uri.query().is_none() && !text.contains('#') => Ok(Self {
                text: text.trim_end_matches('/').to_owned(),
                authority: authority.clone(),
            }),
            _ => Err(invalid()),
        }
    }

    /// The text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is an `https` URL.
    pub fn is_https(&self) -> bool {
        self.text
            .split_once(':')
            .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
    }

    /// The port that it names.
    pub fn port(&self) -> Option<u16> {
        self.authority.port_u16()
    }
}

/// `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort(Authority);

impl HostPort {
    /// Checks a configured text. An IPv6 address stands in brackets.
    pub fn new(text: &str) -> Result<Self, InvalidAddress> {
        match text.parse::<Authority>() {
            Ok(authority) if is_plain(&authority) && authority.port_u16().is_some() => {
                Ok(Self(authority))
            }
            _ => Err(InvalidAddress::HostPort(text.to_owned())),
        }
    }
}

/// Names and addresses alone: a URL's grammar allows much more, which somebody who chooses the
/// Host header could bring into a page.
fn is_plain(authority: &Authority) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !authority.host().is_empty() && authority.as_str().bytes().all(plain)
}

/// The host and port in the header `Host`, if they can stand in a URL.
pub fn in_host_header(headers: &HeaderMap) -> Option<Authority> {
    let host = headers.get(header::HOST)?;
    let authority = Authority::try_from(host.as_bytes()).ok()?;
    is_plain(&authority).then_some(authority)
}

/// What to enter in an encoder.
#[derive(Serialize, ToSchema)]
pub(crate) struct PublishUrls {
    /// The whole RTMP address, with the key.
    #[schema(example = "rtmp://live.example.org:1935/live/mr_…")]
    rtmp: String,
    /// The RTMP server alone, for encoders that ask for the key in a field of its own.
    #[schema(example = "rtmp://live.example.org:1935/live")]
    rtmp_server: String,
    /// The whole SRT address, with the key and, where the stream has one, the passphrase.
    #[schema(example = "srt://live.example.org:8890?streamid=publish:mr_…")]
    srt: String,
}

/// Where a stream plays.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlaybackUrls {
    /// The multivariant playlist.
    #[schema(example = "https://live.example.org/live/k3f9a2mzq7xw2b/master.m3u8")]
    hls: String,
    /// The multivariant playlist that reaches back as far as viewers can rewind; null where no
    /// broadcast runs that can be rewound.
    #[schema(example = "https://live.example.org/live/k3f9a2mzq7xw2b/master.m3u8?dvr=1")]
    dvr: Option<String>,
    /// The page to watch it on.
    #[schema(example = "https://live.example.org/watch/k3f9a2mzq7xw2b")]
    page: String,
    /// A JPEG of what is to be seen now, of at most 640 columns and rows, a new one each ten
    /// seconds; null while there is none: where no broadcast runs, in its first second, and where it
    /// has no picture.
    #[schema(example = "https://live.example.org/live/k3f9a2mzq7xw2b/thumbnail.jpg")]
    thumbnail: Option<String>,
}

/// What there is to a stream's running broadcast besides its playing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras {
    can_rewind: bool,
    has_thumbnail: bool,
}

impl Extras {
    pub(crate) fn of(stream: &StreamId, broadcasts: &dyn Broadcasts) -> Self {
        Self {
            can_rewind: broadcasts.rewind(stream).is_some(),
            has_thumbnail: broadcasts.has_thumbnail(stream),
        }
    }
}

/// The server's addresses, as they are for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    http_base: String,
    rtmp: String,
    srt: String,
}

impl Origin {
    pub(crate) fn publish(
        &self,
        key: &StreamKey,
        passphrase: Option<&SrtPassphrase>,
    ) -> PublishUrls {
        let key = key.reveal();
        let rtmp_server = format!("rtmp://{}/live", self.rtmp);
        let mut srt = format!("srt://{}?streamid=publish:{key}", self.srt);
        if let Some(passphrase) = passphrase {
            let passphrase = query_escaped(passphrase.reveal());
            srt.push_str(&format!(
                "&passphrase={passphrase}&pbkeylen={SRT_PBKEYLEN_BYTES}"
            ));
        }
        PublishUrls {
            rtmp: format!("{rtmp_server}/{key}"),
            rtmp_server,
            srt,
        }
    }

    /// Where this server's pages and playlists lie, without a slash at its end.
    pub(crate) fn http_base(&self) -> &str {
        &self.http_base
    }

    /// Where `stream` plays, with the playback token behind the URLs where one is given.
    pub(crate) fn playback(
        &self,
        stream: &StreamId,
        token: Option<&str>,
        extras: Extras,
    ) -> PlaybackUrls {
        let base = &self.http_base;
        let thumbnail = format!("{base}/live/{stream}/thumbnail.jpg");
        let playlist = format!("{base}/live/{stream}/master.m3u8");
        // Tokens are of unreserved characters (RFC 3986 §2.3).
        let query = token.map_or(String::new(), |token| format!("?token={token}"));
        let further = token.map_or(String::new(), |token| format!("&token={token}"));
        PlaybackUrls {
            hls: format!("{playlist}{query}"),
            dvr: extras
                .can_rewind
                .then(|| format!("{playlist}?dvr=1{further}")),
            page: format!("{base}/watch/{stream}{query}"),
            thumbnail: extras.has_thumbnail.then(|| format!("{thumbnail}{query}")),
        }
    }
}

impl Origin {
    /// Where `recording` plays, with the playback token behind the URLs where one is given.
    pub(crate) fn recording(&self, recording: &Recording, token: Option<&str>) -> RecordingUrls {
        let base = format!("{}/vod/{}", self.http_base, recording.id);
        let query = token.map_or(String::new(), |token| format!("?token={token}"));
        let has_pictures = !is_sound_alone(&recording.renditions);
        let thumbnails = (1..=STILLS).filter(|_| has_pictures);
        let renditions = recording.renditions.iter();
        RecordingUrls {
            hls: format!("{base}/master.m3u8{query}"),
            thumbnails: thumbnails
                .map(|number| format!("{base}/thumbnails/thumbnail-{number}.jpg{query}"))
                .collect(),
            sprite: has_pictures.then(|| format!("{base}/thumbnails/sprites.vtt{query}")),
            download: renditions
                .map(|name| (name.to_string(), self.download(&recording.id, name, token)))
                .collect(),
        }
    }

    /// Where one MP4 of a recording's rendition is.
    pub(crate) fn download(
        &self,
        recording: &RecordingId,
        rendition: &RenditionName,
        token: Option<&str>,
    ) -> String {
        let query = token.map_or(String::new(), |token| format!("?token={token}"));
        let base = &self.http_base;
        format!("{base}/vod/{recording}/{rendition}/download.mp4{query}")
    }
}

/// Whether renditions are known to be sound alone, of which there are no pictures.
pub(crate) fn is_sound_alone(renditions: &[RenditionName]) -> bool {
    let mut names = renditions.iter().map(RenditionName::as_str);
    !renditions.is_empty() && names.all(|name| name == AUDIO_RENDITION)
}

impl Urls {
    /// Where this server's own pages lie: the public address, and the one that was requested.
    pub(crate) fn http_bases(&self, parts: &Parts) -> Vec<String> {
        let public = self.http.as_ref().map(|base| base.text.clone());
        let requested = requested(parts);
        let requested = requested.map(|authority| http_base(&authority, is_secured(parts)));
        public.into_iter().chain(requested).collect()
    }

    /// The addresses for a request that came to `requested`, by TLS or not.
    fn origin(&self, requested: Option<&Authority>, is_secured: bool) -> Result<Origin, NoHost> {
        let authority = match &self.http {
            Some(base) => &base.authority,
            None => requested.ok_or(NoHost)?,
        };
        let address = |address: &PublishAddress| match address {
            PublishAddress::Public(HostPort(public)) => public.to_string(),
            PublishAddress::SameHost { port } => format!("{}:{port}", authority.host()),
        };
        Ok(Origin {
            http_base: match &self.http {
                Some(base) => base.text.clone(),
                None => http_base(authority, is_secured),
            },
            rtmp: address(&self.rtmp),
            srt: address(&self.srt),
        })
    }
}

/// The address of a server's pages by which a request came.
fn http_base(authority: &Authority, is_secured: bool) -> String {
    match is_secured {
        true => format!("https://{authority}"),
        false => format!("http://{authority}"),
    }
}

impl FromRequestParts<Api> for Origin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let requested = requested(parts);
        Ok(api.urls.origin(requested.as_ref(), is_secured(parts))?)
    }
}

/// Whether the caller's browser uses TLS: for this connection, or for the public address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsSecured(pub(crate) bool);

impl FromRequestParts<Api> for IsSecured {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let public = api.urls.http.as_ref();
        Ok(Self(
            is_secured(parts) || public.is_some_and(HttpBase::is_https),
        ))
    }
}

/// The host and port that a request is for.
fn requested(parts: &Parts) -> Option<Authority> {
    // HTTP/2 has it in the URI (RFC 9113 §8.3.1: `:authority`), HTTP/1.1 in the header.
    match parts.uri.authority() {
        Some(authority) => Some(authority.clone()).filter(is_plain),
        None => in_host_header(&parts.headers),
    }
}

fn is_secured(parts: &Parts) -> bool {
    parts.extensions.get::<Secured>().is_some()
}

/// `text` as the value of a query parameter. What RFC 3986 §3.4 lets stand in a query stands as it
/// is, not the unreserved characters alone: FFmpeg takes the passphrase of an SRT address without
/// decoding it (seen with 5.1). Excepted are those at which parsers split or which they replace.
fn query_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            byte if b"-._~!$'()*,/:=?@".contains(&byte) => escaped.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
