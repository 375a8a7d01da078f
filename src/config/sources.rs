//! Where a setting's value comes from: flag over variable over file over default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Error;
use super::settings::{SETTINGS, Setting, VARIABLE_PREFIX};

/// A value as it was written, and where.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// Where a value was written.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Every setting's value by its path.
#[derive(Debug)]
pub(crate) struct Values(BTreeMap<&'static str, Value>);

/// What the command line sets.
pub(crate) type Flags = Vec<(&'static str, &'static str, String)>;

impl Values {
    /// Merges defaults, `file`, `variables` and `flags` (path, flag, text).
    pub(crate) fn merge(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
        flags: Flags,
    ) -> Result<Self, Error> {
        let mut values: BTreeMap<&'static str, Value> = SETTINGS
            .iter()
            .map(|setting| {
                let text = setting.default.to_owned();
                (
                    setting.path,
                    Value {
                        text,
                        origin: Origin::Default,
                    },
                )
            })
            .collect();
        if let Some(path) = file {
            for (key, text) in read_file(path)? {
                let known = known_path(&key).ok_or_else(|| Error::UnknownKey {
                    origin: path.display().to_string(),
                    nearest: nearest(&key, SETTINGS.iter().map(|setting| setting.path.to_owned())),
                    key,
                })?;
                values.insert(
                    known,
                    Value {
                        text,
                        origin: Origin::File(path.to_owned()),
                    },
                );
            }
        }
        for (name, text) in variables.filter(|(name, _)| name.starts_with(VARIABLE_PREFIX)) {
            let setting = SETTINGS.iter().find(|setting| setting.variable() == name);
            let Some(setting) = setting else {
                let nearest = nearest(&name, SETTINGS.iter().map(Setting::variable));
                if nearest.is_none() && !names_a_table(&name) {
                    // Somebody else's, such as a script's MILLRACE_BINARY.
                    continue;
                }
                let origin = "the environment".into();
                return Err(Error::UnknownKey {
                    origin,
                    nearest,
                    key: name,
                });
            };
            values.insert(
                setting.path,
                Value {
                    text,
                    origin: Origin::Variable(name),
                },
            );
        }
        for (path, flag, text) in flags {
            values.insert(
                path,
                Value {
                    text,
                    origin: Origin::Flag(flag),
                },
            );
        }
        Ok(Self(values))
    }

    /// A setting's value; every path of the table has one.
    pub(crate) fn value(&self, path: &str) -> &Value {
        self.0
            .get(path)
            .expect("every path of the table has a value")
    }
}

/// Whether a variable can only be meant for one of our tables: `MILLRACE_HLS_…`.
fn names_a_table(variable: &str) -> bool {
    let name = variable.trim_start_matches(VARIABLE_PREFIX).to_lowercase();
    SETTINGS
        .iter()
        .filter_map(|setting| setting.path.split_once('.'))
        .any(|(table, _)| {
            name.strip_prefix(table)
                .is_some_and(|rest| rest.starts_with('_'))
        })
}

fn known_path(key: &str) -> Option<&'static str> {
    SETTINGS
        .iter()
        .map(|setting| setting.path)
        .find(|path| *path == key)
}

/// The file's keys as dotted paths with their values as text.
fn read_file(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| Error::NotToml {
            path: path.to_owned(),
            line: error
                .span()
                .map_or(1, |span| text[..span.start].lines().count().max(1)),
            what: error.message().to_owned(),
        })?;
    let mut pairs = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => {
                pairs.extend(
                    inner
                        .into_iter()
                        .map(|(key, value)| (format!("{name}.{key}"), value)),
                );
            }
            value => pairs.push((name, value)),
        }
    }
    Ok(pairs
        .into_iter()
        .map(|(key, value)| (key, as_text(value)))
        .collect())
}

fn as_text(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Array(items) => items
            .into_iter()
            .map(as_text)
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}

/// The known name most like `wrong`, if one is near.
fn nearest(wrong: &str, known: impl Iterator<Item = String>) -> Option<String> {
    /// Two typing errors.
    const DISTANCE_MAX: usize = 2;
    known
        .map(|name| (edit_distance(wrong, &name), name))
        .min()
        .filter(|(distance, _)| *distance <= DISTANCE_MAX)
        .map(|(_, name)| name)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
