//! What samples of a row, or of a column, a smaller one is mixed from.

/// How far Catmull-Rom reaches to each side, in samples of the coarser grid.
const SUPPORT: f64 = 2.0;

/// The finest weights are 128ths: a product of one with a sample has to fit 15 bits.
const SHIFT_MAX: u32 = 7;

/// The coarsest are 64ths, for windows whose finer ones would not fit: at the ends of a row, and where one
/// sample counts nearly alone.
const SHIFT_MIN: u32 = 6;

/// The weights of two samples, half a window apart: neighbours in its middle would together count for more
/// than fits, of those at most one counts for much.
pub(super) type Pair = [i8; 2];

/// See the module.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Of one sample.
    pairs: usize,
    /// Of each sample: where its window begins, and the shift of its weights.
    windows: Vec<(usize, u32)>,
    weights: Vec<Pair>,
}

/// What one sample is mixed from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    /// The first of the samples.
    pub(super) first: usize,
    /// Of as many samples, from that one on, and of those behind them. Where they would reach behind the
    /// last sample of all they are zero. Parts of `1 << shift`, which is their sum.
    pub(super) weights: &'a [Pair],
    pub(super) shift: u32,
}

impl Axis {
    /// From so many samples to so many, neither of them zero.
    pub(super) fn new(from: usize, to: usize) -> Self {
        let exact: Vec<_> = (0..to).map(|at| exact_weights(from, to, at)).collect();
        let taps = exact.iter().map(|(_, weights)| weights.len()).max();
        let pairs = taps.unwrap_or_default().div_ceil(2);
        let mut axis = Self {
            from,
            to,
            pairs,
            windows: Vec::with_capacity(to),
            weights: Vec::with_capacity(to * pairs),
        };
        for (at, weights) in exact {
            // Behind the last window there may be no samples.
            let first = at.min(from.saturating_sub(axis.reach()));
            let rounded = |shift| {
                let mut window = vec![0; axis.reach()];
                for (place, weight) in window[at - first..].iter_mut().zip(round(&weights, shift)) {
                    *place = weight;
                }
                let (near, far) = window.split_at(pairs);
                let pairs = near.iter().zip(far).map(|(near, far)| [*near, *far]);
                pairs.collect::<Vec<_>>()
            };
            let (shift, weights) = Some((SHIFT_MAX, rounded(SHIFT_MAX)))
                .filter(|(_, weights)| weights.iter().all(fits))
                .unwrap_or_else(|| (SHIFT_MIN, rounded(SHIFT_MIN)));
            axis.windows.push((first, shift));
            axis.weights
                .extend(weights.iter().map(|pair| pair.map(|it| it as i8)));
        }
        axis
    }

    /// Samples that there have to be, the last of them perhaps of no weight.
    pub(super) const fn reach(&self) -> usize {
        2 * self.pairs
    }

    /// What the sample at `at` is mixed from.
    #[inline(always)]
    pub(super) fn window(&self, at: usize) -> Window<'_> {
        let (first, shift) = self.windows[at];
        let weights = &self.weights[at * self.pairs..][..self.pairs];
        Window {
            first,
            weights,
            shift,
        }
    }
}

/// The first sample that counts and the weights from there on, which add up to 1. Where a row ends, those
/// that it has count for more.
fn exact_weights(from: usize, to: usize, at: usize) -> (usize, Vec<f64>) {
    let step = from as f64 / to as f64;
    let stretch = step.max(1.0);
    let centre = (at as f64 + 0.5) * step - 0.5;
    let lowest = (centre - SUPPORT * stretch).max(0.0) as usize;
    let highest = ((centre + SUPPORT * stretch) as usize).min(from - 1);
    let weight = |sample: usize| catmull_rom((sample as f64 - centre) / stretch);
    let counts = |sample: &usize| weight(*sample).abs() > f64::EPSILON;
    let first = (lowest..=highest).find(counts).unwrap_or(lowest);
    let last = (first..=highest).rfind(counts).unwrap_or(first);
    let weights: Vec<f64> = (first..=last).map(weight).collect();
    let total: f64 = weights.iter().sum();
    (first, weights.iter().map(|it| it / total).collect())
}

/// Mitchell and Netravali 1988, B = 0, C = ½.
fn catmull_rom(x: f64) -> f64 {
    match x.abs() {
        x if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        x if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        _ => 0.0,
    }
}

/// Weights in parts of `1 << shift`, which is their sum: what one is rounded by counts for the next, so
/// that areas of one brightness keep it.
fn round(weights: &[f64], shift: u32) -> impl Iterator<Item = i32> {
    let one = f64::from(1 << shift);
    let (mut exact, mut sum) = (0.0, 0);
    weights.iter().map(move |weight| {
        exact += weight * one;
        let rounded = exact.round() as i32 - sum;
        sum += rounded;
        rounded
    })
}

/// Whether both are bytes, and their products with bytes never add up to more than 16 bits.
fn fits(pair: &[i32; 2]) -> bool {
    let positive: i32 = pair.iter().map(|it| it.max(&0)).sum();
    let negative: i32 = pair.iter().map(|it| it.min(&0)).sum();
    pair.iter().all(|it| i8::try_from(*it).is_ok()) && positive <= 128 && negative >= -128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_and_stay_inside_whatever_the_sizes() {
        let sizes = [1, 2, 3, 5, 8, 90, 213, 427, 640, 720, 1080, 1920];
        for (from, to) in sizes.iter().flat_map(|from| sizes.map(|to| (*from, to))) {
            let axis = Axis::new(from, to);
            for at in 0..to {
                let window = axis.window(at);
                let pairs = window.weights.iter().map(|pair| pair.map(i32::from));
                assert!(
                    pairs.clone().all(|pair| fits(&pair)),
                    "{from} to {to} at {at}"
                );
                let sum: i32 = pairs.clone().flatten().sum();
                assert_eq!(sum, 1 << window.shift, "{from} to {to} at {at}");
                let in_order = [0, 1].map(|half| pairs.clone().map(move |pair| pair[half]));
                let mut behind = in_order
                    .into_iter()
                    .flatten()
                    .skip(from.saturating_sub(window.first));
                assert!(behind.all(|it| it == 0), "{from} to {to} at {at}");
            }
        }
    }

    #[test]
    fn the_steps_of_a_usual_ladder_have_fine_weights_of_six_samples() {
        for (from, to) in [
            (1080, 720),
            (1920, 1280),
            (1280, 854),
            (854, 640),
            (480, 360),
        ] {
            let axis = Axis::new(from, to);
            assert_eq!(axis.reach(), 6, "{from} to {to}");
            let coarse = axis.windows.iter().filter(|(_, shift)| *shift < SHIFT_MAX);
            assert!(coarse.count() <= 2, "{from} to {to}");
        }
    }
}
