//! Broadcasts first: when the encoding of files waits for them.
//!
//! Threads of low priority give way already, but not all of the machine: caches and memory are
//! shared, and a hardware encoder knows no priority. So files wait altogether where broadcasts have
//! few cores each.

/// Cores that a broadcast's whole ladder can use at its worst moments, its decoder and viewers
/// included.
const CORES_PER_BROADCAST: usize = 4;

/// Whether files have to wait while so many broadcasts run on so many cores.
pub(super) fn gives_way(broadcasts: usize, cores: usize) -> bool {
    broadcasts > 0 && cores <= broadcasts.saturating_mul(CORES_PER_BROADCAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_encoded_where_broadcasts_leave_cores() {
        for (broadcasts, cores, waits) in [
            (0, 1, false),
            (0, 64, false),
            (1, 2, true),
            (1, 4, true),
            (1, 5, false),
            (2, 8, true),
            (2, 9, false),
            (16, 64, true),
            (usize::MAX, 64, true),
        ] {
            assert_eq!(gives_way(broadcasts, cores), waits, "{broadcasts} {cores}");
        }
    }
}
