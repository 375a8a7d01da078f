//! What stays of an upload, whatever happens to who writes it.

use super::*;
use crate::asset::synthetic::NO_RESERVE;

fn folder(data: &tempfile::TempDir) -> Folder {
    Folder::open(data.path(), NO_RESERVE).expect("a folder")
}

fn id() -> UploadId {
    UploadId::new("u1").expect("an id")
}

fn open(folder: &Folder, noted: u64) -> Result<Sink, Error> {
    folder.lock(&id())?.sink(noted)
}

/// A file with these bytes, all of them noted.
fn begun(folder: &Folder, bytes: &[u8]) {
    folder.create(&id(), 100).expect("room");
    let mut sink = open(folder, 0).expect("nobody else");
    sink.write(bytes).expect("room");
    assert_eq!(sink.sync().expect("a disk"), bytes.len() as u64);
}

fn content(folder: &Folder) -> Vec<u8> {
    std::fs::read(folder.path(&id())).expect("a file")
}

#[test]
fn pieces_follow_each_other() {
    let data = tempfile::tempdir().expect("a folder");
    let folder = folder(&data);
    begun(&folder, b"first ");
    assert_eq!(folder.offset(&id(), 6).expect("a file"), 6);
    let mut sink = open(&folder, 6).expect("nobody else");
    sink.write(b"second").expect("room");
    assert_eq!(sink.sync().expect("a disk"), 12);
    assert_eq!(sink.head(8).expect("a disk"), b"first se");
    assert_eq!(sink.head(100).expect("a disk"), b"first second");
    drop(sink);
    assert_eq!(content(&folder), b"first second");
    assert_eq!(folder.ids().expect("a folder"), [id()]);
    folder.remove(&id()).expect("nobody writes it");
    folder.remove(&id()).expect("it is gone");
    assert!(matches!(open(&folder, 0), Err(Error::Missing(_))));
    assert!(matches!(folder.offset(&id(), 0), Err(Error::Missing(_))));
}

#[test]
fn what_was_not_noted_is_written_over_and_what_is_lost_is_sent_again() {
    let data = tempfile::tempdir().expect("a folder");
    let folder = folder(&data);
    begun(&folder, b"0123456789");
    for noted in 0..=12 {
        let there = noted.min(10);
        assert_eq!(folder.offset(&id(), noted).expect("a file"), there);
    }
    for len in (0..=10).rev() {
        let file = OpenOptions::new().write(true).open(folder.path(&id()));
        file.and_then(|file| file.set_len(len)).expect("truncated");
        assert_eq!(folder.offset(&id(), 10).expect("a file"), len);
        let mut sink = open(&folder, 10).expect("nobody else");
        assert_eq!(sink.end(), len);
        sink.write(&b"0123456789"[len as usize..]).expect("room");
        drop(sink);
        assert_eq!(content(&folder), b"0123456789", "{len}");
    }
    let mut sink = open(&folder, 4).expect("nobody else");
    sink.write(b"x").expect("room");
    drop(sink);
    assert_eq!(content(&folder), b"0123x");
}

#[test]
fn two_never_write_at_once() {
    let data = tempfile::tempdir().expect("a folder");
    let folder = folder(&data);
    begun(&folder, b"first");
    let sink = open(&folder, 5).expect("nobody else");
    assert!(matches!(open(&folder, 5), Err(Error::Busy(_))));
    assert!(matches!(folder.remove(&id()), Err(Error::Busy(_))));
    assert_eq!(folder.offset(&id(), 5).expect("it can be asked"), 5);
    drop(sink);
    assert!(open(&folder, 5).is_ok());
}

#[test]
fn a_piece_that_is_not_what_it_should_be_is_undone() {
    let data = tempfile::tempdir().expect("a folder");
    let folder = folder(&data);
    begun(&folder, b"first");
    let mut sink = open(&folder, 5).expect("nobody else");
    sink.write(b"garbage").expect("room");
    sink.undo().expect("a disk");
    assert_eq!((sink.end(), &content(&folder)[..]), (5, &b"first"[..]));
    sink.write(b" second").expect("room");
    drop(sink);
    assert_eq!(content(&folder), b"first second");
}

#[test]
fn an_upload_that_the_disk_has_no_room_for_is_not_begun() {
    let data = tempfile::tempdir().expect("a folder");
    let folder = folder(&data);
    let refused = folder.create(&id(), u64::MAX);
    assert!(
        matches!(refused, Err(Error::DiskFull { .. })),
        "{refused:?}"
    );
    assert_eq!(folder.ids().expect("a folder"), []);

    let all = Reserve {
        bytes: u64::MAX,
        percent: 100,
    };
    begun(&folder, b"first");
    let full = Folder::open(data.path(), all).expect("a folder");
    let mut sink = open(&full, 5).expect("nobody else");
    assert!(matches!(sink.write(b"x"), Err(Error::DiskFull { .. })));
    // What came before that counts: up to 16 MiB of it were sent again for each try.
    sink.write(b"").expect("nothing fits everywhere");
    assert_eq!(sink.sync().expect("a disk"), 5);
    assert_eq!(sink.end(), 5);
}
