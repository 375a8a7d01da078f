//! Small still pictures of what is encoded: for listings and posters, and sheets of tiny ones for
//! scrubbing.
//!
//! They come from pictures that were decoded anyway (`graph` takes one every [`EVERY`]); everything
//! here is plain Rust over pixels: what is taken when ([`Schedule`]), what a sheet and its WebVTT
//! look like ([`Sprites`]), which few stand for a whole recording ([`Stills`]).

mod colours;
mod jpeg;
mod picture;
mod schedule;
mod sprites;
mod stills;
mod webvtt;

use bytes::Bytes;

use crate::time::MediaTime;

pub(crate) use colours::Colours;
pub(crate) use picture::{Picture, fitted};
pub(crate) use schedule::Schedule;
pub use schedule::{EVERY, FIRST_AT};
pub use sprites::{Finished, Sheet, Sprites};
pub use stills::{Still, Stills};

/// Most columns and rows of a thumbnail. Pictures of 16:9 come out as 640×360.
pub(crate) const SIDE_MAX: u16 = 640;

/// Columns of a [`Tile`].
pub const TILE_WIDTH: u16 = 160;

/// Rows of a [`Tile`].
pub const TILE_HEIGHT: u16 = 90;

/// A picture of one moment.
#[derive(Clone, Debug)]
pub struct Thumbnail {
    /// When it is shown, on the clock of what is encoded.
    pub time: MediaTime,
    /// At most 640 columns and 640 rows, in the picture's own shape; never larger than the picture
    /// that is encoded. Some 20 to 50 kB.
    pub jpeg: Bytes,
    /// The same, tiny.
    pub tile: Tile,
}

/// A picture of [`TILE_WIDTH`] × [`TILE_HEIGHT`] for a sheet of [`Sprites`]; what has another shape
/// stands in the middle of black. 22 kB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile(Picture);

impl Tile {
    /// A tile with `picture` in its middle, which must not be larger.
    pub(crate) fn letterboxed(picture: &Picture) -> Self {
        let mut tile = Picture::black(TILE_WIDTH, TILE_HEIGHT);
        let middle = |whole: u16, part: u16| (whole - part) / 4 * 2;
        let left = middle(TILE_WIDTH, picture.width());
        let top = middle(TILE_HEIGHT, picture.height());
        tile.place(picture, left, top);
        Self(tile)
    }

    /// Whether it shows next to nothing, as a picture before the first light or between two scenes.
    pub(crate) fn is_dark(&self) -> bool {
        self.0.is_dark()
    }
}

/// Codes a thumbnail.
///
/// # Errors
/// The encoder refuses the picture, which it has no reason to.
pub(crate) fn encode(picture: &Picture) -> Result<Bytes, Error> {
    /// Artefacts are not seen at this size, and half of 90's bytes.
    const QUALITY: u8 = 75;
    jpeg::encode(picture, QUALITY)
}

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The encoder's own words.
    #[error("a picture cannot be coded as JPEG: {0}")]
    Jpeg(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portrait_picture_stands_in_the_middle_of_its_tile() {
        let (width, height) = fitted((1080, 1920), (TILE_WIDTH, TILE_HEIGHT));
        assert_eq!((width, height), (50, 90));
        let white = Picture::filled(width, height, [255, 128, 128]);
        let Tile(tile) = Tile::letterboxed(&white);
        assert_eq!((tile.width(), tile.height()), (TILE_WIDTH, TILE_HEIGHT));
        for y in [0, 45, 89] {
            let row: Vec<bool> = (0..TILE_WIDTH).map(|x| tile.luma_at(x, y) == 255).collect();
            let lit = row.iter().filter(|lit| **lit).count();
            assert_eq!((lit, row[53], row[54], row[103]), (50, false, true, true));
        }
    }

    #[test]
    fn what_is_lit_nowhere_is_dark_and_a_small_light_is_not() {
        let mut picture = Picture::filled(160, 90, [20, 128, 128]);
        assert!(Tile::letterboxed(&picture).is_dark());
        picture.place(&Picture::filled(32, 20, [200, 90, 150]), 60, 30);
        assert!(!Tile::letterboxed(&picture).is_dark());
    }
}
