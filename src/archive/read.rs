//! Reads a backup: all of it once before anything is done with it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use storage::{data_dir, secret_file};

use super::{
    ASSETS, DATABASE, END, Error, FORMAT, HEAD, Head, SECRETS, SMALL_ENTRY_BYTES_MAX, Sum,
};

/// A backup that is whole.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    pub(crate) head: Head,
    /// Each secret's name and content.
    pub(crate) secrets: Vec<(String, Vec<u8>)>,
    /// How many files of media it has.
    pub(crate) media: u64,
    /// Where the dump begins and how long it is, in bytes.
    database: (u64, u64),
}

/// What has been seen of a backup.
#[derive(Default)]
struct Seen {
    head: Option<Head>,
    secrets: Vec<(String, Vec<u8>)>,
    media: u64,
    database: Option<(u64, u64)>,
    sum: Sum,
    ended: bool,
}

impl Archive {
    /// Reads the backup `path` to its end.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let read = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let damaged = |what: String| Error::Damaged {
            path: path.to_owned(),
            what,
        };
        let mut tar = tar::Archive::new(BufReader::new(File::open(path).map_err(read)?));
        let mut seen = Seen::default();
        for entry in tar.entries().map_err(read)? {
            let looked_at = entry.and_then(|mut entry| {
                let taken = seen.take(&mut entry)?;
                Ok(taken)
            });
            match looked_at {
                Ok(Ok(())) => {}
                // What has no such first entry is somebody else's.
                _ if seen.head.is_none() => break,
                Ok(Err(what)) => return Err(damaged(what)),
                Err(error) => return Err(damaged(error.to_string())),
            }
        }
        let path = path.to_owned();
        match (seen.head, seen.database, seen.ended) {
            (None, ..) => Err(Error::Foreign { path }),
            (Some(head), Some(database), true) => Ok(Self {
                path,
                head,
                secrets: seen.secrets,
                media: seen.media,
                database,
            }),
            _ => Err(damaged("its end is missing".to_owned())),
        }
    }

    /// The database's dump, from its beginning.
    pub(crate) fn database(&self) -> io::Result<BufReader<impl Read>> {
        let (start, length) = self.database;
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(start))?;
        Ok(BufReader::new(file.take(length)))
    }

    /// Puts the files of `assets/` into `folder`, which is made, for whoever has the folder that it
    /// is made in. They are on the disk for good when this returns.
    pub(crate) fn extract_media(&self, folder: &Path) -> Result<(), Error> {
        let read = |source| Error::Read {
            path: self.path.clone(),
            source,
        };
        data_dir::make_folder(folder).map_err(|source| unwritable(folder, source))?;
        let mut folders = BTreeSet::from([folder.to_owned()]);
        let file = File::open(&self.path).map_err(read)?;
        let mut tar = tar::Archive::new(BufReader::new(file));
        for entry in tar.entries().map_err(read)? {
            let mut entry = entry.map_err(read)?;
            let name = entry.path().map_err(read)?.into_owned();
            let Some(below) = media_path(&name) else {
                continue;
            };
            let to = folder.join(below);
            let parent = to.parent().unwrap_or(folder);
            let mut extract = || -> io::Result<()> {
                data_dir::make_folder(parent)?;
                let mut file = data_dir::open(&to, |how| how.create_new(true))?;
                io::copy(&mut entry, &mut file)?;
                file.sync_all()
            };
            extract().map_err(|source| unwritable(&to, source))?;
            folders.insert(parent.to_owned());
        }
        for made in folders {
            let synced = File::open(&made).and_then(|made| made.sync_all());
            synced.map_err(|source| unwritable(&made, source))?;
        }
        Ok(())
    }
}

impl Seen {
    /// Takes an entry; the inner `Err` says why a backup does not have it here.
    fn take(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Result<(), String>> {
        let path = entry.path()?.into_owned();
        let name = path.to_str().unwrap_or_default();
        let length = entry.size();
        let is_first = self.sum.entries == 0;
        if self.ended {
            return Ok(Err(format!("{name} stands after the end")));
        }
        if entry.header().entry_type() != tar::EntryType::Regular || is_first != (name == HEAD) {
            return Ok(Err(format!("{name} does not belong there")));
        }
        match name {
            HEAD => {
                let head: Option<Head> = serde_json::from_slice(&small(entry)?).ok();
                self.head = head.filter(|head| head.format == FORMAT);
            }
            DATABASE if self.database.is_none() => {
                self.database = Some((entry.raw_file_position(), length));
                io::copy(entry, &mut io::sink())?;
            }
            END => {
                let sum: Option<Sum> = serde_json::from_slice(&small(entry)?).ok();
                self.ended = true;
                return Ok(match sum == Some(self.sum) {
                    true => Ok(()),
                    false => Err("entries are missing".to_owned()),
                });
            }
            _ => match (secret_name(name), media_path(&path)) {
                (Some(secret), _) => self.secrets.push((secret.to_owned(), small(entry)?)),
                (None, Some(_)) => {
                    self.media += 1;
                    io::copy(entry, &mut io::sink())?;
                }
                (None, None) => return Ok(Err(format!("{name} does not belong there"))),
            },
        }
        self.sum.add(length);
        Ok(Ok(()))
    }
}

fn small(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    entry
        .take(SMALL_ENTRY_BYTES_MAX)
        .read_to_end(&mut content)?;
    Ok(content)
}

/// The file of a secret; `None` where it is none that this version knows.
fn secret_name(entry: &str) -> Option<&str> {
    let name = entry.strip_prefix(SECRETS)?;
    secret_file::NAMES.contains(&name).then_some(name)
}

/// Where a file of media lies below `assets/`; `None` for anything else, and for a path that leads
/// out of it.
fn media_path(entry: &Path) -> Option<&Path> {
    let below = entry.strip_prefix(ASSETS).ok()?;
    let is_plain = |part| matches!(part, Component::Normal(_));
    let plain = !below.as_os_str().is_empty() && below.components().all(is_plain);
    plain.then_some(below)
}

fn unwritable(path: &Path, source: io::Error) -> Error {
    Error::Write {
        path: path.to_owned(),
        source,
    }
}
