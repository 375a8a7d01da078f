//! Scales a plane of bytes by Catmull-Rom.

use std::sync::Arc;

use fearless_simd::{Level, Simd, dispatch};

use super::axis::{Axis, Window};
use super::block::{Block, LANES, TILE, Tile, mix, transpose};

/// Axes that are kept: of rows and columns, of luma and chroma, of a size before and after a change.
const AXES_MAX: usize = 8;

/// A plane of samples, which are bytes, row by row.
pub(in crate::graph) struct Plane<T> {
    pub(in crate::graph) bytes: T,
    pub(in crate::graph) width: usize,
    pub(in crate::graph) height: usize,
    /// From row to row; what lies behind `width` is padding.
    pub(in crate::graph) stride: usize,
}

impl<T: AsRef<[u8]>> Plane<T> {
    /// A plane without padding.
    pub(in crate::graph) fn packed(bytes: T, width: usize, height: usize) -> Self {
        Self {
            bytes,
            width,
            height,
            stride: width,
        }
    }

    /// Whether its bytes are as many as its size says, and any.
    pub(in crate::graph) fn is_whole(&self) -> bool {
        let is_empty = self.width == 0 || self.height == 0;
        let bytes = self.bytes.as_ref().len();
        !is_empty && self.stride >= self.width && bytes >= self.stride * self.height
    }
}

/// A scaler, and the memory that it needs again for each picture.
pub(in crate::graph) struct PlaneScaler {
    level: Level,
    axes: Vec<Arc<Axis>>,
    /// As many rows as a block has samples, mixed, in squares as they are turned over.
    tiles: Vec<[Tile; 2]>,
    /// The same, column by column.
    columns: Vec<Block>,
}

impl Default for PlaneScaler {
    fn default() -> Self {
        Self {
            level: Level::new(),
            axes: Vec::new(),
            tiles: Vec::new(),
            columns: Vec::new(),
        }
    }
}

impl PlaneScaler {
    /// Scales `source` to the size of `target`.
    ///
    /// So many rows at once as a block has samples, so that all stays in the processor's near cache:
    /// each is mixed from those above and below it, they are turned over, and columns, which are blocks
    /// now, are mixed the same way and turned back (design/0007-scaler.md).
    ///
    /// # Errors
    /// A plane is shorter than its size says, or empty.
    pub(in crate::graph) fn scale(
        &mut self,
        source: &Plane<&[u8]>,
        target: &mut Plane<&mut [u8]>,
    ) -> Result<(), String> {
        if !source.is_whole() || !target.is_whole() {
            return Err("a plane is shorter than its size says".to_owned());
        }
        let down = self.axis(source.height, target.height);
        let across = self.axis(source.width, target.width);
        let (down, across) = (&*down, &*across);
        // Never fewer than before: planes of a picture differ in size.
        let blocks = source.width.div_ceil(LANES);
        if self.tiles.len() < blocks {
            self.tiles.resize(blocks, [[[0; LANES]; TILE]; 2]);
        }
        let columns = (blocks * LANES).max(across.reach());
        if self.columns.len() < columns {
            self.columns.resize(columns, [0; LANES]);
        }
        let (tiles, columns) = (&mut self.tiles[..blocks], &mut self.columns[..]);
        dispatch!(self.level, simd => {
            for top in (0..target.height).step_by(LANES) {
                let rows = top..target.height.min(top + LANES);
                for (row, y) in rows.clone().enumerate() {
                    mix_rows(simd, source, down, y, |block, mixed| put(&mut tiles[block], row, &mixed));
                }
                for (tile, columns) in tiles.as_flattened().iter().zip(columns.as_chunks_mut().0) {
                    *columns = transpose(simd, tile);
                }
                for left in (0..target.width).step_by(TILE) {
                    let mut mixed = [[0; LANES]; TILE];
                    for (column, block) in mixed.iter_mut().enumerate() {
                        // The last columns may be fewer.
                        let x = (left + column).min(target.width - 1);
                        *block = mix_columns(simd, columns, across, x);
                    }
                    let tile = transpose(simd, &mixed);
                    for (row, y) in rows.clone().enumerate() {
                        let samples = &tile[row % TILE].as_chunks().0[row / TILE];
                        store(target, y, left, samples);
                    }
                }
            }
        });
        Ok(())
    }

    /// The axis between these sizes, kept or made.
    fn axis(&mut self, from: usize, to: usize) -> Arc<Axis> {
        let kept = self
            .axes
            .iter()
            .find(|axis| (axis.from, axis.to) == (from, to));
        if let Some(axis) = kept {
            return Arc::clone(axis);
        }
        if self.axes.len() == AXES_MAX {
            self.axes.remove(0);
        }
        let axis = Arc::new(Axis::new(from, to));
        self.axes.push(Arc::clone(&axis));
        axis
    }
}

/// Mixes row `y` of the smaller plane, as wide as the larger one, and gives each block and its number to `put`.
#[inline(always)]
fn mix_rows<S: Simd>(
    simd: S,
    source: &Plane<&[u8]>,
    down: &Axis,
    y: usize,
    put: impl FnMut(usize, Block),
) {
    let window = down.window(y);
    let row = |tap: usize| {
        // Behind the last row weights are zero.
        let y = (window.first + tap).min(source.height - 1);
        &source.bytes[y * source.stride..][..source.width]
    };
    let pairs = window.weights.len();
    let pair = |at: usize| [row(at), row(pairs + at)];
    match window.weights {
        // What the steps of usual ladders have, known when it is compiled: twice as fast.
        [_, _, _] => mix_blocks(simd, &[0, 1, 2].map(pair), window, put),
        _ => {
            let pairs: Vec<_> = (0..pairs).map(pair).collect();
            mix_blocks(simd, &pairs, window, put);
        }
    }
}

#[inline(always)]
fn mix_blocks<S: Simd>(
    simd: S,
    rows: &[[&[u8]; 2]],
    window: Window<'_>,
    mut put: impl FnMut(usize, Block),
) {
    let width = rows[0][0].len();
    let whole = width / LANES;
    for block in 0..whole {
        put(
            block,
            mix(simd, window, |at| rows[at].map(|row| at_block(row, block))),
        );
    }
    if width > whole * LANES {
        let pair = |at: usize| {
            rows[at].map(|row| {
                let mut padded = [0; LANES];
                padded[..width - whole * LANES].copy_from_slice(&row[whole * LANES..width]);
                padded
            })
        };
        put(whole, mix(simd, window, pair));
    }
}

#[inline(always)]
fn at_block(row: &[u8], block: usize) -> Block {
    row.as_chunks::<LANES>().0[block]
}

/// Writes a block of row `row` into the two tiles that hold its columns.
#[inline(always)]
fn put(tiles: &mut [Tile; 2], row: usize, block: &Block) {
    let half = row / TILE * TILE;
    for (tile, samples) in tiles.iter_mut().zip(block.as_chunks::<TILE>().0) {
        tile[row % TILE][half..][..TILE].copy_from_slice(samples);
    }
}

/// Writes samples into row `y` from column `left` on, as far as that reaches.
#[inline(always)]
fn store(target: &mut Plane<&mut [u8]>, y: usize, left: usize, samples: &[u8; TILE]) {
    let row = &mut target.bytes[y * target.stride..][..target.width];
    let rest = &mut row[left..];
    // Of a constant length: a copy of any is a call.
    if let Some(whole) = rest.first_chunk_mut() {
        *whole = *samples;
    } else {
        rest.copy_from_slice(&samples[..rest.len()]);
    }
}

/// Column `x` of the smaller plane.
#[inline(always)]
fn mix_columns<S: Simd>(simd: S, columns: &[Block], across: &Axis, x: usize) -> Block {
    let window = across.window(x);
    let columns = &columns[window.first..][..across.reach()];
    match (columns, window.weights) {
        (&[a, b, c, d, e, f], [_, _, _]) => {
            let pairs = [[a, d], [b, e], [c, f]];
            mix(simd, window, |at| pairs[at])
        }
        (columns, weights) => mix(simd, window, |at| {
            [at, weights.len() + at].map(|at| columns[at])
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catmull-Rom (Mitchell and Netravali 1988, B = 0, C = ½) of one row, in full precision; its
    /// support grows with the step, so that a smaller picture does not alias.
    fn reference(row: &[f64], wanted: usize) -> Vec<f64> {
        let weight = |x: f64| match x.abs() {
            x if x < 1.0 => 1.5 * x.powi(3) - 2.5 * x.powi(2) + 1.0,
            x if x < 2.0 => -0.5 * x.powi(3) + 2.5 * x.powi(2) - 4.0 * x + 2.0,
            _ => 0.0,
        };
        let step = row.len() as f64 / wanted as f64;
        let stretch = step.max(1.0);
        let sample = |at: usize| {
            let centre = (at as f64 + 0.5) * step;
            let weights = (0..row.len()).map(|i| weight((i as f64 + 0.5 - centre) / stretch));
            let (sum, total) = row
                .iter()
                .zip(weights)
                .fold((0.0, 0.0), |(s, t), (v, w)| (s + v * w, t + w));
            sum / total
        };
        (0..wanted).map(sample).collect()
    }

    fn columns(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        (0..rows[0].len())
            .map(|x| rows.iter().map(|row| row[x]).collect())
            .collect()
    }

    #[test]
    fn it_is_catmull_rom_within_a_step_of_rounding_each_way_and_weights_of_seven_bits() {
        // One for all, as planes of a picture have: nothing of one may show in the next.
        let mut scaler = PlaneScaler::default();
        for (from, to) in [
            ((192, 108), (128, 72)),
            ((128, 72), (86, 48)),
            ((43, 24), (32, 18)),
        ] {
            let ((width, height), (to_width, to_height)) = (from, to);
            let stride = width + 7;
            let bytes: Vec<u8> = (0..stride * height)
                .map(|at| {
                    let (x, y) = (at % stride, at / stride);
                    // Slopes, edges and grain; the padding must not show.
                    let grain = (at * 7919 % 29) as f64;
                    let slope =
                        60.0 + 50.0 * (x as f64 / 9.0).sin() + 40.0 * (y as f64 / 7.0).cos();
                    let edge = if x > width / 3 && y > height / 2 {
                        70.0
                    } else {
                        0.0
                    };
                    if x < width {
                        (slope + edge + grain) as u8
                    } else {
                        255
                    }
                })
                .collect();
            let source = Plane {
                bytes: &bytes[..],
                width,
                height,
                stride,
            };
            let mut scaled = vec![0; to_width * to_height];
            let mut target = Plane::packed(&mut scaled[..], to_width, to_height);
            scaler.scale(&source, &mut target).expect("whole planes");

            let rows: Vec<Vec<f64>> = bytes
                .chunks(stride)
                .map(|row| row[..width].iter().map(|&byte| f64::from(byte)).collect())
                .collect();
            let lower: Vec<_> = columns(&rows)
                .iter()
                .map(|c| reference(c, to_height))
                .collect();
            let expected = columns(&lower);
            let mut squares = 0.0;
            for (y, row) in expected.iter().enumerate() {
                for (x, exact) in reference(row, to_width).into_iter().enumerate() {
                    let exact = exact.clamp(0.0, 255.0);
                    let off = (f64::from(scaled[y * to_width + x]) - exact).abs();
                    assert!(off < 2.0, "{from:?} to {to:?}: off by {off} at {x}, {y}");
                    squares += off * off;
                }
            }
            let off = (squares / (to_width * to_height) as f64).sqrt();
            assert!(off < 0.5, "{from:?} to {to:?}: off by {off}");
        }
    }

    #[test]
    fn a_scaler_that_has_had_many_sizes_makes_of_each_what_a_new_one_does() {
        let bytes: Vec<u8> = (0..200 * 200).map(|at| (at * 7919 % 251) as u8).collect();
        let mut used = PlaneScaler::default();
        let sizes = [
            (1, 1),
            (2, 90),
            (31, 3),
            (32, 16),
            (33, 48),
            (100, 70),
            (200, 200),
        ];
        for _ in 0..3 {
            for (from, to) in sizes.iter().flat_map(|from| sizes.map(|to| (*from, to))) {
                let source = Plane {
                    bytes: &bytes[..],
                    width: from.0,
                    height: from.1,
                    stride: 200,
                };
                let scaled = |scaler: &mut PlaneScaler| {
                    let mut scaled = vec![0; to.0 * to.1];
                    let mut target = Plane::packed(&mut scaled[..], to.0, to.1);
                    scaler.scale(&source, &mut target).expect("whole planes");
                    scaled
                };
                let same = scaled(&mut used) == scaled(&mut PlaneScaler::default());
                assert!(same, "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn a_plane_that_is_too_short_is_refused() {
        let (short, mut target) = (vec![0; 99], vec![0; 16]);
        let source = Plane::packed(&short[..], 10, 10);
        let result =
            PlaneScaler::default().scale(&source, &mut Plane::packed(&mut target[..], 4, 4));
        assert!(result.is_err());
    }
}
