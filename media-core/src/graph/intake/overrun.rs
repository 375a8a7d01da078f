//! What becomes of media that comes faster than it is decoded: past a bound in bytes and in time it is
//! dropped up to a place where decoding can go on, and counted.

use std::time::{Duration, Instant};

use gstreamer_app as gst_app;

use super::waiting::Waiting;
use super::{IntakeError, OVERRUN_MAX, QUEUED_BYTES_MAX};
use crate::graph::meters::Meters;

/// How long media may wait for its decoder, so that a low bitrate is no long delay: longer than it takes until all is
/// shed that can be ([`Shed`](crate::graph::Shed)). Past it everything up to the next keyframe is
/// dropped too.
const QUEUED_FOR_MAX: Duration = Duration::from_secs(12);

/// What waits before the pipeline.
pub(super) struct Queue<'a> {
    pub(super) source: &'a gst_app::AppSrc,
    /// Whether it is the one of which is watched how long that has waited.
    pub(super) is_timed: bool,
}

/// Whether media is being dropped because the queue was full.
pub(super) struct Overrun {
    began: Instant,
    waiting: Waiting,
    dropping_since: Option<Instant>,
    pub(super) dropped_bytes: u64,
}

impl Default for Overrun {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            waiting: Waiting::default(),
            dropping_since: None,
            dropped_bytes: 0,
        }
    }
}

impl Overrun {
    /// Whether a unit may enter the queue; after an overflow only from a `resume_point` on and once
    /// half the queue is free.
    pub(super) fn admits(
        &mut self,
        queue: Queue<'_>,
        bytes: usize,
        resume_point: bool,
        meters: &Meters,
    ) -> Result<bool, IntakeError> {
        let level = queue.source.current_level_bytes();
        let now = self.began.elapsed();
        let waited = match queue.is_timed {
            true => self.waiting.longest(level, now),
            false => Duration::ZERO,
        };
        let is_below = |part: u32| {
            level < QUEUED_BYTES_MAX / u64::from(part) && waited < QUEUED_FOR_MAX / part
        };
        match self.dropping_since {
            None if is_below(1) => {
                if queue.is_timed {
                    self.waiting.enter(bytes, now);
                }
                return Ok(true);
            }
            None => {
                tracing::warn!(
                    queued_bytes = level,
                    queued_ms = waited.as_millis(),
                    "media comes faster than it is decoded"
                );
                self.dropping_since = Some(Instant::now());
            }
            Some(_) if resume_point && is_below(2) => {
                tracing::warn!(dropped_bytes = self.dropped_bytes, "decoding has caught up");
                self.dropping_since = None;
                if queue.is_timed {
                    self.waiting.enter(bytes, now);
                }
                return Ok(true);
            }
            Some(since) if since.elapsed() > OVERRUN_MAX => return Err(IntakeError::Overrun),
            Some(_) => {}
        }
        self.dropped_bytes += bytes as u64;
        meters.add_dropped_bytes(bytes as u64);
        Ok(false)
    }
}
