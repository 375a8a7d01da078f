//! Coding a picture as JPEG (ITU-T T.81, baseline, in a JFIF file).

use bytes::Bytes;
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use super::{Error, Picture};

/// Codes `picture` in a quality of 1 to 100.
pub(super) fn encode(picture: &Picture, quality: u8) -> Result<Bytes, Error> {
    let mut coded = Vec::new();
    let mut encoder = Encoder::new(&mut coded, quality);
    // As the picture has its chroma: it is taken as it is.
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let rows = Rows(picture);
    let done = encoder.encode_image(rows);
    done.map_err(|error| Error::Jpeg(error.to_string()))?;
    Ok(coded.into())
}

/// A picture as the encoder reads it: with every value of chroma four times, which it halves again
/// both ways.
struct Rows<'a>(&'a Picture);

impl ImageBuffer for Rows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.0.width()
    }

    fn height(&self) -> u16 {
        self.0.height()
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let [luma, cb, cr, _] = buffers;
        let y = usize::from(y);
        let [(width, _, from_luma), (half, _, from_cb), (_, _, from_cr)] = self.0.planes();
        luma.extend_from_slice(&from_luma[y * width..][..width]);
        for (chroma, from) in [(cb, from_cb), (cr, from_cr)] {
            let row = &from[y / 2 * half..][..half];
            chroma.extend(row.iter().flat_map(|value| [*value; 2]));
        }
    }
}

#[cfg(test)]
mod tests {
    use zune_jpeg::JpegDecoder;
    use zune_jpeg::zune_core::bytestream::ZCursor;

    use super::*;

    #[test]
    fn another_decoder_sees_the_picture() {
        let mut picture = Picture::black(96, 50);
        // Red, green and blue of JFIF, each for two blocks.
        let colours = [[76, 85, 255], [150, 44, 21], [29, 255, 107]];
        for (colour, left) in colours.into_iter().zip([0, 32, 64]) {
            picture.place(&Picture::filled(32, 50, colour), left, 0);
        }
        let coded = encode(&picture, 75).expect("a JPEG");
        let mut decoder = JpegDecoder::new(ZCursor::new(&coded));
        let pixels = decoder.decode().expect("a whole file");
        assert_eq!(decoder.dimensions(), Some((96, 50)));
        for (y, row) in pixels.chunks(96 * 3).enumerate() {
            for (x, pixel) in row.chunks(3).enumerate() {
                // Where two colours meet, the decoder mixes the chroma of both.
                if matches!(x % 32, 0 | 31) {
                    continue;
                }
                let wanted: Vec<i16> = (0..3).map(|of| 255 * i16::from(of == x / 32)).collect();
                for (shown, wanted) in pixel.iter().zip(wanted) {
                    let off = (i16::from(*shown) - wanted).abs();
                    assert!(off <= 6, "{pixel:?} at {x}, {y}");
                }
            }
        }
    }
}
