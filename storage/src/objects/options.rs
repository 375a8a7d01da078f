//! What a store has to know beside its URL: the variables with S3's endpoint, region and
//! credentials, under the names that everything for S3 knows.

use std::collections::BTreeMap;
use std::fmt;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

use super::http_client::Patience;

/// What the variables begin with.
const PREFIX: &str = "AWS_";

/// Variables and waits. `Debug` shows the variables' names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options {
    variables: BTreeMap<String, String>,
    patience: Patience,
}

impl Options {
    /// The process's `AWS_` variables: `AWS_ENDPOINT`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_ALLOW_HTTP`,
    /// `AWS_VIRTUAL_HOSTED_STYLE_REQUEST` and the others of
    /// [`AmazonS3ConfigKey`](https://docs.rs/object_store/latest/object_store/aws/enum.AmazonS3ConfigKey.html).
    pub fn from_env() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            name.starts_with(PREFIX).then_some((name, value))
        });
        Self {
            variables: variables.collect(),
            patience: Patience::default(),
        }
    }

    /// With this variable too, such as `AWS_ENDPOINT`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With these waits in place of the usual ones.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// A builder that has them all. Variables that it does not know are other programs'.
    pub(super) fn builder(&self) -> AmazonS3Builder {
        let mut builder = AmazonS3Builder::new();
        for (name, value) in &self.variables {
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        builder
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .field("patience", &self.patience)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let options = Options::default()
            .with("AWS_SECRET_ACCESS_KEY", "hunter2")
            .with("AWS_ENDPOINT", "http://user:hunter2@127.0.0.1");
        let shown = format!("{options:?}");
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
