//! Follows one media playlist as a player does: blocking where that is offered, at the pace of the
//! target duration where not (RFC 8216 §6.3.4), and fetches what is new.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::probe;
use super::recorder::{Asked, Recorder, Stopped};
use crate::playlist::{Hint, MediaPlaylist, Resource};
use crate::session::{Exchange, Position, Purpose};

/// How many of the segments that are there at the beginning are fetched: where players begin.
const FIRST_SEGMENTS: usize = 3;

/// How many pictures of an I-frame playlist are fetched.
const FIRST_IFRAMES: usize = 3;

/// After so many failures in a row it is given up.
const FAILURES_MAX: usize = 5;

/// The pace where no target duration is told.
const PACE_USUAL: Duration = Duration::from_secs(2);

/// The pace is never slower, whatever a playlist tells.
const PACE_MAX: Duration = Duration::from_secs(30);

/// Follows the playlist at `url` until the time is over. `whole` asks for every probe; without, only
/// for those that are about this playlist alone.
pub(super) async fn follow(recorder: Arc<Recorder>, url: String, whole: bool) {
    let mut follower = Follower {
        recorder: &recorder,
        url: &url,
        fetched: HashSet::new(),
        hinted: HashSet::new(),
    };
    // What stops it is in the session, or is the time.
    let _ = follower.run(whole).await;
}

/// Looks at an I-frame playlist and at some of its pictures.
pub(super) async fn look_at_iframes(recorder: Arc<Recorder>, url: String) {
    let Ok(exchange) = recorder.fetch(Asked::new(&url, Purpose::Latest)).await else {
        return;
    };
    let Some(playlist) = playlist(&exchange) else {
        return;
    };
    let mut follower = Follower {
        recorder: &recorder,
        url: &url,
        fetched: HashSet::new(),
        hinted: HashSet::new(),
    };
    let _ = follower.fetch_new(&playlist, FIRST_IFRAMES).await;
}

struct Follower<'a> {
    recorder: &'a Arc<Recorder>,
    url: &'a str,
    fetched: HashSet<Resource>,
    hinted: HashSet<Resource>,
}

impl Follower<'_> {
    async fn run(&mut self, whole: bool) -> Result<(), Stopped> {
        let first = self
            .recorder
            .fetch(Asked::new(self.url, Purpose::Latest))
            .await?;
        let Some(mut newest) = playlist(&first) else {
            return Ok(());
        };
        self.fetch_new(&newest, FIRST_SEGMENTS).await?;
        let probes = tokio::spawn(probe::begin(
            Arc::clone(self.recorder),
            self.url.to_owned(),
            newest.clone(),
            whole,
        ));
        let mut failures = 0;
        while !self.recorder.is_over() && newest.end.is_none() && failures < FAILURES_MAX {
            let Some(playlist) = self.next(&newest, failures > 0).await? else {
                failures += 1;
                self.recorder.pause(pace(&newest) / 2).await;
                continue;
            };
            failures = 0;
            self.fetch_new(&playlist, usize::MAX).await?;
            newest = playlist;
        }
        // A panic there is a panic here.
        if let Err(error) = probes.await
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
        probe::end(self.recorder, self.url, &newest).await
    }

    /// The next edition of the playlist; none where the server does not give one.
    async fn next(
        &mut self,
        newest: &MediaPlaylist,
        plainly: bool,
    ) -> Result<Option<MediaPlaylist>, Stopped> {
        let position = newest.next().filter(|_| newest.can_block() && !plainly);
        let Some(position) = position else {
            self.recorder.pause(pace(newest)).await;
            let asked = Asked::new(self.url, Purpose::Latest);
            return Ok(playlist(&self.recorder.fetch(asked).await?));
        };
        let url = with_directives(self.url, position, "");
        let reload = self
            .recorder
            .fetch(Asked::new(&url, Purpose::Reload(position)));
        let hint = newest.part_hint().cloned();
        let (reload, hinted) = tokio::join!(reload, self.fetch_hint(hint));
        hinted?;
        Ok(playlist(&reload?))
    }

    /// Asks for what is hinted before it is there.
    async fn fetch_hint(&mut self, hint: Option<Hint>) -> Result<(), Stopped> {
        let Some(hint) = hint.filter(|hint| self.hinted.insert(hint.resource.clone())) else {
            return Ok(());
        };
        let asked = Asked::new(&hint.resource.url, Purpose::Hinted);
        let exchange = self
            .recorder
            .fetch(asked.range(hint.resource.range))
            .await?;
        if exchange.good().is_some() {
            self.fetched.insert(hint.resource);
        }
        Ok(())
    }

    /// Fetches what was not fetched yet of the last segments, their parts and what they need.
    async fn fetch_new(
        &mut self,
        playlist: &MediaPlaylist,
        segments: usize,
    ) -> Result<(), Stopped> {
        let open = playlist.segments.last().is_some_and(|it| !it.is_whole());
        let listed = playlist.segments.len();
        let skipped = listed.saturating_sub(segments.saturating_add(usize::from(open)));
        for segment in &playlist.segments[..skipped] {
            // They were there before the look began.
            let parts = segment.parts.iter().map(|part| &part.resource);
            let whole = segment.resource.iter().map(|it| &it.value);
            self.fetched.extend(parts.chain(whole).cloned());
        }
        for segment in playlist.segments[skipped..].iter().filter(|it| !it.gap) {
            if let Some(map) = &segment.map {
                self.fetch_one(map, Purpose::Init).await?;
            }
            for part in segment.parts.iter().filter(|part| !part.gap) {
                self.fetch_one(&part.resource, Purpose::Part).await?;
            }
            if let Some(resource) = &segment.resource {
                self.fetch_one(&resource.value, Purpose::Segment).await?;
            }
        }
        Ok(())
    }

    async fn fetch_one(&mut self, resource: &Resource, purpose: Purpose) -> Result<(), Stopped> {
        if self.fetched.insert(resource.clone()) {
            let asked = Asked::new(&resource.url, purpose).range(resource.range);
            self.recorder.fetch(asked).await?;
        }
        Ok(())
    }
}

/// The playlist of an answer, where it is one.
pub(super) fn playlist(exchange: &Exchange) -> Option<MediaPlaylist> {
    let answer = exchange.good()?;
    let playlist = MediaPlaylist::parse(exchange.base(), &answer.body);
    answer.body.starts_with(b"#EXTM3U").then_some(playlist)
}

/// How long to wait between two loads.
fn pace(playlist: &MediaPlaylist) -> Duration {
    match playlist.target() {
        target if target >= 1.0 => Duration::from_secs_f64(target).min(PACE_MAX),
        _ => PACE_USUAL,
    }
}

/// The URL with directives for a position, before any query of its own's end.
pub(super) fn with_directives(url: &str, position: Position, further: &str) -> String {
    let mut directives = format!("_HLS_msn={}", position.msn);
    if let Some(part) = position.part {
        directives.push_str(&format!("&_HLS_part={part}"));
    }
    with_query(url, &format!("{directives}{further}"))
}

/// The URL with this added to its query.
pub(super) fn with_query(url: &str, query: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{query}")
}
