//! `Content-Range` of a PUT (RFC 9110 §14.4, §14.5): a whole file, a range of it, or the question
//! how much is there.

use axum::http::{HeaderMap, header};

use super::fault::Fault;
use super::tus::{fault, whole};

const NAME: &str = "Content-Range";

/// What a PUT brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// All of a file, whatever came before.
    Whole {
        /// How long it is.
        length: u64,
    },
    /// Bytes from `first` on, of `length` in all.
    Piece {
        /// Where it begins.
        first: u64,
        /// Where it ends: the place behind its last byte.
        end: u64,
        /// How long the file is.
        length: u64,
    },
    /// Nothing: how much is there?
    Question,
}

/// What a PUT's headers say.
pub(crate) fn put(headers: &HeaderMap) -> Result<Put, Fault> {
    let Some(range) = headers.get(header::CONTENT_RANGE) else {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| whole(length.as_bytes()));
        let length = length.ok_or(fault("Content-Length", "is missing: the whole file comes"))?;
        return Ok(Put::Whole { length });
    };
    let invalid = fault(
        NAME,
        "bytes FIRST-LAST/LENGTH or bytes */LENGTH is expected",
    );
    parse(range.as_bytes()).ok_or(invalid)
}

fn parse(range: &[u8]) -> Option<Put> {
    let text = str::from_utf8(range).ok()?;
    let (range, length) = text.strip_prefix("bytes ")?.split_once('/')?;
    if range == "*" {
        return (length == "*" || whole(length.as_bytes()).is_some()).then_some(Put::Question);
    }
    let length = whole(length.as_bytes())?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (whole(first.as_bytes())?, whole(last.as_bytes())?);
    (first <= last && last < length).then(|| Put::Piece {
        first,
        end: last + 1,
        length,
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(range: &str) -> Result<Put, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_RANGE,
            HeaderValue::from_str(range).expect("a value"),
        );
        put(&headers)
    }

    #[test]
    fn a_range_is_read_or_refused() {
        let piece = Put::Piece {
            first: 5,
            end: 10,
            length: 20,
        };
        assert_eq!(of("bytes 5-9/20").expect("valid"), piece);
        assert_eq!(of("bytes */20").expect("valid"), Put::Question);
        assert_eq!(of("bytes */*").expect("valid"), Put::Question);
        for range in [
            "",
            "bytes",
            "bytes 5-9",
            "bytes 5-9/*",
            "bytes 9-5/20",
            "bytes 5-20/20",
            "bytes -5/20",
            "items 5-9/20",
            "bytes +5-9/20",
            "bytes 5-18446744073709551615/18446744073709551615",
        ] {
            assert!(of(range).is_err(), "{range:?}");
        }
    }

    #[test]
    fn without_a_range_the_whole_file_comes() {
        let mut headers = HeaderMap::new();
        assert!(put(&headers).is_err());
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(7));
        let whole = Put::Whole { length: 7 };
        assert_eq!(put(&headers).expect("valid"), whole);
    }
}
