//! What was found wrong with a broadcast's publishers, counted and said in the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::source_fault::SourceFault;

/// How long one kind of fault of a broadcast is not said again.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// The faults of a broadcast's publishers, counted and said in the log. May be shared by threads.
#[derive(Debug)]
pub struct SourceFaults {
    /// Whose they are, for the log.
    span: tracing::Span,
    counts: [AtomicU64; SourceFault::ALL.len()],
    /// When each was said last.
    said: Mutex<[Option<Instant>; SourceFault::ALL.len()]>,
}

impl SourceFaults {
    /// None yet; what is said of them stands in `span`.
    pub(super) fn new(span: tracing::Span) -> Self {
        Self {
            span,
            counts: Default::default(),
            said: Mutex::default(),
        }
    }

    /// How often `fault` was found.
    pub fn count(&self, fault: SourceFault) -> u64 {
        self.counts[fault as usize].load(Ordering::Relaxed)
    }

    /// Counts `fault`, which reaches so far (zero: not known), and says it where it has not been
    /// said for a minute.
    pub(super) fn note(&self, fault: SourceFault, reach: Duration) {
        let count = 1 + self.counts[fault as usize].fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let is_new = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            let said = &mut said[fault as usize];
            let is_new = said.is_none_or(|said| now.duration_since(said) >= SAID_EVERY);
            if is_new {
                *said = Some(now);
            }
            is_new
        };
        if is_new {
            tracing::warn!(
                parent: &self.span,
                fault = fault.name(),
                reach_ms = reach.as_millis() as u64,
                count,
                "{}",
                fault.says()
            );
        }
    }
}

impl Default for SourceFaults {
    fn default() -> Self {
        Self::new(tracing::Span::none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_counted_for_itself_and_has_a_name_of_its_own() {
        let faults = SourceFaults::default();
        for (index, fault) in SourceFault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, index, "{fault}");
            for _ in 0..=index {
                faults.note(fault, Duration::ZERO);
            }
        }
        for (index, fault) in SourceFault::ALL.into_iter().enumerate() {
            assert_eq!(faults.count(fault), index as u64 + 1, "{fault}");
        }
        let mut names = SourceFault::ALL.map(SourceFault::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
