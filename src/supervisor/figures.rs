//! What broadcasts have counted and measured, for the operator. Written with atomics where the
//! work is done; taking them waits for no encoder.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ingest::Protocol;
use media_core::graph::Meters;
use media_core::{Histogram, RenditionName, Sample, StreamId};

use super::{Publishing, Supervisor};

/// A running broadcast's figures.
pub(crate) struct Figures {
    pub(crate) stream: StreamId,
    /// How its publisher came; `None` while there is none.
    pub(crate) publisher: Option<Protocol>,
    /// What is known of those who publish now.
    pub(crate) publishers: Vec<Publishing>,
    /// Bytes of media that its publishers have sent.
    pub(crate) received_bytes: u64,
    /// Its intake and its ladder.
    pub(crate) meters: Arc<Meters>,
    /// Its viewers and parts; `None` until the ladder starts.
    pub(crate) window: Option<Arc<packager::Broadcast>>,
    /// In the order of the ladder; empty until it starts.
    pub(crate) renditions: Vec<Arc<RenditionFigures>>,
}

/// What a rendition has yielded. Monotonic.
#[derive(Debug)]
pub(crate) struct RenditionFigures {
    name: RenditionName,
    samples: AtomicU64,
    media_nanos: AtomicU64,
    bytes: AtomicU64,
    parts: AtomicU64,
    segments: AtomicU64,
    part: Histogram,
}

impl RenditionFigures {
    pub(super) fn new(name: RenditionName) -> Self {
        Self {
            name,
            samples: AtomicU64::new(0),
            media_nanos: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            parts: AtomicU64::new(0),
            segments: AtomicU64::new(0),
            part: Histogram::default(),
        }
    }

    /// A coded sample came.
    pub(super) fn sample(&self, sample: &Sample) {
        // 584 years.
        let nanos = u64::try_from(sample.duration.as_nanos()).unwrap_or(u64::MAX);
        self.samples.fetch_add(1, Ordering::Relaxed);
        self.media_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.bytes
            .fetch_add(sample.data.len() as u64, Ordering::Relaxed);
    }

    /// A part was published, so long after its first sample came.
    pub(super) fn part(&self, starts_segment: bool, took: Duration) {
        self.parts.fetch_add(1, Ordering::Relaxed);
        self.segments
            .fetch_add(u64::from(starts_segment), Ordering::Relaxed);
        self.part.observe(took);
    }

    /// The rendition.
    pub(crate) fn name(&self) -> &RenditionName {
        &self.name
    }

    /// Pictures or AAC frames.
    pub(crate) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// How much media they are.
    pub(crate) fn media(&self) -> Duration {
        Duration::from_nanos(self.media_nanos.load(Ordering::Relaxed))
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Parts published.
    pub(crate) fn parts(&self) -> u64 {
        self.parts.load(Ordering::Relaxed)
    }

    /// Segments begun.
    pub(crate) fn segments(&self) -> u64 {
        self.segments.load(Ordering::Relaxed)
    }

    /// From a part's first sample to its publication: what a viewer waits for a part to fill.
    pub(crate) fn part_durations(&self) -> &Histogram {
        &self.part
    }
}

/// What the process's publishers did, over all broadcasts. Monotonic.
#[derive(Debug, Default)]
pub(crate) struct Publications {
    begun: [AtomicU64; Protocol::ALL.len()],
    lost: AtomicU64,
}

impl Publications {
    pub(super) fn note_begun(&self, protocol: Protocol) {
        self.begun[protocol as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Publications that began by `protocol`.
    pub(crate) fn begun(&self, protocol: Protocol) -> u64 {
        self.begun[protocol as usize].load(Ordering::Relaxed)
    }

    /// Publishers that went without a goodbye while their broadcast ran.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Supervisor {
    /// Every running broadcast's figures, in the order of their streams.
    pub(crate) fn figures(&self) -> Vec<Figures> {
        let broadcasts: Vec<_> = self.inner.broadcasts().values().cloned().collect();
        let mut figures: Vec<_> = broadcasts.iter().map(|it| it.figures()).collect();
        figures.sort_by(|a, b| a.stream.cmp(&b.stream));
        figures
    }

    /// What publishers did.
    pub(crate) fn publications(&self) -> &Publications {
        &self.inner.publications
    }
}
