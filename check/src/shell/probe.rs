//! What no player asks: blocking reloads for what is there, for what is far ahead and for what
//! cannot be; a delta update beside the whole; a range; a second fetch; a URL that leads nowhere.

use std::sync::Arc;
use std::time::Duration;

use super::recorder::{Asked, Recorder, Stopped};
use super::rendition::{playlist, with_directives, with_query};
use crate::playlist::{MediaPlaylist, resolve};
use crate::session::{ByteRange, Position, Purpose};

/// How often it is asked for what is there: any single answer may be late.
const EXISTING: usize = 3;

/// How far ahead is far: two segments are the most that a server may wait for.
const FAR_AHEAD: u64 = 20;

/// What has to be refused is refused at once, or held in vain.
const REFUSAL_MAX: Duration = Duration::from_secs(4);

/// A file that nobody has.
const NOWHERE: &str = "millrace-check-absent.m4s";

/// The probes at the beginning.
pub(super) async fn begin(
    recorder: Arc<Recorder>,
    url: String,
    newest: MediaPlaylist,
    whole: bool,
) {
    let probes = Probes {
        recorder: &recorder,
        url: &url,
        newest: &newest,
    };
    // What stops them is the look's end.
    let _ = probes.begin(whole).await;
}

/// The probes at the end, when there is more to compare.
pub(super) async fn end(
    recorder: &Arc<Recorder>,
    url: &str,
    newest: &MediaPlaylist,
) -> Result<(), Stopped> {
    let probes = Probes {
        recorder,
        url,
        newest,
    };
    probes.compare_delta().await?;
    probes.fetch_again().await
}

struct Probes<'a> {
    recorder: &'a Recorder,
    url: &'a str,
    newest: &'a MediaPlaylist,
}

impl Probes<'_> {
    async fn begin(&self, whole: bool) -> Result<(), Stopped> {
        let identity = Asked::new(self.url, Purpose::Identity).identity();
        self.recorder.fetch(identity).await?;
        if whole {
            self.ask_for_a_range().await?;
            self.ask_for_nothing().await?;
        }
        if !self.newest.can_block() {
            return Ok(());
        }
        let Some(last) = self.newest.last() else {
            return Ok(());
        };
        for _ in 0..EXISTING {
            let url = with_directives(self.url, last, "");
            let asked = Asked::new(&url, Purpose::Existing(last));
            self.recorder.fetch(asked).await?;
        }
        self.compare_delta().await?;
        if whole {
            self.ask_for_what_cannot_be(last).await?;
        }
        Ok(())
    }

    async fn ask_for_what_cannot_be(&self, last: Position) -> Result<(), Stopped> {
        let far = Position {
            msn: last.msn.saturating_add(FAR_AHEAD),
            part: None,
        };
        let url = with_directives(self.url, far, "");
        let asked = Asked::new(&url, Purpose::FarAhead).within(REFUSAL_MAX);
        self.recorder.fetch(asked).await?;
        let url = with_query(self.url, "_HLS_part=0");
        let asked = Asked::new(&url, Purpose::PartAlone).within(REFUSAL_MAX);
        self.recorder.fetch(asked).await?;
        let mut whole = self.newest.whole().rev();
        let Some(segment) = whole.find(|segment| !segment.parts.is_empty()) else {
            return Ok(());
        };
        let past = Position {
            msn: segment.msn,
            part: Some(segment.parts.len() as u64),
        };
        let url = with_directives(self.url, past, "");
        let asked = Asked::new(&url, Purpose::PartPastEnd(segment.msn));
        self.recorder.fetch(asked).await?;
        Ok(())
    }

    /// The whole first, so that the delta is never older.
    async fn compare_delta(&self) -> Result<(), Stopped> {
        if self.newest.can_skip_until().is_none() || self.newest.end.is_some() {
            return Ok(());
        }
        let Some(last) = self.newest.last() else {
            return Ok(());
        };
        let url = with_directives(self.url, last, "");
        self.recorder
            .fetch(Asked::new(&url, Purpose::Full(last)))
            .await?;
        let url = with_directives(self.url, last, "&_HLS_skip=YES");
        self.recorder
            .fetch(Asked::new(&url, Purpose::Delta(last)))
            .await?;
        Ok(())
    }

    async fn ask_for_a_range(&self) -> Result<(), Stopped> {
        let segment = self.newest.whole().last();
        let Some(resource) = segment.and_then(|it| it.resource.as_ref()) else {
            return Ok(());
        };
        if resource.value.range.is_some() {
            return Ok(());
        }
        let range = ByteRange {
            first: 100,
            len: Some(200),
        };
        let asked = Asked::new(&resource.value.url, Purpose::Middle).range(Some(range));
        self.recorder.fetch(asked).await?;
        Ok(())
    }

    async fn ask_for_nothing(&self) -> Result<(), Stopped> {
        let segment = self.newest.whole().last();
        let Some(resource) = segment.and_then(|it| it.resource.as_ref()) else {
            return Ok(());
        };
        let url = resolve(&resource.value.url, NOWHERE);
        self.recorder
            .fetch(Asked::new(&url, Purpose::Absent))
            .await?;
        Ok(())
    }

    /// The oldest segment that this look has and that the playlist still lists.
    async fn fetch_again(&self) -> Result<(), Stopped> {
        let url = self.url;
        let exchange = self
            .recorder
            .fetch(Asked::new(url, Purpose::Latest))
            .await?;
        let newest = playlist(&exchange);
        let listed = newest.as_ref().unwrap_or(self.newest);
        // The last but one: it was fetched in any case, and stays for a while.
        let segment = listed.whole().rev().nth(1);
        let Some(resource) = segment.and_then(|it| it.resource.as_ref()) else {
            return Ok(());
        };
        let asked = Asked::new(&resource.value.url, Purpose::Again).range(resource.value.range);
        self.recorder.fetch(asked).await?;
        Ok(())
    }
}
