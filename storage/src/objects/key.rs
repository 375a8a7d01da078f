//! Where a file of an asset lies in the store: `assets/{asset}/{file}`.

use std::fmt;
use std::sync::Arc;

use media_core::AssetId;
use object_store::path::Path;

/// What all keys begin with: the bucket may hold other things too.
const FOLDER: &str = "assets";

/// The longest file name: ours have some twenty characters.
const NAME_MAX: usize = 100;

/// A file of an asset. It can stand in a URL and in a path as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    asset: AssetId,
    name: Arc<str>,
}

/// A name that no file of an asset has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is no file of an asset: letters, digits, '-', '_' and '.' (not at the beginning), \
     at most {NAME_MAX}"
)]
pub struct InvalidName {
    /// What was given.
    pub name: String,
}

impl Key {
    /// The key of the file `name` of `asset`.
    ///
    /// # Errors
    /// The name is empty, longer than 100 characters, begins with a dot, or has other characters
    /// than ASCII letters, digits, `-`, `_` and `.`.
    pub fn new(asset: &AssetId, name: &str) -> Result<Self, InvalidName> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        if !(1..=NAME_MAX).contains(&name.len())
            || name.starts_with('.')
            || !name.bytes().all(allowed)
        {
            return Err(InvalidName {
                name: name.to_owned(),
            });
        }
        Ok(Self {
            asset: asset.clone(),
            name: name.into(),
        })
    }

    /// The asset.
    pub fn asset(&self) -> &AssetId {
        &self.asset
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key that an object's path is, without the store's own prefix.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut pieces = path.split('/');
        let (folder, asset, name) = (pieces.next()?, pieces.next()?, pieces.next()?);
        if folder != FOLDER || pieces.next().is_some() {
            return None;
        }
        Self::new(&AssetId::new(asset).ok()?, name).ok()
    }

    /// What all keys begin with, or all of one asset.
    pub(super) fn folder(asset: Option<&AssetId>) -> String {
        match asset {
            Some(asset) => format!("{FOLDER}/{}", asset.as_str()),
            None => FOLDER.to_owned(),
        }
    }

    /// The object's path below the store's own prefix.
    pub(super) fn below(&self, prefix: &Path) -> Path {
        let path = self.to_string();
        path.split('/').fold(prefix.clone(), Path::join)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FOLDER}/{}/{}", self.asset.as_str(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_and_read_back() {
        let asset = AssetId::new("a1b2").expect("an id");
        let key = Key::new(&asset, "720p.mp4").expect("a name");
        assert_eq!(key.to_string(), "assets/a1b2/720p.mp4");
        assert_eq!(Key::parse("assets/a1b2/720p.mp4"), Some(key));
    }

    #[test]
    fn nothing_leads_out_of_the_assets_folder() {
        let asset = AssetId::new("a1b2").expect("an id");
        let long = "x".repeat(NAME_MAX + 1);
        for name in [
            "", ".", "..", "../x", ".x", "a/b", "a b", "ä", "a%2f", &long,
        ] {
            assert!(Key::new(&asset, name).is_err(), "{name:?}");
        }
        for path in [
            "",
            "assets",
            "assets/a1b2",
            "assets/a1b2/x/y",
            "other/a1b2/x",
        ] {
            assert_eq!(Key::parse(path), None, "{path:?}");
        }
    }
}
