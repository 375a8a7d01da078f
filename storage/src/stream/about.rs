//! What is said about a stream beside its title: a description and tags.

use std::collections::HashSet;

/// The longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 5000;

/// The most tags of a stream.
pub const TAGS_MAX: usize = 10;

/// The longest tag, in characters.
pub const TAG_CHARS_MAX: usize = 30;

/// Stands before and behind each tag in the database; no tag has it in it.
const SEPARATOR: char = '\n';

/// At most [`DESCRIPTION_CHARS_MAX`] characters, no control characters but line feeds, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description(String);

/// A text that is no description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDescription {
    /// Longer than [`DESCRIPTION_CHARS_MAX`].
    #[error("a description has at most {DESCRIPTION_CHARS_MAX} characters, not {chars}")]
    TooLong {
        /// How many it has.
        chars: usize,
    },
    /// It would break a terminal.
    #[error(
        "a description has no control characters but line feeds (found U+{:04X})",
        u32::from(*character)
    )]
    ControlCharacter {
        /// The first one found.
        character: char,
    },
}

impl Description {
    /// Checks `text`, which is kept as it is.
    pub fn new(text: &str) -> Result<Self, InvalidDescription> {
        let chars = text.chars().count();
        if chars > DESCRIPTION_CHARS_MAX {
            return Err(InvalidDescription::TooLong { chars });
        }
        let is_refused = |character: &char| character.is_control() && *character != '\n';
        match text.chars().find(is_refused) {
            Some(character) => Err(InvalidDescription::ControlCharacter { character }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// At most [`TAGS_MAX`] tags, each of 1 to [`TAG_CHARS_MAX`] characters without control characters
/// and blanks around, none twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<String>);

/// Texts that are no tags of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTags {
    /// More than [`TAGS_MAX`].
    #[error("there are at most {TAGS_MAX} tags, not {count}")]
    TooMany {
        /// How many they are.
        count: usize,
    },
    /// One is empty, longer than [`TAG_CHARS_MAX`], or has other characters.
    #[error(
        "tag {number} is none: it has 1 to {TAG_CHARS_MAX} characters, no control characters and \
         no blanks around them"
    )]
    NoTag {
        /// Which one, from 1 on.
        number: usize,
    },
    /// One is there twice, in whatever case of its letters.
    #[error("tag {number} is there already")]
    Twice {
        /// Which one, from 1 on.
        number: usize,
    },
}

impl Tags {
    /// Checks `tags`, which are kept as they are.
    pub fn new(tags: &[impl AsRef<str>]) -> Result<Self, InvalidTags> {
        if tags.len() > TAGS_MAX {
            return Err(InvalidTags::TooMany { count: tags.len() });
        }
        let mut seen = HashSet::new();
        for (tag, number) in tags.iter().map(AsRef::as_ref).zip(1..) {
            let is_tag = (1..=TAG_CHARS_MAX).contains(&tag.chars().count())
                && tag.trim().len() == tag.len()
                && !tag.chars().any(char::is_control);
            if !is_tag {
                return Err(InvalidTags::NoTag { number });
            }
            if !seen.insert(tag.to_ascii_lowercase()) {
                return Err(InvalidTags::Twice { number });
            }
        }
        Ok(Self(
            tags.iter().map(|tag| tag.as_ref().to_owned()).collect(),
        ))
    }

    /// The tags, in their owner's order.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn to_column(&self) -> String {
        match self.0.is_empty() {
            true => String::new(),
            false => Self::in_column(&self.0.join("\n")),
        }
    }

    pub(crate) fn from_column(column: &str) -> Result<Self, InvalidTags> {
        let tags: Vec<&str> = column
            .split(SEPARATOR)
            .filter(|tag| !tag.is_empty())
            .collect();
        Self::new(&tags)
    }

    /// How `tag` stands in a column that has it.
    pub(crate) fn in_column(tag: &str) -> String {
        format!("{SEPARATOR}{tag}{SEPARATOR}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_may_have_paragraphs() {
        assert!(Description::new("").is_ok());
        assert!(Description::new("One.\n\nTwo <b>ß</b>").is_ok());
        assert!(Description::new(&"ß".repeat(DESCRIPTION_CHARS_MAX)).is_ok());
        assert_eq!(
            Description::new(&"ß".repeat(DESCRIPTION_CHARS_MAX + 1)),
            Err(InvalidDescription::TooLong { chars: 5001 })
        );
        assert_eq!(
            Description::new("a\u{1b}[2J")
                .expect_err("refused")
                .to_string(),
            "a description has no control characters but line feeds (found U+001B)"
        );
    }

    #[test]
    fn tags_keep_their_limits_and_survive_the_column() {
        let long = "ß".repeat(TAG_CHARS_MAX);
        let tags = Tags::new(&["Sea", "live cam", &long]).expect("tags");
        assert_eq!(Tags::from_column(&tags.to_column()), Ok(tags));
        assert_eq!(Tags::from_column(""), Ok(Tags::default()));
        assert_eq!(Tags::default().to_column(), "");
        for (tags, error) in [
            (vec!["a", ""], InvalidTags::NoTag { number: 2 }),
            (vec![" a"], InvalidTags::NoTag { number: 1 }),
            (vec!["a\nb"], InvalidTags::NoTag { number: 1 }),
            (vec!["a", "b", "A"], InvalidTags::Twice { number: 3 }),
            (vec!["x"; 11], InvalidTags::TooMany { count: 11 }),
        ] {
            assert_eq!(Tags::new(&tags), Err(error));
        }
        assert!(Tags::new(&[format!("{long}s")]).is_err());
    }
}
