//! Delivery directives: the `_HLS_` parameters of a playlist's query
//! (draft-pantos-hls-rfc8216bis-18 §6.2.5). Other parameters are other people's tokens.

use super::path::decimal;
use crate::edition::Awaited;
use crate::sequence::{MediaSequence, PartIndex};

/// The directives make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Invalid(pub(super) &'static str);

/// What the query asks to wait for. `_HLS_skip` is an offer that a server may leave (§6.2.5.1),
/// and directives that it does not know it ignores.
pub(super) fn parse(query: &str) -> Result<Option<Awaited>, Invalid> {
    let (mut sequence, mut part) = (None, None);
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let place = match name {
            "_HLS_msn" => &mut sequence,
            "_HLS_part" => &mut part,
            _ => continue,
        };
        let number = decimal(value).ok_or(Invalid("_HLS_msn or _HLS_part is not a number"))?;
        if place.replace(number).is_some() {
            return Err(Invalid("_HLS_msn or _HLS_part is given twice"));
        }
    }
    match (sequence, part) {
        (None, None) => Ok(None),
        // §6.2.5.2: a part belongs to a segment.
        (None, Some(_)) => Err(Invalid("_HLS_part is given without _HLS_msn")),
        (Some(sequence), part) => Ok(Some(Awaited {
            sequence: MediaSequence::new(sequence),
            // No segment has that many parts: as far past its end as any other number.
            part: part.map(|part| PartIndex::new(u32::try_from(part).unwrap_or(u32::MAX))),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited(sequence: u64, part: Option<u32>) -> Option<Awaited> {
        Some(Awaited {
            sequence: MediaSequence::new(sequence),
            part: part.map(PartIndex::new),
        })
    }

    #[test]
    fn directives_are_found_among_tokens() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("token=a&_HLS_skip=YES"), Ok(None));
        assert_eq!(parse("_HLS_msn=7"), Ok(awaited(7, None)));
        assert_eq!(
            parse("token=a&_HLS_part=0&_HLS_msn=7&x"),
            Ok(awaited(7, Some(0)))
        );
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
