//! Opening: what is created, what is refused, and several at once.

mod dialect;
mod history;
mod refusals;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use sqlx::Row;

use super::*;
use crate::stream::Title;
use crate::streams::{Filter, NewStream};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

async fn pragma(database: &Database, sql: &'static str) -> String {
    let row = sqlx::query(sql)
        .fetch_one(&database.pool)
        .await
        .expect("pragma");
    row.try_get::<String, _>(0)
        .or_else(|_| row.try_get::<i64, _>(0).map(|number| number.to_string()))
        .or_else(|_| row.try_get::<i32, _>(0).map(|number| number.to_string()))
        .expect("value")
}

#[tokio::test]
async fn a_folder_becomes_a_private_database_in_wal_mode() {
    let folder = tempfile::tempdir().expect("folder");
    let data_dir = folder.path().join("not there yet/50% #1?");
    let database = Database::open(text(&data_dir)).await.expect("open");
    let file = data_dir.join(FILE_NAME);
    for path in [file.clone(), data_dir.join("millrace.db-wal")] {
        let mode = std::fs::metadata(&path).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    assert_eq!(pragma(&database, "PRAGMA journal_mode").await, "wal");
    assert_eq!(pragma(&database, "PRAGMA busy_timeout").await, "5000");
    assert_eq!(pragma(&database, "PRAGMA foreign_keys").await, "1");
}

#[tokio::test]
async fn the_same_file_opens_by_folder_and_by_url() {
    let folder = tempfile::tempdir().expect("folder");
    let title = Title::new("Harbour").expect("title");
    let by_folder = Database::open(text(folder.path())).await.expect("open");
    let (stream, _) = by_folder
        .streams()
        .create(NewStream::titled(title), SystemTime::now())
        .await
        .expect("create");
    let file = folder.path().join(FILE_NAME);
    for url in [
        format!("sqlite:{}", file.display()),
        format!("sqlite://{}", file.display()),
    ] {
        let by_url = Database::open(&url).await.expect("open");
        let found = by_url.streams().find(&stream.id).await.expect("find");
        assert_eq!(found.as_ref(), Some(&stream), "{url}");
    }
}

#[tokio::test]
async fn another_database_server_is_refused_without_its_password() {
    let error = Database::open("mysql://user:secret@db/millrace")
        .await
        .expect_err("no driver");
    let message = error.to_string();
    assert!(
        message.starts_with("this build has no driver for mysql: databases"),
        "{message}"
    );
    assert!(!message.contains("secret"), "{message}");
    let error = Database::open("sqlite:a.db?mode=ro").await.expect_err("?");
    assert!(matches!(error, OpenError::Unsupported { .. }));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_and_kept() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join(FILE_NAME);
    let content = "no database, but somebody's notes\n".repeat(100);
    std::fs::write(&file, &content).expect("write");
    let message = Database::open(text(folder.path()))
        .await
        .expect_err("no database")
        .to_string();
    assert!(
        message.starts_with(&format!("cannot open the database {}: ", file.display())),
        "{message}"
    );
    assert!(!message.contains('\n'), "{message}");
    assert_eq!(std::fs::read_to_string(&file).expect("kept"), content);
}

#[tokio::test]
async fn a_database_that_is_to_be_there_is_not_made() {
    let folder = tempfile::tempdir().expect("folder");
    let data_dir = folder.path().join("wrong");
    let location = Location::in_folder(&data_dir).expect("a location");
    let error = Database::open_existing_at(&location).await;
    let message = error.expect_err("nothing is there").to_string();
    let file = data_dir.join(FILE_NAME);
    assert!(
        message.starts_with(&format!("there is no database {}; ", file.display())),
        "{message}"
    );
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("write");
    let message = Database::open(text(&file.join("data")))
        .await
        .expect_err("a file stands there")
        .to_string();
    assert!(
        message.contains(&format!("{}/data", file.display())),
        "{message}"
    );
}

scratch::on_each_database! {
    async fn eight_processes_create_the_same_database_at_once(scratch) {
        let opening: Vec<_> = (0..8)
            .map(|index| {
                let url = scratch.url().to_owned();
                tokio::spawn(async move {
                    let database = Database::open(&url).await.expect("open");
                    let title = Title::new(&format!("Stream {index}")).expect("title");
                    database
                        .streams()
                        .create(NewStream::titled(title), SystemTime::now())
                        .await
                        .expect("create");
                })
            })
            .collect();
        for opened in opening {
            opened.await.expect("task");
        }
        let streams = Database::open(scratch.url()).await.expect("open").streams();
        assert_eq!(streams.all(&Filter::default()).await.expect("list").len(), 8);
    }

    async fn a_newer_database_is_not_touched(scratch) {
        let database = Database::open(scratch.url()).await.expect("open");
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'from the future', TRUE, $1, 0)",
        )
        .bind(vec![0_u8])
        .execute(&database.pool)
        .await
        .expect("insert");
        let error = Database::open(scratch.url()).await.expect_err("newer");
        assert!(
            matches!(error, OpenError::Newer { version: 9999, .. }),
            "{error}"
        );
    }
}
