//! A broadcast's latest thumbnail, and whether a viewer has it already (RFC 9110 §8.8.3).

use std::hash::{DefaultHasher, Hasher};

use bytes::Bytes;
use http::HeaderValue;

/// A JPEG as viewers are given it.
#[derive(Debug)]
pub(crate) struct Thumbnail {
    pub(crate) jpeg: Bytes,
    pub(crate) tag: EntityTag,
}

impl Thumbnail {
    pub(crate) fn new(jpeg: Bytes) -> Self {
        let tag = EntityTag::of(&jpeg);
        Self { jpeg, tag }
    }
}

/// A strong validator, made of the content: other bytes have another one, also in another
/// broadcast of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(u64);

impl EntityTag {
    fn of(content: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(content);
        Self(hasher.finish())
    }

    /// The value of `ETag`.
    pub(crate) fn value(self) -> HeaderValue {
        HeaderValue::try_from(self.text()).expect("quotes and digits")
    }

    /// Whether a value of `If-None-Match` names it (§13.1.2: compared weakly).
    pub(crate) fn is_in(self, value: &[u8]) -> bool {
        let own = self.text();
        let mut tags = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == own.as_bytes())
    }

    fn text(self) -> String {
        format!("\"{:016x}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_any_list_that_has_it() {
        let tag = EntityTag::of(b"a picture");
        let text = tag.text();
        for (value, found) in [
            (text.clone(), true),
            (format!("W/{text}"), true),
            (format!("\"x\", {text} ,W/\"y\""), true),
            ("*".to_owned(), true),
            (text.replace('"', ""), false),
            ("\"\"".to_owned(), false),
            (String::new(), false),
            (EntityTag::of(b"another").text(), false),
        ] {
            assert_eq!(tag.is_in(value.as_bytes()), found, "{value}");
        }
        assert_eq!(tag.value(), text);
    }
}
