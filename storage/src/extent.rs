//! A run of bytes in a file: where it lies, and how it is written.

use std::fs::File;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::sync::Arc;

use bytes::Bytes;

/// Slices that one system call writes at most (POSIX's IOV_MAX on Linux).
const SLICES_MAX: usize = 1024;

/// A segment's place in a file.
#[derive(Clone, Debug)]
pub struct Extent {
    /// The file, open for reading.
    pub file: Arc<File>,
    /// Its first byte.
    pub offset: u64,
    /// Its length in bytes.
    pub len_bytes: usize,
}

/// Writes `pieces` one behind the other from `offset` on. The file's cursor is the writer's own:
/// readers give their offsets.
pub(crate) fn write(file: &File, offset: u64, pieces: &[Bytes]) -> io::Result<usize> {
    let mut file = file;
    file.seek(SeekFrom::Start(offset))?;
    for pieces in pieces.chunks(SLICES_MAX) {
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut slices = &mut slices[..];
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match file.write_vectored(slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => IoSlice::advance_slices(&mut slices, count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(pieces.iter().map(Bytes::len).sum())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn many_pieces_are_written_in_order() {
        let mut file = tempfile::tempfile().expect("a file");
        let pieces: Vec<_> = (0..3000_u32)
            .map(|index| Bytes::from(index.to_be_bytes().to_vec()))
            .chain([Bytes::new()])
            .collect();
        assert_eq!(write(&file, 4, &pieces).expect("written"), 12_000);
        let mut read = Vec::new();
        file.rewind().expect("rewound");
        file.read_to_end(&mut read).expect("read");
        assert_eq!(read[4..], pieces.concat());
    }
}
