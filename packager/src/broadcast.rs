//! One broadcast: the windows of its renditions, fed by encoder threads, and the editions of
//! them that viewers are served from.
//!
//! Each chunk makes a new edition of its rendition; its playlists are rendered when somebody asks,
//! once for all, so that an encoder thread never waits for a text.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use media_core::{BroadcastId, Chunk, Histogram, Init, InitKind, RenditionName};

use crate::delivery::{Archive, Stored};
use crate::delivery::{Feed, Sign, Viewers};
use crate::edition::{Edition, Kind};
use crate::fault::{Fault, Faults};
use crate::master::Master;
use crate::plan::Plan;
use crate::playlist::media::Report;
use crate::playlist::multivariant;
use crate::sequence::{DiscontinuitySequence, MediaSequence};
use crate::thumbnail::Thumbnail;
use crate::window::Window;

/// Over how many target durations requests for playlists are counted.
const VIEWERS_TARGETS: u32 = 3;

/// How often a watch page says that it plays.
pub const PAGE_EVERY: Duration = Duration::from_secs(5);

/// A going-live of a stream. Its methods may be called from any thread; they hold a lock for as
/// long as it takes to render a playlist.
pub struct Broadcast {
    plan: Arc<Plan>,
    /// Where older segments go; `None`: viewers may not rewind.
    archive: Option<Arc<dyn Archive>>,
    /// As `plan.renditions`, in the same order.
    feeds: Vec<Feed>,
    /// By their requests for playlists.
    viewers: Viewers,
    /// By what watch pages say: also those whose playlists come out of a cache.
    pages: Viewers,
    /// The multivariant playlist; there from the moment every rendition can be played.
    master: ArcSwapOption<Master>,
    /// The latest, while it runs.
    thumbnail: ArcSwapOption<Thumbnail>,
    state: Mutex<State>,
}

struct State {
    /// As `plan.renditions`, in the same order; there once the initialization segment is.
    renditions: Vec<Option<Rendition>>,
    ended: bool,
    faults: Faults,
}

struct Rendition {
    init: Init,
    window: Window,
    /// The last segment that the archive was given.
    archived: Option<MediaSequence>,
}

impl Broadcast {
    pub(crate) fn new(mut plan: Plan, archive: Option<Arc<dyn Archive>>) -> Self {
        if archive.is_none() {
            plan.dvr = None;
        }
        let count = plan.renditions.len();
        Self {
            feeds: (0..count).map(|_| Feed::default()).collect(),
            viewers: Viewers::new(plan.target_duration() * VIEWERS_TARGETS),
            pages: Viewers::new(PAGE_EVERY * 2),
            master: ArcSwapOption::empty(),
            thumbnail: ArcSwapOption::empty(),
            state: Mutex::new(State {
                renditions: (0..count).map(|_| None).collect(),
                ended: false,
                faults: Faults::default(),
            }),
            plan: Arc::new(plan),
            archive,
        }
    }

    /// Takes a rendition's initialization segment.
    pub fn init(&self, init: Init) {
        let mut state = self.state();
        let Some(index) = self.index(init.rendition.as_str()) else {
            return self.note(&mut state, &init.rendition, Fault::UnknownRendition);
        };
        if state.ended {
            return self.note(&mut state, &init.rendition, Fault::AfterEnd);
        }
        if state.renditions[index].is_some() {
            return self.note(&mut state, &init.rendition, Fault::SecondInit);
        }
        let window = Window::new(&self.plan, init.kind);
        state.renditions[index] = Some(Rendition {
            init,
            window,
            archived: None,
        });
        self.publish(&state, index);
    }

    /// Takes the next chunk of a rendition. One that does not fit is dropped, counted and logged.
    pub fn push(&self, chunk: Chunk) {
        let mut state = self.state();
        let name = chunk.rendition.clone();
        let Some(index) = self.index(name.as_str()) else {
            return self.note(&mut state, &name, Fault::UnknownRendition);
        };
        let Some(rendition) = &mut state.renditions[index] else {
            return self.note(&mut state, &name, Fault::BeforeInit);
        };
        let pushed = rendition.window.push(chunk);
        match pushed {
            Ok(pushed) => {
                if let Some(oddity) = pushed.oddity {
                    self.note(&mut state, &name, oddity);
                }
            }
            Err(fault) => self.note(&mut state, &name, fault),
        }
        // Also after a fault: it may have closed a segment.
        let closed = !matches!(pushed, Ok(pushed) if !pushed.closed);
        if closed {
            self.archive(&mut state, index);
        }
        self.publish(&state, index);
        if closed {
            self.publish_master(&state);
        }
    }

    /// Shows viewers this JPEG as what the broadcast looks like now. After the end it is left out.
    pub fn set_thumbnail(&self, jpeg: Bytes) {
        let thumbnail = Arc::new(Thumbnail::new(jpeg));
        let state = self.state();
        if !state.ended {
            self.thumbnail.store(Some(thumbnail));
        }
    }

    /// Lets every rendition's next segment begin with a discontinuity. To be called between the
    /// last chunk of a segment and the first of the next, of all renditions, so that it stands at
    /// the same place in all.
    pub fn discontinuity(&self) {
        for rendition in self.state().renditions.iter_mut().flatten() {
            rendition.window.discontinuity();
        }
    }

    /// Ends the broadcast: open segments are closed, playlists get their `EXT-X-ENDLIST`, and
    /// whoever waits is answered. What it has stays served, but for the thumbnail, which would tell
    /// of something that is over.
    pub fn end(&self) {
        let mut state = self.state();
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        self.thumbnail.store(None);
        for rendition in state.renditions.iter_mut().flatten() {
            rendition.window.end();
        }
        for index in 0..self.feeds.len() {
            self.archive(&mut state, index);
            self.publish(&state, index);
        }
        self.publish_master(&state);
        let faults: Vec<_> = state.faults.seen().collect();
        tracing::debug!(broadcast = %self.plan.broadcast, ?faults, "playlists ended");
    }

    /// Some time after the end: frees the memory of what the archive has. How long the rest is to
    /// be served for those who still watch it: as long as its longest playlist plays
    /// (draft-pantos-hls-rfc8216bis §6.2.2).
    pub fn settle(&self) -> Duration {
        let (Some(archive), Some(dvr)) = (&self.archive, self.plan.dvr) else {
            return Duration::ZERO;
        };
        let mut state = self.state();
        for Rendition { init, window, .. } in state.renditions.iter_mut().flatten() {
            window.settle(|sequence| archive.find(&init.rendition, sequence).is_some());
        }
        for index in 0..self.feeds.len() {
            self.publish(&state, index);
        }
        dvr
    }

    /// Its identifier.
    pub fn id(&self) -> &BroadcastId {
        &self.plan.broadcast
    }

    /// What it was planned as, with the sequence numbers that it really began with.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether every rendition can be played.
    pub fn playable(&self) -> bool {
        self.master.load().is_some()
    }

    /// Whether it runs and has a thumbnail.
    pub fn has_thumbnail(&self) -> bool {
        self.thumbnail.load().is_some()
    }

    /// Notes that a watch page plays it, as that will say again after [`PAGE_EVERY`].
    pub fn note_page(&self) {
        self.pages.note(Sign::Reload(PAGE_EVERY));
    }

    /// How many watch it now: by requests for playlists, or by watch pages where those are more,
    /// because a cache answers for this process. Not their sum: a page without a cache is in both.
    pub fn viewers_now(&self) -> u32 {
        self.viewers.count().max(self.pages.count())
    }

    /// The most that watched it at a time.
    pub fn viewers_peak(&self) -> u32 {
        self.viewers.peak().max(self.pages.peak())
    }

    /// Of each rendition, as in the plan: from a part's publication to the answer of each request
    /// that was held for it.
    pub fn answered(&self) -> impl Iterator<Item = (&RenditionName, &Histogram)> {
        let feeds = self.feeds.iter().map(Feed::answered);
        self.plan.renditions.iter().zip(feeds)
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.state().ended
    }

    /// What was wrong with what it was given.
    pub fn faults(&self) -> Faults {
        self.state().faults.clone()
    }

    /// The sequence numbers with which the stream's next broadcast continues: past every segment
    /// of every rendition, and a discontinuity further.
    pub(crate) fn continuation(&self) -> (MediaSequence, DiscontinuitySequence) {
        let state = self.state();
        let windows = || state.renditions.iter().flatten().map(|r| &r.window);
        let sequence = windows().map(|window| match window.open() {
            Some(open) => open.sequence.next(),
            None => window.open_sequence(),
        });
        let discontinuity = windows().map(Window::discontinuity_sequence);
        (
            sequence.max().unwrap_or(self.plan.first_sequence),
            discontinuity
                .max()
                .unwrap_or(self.plan.discontinuity_sequence)
                .next(),
        )
    }

    /// The multivariant playlist, from the moment when every rendition can be played.
    pub(crate) fn master(&self) -> Option<Arc<Master>> {
        self.master.load_full()
    }

    /// The latest thumbnail.
    pub(crate) fn thumbnail(&self) -> Option<Arc<Thumbnail>> {
        self.thumbnail.load_full()
    }

    /// Where a segment lies that is not in memory any more.
    pub(crate) fn archived(&self, rendition: &str, sequence: MediaSequence) -> Option<Stored> {
        let rendition = &self.plan.renditions[self.index(rendition)?];
        self.archive.as_ref()?.find(rendition, sequence)
    }

    /// Where requests of viewers are noted.
    pub(crate) fn viewers(&self) -> &Viewers {
        &self.viewers
    }

    /// The editions of the rendition with this name.
    pub(crate) fn feed(&self, rendition: &str) -> Option<&Feed> {
        self.feeds.get(self.index(rendition)?)
    }

    fn index(&self, rendition: &str) -> Option<usize> {
        // A handful of names: comparing them all is faster than hashing one.
        let mut names = self.plan.renditions.iter();
        names.position(|name| name.as_str() == rendition)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock leaves at worst one chunk half taken; viewers go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows viewers the rendition's present state and wakes those who wait for it.
    fn publish(&self, state: &State, index: usize) {
        let Some(Rendition { init, window, .. }) = &state.renditions[index] else {
            return;
        };
        let plan = &self.plan;
        let others = state.renditions.iter().enumerate();
        let reports = others
            .filter(|&(other, _)| other != index)
            .filter_map(|(_, other)| {
                let other = other.as_ref()?;
                Some(Report {
                    rendition: other.init.rendition.clone(),
                    last: other.window.last_part()?,
                })
            });
        self.feeds[index].publish(Edition {
            plan: plan.clone(),
            kind: match init.kind {
                InitKind::Video { .. } => Kind::Video,
                InitKind::Audio { .. } => Kind::Audio,
            },
            init: init.bytes.clone(),
            history: window.history().clone(),
            segments: window.held().iter().cloned().collect(),
            open: window.open().cloned().map(Arc::new),
            open_sequence: window.open_sequence(),
            discontinuity_sequence: window.discontinuity_sequence(),
            hint: window.hint(),
            reports: reports.collect(),
            ended: window.ended(),
            texts: Default::default(),
        });
        if let Some((sequence, part)) = window.last_part() {
            let (broadcast, rendition) = (&plan.broadcast, &init.rendition);
            tracing::trace!(%broadcast, %rendition, %sequence, %part, "part published");
        }
    }

    /// Hands the latest complete segment to the archive, and forgets what that has lost.
    fn archive(&self, state: &mut State, index: usize) {
        let (Some(archive), Some(rendition)) = (&self.archive, &mut state.renditions[index]) else {
            return;
        };
        let (name, window) = (&rendition.init.rendition, &mut rendition.window);
        let latest = window.held().back();
        if let Some(segment) = latest.filter(|latest| rendition.archived < Some(latest.sequence)) {
            rendition.archived = Some(segment.sequence);
            archive.store(name, segment);
        }
        window.forget_before(archive.oldest(name));
        if let Some(oldest) = window.history().front() {
            archive.forget_before(name, oldest.sequence);
        }
    }

    /// Makes the multivariant playlist anew with the rates measured by now; nothing before
    /// every expected rendition has its initialization and one complete segment, since players
    /// choke on a playlist without a segment.
    fn publish_master(&self, state: &State) {
        let playable = |rendition: &Option<Rendition>| {
            let rendition = rendition.as_ref();
            rendition.is_some_and(|rendition| !rendition.window.held().is_empty())
        };
        if state.renditions.is_empty() || !state.renditions.iter().all(playable) {
            return;
        }
        let renditions: Vec<_> = state
            .renditions
            .iter()
            .flatten()
            .map(|Rendition { init, window, .. }| {
                let average_bps = window.average_bps();
                // Measured on one segment a peak says little: the encoder's own rate is the floor.
                let floor_bps = average_bps.max(u64::from(init.bitrate.as_bps()));
                multivariant::Rendition {
                    name: init.rendition.clone(),
                    codec: init.codec.clone(),
                    kind: init.kind,
                    peak_bps: window.peak_bps().max(floor_bps),
                    average_bps,
                    iframe_peak_bps: window.iframe_peak_bps(),
                }
            })
            .collect();
        let master = Arc::new(Master::new(renditions, Vec::new()));
        if self.master.swap(Some(master)).is_none() {
            tracing::info!(broadcast = %self.plan.broadcast, "broadcast playable");
        }
    }

    fn note(&self, state: &mut State, rendition: &RenditionName, fault: Fault) {
        let count = state.faults.note(fault);
        // A fault may come with every chunk: the log shows that it goes on, not each of them.
        if count.is_power_of_two() {
            tracing::error!(broadcast = %self.plan.broadcast, %rendition, %fault, count, "media fault");
        }
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Broadcast");
        shown.field("id", self.id()).field("ended", &self.ended());
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
