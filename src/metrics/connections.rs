//! The connections that viewers, pages and the API come by.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::families::{Family, Page, family};
use crate::listener::Front;

const OPEN: Family = family(
    "millrace_http_open_connections",
    "Connections that are open at the HTTP and HTTPS ports.",
);
const ACCEPTED: Family = family(
    "millrace_http_connections",
    "Connections accepted at both ports, those refused included.",
);
const REFUSED: Family = family(
    "millrace_http_connections_refused",
    "Connections refused, by reason: full, address (too many from one), handshake.",
);
const CUT: Family = family(
    "millrace_http_cut",
    "Peers cut off, by reason: head (not in time), stalled, resets; stream: an HTTP/2 stream alone.",
);

pub(super) struct ConnectionFigures {
    front: Arc<Front>,
}

impl ConnectionFigures {
    pub(super) fn new(front: Arc<Front>) -> Self {
        Self { front }
    }
}

impl fmt::Debug for ConnectionFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.front.counters(), f)
    }
}

impl Collector for ConnectionFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        let counts = self.front.counters();
        let open = [
            ([("port", "http")], counts.open_http.value()),
            ([("port", "https")], counts.open_https.value()),
        ];
        page.gauges(OPEN, open)?;
        page.counter(ACCEPTED, counts.accepted.value())?;
        let refused = [
            ([("reason", "full")], counts.refused_full.value()),
            ([("reason", "address")], counts.refused_address.value()),
            ([("reason", "handshake")], counts.refused_handshake.value()),
        ];
        page.counters(REFUSED, refused)?;
        let cut = [
            ([("reason", "head")], counts.cut_head.value()),
            ([("reason", "stalled")], counts.cut_stalled.value()),
            ([("reason", "resets")], counts.cut_resets.value()),
            ([("reason", "stream")], counts.cut_streams.value()),
        ];
        page.counters(CUT, cut)
    }
}
