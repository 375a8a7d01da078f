//! Where the time goes, from a coded picture's arrival to a viewer's answer, stage by stage.

use std::fmt;

use media_core::{Histogram, RenditionName};
use packager::playlist::media::part_hold_back;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::supervisor::{Figures, Supervisor};

use super::families::{Family, Label, Page, seconds};

const STAGE_DURATION: Family = seconds(
    "millrace_stage_duration",
    "How long a stage takes: intake (a coded picture enters, it leaves decoded), encode (a picture \
     is handed to the ladder, it leaves coded), part (a part's first sample leaves the encoder, \
     the part is published), publish (a part is published, a request held for it is answered).",
);
const PART_HOLD_BACK: Family = seconds(
    "millrace_part_hold_back",
    "How far behind the end of the playlist players in low latency are told to stay.",
);

pub(super) struct StageFigures {
    supervisor: Supervisor,
}

impl StageFigures {
    pub(super) fn new(supervisor: Supervisor) -> Self {
        Self { supervisor }
    }
}

impl fmt::Debug for StageFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StageFigures")
    }
}

impl Collector for StageFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = self.supervisor.figures();
        let mut page = Page::new(encoder);
        page.histograms(STAGE_DURATION, figures.iter().flat_map(stages))?;
        let hold_back = figures.iter().filter_map(|of| {
            let target = of.window.as_ref()?.plan().part_target;
            let labels = [("stream", of.stream.as_str())];
            Some((labels, part_hold_back(target).as_secs_f64()))
        });
        page.gauges(PART_HOLD_BACK, hold_back)
    }
}

/// A broadcast's histograms with their labels. Pictures enter once for all renditions.
fn stages(of: &Figures) -> Vec<(Vec<Label<'_>>, &Histogram)> {
    let stage = |stage| vec![("stream", of.stream.as_str()), ("stage", stage)];
    let mut stages = vec![(stage("intake"), of.meters.intake())];
    let mut add = |name, rendition, took| {
        let rendition: &RenditionName = rendition;
        let mut labels = stage(name);
        labels.push(("rendition", rendition.as_str()));
        stages.push((labels, took));
    };
    for (rendition, took) in of.meters.encode() {
        add("encode", rendition, took);
    }
    for rendition in &of.renditions {
        add("part", rendition.name(), rendition.part_durations());
    }
    for (rendition, took) in of.window.iter().flat_map(|window| window.answered()) {
        add("publish", rendition, took);
    }
    stages
}
