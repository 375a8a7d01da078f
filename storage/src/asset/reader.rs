//! Reads an asset that is whole.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use media_core::{AssetId, Init, RenditionName, SampleRun, StoredRendition, StoredSegment};

use super::index::{self, Scan};
use super::record::{HeaderError, Kind, Records};
use super::{
    Error, Folder, MANIFEST, Unusable, index_path, io_error, manifest, media_path, writer,
};

/// Bytes of an index that are read at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// A whole asset. It holds where its segments lie (56 bytes each) and no media.
#[derive(Debug)]
pub struct Asset {
    id: AssetId,
    folder: Folder,
    renditions: Vec<StoredRendition>,
    bytes: u64,
}

/// Opens an asset that was finished or recovered. Reads its manifest and indexes.
///
/// # Errors
/// [`Error::NotWhole`]: its writer died, and [`super::recover`] has not been there yet, or is
/// still at work.
pub fn open(folder: &Folder, id: &AssetId) -> Result<Asset, Error> {
    let files = Files::new(folder, id);
    let mut renditions = Vec::new();
    let mut bytes = 0;
    for init in files.manifest()? {
        let path = media_path(&files.path, &init.rendition);
        let media = File::open(&path).map_err(|error| files.damaged(&path, error))?;
        files.check_init(&media, &init)?;
        let scan = files.scan(&init)?;
        let Some(last) = scan.entries.last() else {
            return Err(unusable(id, Unusable::NoSegment));
        };
        let len = media
            .metadata()
            .map_err(|error| io_error(&path, error))?
            .len();
        if scan.is_torn || len != last.media_end() {
            return Err(Error::NotWhole(id.clone()));
        }
        bytes += len + last.index_end;
        let segments: Vec<StoredSegment> = scan.entries.iter().map(|it| it.segment).collect();
        renditions.push(StoredRendition { init, segments });
    }
    check_counts(id, &renditions)?;
    Ok(Asset {
        id: id.clone(),
        folder: folder.clone(),
        renditions,
        bytes,
    })
}

/// The names of an asset's renditions, in the order in which they were given: what its manifest alone
/// says, whether or not it is whole.
///
/// # Errors
/// There is no manifest, it is damaged or of another version, or the disk does not give it.
pub fn names(folder: &Folder, id: &AssetId) -> Result<Vec<RenditionName>, Error> {
    let inits = Files::new(folder, id).manifest()?;
    Ok(inits.into_iter().map(|init| init.rendition).collect())
}

impl Asset {
    /// Its id.
    pub fn id(&self) -> &AssetId {
        &self.id
    }

    /// Its renditions, in the order in which they were given.
    pub fn renditions(&self) -> &[StoredRendition] {
        &self.renditions
    }

    /// From the first sample to the end of the last one.
    pub fn duration(&self) -> Duration {
        writer::duration(self.renditions.iter().filter_map(|rendition| {
            let (first, last) = (rendition.segments.first()?, rendition.segments.last()?);
            Some((first.start, last.end()))
        }))
    }

    /// Bytes of media and indexes.
    pub fn len_bytes(&self) -> u64 {
        self.bytes
    }

    /// The file that a rendition's media lies in.
    pub fn path(&self, rendition: &RenditionName) -> PathBuf {
        media_path(&self.folder.path(&self.id), rendition)
    }

    /// The samples of each segment of a rendition, read from its index anew: some 4 bytes a sample
    /// in memory.
    ///
    /// # Errors
    /// There is no such rendition, or its index is not what it was.
    pub fn sample_runs(&self, rendition: &RenditionName) -> Result<Vec<Vec<SampleRun>>, Error> {
        let stored = self
            .renditions
            .iter()
            .find(|it| it.init.rendition == *rendition)
            .ok_or_else(|| Error::NoRendition {
                id: self.id.clone(),
                rendition: rendition.clone(),
            })?;
        let files = Files::new(&self.folder, &self.id);
        let path = index_path(&files.path, rendition);
        read_runs(&self.id, &path, files.index(&path)?, stored.segments.len())
    }
}

/// An asset's files, to be read.
pub(super) struct Files<'a> {
    id: &'a AssetId,
    pub(super) path: PathBuf,
}

impl<'a> Files<'a> {
    pub(super) fn new(folder: &Folder, id: &'a AssetId) -> Self {
        Self {
            id,
            path: folder.path(id),
        }
    }

    pub(super) fn manifest(&self) -> Result<Vec<Init>, Error> {
        let path = self.path.join(MANIFEST);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(unusable(self.id, Unusable::NoManifest));
            }
            Err(error) => return Err(io_error(&path, error)),
        };
        read_manifest(self.id, &path, file)
    }

    /// Whether the media begins as the manifest says.
    pub(super) fn check_init(&self, media: &File, init: &Init) -> Result<(), Error> {
        let mut found = vec![0; init.bytes.len()];
        match media.read_exact_at(&mut found, 0) {
            Ok(()) if found == init.bytes => Ok(()),
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
                Err(io_error(&media_path(&self.path, &init.rendition), error))
            }
            _ => Err(unusable(self.id, Unusable::DamagedRendition)),
        }
    }

    pub(super) fn scan(&self, init: &Init) -> Result<Scan, Error> {
        let path = index_path(&self.path, &init.rendition);
        index::scan(self.index(&path)?, init.bytes.len() as u64)
            .map_err(|error| header_error(self.id, &path, error, Unusable::DamagedRendition))
    }

    fn index(&self, path: &Path) -> Result<impl Read + use<>, Error> {
        let file = File::open(path).map_err(|error| self.damaged(path, error))?;
        Ok(BufReader::with_capacity(PIECE_BYTES, file))
    }

    /// Where a rendition's file cannot be opened.
    pub(super) fn damaged(&self, path: &Path, error: io::Error) -> Error {
        match error.kind() {
            ErrorKind::NotFound => unusable(self.id, Unusable::DamagedRendition),
            _ => io_error(path, error),
        }
    }
}

/// The one record of a manifest; `path` is what errors name.
pub(super) fn read_manifest(
    id: &AssetId,
    path: &Path,
    from: impl Read,
) -> Result<Vec<Init>, Error> {
    let mut records = Records::open(from, Kind::Manifest)
        .map_err(|error| header_error(id, path, error, Unusable::DamagedManifest))?;
    let record = records.next().map_err(|error| io_error(path, error))?;
    record
        .and_then(|(payload, _)| manifest::decode(payload))
        .ok_or_else(|| unusable(id, Unusable::DamagedManifest))
}

/// The sample runs of an index's first `count` segments.
pub(super) fn read_runs(
    id: &AssetId,
    path: &Path,
    index: impl Read,
    count: usize,
) -> Result<Vec<Vec<SampleRun>>, Error> {
    let runs = index::sample_runs(index, count)
        .map_err(|error| header_error(id, path, error, Unusable::DamagedRendition))?;
    runs.ok_or_else(|| unusable(id, Unusable::DamagedRendition))
}

/// That all renditions have as many segments.
pub(super) fn check_counts(id: &AssetId, renditions: &[StoredRendition]) -> Result<(), Error> {
    let count = |rendition: &StoredRendition| rendition.segments.len();
    let differ = |two: &[StoredRendition]| count(&two[0]) != count(&two[1]);
    match renditions.windows(2).any(differ) {
        true => Err(Error::NotWhole(id.clone())),
        false => Ok(()),
    }
}

pub(super) fn header_error(
    id: &AssetId,
    path: &Path,
    error: HeaderError,
    damaged: Unusable,
) -> Error {
    match error {
        HeaderError::Damaged => unusable(id, damaged),
        HeaderError::Version(version) => Error::Version {
            path: path.to_owned(),
            version,
        },
        HeaderError::Io(error) => io_error(path, error),
    }
}

pub(super) fn unusable(id: &AssetId, why: Unusable) -> Error {
    Error::Unusable {
        id: id.clone(),
        why,
    }
}
