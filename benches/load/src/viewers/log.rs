//! Births of parts from the server's log (`log.format=json`, `log.level=info,packager=trace`): a
//! line of the packager with the fields `rendition`, `sequence` and `part`, at the time when the
//! part was published. Other lines are skipped.

use std::collections::HashMap;
use std::time::SystemTime;

use serde_json::Value;

use super::arrivals::{Micros, Piece};
use super::playlist::PartKey;
use super::viewer::Track;

/// Reads the births since `zero`. `renditions` are the names of picture and sound.
pub(super) fn births(
    text: &str,
    renditions: [&str; 2],
    zero: SystemTime,
) -> HashMap<Piece, Micros> {
    text.lines()
        .filter_map(|line| birth(&serde_json::from_str(line).ok()?, renditions, zero))
        .collect()
}

fn birth(line: &Value, renditions: [&str; 2], zero: SystemTime) -> Option<(Piece, Micros)> {
    let target = line["target"].as_str()?;
    if target != "packager" && !target.starts_with("packager::") {
        return None;
    }
    let fields = &line["fields"];
    let rendition = text(&fields["rendition"])?;
    let track = Track::ALL[renditions.iter().position(|name| *name == rendition)?];
    let key = PartKey {
        sequence: text(&fields["sequence"])?.parse().ok()?,
        part: text(&fields["part"])?.parse().ok()?,
    };
    let at = humantime::parse_rfc3339_weak(line["timestamp"].as_str()?).ok()?;
    let micros = at.duration_since(zero).ok()?.as_micros();
    Some(((track, key), u64::try_from(micros).ok()?))
}

/// tracing writes a number as one, and what it was given as `Display` as a string.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn published_parts_are_found_among_other_lines() {
        let zero = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let text = r#"
{"timestamp":"2023-11-14T22:13:21.500000Z","level":"TRACE","fields":{"message":"part","rendition":"360p","sequence":7,"part":"3"},"target":"packager::broadcast"}
{"timestamp":"2023-11-14T22:13:22.500000Z","level":"TRACE","fields":{"message":"part","rendition":"audio","sequence":"7","part":3},"target":"packager"}
{"timestamp":"2023-11-14T22:13:22.500000Z","level":"INFO","fields":{"message":"broadcast playable"},"target":"packager::broadcast"}
{"timestamp":"2023-11-14T22:13:22.500000Z","level":"TRACE","fields":{"rendition":"360p","sequence":8,"part":0},"target":"ingest"}
no JSON
"#;
        let key = PartKey {
            sequence: 7,
            part: 3,
        };
        let expected = HashMap::from([
            ((Track::Video, key), 1_500_000),
            ((Track::Audio, key), 2_500_000),
        ]);
        assert_eq!(births(text, ["360p", "audio"], zero), expected);
    }
}
