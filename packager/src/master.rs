//! The multivariant playlist that a broadcast shows now, or a stored title.

use bytes::Bytes;

use crate::playlist::links::Links;
use crate::playlist::multivariant::{Rendition, Subtitles, render};
use crate::text::{Coding, Text, code};

/// What is known of every rendition, and the texts that say it.
#[derive(Debug)]
pub(crate) struct Master {
    renditions: Vec<Rendition>,
    subtitles: Vec<Subtitles>,
    live: Text,
    dvr: Text,
}

impl Master {
    pub(crate) fn new(renditions: Vec<Rendition>, subtitles: Vec<Subtitles>) -> Self {
        Self {
            renditions,
            subtitles,
            live: Text::default(),
            dvr: Text::default(),
        }
    }

    /// The playlist whose children have `links`.
    pub(crate) fn text(&self, links: Links<'_>, coding: Coding) -> Bytes {
        let render = || render(&self.renditions, &self.subtitles, links);
        match (links.token, links.dvr) {
            (Some(_), _) => code(render(), coding),
            (None, false) => self.live.coded(coding, render),
            (None, true) => self.dvr.coded(coding, render),
        }
    }
}
