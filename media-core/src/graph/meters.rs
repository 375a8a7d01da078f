//! What the threads of a broadcast's pipelines count and measure, for the operator: written with
//! atomics where the work is done, read by whoever wants to know. Nothing here waits for anything.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::source_faults::SourceFaults;
use crate::histogram::Histogram;
use crate::id::RenditionName;
use crate::timeline::Counters;

/// One broadcast's figures, over all of its publishers. Monotonic but for what waits.
#[derive(Debug)]
pub struct Meters {
    intake: Histogram,
    /// Microseconds, since it was taken last; [`NO_WAIT`] for none.
    shortest_intake: AtomicU64,
    encode: OnceLock<Vec<(RenditionName, Arc<Histogram>)>>,
    passes_source: AtomicBool,
    queued_bytes: AtomicU64,
    dropped_bytes: AtomicU64,
    timeline: TimelineMeters,
    faults: SourceFaults,
}

/// No picture has come through the intake.
const NO_WAIT: u64 = u64::MAX;

/// [`Counters`], each on its own.
#[derive(Debug, Default)]
struct TimelineMeters {
    frames_dropped: AtomicU64,
    frames_repeated: AtomicU64,
    frames_filled: AtomicU64,
    samples_silenced: AtomicU64,
    samples_cut: AtomicU64,
    samples_stretched: AtomicU64,
    clock_jumps: AtomicU64,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            intake: Histogram::default(),
            shortest_intake: AtomicU64::new(NO_WAIT),
            encode: OnceLock::new(),
            passes_source: AtomicBool::new(false),
            queued_bytes: AtomicU64::new(0),
            dropped_bytes: AtomicU64::new(0),
            timeline: TimelineMeters::default(),
            faults: SourceFaults::default(),
        }
    }
}

impl Meters {
    /// What is found wrong with the publishers' media is said in `span`.
    pub(super) fn said_in(span: tracing::Span) -> Self {
        Self {
            faults: SourceFaults::new(span),
            ..Self::default()
        }
    }

    /// What was found wrong with the publishers' media.
    pub fn faults(&self) -> &SourceFaults {
        &self.faults
    }

    /// From a coded picture's entry into the intake to its leaving it decoded and in the
    /// broadcast's form: waiting for the decoder included. Of a transport stream it begins behind
    /// the demultiplexer, whose own hold is not in it; that of the parser is, which knows a
    /// picture's end by the beginning of the next one.
    pub fn intake(&self) -> &Histogram {
        &self.intake
    }

    /// The shortest time that a picture took through the intake since the last call; `None`: none
    /// came. While it is long, what waits does not get less.
    pub fn take_shortest_intake(&self) -> Option<Duration> {
        match self.shortest_intake.swap(NO_WAIT, Ordering::Relaxed) {
            NO_WAIT => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// Of each rendition, from a picture's (or an AAC frame's last sample's) being handed to the
    /// ladder to its coming out coded: waiting for a busy encoder and scaling included. Empty until
    /// the ladder starts.
    pub fn encode(&self) -> &[(RenditionName, Arc<Histogram>)] {
        self.encode.get().map_or(&[], Vec::as_slice)
    }

    /// Whether the highest rung is the source as it comes, as of the last picture.
    pub fn passes_source(&self) -> bool {
        self.passes_source.load(Ordering::Relaxed)
    }

    /// Bytes of coded pictures (of a transport stream: of all of it) that wait before the intake
    /// pipeline, as of the last that came.
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of coded media that were dropped because too much waited.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes.load(Ordering::Relaxed)
    }

    /// What the Timeline had to mend.
    pub fn timeline(&self) -> Counters {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let meters = &self.timeline;
        Counters {
            frames_dropped: of(&meters.frames_dropped),
            frames_repeated: of(&meters.frames_repeated),
            frames_filled: of(&meters.frames_filled),
            samples_silenced: of(&meters.samples_silenced),
            samples_cut: of(&meters.samples_cut),
            samples_stretched: of(&meters.samples_stretched),
            clock_jumps: of(&meters.clock_jumps),
        }
    }

    /// A picture took so long through the intake.
    pub(super) fn note_intake(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(NO_WAIT);
        self.shortest_intake.fetch_min(micros, Ordering::Relaxed);
        self.intake.observe(took);
    }

    /// The ladder starts with these renditions.
    pub(super) fn ladder_starts(&self, renditions: &[RenditionName]) {
        let encode = renditions.iter().map(|name| (name.clone(), Arc::default()));
        // A ladder starts once a broadcast.
        let _started_before = self.encode.set(encode.collect());
    }

    /// Where the encoder of `rendition` writes how long it took.
    pub(super) fn encode_of(&self, rendition: &RenditionName) -> Arc<Histogram> {
        let of_it = self.encode().iter().find(|(name, _)| name == rendition);
        // One that nobody announced is measured for nobody.
        of_it.map_or_else(Arc::default, |(_, histogram)| Arc::clone(histogram))
    }

    pub(super) fn set_passes_source(&self, passes: bool) {
        self.passes_source.store(passes, Ordering::Relaxed);
    }

    pub(super) fn set_queued_bytes(&self, bytes: u64) {
        self.queued_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_dropped_bytes(&self, bytes: u64) {
        self.dropped_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn set_timeline(&self, counters: Counters) {
        let meters = &self.timeline;
        for (meter, count) in [
            (&meters.frames_dropped, counters.frames_dropped),
            (&meters.frames_repeated, counters.frames_repeated),
            (&meters.frames_filled, counters.frames_filled),
            (&meters.samples_silenced, counters.samples_silenced),
            (&meters.samples_cut, counters.samples_cut),
            (&meters.samples_stretched, counters.samples_stretched),
            (&meters.clock_jumps, counters.clock_jumps),
        ] {
            meter.store(count, Ordering::Relaxed);
        }
    }
}
