//! A process that is killed while it records, many times.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

/// Where the child records; in no other process is this set.
const FOLDER_VARIABLE: &str = "MILLRACE_TEST_RECORD_TO";

const RENDITIONS: [&str; 3] = ["720p", "360p", "audio"];
const ROUNDS: u64 = 30;

/// Large enough that a kill often comes in the midst of a write.
fn recorded(rendition: &str, number: usize) -> Segment {
    segment(rendition, number, 10, 8000)
}

/// The child: records until it is killed, and says of each segment when it is on the disk.
#[test]
fn child_that_records() {
    let Some(data) = std::env::var_os(FOLDER_VARIABLE) else {
        return;
    };
    let folder = Folder::open(Path::new(&data)).expect("writable");
    let inits = RENDITIONS.map(init).to_vec();
    let writer = Writer::begin(&folder, id(), inits, NO_RESERVE, |stop| panic!("{stop}"));
    let writer = writer.expect("a thread");
    for number in 0.. {
        for rendition in RENDITIONS {
            writer.append(&name(rendition), recorded(rendition, number));
        }
        while writer.find(&name("audio"), number).is_none() {
            std::thread::yield_now();
        }
        println!("on disk: {number}");
    }
}

fn child(data: &TempDir) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "--nocapture",
            "asset::tests::death::child_that_records",
        ])
        .env(FOLDER_VARIABLE, data.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child")
}

#[test]
fn a_recording_that_is_killed_has_every_segment_that_was_on_the_disk() {
    let mut random = StdRng::seed_from_u64(4);
    let mut recorded_in_all = 0;
    for round in 0..ROUNDS {
        let data = tempfile::tempdir().expect("a folder");
        let mut child = child(&data);
        let output = BufReader::new(child.stdout.take().expect("piped"));
        // Some die before their manifest is there, the others with so many segments and a moment.
        let wait_for = random.random_range(0..12_usize);
        let moment = Duration::from_micros(random.random_range(0..6000));
        let mut promised = 0;
        let mut lines = output.lines().map(|line| line.expect("the child's text"));
        let mut is_promise = |line: String| {
            let Some((_, number)) = line.split_once("on disk: ") else {
                return;
            };
            promised = number.parse::<usize>().expect("a number") + 1;
        };
        for line in lines.by_ref().take(wait_for) {
            is_promise(line);
        }
        std::thread::sleep(moment);
        child.kill().expect("killed");
        child.wait().expect("gone");
        lines.for_each(is_promise);

        let folder = assets(&data);
        let result = match recover(&folder, &id()) {
            Ok(result) => result,
            Err(Error::Unusable { why, .. }) => {
                assert_eq!(promised, 0, "round {round}: {why}");
                continue;
            }
            Err(error) => panic!("round {round}: {error}"),
        };
        let count = result.summary.segments;
        assert!(count >= promised, "round {round}: {count} of {promised}");
        recorded_in_all += count;
        let asset = open(&folder, &id()).expect("whole");
        for (stored, rendition) in asset.renditions().iter().zip(RENDITIONS) {
            let mut expected = stored.init.bytes.to_vec();
            let runs = asset.sample_runs(&name(rendition)).expect("an index");
            assert_eq!((stored.segments.len(), runs.len()), (count, count));
            for (number, runs) in runs.into_iter().enumerate() {
                let given = recorded(rendition, number);
                assert_eq!(runs, given.runs);
                expected.extend(given.pieces.concat());
            }
            let media = std::fs::read(asset.path(&name(rendition))).expect("media");
            assert!(media == expected, "round {round}: {rendition} differs");
        }
    }
    assert!(
        recorded_in_all > 30,
        "only {recorded_in_all} segments were recorded"
    );
}
