//! PostgreSQL in SQLite's place: a server on it, its outage, and the way from one to the other.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use scratch::{Kind, Scratch};

use crate::clip::Clip;
use crate::encoder;
use crate::http;
use crate::program::{output, wait_for};
use crate::server::{SMALL_LADDER, Server, millrace};

fn postgres() -> Scratch {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(Scratch::new(Kind::Postgres))
}

/// Calls `millrace` on a data folder and, where it is given, another database than the one in it.
fn call(arguments: &[&str], data: &Path, url: Option<&str>) -> Result<String, String> {
    let mut command = millrace();
    command.args(arguments).arg("--data").arg(data);
    if let Some(url) = url {
        command.env("MILLRACE_DATABASE_URL", url);
    }
    let output = output(&mut command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

#[test]
fn a_database_that_goes_away_takes_no_broadcast_and_no_viewer_with_it() {
    let scratch = postgres();
    let server = Server::with(&[
        ("MILLRACE_LADDER_RUNGS", SMALL_LADDER),
        ("MILLRACE_DATABASE_URL", scratch.url()),
    ]);
    assert!(!server.data().join("millrace.db").exists());
    let clip = Clip::new(30 * 60).file();
    let (first, second) = (server.stream(), server.stream());
    let playlist = |stream: &str| {
        let path = format!("/live/{stream}/90p/playlist.m3u8");
        let answer = http::get(server.http, &path).expect("an answer");
        (answer.status == 200).then(|| answer.text())
    };
    let publisher = encoder::rtmp(&clip, &first.rtmp);
    wait_for("the broadcast", || playlist(&first.id).is_some());

    scratch.cut();
    server.wait_for_log(&["going on without"]);
    let path = format!("/api/v1/streams/{}", first.id);
    let answer = server.admin("GET", &path, None);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("retry-after"), Some("5"));
    let before = playlist(&first.id);
    wait_for("more of the broadcast", || playlist(&first.id) != before);
    let another = encoder::rtmp(&clip, &second.rtmp);
    wait_for("another broadcast", || playlist(&second.id).is_some());

    scratch.mend();
    server.wait_for_log(&["can be read again"]);
    assert_eq!(server.status(&first), "live");
    assert_eq!(server.log_count(&["going on without"]), 1);
    publisher.kill();
    another.kill();
    server.stop();
}

#[test]
fn streams_move_to_postgres_and_back_by_a_backup_of_a_running_server() {
    let scratch = postgres();
    let server = Server::start();
    let (one, other) = (server.stream(), server.private_stream());
    let folder = server.scratch();
    let (from, moved, back) = (server.data(), folder.join("moved"), folder.join("back"));
    let (file, second_file) = (folder.join("a.tar"), folder.join("b.tar"));
    let (file, second_file) = (
        file.to_str().expect("UTF-8"),
        second_file.to_str().expect("UTF-8"),
    );
    fs::create_dir_all(from.join("assets/a")).expect("a folder");
    fs::write(from.join("assets/a/720p.mp4"), "pictures").expect("a file");

    let told = call(&["backup", "--media", file], &from, None).expect("a backup");
    assert!(told.contains("streams  2 rows"), "{told}");
    assert!(told.contains("media  1 files"), "{told}");
    let mode = fs::metadata(file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let listed = call(&["stream", "list"], &from, None).expect("a list");
    for stream in [&one, &other] {
        assert!(listed.contains(&stream.id), "{listed}");
    }

    let url = Some(scratch.url());
    let told = call(&["restore", file], &moved, url).expect("restored");
    assert!(told.contains("streams  2 rows"), "{told}");
    assert_eq!(
        call(&["stream", "list"], &moved, url).expect("a list"),
        listed
    );
    let secret = |data: &Path| fs::read(data.join("playback-secret")).expect("the secret");
    assert_eq!(secret(&moved), secret(&from));
    let media = fs::read(moved.join("assets/a/720p.mp4")).expect("media");
    assert_eq!(media, b"pictures");

    call(&["backup", second_file], &moved, url).expect("a backup");
    let told = call(&["restore", second_file], &back, None).expect("restored");
    assert!(told.contains("media  not in it"), "{told}");
    assert_eq!(
        call(&["stream", "list"], &back, None).expect("a list"),
        listed
    );
    assert!(!back.join("assets").exists());

    // What is there is replaced only where that is asked for, and a running server sees it.
    call(&["stream", "delete", &one.id], &from, None).expect("deleted");
    let error = call(&["restore", second_file], &from, None).expect_err("not empty");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains("--force"), "{error}");
    call(&["restore", "--force", second_file], &from, None).expect("restored");
    assert_eq!(
        call(&["stream", "list"], &from, None).expect("a list"),
        listed
    );
    assert_eq!(server.status(&one), "offline");
    server.stop();
}

#[test]
fn what_is_no_whole_backup_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let file = folder.path().join("a.tar");
    let name = file.to_str().expect("UTF-8");
    call(&["stream", "create", "Harbour"], &from, None).expect("created");
    call(&["backup", name], &from, None).expect("a backup");
    let error = call(&["backup", name], &from, None).expect_err("it is there");
    assert!(error.contains(name), "{error}");

    let whole = fs::read(&file).expect("a file");
    for part in [&whole[..whole.len() / 2], b"notes", b""] {
        fs::write(&file, part).expect("room for it");
        let error = call(&["restore", "--force", name], &to, None).expect_err("no backup");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(name), "{error}");
        assert!(!to.exists(), "{error}");
    }
}

#[test]
fn a_backup_of_a_wrong_folder_fails_and_makes_nothing() {
    let scratch = postgres();
    let folder = tempfile::tempdir().expect("a folder");
    let (wrong, empty) = (folder.path().join("wrong"), folder.path().join("empty"));
    fs::create_dir(&empty).expect("a folder");
    let file = folder.path().join("a.tar");
    let name = file.to_str().expect("UTF-8");
    for (data, url, named) in [
        (&wrong, None, "there is no data folder"),
        (&wrong, Some(scratch.url()), "there is no data folder"),
        (&empty, None, "there is no database"),
        (
            &empty,
            Some(scratch.url()),
            "there are no tables of millrace",
        ),
    ] {
        let error = call(&["backup", name], data, url).expect_err("nothing is there");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(named), "{error}");
        assert!(!file.exists(), "{error}");
        assert!(!wrong.exists(), "{error}");
        let left = fs::read_dir(&empty).expect("a folder").count();
        assert_eq!(left, 0, "{error}");
    }
}

#[test]
fn a_database_that_cannot_be_reached_is_one_line_without_the_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    for url in [
        "postgres://mill:hunter2@127.0.0.1:1/live",
        "postgres://mill:hunter2@127.0.0.1:port/live",
        "mysql://mill:hunter2@127.0.0.1/live",
        "mill:hunter2",
        "hunter2",
    ] {
        let error = call(&["stream", "list"], &data, Some(url)).expect_err("no database");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let reached = call(
        &["stream", "list"],
        &data,
        Some("postgres://m:x@127.0.0.1:1/live"),
    );
    let error = reached.expect_err("nobody listens there");
    assert!(
        error.contains("cannot reach PostgreSQL database live"),
        "{error}"
    );
}
