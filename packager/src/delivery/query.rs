//! What a playlist's query says: the delivery directives, which are its `_HLS_` parameters
//! (draft-pantos-hls-rfc8216bis-18 §6.2.5), how far back it is to reach, and the playback token.
//! Other parameters are other people's.

use super::path::decimal;
use crate::edition::Awaited;
use crate::sequence::{MediaSequence, PartIndex};

/// The directives make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Invalid(pub(super) &'static str);

/// A query, taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Query<'a> {
    /// What to wait for: `_HLS_msn` and `_HLS_part`.
    pub(super) awaited: Option<Awaited>,
    /// `_HLS_skip`: a delta update will do.
    pub(super) skip: bool,
    /// `dvr=1`: as far back as viewers may rewind.
    pub(super) dvr: bool,
    /// `token`.
    pub(super) token: Option<&'a str>,
}

/// Takes `query` apart. Directives that the server does not know it ignores.
pub(super) fn parse(query: &str) -> Result<Query<'_>, Invalid> {
    let mut parsed = Query::default();
    let (mut sequence, mut part) = (None, None);
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let place = match name {
            "_HLS_msn" => &mut sequence,
            "_HLS_part" => &mut part,
            _ => {
                match (name, value) {
                    // §6.2.5.1: v2 allows to skip date ranges too, of which there are none.
                    ("_HLS_skip", "YES" | "v2") => parsed.skip = true,
                    ("dvr", "1") => parsed.dvr = true,
                    ("token", token) => parsed.token = Some(token),
                    _ => {}
                }
                continue;
            }
        };
        let number = decimal(value).ok_or(Invalid("_HLS_msn or _HLS_part is not a number"))?;
        if place.replace(number).is_some() {
            return Err(Invalid("_HLS_msn or _HLS_part is given twice"));
        }
    }
    parsed.awaited = match (sequence, part) {
        (None, None) => None,
        // §6.2.5.2: a part belongs to a segment.
        (None, Some(_)) => return Err(Invalid("_HLS_part is given without _HLS_msn")),
        (Some(sequence), part) => Some(Awaited {
            sequence: MediaSequence::new(sequence),
            // No segment has that many parts: as far past its end as any other number.
            part: part.map(|part| PartIndex::new(u32::try_from(part).unwrap_or(u32::MAX))),
        }),
    };
    Ok(parsed)
}

/// The playback token in the query of any URL.
pub(crate) fn token(query: &str) -> Option<&str> {
    query
        .split('&')
        .find_map(|parameter| parameter.strip_prefix("token="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited(sequence: u64, part: Option<u32>) -> Query<'static> {
        Query {
            awaited: Some(Awaited {
                sequence: MediaSequence::new(sequence),
                part: part.map(PartIndex::new),
            }),
            ..Query::default()
        }
    }

    #[test]
    fn directives_are_found_among_tokens() {
        assert_eq!(parse(""), Ok(Query::default()));
        let skip = Query {
            skip: true,
            token: Some("a"),
            ..Query::default()
        };
        assert_eq!(parse("token=a&_HLS_skip=YES"), Ok(skip));
        assert_eq!(parse("_HLS_skip=v2&token=a&dvr=0"), Ok(skip));
        assert_eq!(parse("_HLS_skip=NO&dvr=2"), Ok(Query::default()));
        let all = Query {
            dvr: true,
            skip: true,
            ..awaited(7, None)
        };
        assert_eq!(parse("dvr=1&_HLS_msn=7&_HLS_skip=YES"), Ok(all));
        assert_eq!(parse("_HLS_msn=7"), Ok(awaited(7, None)));
        assert_eq!(
            parse("tokens=a&_HLS_part=0&_HLS_msn=7&x"),
            Ok(awaited(7, Some(0)))
        );
        assert_eq!(token("dvr=1&token=a"), Some("a"));
        assert_eq!(token("tokens=a"), None);
    }

    #[test]
    fn directives_without_sense_are_refused() {
        for query in [
            "_HLS_part=1",
            "_HLS_msn=",
            "_HLS_msn",
            "_HLS_msn=x",
            "_HLS_msn=-1",
            "_HLS_msn=1&_HLS_part=1.5",
            "_HLS_msn=1&_HLS_msn=2",
            "_HLS_msn=18446744073709551616",
        ] {
            assert!(parse(query).is_err(), "{query}");
        }
    }
}
