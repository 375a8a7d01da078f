//! `millrace backup` and `millrace restore`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, bail};
use storage::dump::{Dump, Existing};
use storage::{Database, data_dir, secret_file};

use crate::archive::{ASSETS, Archive, Writer};
use crate::config::Config;
use crate::server;

/// Where media is put while it is not known whether the database will take the backup.
const ASSETS_UNFINISHED: &str = "assets.restoring";

/// Where media that is replaced is, until that has happened.
const ASSETS_REPLACED: &str = "assets.replaced";

/// Writes a backup to `path` and what is in it to `out`. Neither makes nor changes anything else: a
/// wrong folder is an error and no empty installation, and an old one is backed up as it is.
pub(crate) async fn backup(
    config: &Config,
    path: &Path,
    media: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if !config.data.is_dir() {
        bail!(
            "there is no data folder {}; give the one that the server has (--data, MILLRACE_DATA or \
             --config)",
            config.data.display()
        );
    }
    let location = server::location(config)?;
    let database = Database::open_existing_at(&location).await?;
    let mut writer = Writer::create(path, media, SystemTime::now())?;
    let mut spool = BufWriter::new(writer.spool()?);
    let dump = database.dump(&mut spool).await;
    database.close().await;
    let dump = dump.with_context(|| format!("cannot back up {location}"))?;
    writer.database(spool.into_inner()?)?;
    let secrets = secret_file::read_all(&config.data)?;
    for (name, content) in &secrets {
        writer.secret(name, content)?;
    }
    let files = match media {
        true => Some(writer.media(&config.data)?),
        false => None,
    };
    writer.finish()?;
    tell(out, &dump, secrets.len(), files)?;
    Ok(())
}

/// Puts the backup `path` in place of what is there and writes what was in it to `out`.
pub(crate) async fn restore(
    config: &Config,
    path: &Path,
    force: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let existing = match force {
        true => Existing::Replace,
        false => Existing::Keep,
    };
    let archive = Archive::open(path)?;
    Dump::check(archive.database()?).with_context(|| path.display().to_string())?;
    if existing == Existing::Keep {
        check_folder(config, &archive)?;
    }
    let database = server::open_database(config).await?;
    let restored = restore_all(config, &archive, &database, existing).await;
    database.close().await;
    let dump = restored?;
    let media = archive.head.media.then_some(archive.media);
    writeln!(
        out,
        "restored the backup of {} (millrace {})",
        archive.head.written_at, archive.head.millrace
    )?;
    tell(out, &dump, archive.secrets.len(), media)?;
    Ok(())
}

/// The database changes whole or not at all; what is in the folder follows it by renaming.
async fn restore_all(
    config: &Config,
    archive: &Archive,
    database: &Database,
    existing: Existing,
) -> anyhow::Result<Dump> {
    data_dir::make_folder(&config.data)?;
    let unfinished = config.data.join(ASSETS_UNFINISHED);
    // Left by a restoration that was interrupted.
    remove(&unfinished)?;
    if archive.head.media {
        archive.extract_media(&unfinished)?;
    }
    let restored = database.restore(|| archive.database(), existing).await;
    let dump = match restored {
        Ok(dump) => dump,
        Err(error @ storage::dump::Error::NotEmpty { .. }) => {
            remove(&unfinished)?;
            bail!("{error}; --force replaces what is there");
        }
        Err(error) => {
            remove(&unfinished)?;
            return Err(error.into());
        }
    };
    if archive.head.media {
        let (assets, replaced) = (config.data.join(ASSETS), config.data.join(ASSETS_REPLACED));
        remove(&replaced)?;
        if assets.exists() {
            std::fs::rename(&assets, &replaced)?;
        }
        std::fs::rename(&unfinished, &assets)?;
        File::open(&config.data)?.sync_all()?;
        remove(&replaced)?;
    }
    for (name, content) in &archive.secrets {
        secret_file::replace(&config.data, name, content)?;
    }
    Ok(dump)
}

/// Whether nothing in the data folder would be lost.
fn check_folder(config: &Config, archive: &Archive) -> anyhow::Result<()> {
    for (name, content) in secret_file::read_all(&config.data)? {
        let others = archive.secrets.iter().filter(|(other, _)| *other == name);
        if others.into_iter().any(|(_, other)| *other != content) {
            let path = config.data.join(name);
            bail!(
                "{} is there already and another one than in the backup; --force replaces it",
                path.display()
            );
        }
    }
    let assets = config.data.join(ASSETS);
    let any = std::fs::read_dir(&assets).is_ok_and(|mut entries| entries.next().is_some());
    if archive.head.media && any {
        bail!(
            "{} is not empty; --force replaces it by the backup's",
            assets.display()
        );
    }
    Ok(())
}

fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn tell(out: &mut dyn Write, dump: &Dump, secrets: usize, media: Option<u64>) -> io::Result<()> {
    for table in &dump.tables {
        writeln!(out, "{}  {} rows", table.table, table.rows)?;
    }
    writeln!(out, "secrets  {secrets} files")?;
    match media {
        Some(files) => writeln!(out, "media  {files} files"),
        None => writeln!(out, "media  not in it (millrace backup --media)"),
    }
}
