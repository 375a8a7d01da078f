//! Publishers, running broadcasts and what their renditions yield.

use std::fmt;
use std::time::Duration;

use ingest::{Packets, Protocol};
use media_core::SourceFault;
use media_core::timeline::Counters;
use packager::Fault;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::supervisor::{Figures, RenditionFigures, Supervisor};

use super::families::{Family, Labels, Page, bytes, family, seconds};

const BROADCASTS: Family = family("millrace_broadcasts", "Broadcasts that run.");
const PUBLISHERS: Family = family(
    "millrace_publishers",
    "Publishers of running broadcasts by protocol.",
);
const PUBLICATIONS: Family = family(
    "millrace_publications",
    "Publishers that were let in, by protocol.",
);
const LOSSES: Family = family(
    "millrace_publisher_losses",
    "Publishers that went without a goodbye while their broadcast ran.",
);
const CONNECTED: Family = family(
    "millrace_publisher_connected",
    "1 while a broadcast has its publisher, 0 while it waits for the return of a lost one.",
);
const RTT: Family = seconds(
    "millrace_publisher_rtt",
    "Round trip to a publisher, as SRT or TCP measures it.",
);
const LATENCY: Family = seconds(
    "millrace_publisher_latency",
    "The delay for retransmissions that an SRT publisher and this server have agreed on.",
);
const PACKETS: Family = family(
    "millrace_publisher_packets",
    "Packets of a publisher since it connected: received; over SRT also lost (most recovered), \
     retransmitted, dropped (too late) and undecryptable.",
);
const VIEWERS: Family = family(
    "millrace_viewers",
    "Viewers of a broadcast, by their playlist requests to this process.",
);
const VIEWERS_PEAK: Family = family(
    "millrace_viewers_peak",
    "The most viewers of a broadcast at a time.",
);
const INGEST_BYTES: Family = bytes(
    "millrace_ingest",
    "Bytes of media that a broadcast's publishers sent.",
);
const QUEUE_BYTES: Family = bytes(
    "millrace_intake_queue",
    "Bytes of coded media that wait before the decoder.",
);
const QUEUE_DROPPED: Family = bytes(
    "millrace_intake_dropped",
    "Bytes of coded media that were dropped because too much waited before the decoder.",
);
const MENDS: Family = family(
    "millrace_timeline_mends",
    "How often a publisher's timestamps had to be mended: frames_dropped, frames_repeated, \
     frames_filled, samples_silenced, samples_cut, samples_stretched, clock_jumps.",
);
const SOURCE_FAULTS: Family = family(
    "millrace_source_faults",
    "What was wrong with what a broadcast's publishers sent, by kind; the log has a line for the first.",
);
const FAULTS: Family = family(
    "millrace_media_faults",
    "Faults of what the encoders handed over, by kind.",
);
const MEDIA: Family = seconds(
    "millrace_encoded_media",
    "Media that came out of a rendition's encoder. A rate below 1 is a broadcast that falls behind.",
);
const SAMPLES: Family = family(
    "millrace_encoded_samples",
    "Pictures or AAC frames that came out of a rendition's encoder.",
);
const MEDIA_BYTES: Family = bytes(
    "millrace_encoded",
    "Bytes that came out of a rendition's encoder.",
);
const PARTS: Family = family(
    "millrace_parts",
    "Parts of a rendition that were published.",
);
const SEGMENTS: Family = family("millrace_segments", "Segments of a rendition that began.");

pub(super) struct BroadcastFigures {
    supervisor: Supervisor,
}

impl BroadcastFigures {
    pub(super) fn new(supervisor: Supervisor) -> Self {
        Self { supervisor }
    }
}

impl fmt::Debug for BroadcastFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BroadcastFigures")
    }
}

impl Collector for BroadcastFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = self.supervisor.figures();
        let mut page = Page::new(encoder);
        self.publishers(&mut page, &figures)?;
        links(&mut page, &figures)?;
        viewers(&mut page, &figures)?;
        intakes(&mut page, &figures)?;
        faults(&mut page, &figures)?;
        renditions(&mut page, &figures)
    }
}

impl BroadcastFigures {
    fn publishers(&self, page: &mut Page<'_>, figures: &[Figures]) -> fmt::Result {
        page.gauge(BROADCASTS, figures.len() as u64)?;
        let label = |protocol: Protocol| [("protocol", protocol.to_string())];
        let now = Protocol::ALL.map(|protocol| {
            let by_it = |of: &&Figures| of.publisher == Some(protocol);
            (label(protocol), figures.iter().filter(by_it).count() as u64)
        });
        page.gauges(PUBLISHERS, now)?;
        let connected = |of: &Figures| u64::from(of.publisher.is_some());
        page.gauges(
            CONNECTED,
            figures.iter().map(|of| (stream(of), connected(of))),
        )?;
        let publications = self.supervisor.publications();
        let begun = Protocol::ALL.map(|it| (label(it), publications.begun(it)));
        page.counters(PUBLICATIONS, begun)?;
        page.counter(LOSSES, publications.lost())
    }
}

/// One publisher of each role a stream: as many series as there are broadcasts, and a backup's.
fn links(page: &mut Page<'_>, figures: &[Figures]) -> fmt::Result {
    let each = || {
        figures.iter().flat_map(|of| {
            let publishers = of.publishers.iter();
            publishers.map(|it| {
                (
                    [("stream", of.stream.as_str()), ("role", it.role.name())],
                    it,
                )
            })
        })
    };
    let in_seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    let rtts = each().filter_map(|(labels, it)| Some((labels, in_seconds(it.link.rtt)?)));
    page.gauges(RTT, rtts)?;
    let latencies = each().filter_map(|(labels, it)| Some((labels, in_seconds(it.link.latency)?)));
    page.gauges(LATENCY, latencies)?;
    let packets = each().flat_map(|([stream, role], it)| {
        let kinds = kinds(&it.link.packets).into_iter();
        kinds.filter_map(move |(kind, count)| Some(([stream, role, ("kind", kind)], count?)))
    });
    page.counters(PACKETS, packets)
}

fn viewers(page: &mut Page<'_>, figures: &[Figures]) -> fmt::Result {
    let windows = || {
        let windows = figures.iter().map(|of| (stream(of), of.window.as_ref()));
        windows.filter_map(|(labels, window)| Some((labels, window?)))
    };
    page.gauges(VIEWERS, windows().map(|(of, it)| (of, it.viewers_now())))?;
    page.gauges(
        VIEWERS_PEAK,
        windows().map(|(of, it)| (of, it.viewers_peak())),
    )
}

fn intakes(page: &mut Page<'_>, figures: &[Figures]) -> fmt::Result {
    let each = || figures.iter().map(|of| (stream(of), of));
    page.counters(INGEST_BYTES, each().map(|(it, of)| (it, of.received_bytes)))?;
    page.gauges(
        QUEUE_BYTES,
        each().map(|(it, of)| (it, of.meters.queued_bytes())),
    )?;
    page.counters(
        QUEUE_DROPPED,
        each().map(|(it, of)| (it, of.meters.dropped_bytes())),
    )
}

fn faults(page: &mut Page<'_>, figures: &[Figures]) -> fmt::Result {
    let mends = figures.iter().flat_map(|of| {
        let kinds = mends(of.meters.timeline());
        kinds.map(|(kind, count)| (kind_of(of, kind), count))
    });
    page.counters(MENDS, mends)?;
    let of_sources = figures.iter().flat_map(|of| {
        let faults = of.meters.faults();
        SourceFault::ALL.map(|fault| (kind_of(of, fault.name()), faults.count(fault)))
    });
    page.counters(SOURCE_FAULTS, of_sources)?;
    let faults = figures.iter().flat_map(|of| {
        let faults = of.window.as_ref().map(|window| window.faults());
        let faults = faults.unwrap_or_default();
        Fault::ALL.map(|fault| (kind_of(of, fault.name()), faults.count(fault)))
    });
    page.counters(FAULTS, faults)
}

fn renditions(page: &mut Page<'_>, figures: &[Figures]) -> fmt::Result {
    let each = || figures.iter().flat_map(rendition_labels);
    page.counters(MEDIA, each().map(|(it, of)| (it, of.media().as_secs_f64())))?;
    page.counters(SAMPLES, each().map(|(it, of)| (it, of.samples())))?;
    page.counters(MEDIA_BYTES, each().map(|(it, of)| (it, of.bytes())))?;
    page.counters(PARTS, each().map(|(it, of)| (it, of.parts())))?;
    page.counters(SEGMENTS, each().map(|(it, of)| (it, of.segments())))
}

fn stream(of: &Figures) -> Labels<'_, 1> {
    [("stream", of.stream.as_str())]
}

fn kind_of<'a>(of: &'a Figures, kind: &'a str) -> Labels<'a, 2> {
    [("stream", of.stream.as_str()), ("kind", kind)]
}

fn rendition_labels(of: &Figures) -> impl Iterator<Item = (Labels<'_, 2>, &RenditionFigures)> + '_ {
    of.renditions.iter().map(|rendition| {
        let name = rendition.name().as_str();
        let labels = [("stream", of.stream.as_str()), ("rendition", name)];
        (labels, &**rendition)
    })
}

fn kinds(packets: &Packets) -> [(&'static str, Option<u64>); 5] {
    [
        ("received", packets.received),
        ("lost", packets.lost),
        ("retransmitted", packets.retransmitted),
        ("dropped", packets.dropped),
        ("undecryptable", packets.undecryptable),
    ]
}

fn mends(counters: Counters) -> [(&'static str, u64); 7] {
    [
        ("frames_dropped", counters.frames_dropped),
        ("frames_repeated", counters.frames_repeated),
        ("frames_filled", counters.frames_filled),
        ("samples_silenced", counters.samples_silenced),
        ("samples_cut", counters.samples_cut),
        ("samples_stretched", counters.samples_stretched),
        ("clock_jumps", counters.clock_jumps),
    ]
}
