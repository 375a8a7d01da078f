//! An asset's outline, its renditions and where their segments lie, read from the bytes of its
//! manifest and indexes, wherever those are from: an object store's assets have no folder here.
//!
//! Media is not looked at: what is in a store was whole when it got there.

use std::path::Path;

use media_core::{AssetId, Init, RenditionName, SampleRun, StoredRendition, StoredSegment};

use super::reader::{check_counts, header_error, read_manifest, read_runs, unusable};
use super::{Error, MANIFEST, Unusable, index, index_file};

/// The renditions that the manifest of asset `id` names, in the order in which they were given.
///
/// # Errors
/// It is damaged, or of another version.
pub fn inits(id: &AssetId, manifest: &[u8]) -> Result<Vec<Init>, Error> {
    read_manifest(id, Path::new(MANIFEST), manifest)
}

/// The renditions of asset `id`, each with its segments as the index beside it has them.
///
/// # Errors
/// An index is damaged or of another version; [`Error::NotWhole`]: they do not belong together.
pub fn renditions<B: AsRef<[u8]>>(
    id: &AssetId,
    indexes: impl IntoIterator<Item = (Init, B)>,
) -> Result<Vec<StoredRendition>, Error> {
    let mut renditions = Vec::new();
    for (init, index) in indexes {
        let name = index_file(&init.rendition);
        let damaged = Unusable::DamagedRendition;
        let scan = index::scan(index.as_ref(), init.bytes.len() as u64)
            .map_err(|error| header_error(id, Path::new(&name), error, damaged))?;
        if scan.is_torn {
            return Err(Error::NotWhole(id.clone()));
        }
        if scan.entries.is_empty() {
            return Err(unusable(id, Unusable::NoSegment));
        }
        let segments: Vec<StoredSegment> = scan.entries.iter().map(|it| it.segment).collect();
        renditions.push(StoredRendition { init, segments });
    }
    check_counts(id, &renditions)?;
    Ok(renditions)
}

/// The samples of each of a rendition's segments, of which there are so many, as its index has
/// them.
///
/// # Errors
/// The index is damaged, or has fewer segments.
pub fn sample_runs(
    id: &AssetId,
    rendition: &RenditionName,
    segments: usize,
    index: &[u8],
) -> Result<Vec<Vec<SampleRun>>, Error> {
    read_runs(id, Path::new(&index_file(rendition)), index, segments)
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{NO_RESERVE, init, name, segment};
    use super::super::{Folder, Writer, open};
    use super::*;

    const RENDITIONS: [&str; 2] = ["720p", "audio"];

    fn written(segments: usize) -> (tempfile::TempDir, Folder, AssetId) {
        let data = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(data.path()).expect("writable");
        let id = AssetId::new("a1").expect("an id");
        let inits = RENDITIONS.map(init).to_vec();
        let writer = Writer::begin(&folder, id.clone(), inits, NO_RESERVE, |_| {});
        let writer = writer.expect("a thread");
        for number in 0..segments {
            for rendition in RENDITIONS {
                writer.append(&name(rendition), segment(rendition, number, 3, 50));
            }
        }
        writer.finish().expect("the disk is well");
        (data, folder, id)
    }

    fn read(folder: &Folder, id: &AssetId, name: &str) -> Vec<u8> {
        std::fs::read(folder.path(id).join(name)).expect("there")
    }

    #[test]
    fn the_bytes_say_what_the_files_say() {
        let (_data, folder, id) = written(4);
        let asset = open(&folder, &id).expect("whole");
        let inits = inits(&id, &read(&folder, &id, MANIFEST)).expect("a manifest");
        let indexes = inits.into_iter().map(|init| {
            let index = read(&folder, &id, &index_file(&init.rendition));
            (init, index)
        });
        let outline = renditions(&id, indexes).expect("whole");
        assert_eq!(format!("{outline:?}"), format!("{:?}", asset.renditions()));
        for rendition in &outline {
            let name = &rendition.init.rendition;
            let index = read(&folder, &id, &index_file(name));
            let runs = sample_runs(&id, name, 4, &index).expect("its own index");
            assert!(sample_runs(&id, name, 5, &index).is_err());
            assert_eq!(runs, asset.sample_runs(name).expect("an index"));
        }
    }

    #[test]
    fn what_does_not_belong_together_or_is_cut_is_no_asset() {
        let (_data, folder, id) = written(4);
        let index = |name: &str| read(&folder, &id, &format!("{name}.index"));
        let (video, audio) = (index("720p"), index("audio"));
        let of = |video: &[u8], audio: &[u8]| {
            let both = [(init("720p"), video), (init("audio"), audio)];
            renditions(&id, both.map(|(init, index)| (init, index.to_vec())))
        };
        assert!(of(&video, &audio).is_ok());
        // A cut between two records leaves a shorter index, any other a torn one.
        for end in 0..audio.len() {
            let error = of(&video, &audio[..end]).expect_err("cut");
            assert!(
                matches!(error, Error::NotWhole(_) | Error::Unusable { .. }),
                "{end}: {error}"
            );
        }
        assert!(inits(&id, b"no manifest").is_err());
        let manifest = read(&folder, &id, MANIFEST);
        for end in 0..manifest.len() {
            assert!(inits(&id, &manifest[..end]).is_err(), "{end}");
        }
    }
}
