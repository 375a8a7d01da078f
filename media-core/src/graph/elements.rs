//! Making GStreamer elements, and saying clearly what is not installed.

use std::fmt;

use gstreamer as gst;
use gstreamer::prelude::*;

/// Elements without which no broadcast can run, and the Debian package of each.
const REQUIRED: &[(&str, &str)] = &[
    ("appsrc", "gstreamer1.0-plugins-base"),
    ("appsink", "gstreamer1.0-plugins-base"),
    ("videoconvertscale", "gstreamer1.0-plugins-base"),
    ("audioconvert", "gstreamer1.0-plugins-base"),
    ("audioresample", "gstreamer1.0-plugins-base"),
    ("opusdec", "gstreamer1.0-plugins-base"),
    ("deinterlace", "gstreamer1.0-plugins-good"),
    ("aacparse", "gstreamer1.0-plugins-good"),
    ("mpegaudioparse", "gstreamer1.0-plugins-good"),
    ("tsdemux", "gstreamer1.0-plugins-bad"),
    ("h264parse", "gstreamer1.0-plugins-bad"),
    ("h265parse", "gstreamer1.0-plugins-bad"),
    ("opusparse", "gstreamer1.0-plugins-bad"),
    ("avdec_h264", "gstreamer1.0-libav"),
    ("avdec_h265", "gstreamer1.0-libav"),
    ("avdec_aac", "gstreamer1.0-libav"),
    ("avdec_mp3", "gstreamer1.0-libav"),
    ("avenc_aac", "gstreamer1.0-libav"),
];

/// What keeps a pipeline from being built or started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// GStreamer itself does not start.
    #[error("GStreamer does not start: {0}")]
    Init(String),
    /// Elements are not installed.
    #[error("{0}")]
    Missing(Missing),
    /// An element refused to be made, linked or started.
    #[error("the pipeline cannot be built: {0}")]
    Build(String),
}

impl From<gst::glib::BoolError> for Error {
    fn from(error: gst::glib::BoolError) -> Self {
        Self::Build(error.message.to_string())
    }
}

impl From<gst::StateChangeError> for Error {
    fn from(error: gst::StateChangeError) -> Self {
        Self::Build(error.to_string())
    }
}

/// The elements that are not installed, each with its Debian package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(Vec<(&'static str, &'static str)>);

impl Missing {
    /// One element of one package.
    pub(super) fn one(element: &'static str, package: &'static str) -> Self {
        Self(vec![(element, package)])
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements: Vec<&str> = self.0.iter().map(|(element, _)| *element).collect();
        let mut packages: Vec<&str> = self.0.iter().map(|(_, package)| *package).collect();
        packages.sort_unstable();
        packages.dedup();
        write!(
            f,
            "GStreamer lacks {}: install it with 'apt-get install {}'",
            elements.join(", "),
            packages.join(" ")
        )
    }
}

/// Fails with the list of all that is not installed.
pub(super) fn require_all() -> Result<(), Error> {
    let missing: Vec<_> = REQUIRED
        .iter()
        .copied()
        .filter(|(element, _)| !exists(element))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::Missing(Missing(missing)))
    }
}

/// Whether an element is installed.
pub(super) fn exists(element: &str) -> bool {
    gst::ElementFactory::find(element).is_some()
}

/// Makes an element of a kind that [`require_all`] has seen, or that the caller has looked for.
pub(super) fn make(element: &str) -> Result<gst::Element, Error> {
    Ok(gst::ElementFactory::make(element).build()?)
}

/// Adds elements to `bin` and links them in order.
pub(super) fn add_chain(bin: &gst::Pipeline, chain: &[&gst::Element]) -> Result<(), Error> {
    bin.add_many(chain)?;
    gst::Element::link_many(chain)?;
    Ok(())
}

/// Starts elements that were added to a pipeline that is already running.
pub(super) fn start_chain(chain: &[&gst::Element]) -> Result<(), Error> {
    // Downstream first, so that nothing is pushed into an element that is not ready.
    for element in chain.iter().rev() {
        element.sync_state_with_parent()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_element_names_itself_and_its_package_once() {
        let missing = Missing(vec![("avdec_h264", "p-libav"), ("avenc_aac", "p-libav")]);
        assert_eq!(
            missing.to_string(),
            "GStreamer lacks avdec_h264, avenc_aac: install it with 'apt-get install p-libav'"
        );
    }
}
