//! The secret that opens the control API: `DATA/admin-token`, made once at the first start.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::rand_core::OsError;

use crate::data_dir::{self, PRIVATE_MODE};
use crate::random;

/// The token's file in the data folder.
pub const FILE_NAME: &str = "admin-token";

/// Begins every generated token, so that one is recognised where it should not be.
const PREFIX: &str = "mra_";

/// Characters of base32 after the prefix: 160 bits.
const RANDOM_CHARS: usize = 32;

/// The shortest token accepted from the file, where somebody put one of their own there: less
/// could be guessed over the network.
const LENGTH_MIN: usize = 24;

/// The longest token accepted from the file: it has to fit into a request's header.
const LENGTH_MAX: usize = 512;

/// The admin token in plain text. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// A token that the operator has configured, as it is.
    pub fn configured(token: String) -> Self {
        Self(token)
    }

    /// The secret itself, to compare with or to show to whoever may read the data folder.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(redacted)")
    }
}

/// Why there is no admin token. Each message is one line that names the path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    /// The token's file is there but cannot be read.
    #[error(
        "cannot read the admin token {}: {source}; run as the user that runs millrace",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The token's file holds something else.
    #[error(
        "{} is not an admin token of {LENGTH_MIN} to {LENGTH_MAX} visible ASCII characters; \
         delete it to have a new one made", path.display()
    )]
    Invalid {
        /// The file.
        path: PathBuf,
    },
    /// The token's file cannot be written.
    #[error(
        "cannot write the admin token {}: {source}; make the data folder writable for the user \
         that runs millrace", path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] OsError),
}

/// Reads `data_dir`'s admin token; makes one where there is none yet. Of several processes that
/// do this at once, one makes it and all return it. Blocks on a few small files.
pub fn load_or_create(data_dir: &Path) -> Result<AdminToken, Error> {
    let path = data_dir.join(FILE_NAME);
    if let Some(token) = load(&path)? {
        return Ok(token);
    }
    let _preparation = data_dir::prepare(data_dir)?;
    // Another process may have made it while this one waited.
    if let Some(token) = load(&path)? {
        return Ok(token);
    }
    let token = AdminToken(format!("{PREFIX}{}", random::base32::<RANDOM_CHARS>()?));
    store(&path, &token).map_err(|source| Error::Write { path, source })?;
    Ok(token)
}

/// The token in `path`; `None` where there is no such file.
fn load(path: &Path) -> Result<Option<AdminToken>, Error> {
    let read = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read(error)),
    };
    let mode = file.metadata().map_err(read)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format_args!("{mode:o}"),
            "other users can read the admin token: chmod 600 it"
        );
    }
    let mut text = Vec::new();
    // One line's end more than the longest token.
    file.take(LENGTH_MAX as u64 + 2)
        .read_to_end(&mut text)
        .map_err(read)?;
    let token = text.trim_ascii();
    let valid =
        (LENGTH_MIN..=LENGTH_MAX).contains(&token.len()) && token.iter().all(u8::is_ascii_graphic);
    match str::from_utf8(token) {
        Ok(token) if valid => Ok(Some(AdminToken(token.to_owned()))),
        _ => Err(Error::Invalid {
            path: path.to_owned(),
        }),
    }
}

/// Written under another name first, so that nobody ever reads half a token, and private from the
/// moment it exists.
fn store(path: &Path, token: &AdminToken) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // Left by a process that died on the next lines; the lock is ours.
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_MODE)
        .open(&unfinished)?;
    file.write_all(token.reveal().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let data_dir = folder.path().join("data");
        let token = load_or_create(&data_dir).expect("made");
        assert_eq!(token.reveal().len(), PREFIX.len() + RANDOM_CHARS);
        assert!(!format!("{token:?}").contains(token.reveal()));

        let path = data_dir.join(FILE_NAME);
        let mode = std::fs::metadata(&path).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).expect("text");
        assert_eq!(text, format!("{}\n", token.reveal()));
        assert_eq!(load_or_create(&data_dir).expect("read"), token);
    }

    #[test]
    fn of_many_at_once_one_makes_it() {
        let folder = tempfile::tempdir().expect("folder");
        let tokens: Vec<AdminToken> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| load_or_create(folder.path()).expect("token")))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("thread"))
                .collect()
        });
        assert!(tokens.iter().all(|token| *token == tokens[0]));
    }

    #[test]
    fn a_half_written_token_of_a_dead_process_is_no_obstacle() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("admin-token.new"), "mra_ha").expect("write");
        let token = load_or_create(folder.path()).expect("token");
        assert_eq!(load_or_create(folder.path()).expect("token"), token);
    }

    #[test]
    fn a_file_that_holds_no_token_is_named_and_kept() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(FILE_NAME);
        for text in [
            "",
            "short",
            &"x".repeat(LENGTH_MAX + 1),
            "two words and a good deal more of them",
        ] {
            std::fs::write(&path, text).expect("write");
            let message = load_or_create(folder.path())
                .expect_err("invalid")
                .to_string();
            assert!(
                message.starts_with(&path.display().to_string()),
                "{message}"
            );
            assert!(message.contains("delete it"), "{message}");
            assert_eq!(std::fs::read_to_string(&path).expect("kept"), text);
        }
    }

    #[test]
    fn a_token_of_ones_own_is_taken() {
        let folder = tempfile::tempdir().expect("folder");
        let own = "a-token-from-our-vault-0123456789";
        std::fs::write(folder.path().join(FILE_NAME), format!("{own}\r\n")).expect("write");
        assert_eq!(load_or_create(folder.path()).expect("read").reveal(), own);
    }
}
