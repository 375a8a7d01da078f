//! Families of series: a name, a meaning, a unit, and a value for each set of labels.

use std::fmt;
use std::time::Duration;

use media_core::Histogram;
use media_core::histogram::BOUNDS;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// What a family is called and means. A unit is appended to the name, `_total` to a counter's.
#[derive(Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<&'static Unit>,
}

/// A label's name and value.
pub(super) type Label<'a> = (&'static str, &'a str);

/// The labels of a series.
pub(super) type Labels<'a, const N: usize> = [Label<'a>; N];

/// A family without a unit.
pub(super) const fn family(name: &'static str, help: &'static str) -> Family {
    let unit = None;
    Family { name, help, unit }
}

/// A family of durations in seconds.
pub(super) const fn seconds(name: &'static str, help: &'static str) -> Family {
    let unit = Some(&Unit::Seconds);
    Family { name, help, unit }
}

/// A family of sizes in bytes.
pub(super) const fn bytes(name: &'static str, help: &'static str) -> Family {
    let unit = Some(&Unit::Bytes);
    Family { name, help, unit }
}

/// Writes families, one after the other.
pub(super) struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// What only grows, by label.
    pub(super) fn counters<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        family: Family,
        series: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let Family { name, help, unit } = family;
        let kind = MetricType::Counter;
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in series {
            let mut one = encoder.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, V, f64>(&value, None)?;
        }
        Ok(())
    }

    /// What only grows.
    pub(super) fn counter(
        &mut self,
        family: Family,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        let Family { name, help, unit } = family;
        let kind = MetricType::Counter;
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    /// What rises and falls, by label.
    pub(super) fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        family: Family,
        series: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let Family { name, help, unit } = family;
        let kind = MetricType::Gauge;
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in series {
            encoder.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// What rises and falls.
    pub(super) fn gauge(&mut self, family: Family, value: impl EncodeGaugeValue) -> fmt::Result {
        let Family { name, help, unit } = family;
        let kind = MetricType::Gauge;
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        encoder.encode_gauge(&value)
    }

    /// Durations by bucket and label.
    pub(super) fn histograms<'h, L: EncodeLabelSet>(
        &mut self,
        family: Family,
        series: impl IntoIterator<Item = (L, &'h Histogram)>,
    ) -> fmt::Result {
        let Family { name, help, unit } = family;
        let kind = MetricType::Histogram;
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, histogram) in series {
            let reading = histogram.read();
            let bounds = BOUNDS.iter().map(Duration::as_secs_f64);
            let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(reading.counts).collect();
            let (sum, count) = (reading.sum.as_secs_f64(), reading.count());
            let mut one = encoder.encode_family(&labels)?;
            one.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    /// A constant, told by its labels.
    pub(super) fn info<const N: usize>(
        &mut self,
        family: Family,
        labels: Labels<'_, N>,
    ) -> fmt::Result {
        let Family { name, help, unit } = family;
        let kind = MetricType::Info;
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        encoder.encode_info(&labels)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Example;

    impl Collector for Example {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut page = Page::new(encoder);
            let took = Histogram::default();
            for millis in [0, 20, 21, 6000] {
                took.observe(Duration::from_millis(millis));
            }
            page.histograms(seconds("took", "How long."), [([("a", "b")], &took)])?;
            let labels: [Labels<'_, 1>; 2] = [[("of", "x\"y\\z\n")], [("of", "")]];
            page.counters(bytes("sent", "Sent."), labels.into_iter().zip([1u64, 2]))?;
            page.gauge(family("now", "Now."), 3u64)?;
            page.info(family("build", "Build."), [("version", "1")])
        }
    }

    #[test]
    fn the_text_is_what_the_specification_says() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Example));
        let mut out = String::new();
        text::encode(&mut out, &registry).expect("a String takes all");
        let (took, rest) = out.split_at(out.find("# HELP sent").expect("it follows"));
        let mut expected = String::from(
            "# HELP took_seconds How long.\n# TYPE took_seconds histogram\n\
             # UNIT took_seconds seconds\n\
             took_seconds_sum{a=\"b\"} 6.041\ntook_seconds_count{a=\"b\"} 4\n",
        );
        for (bucket, bound) in BOUNDS.iter().enumerate() {
            // Bounds are inclusive, and buckets hold all that is below them.
            let count = 1 + u64::from(bucket >= 5) + u64::from(bucket >= 6);
            let bound = bound.as_secs_f64();
            expected += &format!("took_seconds_bucket{{le=\"{bound:?}\",a=\"b\"}} {count}\n");
        }
        expected += "took_seconds_bucket{le=\"+Inf\",a=\"b\"} 4\n";
        assert_eq!(took, expected);
        assert_eq!(
            rest,
            "# HELP sent_bytes Sent.\n# TYPE sent_bytes counter\n# UNIT sent_bytes bytes\n\
             sent_bytes_total{of=\"x\\\"y\\\\z\\n\"} 1\nsent_bytes_total{of=\"\"} 2\n\
             # HELP now Now.\n# TYPE now gauge\nnow 3\n\
             # HELP build Build.\n# TYPE build info\nbuild_info{version=\"1\"} 1\n# EOF\n"
        );
    }
}
