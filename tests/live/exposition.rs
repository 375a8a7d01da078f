//! A strict reader of OpenMetrics' text form (<https://prometheus.io/docs/specs/om/open_metrics_spec/>),
//! as far as it is used here: it panics where a scraper might only be lenient.

use std::collections::{BTreeMap, BTreeSet};

/// A series: its name and its labels in the order of their names.
type Series = (String, Vec<(String, String)>);

/// What a scrape said.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    /// The families' names as their samples have them, without a histogram's endings.
    pub(crate) families: BTreeSet<String>,
    samples: BTreeMap<Series, f64>,
}

struct Family {
    name: String,
    kind: String,
    has_samples: bool,
}

impl Scrape {
    /// The value of the one series with these labels and no others.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let series = (name.to_owned(), owned(labels));
        let value = self.samples.get(&series);
        *value.unwrap_or_else(|| panic!("no {series:?} in {:#?}", self.samples.keys()))
    }

    /// The sum of all series of this name.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let samples = self.samples.iter();
        samples
            .filter(|((of, _), _)| of == name)
            .map(|(_, value)| value)
            .sum()
    }

    /// Whether any series has a label of this name.
    pub(crate) fn has_label(&self, name: &str) -> bool {
        let labels = self.samples.keys().flat_map(|(_, labels)| labels);
        labels.into_iter().any(|(label, _)| label == name)
    }

    /// Reads a whole text.
    pub(crate) fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
        let mut scrape = Self::default();
        let mut family: Option<Family> = None;
        for line in body.lines() {
            let Some(described) = line.strip_prefix("# ") else {
                let family = family.as_mut().expect("a family is described first");
                family.has_samples = true;
                scrape.sample(line, family);
                continue;
            };
            let (what, rest) = described.split_once(' ').expect("what is described");
            let (name, value) = rest.split_once(' ').expect("a name and a text");
            assert!(is_name(name) && !value.is_empty(), "{line}");
            match what {
                "HELP" => {
                    family = Some(Family {
                        name: name.to_owned(),
                        kind: String::new(),
                        has_samples: false,
                    });
                }
                "TYPE" => {
                    let family = family.as_mut().expect("HELP comes first");
                    assert!(family.name == name && family.kind.is_empty(), "{line}");
                    value.clone_into(&mut family.kind);
                    let shown = format!("{name}{}", ending(value));
                    assert!(scrape.families.insert(shown), "{name} stands twice");
                }
                "UNIT" => {
                    let family = family.as_ref().expect("HELP comes first");
                    assert!(family.name == name && !family.has_samples, "{line}");
                    assert!(name.ends_with(&format!("_{value}")), "{line}");
                }
                _ => panic!("not a description: {line}"),
            }
        }
        scrape.check_histograms();
        scrape
    }

    fn sample(&mut self, line: &str, family: &Family) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, labels(rest)),
            None => (series, Vec::new()),
        };
        let suffix = name.strip_prefix(&family.name).expect("its own family");
        let expected: &[&str] = match family.kind.as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            kind => &[ending(kind)],
        };
        assert!(expected.contains(&suffix), "{line}");
        let value: f64 = value.parse().expect("a number");
        assert!(value.is_finite() && value >= 0.0, "{line}");
        let series = (name.to_owned(), labels);
        assert!(
            self.samples.insert(series, value).is_none(),
            "twice: {line}"
        );
    }

    /// Buckets rise to the count.
    fn check_histograms(&self) {
        let mut buckets: BTreeMap<Series, Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.samples {
            let Some(of) = name.strip_suffix("_bucket") else {
                continue;
            };
            let (le, others): (Vec<_>, Vec<_>) =
                labels.iter().cloned().partition(|(name, _)| name == "le");
            let bound: f64 = le[0].1.parse().expect("a bound");
            let histogram = (format!("{of}_count"), others);
            buckets.entry(histogram).or_default().push((bound, *value));
        }
        for (series, mut buckets) in buckets {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{series:?}");
            let count = self.samples.get(&series).copied();
            assert_eq!(buckets.last().copied(), count.map(|it| (f64::INFINITY, it)));
        }
    }
}

/// What the samples' names have behind the family's.
fn ending(kind: &str) -> &'static str {
    match kind {
        "counter" => "_total",
        "info" => "_info",
        "gauge" | "histogram" => "",
        _ => panic!("no such type is used: {kind}"),
    }
}

/// `a="b",c="d"}` with the escapes of a value: `\\`, `\"` and `\n`.
fn labels(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while rest != "}" {
        let (name, after) = rest.split_once("=\"").expect("a label");
        let name = name.strip_prefix(',').unwrap_or(name);
        assert!(is_name(name) && !name.contains(':'), "{text}");
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next().expect("a closing quote") {
                (at, '"') => break at,
                (_, '\\') => value.push(match characters.next().expect("what is escaped").1 {
                    'n' => '\n',
                    escaped @ ('"' | '\\') => escaped,
                    other => panic!("\\{other} in {text}"),
                }),
                (_, character) => value.push(character),
            }
        };
        found.push((name.to_owned(), value));
        rest = &after[end + 1..];
    }
    found.sort();
    assert!(
        found.is_sorted_by(|a, b| a.0 < b.0),
        "a label twice: {text}"
    );
    found
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = labels
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
    let mut owned: Vec<_> = owned.collect();
    owned.sort();
    owned
}

fn is_name(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.chars().all(inside) && !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty()
}
