//! Runs a crate's fuzz targets as an ordinary test: without a sanitizer, without coverage, on any
//! compiler. Each file of the corpus is an input, and so are mutations of them, always the same ones.
//!
//! Included by `tests/fuzz_corpus.rs` of each crate that has targets. They are compiled as they are:
//! the macro that they take from `libfuzzer_sys` is the one below.

use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A target's function, under a name that is called here.
#[macro_export]
macro_rules! fuzz_target {
    (|$input:ident: &[u8]| $body:expr) => {
        pub(crate) fn run($input: &[u8]) {
            $body
        }
    };
}

/// A test of each target, in a module of its name, with so many mutations.
#[macro_export]
macro_rules! replayed {
    ($($target:ident: $mutations:expr,)*) => {
        $(
            #[test]
            fn $target() {
                let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/", stringify!($target));
                $crate::replay::replay(folder, $mutations, $target::run);
            }
        )*
    };
}

/// The longest mutation.
const INPUT_BYTES_MAX: usize = 16 * 1024;

/// What is written into inputs beside random bytes: where arithmetic goes wrong.
const EDGES: [&[u8]; 10] = [
    &[0],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0, 0],
    &[0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff],
    b"\r\n",
    b"%00",
];

/// Runs `target` with the corpus in `folder`, and with so many mutations of it. The input that it is
/// run with when it panics is in the message.
pub(crate) fn replay(folder: &str, mutations: u32, target: impl Fn(&[u8])) {
    let corpus = corpus(Path::new(folder));
    assert!(!corpus.is_empty(), "{folder} is empty");
    for (file, input) in &corpus {
        run(&format!("{}", file.display()), input, &target);
    }
    // The same at each run.
    let mut random = StdRng::seed_from_u64(u64::from(mutations));
    for number in 0..mutations {
        let input = mutated(&corpus, &mut random);
        run(&format!("mutation {number}"), &input, &target);
    }
}

fn run(name: &str, input: &[u8], target: impl Fn(&[u8])) {
    let run = std::panic::AssertUnwindSafe(|| target(input));
    if let Err(panic) = std::panic::catch_unwind(run) {
        eprintln!("{name}, {} bytes: {}", input.len(), input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

fn corpus(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    // Folders have no order of their own.
    files.sort();
    let read = |file: PathBuf| {
        let input = fs::read(&file).expect("a file");
        (file, input)
    };
    files.into_iter().map(read).collect()
}

/// One input with up to eight changes: bytes set, put in, taken out, repeated, or another input's.
fn mutated(corpus: &[(PathBuf, Vec<u8>)], random: &mut StdRng) -> Vec<u8> {
    let any = |random: &mut StdRng| &corpus[random.random_range(0..corpus.len())].1;
    let mut input = any(random).clone();
    for _ in 0..random.random_range(1..=8) {
        let at = random.random_range(0..=input.len());
        let end = (at + random.random_range(0..=16)).min(input.len());
        match random.random_range(0..6) {
            0 => {
                let edge = EDGES[random.random_range(0..EDGES.len())];
                let end = (at + edge.len()).min(input.len());
                input.splice(at..end, edge.iter().copied());
            }
            1 => input.insert(at, random.random()),
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            4 => {
                let other = any(random);
                let from = random.random_range(0..=other.len());
                let to = (from + random.random_range(0..=64)).min(other.len());
                let piece = other[from..to].to_vec();
                input.splice(at..at, piece);
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.random_range(0..8);
                }
            }
        }
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}
