//! Backups that are whole come back; nothing else is taken for one.

use std::io::{Read, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use storage::admin_token;

use super::*;

const DUMP: &str = "not looked at here\n";

/// Writes a backup with a secret and two files of media to `path`.
fn write(folder: &Path, path: &Path) {
    let assets = folder.join("assets/broadcast");
    std::fs::create_dir_all(&assets).expect("a folder");
    std::fs::write(assets.join("720p.mp4"), "pictures").expect("a file");
    std::fs::write(assets.join("audio.mp4"), "").expect("a file");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let mut writer = Writer::create(path, true, now).expect("a backup");
    let mut spool = writer.spool().expect("a spool");
    spool.write_all(DUMP.as_bytes()).expect("room for it");
    writer.database(spool).expect("the dump");
    let name = admin_token::FILE_NAME;
    writer.secret(name, b"mra_secret\n").expect("a secret");
    assert_eq!(writer.media(folder).expect("media"), 2);
    writer.finish().expect("the end");
}

#[test]
fn a_backup_comes_back_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.tar");
    write(folder.path(), &path);
    let mode = std::fs::metadata(&path).expect("file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let archive = Archive::open(&path).expect("whole");
    assert_eq!(archive.head.written_at, "2026-01-01T00:00:00Z");
    assert!(archive.head.media);
    let name = admin_token::FILE_NAME.to_owned();
    assert_eq!(archive.secrets, [(name, b"mra_secret\n".to_vec())]);
    let mut dump = String::new();
    let mut database = archive.database().expect("the dump");
    database.read_to_string(&mut dump).expect("text");
    assert_eq!(dump, DUMP);
    // As root: the service's, as the folder that they are put into is.
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    let owner = match std::fs::metadata(&data).expect("there").uid() {
        0 => {
            std::os::unix::fs::chown(&data, Some(61_234), Some(61_234)).expect("root may");
            61_234
        }
        ours => ours,
    };
    let to = data.join("restored");
    archive.extract_media(&to).expect("room for it");
    let content = |name: &str| std::fs::read_to_string(to.join(name)).expect("a file");
    assert_eq!(content("broadcast/720p.mp4"), "pictures");
    assert_eq!(content("broadcast/audio.mp4"), "");
    for (name, expected) in [
        ("", 0o700),
        ("broadcast", 0o700),
        ("broadcast/720p.mp4", 0o600),
    ] {
        let about = std::fs::metadata(to.join(name)).expect("there");
        assert_eq!(about.permissions().mode() & 0o777, expected, "{name}");
        assert_eq!(about.uid(), owner, "{name}");
    }
}

#[test]
fn a_file_that_is_there_is_not_replaced_and_an_unfinished_one_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.tar");
    drop(Writer::create(&path, false, SystemTime::now()).expect("a backup"));
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0);
    std::fs::write(&path, "somebody's").expect("a file");
    let error = Writer::create(&path, false, SystemTime::now()).err();
    let message = error.expect("it is there").to_string();
    assert!(message.contains("a.tar"), "{message}");
    assert_eq!(std::fs::read(&path).expect("kept"), b"somebody's");
}

#[test]
fn no_part_of_a_backup_passes_for_a_whole_one() {
    /// What follows the last entry's content: the rest of its block and two empty ones (tar).
    const PADDING_BYTES: usize = 3 * 512;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.tar");
    write(folder.path(), &path);
    let whole = std::fs::read(&path).expect("a file");
    for end in (0..whole.len() - PADDING_BYTES).step_by(64) {
        std::fs::write(&path, &whole[..end]).expect("room for it");
        let error = Archive::open(&path).expect_err("a part");
        let message = error.to_string();
        assert!(message.contains("a.tar"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn other_files_are_foreign() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.tar");
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, "README", b"hello");
    let tar = tar.into_inner().expect("a tar");
    for content in [&b""[..], b"notes", &[0; 4096], &[0xff; 4096], &tar] {
        std::fs::write(&path, content).expect("room for it");
        let error = Archive::open(&path).expect_err("foreign");
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
    }
    let error = Archive::open(&folder.path().join("nothere")).expect_err("nothing");
    assert!(matches!(error, Error::Read { .. }), "{error}");
}

#[test]
fn entries_that_no_backup_has_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.tar");
    let head = r#"{"format":"millrace-backup-1","written_at":"","millrace":"0.1.0","media":true}"#;
    for name in [
        "secrets/authorized_keys",
        "secrets/../../etc/passwd",
        "assets/../../etc/passwd",
        "assets/",
        "/etc/passwd",
        "README",
        HEAD,
    ] {
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, HEAD, head.as_bytes());
        append(&mut tar, DATABASE, b"");
        append(&mut tar, name, b"x");
        append(
            &mut tar,
            END,
            format!("{{\"entries\":3,\"bytes\":{}}}", head.len() + 1).as_bytes(),
        );
        std::fs::write(&path, tar.into_inner().expect("a tar")).expect("room for it");
        let error = Archive::open(&path).expect_err(name);
        assert!(
            error.to_string().contains("does not belong there"),
            "{name}: {error}"
        );
    }
}

/// Adds an entry under a name that the writer would refuse.
fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    let field = &mut header.as_old_mut().name;
    field[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(content.len() as u64);
    header.set_cksum();
    tar.append(&header, content).expect("an entry");
}
