//! Turns a plane of bytes over its diagonal.

use wide::u8x16;

use super::plane::Plane;

/// Rows and columns of a tile, which sixteen vectors hold.
const TILE: usize = 16;

/// Rows that are turned together: what they write are whole lines of the processor's cache.
const BAND: usize = 4 * TILE;

/// Writes column `x` of `source` as row `x` of `target`, for every `x`.
///
/// # Panics
/// A plane is not whole, or `target` has not as many rows as `source` columns and the other way
/// round.
pub(super) fn transpose(source: &Plane<&[u8]>, target: &mut Plane<&mut [u8]>) {
    let (width, height) = (source.width, source.height);
    assert_eq!((target.height, target.width), (width, height));
    if width < TILE || height < TILE {
        for (y, row) in source.bytes.chunks(source.stride).take(height).enumerate() {
            for (x, byte) in row[..width].iter().enumerate() {
                target.bytes[x * target.stride + y] = *byte;
            }
        }
        return;
    }
    for band in (0..height).step_by(BAND) {
        for x in (0..width).step_by(TILE) {
            // The last tile of a row or column reaches back over the one before it.
            let x = x.min(width - TILE);
            for y in (band..height.min(band + BAND)).step_by(TILE) {
                let y = y.min(height - TILE);
                let from = &source.bytes[y * source.stride + x..];
                let to = &mut target.bytes[x * target.stride + y..];
                transpose_tile(from, source.stride, to, target.stride);
            }
        }
    }
}

fn transpose_tile(source: &[u8], source_stride: usize, target: &mut [u8], target_stride: usize) {
    let mut vectors = [u8x16::ZERO; TILE];
    for (row, vector) in vectors.iter_mut().enumerate() {
        let bytes = &source[row * source_stride..][..TILE];
        *vector = u8x16::new(bytes.try_into().expect("a tile's width"));
    }
    // Each round deals the upper and the lower half of the vectors together, as one riffles cards:
    // byte c of vector r moves from place 16 r + c to twice that (mod 255). After four, to 16 c + r.
    for _ in 0..TILE.ilog2() {
        let mut dealt = [u8x16::ZERO; TILE];
        for row in 0..TILE / 2 {
            let (upper, lower) = (vectors[row], vectors[row + TILE / 2]);
            dealt[2 * row] = u8x16::unpack_low(upper, lower);
            dealt[2 * row + 1] = u8x16::unpack_high(upper, lower);
        }
        vectors = dealt;
    }
    for (row, vector) in vectors.iter().enumerate() {
        target[row * target_stride..][..TILE].copy_from_slice(&vector.to_array());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_every_size_changes_row_for_column() {
        for (width, height) in [
            (16, 16),
            (17, 16),
            (16, 31),
            (33, 200),
            (427, 67),
            (5, 40),
            (40, 3),
            (1, 1),
        ] {
            let (source_stride, target_stride) = (width + 3, height + 5);
            let source: Vec<u8> = (0..source_stride * height)
                .map(|at| (at * 31 % 251) as u8)
                .collect();
            let mut target = vec![255; target_stride * width];
            let from = Plane {
                bytes: &source[..],
                width,
                height,
                stride: source_stride,
            };
            let mut to = Plane {
                bytes: &mut target[..],
                width: height,
                height: width,
                stride: target_stride,
            };
            transpose(&from, &mut to);
            for (at, byte) in target.iter().enumerate() {
                let (x, y) = (at / target_stride, at % target_stride);
                let expected = match y < height {
                    true => source[y * source_stride + x],
                    // The padding is left alone.
                    false => 255,
                };
                assert_eq!(*byte, expected, "{width}×{height} at {x}, {y}");
            }
        }
    }
}
