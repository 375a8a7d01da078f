//! The GStreamer pipelines: the only place that names `gst`.
//!
//! Two short static pipelines joined by plain code. The intake pipeline (one a publisher) decodes;
//! the [`Timeline`](crate::timeline::Timeline) gives every picture and sample its place; the ladder
//! pipeline (one a broadcast, never rebuilt while it lives) scales and encodes. A publisher that
//! drops, returns with other parameters or sends rubbish never touches the ladder. A file goes the
//! same way in [`offline`].

mod background;
mod contain;
mod elements;
mod encoder;
mod in_order;
mod intake;
mod ladder;
mod meters;
pub mod offline;
mod on_air;
mod parameter_sets;
mod probe;
mod running;
mod scaler;
mod seat;
mod shedding;
mod slate;
mod sound;
mod source_faults;
mod stamps;
mod test_pattern;
mod thumbnails;
mod ticker;
mod top_rung;
mod transcoder;

pub use elements::{Error, Missing};
pub use encoder::{EncoderChoice, Preset, Profile, SourceUse, VideoEncoder};
pub use intake::{Intake, IntakeError};
pub use meters::Meters;
pub use on_air::{PublicationId, Role};
pub use shedding::{Shed, Shedding};
pub use slate::{SlateImage, SlateSettings};
pub use source_faults::SourceFaults;
pub use test_pattern::TestPattern;
pub use transcoder::{Output, Plan, Settings, Transcoder};

/// Starts GStreamer and makes sure that every element the graph cannot do without is installed.
///
/// # Errors
/// Names every missing element and the Debian package that has it.
pub fn init() -> Result<(), Error> {
    gstreamer::init().map_err(|error| Error::Init(error.to_string()))?;
    elements::require_all()
}
