//! The source's picture: a frame counter that a machine can read back, and a flash.
//!
//! The top quarter is a row of [`BLOCKS`] black and white squares, wide enough to survive scaling
//! and a hard compression: a white one (so that a black slate has no number), the counter from its
//! highest bit to its lowest, and a parity. Below it moves a faint pattern, so that frames differ.
//! The lower half flashes white for a few frames once a second.

/// Blocks in the row.
const BLOCKS: usize = 16;

/// Bits of the counter.
const BITS: usize = BLOCKS - 2;

/// How long a flash is; its first frame is what counts.
const FLASH_FRAMES: u32 = 3;

const BLACK: u8 = 16;
pub(crate) const WHITE: u8 = 235;
const DARK: u8 = 40;

/// What is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// Counter and flash.
    Counter,
    /// A white rectangle of this size, in coded pixels, in the middle of black.
    Rectangle { width: usize, height: usize },
    /// A white bar, a quarter of the picture wide, that moves by this many pixels a frame.
    Bar { step: usize },
}

/// Paints frame `number` of a picture with `width` × `height` bytes of grey. The flash comes every
/// `flash_every` frames.
pub(crate) fn paint(
    scene: Scene,
    width: usize,
    height: usize,
    number: u32,
    flash_every: u32,
) -> Vec<u8> {
    let mut grey = vec![BLACK; width * height];
    let rows = grey.chunks_mut(width);
    match scene {
        Scene::Counter => {
            let flash = number >= flash_every && number % flash_every < FLASH_FRAMES;
            for (y, row) in rows.enumerate() {
                for (x, pixel) in row.iter_mut().enumerate() {
                    *pixel = if y < height / 4 {
                        block(number, x * BLOCKS / width)
                    } else if y < height / 2 {
                        DARK + ((x + 4 * number as usize) & 31) as u8
                    } else if flash {
                        WHITE
                    } else {
                        DARK
                    };
                }
            }
        }
        Scene::Rectangle {
            width: inner,
            height: inner_height,
        } => {
            let (left, top) = ((width - inner) / 2, (height - inner_height) / 2);
            for row in rows.skip(top).take(inner_height) {
                row[left..left + inner].fill(WHITE);
            }
        }
        Scene::Bar { step } => {
            for row in rows {
                for x in 0..width / 4 {
                    row[(x + step * number as usize) % width] = WHITE;
                }
            }
        }
    }
    grey
}

fn block(number: u32, index: usize) -> u8 {
    let white = match index {
        0 => true,
        index if index <= BITS => number >> (BITS - index) & 1 == 1,
        _ => number.count_ones() % 2 == 1,
    };
    if white { WHITE } else { BLACK }
}

/// A decoded picture.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// When it is shown, in seconds on the broadcast's clock.
    pub(crate) time_s: f64,
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// `width` × `height` bytes.
    pub(crate) grey: Vec<u8>,
}

impl Picture {
    /// The counter; `None` where there is none, as on a slate.
    pub(crate) fn number(&self) -> Option<u32> {
        let white = |index: usize| {
            let block = self.width as f64 / BLOCKS as f64;
            let left = (block * (index as f64 + 0.3)) as usize;
            let right = (block * (index as f64 + 0.7)) as usize;
            self.mean(left, right.max(left + 1), self.height / 12, self.height / 6) > 128.0
        };
        let bits = (1..=BITS).map(|index| u32::from(white(index)));
        let number = bits.fold(0, |number, bit| number << 1 | bit);
        let parity = number.count_ones() % 2 == 1;
        (white(0) && white(BLOCKS - 1) == parity).then_some(number)
    }

    /// Whether the flash is on.
    pub(crate) fn is_bright(&self) -> bool {
        self.mean(0, self.width, self.height * 6 / 10, self.height * 9 / 10) > 130.0
    }

    /// Width and height of what is white.
    pub(crate) fn white_size(&self) -> (usize, usize) {
        let white = |x: usize, y: usize| self.grey[y * self.width + x] > 128;
        let width = (0..self.width)
            .filter(|&x| white(x, self.height / 2))
            .count();
        let height = (0..self.height)
            .filter(|&y| white(self.width / 2, y))
            .count();
        (width, height)
    }

    /// Pixels that differ strongly from both the row above and the row below: the comb that an
    /// interlaced picture shows where something moves.
    pub(crate) fn combed(&self) -> usize {
        let rows: Vec<&[u8]> = self.grey.chunks(self.width).collect();
        let sticks_out = |above: u8, here: u8, below: u8| {
            let (above, here, below) = (i16::from(above), i16::from(here), i16::from(below));
            (here - above).min(here - below) > 60 || (above - here).min(below - here) > 60
        };
        rows.windows(3)
            .map(|rows| {
                let columns = 0..self.width;
                columns
                    .filter(|&x| sticks_out(rows[0][x], rows[1][x], rows[2][x]))
                    .count()
            })
            .sum()
    }

    fn mean(&self, left: usize, right: usize, top: usize, bottom: usize) -> f64 {
        let bottom = bottom.max(top + 1);
        let sum: u64 = (top..bottom)
            .flat_map(|y| &self.grey[y * self.width + left..y * self.width + right])
            .map(|&pixel| u64::from(pixel))
            .sum();
        sum as f64 / ((right - left) * (bottom - top)) as f64
    }
}

#[test]
fn a_painted_number_is_read_back_and_black_has_none() {
    let read = |width, height, grey| {
        let time_s = 0.0;
        let picture = Picture {
            time_s,
            width,
            height,
            grey,
        };
        picture.number()
    };
    for (width, height) in [(160, 90), (320, 180), (1280, 720)] {
        for number in [0, 1, 2, 1023, 1024, 9999, 16_383] {
            let grey = paint(Scene::Counter, width, height, number, 30);
            assert_eq!(read(width, height, grey), Some(number));
        }
        assert_eq!(read(width, height, vec![BLACK; width * height]), None);
        assert_eq!(read(width, height, vec![WHITE; width * height]), None);
    }
}
