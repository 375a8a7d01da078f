//! The texts of a video: kept as they are given, and escaped where they are shown.

use std::fmt;

/// The shortest title, in characters.
pub const TITLE_CHARS_MIN: usize = 3;

/// The longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 100;

/// The longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 5000;

/// The longest tag, in characters.
pub const TAG_CHARS_MAX: usize = 30;

/// The most tags of a video.
pub const TAGS_MAX: usize = 10;

/// The longest name of subtitles or of a chapter, in characters.
pub const LABEL_CHARS_MAX: usize = 100;

/// Why a text is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Longer or shorter than may be.
    #[error("has {min} to {max} characters, not {chars}")]
    Length {
        /// How many it has.
        chars: usize,
        /// How many it must have.
        min: usize,
        /// How many it may have.
        max: usize,
    },
    /// White space alone.
    #[error("needs at least one visible character")]
    Blank,
    /// It would break a log line, a terminal or a header.
    #[error("has no control characters (found U+{:04X})", u32::from(*character))]
    ControlCharacter {
        /// The first one found.
        character: char,
    },
}

/// Why tags are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTags {
    /// More than [`TAGS_MAX`].
    #[error("at most {TAGS_MAX} tags are kept, not {tags}")]
    TooMany {
        /// How many there are.
        tags: usize,
    },
    /// One of them.
    #[error("a tag {0}")]
    Tag(#[from] InvalidText),
    /// The same one twice, whatever its case.
    #[error("each tag is given once, whatever its case")]
    Repeated,
}

fn checked(text: &str, min: usize, max: usize) -> Result<String, InvalidText> {
    let chars = text.chars().count();
    if !(min..=max).contains(&chars) {
        return Err(InvalidText::Length { chars, min, max });
    }
    if let Some(character) = text.chars().find(|character| character.is_control()) {
        return Err(InvalidText::ControlCharacter { character });
    }
    if text.trim().is_empty() {
        return Err(InvalidText::Blank);
    }
    Ok(text.to_owned())
}

macro_rules! line {
    ($(#[$doc:meta])* $name:ident, $min:expr, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Checks `text`, which is kept as it is.
            pub fn new(text: &str) -> Result<Self, InvalidText> {
                checked(text, $min, $max).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

line!(
    /// A video's title: [`TITLE_CHARS_MIN`] to [`TITLE_CHARS_MAX`] characters, not all of them blank
    /// and none a control character.
    Title,
    TITLE_CHARS_MIN,
    TITLE_CHARS_MAX
);
line!(
    /// A word to find a video by: 1 to [`TAG_CHARS_MAX`] characters, not all of them blank and none a
    /// control character.
    Tag,
    1,
    TAG_CHARS_MAX
);
line!(
    /// The name of subtitles or of a chapter: 1 to [`LABEL_CHARS_MAX`] characters, not all of them
    /// blank and none a control character.
    Label,
    1,
    LABEL_CHARS_MAX
);

impl Title {
    /// A title out of any other text: cut, with blanks for control characters, and with `otherwise`
    /// where nothing is left to read.
    pub fn out_of(text: &str, otherwise: &Self) -> Self {
        let cut: String = text.chars().take(TITLE_CHARS_MAX).collect();
        let plain = cut.replace(char::is_control, " ");
        Self::new(&plain).unwrap_or_else(|_| otherwise.clone())
    }

    /// By which titles are searched and sorted.
    pub(super) fn lower(&self) -> String {
        self.0.to_lowercase()
    }
}

impl Tag {
    /// By which tags are compared.
    pub(super) fn lower(&self) -> String {
        self.0.to_lowercase()
    }
}

/// More about a video: at most [`DESCRIPTION_CHARS_MAX`] characters, no control characters but line
/// feeds, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Checks `text`, which is kept as it is.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        let chars = text.chars().count();
        if chars > DESCRIPTION_CHARS_MAX {
            let (min, max) = (0, DESCRIPTION_CHARS_MAX);
            return Err(InvalidText::Length { chars, min, max });
        }
        let is_refused = |character: &char| character.is_control() && *character != '\n';
        match text.chars().find(is_refused) {
            Some(character) => Err(InvalidText::ControlCharacter { character }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// By which descriptions are searched.
    pub(super) fn lower(&self) -> String {
        self.0.to_lowercase()
    }
}

/// At most [`TAGS_MAX`] tags, none twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<Tag>);

impl Tags {
    /// Checks them; their order stays.
    pub fn new(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, InvalidTags> {
        let tags = texts.into_iter().map(|text| Tag::new(text.as_ref()));
        let tags: Vec<Tag> = tags.collect::<Result<_, _>>()?;
        if tags.len() > TAGS_MAX {
            return Err(InvalidTags::TooMany { tags: tags.len() });
        }
        let mut lower: Vec<String> = tags.iter().map(Tag::lower).collect();
        lower.sort();
        if lower.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(InvalidTags::Repeated);
        }
        Ok(Self(tags))
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_in_characters_and_kept_as_they_are() {
        for (length, valid) in [(2, false), (3, true), (100, true), (101, false)] {
            let text = "ß".repeat(length);
            assert_eq!(Title::new(&text).is_ok(), valid, "{length}");
        }
        assert_eq!(Title::new("   "), Err(InvalidText::Blank));
        assert_eq!(Title::new(" <b> ").expect("valid").as_str(), " <b> ");
        let error = Title::new("two\nlines").expect_err("a line feed");
        assert_eq!(
            error.to_string(),
            "has no control characters (found U+000A)"
        );
        assert!(Description::new("").is_ok());
        assert!(Description::new("two\nlines").is_ok());
        assert!(Description::new("a\0b").is_err());
        assert!(Description::new(&"ß".repeat(5000)).is_ok());
        assert!(Description::new(&"ß".repeat(5001)).is_err());
    }

    #[test]
    fn tags_are_few_short_and_different() {
        assert!(Tags::new(["sea", "Häfen", "two words"]).is_ok());
        assert!(Tags::new([&"x".repeat(30)]).is_ok());
        assert!(matches!(
            Tags::new([&"x".repeat(31)]),
            Err(InvalidTags::Tag(_))
        ));
        assert!(matches!(Tags::new([""]), Err(InvalidTags::Tag(_))));
        assert_eq!(Tags::new(["Häfen", "häfen"]), Err(InvalidTags::Repeated));
        let numbers = (0..11).map(|number| number.to_string());
        assert_eq!(Tags::new(numbers), Err(InvalidTags::TooMany { tags: 11 }));
    }

    #[test]
    fn any_text_becomes_a_title() {
        let otherwise = Title::new("Recording").expect("valid");
        let title = |text: &str| Title::out_of(text, &otherwise).as_str().to_owned();
        assert_eq!(title("Harbour"), "Harbour");
        assert_eq!(title("A"), "Recording");
        assert_eq!(title("a\tb"), "a b");
        assert_eq!(title(&"ß".repeat(200)), "ß".repeat(100));
    }
}
