//! What was seen: every request with its times and its answer, as plain values. The shell records
//! them, the rules judge them, and the tests write them by hand.

use std::time::Duration;

use bytes::Bytes;

/// All requests of one look at a stream, in the order in which they were answered.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The address that was given.
    pub entry: String,
    /// What was asked and answered.
    pub exchanges: Vec<Exchange>,
    /// For how long the stream was followed.
    pub watched: Duration,
    /// Why the look ended early, where a bound was reached.
    pub cut_short: Option<String>,
}

/// One request and what came of it. Times are since the session's start.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The absolute URL with its query.
    pub url: String,
    /// Where a redirection led, which is what relative URIs are relative to.
    pub redirected: Option<String>,
    /// Why it was sent.
    pub purpose: Purpose,
    /// The bytes that were asked for, where not all.
    pub range: Option<ByteRange>,
    /// When the request was sent.
    pub sent: Duration,
    /// When the answer's head was there.
    pub first_byte: Duration,
    /// When the answer's last byte was there.
    pub end: Duration,
    /// The answer, or why there is none.
    pub result: Result<Answer, String>,
}

/// Why a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The address that was given, or the multivariant playlist.
    Entry,
    /// A media playlist without directives, as a player loads it.
    Latest,
    /// A blocking reload for what was not listed yet.
    Reload(Position),
    /// A blocking reload for what was listed already.
    Existing(Position),
    /// A whole playlist to compare a delta update with.
    Full(Position),
    /// A delta update (`_HLS_skip=YES`).
    Delta(Position),
    /// `_HLS_msn` far past the playlist's end.
    FarAhead,
    /// `_HLS_part` without `_HLS_msn`.
    PartAlone,
    /// `_HLS_part` past the end of the segment of this media sequence number.
    PartPastEnd(u64),
    /// A playlist without `Accept-Encoding`.
    Identity,
    /// An initialization section.
    Init,
    /// A segment.
    Segment,
    /// A part that is listed.
    Part,
    /// A part that is hinted and not listed yet.
    Hinted,
    /// A segment that was fetched before.
    Again,
    /// The middle of a segment that was fetched before.
    Middle,
    /// A URL beside the media that leads nowhere.
    Absent,
}

impl Purpose {
    /// Whether the answer is a media playlist that tells how the stream goes on.
    pub fn follows(self) -> bool {
        matches!(self, Self::Latest | Self::Reload(_))
    }

    /// Whether a server may let it wait for what is still to come.
    pub fn may_wait(self) -> bool {
        matches!(
            self,
            Self::Reload(_) | Self::Hinted | Self::PartPastEnd(_) | Self::FarAhead
        )
    }

    /// Whether the answer is media.
    pub fn is_media(self) -> bool {
        matches!(
            self,
            Self::Init | Self::Segment | Self::Part | Self::Hinted | Self::Again | Self::Middle
        )
    }
}

/// A place in a playlist: a segment, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Media sequence number.
    pub msn: u64,
    /// Index of the part; none asks for the whole segment.
    pub part: Option<u64>,
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub first: u64,
    /// How many; none means up to the end.
    pub len: Option<u64>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The protocol's version.
    pub http: HttpVersion,
    /// Header fields in the order in which they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, decoded.
    pub body: Bytes,
    /// How many bytes the body had before it was decoded.
    pub wire_bytes: usize,
    /// The body is longer than what was read of it.
    pub cut: bool,
}

/// The protocol's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
    /// Any other.
    Other,
}

impl Exchange {
    /// The answer where it has the status that such a request hopes for.
    pub fn good(&self) -> Option<&Answer> {
        let hoped = if self.range.is_some() { 206 } else { 200 };
        self.result
            .as_ref()
            .ok()
            .filter(|answer| answer.status == hoped)
    }

    /// The status; zero where there was no answer.
    pub fn status(&self) -> u16 {
        self.result.as_ref().map_or(0, |answer| answer.status)
    }

    /// What came of it, in a few words.
    pub fn outcome(&self) -> String {
        match &self.result {
            Ok(answer) => format!("status {}", answer.status),
            Err(error) => error.clone(),
        }
    }

    /// What URIs in the answer are relative to.
    pub fn base(&self) -> &str {
        self.redirected.as_deref().unwrap_or(&self.url)
    }

    /// The URL without delivery directives: of a media playlist, what it is listed as.
    pub fn plain_url(&self) -> String {
        without_directives(&self.url)
    }

    /// How long the answer's head took.
    pub fn waited(&self) -> Duration {
        self.first_byte.saturating_sub(self.sent)
    }
}

impl Answer {
    /// A header field's value; the first, where there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some(found.1.as_str())
    }

    /// For how many seconds a cache may keep it, and whether it may at all (RFC 9111 §5.2.2).
    /// `None` where nothing is said.
    pub fn max_age(&self) -> Option<u64> {
        let control = self.header("cache-control")?.to_ascii_lowercase();
        let directive = |name: &str| {
            control.split(',').map(str::trim).find_map(|directive| {
                let rest = directive.strip_prefix(name)?;
                Some(rest.trim_start_matches('=').trim_matches('"').to_owned())
            })
        };
        if directive("no-store").is_some() || directive("no-cache").is_some() {
            return Some(0);
        }
        let age = directive("s-maxage").or_else(|| directive("max-age"))?;
        age.parse().ok()
    }
}

/// Takes the delivery directives (draft-pantos-hls-rfc8216bis §6.2.5) out of a URL's query.
pub fn without_directives(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|parameter| !parameter.starts_with("_HLS_"))
        .collect();
    match kept.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", kept.join("&")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_taken_out_and_tokens_stay() {
        for (url, plain) in [
            ("http://a/b.m3u8", "http://a/b.m3u8"),
            ("http://a/b.m3u8?_HLS_msn=1&_HLS_part=2", "http://a/b.m3u8"),
            (
                "http://a/b.m3u8?t=x&_HLS_msn=1&u=y",
                "http://a/b.m3u8?t=x&u=y",
            ),
        ] {
            assert_eq!(without_directives(url), plain);
        }
    }

    #[test]
    fn the_age_in_a_cache_is_read_from_every_way_to_say_it() {
        let age = |control: &str| {
            let answer = Answer {
                status: 200,
                http: HttpVersion::Http11,
                headers: vec![("cache-control".to_owned(), control.to_owned())],
                body: Bytes::new(),
                wire_bytes: 0,
                cut: false,
            };
            answer.max_age()
        };
        assert_eq!(age("no-cache"), Some(0));
        assert_eq!(age("public, max-age=10"), Some(10));
        assert_eq!(age("max-age=10, s-maxage=\"3\""), Some(3));
        assert_eq!(age("max-age=10, no-store"), Some(0));
        assert_eq!(age("private"), None);
    }
}
