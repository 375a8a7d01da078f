//! Attribute lists (RFC 8216 §4.2).

use super::{Fault, seconds};

/// Most attributes that are read of one tag.
const ATTRIBUTES_MAX: usize = 100;

/// The attributes of one tag.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attributes {
    /// The tag's line.
    pub(crate) line: usize,
    list: Vec<Attribute>,
}

#[derive(Clone, Debug, PartialEq)]
struct Attribute {
    name: String,
    value: String,
    quoted: bool,
}

impl Attributes {
    /// Reads what stands behind a tag's colon. What cannot be read is added to `faults`.
    pub(crate) fn parse(line: usize, text: &str, faults: &mut Vec<Fault>) -> Self {
        let mut list: Vec<Attribute> = Vec::new();
        let mut rest = text;
        let mut fault = |what: String| faults.push(Fault { line, what });
        while !rest.is_empty() && list.len() < ATTRIBUTES_MAX {
            let Some((name, after)) = rest.split_once('=') else {
                fault(format!("{rest:?} is no attribute"));
                break;
            };
            let legal =
                |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
            let name = name.trim_start();
            if name.is_empty() || !name.bytes().all(legal) {
                fault(format!("{name:?} is no attribute's name"));
            }
            let (value, quoted, after) = match after.strip_prefix('"') {
                Some(inner) => match inner.split_once('"') {
                    Some((value, after)) => (value, true, after),
                    None => {
                        fault(format!("{name}: the quotation mark is not closed"));
                        break;
                    }
                },
                None => {
                    let end = after.find(',').unwrap_or(after.len());
                    (&after[..end], false, &after[end..])
                }
            };
            if list.iter().any(|known| known.name == name) {
                fault(format!("{name} stands twice"));
            }
            list.push(Attribute {
                name: name.to_owned(),
                value: value.to_owned(),
                quoted,
            });
            rest = match after.strip_prefix(',') {
                Some(rest) => rest,
                None if after.trim().is_empty() => "",
                None => {
                    fault(format!("{after:?} follows {name}"));
                    break;
                }
            };
        }
        Self { line, list }
    }

    fn find(&self, name: &str) -> Option<&Attribute> {
        self.list.iter().find(|attribute| attribute.name == name)
    }

    /// A value, quoted or not.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.find(name).map(|attribute| attribute.value.as_str())
    }

    /// A quoted string's value; `None` where it is not quoted.
    pub(crate) fn quoted(&self, name: &str) -> Option<&str> {
        let attribute = self.find(name).filter(|attribute| attribute.quoted)?;
        Some(attribute.value.as_str())
    }

    /// Whether an enumerated string is `YES`.
    pub(crate) fn yes(&self, name: &str) -> bool {
        self.find(name)
            .is_some_and(|attribute| !attribute.quoted && attribute.value == "YES")
    }

    /// A decimal integer.
    pub(crate) fn integer(&self, name: &str) -> Option<u64> {
        self.find(name)?.value.parse().ok()
    }

    /// A decimal number of seconds, or of anything that cannot be negative.
    pub(crate) fn decimal(&self, name: &str) -> Option<f64> {
        seconds(&self.find(name)?.value)
    }
}
