//! Whether the server works, by what moves in it. Pure: time is an argument.

use std::time::{Duration, Instant};

/// What shows that the parts work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signs {
    /// How often the SRT port's thread has been round.
    pub(super) srt_turns: u64,
    /// How often the supervisor has answered.
    pub(super) supervisor_answers: u64,
    /// Whether every accept loop runs.
    pub(super) is_listening: bool,
}

/// Remembers when something moved last.
pub(super) struct Judge {
    stall_max: Duration,
    srt: Moving,
    supervisor: Moving,
}

#[derive(Default)]
struct Moving(Option<(u64, Instant)>);

impl Moving {
    /// Whether it has stood at `count` for longer than `max`.
    fn stalls(&mut self, count: u64, now: Instant, max: Duration) -> bool {
        match self.0 {
            Some((before, since)) if before == count => now - since > max,
            _ => {
                self.0 = Some((count, now));
                false
            }
        }
    }
}

impl Judge {
    /// A part that has not moved for longer than `stall_max` hangs.
    pub(super) fn new(stall_max: Duration) -> Self {
        Self {
            stall_max,
            srt: Moving::default(),
            supervisor: Moving::default(),
        }
    }

    /// The part that hangs or is gone, by what is seen at `now`; `None`: the server works.
    pub(super) fn wedged(&mut self, signs: Signs, now: Instant) -> Option<&'static str> {
        let max = self.stall_max;
        let srt = self.srt.stalls(signs.srt_turns, now, max);
        let supervisor = self.supervisor.stalls(signs.supervisor_answers, now, max);
        if !signs.is_listening {
            Some("an accept loop")
        } else if srt {
            Some("the SRT thread")
        } else if supervisor {
            Some("the supervisor")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What is said at each second of what moves so.
    fn said(signs: impl Fn(u64) -> Signs) -> Vec<Option<&'static str>> {
        let (mut judge, start) = (Judge::new(3 * SECOND), Instant::now());
        let seconds = 0..8;
        let said = seconds.map(|at| judge.wedged(signs(at), start + SECOND * at as u32));
        said.collect()
    }

    const WORKS: Option<&str> = None;

    #[test]
    fn what_moves_now_and_then_works() {
        let said = said(|at| Signs {
            srt_turns: at / 3,
            supervisor_answers: 100 + at / 2,
            is_listening: true,
        });
        assert_eq!(said, [WORKS; 8]);
    }

    #[test]
    fn each_part_that_stands_still_is_named_and_works_again_once_it_moves() {
        let moves = |at, still: bool| match (still, at) {
            (false, _) | (true, 7) => at,
            (true, _) => 0,
        };
        for (srt_still, supervisor_still, name) in [
            (true, false, "the SRT thread"),
            (false, true, "the supervisor"),
        ] {
            let said = said(|at| Signs {
                srt_turns: moves(at, srt_still),
                supervisor_answers: moves(at, supervisor_still),
                is_listening: true,
            });
            let hangs = Some(name);
            assert_eq!(
                said,
                [WORKS, WORKS, WORKS, WORKS, hangs, hangs, hangs, WORKS]
            );
        }
    }

    #[test]
    fn a_port_that_nobody_accepts_from_any_more_is_no_life() {
        let said = said(|at| Signs {
            srt_turns: at,
            supervisor_answers: at,
            is_listening: at < 5,
        });
        let gone = Some("an accept loop");
        assert_eq!(said, [WORKS, WORKS, WORKS, WORKS, WORKS, gone, gone, gone]);
    }
}
