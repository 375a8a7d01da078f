//! `EXT-X-PROGRAM-DATE-TIME` (RFC 8216 §4.3.2.6).

use chrono::{DateTime, NaiveDateTime};

/// Seconds since 1970; `None` where the text is no date. Without a zone it is UTC, as the
/// specification says; a zone without a colon is ISO 8601 and what FFmpeg writes.
pub(super) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let micros = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .map(|date| date.timestamp_micros())
        .or_else(|_| {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
                .map(|date| date.and_utc().timestamp_micros())
        });
    micros.ok().map(|micros| micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn dates_are_read_with_any_zone_and_without() {
        let expected = Some(1_600_000_000.25);
        for text in [
            "2020-09-13T12:26:40.250Z",
            "2020-09-13T14:26:40.25+02:00",
            "2020-09-13T12:26:40.250+0000",
            "2020-09-13T12:26:40.250",
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(parse("yesterday"), None);
    }
}
