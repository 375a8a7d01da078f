//! Encodes a file into the standard ladder, off-line, and says what came of it. For measurements:
//!
//! ```text
//! cargo run --release -p media-core --example transcode -- FILE [PRESET [THREADS [PROFILE]]]
//! ```

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use media_core::graph::offline::{self, Control};
use media_core::graph::{self, Output, Plan, Preset, Profile, Settings, SourceUse, VideoEncoder};
use media_core::{Ladder, RenditionName, Sample, Track};

/// Counts what is encoded.
#[derive(Default)]
struct Counted {
    samples: AtomicU64,
    bytes: AtomicU64,
}

impl Output for Counted {
    fn thumbnail(&self, _thumbnail: media_core::Thumbnail) {}

    fn started(&self, _plan: &Plan) {}

    fn track(&self, _track: Track) {}

    fn sample(&self, _rendition: &RenditionName, sample: Sample) {
        self.samples.fetch_add(1, Ordering::Relaxed);
        let bytes = sample.data.len() as u64;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn failed(&self) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("which file?")?;
    let preset = arguments
        .next()
        .map_or(Ok(Preset::Veryfast), |it| it.parse())?;
    let cores = std::thread::available_parallelism()?.get() as u32;
    let threads = arguments.next().map_or(Ok(cores), |it| it.parse())?;
    let profile = arguments
        .next()
        .map_or(Ok(Profile::Quality), |it| it.parse())?;
    graph::init()?;
    let mut out = std::io::stdout();
    writeln!(out, "{:#?}", offline::inspect(Path::new(&file))?)?;
    let settings = Settings {
        ladder: Ladder::standard(),
        segment: Duration::from_secs(2),
        part: Duration::from_millis(333),
        encoder: VideoEncoder::X264,
        preset,
        profile,
        threads,
        source: SourceUse::Encode,
        slate: graph::SlateSettings::default(),
        shedding: graph::Shedding::default(),
    };
    let counted = Arc::new(Counted::default());
    let output = Arc::clone(&counted) as Arc<dyn Output>;
    let began = Instant::now();
    let summary = offline::transcode(Path::new(&file), &settings, output, &Control::default())?;
    let took = began.elapsed();
    writeln!(out, "{summary:#?}")?;
    writeln!(
        out,
        "{} samples, {} bytes in {:.2} s: {:.2} times as fast as it plays",
        counted.samples.load(Ordering::Relaxed),
        counted.bytes.load(Ordering::Relaxed),
        took.as_secs_f64(),
        summary.duration.as_secs_f64() / took.as_secs_f64(),
    )?;
    Ok(())
}
