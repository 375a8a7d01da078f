//! From the ladder's samples to the window: one muxer a rendition.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use media_core::graph::{Output, Plan};
use media_core::{BroadcastId, RenditionName, Sample, StreamId, Thumbnail, Track};
use packager::delivery::Archive;
use packager::{DiscontinuitySequence, Live, MediaSequence};
use serde_json::json;
use storage::UserId;
use storage::asset::Reserve;
use storage::dvr::{Folder, Spool};
use storage::recording::Choice;
use storage::time::rfc3339;
use storage::webhooks::EventType;
use tracing::Span;

use super::archive::Shelf;
use super::figures::RenditionFigures;
use super::lane::Lane;
use crate::hooks::Events;
use crate::overload::Known;
use crate::recordings::{self, Recorder, Recording};

/// How far a broadcast's playlists reach.
#[derive(Clone)]
pub(crate) struct Playlists {
    /// The live playlist's length.
    pub(crate) window: Duration,
    /// `None`: viewers cannot rewind further than that.
    pub(crate) rewind: Option<Rewind>,
}

/// How far viewers can rewind, and where its media lies.
#[derive(Clone)]
pub(crate) struct Rewind {
    pub(crate) reach: Duration,
    pub(crate) folder: Folder,
    /// What stays free there.
    pub(crate) reserve: Reserve,
}

/// See the module.
pub(super) struct Packaging {
    live: Live,
    stream: StreamId,
    /// Whose that is; the operator's where it is nobody's.
    owner: Option<UserId>,
    broadcast: BroadcastId,
    playlists: Playlists,
    recording: Wanted,
    events: Events,
    started: OnceLock<Started>,
    failed: AtomicBool,
    /// Whose it is, for what is logged on the encoders' threads.
    span: Span,
}

/// Who records, and what the stream's owner wants recorded.
pub(super) struct Wanted {
    pub(super) recorder: Recorder,
    pub(super) choice: Choice,
}

struct Started {
    plan: Plan,
    window: Arc<packager::Broadcast>,
    recording: Option<Arc<Recording>>,
    figures: Vec<Arc<RenditionFigures>>,
    lanes: Mutex<HashMap<RenditionName, Lane>>,
}

impl Started {
    fn lanes(&self) -> MutexGuard<'_, HashMap<RenditionName, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Packaging {
    pub(super) fn new(
        live: Live,
        stream: StreamId,
        owner: Option<UserId>,
        broadcast: BroadcastId,
        playlists: Playlists,
        recording: Wanted,
        events: Events,
    ) -> Self {
        Self {
            live,
            stream,
            owner,
            broadcast,
            playlists,
            recording,
            events,
            started: OnceLock::new(),
            failed: AtomicBool::new(false),
            span: Span::current(),
        }
    }

    pub(super) fn has_started(&self) -> bool {
        self.started.get().is_some()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// See [`Broadcast::settle`](packager::Broadcast::settle).
    pub(super) fn settle(&self) -> Duration {
        let started = self.started.get();
        started.map_or(Duration::ZERO, |started| started.window.settle())
    }

    /// What viewers are served from, and what its renditions have counted; nothing before the
    /// ladder starts.
    pub(super) fn figures(&self) -> Option<(Arc<packager::Broadcast>, Vec<Arc<RenditionFigures>>)> {
        let started = self.started.get()?;
        Some((Arc::clone(&started.window), started.figures.clone()))
    }

    /// The media, and how far its lowest rung is encoded; `None` before the ladder starts.
    pub(super) fn known(&self, passes_source: bool) -> Option<Known> {
        let Started { plan, figures, .. } = self.started.get()?;
        let lowest = plan.rungs.last().and_then(|rung| {
            let mut figures = figures.iter();
            figures.find(|figures| figures.name() == &rung.name)
        });
        Some(Known {
            rungs: plan.rungs.clone(),
            rate: plan.cadence.rate().as_f64(),
            encoded: lowest.map_or(0, |figures| figures.samples()),
            passes_source,
        })
    }

    /// Closes what is open, ends the playlists and the recording. Waits for the disk.
    pub(super) fn finish(&self) {
        let Some(started) = self.started.get() else {
            return;
        };
        for lane in started.lanes().values_mut() {
            lane.finish(&started.window);
        }
        started.window.end();
        let data = json!({
            "stream_id": self.stream.as_str(),
            "broadcast_id": self.broadcast.as_str(),
            "started_at": rfc3339(started.plan.began),
            "ended_at": rfc3339(SystemTime::now()),
        });
        self.events
            .tell(EventType::BroadcastEnded, self.owner(), data);
        if let Some(recording) = &started.recording {
            recording.end();
        }
    }

    fn owner(&self) -> Option<String> {
        self.owner.as_ref().map(ToString::to_string)
    }

    fn spool(&self) -> Option<Spool> {
        let rewind = self.playlists.rewind.as_ref()?;
        let (folder, reserve) = (rewind.folder.clone(), rewind.reserve);
        match Spool::start(folder, reserve, self.broadcast.to_string()) {
            Ok(spool) => Some(spool),
            Err(error) => {
                tracing::warn!(stream = %self.stream, %error, "viewers cannot rewind this broadcast");
                None
            }
        }
    }

    fn record(&self, plan: &Plan) -> Option<Arc<Recording>> {
        let subject = recordings::Subject {
            stream: self.stream.clone(),
            broadcast: self.broadcast.clone(),
            began: plan.began,
            renditions: plan.renditions.clone(),
        };
        let Wanted { recorder, choice } = &self.recording;
        recorder.record(subject, choice)
    }
}

impl Output for Packaging {
    fn started(&self, plan: &Plan) {
        // The stream's previous broadcast may still be draining; two cannot share its URL.
        if let Some(previous) = self.live.broadcast(&self.stream) {
            previous.end();
        }
        let (sequence, discontinuities) = first_numbers(plan.began);
        let (spool, recording) = (self.spool(), self.record(plan));
        let rewind = self.playlists.rewind.as_ref().filter(|_| spool.is_some());
        let reach = rewind.map(|rewind| rewind.reach);
        let archive: Option<Arc<dyn Archive>> = match spool.is_some() || recording.is_some() {
            true => Some(Arc::new(Shelf::new(spool, recording.clone()))),
            false => None,
        };
        let window = self.live.start(
            self.stream.clone(),
            packager::Plan {
                broadcast: self.broadcast.clone(),
                target_duration_s: plan.cadence.target_duration_s(),
                part_target: plan.cadence.part_target(),
                window_segments: segments_in(self.playlists.window, plan.cadence.segment()),
                dvr: reach,
                began: plan.began,
                renditions: plan.renditions.clone(),
                first_sequence: MediaSequence::new(sequence),
                discontinuity_sequence: DiscontinuitySequence::new(discontinuities),
            },
            archive,
        );
        tracing::info!(
            stream = %self.stream,
            broadcast = %self.broadcast,
            frame_rate = %plan.cadence.rate(),
            renditions = plan.renditions.iter().map(RenditionName::as_str).collect::<Vec<_>>().join(","),
            part_ms = plan.cadence.part_target().as_millis(),
            "broadcast started"
        );
        let figures = plan.renditions.iter().cloned().map(RenditionFigures::new);
        let started = Started {
            plan: plan.clone(),
            window,
            recording,
            figures: figures.map(Arc::new).collect(),
            lanes: Mutex::new(HashMap::new()),
        };
        assert!(
            self.started.set(started).is_ok(),
            "a ladder starts once a broadcast"
        );
        let data = json!({
            "stream_id": self.stream.as_str(),
            "broadcast_id": self.broadcast.as_str(),
            "started_at": rfc3339(plan.began),
        });
        self.events
            .tell(EventType::BroadcastStarted, self.owner(), data);
    }

    fn track(&self, track: Track) {
        let _broadcast = self.span.enter();
        let Some(started) = self.started.get() else {
            return;
        };
        let of_track = |figures: &&Arc<_>| RenditionFigures::name(figures) == &track.rendition;
        let Some(figures) = started.figures.iter().find(of_track) else {
            tracing::error!(stream = %self.stream, rendition = %track.rendition, "a track that was not planned");
            return self.failed();
        };
        match Lane::new(&track, started.plan.cadence, Arc::clone(figures)) {
            Ok((lane, init)) => {
                started.lanes().insert(track.rendition, lane);
                if let Some(recording) = &started.recording {
                    recording.init(&init);
                }
                started.window.init(init);
            }
            Err(error) => {
                tracing::error!(stream = %self.stream, %error, "an encoder's output is not usable");
                self.failed();
            }
        }
    }

    fn sample(&self, rendition: &RenditionName, sample: Sample) {
        let _broadcast = self.span.enter();
        let Some(started) = self.started.get() else {
            return;
        };
        // The window is pushed under the lock: a rendition's chunks must not overtake each other.
        if let Some(lane) = started.lanes().get_mut(rendition) {
            lane.push(sample, &started.window);
        }
    }

    fn thumbnail(&self, thumbnail: Thumbnail) {
        let _broadcast = self.span.enter();
        if let Some(started) = self.started.get() {
            if let Some(recording) = &started.recording {
                recording.thumbnail(&thumbnail);
            }
            started.window.set_thumbnail(thumbnail.jpeg);
        }
    }

    fn failed(&self) {
        self.failed.store(true, Ordering::Release);
    }
}

/// Media and discontinuity sequence numbers past every one that this stream's playlists can have
/// shown, also before the process was started anew: a running viewer's must never go back
/// (draft-pantos-hls-rfc8216bis §6.2.2). Seconds count up at least as fast as segments do. A
/// broadcast has one discontinuity, at its beginning: while the process runs each counts on from the
/// last, and across its restarts a stream has to begin less often than every ten minutes.
///
/// Not in seconds too: hls.js 1.7.4 keeps an array with the discontinuity sequence for its index
/// and walks all of it at each reload, 0.6 s where that is 28 million, a millisecond where it is 50,000.
fn first_numbers(began: SystemTime) -> (u64, u64) {
    /// 2026-01-01T00:00:00Z: shorter numbers than the seconds since 1970.
    const EPOCH: Duration = Duration::from_secs(1_767_225_600);
    const DISCONTINUITY_EVERY_S: u64 = 600;
    let since = began.duration_since(SystemTime::UNIX_EPOCH + EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    (seconds, seconds / DISCONTINUITY_EVERY_S)
}

fn segments_in(window: Duration, segment: Duration) -> usize {
    let count = window.as_nanos().div_ceil(segment.as_nanos().max(1));
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hls_js_is_not_slowed_down_by_large_discontinuity_sequence_numbers() {
        let at = |rfc3339: &str| first_numbers(humantime::parse_rfc3339(rfc3339).expect("a date"));
        assert_eq!(at("2026-01-01T00:00:00Z"), (0, 0));
        assert_eq!(at("1970-01-01T00:00:00Z"), (0, 0));
        let (sequence, discontinuities) = at("2036-01-01T00:00:00Z");
        assert_eq!(sequence, 315_532_800);
        assert!(discontinuities < 1_000_000, "{discontinuities}");
        let (_, later) = at("2036-01-01T00:10:00Z");
        assert_eq!(later, discontinuities + 1);
    }
}
