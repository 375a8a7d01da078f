//! The files of an asset that is being written or recovered: how they are made, how a segment is
//! appended, how they are cut.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use media_core::{AssetId, Init, MediaTime, RenditionName, SampleRun, StoredSegment};

use super::index::{self, Entry};
use super::record::{self, HEADER_BYTES, Kind};
use super::{Folder, MANIFEST, index_path, manifest, media_path, sync_folder};
use crate::{data_dir, extent};

/// What the manifest is called until it is whole.
const MANIFEST_UNFINISHED: &str = "manifest.new";

/// One rendition's two files and what its index has.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) rendition: RenditionName,
    pub(super) media: Arc<File>,
    pub(super) index: Arc<File>,
    /// Bytes of the initialization segment, behind which the first segment lies.
    pub(super) init_bytes: u64,
    pub(super) entries: Vec<Entry>,
}

impl Track {
    /// Where the next segment's media goes.
    pub(super) fn media_end(&self) -> u64 {
        self.entries
            .last()
            .map_or(self.init_bytes, Entry::media_end)
    }

    /// Where the next segment's record goes.
    pub(super) fn index_end(&self) -> u64 {
        self.entries
            .last()
            .map_or(HEADER_BYTES, |entry| entry.index_end)
    }

    /// What the next segment stands behind.
    pub(super) fn tail(&self) -> Tail {
        Tail {
            end: self.entries.last().map(|last| last.segment.end()),
            media_end: self.media_end(),
            index_end: self.index_end(),
        }
    }

    /// Forgets all segments but the first `count`.
    pub(super) fn cut(&mut self, count: usize) -> Cut {
        self.entries.truncate(count);
        Cut([
            (Arc::clone(&self.index), self.index_end()),
            (Arc::clone(&self.media), self.media_end()),
        ])
    }
}

/// Where a rendition ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// The last segment's end; `None`: there is no segment.
    pub(super) end: Option<MediaTime>,
    /// Where the next segment's media goes.
    pub(super) media_end: u64,
    /// Where its record goes.
    pub(super) index_end: u64,
}

/// A rendition's files and where they are to end. The index comes first: it never promises what is
/// not there.
#[derive(Debug)]
pub(super) struct Cut([(Arc<File>, u64); 2]);

impl Cut {
    /// Makes the files end there on the disk.
    pub(super) fn carry_out(&self) -> io::Result<()> {
        for (file, end) in &self.0 {
            if file.metadata()?.len() != *end {
                file.set_len(*end)?;
                file.sync_all()?;
            }
        }
        Ok(())
    }
}

/// How many segments all of `tracks` have.
pub(super) fn common_count<'a>(tracks: impl IntoIterator<Item = &'a Track>) -> usize {
    tracks
        .into_iter()
        .map(|track| track.entries.len())
        .min()
        .unwrap_or(0)
}

/// What they hold on the disk.
pub(super) fn len_bytes<'a>(tracks: impl IntoIterator<Item = &'a Track>) -> u64 {
    tracks
        .into_iter()
        .map(|track| track.media_end() + track.index_end())
        .sum()
}

/// Makes a new asset of `inits` without a segment. `open` makes a file that is not there yet.
///
/// The manifest comes last, by a rename: where there is one, everything that it names is there.
pub(super) fn create(
    path: &Path,
    inits: &[Init],
    open: impl Fn(&Path) -> io::Result<File>,
) -> io::Result<Vec<Track>> {
    data_dir::make_new_folder(path)?;
    let tracks = inits
        .iter()
        .map(|init| {
            let mut media = open(&media_path(path, &init.rendition))?;
            media.write_all(&init.bytes)?;
            media.sync_all()?;
            let mut index = open(&index_path(path, &init.rendition))?;
            index.write_all(&Kind::Index.header())?;
            index.sync_all()?;
            Ok(Track {
                rendition: init.rendition.clone(),
                media: Arc::new(media),
                index: Arc::new(index),
                init_bytes: init.bytes.len() as u64,
                entries: Vec::new(),
            })
        })
        .collect::<io::Result<_>>()?;
    let unfinished = path.join(MANIFEST_UNFINISHED);
    let mut file = open(&unfinished)?;
    file.write_all(&manifest::encode(inits))?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path.join(MANIFEST))?;
    sync_folder(path)?;
    if let Some(above) = path.parent() {
        sync_folder(above)?;
    }
    Ok(tracks)
}

/// Opens a file for reading and writing that is not there yet.
pub(super) fn open_new(path: &Path) -> io::Result<File> {
    data_dir::open(path, |how| how.read(true).create_new(true))
}

/// The right to write an asset, given back when it is dropped, also by a process that dies. `None`:
/// somebody else has it.
pub(super) fn lock(folder: &Folder, id: &AssetId) -> io::Result<Option<File>> {
    let file = File::open(folder.path(id).join(MANIFEST))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A segment that has a place in its rendition's files.
#[derive(Debug)]
pub(super) struct Placed {
    /// What the index has of it once it is written.
    pub(super) entry: Entry,
    pieces: Vec<Bytes>,
    record: Vec<u8>,
}

impl Placed {
    /// With its record behind the one that ends at `index_end`. `None`: it has more samples than a
    /// record can hold.
    pub(super) fn new(
        segment: StoredSegment,
        pieces: Vec<Bytes>,
        runs: &[SampleRun],
        index_end: u64,
    ) -> Option<Self> {
        let mut hasher = crc32fast::Hasher::new();
        pieces.iter().for_each(|piece| hasher.update(piece));
        let media_crc = hasher.finalize();
        let payload = index::encode(&segment, media_crc, runs);
        record::fits(payload.len()).then(|| {
            let record = record::frame(&payload);
            let entry = Entry {
                segment,
                media_crc,
                index_end: index_end + record.len() as u64,
            };
            Self {
                entry,
                pieces,
                record,
            }
        })
    }

    /// Writes the media, makes it durable, and only then appends the record: a record promises
    /// that its media is on the disk.
    pub(super) fn write(&self, media: &File, index: &File) -> io::Result<()> {
        extent::write(media, self.entry.segment.offset, &self.pieces)?;
        media.sync_data()?;
        let begin = self.entry.index_end - self.record.len() as u64;
        index.write_all_at(&self.record, begin)?;
        index.sync_data()
    }
}
