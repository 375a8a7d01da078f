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

/// What was asked for of one kind of resource.
pub(super) struct Tally {
    pub(super) resource: &'static str,
    pub(super) answered: u64,
    pub(super) refused: u64,
    /// Of the answers' bodies.
    pub(super) bytes: u64,
}

/// Writes the families of requests and of their answers' bytes.
pub(super) fn write(
    page: &mut Page<'_>,
    requests: Family,
    response_bytes: Family,
    tallies: &[Tally],
) -> fmt::Result {
    let counts = tallies.iter().flat_map(|tally| {
        let of = |outcome| [("resource", tally.resource), ("outcome", outcome)];
        [
            (of("answered"), tally.answered),
            (of("refused"), tally.refused),
        ]
    });
    page.counters(requests, counts)?;
    let sent = tallies
        .iter()
        .map(|it| ([("resource", it.resource)], it.bytes));
    page.counters(response_bytes, sent)
}

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
        let tallies = Subject::ALL.map(|subject| Tally {
            resource: resource(subject),
            answered: counters.answered(subject),
            refused: counters.refused(subject),
            bytes: counters.bytes(subject),
        });
        write(&mut page, REQUESTS, RESPONSE_BYTES, &tallies)?;
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
