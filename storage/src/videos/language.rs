//! Language tags: well-formed by the grammar of BCP 47 (RFC 5646 §2.1), whether or not anybody has
//! registered their parts.

use std::fmt;

/// The longest tag. RFC 5646 §4.4.1 asks for 35 characters at least.
pub const LANGUAGE_CHARS_MAX: usize = 64;

/// A language: `de`, `pt-BR`, `zh-Hant-TW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language(String);

/// A text that is no language tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is a language tag (BCP 47) such as `de` or `pt-BR`, of at most {LANGUAGE_CHARS_MAX} characters"
)]
pub struct InvalidLanguage;

impl Language {
    /// Checks `text`, which is kept as it is.
    pub fn new(text: &str) -> Result<Self, InvalidLanguage> {
        match text.len() <= LANGUAGE_CHARS_MAX && is_well_formed(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidLanguage),
        }
    }

    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The grammar's order: language, three extended ones at most, script, region, variants,
/// extensions, private use. Grandfathered tags, which all have modern forms, are refused.
fn is_well_formed(text: &str) -> bool {
    let mut subtags = text.split('-').peekable();
    let lengths = |subtag: &str, min: usize, max: usize| (min..=max).contains(&subtag.len());
    let is_alpha = |subtag: &str| subtag.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_digits = |subtag: &str| subtag.bytes().all(|byte| byte.is_ascii_digit());
    let is_alphanumeric = |subtag: &str| subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_singleton = |subtag: &str| subtag.len() == 1 && is_alphanumeric(subtag);
    let is_private = |subtag: &str| subtag.eq_ignore_ascii_case("x");

    if !subtags.peek().is_some_and(|first| is_private(first)) {
        match subtags.next() {
            Some(language) if lengths(language, 2, 8) && is_alpha(language) => {}
            _ => return false,
        }
        for _ in 0..3 {
            subtags.next_if(|extended| extended.len() == 3 && is_alpha(extended));
        }
        subtags.next_if(|script| script.len() == 4 && is_alpha(script));
        subtags.next_if(|region| {
            region.len() == 2 && is_alpha(region) || region.len() == 3 && is_digits(region)
        });
        let is_variant = |variant: &&str| {
            let begins_with_digit = variant.starts_with(|first: char| first.is_ascii_digit());
            is_alphanumeric(variant)
                && (lengths(variant, 5, 8) || variant.len() == 4 && begins_with_digit)
        };
        while subtags.next_if(is_variant).is_some() {}
        while subtags
            .next_if(|it| is_singleton(it) && !is_private(it))
            .is_some()
        {
            let is_part = |part: &&str| lengths(part, 2, 8) && is_alphanumeric(part);
            if subtags.next_if(is_part).is_none() {
                return false;
            }
            while subtags.next_if(is_part).is_some() {}
        }
    }
    if subtags.next_if(|it| is_private(it)).is_some() {
        let mut parts = subtags.by_ref().peekable();
        return parts.peek().is_some()
            && parts.all(|part| lengths(part, 1, 8) && is_alphanumeric(part));
    }
    subtags.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_well_formed() {
        // RFC 5646, appendix A.
        for tag in [
            "de",
            "zh-Hant",
            "zh-cmn-Hans-CN",
            "sr-Latn-RS",
            "sl-rozaj-biske",
            "de-CH-1901",
            "hy-Latn-IT-arevela",
            "es-419",
            "de-CH-x-phonebk",
            "az-Arab-x-AZE-derbend",
            "x-whatever",
            "en-US-u-islamcal",
            "en-a-myext-b-another",
        ] {
            assert!(Language::new(tag).is_ok(), "{tag}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for tag in [
            "",
            "d",
            "german1",
            "de-",
            "-de",
            "de--CH",
            "de_CH",
            "de-419-DE",
            "a-DE",
            "x",
            "de-x",
            "en-a",
            "dé",
            "de\"",
            "de-CH-x-123456789",
            &"a-".repeat(40),
        ] {
            assert_eq!(Language::new(tag), Err(InvalidLanguage), "{tag:?}");
        }
    }
}
