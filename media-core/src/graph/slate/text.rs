//! A line of text in the middle of a plane of luma.

use noto_sans_mono_bitmap::{
    FontWeight, RasterHeight, RasterizedChar, get_raster, get_raster_width,
};

use super::Plane;

/// Luma of the letters: nearly white.
const BRIGHT: u32 = 225;

/// The height of a letter, as a share of the picture's: a twentieth, in whole multiples of the
/// font's.
const HEIGHT_SHARE: usize = 20;

const HEIGHT: RasterHeight = RasterHeight::Size32;
const WEIGHT: FontWeight = FontWeight::Bold;

/// Stands for letters that the font lacks.
const UNKNOWN: char = '?';

/// Writes `text`, as much of it as fits.
pub(super) fn write(luma: &mut Plane, text: &str) {
    let zoom = (luma.height / HEIGHT_SHARE / HEIGHT.val()).max(1);
    let advance = get_raster_width(WEIGHT, HEIGHT) * zoom;
    let letters: Vec<_> = text
        .chars()
        .filter_map(|letter| raster(letter).or_else(|| raster(UNKNOWN)))
        .take(luma.width / advance)
        .collect();
    let Some(top) = luma.height.checked_sub(HEIGHT.val() * zoom) else {
        return;
    };
    let left = (luma.width - letters.len() * advance) / 2;
    for (index, letter) in letters.iter().enumerate() {
        draw(luma, letter, left + index * advance, top / 2, zoom);
    }
}

fn raster(letter: char) -> Option<RasterizedChar> {
    get_raster(letter, WEIGHT, HEIGHT)
}

/// Each pixel of the letter becomes a square of `zoom`, as bright as it is opaque.
fn draw(luma: &mut Plane, letter: &RasterizedChar, left: usize, top: usize, zoom: usize) {
    for (row, opacities) in letter.rows().enumerate() {
        for (column, opacity) in opacities.iter().enumerate() {
            let opacity = u32::from(*opacity);
            for y in (0..zoom).map(|y| top + row * zoom + y) {
                let from = y * luma.width + left + column * zoom;
                let Some(pixels) = luma.bytes.get_mut(from..from + zoom) else {
                    continue;
                };
                for pixel in pixels {
                    let under = u32::from(*pixel) * (255 - opacity);
                    *pixel = ((under + BRIGHT * opacity) / 255) as u8;
                }
            }
        }
    }
}
