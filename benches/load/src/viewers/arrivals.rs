//! When parts were born and when each viewer had them.
//!
//! A part's birth is when the server published it, from the server's log where there is one, else
//! the earliest moment at which anybody here saw it: a little late, so that delays come out a
//! little short.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::playlist::PartKey;
use super::viewer::Track;

/// Microseconds since the measurement's zero.
pub(super) type Micros = u64;

/// A part of the picture or of the sound.
pub(super) type Piece = (Track, PartKey);

#[derive(Debug, Default)]
pub(super) struct Arrivals {
    pieces: HashMap<Piece, Arrived>,
}

#[derive(Debug)]
struct Arrived {
    earliest: Micros,
    /// Each viewer's last byte.
    at: Vec<(u32, Micros)>,
}

/// The span in which a part's birth counts, and what counts as starving.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) from: Micros,
    pub(super) to: Micros,
    /// Viewers 0 up to this, all of which ought to have each part.
    pub(super) viewers: u32,
    /// A part that comes later after its birth is missing when it is to be played.
    pub(super) hold_back: Micros,
}

/// What the viewers had.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) parts: usize,
    /// From birth to last byte, of every part and viewer, in order.
    pub(super) delays: Vec<Micros>,
    /// Parts that a viewer got later than the hold-back.
    pub(super) late: usize,
    /// Parts that a viewer never got.
    pub(super) missed: usize,
    /// Viewers with a part late or missed.
    pub(super) starved: usize,
    /// Parts whose birth the log did not say.
    pub(super) without_log: usize,
}

impl Arrivals {
    /// Somebody knows of a part.
    pub(super) fn seen(&mut self, piece: Piece, now: Micros) {
        self.pieces.entry(piece).or_insert(Arrived {
            earliest: now,
            at: Vec::new(),
        });
    }

    /// A viewer has a part whole.
    pub(super) fn got(&mut self, piece: Piece, viewer: u32, now: Micros) {
        match self.pieces.entry(piece) {
            Entry::Occupied(mut arrived) => arrived.get_mut().at.push((viewer, now)),
            Entry::Vacant(place) => {
                place.insert(Arrived {
                    earliest: now,
                    at: vec![(viewer, now)],
                });
            }
        }
    }

    /// Judges all parts born in the span. `births` are the log's, empty where there is none.
    pub(super) fn summary(&self, terms: Terms, births: &HashMap<Piece, Micros>) -> Summary {
        let mut summary = Summary::default();
        let mut starved = vec![false; terms.viewers as usize];
        let mut has = vec![false; terms.viewers as usize];
        for (piece, arrived) in &self.pieces {
            let logged = births.get(piece).copied();
            let birth = logged.unwrap_or(arrived.earliest);
            if birth < terms.from || birth >= terms.to {
                continue;
            }
            summary.parts += 1;
            summary.without_log += usize::from(logged.is_none());
            has.fill(false);
            for &(viewer, at) in &arrived.at {
                let delay = at.saturating_sub(birth);
                summary.delays.push(delay);
                if delay > terms.hold_back {
                    summary.late += 1;
                    starved[viewer as usize] = true;
                }
                has[viewer as usize] = true;
            }
            for viewer in (0..has.len()).filter(|&viewer| !has[viewer]) {
                summary.missed += 1;
                starved[viewer] = true;
            }
        }
        summary.starved = starved.iter().filter(|&&it| it).count();
        summary.delays.sort_unstable();
        summary
    }
}

impl Summary {
    /// The delay that this share of all deliveries kept, in milliseconds.
    pub(super) fn percentile_ms(&self, share: f64) -> Option<f64> {
        let last = self.delays.len().checked_sub(1)?;
        let at = (self.delays.len() as f64 * share) as usize;
        Some(self.delays[at.min(last)] as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(part: u32) -> Piece {
        (Track::Video, PartKey { sequence: 3, part })
    }

    const TERMS: Terms = Terms {
        from: 1000,
        to: 5000,
        viewers: 3,
        hold_back: 500,
    };

    #[test]
    fn late_and_missing_parts_starve_their_viewers() {
        let mut arrivals = Arrivals::default();
        // Born before the span: nobody is judged by it.
        arrivals.got(piece(0), 0, 900);
        arrivals.seen(piece(1), 1000);
        for (viewer, at) in [(0, 1010), (1, 1501), (2, 1200)] {
            arrivals.got(piece(1), viewer, at);
        }
        arrivals.got(piece(2), 0, 2000);
        arrivals.got(piece(2), 1, 2100);
        let summary = arrivals.summary(TERMS, &HashMap::new());
        assert_eq!((summary.parts, summary.without_log), (2, 2));
        assert_eq!(summary.delays, [0, 10, 100, 200, 501]);
        assert_eq!((summary.late, summary.missed, summary.starved), (1, 1, 2));
        assert_eq!(summary.percentile_ms(0.5), Some(0.1));
        assert_eq!(summary.percentile_ms(0.99), Some(0.501));
    }

    #[test]
    fn the_log_knows_births_better() {
        let mut arrivals = Arrivals::default();
        for viewer in 0..3 {
            arrivals.got(piece(1), viewer, 1400 + u64::from(viewer));
        }
        let births = HashMap::from([(piece(1), 1100)]);
        let summary = arrivals.summary(TERMS, &births);
        assert_eq!(summary.delays, [300, 301, 302]);
        assert_eq!((summary.starved, summary.without_log), (0, 0));
        assert_eq!(Summary::default().percentile_ms(0.5), None);
    }
}
