//! How many refused connections of a port are lines of the log: a flood of rubbish should not fill the
//! disk too.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines at once: encoders of a whole studio with last week's keys.
const BURST: u32 = 32;

/// One more each, in the long run.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the whole burst is there again, if some of it was used.
    whole_at: Option<Instant>,
    left_out: u64,
}

impl Refusals {
    /// Whether one at `now` is a line: then how many were none since the last.
    pub(crate) fn line(&self, now: Instant) -> Option<u64> {
        // A panic leaves at worst one line out.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let whole_at = state.whole_at.map_or(now, |at| at.max(now));
        if whole_at - now > LINE_EVERY * (BURST - 1) {
            state.left_out += 1;
            return None;
        }
        state.whole_at = Some(whole_at + LINE_EVERY);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_line_a_second_that_counts_the_rest() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..BURST {
            assert_eq!(refusals.line(start), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(refusals.line(start), None);
        }
        assert_eq!(refusals.line(after(1)), Some(1000));
        assert_eq!(refusals.line(after(1)), None);
        assert_eq!(refusals.line(after(100)), Some(1));
        assert_eq!(refusals.line(after(100)), Some(0));
    }
}
