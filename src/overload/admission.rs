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
    /// It is let in like any other.
    Off,
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::Off => "off",
        })
    }
}

impl FromStr for Admission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "off" => Ok(Self::Off),
            _ => Err("refuse or off is expected".into()),
        }
    }
}

impl Admission {
    /// Whether a broadcast that needs `new` cores is let in beside `others`, which need `running`
    /// together. Where nobody knows what it needs, it is; and where there are no others to be pushed
    /// down.
    pub(crate) fn admits(
        self,
        others: usize,
        running: Option<f64>,
        new: Option<f64>,
        cores: usize,
    ) -> bool {
        let (Some(running), Some(new)) = (running, new) else {
            return true;
        };
        self == Self::Off || others == 0 || running + new <= cores as f64 * CORES_SHARE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_push_the_others_below_real_time_is_refused() {
        for (others, running, new, admitted) in [
            (0, Some(0.0), Some(9.0), true),
            (1, Some(1.2), Some(0.69), true),
            (1, Some(1.2), Some(0.71), false),
            (3, Some(1.9), Some(0.01), false),
            (1, None, Some(9.0), true),
            (1, Some(9.0), None, true),
        ] {
            let admits = |by: Admission| by.admits(others, running, new, 2);
            assert_eq!(
                admits(Admission::Refuse),
                admitted,
                "{others} {running:?} {new:?}"
            );
            assert!(admits(Admission::Off));
        }
    }

    #[test]
    fn every_name_is_read_back_as_itself() {
        for admission in [Admission::Refuse, Admission::Off] {
            assert_eq!(admission.to_string().parse(), Ok(admission));
        }
        assert!("perhaps".parse::<Admission>().is_err());
    }
}
