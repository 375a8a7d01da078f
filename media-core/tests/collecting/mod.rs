//! What the ladder's tests share: an output that keeps everything, small settings.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use media_core::graph::{self, EncoderChoice, Output, Plan, Preset, Profile, Settings, SourceUse};
use media_core::{Bitrate, Ladder, RenditionName, Rung, Sample, Thumbnail, Track};

#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) plan: Mutex<Option<Plan>>,
    pub(crate) tracks: Mutex<Vec<Track>>,
    pub(crate) samples: Mutex<BTreeMap<String, Vec<Sample>>>,
    pub(crate) thumbnails: Mutex<Vec<Thumbnail>>,
    has_failed: AtomicBool,
}

impl Drop for Collected {
    fn drop(&mut self) {
        // Not where it is said: a panic there would be caught.
        assert!(
            std::thread::panicking() || !*self.has_failed.get_mut(),
            "the ladder failed"
        );
    }
}

impl Output for Collected {
    fn started(&self, plan: &Plan) {
        *self.plan.lock().unwrap() = Some(plan.clone());
    }

    fn track(&self, track: Track) {
        self.tracks.lock().unwrap().push(track);
    }

    fn sample(&self, rendition: &RenditionName, sample: Sample) {
        let mut samples = self.samples.lock().unwrap();
        samples
            .entry(rendition.to_string())
            .or_default()
            .push(sample);
    }

    fn failed(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
    }

    fn thumbnail(&self, thumbnail: Thumbnail) {
        self.thumbnails.lock().unwrap().push(thumbnail);
    }
}

pub(crate) fn settings() -> Settings {
    graph::init().expect("every element is installed");
    let rung = |name: &str, width, height| Rung {
        name: RenditionName::new(name).unwrap(),
        width,
        height,
        bitrate: Bitrate::from_kbps(300),
    };
    Settings {
        ladder: Ladder {
            rungs: vec![rung("180p", 320, 180), rung("90p", 160, 90)],
            audio: Bitrate::from_kbps(64),
        },
        segment: Duration::from_secs(2),
        part: Duration::from_millis(333),
        encoder: EncoderChoice::Auto.resolve().expect("an encoder"),
        preset: Preset::Ultrafast,
        profile: Profile::LowLatency,
        threads: 1,
        source: SourceUse::Encode,
        slate: graph::SlateSettings::default(),
        shedding: graph::Shedding::default(),
    }
}

pub(crate) fn assert_gapless(samples: &[Sample], what: &str) {
    for pair in samples.windows(2) {
        assert_eq!(pair[0].time + pair[0].duration, pair[1].time, "{what}");
    }
}
