//! Playlists as they were received, with the numbers of their lines. Nothing here fails: a line
//! that cannot be read becomes a [`Fault`], which is evidence against the rule of syntax, and the
//! rest is read on.

mod attributes;
mod date;
mod media;
mod multivariant;

pub(crate) use attributes::Attributes;
pub(crate) use media::{Hint, MediaPlaylist, Part, Segment};
pub(crate) use multivariant::{Multivariant, Variant};

use url::Url;

use crate::session::ByteRange;

/// Most lines that are read of a playlist: a day of one-second segments with a date each.
const LINES_MAX: usize = 300_000;

/// A line that breaks the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Its number, from 1.
    pub(crate) line: usize,
    /// What is wrong with it.
    pub(crate) what: String,
}

/// A playlist's lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    lines: Vec<String>,
}

impl Text {
    pub(crate) fn new(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let lines = text.lines().take(LINES_MAX).map(str::to_owned).collect();
        Self { lines }
    }

    /// The line of this number, from 1.
    pub(crate) fn line(&self, number: usize) -> Option<&str> {
        let index = number.checked_sub(1)?;
        self.lines.get(index).map(String::as_str)
    }

    /// Every line that is not empty, with its number.
    fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.lines.iter().enumerate();
        lines
            .map(|(index, line)| (index + 1, line.trim_end()))
            .filter(|(_, line)| !line.is_empty())
    }

    /// Whether it says that it lists variants rather than segments.
    pub(crate) fn is_multivariant(&self) -> bool {
        self.lines.iter().any(|line| {
            line.starts_with("#EXT-X-STREAM-INF")
                || line.starts_with("#EXT-X-MEDIA:")
                || line.starts_with("#EXT-X-I-FRAME-STREAM-INF")
        })
    }
}

/// A value and the line on which it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct At<T> {
    pub(crate) line: usize,
    pub(crate) value: T,
}

/// A resource: what a URI and a byte range lead to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Resource {
    /// The absolute URL.
    pub(crate) url: String,
    pub(crate) range: Option<ByteRange>,
}

/// The absolute form of a URI; as it is where it makes no sense.
pub(crate) fn resolve(base: &str, uri: &str) -> String {
    match Url::parse(base).and_then(|base| base.join(uri)) {
        Ok(url) => url.to_string(),
        Err(_) => uri.to_owned(),
    }
}

/// `<n>[@<o>]` (RFC 8216 §4.3.2.2).
fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    match text.split_once('@') {
        Some((len, first)) => Some((len.trim().parse().ok()?, Some(first.trim().parse().ok()?))),
        None => Some((text.trim().parse().ok()?, None)),
    }
}

/// A decimal number that is finite and not negative (RFC 8216 §4.2).
fn seconds(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value: f64 = text.parse().ok()?;
    (plain && value.is_finite()).then_some(value)
}

#[cfg(test)]
mod tests;
