//! An asset's manifest and indexes, of any bytes and cut anywhere: what is taken is consistent, what
//! is not is refused or cut off, and memory is taken for bytes that are there. No checksum is in the
//! way: what is to be found out lies behind it.
//!
//! The first byte chooses whether the rest is a manifest or an index as it is, the records of one, or
//! a recipe for an asset on the disk.
#![no_main]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use media_core::{
    AssetId, Bitrate, FrameRate, Init, InitKind, MediaTime, RenditionName, StoredRendition,
};
use storage::asset::outline::{self, renditions, sample_runs};
use storage::asset::{Asset, Error, Folder, MANIFEST, Reserve, Segment, Writer, open, recover};

/// How far a segment may begin before the end of the one before it.
const OVERLAP_MAX: Duration = Duration::from_millis(1);

/// What an index begins with (design/0017).
const INDEX: &[u8] = b"mrix\0\0\0\x01";
const MANIFEST_HEADER: &[u8] = b"mram\0\0\0\x01";

fuzz_target!(|input: &[u8]| {
    thread_local!(static DISK: Disk = Disk::new());
    let [way, input @ ..] = input else {
        return;
    };
    let sealed = |header: &[u8]| {
        let records = records(input).map(record);
        records.fold(header.to_vec(), |file, record| [file, record].concat())
    };
    match way % 5 {
        0 => check_manifest(input),
        1 => {
            check_manifest(&sealed(MANIFEST_HEADER));
            // One rendition, which chance does not find.
            let payload = [b"\x01\x05audio\x01a\x01i", input].concat();
            check_manifest(&[MANIFEST_HEADER, &record(&payload)].concat());
        }
        2 => check_index(input),
        3 => check_index(&sealed(INDEX)),
        // What is missing at the end is zero.
        _ => DISK.with(|disk| {
            let _end = disk.try_asset(&mut Unstructured::new(input));
        }),
    }
});

/// Each a length in two bytes, and the payload.
fn records(mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = input.split_first_chunk::<2>()?;
        let len = rest.len().min(u16::from_le_bytes(*len).into());
        let (payload, rest) = rest.split_at(len);
        input = rest;
        Some(payload)
    })
}

/// A record with the checksum that it needs.
fn record(payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len);
    hasher.update(payload);
    [&len[..], &hasher.finalize().to_be_bytes(), payload].concat()
}

fn id() -> AssetId {
    AssetId::new("a1").expect("an id")
}

fn init(name: &str, kind: InitKind) -> Init {
    Init {
        rendition: RenditionName::new(name).expect("a name"),
        codec: "avc1.64001f".into(),
        kind,
        bitrate: Bitrate::from_kbps(2500),
        bytes: Bytes::copy_from_slice(format!("init of {name}").as_bytes()),
    }
}

fn inits() -> Vec<Init> {
    let video = InitKind::Video {
        width: 1280,
        height: 720,
        frame_rate: FrameRate::new(30, 1).expect("a rate"),
    };
    let audio = InitKind::Audio {
        sample_rate: 48_000,
        channels: 2,
    };
    vec![init("720p", video), init("audio", audio)]
}

fn check_manifest(file: &[u8]) {
    let Ok(inits) = outline::inits(&id(), file) else {
        return;
    };
    assert!(!inits.is_empty());
    let held = |init: &Init| init.bytes.len() + init.codec.len() + init.rendition.as_str().len();
    assert!(inits.iter().map(held).sum::<usize>() <= file.len());
    for init in inits {
        if let InitKind::Audio { sample_rate, .. } = init.kind {
            assert_ne!(sample_rate, 0, "a clock that stands still");
        }
    }
}

fn check_index(file: &[u8]) {
    let of = |file: &[u8]| renditions(&id(), [(inits().remove(0), file.to_vec())]);
    let Ok(whole) = of(file) else {
        return;
    };
    let [rendition] = &whole[..] else {
        panic!("one index, one rendition");
    };
    check_rendition(rendition);
    let segments = rendition.segments.len();
    let name = &rendition.init.rendition;
    if let Ok(runs) = sample_runs(&id(), name, segments, file) {
        assert_eq!(runs.len(), segments);
        let samples: usize = runs.iter().flatten().map(|run| run.sizes.len()).sum();
        assert!(samples <= file.len());
    }
    assert!(sample_runs(&id(), name, segments + 1, file).is_err());
    // No cut but one between two records leaves an index.
    for end in [file.len() - 1, file.len() / 2, file.len() / 3] {
        if let Ok(cut) = of(&file[..end]) {
            let cut = &cut[0].segments;
            assert!(cut.len() < segments && rendition.segments.starts_with(cut));
        }
    }
}

fn check_rendition(rendition: &StoredRendition) {
    let StoredRendition { init, segments } = rendition;
    assert!(!segments.is_empty());
    let mut offset = init.bytes.len() as u64;
    let mut end = None;
    for segment in segments {
        assert_eq!(segment.offset, offset);
        assert!(segment.len_bytes > 0 && segment.start >= MediaTime::ZERO);
        assert!(end.is_none_or(|end| segment.start + OVERLAP_MAX >= end));
        let keyframe_bytes = segment.keyframe_bytes.unwrap_or(0);
        assert!(
            keyframe_bytes <= segment.len_bytes,
            "a keyframe that is longer than its segment"
        );
        offset += u64::from(segment.len_bytes);
        end = Some(segment.end());
    }
}

/// A folder for one asset, and the manifest that it has.
struct Disk {
    folder: Folder,
    manifest: Vec<u8>,
    _data: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        // In memory where the machine has that.
        let data = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let data = data.expect("a folder");
        let folder = Folder::open(data.path()).expect("writable");
        let reserve = Reserve {
            bytes: 0,
            percent: 0,
        };
        let writer = Writer::begin(&folder, id(), inits(), reserve, |_| {}).expect("a thread");
        for init in inits() {
            let segment = Segment {
                start: MediaTime::ZERO,
                duration: Duration::from_secs(2),
                keyframe_bytes: None,
                pieces: vec![Bytes::from_static(b"media")],
                runs: Vec::new(),
            };
            writer.append(&init.rendition, segment);
        }
        writer.finish().expect("the disk is well");
        let manifest = std::fs::read(folder.path(&id()).join(MANIFEST));
        Self {
            folder,
            manifest: manifest.expect("there"),
            _data: data,
        }
    }

    /// Reads and recovers what a recipe makes.
    fn try_asset(&self, input: &mut Unstructured<'_>) -> Result<()> {
        let path = self.folder.path(&id());
        self.folder.remove(&id()).expect("the disk is well");
        std::fs::create_dir(&path).expect("the disk is well");
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(path.join(name), bytes).expect("the disk is well");
        };
        write(MANIFEST, &self.manifest);
        let mut found = 0;
        for init in inits() {
            let (media, index) = files(input, &init)?;
            found += (media.len() + index.len()) as u64;
            write(&format!("{}.mp4", init.rendition), &media);
            write(&format!("{}.index", init.rendition), &index);
        }
        match open(&self.folder, &id()) {
            Ok(asset) => check_asset(&asset, &path),
            Err(Error::NotWhole(_) | Error::Unusable { .. } | Error::Version { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let recovered = match recover(&self.folder, &id()) {
            Ok(recovered) => recovered,
            Err(Error::Unusable { .. } | Error::Version { .. }) => return Ok(()),
            Err(error) => panic!("{error}"),
        };
        let asset = open(&self.folder, &id()).expect("what was recovered is whole");
        check_asset(&asset, &path);
        assert_eq!(asset.len_bytes(), recovered.summary.bytes);
        assert_eq!(asset.len_bytes() + recovered.lost_bytes, found);
        assert_eq!(asset.duration(), recovered.summary.duration);
        let again = recover(&self.folder, &id()).expect("whole");
        assert_eq!(again.lost_bytes, 0);
        assert_eq!(again.summary.segments, recovered.summary.segments);
        Ok(())
    }
}

fn check_asset(asset: &Asset, path: &Path) {
    let mut bytes = 0;
    for rendition in asset.renditions() {
        check_rendition(rendition);
        let name = &rendition.init.rendition;
        let last = rendition.segments.last().expect("segments");
        let len = |file: String| std::fs::metadata(path.join(file)).expect("there").len();
        let media = len(format!("{name}.mp4"));
        assert_eq!(media, last.offset + u64::from(last.len_bytes));
        bytes += media + len(format!("{name}.index"));
        if let Ok(runs) = asset.sample_runs(name) {
            assert_eq!(runs.len(), rendition.segments.len());
        }
    }
    assert_eq!(asset.len_bytes(), bytes);
    let counts = asset.renditions().windows(2);
    assert!(
        counts
            .into_iter()
            .all(|two| two[0].segments.len() == two[1].segments.len())
    );
}

/// A rendition's media and index: mostly as a writer leaves them, and here and there as none does.
fn files(input: &mut Unstructured<'_>, init: &Init) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut media = init.bytes.to_vec();
    let mut index = INDEX.to_vec();
    for number in 0..input.int_in_range(0..=4)? {
        let len = input.int_in_range(0..=15)?;
        let piece = [&[number], input.bytes(len)?].concat();
        let mut odd = |right: u64| match input.ratio(1, 16)? {
            true => input.arbitrary(),
            false => Ok(right),
        };
        let fields = [
            odd(u64::from(number) * 2_000_000_000)?,
            odd(2_000_000_000)?,
            odd(media.len() as u64)?,
            odd(piece.len() as u64)?,
            odd(crc32fast::hash(&piece).into())?,
            odd(piece.len() as u64)?,
            // Runs: one, with one sample.
            odd(1)?,
            odd(0)?,
            odd(1)?,
            odd(piece.len() as u64)?,
        ];
        let payload: Vec<u8> = fields.into_iter().flat_map(varint).collect();
        media.extend(piece);
        index.extend(record(&payload));
    }
    for file in [&mut media, &mut index] {
        match input.int_in_range(0..=15)? {
            0 => file.truncate(input.int_in_range(0..=file.len())?),
            1 => file.extend(input.bytes(input.len().min(20))?),
            2 if !file.is_empty() => {
                let at = input.choose_index(file.len())?;
                file[at] = input.arbitrary()?;
            }
            _ => {}
        }
    }
    Ok((media, index))
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}
