//! What viewers of stored titles asked for and were sent.

use std::fmt;
use std::sync::Arc;

use packager::vod::{Counters, Subject};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::families::{Family, Page, bytes, family};
use super::requests::{Tally, write};

const REQUESTS: Family = family(
    "millrace_vod_requests",
    "Requests below /vod/ by what they were for and whether they got it.",
);
const RESPONSE_BYTES: Family = bytes(
    "millrace_vod_response",
    "Bytes of the bodies of answers below /vod/.",
);

#[derive(Debug)]
pub(super) struct TitleFigures {
    counters: Arc<Counters>,
}

impl TitleFigures {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { counters }
    }
}

impl Collector for TitleFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        let counters = &self.counters;
        let tallies = Subject::ALL.map(|subject| Tally {
            resource: resource(subject),
            answered: counters.answered(subject),
            refused: counters.refused(subject),
            bytes: counters.bytes(subject),
        });
        write(&mut page, REQUESTS, RESPONSE_BYTES, &tallies)
    }
}

fn resource(subject: Subject) -> &'static str {
    match subject {
        Subject::Master => "multivariant",
        Subject::Playlist => "playlist",
        Subject::Media => "media",
        Subject::Download => "download",
        Subject::Subtitles => "subtitles",
        Subject::Thumbnail => "thumbnail",
        Subject::Other => "other",
    }
}
