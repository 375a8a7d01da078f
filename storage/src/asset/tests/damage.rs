//! An asset cut or damaged at every byte, as a crash and a power loss leave it.

use std::collections::BTreeMap;

use media_core::StoredSegment;

use super::*;

const RENDITIONS: [&str; 2] = ["720p", "audio"];
const SEGMENTS: usize = 3;

/// An asset's files by name.
type Image = BTreeMap<String, Vec<u8>>;

/// In memory where the machine has that: thousands of assets are made durable here.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder")
}

/// A whole asset of small segments, and where each of its segments and records ends.
struct Original {
    files: Image,
    media_ends: BTreeMap<&'static str, Vec<usize>>,
    index_ends: BTreeMap<&'static str, Vec<usize>>,
}

fn original() -> Original {
    let data = scratch();
    let folder = assets(&data);
    let inits = RENDITIONS.map(init).to_vec();
    let writer = Writer::begin(&folder, id(), inits, NO_RESERVE, |stop| panic!("{stop}"));
    let writer = writer.expect("a thread");
    for number in 0..SEGMENTS {
        for rendition in RENDITIONS {
            writer.append(&name(rendition), segment(rendition, number, 2, 9));
        }
    }
    writer.finish().expect("the disk is well");
    let asset = open(&folder, &id()).expect("whole");
    let ends = |rendition: &'static str| {
        let index = asset
            .renditions()
            .iter()
            .position(|it| it.init.rendition.as_str() == rendition);
        let stored = &asset.renditions()[index.expect("a rendition")];
        let end = |it: &media_core::StoredSegment| it.offset as usize + it.len_bytes as usize;
        (rendition, stored.segments.iter().map(end).collect())
    };
    let mut files = Image::new();
    for entry in std::fs::read_dir(folder.path(&id())).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        files.insert(name, std::fs::read(entry.path()).expect("a file"));
    }
    let record_ends = |rendition: &'static str| {
        let file = &files[&format!("{rendition}.index")];
        let mut ends = Vec::new();
        let mut at = 8;
        while at < file.len() {
            let length: [u8; 4] = file[at..at + 4].try_into().expect("four bytes");
            at += 8 + u32::from_be_bytes(length) as usize;
            ends.push(at);
        }
        (rendition, ends)
    };
    Original {
        media_ends: RENDITIONS.map(ends).into(),
        index_ends: RENDITIONS.map(record_ends).into(),
        files,
    }
}

/// Recovers an asset that has these files; how many segments it has then. Whatever that is, it
/// opens and has what the original has.
fn recovered(original: &Original, files: &Image) -> Result<usize, Unusable> {
    let data = scratch();
    let folder = assets(&data);
    let path = folder.path(&id());
    std::fs::create_dir(&path).expect("a folder");
    for (name, bytes) in files {
        std::fs::write(path.join(name), bytes).expect("written");
    }
    let found: usize = files
        .iter()
        .filter(|(name, _)| *name != MANIFEST)
        .map(|(_, it)| it.len())
        .sum();
    let result = match recover(&folder, &id()) {
        Ok(result) => result,
        Err(Error::Unusable { why, .. }) => return Err(why),
        Err(error) => panic!("{error}"),
    };
    let count = result.summary.segments;
    let asset = open(&folder, &id()).expect("what was recovered is whole");
    assert_eq!(asset.len_bytes(), result.summary.bytes);
    assert_eq!(asset.len_bytes() + result.lost_bytes, found as u64);
    assert_eq!(asset.duration(), result.summary.duration);
    assert_eq!(asset.duration(), Duration::from_secs(2 * count as u64));
    for rendition in RENDITIONS {
        let runs = asset.sample_runs(&name(rendition)).expect("an index");
        assert_eq!(runs.len(), count);
        let media = std::fs::read(asset.path(&name(rendition))).expect("media");
        assert_eq!(media.len(), original.media_ends[rendition][count - 1]);
        assert!(original.files[&format!("{rendition}.mp4")].starts_with(&media));
    }
    // Once more finds nothing to do.
    let again = recover(&folder, &id()).expect("whole");
    assert_eq!((again.summary.segments, again.lost_bytes), (count, 0));
    Ok(count)
}

fn with(original: &Original, name: &str, bytes: Vec<u8>) -> Image {
    let mut files = original.files.clone();
    files.insert(name.to_owned(), bytes);
    files
}

/// How many of `ends` lie within `len`.
fn within(ends: &[usize], len: usize) -> usize {
    ends.iter().filter(|&&end| end <= len).count()
}

fn expected(count: usize, beginning: usize, len: usize) -> Result<usize, Unusable> {
    match count {
        _ if len < beginning => Err(Unusable::DamagedRendition),
        0 => Err(Unusable::NoSegment),
        count => Ok(count),
    }
}

#[test]
fn media_cut_at_every_byte_is_whole_up_to_its_last_complete_segment() {
    let original = original();
    let mut boxes = 0;
    for rendition in RENDITIONS {
        let file = format!("{rendition}.mp4");
        let media = &original.files[&file];
        let mut next_box = 0;
        for len in 0..=media.len() {
            if len == next_box && len < media.len() {
                boxes += 1;
                let size: [u8; 4] = media[len..len + 4].try_into().expect("a box");
                next_box += u32::from_be_bytes(size) as usize;
            }
            let count = within(&original.media_ends[rendition], len);
            let files = with(&original, &file, media[..len].to_vec());
            let wanted = expected(count, init(rendition).bytes.len(), len);
            assert_eq!(recovered(&original, &files), wanted, "{file} of {len}");
        }
    }
    assert_eq!(boxes, 2 * (2 + SEGMENTS * 2 * 2), "the cuts met every box");
}

#[test]
fn an_index_cut_at_every_byte_is_whole_up_to_its_last_record() {
    let original = original();
    for rendition in RENDITIONS {
        let file = format!("{rendition}.index");
        let index = &original.files[&file];
        assert_eq!(original.index_ends[rendition].len(), SEGMENTS);
        for len in 0..=index.len() {
            let wanted = expected(within(&original.index_ends[rendition], len), 8, len);
            let files = with(&original, &file, index[..len].to_vec());
            assert_eq!(recovered(&original, &files), wanted, "{file} of {len}");
            // The file system had its length on the disk, and not yet its bytes.
            let mut zeroed = index[..len].to_vec();
            zeroed.resize(index.len() + 100, 0);
            let files = with(&original, &file, zeroed);
            assert_eq!(
                recovered(&original, &files),
                wanted,
                "{file} zeros from {len}"
            );
        }
    }
}

#[test]
fn media_that_the_disk_only_said_to_have_written_is_dropped() {
    let original = original();
    for rendition in RENDITIONS {
        let file = format!("{rendition}.mp4");
        let media = &original.files[&file];
        let beginning = init(rendition).bytes.len();
        for len in beginning..media.len() {
            let mut zeroed = media[..len].to_vec();
            zeroed.resize(media.len() + 50, 0);
            // A segment may end in zeros of its own; these do not.
            let wanted = expected(within(&original.media_ends[rendition], len), 0, len);
            let files = with(&original, &file, zeroed);
            assert_eq!(
                recovered(&original, &files),
                wanted,
                "{file} zeros from {len}"
            );
        }
    }
}

#[test]
fn a_flipped_bit_in_the_last_record_drops_it_alone() {
    let original = original();
    for rendition in RENDITIONS {
        let file = format!("{rendition}.index");
        let index = &original.files[&file];
        let last = original.index_ends[rendition][SEGMENTS - 2];
        for bit in 8 * last..8 * index.len() {
            let mut flipped = index.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let files = with(&original, &file, flipped);
            assert_eq!(recovered(&original, &files), Ok(SEGMENTS - 1), "bit {bit}");
        }
    }
}

#[test]
fn what_was_appended_and_not_noted_is_cut_off() {
    let original = original();
    let mut files = original.files.clone();
    for (name, bytes) in &mut files {
        if name != MANIFEST {
            bytes.extend_from_slice(b"\0\0\0\x20moof and what else came");
        }
    }
    assert_eq!(recovered(&original, &files), Ok(SEGMENTS));
    // A record that is whole and belongs elsewhere.
    for rendition in RENDITIONS {
        let file = format!("{rendition}.index");
        let mut index = original.files[&file].clone();
        index.extend_from_within(original.index_ends[rendition][SEGMENTS - 2]..);
        let files = with(&original, &file, index);
        assert_eq!(recovered(&original, &files), Ok(SEGMENTS));
    }
}

/// A playlist of I-frames would send players beyond the segment.
#[test]
fn a_record_whose_keyframe_ends_beyond_its_segment_is_none() {
    let stored = |keyframe_bytes| StoredSegment {
        start: MediaTime::ZERO,
        duration: Duration::from_secs(2),
        offset: 100,
        len_bytes: 50,
        keyframe_bytes: Some(keyframe_bytes),
    };
    for (keyframe_bytes, is_one) in [(0, true), (50, true), (51, false), (u32::MAX, false)] {
        let record = record::frame(&index::encode(&stored(keyframe_bytes), 0, &[]));
        let file = [&record::Kind::Index.header()[..], &record].concat();
        let scan = index::scan(&file[..], 100).expect("a header");
        let found = (scan.entries.len(), scan.is_torn);
        assert_eq!(found, (usize::from(is_one), !is_one), "{keyframe_bytes}");
    }
}

#[test]
fn without_its_manifest_or_a_file_it_is_not_usable() {
    let original = original();
    let manifest = &original.files[MANIFEST];
    for len in 0..manifest.len() {
        let files = with(&original, MANIFEST, manifest[..len].to_vec());
        let why = recovered(&original, &files).expect_err("torn");
        assert_eq!(why, Unusable::DamagedManifest, "{len}");
    }
    for (file, why) in [
        (MANIFEST, Unusable::NoManifest),
        ("720p.mp4", Unusable::DamagedRendition),
        ("audio.index", Unusable::DamagedRendition),
    ] {
        let mut files = original.files.clone();
        files.remove(file).expect("it was there");
        assert_eq!(recovered(&original, &files), Err(why), "{file}");
    }
}

#[test]
fn a_file_of_a_later_version_is_not_touched() {
    let original = original();
    let data = scratch();
    let folder = assets(&data);
    let path = folder.path(&id());
    std::fs::create_dir(&path).expect("a folder");
    let mut index = original.files["audio.index"].clone();
    index[7] = 2;
    let files = with(&original, "audio.index", index);
    for (name, bytes) in &files {
        std::fs::write(path.join(name), bytes).expect("written");
    }
    for error in [
        recover(&folder, &id()).expect_err("later"),
        open(&folder, &id()).expect_err("later"),
    ] {
        assert!(
            matches!(error, Error::Version { version: 2, .. }),
            "{error}"
        );
    }
    for (name, bytes) in &files {
        assert_eq!(&std::fs::read(path.join(name)).expect("a file"), bytes);
    }
}
