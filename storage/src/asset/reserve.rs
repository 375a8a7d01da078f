//! The free space that recorded media leaves to everything else on the disk.

use std::fs::File;
use std::io;

/// How much of a file system stays free: the lesser of two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// So many bytes.
    pub bytes: u64,
    /// So many percent of the file system.
    pub percent: u8,
}

impl Default for Reserve {
    /// 1 GiB, or 5 % of a small disk: what the database and the system's logs live on
    /// until somebody makes room.
    fn default() -> Self {
        Self {
            bytes: 1 << 30,
            percent: 5,
        }
    }
}

/// Too little is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) free_bytes: u64,
    pub(crate) reserve_bytes: u64,
}

impl Reserve {
    /// What stays free of a file system of `total` bytes.
    fn of(self, total: u64) -> u64 {
        let share = u128::from(total) * u128::from(self.percent) / 100;
        self.bytes.min(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// Whether `file` may grow by `len_bytes`.
    pub(crate) fn check(self, file: &File, len_bytes: u64) -> io::Result<Result<(), Shortage>> {
        let disk = rustix::fs::fstatvfs(file)?;
        if disk.f_blocks == 0 {
            // A file system that does not say its size (some network and FUSE ones): it is asked
            // by writing.
            return Ok(Ok(()));
        }
        let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
        let reserve_bytes = self.of(disk.f_blocks.saturating_mul(disk.f_frsize));
        let enough = free_bytes >= reserve_bytes.saturating_add(len_bytes);
        Ok(enough.then_some(()).ok_or(Shortage {
            free_bytes,
            reserve_bytes,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lesser_bound_holds() {
        let gib = 1 << 30;
        assert_eq!(Reserve::default().of(1000 * gib), gib);
        assert_eq!(Reserve::default().of(10 * gib), gib / 2);
        let all = Reserve {
            bytes: u64::MAX,
            percent: 100,
        };
        assert_eq!(all.of(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_file_may_grow_where_there_is_room() {
        let file = tempfile::tempfile().expect("a file");
        let none = Reserve {
            bytes: 0,
            percent: 0,
        };
        assert_eq!(none.check(&file, 0).expect("a file system"), Ok(()));
        let shortage = none
            .check(&file, u64::MAX)
            .expect("a file system")
            .expect_err("no disk is so large");
        assert_eq!(shortage.reserve_bytes, 0);
    }
}
