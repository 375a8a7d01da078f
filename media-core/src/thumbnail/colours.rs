//! From video's colours to JPEG's.

use super::Picture;

/// The colour matrix of video, whose luma goes from 16 to 235 and whose chroma from 16 to 240.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// ITU-R BT.601.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
}

/// What of Cb and Cr goes into each component, once the range is full. Luma itself stays.
struct Matrix {
    luma: [f32; 2],
    cb: [f32; 2],
    cr: [f32; 2],
}

impl Colours {
    /// Turns the values of `picture`, which are this video's, into those of JFIF in place.
    pub(crate) fn into_jfif(self, picture: &mut Picture) {
        /// BT.601 §2.5.3 and BT.709 §4: 219 steps of luma, 224 of chroma.
        const LUMA_GAIN: f32 = 255.0 / 219.0;
        const CHROMA_GAIN: f32 = 255.0 / 224.0;
        let matrix = self.matrix();
        let [(stride, _, luma), (columns, _, cb), (_, _, cr)] = picture.planes_mut();
        for (at, (cb, cr)) in cb.iter_mut().zip(cr).enumerate() {
            let full = [*cb, *cr].map(|chroma| (f32::from(chroma) - 128.0) * CHROMA_GAIN);
            let mixed = |[of_cb, of_cr]: [f32; 2]| of_cb * full[0] + of_cr * full[1];
            *cb = byte(128.0 + mixed(matrix.cb));
            *cr = byte(128.0 + mixed(matrix.cr));
            let lift = mixed(matrix.luma);
            // The four pixels that share this chroma.
            let first = at / columns * 2 * stride + at % columns * 2;
            for pixel in [first, first + 1, first + stride, first + stride + 1] {
                luma[pixel] = byte((f32::from(luma[pixel]) - 16.0) * LUMA_GAIN + lift);
            }
        }
    }

    fn matrix(self) -> Matrix {
        match self {
            Self::Bt601 => Matrix {
                luma: [0.0, 0.0],
                cb: [1.0, 0.0],
                cr: [0.0, 1.0],
            },
            // BT.709's luma and chroma to RGB, and that to BT.601's, multiplied.
            Self::Bt709 => Matrix {
                luma: [0.101_579, 0.196_076],
                cb: [0.989_854, -0.110_653],
                cr: [-0.072_453, 0.983_398],
            },
        }
    }
}

fn byte(value: f32) -> u8 {
    // `as` saturates.
    (value + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RGB to video of a matrix that is given by its weights of red and blue.
    fn video([r, g, b]: [f64; 3], (red, blue): (f64, f64)) -> [u8; 3] {
        let luma = red * r + (1.0 - red - blue) * g + blue * b;
        let cb = (b - luma) / (2.0 * (1.0 - blue));
        let cr = (r - luma) / (2.0 * (1.0 - red));
        let bytes = [16.0 + 219.0 * luma, 128.0 + 224.0 * cb, 128.0 + 224.0 * cr];
        bytes.map(|value| value.round() as u8)
    }

    #[test]
    fn colours_are_the_same_to_the_eye_in_either_matrix() {
        for (colours, weights) in [
            (Colours::Bt601, (0.299, 0.114)),
            (Colours::Bt709, (0.2126, 0.0722)),
        ] {
            for rgb in [
                [0.0, 0.0, 0.0],
                [1.0, 1.0, 1.0],
                [1.0, 0.0, 0.0],
                [0.0, 1.0, 0.0],
                [0.0, 0.0, 1.0],
                [0.8, 0.5, 0.2],
                [0.1, 0.6, 0.6],
            ] {
                let mut picture = Picture::filled(4, 4, video(rgb, weights));
                colours.into_jfif(&mut picture);
                let [luma, cb, cr] = picture.planes().map(|(_, _, plane)| {
                    assert!(plane.iter().all(|value| *value == plane[0]));
                    f64::from(plane[0])
                });
                // T.871 §7.
                let shown = [
                    luma + 1.402 * (cr - 128.0),
                    luma - 0.344_136 * (cb - 128.0) - 0.714_136 * (cr - 128.0),
                    luma + 1.772 * (cb - 128.0),
                ];
                for (shown, wanted) in shown.into_iter().zip(rgb) {
                    let off = (shown.clamp(0.0, 255.0) - 255.0 * wanted).abs();
                    assert!(off < 4.0, "{colours:?}, {rgb:?}: {shown:.1}");
                }
            }
        }
    }
}
