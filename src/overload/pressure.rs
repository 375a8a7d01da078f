//! Whether a broadcast falls behind real time because the machine is too small: its pictures wait, and
//! no more media is encoded than time passes. Pure.
//!
//! What waits alone says nothing: a publisher whose line stood still sends a burst, which is encoded
//! faster than it plays until it is made up for. Neither does a rate: what is not sent is not encoded.

use std::time::Duration;

/// The shortest wait of a picture on its way into the ladder that is pressure. Decoders that order
/// pictures and work on several at once hold each for some frames ([`FRAMES_HELD`]), however fast the
/// machine is.
const WAIT_MIN: Duration = Duration::from_millis(750);

/// Frames that a decoder may hold a picture for.
const FRAMES_HELD: f64 = 6.0;

/// Media encoded by the second from which on what waits gets less.
const CATCHES_UP: f64 = 1.1;

/// The same below which less is encoded than time passes. Where nothing is sent the slate is encoded: a
/// machine that is large enough stays above.
const KEEPS_UP: f64 = 0.9;

/// What was seen of a broadcast since the last look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// The shortest time that a picture waited; `None`: none came through.
    pub(crate) shortest_wait: Option<Duration>,
    /// Whether it fell behind at the last look.
    pub(crate) before: bool,
    /// Pictures that came out of its encoders.
    pub(crate) encoded: u64,
    /// Its frame rate.
    pub(crate) rate: f64,
    /// How long that was.
    pub(crate) span: Duration,
}

impl Seen {
    /// Whether it falls behind.
    pub(crate) fn falls_behind(&self) -> bool {
        let held = Duration::from_secs_f64(FRAMES_HELD / self.rate.max(1.0));
        let speed = self.encoded as f64 / self.rate.max(1.0) / self.span.as_secs_f64().max(1e-3);
        match self.shortest_wait {
            Some(wait) => wait >= WAIT_MIN + held && speed < CATCHES_UP,
            None => self.before && speed < KEEPS_UP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(wait_ms: Option<u64>, encoded: u64) -> Seen {
        Seen {
            shortest_wait: wait_ms.map(Duration::from_millis),
            before: false,
            encoded,
            rate: 30.0,
            span: SECOND,
        }
    }

    #[test]
    fn pictures_that_wait_while_less_is_encoded_than_time_passes_are_pressure() {
        assert!(seen(Some(1500), 24).falls_behind());
        assert!(
            seen(Some(1500), 30).falls_behind(),
            "it will never catch up"
        );
    }

    #[test]
    fn a_publisher_that_sends_late_or_in_bursts_is_none() {
        assert!(!seen(None, 0).falls_behind(), "nothing is sent");
        assert!(!seen(None, 30).falls_behind(), "the slate is encoded");
        assert!(!seen(Some(30), 10).falls_behind(), "little is sent");
        assert!(
            !seen(Some(2500), 55).falls_behind(),
            "a burst is made up for"
        );
    }

    #[test]
    fn a_machine_on_which_no_picture_comes_through_any_more_still_falls_behind() {
        let starved = |encoded, before| Seen {
            before,
            ..seen(None, encoded)
        };
        assert!(starved(0, true).falls_behind());
        assert!(starved(20, true).falls_behind());
        assert!(
            !starved(20, false).falls_behind(),
            "a pause of the publisher"
        );
        assert!(
            !starved(30, true).falls_behind(),
            "the slate is encoded in time"
        );
    }

    #[test]
    fn a_decoder_that_orders_few_pictures_a_second_is_none() {
        let slow = Seen {
            rate: 5.0,
            ..seen(Some(1500), 5)
        };
        assert!(!slow.falls_behind());
    }
}
