//! What a request's headers ask for: a coding, a range, and both only if (RFC 9110 §13).

use http::{HeaderMap, HeaderValue, Method, header};

use crate::delivery::coding::accepts_gzip;
use crate::delivery::range::{Wanted, wanted};
use crate::text::Coding;

/// The header fields on which an answer depends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions<'a> {
    headers: &'a HeaderMap,
    /// Whether a range is looked at.
    takes_range: bool,
}

impl<'a> Conditions<'a> {
    pub(super) fn of(method: &Method, headers: &'a HeaderMap) -> Self {
        Self {
            headers,
            // §14.2: of another method's request it is to be ignored.
            takes_range: *method == Method::GET,
        }
    }

    /// How a text is to be coded.
    pub(super) fn coding(self) -> Coding {
        let mut accepted = self.headers.get_all(header::ACCEPT_ENCODING).iter();
        match accepted.any(|value| accepts_gzip(value.as_bytes())) {
            true => Coding::Gzip,
            false => Coding::Identity,
        }
    }

    /// Whether the client has what `tag` stands for (§13.1.2).
    pub(super) fn has(self, tag: &str) -> bool {
        let values = self.headers.get_all(header::IF_NONE_MATCH).iter();
        let mut texts = values.filter_map(|value| value.to_str().ok());
        texts.any(|text| {
            let mut tags = text.split(',').map(str::trim);
            tags.any(|it| it == "*" || opaque(it) == opaque(tag))
        })
    }

    /// Which of `len` bytes are wanted of what `tag` stands for.
    pub(super) fn wanted(self, tag: &str, len: u64) -> Wanted {
        let range = self.headers.get(header::RANGE).map(HeaderValue::as_bytes);
        // §13.1.5: a strong validator, or a date, of which there are none here.
        let condition = self.headers.get(header::IF_RANGE);
        let is_same = condition.is_none_or(|it| it.as_bytes() == tag.as_bytes());
        wanted(range.filter(|_| is_same && self.takes_range), len)
    }
}

/// §8.8.3.2: weak comparison.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(header::HeaderName, &str)]) -> HeaderMap {
        let fields = fields.iter();
        fields
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn what_the_client_has_is_found_in_any_list() {
        for (field, has) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", W/\"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
        ] {
            let headers = headers(&[(header::IF_NONE_MATCH, field)]);
            let conditions = Conditions::of(&Method::GET, &headers);
            assert_eq!(conditions.has("\"a\""), has, "{field}");
            assert_eq!(conditions.has("W/\"a\""), has, "{field}");
        }
        assert!(!Conditions::of(&Method::GET, &HeaderMap::new()).has("\"a\""));
    }

    #[test]
    fn a_range_is_of_the_same_file_or_none() {
        let slice = Wanted::Slice { first: 1, end: 3 };
        for (condition, expected) in [
            (None, slice),
            (Some("\"a\""), slice),
            (Some("W/\"a\""), Wanted::Whole),
            (Some("\"b\""), Wanted::Whole),
            (Some("Tue, 15 Nov 1994 12:45:26 GMT"), Wanted::Whole),
        ] {
            let mut fields = vec![(header::RANGE, "bytes=1-2")];
            fields.extend(condition.map(|it| (header::IF_RANGE, it)));
            let fields = headers(&fields);
            let wanted = |method| Conditions::of(method, &fields).wanted("\"a\"", 10);
            assert_eq!(wanted(&Method::GET), expected, "{condition:?}");
            assert_eq!(wanted(&Method::HEAD), Wanted::Whole, "{condition:?}");
        }
    }
}
