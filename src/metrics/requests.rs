//! What viewers asked for and were sent.

use std::fmt;
use std::sync::Arc;

use packager::delivery::{Counters, Subject};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::families::{Family, Page, bytes, family};

const REQUESTS: Family = family(
    "millrace_http_requests",
    "Requests below /live/ by what they were for and whether they got it.",
);
const RESPONSE_BYTES: Family = bytes(
    "millrace_http_response",
    "Bytes of the bodies of answers below /live/.",
);
const WAITING: Family = family(
    "millrace_http_waiting_requests",
    "Requests that wait for media that is still to come.",
);

#[derive(Debug)]
pub(super) struct RequestFigures {
    counters: Arc<Counters>,
}

impl RequestFigures {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { counters }
    }
}

impl Collector for RequestFigures {
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
        page.counters(RESPONSE_BYTES, sent)?;
        page.gauge(WAITING, counters.waiting() as u64)
    }
}

fn resource(subject: Subject) -> &'static str {
    match subject {
        Subject::Master => "multivariant",
        Subject::Playlist => "playlist",
        Subject::Init => "init",
        Subject::Segment => "segment",
        Subject::Part => "part",
        Subject::Thumbnail => "thumbnail",
        Subject::Other => "other",
    }
}
