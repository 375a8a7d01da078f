//! A stream as it is stored: the durable thing with a title, a secret key and, where its owner
//! wants SRT encrypted, a passphrase. Everyone may watch it, or only who has a playback token.

mod about;
mod publishers;
mod reconnection;

use std::fmt;
use std::time::SystemTime;

use media_core::StreamId;

use crate::accounts::UserId;
use crate::recording::Choice;

pub use about::{
    DESCRIPTION_CHARS_MAX, Description, InvalidDescription, InvalidTags, TAG_CHARS_MAX, TAGS_MAX,
    Tags,
};
pub use publishers::Publishers;
pub use reconnection::{RECONNECT_S_MAX, ReconnectWindow, Reconnection, TooLongWindow};

/// The shortest title, in characters.
pub const TITLE_CHARS_MIN: usize = 3;

/// The longest title, in characters: more fits no page's heading.
pub const TITLE_CHARS_MAX: usize = 100;

/// The longest title that is there already: earlier versions took any of 1 to so many characters.
const STORED_TITLE_CHARS_MAX: usize = 200;

/// The shortest passphrase that SRT takes, in bytes (`SRTO_PASSPHRASE`).
pub const SRT_PASSPHRASE_BYTES_MIN: usize = 10;

/// The longest passphrase that SRT takes, in bytes (`SRTO_PASSPHRASE`).
pub const SRT_PASSPHRASE_BYTES_MAX: usize = 79;

/// Length of the AES key that a stream with a passphrase is encrypted with (`SRTO_PBKEYLEN`):
/// AES-128, SRT's own default, which every encoder offers.
pub const SRT_PBKEYLEN_BYTES: u8 = 16;

/// The durable thing that broadcasts belong to. Its key is not part of it: only the hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Stands in playback URLs.
    pub id: StreamId,
    /// What viewers read above the picture.
    pub title: Title,
    /// What they read below it.
    pub description: Description,
    /// By what it is found.
    pub tags: Tags,
    /// From where may be published to it.
    pub publishers: Publishers,
    /// Present where SRT publishers must encrypt.
    pub srt_passphrase: Option<SrtPassphrase>,
    /// Who may watch.
    pub visibility: Visibility,
    /// Whether and how its broadcasts are recorded.
    pub recording: Choice,
    /// What becomes of its broadcast where the publisher is lost.
    pub reconnection: Reconnection,
    /// Whose it is; the operator's where it is nobody's.
    pub owner: Option<UserId>,
    /// When it was created, to the millisecond.
    pub created_at: SystemTime,
}

/// Who may watch a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// Everyone who knows its id.
    #[default]
    Public,
    /// Who has a playback token ([`crate::playback_token`]).
    Private,
}

/// A stream's title: [`TITLE_CHARS_MIN`] to [`TITLE_CHARS_MAX`] characters, not all of them blank and
/// none a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title(String);

/// Why a text is no title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTitle {
    /// Empty, or white space alone.
    #[error("a title needs at least one visible character")]
    Blank,
    /// Shorter than [`TITLE_CHARS_MIN`], or longer than [`TITLE_CHARS_MAX`].
    #[error("a title has {TITLE_CHARS_MIN} to {TITLE_CHARS_MAX} characters, not {chars}")]
    Length {
        /// How many it has.
        chars: usize,
    },
    /// It would break a log line, a terminal or a header.
    #[error("a title has no control characters (found U+{:04X})", u32::from(*character))]
    ControlCharacter {
        /// The first one found.
        character: char,
    },
}

impl Title {
    /// As it is searched and sorted by.
    pub(crate) fn lower(&self) -> String {
        self.0.to_lowercase()
    }

    /// Checks `text`, which is kept as it is.
    pub fn new(text: &str) -> Result<Self, InvalidTitle> {
        let title = Self::stored(text)?;
        let chars = text.chars().count();
        match (TITLE_CHARS_MIN..=TITLE_CHARS_MAX).contains(&chars) {
            true => Ok(title),
            false => Err(InvalidTitle::Length { chars }),
        }
    }

    /// A title that is there already, also one of an earlier version.
    pub(crate) fn stored(text: &str) -> Result<Self, InvalidTitle> {
        let chars = text.chars().count();
        if chars > STORED_TITLE_CHARS_MAX {
            return Err(InvalidTitle::Length { chars });
        }
        if let Some(character) = text.chars().find(|character| character.is_control()) {
            return Err(InvalidTitle::ControlCharacter { character });
        }
        if text.trim().is_empty() {
            return Err(InvalidTitle::Blank);
        }
        Ok(Self(text.to_owned()))
    }

    /// The title's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The passphrase of SRT's encryption: 10 to 79 printable ASCII characters. Unlike a stream key it
/// is stored readable, because both ends derive the cipher's key from the passphrase itself: a
/// hash of it would decrypt nothing. Who reads the database file reads it. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtPassphrase(String);

/// Why a text is no passphrase. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSrtPassphrase {
    /// SRT would refuse the length.
    #[error(
        "an SRT passphrase has {SRT_PASSPHRASE_BYTES_MIN} to {SRT_PASSPHRASE_BYTES_MAX} \
         characters, not {bytes}"
    )]
    Length {
        /// How many bytes it has.
        bytes: usize,
    },
    /// Encoders disagree on the bytes of anything else.
    #[error("an SRT passphrase consists of printable ASCII characters")]
    NotPrintableAscii,
}

impl SrtPassphrase {
    /// Checks `text` against SRT's limits.
    pub fn new(text: &str) -> Result<Self, InvalidSrtPassphrase> {
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(InvalidSrtPassphrase::NotPrintableAscii);
        }
        let bytes = text.len();
        if !(SRT_PASSPHRASE_BYTES_MIN..=SRT_PASSPHRASE_BYTES_MAX).contains(&bytes) {
            return Err(InvalidSrtPassphrase::Length { bytes });
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SrtPassphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SrtPassphrase(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_counted_in_characters() {
        for (chars, valid) in [(2, false), (3, true), (100, true), (101, false)] {
            let title = Title::new(&"ß".repeat(chars));
            let expected = InvalidTitle::Length { chars };
            assert_eq!(title.err(), (!valid).then_some(expected));
        }
        assert_eq!(Title::new(""), Err(InvalidTitle::Blank));
        assert_eq!(Title::new(" \u{3000} "), Err(InvalidTitle::Blank));
    }

    #[test]
    fn titles_of_earlier_versions_are_read() {
        assert!(Title::stored("G").is_ok());
        assert!(Title::stored(&"ß".repeat(200)).is_ok());
        assert!(Title::stored(&"ß".repeat(201)).is_err());
    }

    #[test]
    fn control_characters_are_named_and_not_repeated() {
        let error = Title::new("a\u{1b}[2J").expect_err("control character");
        assert_eq!(
            error.to_string(),
            "a title has no control characters (found U+001B)"
        );
        assert!(Title::new("two\nlines").is_err());
        assert!(Title::new("C1 \u{85}").is_err());
    }

    #[test]
    fn passphrases_keep_srt_limits_and_hide_from_logs() {
        for (length, valid) in [(9, false), (10, true), (79, true), (80, false)] {
            assert_eq!(SrtPassphrase::new(&"p".repeat(length)).is_ok(), valid);
        }
        assert_eq!(
            SrtPassphrase::new("zehn Zeichen ü"),
            Err(InvalidSrtPassphrase::NotPrintableAscii)
        );
        let passphrase = SrtPassphrase::new("correct horse").expect("valid");
        assert_eq!(format!("{passphrase:?}"), "SrtPassphrase(redacted)");
    }
}
