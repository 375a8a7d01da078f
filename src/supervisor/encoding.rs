//! How a broadcast is encoded, by the configuration and by its share of the machine.

use std::time::Duration;

use media_core::Ladder;
use media_core::graph::{
    Preset, Profile, Settings, Shedding, SlateSettings, SourceUse, VideoEncoder,
};

/// Cores a broadcast from which on an encoder gets threads of its own to cut pictures into slices.
const CORES_FOR_SLICES: usize = 5;

/// What is configured; `None` stands for "by the machine".
pub(crate) struct Encoding {
    pub(crate) ladder: Ladder,
    pub(crate) segment: Duration,
    pub(crate) part: Duration,
    pub(crate) encoder: VideoEncoder,
    pub(crate) preset: Option<Preset>,
    pub(crate) profile: Profile,
    pub(crate) source: SourceUse,
    pub(crate) threads: Option<u32>,
    pub(crate) cores: usize,
    pub(crate) slate: SlateSettings,
    /// What broadcasts leave out now.
    pub(crate) shedding: Shedding,
}

impl Encoding {
    /// The settings of a broadcast that is one of `broadcasts`.
    pub(crate) fn settings(&self, broadcasts: usize) -> Settings {
        let cores = self.cores / broadcasts.max(1);
        let slices = if cores < CORES_FOR_SLICES {
            1
        } else {
            cores.div_ceil(4) as u32
        };
        Settings {
            ladder: self.ladder.clone(),
            segment: self.segment,
            part: self.part,
            encoder: self.encoder,
            preset: self.preset(broadcasts),
            profile: self.profile,
            source: self.source,
            threads: self.threads.unwrap_or(slices),
            slate: self.slate.clone(),
            shedding: self.shedding.clone(),
        }
    }

    /// The settings of a broadcast that is one of `broadcasts`, and that the machine has no room for but
    /// for its source: what stands in for missing pictures costs as little as it can.
    pub(crate) fn source_settings(&self, broadcasts: usize) -> Settings {
        Settings {
            preset: Preset::Ultrafast,
            source: SourceUse::Alone,
            ..self.settings(broadcasts)
        }
    }

    /// The preset of a broadcast that is one of `broadcasts`.
    pub(crate) fn preset(&self, broadcasts: usize) -> Preset {
        let cores = self.cores / broadcasts.max(1);
        self.preset.unwrap_or_else(|| Preset::for_cores(cores))
    }

    /// The settings of a file, which nobody waits for: the best that the machine can do in the time
    /// that it takes anyway.
    pub(crate) fn file_settings(&self) -> Settings {
        Settings {
            preset: self.preset(1),
            profile: Profile::Quality,
            source: SourceUse::Encode,
            threads: self.threads.unwrap_or(self.cores as u32),
            // It gives way to broadcasts altogether, and leaves nothing out.
            shedding: Shedding::default(),
            ..self.settings(1)
        }
    }
}
