//! Databases for tests: an empty one each, gone with the test.

use std::path::Path;

use tempfile::TempDir;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file in a folder of the test's own.
    Sqlite,
}

/// An empty database and a data folder, removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    url: String,
    folder: TempDir,
}

impl Scratch {
    /// A new one.
    pub async fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = match kind {
            Kind::Sqlite => folder.path().to_string_lossy().into_owned(),
        };
        Self { url, folder }
    }

    /// What `storage::Database::open` takes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes a test of each function for each database: `name::sqlite`. The function is given a
/// [`Scratch`].
///
/// ```
/// scratch::on_each_database! {
///     async fn an_empty_database_opens(scratch) {
///         assert!(scratch.folder().exists());
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_each_database {
    ($($(#[$attribute:meta])* async fn $name:ident($scratch:ident) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports, reason = "whatever the test's module has is the test's to use")]
            use super::*;

            async fn run($scratch: $crate::Scratch) $body

            $(#[$attribute])*
            #[::tokio::test]
            async fn sqlite() {
                run($crate::Scratch::new($crate::Kind::Sqlite).await).await;
            }
        }
    )*};
}
