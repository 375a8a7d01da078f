//! The secret that opens the control API: `DATA/admin-token`, made once at the first start.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use crate::random;
use crate::secret_file::{Error, SecretFile};

/// The token's file in the data folder.
pub const FILE_NAME: &str = "admin-token";

/// Begins every generated token, so that one is recognised where it should not be.
const PREFIX: &str = "mra_";

/// Characters of base32 after the prefix: 160 bits.
const RANDOM_CHARS: usize = 32;

/// How long a token is that somebody made themselves, in the file or the configuration: a shorter one
/// could be guessed over the network, a longer one does not fit into a request's header.
pub const LENGTH: RangeInclusive<usize> = 24..=512;

/// The admin token in plain text. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// A token that the operator has configured, of [`LENGTH`], as it is.
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

/// Reads `data_dir`'s admin token; makes one where there is none yet. Of several processes that
/// do this at once, one makes it and all return it. Blocks on a few small files.
pub fn load_or_create(data_dir: &Path) -> Result<AdminToken, Error> {
    let file = SecretFile {
        what: "the admin token",
        name: FILE_NAME,
        length: LENGTH,
        generate: || Ok(format!("{PREFIX}{}", random::base32::<RANDOM_CHARS>()?)),
    };
    file.load_or_create(data_dir).map(AdminToken)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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
            &"x".repeat(LENGTH.end() + 1),
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
