//! One rendition's file and what lies where in it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::extent::Extent;

/// A rendition's segments, numbered without a hole, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Reel {
    file: Option<Arc<File>>,
    /// Number, offset and length of each segment.
    segments: VecDeque<(u64, u64, usize)>,
    end: u64,
    /// What comes before this number is lost.
    first_wanted: u64,
}

impl Reel {
    /// The number of the oldest segment.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.segments.front().map(|&(number, ..)| number)
    }

    /// Where segment `number` lies.
    pub(super) fn find(&self, number: u64) -> Option<Extent> {
        let index = number.checked_sub(self.oldest()?)?;
        let &(_, offset, len_bytes) = self.segments.get(usize::try_from(index).ok()?)?;
        Some(Extent {
            file: Arc::clone(self.file.as_ref()?),
            offset,
            len_bytes,
        })
    }

    /// The file to write segment `number` to, and where in it; `None`: it is not wanted.
    pub(super) fn place_for(
        &mut self,
        number: u64,
        new_file: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<Option<(Arc<File>, u64)>> {
        if number < self.first_wanted {
            return Ok(None);
        }
        let follows = self
            .segments
            .back()
            .is_none_or(|&(last, ..)| last + 1 == number);
        if !follows {
            self.lose_before(number);
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(Arc::new(new_file()?))),
        };
        Ok(Some((file, self.end)))
    }

    /// Notes that segment `number` was written where [`place_for`](Self::place_for) said.
    pub(super) fn written(&mut self, number: u64, len_bytes: usize) {
        if number >= self.first_wanted && self.file.is_some() {
            self.segments.push_back((number, self.end, len_bytes));
            self.end += len_bytes as u64;
        }
    }

    /// What comes before this number is lost.
    #[cfg(test)]
    pub(super) fn first_wanted(&self) -> u64 {
        self.first_wanted
    }

    /// Gives up everything before segment `number`, written or still to be. The file goes when its
    /// last reader has gone.
    pub(super) fn lose_before(&mut self, number: u64) {
        *self = Self {
            first_wanted: number,
            ..Self::default()
        };
    }

    /// Forgets the segments before `number`; the file, and how many of its first bytes are not
    /// needed any more.
    pub(super) fn forget_before(&mut self, number: u64) -> Option<(Arc<File>, u64)> {
        while self.oldest().is_some_and(|oldest| oldest < number) {
            self.segments.pop_front();
        }
        let unused = match self.segments.front() {
            Some(&(_, offset, _)) => offset,
            None => self.end,
        };
        self.file.clone().map(|file| (file, unused))
    }
}

/// Gives the first `count` bytes of the file back to the file system, where that can.
pub(super) fn punch(file: &File, count: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    if count == 0 {
        return Ok(());
    }
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(file, hole, 0, count).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(reel: &Reel) -> Vec<u64> {
        reel.segments.iter().map(|&(number, ..)| number).collect()
    }

    fn append(reel: &mut Reel, number: u64, len_bytes: usize) -> bool {
        let placed = reel.place_for(number, tempfile::tempfile).expect("a file");
        reel.written(number, len_bytes);
        placed.is_some()
    }

    #[test]
    fn segments_lie_one_behind_the_other() {
        let mut reel = Reel::default();
        assert!(reel.find(7).is_none());
        for (number, len_bytes) in [(7, 100), (8, 50), (9, 10)] {
            assert!(append(&mut reel, number, len_bytes));
        }
        let place = |number| {
            reel.find(number)
                .map(|found| (found.offset, found.len_bytes))
        };
        assert_eq!(place(6), None);
        assert_eq!(place(7), Some((0, 100)));
        assert_eq!(place(9), Some((150, 10)));
        assert_eq!(place(10), None);
    }

    #[test]
    fn a_hole_in_the_numbers_begins_anew() {
        let mut reel = Reel::default();
        append(&mut reel, 7, 100);
        append(&mut reel, 9, 50);
        assert_eq!(numbers(&reel), [9]);
        assert_eq!(reel.find(9).map(|found| found.offset), Some(0));
    }

    #[test]
    fn what_was_lost_is_not_taken_any_more() {
        let mut reel = Reel::default();
        append(&mut reel, 7, 100);
        // While segment 8 is being written, 9 is lost: 8 has no successor any more.
        let placed = reel.place_for(8, tempfile::tempfile).expect("a file");
        assert!(placed.is_some());
        reel.lose_before(10);
        reel.written(8, 100);
        assert!(!append(&mut reel, 9, 100));
        assert!(numbers(&reel).is_empty());
        assert!(append(&mut reel, 10, 100));
        assert_eq!(reel.oldest(), Some(10));
    }

    #[test]
    fn the_space_before_the_oldest_is_given_back() {
        let mut reel = Reel::default();
        for number in 0..4 {
            append(&mut reel, number, 100);
        }
        let unused = |forgotten: Option<(Arc<File>, u64)>| forgotten.map(|(_, unused)| unused);
        assert_eq!(unused(reel.forget_before(0)), Some(0));
        assert_eq!(unused(reel.forget_before(3)), Some(300));
        assert_eq!(numbers(&reel), [3]);
        assert_eq!(unused(reel.forget_before(9)), Some(400));
    }
}
