//! Which coding a request accepts for a text (RFC 9110 §12.5.3).

use http::{HeaderMap, header};

use crate::text::Coding;

/// Gzip where it is accepted by name; any other is left.
pub(super) fn accepted(headers: &HeaderMap) -> Coding {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut entries = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    match entries.any(accepts_gzip) {
        true => Coding::Gzip,
        false => Coding::Identity,
    }
}

fn accepts_gzip(entry: &str) -> bool {
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
        for (values, coding) in [
            (&[][..], Coding::Identity),
            (&["gzip"], Coding::Gzip),
            (&["deflate, GZip;q=0.5"], Coding::Gzip),
            (&["br", "gzip"], Coding::Gzip),
            (&["gzip; q=0"], Coding::Identity),
            (&["gzip;q=0.000"], Coding::Identity),
            (&["*"], Coding::Identity),
            (&["gzipped, x-gzip"], Coding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::ACCEPT_ENCODING, value.parse().unwrap());
            }
            assert_eq!(accepted(&headers), coding, "{values:?}");
        }
    }
}
