//! What becomes of the packets of one direction.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{HELD_BACK, Network};

/// Draws, packet by packet.
pub(super) struct Fate(StdRng);

impl Fate {
    pub(super) fn new(seed: u64, direction: u64) -> Self {
        let seed = seed.wrapping_mul(2).wrapping_add(direction);
        Self(StdRng::seed_from_u64(seed))
    }

    /// How long the next packet takes, and how long its second copy; `None`: it does not arrive, or
    /// there is no copy.
    pub(super) fn next(&mut self, network: &Network) -> [Option<Duration>; 2] {
        // All draws are always made, so that a packet's fate does not depend on another's, nor on
        // what the network was before.
        let mut draw = || self.0.random_range(0.0..1.0);
        let [lost, first, held, doubled, second]: [f64; 5] = std::array::from_fn(|_| draw());
        if lost < network.loss {
            return [None, None];
        }
        let took = |draw: f64| {
            let swing = 2.0 * draw - 1.0;
            let delay = network.delay.as_secs_f64() + swing * network.jitter.as_secs_f64();
            Duration::from_secs_f64(delay.max(0.0))
        };
        let held_back = match held < network.reorder {
            true => HELD_BACK,
            false => Duration::ZERO,
        };
        let copy = (doubled < network.duplicates).then(|| took(second));
        [Some(took(first) + held_back), copy]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: Network = Network {
        loss: 0.1,
        delay: Duration::from_millis(40),
        jitter: Duration::from_millis(20),
        reorder: 0.05,
        duplicates: 0.02,
    };

    fn draw(seed: u64, direction: u64) -> Vec<[Option<Duration>; 2]> {
        let mut fate = Fate::new(seed, direction);
        (0..2000).map(|_| fate.next(&NETWORK)).collect()
    }

    #[test]
    fn a_seed_decides_every_fate() {
        let drawn = draw(5, 0);
        assert_eq!(drawn, draw(5, 0));
        assert_ne!(drawn, draw(5, 1));
        assert_ne!(drawn, draw(6, 0));
        let share = |is: &dyn Fn(&[Option<Duration>; 2]) -> bool| {
            drawn.iter().filter(|one| is(one)).count() as f64 / drawn.len() as f64
        };
        let lost = share(&|[first, _]| first.is_none());
        let doubled = share(&|[_, second]| second.is_some());
        let held = share(&|[first, _]| first.is_some_and(|it| it.as_millis() > 60));
        assert!((0.07..0.13).contains(&lost), "{lost}");
        assert!((0.01..0.03).contains(&doubled), "{doubled}");
        // Of those that are held back, a third is so fast otherwise that it does not show.
        assert!((0.015..0.06).contains(&held), "{held}");
        for delay in drawn.iter().flatten().flatten() {
            assert!((20..=60 + 30).contains(&delay.as_millis()), "{delay:?}");
        }
    }

    #[test]
    fn a_clear_network_only_delays() {
        let mut fate = Fate::new(1, 0);
        let delay = Duration::from_millis(7);
        let network = Network {
            delay,
            ..Network::default()
        };
        let drawn: Vec<_> = (0..1000).map(|_| fate.next(&network)).collect();
        assert!(drawn.iter().all(|one| *one == [Some(delay), None]));
    }
}
