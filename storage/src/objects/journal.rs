//! What is known of an unfinished upload, in a small file beside the file that is uploaded: its id
//! and the parts that the store has. With it another process goes on where this one ended.
//!
//! A line each, appended; a last line without its end is not believed. Only the first lines are
//! forced to the disk: a part that is forgotten is uploaded again, an upload that is forgotten would
//! stay at the store.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use object_store::MultipartId;

use crate::data_dir;

/// What the journal's name ends with, after the file's.
pub const SUFFIX: &str = ".upload";

/// The format's name and version.
const FORMAT: &str = "millrace-upload 1";

/// The longest journal that is read: 10,000 parts of some hundred bytes.
const LEN_MAX: u64 = 4 << 20;

/// An upload that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) id: MultipartId,
    /// The parts that the store has, by their numbers.
    pub(super) parts: BTreeMap<u64, Part>,
}

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) len_bytes: u64,
    /// What the store called it.
    pub(super) name: String,
}

/// The journal of one file. Every method waits for the disk.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// Store and key: of another place nothing is believed.
    target: String,
}

impl Journal {
    pub(super) fn beside(file: &Path, target: String) -> Self {
        let mut path = OsString::from(file);
        path.push(SUFFIX);
        Self {
            path: path.into(),
            target,
        }
    }

    /// The upload that was begun; `None` where there is none, or one at another place. A last line
    /// without its end is cut off, so that the next does not continue it.
    pub(super) fn load(&self) -> io::Result<Option<Begun>> {
        match std::fs::metadata(&self.path) {
            Ok(about) if about.len() > LEN_MAX => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let bytes = std::fs::read(&self.path)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |end| end + 1);
        if whole < bytes.len() {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            file.set_len(whole as u64)?;
        }
        Ok(self.parse(&String::from_utf8_lossy(&bytes[..whole])))
    }

    fn parse(&self, text: &str) -> Option<Begun> {
        let mut lines = text.lines();
        if lines.next()? != FORMAT || lines.next()? != self.target {
            return None;
        }
        let id = lines.next().filter(|id| !id.is_empty())?.to_owned();
        let part = |line: &str| {
            let (index, rest) = line.split_once(' ')?;
            let (len_bytes, name) = rest.split_once(' ')?;
            let part = Part {
                len_bytes: len_bytes.parse().ok()?,
                name: name.to_owned(),
            };
            Some((index.parse().ok()?, part))
        };
        Some(Begun {
            id,
            parts: lines.map_while(part).collect(),
        })
    }

    /// Notes that an upload has begun, and forgets the one before.
    pub(super) fn begin(&self, id: &str) -> io::Result<()> {
        one_line(id)?;
        let mut file = data_dir::open(&self.path, |how| how.create(true).truncate(true))?;
        write!(file, "{FORMAT}\n{}\n{id}\n", self.target)?;
        file.sync_all()
    }

    /// Notes that the store has a part.
    pub(super) fn part(&self, index: u64, part: &Part) -> io::Result<()> {
        one_line(&part.name)?;
        let line = format!("{index} {} {}\n", part.len_bytes, part.name);
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        file.write_all(line.as_bytes())
    }

    /// The upload has ended.
    pub(super) fn end(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// S3's ids and ETags are; what is not could be read back as something else.
fn one_line(text: &str) -> io::Result<()> {
    match text.contains(['\n', '\r']) {
        true => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the store names an upload or a part in more than one line",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(folder: &Path) -> Journal {
        Journal::beside(
            &folder.join("720p.mp4"),
            "s3://media assets/a/720p.mp4".into(),
        )
    }

    fn part(name: &str) -> Part {
        Part {
            len_bytes: 8 << 20,
            name: name.to_owned(),
        }
    }

    fn begun(parts: &[(u64, &str)]) -> Begun {
        Begun {
            id: "an id".into(),
            parts: parts
                .iter()
                .map(|(index, name)| (*index, part(name)))
                .collect(),
        }
    }

    #[test]
    fn what_was_noted_is_read_back_and_gone_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = journal(folder.path());
        assert_eq!(journal.load().expect("readable"), None);
        journal.begin("an id").expect("written");
        assert_eq!(journal.load().expect("readable"), Some(begun(&[])));
        journal.part(1, &part("\"b\"")).expect("written");
        journal.part(0, &part("\"a b\"")).expect("written");
        let both = begun(&[(0, "\"a b\""), (1, "\"b\"")]);
        assert_eq!(journal.load().expect("readable"), Some(both));
        journal.begin("another").expect("written");
        assert_eq!(
            journal.load().expect("readable").map(|begun| begun.id),
            Some("another".into())
        );
        journal.end().expect("removed");
        journal.end().expect("nothing to remove");
        assert_eq!(journal.load().expect("readable"), None);
        assert!(journal.part(0, &part("x")).is_err());
        assert!(journal.begin("two\nlines").is_err());
    }

    #[test]
    fn a_journal_cut_at_any_byte_claims_nothing_that_is_not_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = journal(folder.path());
        journal.begin("an id").expect("written");
        journal.part(0, &part("\"aaaa\"")).expect("written");
        journal.part(1, &part("\"bbbb\"")).expect("written");
        let whole = std::fs::read(&journal.path).expect("readable");
        let may_be = [
            None,
            Some(begun(&[])),
            Some(begun(&[(0, "\"aaaa\"")])),
            Some(begun(&[(0, "\"aaaa\""), (1, "\"bbbb\"")])),
        ];
        for len in 0..=whole.len() {
            std::fs::write(&journal.path, &whole[..len]).expect("written");
            let read = journal.load().expect("readable");
            assert!(may_be.contains(&read), "{len}: {read:?}");
            if let Some(mut begun) = read {
                journal.part(7, &part("after")).expect("written");
                begun.parts.insert(7, part("after"));
                assert_eq!(journal.load().expect("readable"), Some(begun), "{len}");
            }
        }
    }

    #[test]
    fn the_journal_of_another_bucket_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = journal(folder.path());
        journal.begin("an id").expect("written");
        let file = folder.path().join("720p.mp4");
        let other = Journal::beside(&file, "s3://other assets/a/720p.mp4".into());
        assert_eq!(other.load().expect("readable"), None);
    }
}
