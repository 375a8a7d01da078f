//! Samples that vector instructions take at once.

use fearless_simd::{Simd, prelude::*, u8x16};

use super::axis::Window;

/// Samples of a block: a vector of AVX2's, two of other kinds.
pub(super) const LANES: usize = 32;

/// Rows and columns that are turned over together.
pub(super) const TILE: usize = 16;

/// Each round deals the upper and the lower half of a square's rows together, as one riffles cards: byte c
/// of row r moves from place 16 r + c to twice that (mod 255). After four, to 16 c + r.
const ROUNDS: u32 = TILE.ilog2();

/// Samples that lie beside each other, or below each other once a picture is turned over.
pub(super) type Block = [u8; LANES];

/// Two squares beside each other.
pub(super) type Tile = [Block; TILE];

/// Mixes pairs of blocks by the weights of `window`; `pair` gives each. What is below 0 or above 255 is
/// cut off there.
#[inline(always)]
pub(super) fn mix<S: Simd>(
    simd: S,
    window: Window<'_>,
    pair: impl Fn(usize) -> [Block; 2],
) -> Block {
    let Window { weights, shift, .. } = window;
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = simd.level().as_avx2() {
        let mut sums = avx2::start(avx2, begin(shift));
        for (at, weights) in weights.iter().enumerate() {
            let [a, b] = pair(at);
            sums = avx2::add(avx2, sums, &a, &b, *weights);
        }
        return avx2::finish(avx2, sums, shift);
    }
    let _ = simd;
    let mut sums = [begin(shift); LANES];
    for (at, weights) in weights.iter().enumerate() {
        let [a, b] = pair(at);
        let [of_a, of_b] = weights.map(i16::from);
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            let product = (i16::from(a) * of_a).wrapping_add(i16::from(b) * of_b);
            *sum = sum.wrapping_add(product);
        }
    }
    sums.map(|sum| {
        let sample = (sum >> shift).clamp(i8::MIN.into(), i8::MAX.into());
        sample as u8 ^ 0x80
    })
}

/// What sums begin with: one half, which rounds, less 128, which is the middle of what a sum can be and
/// keeps it within 16 bits.
const fn begin(shift: u32) -> i16 {
    (1 << (shift - 1)) - (128 << shift) as i16
}

/// Writes row as column in both squares.
#[inline(always)]
pub(super) fn transpose<S: Simd>(simd: S, tile: &Tile) -> Tile {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = simd.level().as_avx2() {
        return avx2::transpose(avx2, tile);
    }
    let mut turned = [[0; LANES]; TILE];
    for half in [0, TILE] {
        let mut vectors = [u8x16::splat(simd, 0); TILE];
        for (vector, row) in vectors.iter_mut().zip(tile) {
            *vector = u8x16::from_slice(simd, &row[half..][..TILE]);
        }
        for _ in 0..ROUNDS {
            let mut dealt = vectors;
            for row in 0..TILE / 2 {
                let (upper, lower) = (vectors[row], vectors[row + TILE / 2]);
                dealt[2 * row] = upper.zip_low(lower);
                dealt[2 * row + 1] = upper.zip_high(lower);
            }
            vectors = dealt;
        }
        for (row, column) in turned.iter_mut().zip(vectors) {
            column.store_slice(&mut row[half..][..TILE]);
        }
    }
    turned
}

/// The same in instructions that other kinds of processors do not have.
///
/// Without closures and without what takes closures: those are functions of any processor, into which the
/// compiler puts none of these.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use core::arch::x86_64::*;

    use fearless_simd::{kernel, prelude::*, u8x32};

    use super::super::axis::Pair;
    use super::{Block, ROUNDS, TILE, Tile};

    /// Of the lower and the upper eight samples of each half of a block.
    pub(super) type Sums = [__m256i; 2];

    kernel!(
        #[inline(always)]
        pub(super) fn start(avx2: Avx2, sum: i16) -> Sums {
            [_mm256_set1_epi16(sum); 2]
        }
    );

    kernel!(
        #[inline(always)]
        pub(super) fn add(avx2: Avx2, sums: Sums, a: &Block, b: &Block, weights: Pair) -> Sums {
            let (a, b) = (
                u8x32::from_slice(avx2, a).into(),
                u8x32::from_slice(avx2, b).into(),
            );
            let weights = i16::from_le_bytes([weights[0] as u8, weights[1] as u8]);
            let weights = _mm256_set1_epi16(weights);
            let low = _mm256_maddubs_epi16(_mm256_unpacklo_epi8(a, b), weights);
            let high = _mm256_maddubs_epi16(_mm256_unpackhi_epi8(a, b), weights);
            [
                _mm256_add_epi16(sums[0], low),
                _mm256_add_epi16(sums[1], high),
            ]
        }
    );

    kernel!(
        #[inline(always)]
        pub(super) fn finish(avx2: Avx2, sums: Sums, shift: u32) -> Block {
            let [low, high] = sums;
            let samples = match shift {
                7 => _mm256_packs_epi16(_mm256_srai_epi16::<7>(low), _mm256_srai_epi16::<7>(high)),
                _ => _mm256_packs_epi16(_mm256_srai_epi16::<6>(low), _mm256_srai_epi16::<6>(high)),
            };
            let samples = _mm256_xor_si256(samples, _mm256_set1_epi8(i8::MIN));
            let samples: u8x32<_> = samples.simd_into(avx2);
            samples.into()
        }
    );

    kernel!(
        #[inline(always)]
        pub(super) fn transpose(avx2: Avx2, tile: &Tile) -> Tile {
            let mut vectors = [_mm256_setzero_si256(); TILE];
            for row in 0..TILE {
                vectors[row] = u8x32::from_slice(avx2, &tile[row]).into();
            }
            for _ in 0..ROUNDS {
                let mut dealt = vectors;
                for row in 0..TILE / 2 {
                    let (upper, lower) = (vectors[row], vectors[row + TILE / 2]);
                    dealt[2 * row] = _mm256_unpacklo_epi8(upper, lower);
                    dealt[2 * row + 1] = _mm256_unpackhi_epi8(upper, lower);
                }
                vectors = dealt;
            }
            let mut columns = [[0; 2 * TILE]; TILE];
            for row in 0..TILE {
                let column: u8x32<_> = vectors[row].simd_into(avx2);
                column.store_slice(&mut columns[row]);
            }
            columns
        }
    );
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::super::axis::Axis;
    use super::*;

    /// Grain, edges and the ends of what a sample can be.
    fn block(seed: usize) -> Block {
        std::array::from_fn(|at| match (seed + at) % 5 {
            0 => 0,
            1 => 255,
            _ => ((seed * 31 + at) * 7919 % 256) as u8,
        })
    }

    #[test]
    fn every_kind_of_processor_makes_the_same_of_a_block() {
        for (from, to) in [(1080, 720), (480, 360), (720, 240), (64, 64), (64, 90)] {
            let axis = Axis::new(from, to);
            for at in 0..to {
                let window = axis.window(at);
                let (weights, shift) = (window.weights, window.shift);
                let pair = |it: usize| [block(at + 2 * it), block(at + 2 * it + 1)];
                let exact: [i32; LANES] = std::array::from_fn(|lane| {
                    let samples = (0..weights.len()).flat_map(|it| pair(it).map(|it| it[lane]));
                    let sum: i32 = samples
                        .zip(weights.as_flattened())
                        .map(|(sample, weight)| i32::from(sample) * i32::from(*weight))
                        .sum();
                    ((sum + (1 << (shift - 1))) >> shift).clamp(0, 255)
                });
                for level in [Level::new(), Level::baseline()] {
                    let mixed = dispatch!(level, simd => mix(simd, window, pair));
                    assert_eq!(mixed.map(i32::from), exact, "{from} to {to} at {at}");
                }
            }
        }
    }

    #[test]
    fn rows_become_columns_in_both_squares() {
        let tile: Tile =
            std::array::from_fn(|row| std::array::from_fn(|at| (row * LANES + at) as u8));
        for level in [Level::new(), Level::baseline()] {
            let turned = dispatch!(level, simd => transpose(simd, &tile));
            for (row, column) in (0..TILE).flat_map(|row| (0..TILE).map(move |it| (row, it))) {
                for half in [0, TILE] {
                    assert_eq!(turned[column][half + row], tile[row][half + column]);
                }
            }
        }
    }
}
