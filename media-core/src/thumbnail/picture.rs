//! Pictures of planar 4:2:0 in the colours of JPEG files.

/// Luma up to which a pixel is dark, of 255.
const DARK_MAX: u8 = 40;

/// Of how many pixels one has to be lit, or else the picture is dark.
const LIT_ONE_IN: usize = 50;

/// A picture of even width and height: a plane of luma, and two of chroma with half the columns and
/// half the rows, without padding. Its colours are JFIF's (ITU-T T.871 §7): BT.601's, from 0 to 255.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    width: u16,
    height: u16,
    /// Luma, Cb, Cr.
    planes: [Vec<u8>; 3],
}

impl Picture {
    /// A picture of one colour (luma, Cb, Cr). An odd side is made one shorter, and none is less
    /// than 2.
    pub(crate) fn filled(width: u16, height: u16, colour: [u8; 3]) -> Self {
        let (width, height) = (even(width), even(height));
        let pixels = usize::from(width) * usize::from(height);
        let [luma, cb, cr] = colour;
        let planes = [
            vec![luma; pixels],
            vec![cb; pixels / 4],
            vec![cr; pixels / 4],
        ];
        Self {
            width,
            height,
            planes,
        }
    }

    /// A black picture.
    pub(crate) fn black(width: u16, height: u16) -> Self {
        Self::filled(width, height, [0, 128, 128])
    }

    pub(crate) fn width(&self) -> u16 {
        self.width
    }

    pub(crate) fn height(&self) -> u16 {
        self.height
    }

    /// Columns, rows and bytes of luma, Cb and Cr.
    pub(crate) fn planes(&self) -> [(usize, usize, &[u8]); 3] {
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        let [luma, cb, cr] = &self.planes;
        [
            (width, height, luma),
            (width / 2, height / 2, cb),
            (width / 2, height / 2, cr),
        ]
    }

    /// The same, to be written.
    pub(crate) fn planes_mut(&mut self) -> [(usize, usize, &mut [u8]); 3] {
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        let [luma, cb, cr] = &mut self.planes;
        [
            (width, height, luma),
            (width / 2, height / 2, cb),
            (width / 2, height / 2, cr),
        ]
    }

    /// Copies `other` to column `left` and row `top`, which are even.
    ///
    /// # Panics
    /// It does not fit there.
    pub(crate) fn place(&mut self, other: &Self, left: u16, top: u16) {
        let (left, top) = (usize::from(left), usize::from(top));
        for (plane, (target, source)) in self
            .planes_mut()
            .into_iter()
            .zip(other.planes())
            .enumerate()
        {
            let (stride, _, target) = target;
            let (columns, _, source) = source;
            let (left, top) = if plane == 0 {
                (left, top)
            } else {
                (left / 2, top / 2)
            };
            let rows = target[top * stride..].chunks_mut(stride);
            for (to, from) in rows.zip(source.chunks(columns)) {
                to[left..left + columns].copy_from_slice(from);
            }
        }
    }

    /// Its upper `height` rows, which are even.
    pub(super) fn upper(mut self, height: u16) -> Self {
        self.height = height.min(self.height);
        let pixels = usize::from(self.width) * usize::from(self.height);
        let [luma, cb, cr] = &mut self.planes;
        luma.truncate(pixels);
        cb.truncate(pixels / 4);
        cr.truncate(pixels / 4);
        self
    }

    /// Whether there is next to no light in it.
    pub(super) fn is_dark(&self) -> bool {
        let [luma, ..] = &self.planes;
        let lit = luma.iter().filter(|pixel| **pixel > DARK_MAX).count();
        lit * LIT_ONE_IN < luma.len()
    }

    #[cfg(test)]
    pub(super) fn luma_at(&self, x: u16, y: u16) -> u8 {
        self.planes[0][usize::from(y) * usize::from(self.width) + usize::from(x)]
    }
}

/// The largest even size of the shape of `size` that is no larger than it and than `max`.
pub(crate) fn fitted(size: (u32, u32), max: (u16, u16)) -> (u16, u16) {
    let (width, height) = (u64::from(size.0.max(1)), u64::from(size.1.max(1)));
    let (width_max, height_max) = (u64::from(max.0).min(width), u64::from(max.1).min(height));
    let (wide, high) = if width * height_max > height * width_max {
        (width_max, (height * width_max + width / 2) / width)
    } else {
        ((width * height_max + height / 2) / height, height_max)
    };
    let side = |side: u64| even(u16::try_from(side).unwrap_or(u16::MAX));
    (side(wide), side(high))
}

fn even(side: u16) -> u16 {
    (side & !1).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_their_shape_and_are_never_enlarged() {
        for (size, max, expected) in [
            ((1920, 1080), (640, 640), (640, 360)),
            ((640, 480), (640, 640), (640, 480)),
            ((1080, 1920), (640, 640), (360, 640)),
            ((320, 180), (640, 640), (320, 180)),
            ((640, 360), (160, 90), (160, 90)),
            ((640, 480), (160, 90), (120, 90)),
            ((3840, 2), (160, 90), (160, 2)),
            ((854, 480), (640, 640), (640, 360)),
        ] {
            assert_eq!(fitted(size, max), expected, "{size:?}");
        }
    }

    #[test]
    fn a_picture_is_placed_in_all_its_planes() {
        let mut picture = Picture::black(8, 6);
        picture.place(&Picture::filled(4, 2, [9, 8, 7]), 2, 4);
        let [(_, _, luma), (_, _, cb), (_, _, cr)] = picture.planes();
        assert_eq!(luma[4 * 8..], [0, 0, 9, 9, 9, 9, 0, 0].repeat(2));
        assert!(luma[..4 * 8].iter().all(|pixel| *pixel == 0));
        assert_eq!(cb[2 * 4..], [128, 8, 8, 128]);
        assert_eq!(cr[2 * 4..], [128, 7, 7, 128]);
        assert_eq!(picture.upper(4), Picture::black(8, 4));
    }
}
