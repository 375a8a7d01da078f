//! WebVTT (W3C): whether a text is a file of subtitles that players can show.
//!
//! Checked are the signature, the blocks and the timings of cues. What cues say is left to players,
//! and the text is kept as it is.

use std::time::Duration;

/// The largest file, in bytes: of twenty hours' talk.
pub const WEBVTT_BYTES_MAX: usize = 1024 * 1024;

/// A file of subtitles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebVtt(String);

/// Why a text is no file of subtitles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebVtt {
    /// Larger than [`WEBVTT_BYTES_MAX`].
    #[error("subtitles have at most {WEBVTT_BYTES_MAX} bytes")]
    TooLarge,
    /// Not UTF-8.
    #[error("WebVTT is UTF-8")]
    NotUtf8,
    /// Its first line is another one.
    #[error("WebVTT begins with a line WEBVTT and an empty one")]
    NoSignature,
    /// No text has it.
    #[error("line {line} has the control character U+{:04X}", u32::from(*character))]
    ControlCharacter {
        /// Which line, from 1.
        line: usize,
        /// The first one found.
        character: char,
    },
    /// A block that is neither a cue nor a note, a style or a region.
    #[error("line {line} begins a block without a cue's timing (00:01.000 --> 00:02.000)")]
    NoTiming {
        /// Which line, from 1.
        line: usize,
    },
    /// A cue's times cannot be read, or it ends before it begins.
    #[error("line {line} is no cue's timing (00:01.000 --> 00:02.000)")]
    BadTiming {
        /// Which line, from 1.
        line: usize,
    },
    /// There is nothing to show.
    #[error("the subtitles have no cue")]
    NoCue,
}

impl WebVtt {
    /// Checks a file's bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidWebVtt> {
        if bytes.len() > WEBVTT_BYTES_MAX {
            return Err(InvalidWebVtt::TooLarge);
        }
        let text = str::from_utf8(bytes).map_err(|_| InvalidWebVtt::NotUtf8)?;
        check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The text, as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &str) -> Result<(), InvalidWebVtt> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // CR LF, LF and CR end lines alike (§4.1).
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.split('\n').zip(1..);
    let (first, line) = lines.next().unwrap_or_default();
    let after = first.strip_prefix("WEBVTT");
    if !after.is_some_and(|after| after.is_empty() || after.starts_with([' ', '\t'])) {
        return Err(InvalidWebVtt::NoSignature);
    }
    check_characters(first, line)?;
    // What stands directly below the signature belongs to it.
    let mut block: Vec<(&str, usize)> = Vec::new();
    let mut in_head = true;
    let mut cues = 0_usize;
    // A last block ends with the file.
    for (content, line) in lines.chain([("", 0)]) {
        check_characters(content, line)?;
        match (content.is_empty(), in_head) {
            (true, true) => in_head = false,
            (true, false) => {
                cues += usize::from(is_cue(&block)?);
                block.clear();
            }
            (false, true) if content.contains("-->") => return Err(InvalidWebVtt::NoSignature),
            (false, true) => {}
            (false, false) => block.push((content, line)),
        }
    }
    match cues {
        0 => Err(InvalidWebVtt::NoCue),
        _ => Ok(()),
    }
}

fn check_characters(content: &str, line: usize) -> Result<(), InvalidWebVtt> {
    match content.chars().find(|it| it.is_control() && *it != '\t') {
        Some(character) => Err(InvalidWebVtt::ControlCharacter { line, character }),
        None => Ok(()),
    }
}

/// Whether a block is a cue, and not a note, a style, a region or nothing.
fn is_cue(block: &[(&str, usize)]) -> Result<bool, InvalidWebVtt> {
    let Some((first, line)) = block.first().copied() else {
        return Ok(false);
    };
    // The first line may be the cue's name.
    let timing = block
        .iter()
        .take(2)
        .find(|(content, _)| content.contains("-->"));
    match timing {
        Some((content, line)) => match is_timing(content) {
            true => Ok(true),
            false => Err(InvalidWebVtt::BadTiming { line: *line }),
        },
        None if ["NOTE", "STYLE", "REGION"]
            .contains(&first.split([' ', '\t']).next().unwrap_or_default()) =>
        {
            Ok(false)
        }
        None => Err(InvalidWebVtt::NoTiming { line }),
    }
}

/// `start --> end settings`, with white space around the arrow (§4.1: required; §6.3: parsers do
/// without, players do not all).
fn is_timing(line: &str) -> bool {
    let Some((start, rest)) = line.split_once("-->") else {
        return false;
    };
    if !start.ends_with([' ', '\t']) || !rest.starts_with([' ', '\t']) {
        return false;
    }
    let end = rest.split_ascii_whitespace().next().unwrap_or_default();
    match (time(start.trim_matches([' ', '\t'])), time(end)) {
        (Some(start), Some(end)) => start < end,
        _ => false,
    }
}

/// `[hours:]mm:ss.ttt`, hours with two digits or more (§4.1).
fn time(text: &str) -> Option<Duration> {
    let (clock, millis) = text.split_once('.')?;
    let mut parts = clock.rsplit(':');
    let seconds = digits(parts.next()?, 2..=2).filter(|it| *it < 60)?;
    let minutes = digits(parts.next()?, 2..=2).filter(|it| *it < 60)?;
    let hours = parts.next().map_or(Some(0), |hours| digits(hours, 2..=9))?;
    let millis = digits(millis, 3..=3)?;
    if parts.next().is_some() {
        return None;
    }
    Some(Duration::from_millis(
        ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis,
    ))
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let is_number = length.contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> InvalidWebVtt {
        WebVtt::new(text.as_bytes()).expect_err(text)
    }

    #[test]
    fn what_players_show_is_taken_as_it_is() {
        for text in [
            "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n",
            "WEBVTT",
            "\u{feff}WEBVTT a title\r\nKind: captions\r\n\r\n1\r\n00:00:01.000 --> 100:00:02.000 line:0\r\n- Hi\r\n- <b>Ho",
            "WEBVTT\rX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\r\r00:01.000 --> 00:02.000\rHello",
            "WEBVTT\n\n\n\nNOTE nothing\nhere\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:a\n\n00:01.000\t-->\t00:02.000\n\n",
        ] {
            let kept = WebVtt::new(text.as_bytes());
            match text {
                "WEBVTT" => assert_eq!(kept, Err(InvalidWebVtt::NoCue)),
                _ => assert_eq!(kept.expect(text).as_str(), text),
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for text in [
            "",
            "WEBVTTX\n",
            "webvtt\n",
            "1\n00:00:01,000 --> 00:00:02,000\nsrt\n",
            "WEBVTT\n00:01.000 --> 00:02.000\n",
        ] {
            assert_eq!(refusal(text), InvalidWebVtt::NoSignature, "{text:?}");
        }
        for timing in [
            "00:01,000 --> 00:02,000",
            "00:02.000 --> 00:01.000",
            "00:01.000 --> 00:01.000",
            "00:01.000-->00:02.000",
            "00:01.000 --> 00:02",
            "00:01.000 --> 00:61.000",
            "1:00:01.000 --> 1:00:02.000",
            "0:0:00:01.000 --> 00:02.000",
            "+0:01.000 --> 00:02.000",
            "--> 00:02.000",
        ] {
            let text = format!("WEBVTT\n\nname\n{timing}\nHello\n");
            assert_eq!(
                refusal(&text),
                InvalidWebVtt::BadTiming { line: 4 },
                "{timing}"
            );
        }
        assert_eq!(
            refusal("WEBVTT\n\nHello\nthere\nNOTE"),
            InvalidWebVtt::NoTiming { line: 3 }
        );
        let character = '\u{1b}';
        assert_eq!(
            refusal("WEBVTT\n\n00:01.000 --> 00:02.000\na\u{1b}[2J"),
            InvalidWebVtt::ControlCharacter { line: 4, character }
        );
        assert_eq!(WebVtt::new(b"WEBVTT\n\xff"), Err(InvalidWebVtt::NotUtf8));
        let large = format!(
            "WEBVTT\n\n00:01.000 --> 00:02.000\n{}",
            "x".repeat(WEBVTT_BYTES_MAX)
        );
        assert_eq!(refusal(&large), InvalidWebVtt::TooLarge);
    }

    #[test]
    fn a_cue_that_no_player_shows_is_refused_for_its_white_space() {
        for timing in [
            "00:01.000\u{3000} --> 00:02.000",
            "\u{a0}00:01.000 --> 00:02.000",
            "00:01.000 -->\u{3000}00:02.000",
        ] {
            let error = refusal(&format!("WEBVTT\n\n{timing}\nHello\n"));
            assert_eq!(error, InvalidWebVtt::BadTiming { line: 3 }, "{timing}");
        }
    }

    #[test]
    fn a_first_line_that_postgresql_does_not_take_is_refused() {
        for character in ['\0', '\u{1b}', '\u{85}'] {
            let text = format!("WEBVTT a{character}b\n\n00:01.000 --> 00:02.000\nHello\n");
            let expected = InvalidWebVtt::ControlCharacter { line: 1, character };
            assert_eq!(refusal(&text), expected);
        }
    }
}
