//! Whether another broadcast would push those that run below real time. Pure.

use std::fmt;
use std::str::FromStr;

/// The share of all cores that broadcasts may need together. The rest is for viewers, the disk and
/// pictures that cost more than their neighbours.
pub(crate) const CORES_SHARE_MAX: f64 = 0.95;

/// What becomes of a broadcast that the machine is too small for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is refused.
    Refuse,
    /// It has its source for its one rendition, as it comes: next to nothing is encoded. A source that
    /// cannot be passed through is refused, and so is one too many of these.
    Source,
    /// It is let in like any other.
    Off,
}

/// How a broadcast is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// With the whole ladder.
    Ladder,
    /// With its source alone.
    Source,
}

/// Cores that a further broadcast needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    pub(crate) ladder: f64,
    /// Where its source is passed through, and nothing else.
    pub(crate) source: f64,
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::Source => "source",
            Self::Off => "off",
        })
    }
}

impl FromStr for Admission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "source" => Ok(Self::Source),
            "off" => Ok(Self::Off),
            _ => Err("refuse, source or off is expected".into()),
        }
    }
}

impl Admission {
    /// How a broadcast with these needs is let in beside `others`, which need `running` cores together;
    /// `None`: it is not. Where nobody knows what it needs, it is; and where there are no others to be
    /// pushed down.
    pub(crate) fn room(
        self,
        others: usize,
        running: Option<f64>,
        new: Option<Needs>,
        cores: usize,
    ) -> Option<Room> {
        let (Some(running), Some(new)) = (running, new) else {
            return Some(Room::Ladder);
        };
        let fits = |needs: f64| running + needs <= cores as f64 * CORES_SHARE_MAX;
        if self == Self::Off || others == 0 || fits(new.ladder) {
            Some(Room::Ladder)
        } else if self == Self::Source && fits(new.source) {
            Some(Room::Source)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_push_the_others_below_real_time_is_refused_or_has_its_source_alone() {
        for (others, running, new, ladder, source) in [
            (0, Some(0.0), Some(9.0), true, true),
            (1, Some(1.2), Some(0.69), true, true),
            (1, Some(1.2), Some(0.71), false, true),
            (3, Some(1.8), Some(0.9), false, true),
            (3, Some(1.8), Some(1.1), false, false),
            (3, Some(1.9), Some(0.1), false, false),
            (1, None, Some(9.0), true, true),
            (1, Some(9.0), None, true, true),
        ] {
            let new = new.map(|ladder| Needs {
                ladder,
                source: ladder / 10.0,
            });
            let room = |by: Admission| by.room(others, running, new, 2);
            let expected = ladder.then_some(Room::Ladder);
            assert_eq!(room(Admission::Refuse), expected, "{others} {running:?}");
            let alone = expected.or(source.then_some(Room::Source));
            assert_eq!(room(Admission::Source), alone, "{others} {running:?}");
            assert_eq!(room(Admission::Off), Some(Room::Ladder));
        }
    }

    #[test]
    fn every_name_is_read_back_as_itself() {
        for admission in [Admission::Refuse, Admission::Source, Admission::Off] {
            assert_eq!(admission.to_string().parse(), Ok(admission));
        }
        assert!("perhaps".parse::<Admission>().is_err());
    }
}
