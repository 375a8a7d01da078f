//! What viewers of stored titles asked for and were sent.

use std::fmt;
use std::sync::Arc;

use packager::vod::{Counters, Subject};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::families::{Family, Page, bytes, family};

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
        let requests = Subject::ALL.into_iter().flat_map(|subject| {
            let of = |outcome| [("resource", resource(subject)), ("outcome", outcome)];
            [
                (of("answered"), counters.answered(subject)),
                (of("refused"), counters.refused(subject)),
            ]
        });
        page.counters(REQUESTS, requests)?;
        let sent = Subject::ALL.map(|it| ([("resource", resource(it))], counters.bytes(it)));
        page.counters(RESPONSE_BYTES, sent)
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
