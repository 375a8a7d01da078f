//! Databases and S3 servers for tests: an empty one each, gone with the test.

pub mod postgres;
pub mod s3;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file in a folder of the test's own.
    Sqlite,
    /// A database of the test's own on the [`postgres::Server`] of this run.
    Postgres,
}

/// An empty database and a data folder, removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    url: String,
    folder: TempDir,
    postgres: Option<Postgres>,
}

/// A database on a server.
#[derive(Debug)]
struct Postgres {
    server: postgres::Server,
    name: String,
}

impl Scratch {
    /// A new one.
    pub async fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let postgres = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(
                tokio::task::spawn_blocking(Postgres::create)
                    .await
                    .expect("a database"),
            ),
        };
        let url = match &postgres {
            None => folder.path().to_string_lossy().into_owned(),
            Some(postgres) => postgres.server.url(&postgres.name),
        };
        Self {
            url,
            folder,
            postgres,
        }
    }

    /// Which database it is.
    pub fn kind(&self) -> Kind {
        match self.postgres {
            None => Kind::Sqlite,
            Some(_) => Kind::Postgres,
        }
    }

    /// What `storage::Database::open` takes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server and the name of the database on it; `None` for [`Kind::Sqlite`].
    pub fn server(&self) -> Option<(&postgres::Server, &str)> {
        let postgres = self.postgres.as_ref()?;
        Some((&postgres.server, &postgres.name))
    }

    /// Takes the database away from everybody, as a server's end does: connections break off and
    /// new ones are refused. Blocks. Panics for [`Kind::Sqlite`], which nobody can take away.
    pub fn cut(&self) {
        let (server, name) = self.server().expect("a database on a server");
        let refuse = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
        let break_off = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        server.execute("postgres", &[&refuse, &break_off]);
    }

    /// Gives back what [`Scratch::cut`] took. Blocks.
    pub fn mend(&self) {
        let (server, name) = self.server().expect("a database on a server");
        let allow = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
        server.execute("postgres", &[&allow]);
    }
}

impl Postgres {
    fn create() -> Self {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let name = format!("scratch_{}_{number}", std::process::id());
        let server = postgres::Server::shared();
        // Left by a process of the same number.
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        let create = format!("CREATE DATABASE {name}");
        server.execute(
            "postgres",
            &["SET client_min_messages = error", &drop, &create],
        );
        Self { server, name }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            self.server.execute("postgres", &[&drop]);
        }
    }
}

/// Makes two tests of each function, one for each database: `name::sqlite` and `name::postgres`.
/// The function is given a [`Scratch`].
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

            $(#[$attribute])*
            #[::tokio::test]
            async fn postgres() {
                run($crate::Scratch::new($crate::Kind::Postgres).await).await;
            }
        }
    )*};
}

#[cfg(test)]
mod tests;
