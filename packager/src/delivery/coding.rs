//! Which coding a request accepts for a text (RFC 9110 §12.5.3).

/// Whether a value of `Accept-Encoding` accepts gzip by name.
pub(crate) fn accepts_gzip(value: &[u8]) -> bool {
    let mut entries = value.split(|&byte| byte == b',');
    entries.any(|entry| str::from_utf8(entry).is_ok_and(is_gzip))
}

fn is_gzip(entry: &str) -> bool {
    let mut fields = entry.split(';').map(str::trim);
    let named = fields
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
    named && !fields.any(is_refusal)
}

/// §12.4.2: a weight of zero.
fn is_refusal(field: &str) -> bool {
    let weight = field.split_once('=');
    let weight = weight.filter(|(name, _)| name.eq_ignore_ascii_case("q"));
    weight.is_some_and(|(_, weight)| weight.bytes().all(|digit| matches!(digit, b'0' | b'.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_by_name_and_weight() {
        for (value, accepts) in [
            ("gzip", true),
            ("deflate, GZip;q=0.5", true),
            ("br,gzip", true),
            ("gzip; q=0", false),
            ("gzip;q=0.000", false),
            ("*", false),
            ("gzipped, x-gzip", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(value.as_bytes()), accepts, "{value}");
        }
        assert!(accepts_gzip(b"\xff, gzip"));
    }
}
