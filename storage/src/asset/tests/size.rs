//! Two hours of a full ladder: what an index weighs, and how soon the asset is open.

use std::io::Write;
use std::time::Instant;

use media_core::StoredSegment;

use super::*;
use crate::asset::record::{Kind, frame};

const RENDITIONS: [&str; 5] = ["1080p", "720p", "480p", "360p", "audio"];
const SEGMENTS: u64 = 3600;
const SEGMENT_BYTES: u32 = 600_000;

#[test]
fn two_hours_of_a_ladder_open_from_small_indexes() {
    let data = tempfile::tempdir().expect("a folder");
    let folder = assets(&data);
    let inits = RENDITIONS.map(init).to_vec();
    files::create(&folder.path(&id()), &inits, files::open_new).expect("files");
    // Ten chunks of six frames, as the cadence of 30 frames a second has them.
    let runs: Vec<SampleRun> = (0..10)
        .map(|chunk| SampleRun {
            offset: chunk * 60_000 + 120,
            sizes: vec![9000; 6],
        })
        .collect();
    let mut index_bytes = 0;
    for init in &inits {
        let begin = init.bytes.len() as u64;
        let mut index = Kind::Index.header().to_vec();
        for number in 0..SEGMENTS {
            let segment = StoredSegment {
                start: MediaTime::from_millis(2000 * number as i64),
                duration: Duration::from_secs(2),
                offset: begin + number * u64::from(SEGMENT_BYTES),
                len_bytes: SEGMENT_BYTES,
                keyframe_bytes: Some(40_000),
            };
            index.extend(frame(&index::encode(&segment, u32::MAX, &runs)));
        }
        index_bytes = index.len() as u64;
        let path = index_path(&folder.path(&id()), &init.rendition);
        let mut file = File::create(path).expect("a file");
        file.write_all(&index).expect("written");
        let media = media_path(&folder.path(&id()), &init.rendition);
        let media = File::options().write(true).open(media).expect("a file");
        // A hole: opening reads no media.
        media
            .set_len(begin + SEGMENTS * u64::from(SEGMENT_BYTES))
            .expect("room for a hole");
    }
    assert!(
        index_bytes / SEGMENTS < 300,
        "{} bytes a segment",
        index_bytes / SEGMENTS
    );

    let began = Instant::now();
    let asset = open(&folder, &id()).expect("whole");
    let opened = began.elapsed();
    assert_eq!(asset.duration(), Duration::from_secs(7200));
    assert!(
        asset
            .renditions()
            .iter()
            .all(|it| it.segments.len() == SEGMENTS as usize)
    );
    let began = Instant::now();
    let runs = asset.sample_runs(&name("1080p")).expect("an index");
    let samples: usize = runs.iter().flatten().map(|run| run.sizes.len()).sum();
    assert_eq!(samples, 216_000);
    println!(
        "index: {} bytes a segment; opened in {opened:?}; samples of a rendition in {:?}",
        index_bytes / SEGMENTS,
        began.elapsed()
    );
}
