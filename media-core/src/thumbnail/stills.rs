//! The few pictures that stand for a whole recording, chosen while nobody knows yet how long it
//! will be.

use bytes::Bytes;

use crate::time::MediaTime;

/// Stills of a recording.
const CHOSEN: usize = 3;

/// Pictures that are held at a time: of some 40 kB each, a megabyte. Of what came evenly at least
/// half as many are held, so that the nearest one is within a twenty-fourth of the length.
const HELD_MAX: usize = 24;

/// A JPEG and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Still {
    /// When it is shown.
    pub time: MediaTime,
    /// The file.
    pub jpeg: Bytes,
}

/// Holds enough of the pictures seen to choose from at the end. The same pictures give the same
/// choice.
#[derive(Clone, Debug)]
pub struct Stills {
    held: Vec<Still>,
    /// One of so many pictures is held.
    every: usize,
    seen: usize,
}

impl Default for Stills {
    fn default() -> Self {
        Self::new()
    }
}

impl Stills {
    /// Without a picture.
    pub fn new() -> Self {
        Self {
            held: Vec::with_capacity(HELD_MAX),
            every: 1,
            seen: 0,
        }
    }

    /// Takes the next picture, in order of time.
    pub fn push(&mut self, time: MediaTime, jpeg: Bytes) {
        if self.held.len() == HELD_MAX {
            let mut keep = false;
            self.held.retain(|_| {
                keep = !keep;
                keep
            });
            self.every *= 2;
        }
        if self.seen.is_multiple_of(self.every) {
            self.held.push(Still { time, jpeg });
        }
        self.seen += 1;
    }

    /// Those nearest to a sixth, a half and five sixths of media that lasts until `end`, in order:
    /// three, of which some are the same where there were fewer pictures; none where there was none.
    pub fn choose(mut self, end: MediaTime) -> Vec<Still> {
        let mut chosen = Vec::with_capacity(CHOSEN);
        let has_enough = self.held.len() >= CHOSEN;
        for sixth in [1, 3, 5] {
            let wanted = MediaTime::from_nanos(end.as_nanos() / 6 * sixth);
            // As many are left for the later ones as those need.
            let later = CHOSEN - 1 - chosen.len();
            let open = match has_enough {
                true => self.held.len() - later,
                false => self.held.len(),
            };
            let candidates = self.held.iter().take(open).enumerate();
            let distance = |still: &Still| still.time.nanos_from(wanted).abs();
            let Some((nearest, still)) = candidates.min_by_key(|(_, still)| distance(still)) else {
                break;
            };
            chosen.push(still.clone());
            if has_enough {
                self.held.drain(..=nearest);
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(seconds: impl Iterator<Item = i64>, end_s: i64) -> Vec<i64> {
        let mut stills = Stills::new();
        for second in seconds {
            let time = MediaTime::from_millis(second * 1000);
            stills.push(time, Bytes::from(second.to_string()));
            assert!(stills.held.len() <= HELD_MAX);
        }
        let stills = stills.choose(MediaTime::from_millis(end_s * 1000));
        for still in &stills {
            let second = still.time.as_nanos() / 1_000_000_000;
            assert_eq!(still.jpeg, Bytes::from(second.to_string()));
        }
        let times = stills.iter().map(|still| still.time.as_nanos());
        times.map(|nanos| nanos / 1_000_000_000).collect()
    }

    #[test]
    fn they_stand_at_a_sixth_a_half_and_five_sixths() {
        let ten = |count: i64| (0..count).map(|at| (at * 10).max(1));
        assert_eq!(chosen(ten(6), 60), [10, 30, 50]);
        assert_eq!(chosen(ten(24), 240), [40, 120, 200]);
        // Halved once: every twenty seconds.
        assert_eq!(chosen(ten(25), 250), [40, 120, 200]);
        for hours in [1, 2, 7, 100] {
            let end_s = hours * 3600;
            let stills = chosen(ten(end_s / 10), end_s);
            for (still, sixth) in stills.iter().zip([1, 3, 5]) {
                let off = (still - end_s / 6 * sixth).abs();
                assert!(off * 24 <= end_s, "{hours} h: {still} s");
            }
        }
    }

    /// A recording of less than twenty seconds named pictures that were not there.
    #[test]
    fn there_are_three_wherever_there_is_one_and_never_one_twice_without_need() {
        assert_eq!(chosen([].into_iter(), 0), [0; 0]);
        assert_eq!(chosen([1].into_iter(), 5), [1, 1, 1]);
        assert_eq!(chosen([1, 10].into_iter(), 12), [1, 10, 10]);
        assert_eq!(chosen([1, 10].into_iter(), 300), [10, 10, 10]);
        assert_eq!(chosen([1, 10, 20].into_iter(), 21), [1, 10, 20]);
        // Pictures came in the first seconds alone: sound went on for an hour.
        assert_eq!(chosen([1, 10, 20, 30].into_iter(), 3600), [10, 20, 30]);
        // They began at the end.
        assert_eq!(
            chosen([3000, 3010, 3020, 3030].into_iter(), 3040),
            [3000, 3010, 3020]
        );
    }
}
