//! The `Range` of a request for media (RFC 9110 §14): one range of bytes.

/// Which bytes of a resource are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of them: no range, or one that a server may ignore (§14.2: other units, several
    /// ranges, wrong syntax).
    Whole,
    /// Those from `first` up to and not including `end`; at least one.
    Slice { first: u64, end: u64 },
    /// None that exist (§15.5.17).
    Unsatisfiable,
}

/// What the value of a `Range` asks of a resource of `len` bytes.
pub(crate) fn wanted(range: Option<&[u8]>, len: u64) -> Wanted {
    range
        .and_then(|range| str::from_utf8(range).ok())
        .and_then(|text| parse(text, len))
        .unwrap_or(Wanted::Whole)
}

fn parse(text: &str, len: u64) -> Option<Wanted> {
    let (unit, spec) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        let first = len.saturating_sub(suffix);
        return Some(slice(first, len));
    }
    let first = number(first)?;
    let end = if last.is_empty() {
        len
    } else {
        let last = number(last)?;
        if last < first {
            return None;
        }
        last.saturating_add(1).min(len)
    };
    Some(slice(first, end))
}

fn slice(first: u64, end: u64) -> Wanted {
    if first < end {
        Wanted::Slice { first, end }
    } else {
        Wanted::Unsatisfiable
    }
}

/// Digits; more than a size can hold is past every end.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_resource() {
        let slice = |first, end| Some(Wanted::Slice { first, end });
        for (text, expected) in [
            ("bytes=0-0", slice(0, 1)),
            ("bytes=2-5", slice(2, 6)),
            ("Bytes=2-", slice(2, 10)),
            ("bytes=-3", slice(7, 10)),
            ("bytes=-30", slice(0, 10)),
            ("bytes=5-99999999999999999999999", slice(5, 10)),
            ("bytes=10-", Some(Wanted::Unsatisfiable)),
            ("bytes=-0", Some(Wanted::Unsatisfiable)),
            (
                "bytes=99999999999999999999999-",
                Some(Wanted::Unsatisfiable),
            ),
            ("bytes=5-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(parse(text, 10), expected, "{text}");
        }
    }
}
