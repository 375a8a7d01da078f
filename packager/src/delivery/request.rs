//! A request as delivery sees it: borrowed from wherever the HTTP server has it, so that neither
//! side makes a map of its headers.

use http::{HeaderMap, Method, header};

use super::coding;
use crate::text::Coding;

/// A request under `/live/`.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target's path, not decoded: no URL here has anything to decode.
    pub path: &'a str,
    /// What follows its `?`; empty where there is none.
    pub query: &'a str,
    /// What its headers say.
    pub fields: Fields<'a>,
}

impl<'a> Request<'a> {
    /// Looks at a request of the `http` crate.
    pub fn of<B>(request: &'a http::Request<B>) -> Self {
        Self {
            method: request.method(),
            path: request.uri().path(),
            query: request.uri().query().unwrap_or(""),
            fields: Fields::of(request.headers()),
        }
    }
}

/// The header fields on which an answer depends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a> {
    range: Option<&'a [u8]>,
    is_conditional: bool,
    none_match: Option<&'a [u8]>,
    coding: Coding,
}

impl<'a> Fields<'a> {
    /// Takes note of a field, whichever it is. Fields come in the order of the request.
    pub fn note(&mut self, name: &str, value: &'a [u8]) {
        if name.eq_ignore_ascii_case("range") {
            // Of several the first: to ignore all would be allowed too (RFC 9110 §14.2).
            self.range = self.range.or(Some(value));
        } else if name.eq_ignore_ascii_case("if-range") {
            self.is_conditional = true;
        } else if name.eq_ignore_ascii_case("if-none-match") {
            self.none_match = self.none_match.or(Some(value));
        } else if name.eq_ignore_ascii_case("accept-encoding") && coding::accepts_gzip(value) {
            self.coding = Coding::Gzip;
        }
    }

    fn of(headers: &'a HeaderMap) -> Self {
        let mut fields = Self::default();
        for name in [
            header::RANGE,
            header::IF_RANGE,
            header::IF_NONE_MATCH,
            header::ACCEPT_ENCODING,
        ] {
            for value in headers.get_all(&name) {
                fields.note(name.as_str(), value.as_bytes());
            }
        }
        fields
    }

    /// The range asked for. RFC 9110 §13.1.5: media carries no validator, so that no `If-Range`
    /// can match.
    pub(super) fn range(&self) -> Option<&'a [u8]> {
        self.range.filter(|_| !self.is_conditional)
    }

    /// Of what the viewer has already: the first list, of several.
    pub(super) fn none_match(&self) -> Option<&'a [u8]> {
        self.none_match
    }

    /// How a text is to be coded.
    pub(super) fn coding(&self) -> Coding {
        self.coding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_found_by_any_spelling() {
        let mut fields = Fields::default();
        for (name, value) in [
            ("User-Agent", "range"),
            ("RANGE", "bytes=1-2"),
            ("range", "bytes=3-4"),
            ("Accept-encoding", "br"),
            ("accept-Encoding", "gzip"),
            ("if-none-MATCH", "\"a\""),
            ("If-None-Match", "\"b\""),
        ] {
            fields.note(name, value.as_bytes());
        }
        assert_eq!(fields.range(), Some(&b"bytes=1-2"[..]));
        assert_eq!(fields.coding(), Coding::Gzip);
        assert_eq!(fields.none_match(), Some(&b"\"a\""[..]));
        fields.note("If-Range", b"\"x\"");
        assert_eq!(fields.range(), None);
    }
}
