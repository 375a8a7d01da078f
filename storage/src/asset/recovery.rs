//! Makes an asset whole whose writer died, at whatever byte: by cutting, never by guessing.
//!
//! The index's records count up to the first that is torn, does not follow the one before it, or
//! whose media is not there; then all renditions are cut to the number of segments that they all
//! have. The media of the last ones is compared with its checksum, for disks that say that they have
//! written what they have not; where it differs, the segment before it is the last.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use media_core::{AssetId, Init};

use super::files::{self, Track};
use super::index::Entry;
use super::reader::{self, Files};
use super::writer::Summary;
use super::{Error, Folder, Unusable, index_path, io_error, media_path};

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// `EIO`, which has no [`ErrorKind`] of its own: the disk cannot read what it has there.
const UNREADABLE: i32 = 5;

/// The most segments at the end that are given up because the disk cannot read them: some seconds
/// that were written while it broke. A disk that can read none is not what a recording is cut for.
const UNREADABLE_MAX: usize = 8;

/// What was made of an asset.
#[derive(Debug)]
pub struct Recovered {
    /// What it has now.
    pub summary: Summary,
    /// Bytes of media and index that were cut off.
    pub lost_bytes: u64,
}

/// Makes the asset whole. To be called when its writer is gone; may be interrupted and called again.
///
/// # Errors
/// [`Error::Unusable`]: nothing in it can be played. It is left as it is.
/// [`Error::Busy`]: its writer is alive.
pub fn recover(folder: &Folder, id: &AssetId) -> Result<Recovered, Error> {
    let path = folder.path(id);
    let _lock = match files::lock(folder, id) {
        Ok(Some(lock)) => lock,
        Ok(None) => return Err(Error::Busy(id.clone())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(reader::unusable(id, Unusable::NoManifest));
        }
        Err(error) => return Err(io_error(&path, error)),
    };
    let files = Files::new(folder, id);
    let mut found_bytes = 0;
    let mut tracks = Vec::new();
    for init in files.manifest()? {
        let (track, len_bytes) = track(&files, &init)?;
        found_bytes += len_bytes;
        tracks.push(track);
    }
    let read = |error| io_error(&path, error);
    let count = whole_count(&tracks, |file, piece, offset| {
        file.read_exact_at(piece, offset)
    });
    let count = count.map_err(read)?;
    if count == 0 {
        return Err(reader::unusable(id, Unusable::NoSegment));
    }
    for track in &mut tracks {
        track.cut(count).carry_out().map_err(read)?;
    }
    let summary = Summary::of(&tracks, None);
    Ok(Recovered {
        lost_bytes: found_bytes - summary.bytes,
        summary,
    })
}

/// A rendition with the segments whose records and media are there, and its files' lengths.
fn track(files: &Files<'_>, init: &Init) -> Result<(Track, u64), Error> {
    let open = |path: &Path| {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        opened.map_err(|error| files.damaged(path, error))
    };
    let media_path = media_path(&files.path, &init.rendition);
    let index_path = index_path(&files.path, &init.rendition);
    let (media, index) = (open(&media_path)?, open(&index_path)?);
    let len = |file: &File, path: &Path| {
        let found = file.metadata().map_err(|error| io_error(path, error))?;
        Ok::<_, Error>(found.len())
    };
    let (media_bytes, index_bytes) = (len(&media, &media_path)?, len(&index, &index_path)?);
    files.check_init(&media, init)?;
    let mut entries = files.scan(init)?.entries;
    entries.truncate(entries.partition_point(|entry| entry.media_end() <= media_bytes));
    let track = Track {
        rendition: init.rendition.clone(),
        media: Arc::new(media),
        index: Arc::new(index),
        init_bytes: init.bytes.len() as u64,
        entries,
    };
    Ok((track, media_bytes + index_bytes))
}

/// How many segments all renditions have whose last ones are what was written.
///
/// A segment that the disk cannot read is none: it must not keep all those before it from playing.
fn whole_count(tracks: &[Track], read: impl Read) -> io::Result<usize> {
    let mut count = files::common_count(tracks);
    let mut unreadable = 0;
    while let Some(last) = count.checked_sub(1) {
        let mut whole = true;
        for track in tracks {
            whole = whole
                && match is_intact(&track.media, &track.entries[last], &read) {
                    Err(error)
                        if error.raw_os_error() == Some(UNREADABLE)
                            && unreadable < UNREADABLE_MAX =>
                    {
                        unreadable += 1;
                        false
                    }
                    found => found?,
                };
        }
        if whole {
            break;
        }
        count = last;
    }
    Ok(count)
}

/// How the bytes of a file from an offset on are read.
trait Read: Fn(&File, &mut [u8], u64) -> io::Result<()> {}

impl<F: Fn(&File, &mut [u8], u64) -> io::Result<()>> Read for F {}

fn is_intact(media: &File, entry: &Entry, read: &impl Read) -> io::Result<bool> {
    let mut hasher = crc32fast::Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    let (mut offset, end) = (entry.segment.offset, entry.media_end());
    while offset < end {
        let wanted = usize::try_from(end - offset).unwrap_or(PIECE_BYTES);
        let piece = &mut piece[..wanted.min(PIECE_BYTES)];
        read(media, piece, offset)?;
        hasher.update(piece);
        offset += piece.len() as u64;
    }
    Ok(hasher.finalize() == entry.media_crc)
}

#[cfg(test)]
mod tests {
    use super::super::Writer;
    use super::super::synthetic::{NO_RESERVE, init, segment};
    use super::*;

    const SEGMENTS: usize = 20;

    /// The tracks of an asset of so many segments.
    fn tracks(folder: &Folder) -> Vec<Track> {
        let id = AssetId::new("a1").expect("an id");
        let audio = init("audio");
        let inits = vec![audio.clone()];
        let writer = Writer::begin(folder, id.clone(), inits, NO_RESERVE, |_| ());
        let writer = writer.expect("a thread");
        for number in 0..SEGMENTS {
            writer.append(&audio.rendition, segment("audio", number, 2, 20));
        }
        writer.finish().expect("the disk is well");
        let (track, _) = track(&Files::new(folder, &id), &audio).expect("whole");
        vec![track]
    }

    /// A disk that cannot read the last `count` segments.
    fn broken(track: &Track, count: usize) -> impl Read + use<> {
        let from = track.entries[SEGMENTS - count].segment.offset;
        move |file: &File, piece: &mut [u8], offset: u64| match offset >= from {
            true => Err(io::Error::from_raw_os_error(UNREADABLE)),
            false => file.read_exact_at(piece, offset),
        }
    }

    #[test]
    fn one_unreadable_sector_costs_its_segment_and_not_the_recording() {
        let data = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(data.path()).expect("writable");
        let tracks = tracks(&folder);
        for lost in [1, 3, UNREADABLE_MAX] {
            let count = whole_count(&tracks, broken(&tracks[0], lost));
            assert_eq!(count.expect("the rest is well"), SEGMENTS - lost);
        }
        // A disk that reads nothing may be a cable: nothing is cut.
        let error = whole_count(&tracks, broken(&tracks[0], SEGMENTS)).expect_err("unreadable");
        assert_eq!(error.raw_os_error(), Some(UNREADABLE));
    }
}
