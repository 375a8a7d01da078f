//! Scales a plane of bytes by Catmull-Rom.

use std::fmt::Display;

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::transpose::transpose;

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

    /// Whether its bytes are as many as its size says.
    pub(in crate::graph) fn is_whole(&self) -> bool {
        self.stride >= self.width && self.bytes.as_ref().len() >= self.stride * self.height
    }
}

/// A scaler, and the memory that it needs again for each picture.
#[derive(Default)]
pub(in crate::graph) struct PlaneScaler {
    resizer: Resizer,
    /// What rows were mixed into.
    mixed: Vec<u8>,
    /// The same, rows for columns.
    turned: Vec<u8>,
}

impl PlaneScaler {
    /// Scales `source` to the size of `target`.
    ///
    /// Both ways it is rows that are mixed, columns having been turned into rows: vector
    /// instructions mix whole rows as they lie, but of columns they have to gather the bytes, which
    /// costs far more than turning the plane over and back (design/0007-scaler.md).
    ///
    /// # Errors
    /// A plane is shorter than its size says.
    pub(in crate::graph) fn scale(
        &mut self,
        source: &Plane<&[u8]>,
        target: &mut Plane<&mut [u8]>,
    ) -> Result<(), String> {
        if !source.is_whole() || !target.is_whole() {
            return Err("a plane is shorter than its size says".to_owned());
        }
        let (from, width, height) = (source.width, target.width, target.height);
        let mixed = room(&mut self.mixed, from * height);
        mix_rows(&mut self.resizer, source, mixed, height)?;
        let turned = room(&mut self.turned, from * height);
        transpose(
            &Plane::packed(&*mixed, from, height),
            &mut Plane::packed(&mut *turned, height, from),
        );

        let turned = Plane::packed(&*turned, height, from);
        let mixed = room(&mut self.mixed, width * height);
        mix_rows(&mut self.resizer, &turned, mixed, width)?;
        transpose(&Plane::packed(&*mixed, height, width), target);
        Ok(())
    }
}

/// So many bytes of `buffer`, which never shrinks: planes of a picture differ in size, and what grows
/// again is filled with zeros again.
fn room(buffer: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    if buffer.len() < bytes {
        buffer.resize(bytes, 0);
    }
    &mut buffer[..bytes]
}

/// Makes `height` rows of those of `source`, without padding.
fn mix_rows(
    resizer: &mut Resizer,
    source: &Plane<&[u8]>,
    target: &mut [u8],
    height: usize,
) -> Result<(), String> {
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
        .use_alpha(false);
    let [width, source_height, stride, height] =
        [source.width, source.height, source.stride, height].map(|size| size as u32);
    // Typed, so that only bytes' code is compiled, out of a dozen kinds of pixel.
    let padded =
        TypedImageRef::<U8>::from_buffer(stride, source_height, source.bytes).map_err(text)?;
    let view = TypedCroppedImage::new(padded, 0, 0, width, source_height).map_err(text)?;
    let mut rows = TypedImage::<U8>::from_buffer(width, height, target).map_err(text)?;
    resizer
        .resize_typed(&view, &mut rows, &options)
        .map_err(text)
}

fn text(error: impl Display) -> String {
    error.to_string()
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
    fn it_is_catmull_rom_within_a_step_of_rounding_each_way() {
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
            for (y, row) in expected.iter().enumerate() {
                for (x, exact) in reference(row, to_width).into_iter().enumerate() {
                    let exact = exact.clamp(0.0, 255.0);
                    let off = (f64::from(scaled[y * to_width + x]) - exact).abs();
                    assert!(off < 1.5, "{from:?} to {to:?}: off by {off} at {x}, {y}");
                }
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
