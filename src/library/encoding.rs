//! A file becomes an asset: what the off-line transcoder yields goes through a muxer a rendition
//! onto the disk, which holds the encoders back where it is slower than they are.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use media_core::graph::offline::{self, Control, Extent};
use media_core::graph::{Output, Plan, Settings};
use media_core::{AssetId, Chunk, Init, MediaTime, RenditionName, Sample, Thumbnail, Track};
use packager::cmaf::Muxer;
use storage::asset::{self, Folder, Reserve, Segment, Summary, Writer};

use super::segments::Assembler;
use crate::recordings::Pictures;

/// Bytes of segments that wait until every rendition is described: encoders look ahead unequally far,
/// and sound that does not come is waited for some seconds, which are 12 MB of the default ladder.
const HELD_BYTES_MAX: usize = 128 << 20;

/// Why a file did not become an asset.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// See there.
    #[error(transparent)]
    Source(#[from] offline::Error),
    /// The disk is full or failed, or a segment cannot be stored.
    #[error("what is encoded cannot be stored: {0}")]
    Stopped(asset::Stop),
    /// The files cannot be finished.
    #[error("what is encoded cannot be stored: {0}")]
    Asset(#[from] asset::Error),
    /// A fault of this program.
    #[error("what is encoded cannot be packed: {0}")]
    Packing(String),
}

impl Error {
    /// Whether trying again is of no use: it is the file's fault.
    pub(super) fn is_permanent(&self) -> bool {
        use offline::Error as Source;
        match self {
            Self::Source(error) => match error {
                Source::Empty
                | Source::NotAContainer { .. }
                | Source::Unreadable { .. }
                | Source::NoTracks(_)
                | Source::Codec { .. }
                | Source::Undecodable { .. }
                | Source::TooLarge(_)
                | Source::TooLong
                | Source::Gaps => true,
                Source::Io(_)
                | Source::Cancelled
                | Source::Stalled { .. }
                | Source::Encoder { .. }
                | Source::Pipeline(_) => false,
            },
            Self::Stopped(_) | Self::Asset(_) | Self::Packing(_) => false,
        }
    }
}

/// Where an asset is written.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) folder: Folder,
    pub(super) asset: AssetId,
    pub(super) reserve: Reserve,
}

/// What was made of a file.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) summary: Summary,
    /// What of the file is not in it, for people.
    pub(super) missing: Option<String>,
}

/// Encodes `file` into the asset `to`; returns when that is whole. What an error leaves behind is to
/// be removed. Waits: not to be called from a task.
pub(super) fn encode(
    file: &Path,
    settings: &Settings,
    to: Destination,
    control: &Control,
) -> Result<Made, Error> {
    let packing = Arc::new(Packing::new(to, control.clone()));
    let output = Arc::clone(&packing) as Arc<dyn Output>;
    let encoded = offline::transcode(file, settings, output, control);
    let stored = packing.finish(encoded.is_ok());
    // A disk that stopped has cancelled the transcoder: that is the reason, and not the effect.
    let summary = stored?;
    let missing = missing(&encoded?);
    if let Some(missing) = &missing {
        tracing::warn!(file = %file.display(), missing, "not all of a file could be read");
    }
    let summary =
        summary.ok_or_else(|| Error::Packing("not one rendition was described".into()))?;
    Ok(Made { summary, missing })
}

/// What of a file is not in what was made of it.
fn missing(made: &offline::Summary) -> Option<String> {
    let seconds = |time: std::time::Duration| time.as_secs();
    let rest = match &made.extent {
        Extent::Whole => None,
        Extent::Short { stated } => Some(format!(
            "the file says that it has {} seconds, and ends after {}",
            seconds(*stated),
            seconds(made.duration)
        )),
        Extent::Broken { at, reason } => Some(format!(
            "the file cannot be read beyond second {}: {reason}",
            seconds(at.saturating_since(MediaTime::ZERO))
        )),
    };
    let sound = made
        .lost_sound
        .then(|| "nothing of its sound can be decoded".to_owned());
    let all: Vec<String> = rest.into_iter().chain(sound).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

struct Packing {
    to: Destination,
    control: Control,
    plan: OnceLock<Plan>,
    state: Mutex<State>,
    pictures: Mutex<Pictures>,
}

#[derive(Default)]
struct State {
    lanes: HashMap<RenditionName, Lane>,
    inits: Vec<Init>,
    /// Until there is a writer.
    held: Vec<(RenditionName, Segment)>,
    held_bytes: usize,
    writer: Option<Writer>,
    fault: Option<String>,
}

struct Lane {
    muxer: Muxer,
    assembler: Assembler,
}

impl Packing {
    fn new(to: Destination, control: Control) -> Self {
        Self {
            to,
            control,
            plan: OnceLock::new(),
            state: Mutex::default(),
            pictures: Mutex::default(),
        }
    }

    /// Ends the asset, `whole` or not. `None`: it was never begun.
    fn finish(&self, whole: bool) -> Result<Option<Summary>, Error> {
        let mut state = self.state();
        if whole {
            let mut rest = Vec::new();
            for (rendition, lane) in &mut state.lanes {
                let last = lane.muxer.finish();
                let complete = last.and_then(|chunk| lane.assembler.push(chunk));
                let segments = complete.into_iter().chain(lane.assembler.finish());
                rest.extend(segments.map(|segment| (rendition.clone(), segment)));
            }
            for (rendition, segment) in rest {
                state.store(&rendition, segment);
            }
        }
        let (writer, fault) = (state.writer.take(), state.fault.take());
        drop(state);
        let summary = writer.map(|writer| writer.finish()).transpose()?;
        if let Some(fault) = fault {
            return Err(Error::Packing(fault));
        }
        let Some(mut summary) = summary else {
            return Ok(None);
        };
        if let Some(stop) = summary.stopped.take() {
            return Err(Error::Stopped(stop));
        }
        if whole {
            let pictures = std::mem::take(&mut *self.pictures());
            pictures.save(&self.to.folder, &self.to.asset, summary.duration);
        }
        Ok(Some(summary))
    }

    fn describe(&self, plan: &Plan, track: &Track) -> Result<(), String> {
        let (muxer, init) = Muxer::new(track, plan.cadence).map_err(|error| error.to_string())?;
        let mut state = self.state();
        let lane = Lane {
            muxer,
            assembler: Assembler::default(),
        };
        state.lanes.insert(track.rendition.clone(), lane);
        state.inits.push(init);
        if state.inits.len() == plan.renditions.len() {
            let mut inits = std::mem::take(&mut state.inits);
            let place = |init: &Init| plan.renditions.iter().position(|it| *it == init.rendition);
            inits.sort_by_key(place);
            let writer = self.begin(inits).map_err(|error| error.to_string())?;
            for (rendition, segment) in std::mem::take(&mut state.held) {
                writer.append_when_room(&rendition, segment);
            }
            state.writer = Some(writer);
        }
        Ok(())
    }

    fn begin(&self, inits: Vec<Init>) -> std::io::Result<Writer> {
        let Destination {
            folder,
            asset,
            reserve,
        } = &self.to;
        let control = self.control.clone();
        let on_stop = move |_: &asset::Stop| control.cancel();
        Writer::begin(folder, asset.clone(), inits, *reserve, on_stop)
    }

    fn give_up(&self, fault: String) {
        self.state().fault.get_or_insert(fault);
        self.control.cancel();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in between leaves half a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pictures(&self) -> MutexGuard<'_, Pictures> {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The lane's next segment goes onto the disk, which may take its time.
    fn take(&mut self, rendition: &RenditionName, chunk: Chunk) {
        let lane = self.lanes.get_mut(rendition);
        if let Some(segment) = lane.and_then(|lane| lane.assembler.push(chunk)) {
            self.store(rendition, segment);
        }
    }

    fn store(&mut self, rendition: &RenditionName, segment: Segment) {
        match &self.writer {
            Some(writer) => writer.append_when_room(rendition, segment),
            None => {
                self.held_bytes += segment.pieces.iter().map(Bytes::len).sum::<usize>();
                self.held.push((rendition.clone(), segment));
            }
        }
    }
}

impl Output for Packing {
    fn started(&self, plan: &Plan) {
        assert!(
            self.plan.set(plan.clone()).is_ok(),
            "a ladder starts once a file"
        );
    }

    fn track(&self, track: Track) {
        let Some(plan) = self.plan.get() else {
            return;
        };
        if let Err(fault) = self.describe(plan, &track) {
            self.give_up(fault);
        }
    }

    fn sample(&self, rendition: &RenditionName, sample: Sample) {
        let mut state = self.state();
        let lane = state.lanes.get_mut(rendition);
        if let Some(chunk) = lane.and_then(|lane| lane.muxer.push(sample)) {
            // Under the lock: a rendition's segments must not overtake each other.
            state.take(rendition, chunk);
        }
        let is_full = state.writer.is_none() && state.held_bytes > HELD_BYTES_MAX;
        drop(state);
        if is_full {
            self.give_up(format!("{HELD_BYTES_MAX} bytes wait for a rendition"));
        }
    }

    fn thumbnail(&self, thumbnail: Thumbnail) {
        self.pictures().push(&thumbnail);
    }

    fn failed(&self) {
        // The transcoder says so itself.
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_missing_of_a_file_is_said() {
        let made = |extent, lost_sound| offline::Summary {
            duration: Duration::from_secs(60),
            frames: 1800,
            counters: media_core::timeline::Counters::default(),
            extent,
            lost_sound,
        };
        assert_eq!(missing(&made(Extent::Whole, false)), None);
        let short = Extent::Short {
            stated: Duration::from_secs(90),
        };
        assert_eq!(
            missing(&made(short, true)).as_deref(),
            Some(
                "the file says that it has 90 seconds, and ends after 60; \
                 nothing of its sound can be decoded"
            )
        );
    }

    #[test]
    fn only_the_files_own_faults_are_final() {
        let not_media = offline::Error::NotAContainer {
            found: "text/plain".into(),
        };
        assert!(Error::from(not_media).is_permanent());
        assert!(Error::from(offline::Error::Empty).is_permanent());
        assert!(Error::from(offline::Error::TooLong).is_permanent());
        assert!(Error::from(offline::Error::Gaps).is_permanent());
        assert!(!Error::from(offline::Error::Cancelled).is_permanent());
        let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert!(!Error::from(offline::Error::Io(gone)).is_permanent());
        let full = asset::Stop::DiskFull {
            free_bytes: 1,
            reserve_bytes: 2,
        };
        assert!(!Error::Stopped(full).is_permanent());
    }
}
