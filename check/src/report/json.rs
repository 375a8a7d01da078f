//! The report for programs. Its shape is documented in docs/check.md and stays: fields are added,
//! never renamed.

use serde_json::{Value, json};

use super::{Judged, Level, Outcome, Report};

/// The version of the shape.
const FORMAT: u32 = 1;

impl Report {
    /// The report as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "format": FORMAT,
            "url": self.entry,
            "watched_s": (self.watched_s * 1000.0).round() / 1000.0,
            "requests": self.requests,
            "cut_short": self.cut_short,
            "strict": self.strict,
            "ok": self.broken() == 0,
            "summary": {
                "kept": self.kept(),
                "broken": self.broken(),
                "warnings": self.warnings(),
                "not_seen": self.not_seen(),
            },
            "rules": self.rules.iter().map(rule).collect::<Vec<_>>(),
        })
    }
}

fn rule(judged: &Judged) -> Value {
    let rule = judged.rule;
    let mut value = json!({
        "id": rule.id,
        "family": rule.family.id(),
        "title": rule.title,
        "section": rule.section,
        "level": match rule.level {
            Level::Must => "must",
            Level::Should => "should",
        },
        "notes": judged.notes,
    });
    let outcome = match &judged.outcome {
        Outcome::Kept { looked_at } => json!({ "outcome": "kept", "looked_at": looked_at }),
        Outcome::NotSeen { why } => json!({ "outcome": "not_seen", "why": why }),
        Outcome::Broken { places, evidence } => {
            let evidence = evidence.iter().map(|one| {
                let lines = one.lines.iter();
                json!({
                    "what": one.what,
                    "url": one.url,
                    "at_ms": one.at_ms,
                    "lines": lines
                        .map(|(number, text)| json!({ "number": number, "text": text }))
                        .collect::<Vec<_>>(),
                })
            });
            json!({
                "outcome": "broken",
                "places": places,
                "evidence": evidence.collect::<Vec<_>>(),
            })
        }
    };
    if let (Value::Object(value), Value::Object(outcome)) = (&mut value, outcome) {
        value.extend(outcome);
    }
    value
}
