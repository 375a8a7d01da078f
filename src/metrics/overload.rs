//! What the machine can encode, what is left out where that is too little, and who was refused.

use std::fmt;

use media_core::graph::Shed;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::families::{Family, Page, family};
use crate::supervisor::Supervisor;

const REFUSALS: Family = family(
    "millrace_publisher_refusals",
    "Publishers with a valid key that were refused, by reason.",
);
const CORES_NEEDED: Family = family(
    "millrace_encoding_cores_needed",
    "Cores that running broadcasts need together, with nothing left out; 0 until it is known.",
);
const PIXELS: Family = family(
    "millrace_encoding_core_pixels_per_second",
    "Pixels a second that one core encodes by veryfast; 0 until it is known.",
);
const SHED_LEVEL: Family = family(
    "millrace_shed_level",
    "What broadcasts leave out, having fallen behind real time: 0 nothing, 1 thumbnails, 2 the preset \
     too, 3 the highest rendition too.",
);
const SHED_STEPS: Family = family(
    "millrace_shed_steps",
    "How often something more was left out, by what.",
);

pub(super) struct OverloadFigures(Supervisor);

impl OverloadFigures {
    pub(super) fn new(supervisor: Supervisor) -> Self {
        Self(supervisor)
    }
}

impl fmt::Debug for OverloadFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OverloadFigures")
    }
}

impl Collector for OverloadFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        let refusals = self.0.refused().counts();
        let by_reason = refusals.map(|(refusal, count)| ([("reason", refusal.name())], count));
        page.counters(REFUSALS, by_reason)?;
        let capacity = self.0.capacity();
        page.gauge(CORES_NEEDED, capacity.needed.unwrap_or_default())?;
        page.gauge(PIXELS, capacity.pixels_a_second.unwrap_or_default())?;
        page.gauge(SHED_LEVEL, capacity.shed as u64)?;
        let label = |shed: Shed| [("what", shed.to_string())];
        let steps = self
            .0
            .shed_steps()
            .map(|(shed, steps)| (label(shed), steps));
        page.counters(SHED_STEPS, steps)
    }
}
