//! A user as it is stored. Texts are kept as they are given and escaped where they are shown.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use email_address::{EmailAddress, Options};

use super::is_id;

/// The shortest user name, in characters.
pub const NAME_CHARS_MIN: usize = 3;

/// The longest user name, in characters.
pub const NAME_CHARS_MAX: usize = 30;

/// The longest e-mail address, in bytes: no longer one fits the path of RFC 5321 §4.5.3.1.3.
pub const EMAIL_BYTES_MAX: usize = 254;

/// The longest display name, in characters.
pub const DISPLAY_NAME_CHARS_MAX: usize = 100;

/// The longest text about oneself, in characters.
pub const BIO_CHARS_MAX: usize = 1000;

/// Somebody with an account. The password is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Stays, whatever else changes.
    pub id: UserId,
    /// Unique, whatever its case.
    pub name: UserName,
    /// Unique, whatever its case.
    pub email: Email,
    /// What the user may do.
    pub role: Role,
    /// May not log in.
    pub disabled: bool,
    /// What others read instead of the name; may be empty.
    pub display_name: DisplayName,
    /// What the user says about itself; may be empty.
    pub bio: Bio,
    /// When the account was made, to the millisecond.
    pub created_at: SystemTime,
}

/// A user's id: [`super::ID_CHARS`] characters of base32.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

/// A text that is no user's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no user's id")]
pub struct InvalidUserId;

impl UserId {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, InvalidUserId> {
        match is_id(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidUserId),
        }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a user may do. An access token carries it: a change of role counts from the next refresh
/// on, and so at the latest after [`crate::access_token::LIFETIME`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Watch, and have a profile.
    Viewer,
    /// Have streams too.
    Streamer,
    /// Everything that the operator may.
    Admin,
}

/// A text that is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is `admin`, `streamer` or `viewer`")]
pub struct UnknownRole;

impl Role {
    /// Its name in the database, in tokens and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Streamer => "streamer",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::Viewer, Self::Streamer, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}

/// [`NAME_CHARS_MIN`] to [`NAME_CHARS_MAX`] characters of `A-Za-z0-9_-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

/// A text that is no user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has {NAME_CHARS_MIN} to {NAME_CHARS_MAX} characters of A-Z, a-z, 0-9, `_` and `-`")]
pub struct InvalidUserName;

impl UserName {
    /// Checks `text`, which is kept as it is.
    pub fn new(text: &str) -> Result<Self, InvalidUserName> {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let length = NAME_CHARS_MIN..=NAME_CHARS_MAX;
        match length.contains(&text.len()) && text.bytes().all(is_valid) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidUserName),
        }
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// By which names are compared.
    pub(super) fn lower(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// An e-mail address: the `addr-spec` of RFC 5322 §3.4.1, at most [`EMAIL_BYTES_MAX`] bytes. That
/// somebody reads it is not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

/// A text that is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is an e-mail address (RFC 5322 addr-spec) of at most {EMAIL_BYTES_MAX} bytes")]
pub struct InvalidEmail;

impl Email {
    /// Checks `text`, which is kept as it is.
    pub fn new(text: &str) -> Result<Self, InvalidEmail> {
        let options = Options::default().without_display_text();
        let is_address = text.len() <= EMAIL_BYTES_MAX
            && !text.chars().any(char::is_control)
            && EmailAddress::parse_with_options(text, options).is_ok();
        match is_address {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidEmail),
        }
    }

    /// The address's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// By which addresses are compared: also the part before the `@`, since no mail service of
    /// today tells them apart by case.
    pub(super) fn lower(&self) -> String {
        self.0.to_lowercase()
    }
}

/// Why a text about a user is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Longer than may be.
    #[error("has at most {max} characters, not {chars}")]
    TooLong {
        /// How many it has.
        chars: usize,
        /// How many it may have.
        max: usize,
    },
    /// It would break a log line, a terminal or a header.
    #[error("has no control characters (found U+{:04X})", u32::from(*character))]
    ControlCharacter {
        /// The first one found.
        character: char,
    },
}

fn checked(
    text: &str,
    max: usize,
    is_refused: impl Fn(char) -> bool,
) -> Result<String, InvalidText> {
    let chars = text.chars().count();
    if chars > max {
        return Err(InvalidText::TooLong { chars, max });
    }
    match text.chars().find(|character| is_refused(*character)) {
        Some(character) => Err(InvalidText::ControlCharacter { character }),
        None => Ok(text.to_owned()),
    }
}

/// What others read instead of the user's name: at most [`DISPLAY_NAME_CHARS_MAX`] characters, no
/// control characters, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Checks `text`, which is kept as it is.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        checked(text, DISPLAY_NAME_CHARS_MAX, char::is_control).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a user says about itself: at most [`BIO_CHARS_MAX`] characters, no control characters but
/// line feeds, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bio(String);

impl Bio {
    /// Checks `text`, which is kept as it is.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        let is_refused = |character: char| character.is_control() && character != '\n';
        checked(text, BIO_CHARS_MAX, is_refused).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_limits() {
        for (text, valid) in [
            ("abc", true),
            ("Ab_-9", true),
            (&*"x".repeat(30), true),
            ("ab", false),
            (&"x".repeat(31), false),
            ("a b", false),
            ("häfen", false),
            ("a@b", false),
            ("", false),
        ] {
            assert_eq!(UserName::new(text).is_ok(), valid, "{text:?}");
        }
        assert_eq!(UserName::new("AbC").expect("valid").lower(), "abc");
    }

    #[test]
    fn addresses_are_an_addr_spec_and_nothing_around_it() {
        for (text, valid) in [
            ("a@b.example", true),
            ("first.last+tag@mail.example.org", true),
            ("\"quoted part\"@example.org", true),
            ("jörg@häfen.example", true),
            ("A Name <a@b.example>", false),
            ("<a@b.example>", false),
            ("a@", false),
            ("@b.example", false),
            ("a b@c.example", false),
            ("a..b@c.example", false),
            ("a@b.example\n", false),
            ("", false),
            (&format!("{}@b.example", "x".repeat(250)), false),
        ] {
            assert_eq!(Email::new(text).is_ok(), valid, "{text:?}");
        }
    }

    #[test]
    fn texts_are_counted_in_characters() {
        assert!(DisplayName::new("").is_ok());
        assert!(DisplayName::new(&"ß".repeat(100)).is_ok());
        assert_eq!(
            DisplayName::new(&"ß".repeat(101)),
            Err(InvalidText::TooLong {
                chars: 101,
                max: 100
            })
        );
        assert!(DisplayName::new("two\nlines").is_err());
        assert!(Bio::new("two\nlines").is_ok());
        assert!(Bio::new("a\u{1b}[2J").is_err());
    }

    #[test]
    fn roles_and_ids_are_read_back() {
        for role in [Role::Viewer, Role::Streamer, Role::Admin] {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("Admin".parse::<Role>(), Err(UnknownRole));
        assert!(UserId::new("k3f7a2mzq7xw2b").is_ok());
        for text in [
            "",
            "k3f7a2mzq7xw2",
            "K3f7a2mzq7xw2b",
            "k3f7a2mzq7xw2b7",
            "../../../../..",
        ] {
            assert!(UserId::new(text).is_err(), "{text:?}");
        }
    }
}
