//! The shell: asks a server as a player would, and a few things that a player would not, and
//! records what is answered. It judges nothing. It is bounded in time, in requests and in bytes.

mod client;
mod probe;
mod recorder;
mod rendition;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

pub use tls::TlsError;

use crate::playlist::{Multivariant, Text};
use crate::session::{Purpose, Session};
use client::Client;
use recorder::{Asked, Recorder};

/// Most media playlists that are followed at a time.
const RENDITIONS_MAX: usize = 12;

/// Most I-frame playlists that are looked at.
const IFRAMES_MAX: usize = 6;

/// How to look at a stream.
#[derive(Clone, Debug)]
pub struct Options {
    /// For how long.
    pub watch: Duration,
    /// Which certificates are believed.
    pub trust: Trust,
    /// HTTP/1.1 even where HTTP/2 is offered.
    pub http1: bool,
}

/// Which certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those of the system's authorities.
    System,
    /// Those that this file of PEM certificates signed.
    File(PathBuf),
    /// Any.
    Anything,
}

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The address is none.
    #[error("{0:?} is no http or https URL")]
    Url(String),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There was no answer.
    #[error("{url} does not answer: {why}")]
    NoAnswer {
        /// The address.
        url: String,
        /// What came instead.
        why: String,
    },
    /// What is there is no playlist.
    #[error("{url} is no playlist: {why}")]
    NoPlaylist {
        /// The address.
        url: String,
        /// What is there.
        why: String,
    },
}

/// Follows the stream at `url`, which is a multivariant or a media playlist.
pub async fn follow(url: &str, options: &Options) -> Result<Session, Failed> {
    let parsed = url::Url::parse(url).ok();
    let parsed = parsed.filter(|url| matches!(url.scheme(), "http" | "https"));
    let entry = parsed
        .ok_or_else(|| Failed::Url(url.to_owned()))?
        .to_string();
    let client = Client::new(&options.trust, options.http1)?;
    let recorder = Arc::new(Recorder::new(client, options.watch));
    let first = recorder
        .fetch(Asked::new(&entry, Purpose::Entry))
        .await
        .map_err(|stopped| Failed::NoAnswer {
            url: entry.clone(),
            why: stopped.to_string(),
        })?;
    let answer = first.result.as_ref().map_err(|why| Failed::NoAnswer {
        url: entry.clone(),
        why: why.clone(),
    })?;
    let no_playlist = |why: String| Failed::NoPlaylist {
        url: entry.clone(),
        why,
    };
    if answer.status != 200 {
        return Err(no_playlist(format!("status {}", answer.status)));
    }
    let text = String::from_utf8_lossy(&answer.body);
    if !text.contains("#EXT") {
        let start: String = text.chars().take(40).filter(|c| !c.is_control()).collect();
        return Err(no_playlist(format!("it begins with {start:?}")));
    }
    let mut tasks = JoinSet::new();
    if Text::new(&answer.body).is_multivariant() {
        let playlist = Multivariant::parse(first.base(), &answer.body);
        for (index, url) in media_playlists(&playlist).into_iter().enumerate() {
            tasks.spawn(rendition::follow(Arc::clone(&recorder), url, index == 0));
        }
        for variant in playlist.iframes.iter().take(IFRAMES_MAX) {
            let url = variant.url.clone();
            tasks.spawn(rendition::look_at_iframes(Arc::clone(&recorder), url));
        }
    } else {
        tasks.spawn(rendition::follow(
            Arc::clone(&recorder),
            entry.clone(),
            true,
        ));
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
    Ok(recorder.session(entry))
}

/// The playlists of all variants and renditions, each once.
fn media_playlists(playlist: &Multivariant) -> Vec<String> {
    let variants = playlist.variants.iter().map(|variant| &variant.url);
    let renditions = playlist.renditions.iter();
    let renditions = renditions
        .filter(|rendition| rendition.attributes.text("TYPE") != Some("SUBTITLES"))
        .filter_map(|rendition| rendition.url.as_ref());
    let mut urls: Vec<String> = Vec::new();
    for url in variants.chain(renditions) {
        if !urls.contains(url) && urls.len() < RENDITIONS_MAX {
            urls.push(url.clone());
        }
    }
    urls
}
