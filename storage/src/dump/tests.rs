//! What is dumped comes back, on either database; what is no whole dump changes nothing.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use scratch::{Kind, Scratch};

use super::*;
use crate::streams::{Filter, NewStream, Streams};
use crate::{Database, SrtPassphrase, Stream, StreamKey, Title, Visibility};

async fn open(scratch: &Scratch) -> Database {
    Database::open(scratch.url()).await.expect("open")
}

async fn create(streams: &Streams, title: &str) -> (Stream, StreamKey) {
    let passphrase = SrtPassphrase::new("saltwater42").expect("valid");
    let passphrase = title.contains("Häfen").then_some(passphrase);
    let visibility = match title.contains("Board") {
        true => Visibility::Private,
        false => Visibility::Public,
    };
    let title = Title::stored(title).expect("title");
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_123);
    let created = streams
        .create(
            NewStream {
                srt_passphrase: passphrase,
                visibility,
                ..NewStream::titled(title)
            },
            now,
        )
        .await;
    created.expect("create")
}

async fn dump(database: &Database) -> String {
    let mut out = Vec::new();
    database.dump(&mut out).await.expect("dump");
    String::from_utf8(out).expect("UTF-8")
}

async fn restore(database: &Database, text: &str, existing: Existing) -> Result<Dump, Error> {
    database
        .restore(|| Ok(Cursor::new(text.as_bytes())), existing)
        .await
}

/// A dump of these lines with a last line that fits them.
fn dump_of(lines: &[&str], rows: &str) -> String {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    // SHA-256 in hexadecimal.
    let sha256 = crate::KeyHash::of(&text).to_hex();
    format!("{text}{{\"rows\":{rows},\"sha256\":\"{sha256}\"}}\n")
}

async fn a_dump_moves(from: Kind, to: Kind) {
    let (old, new) = (Scratch::new(from).await, Scratch::new(to).await);
    let (old, new) = (open(&old).await, (open(&new).await, new));
    let mut keys = Vec::new();
    for title in ["Häfen & \"Boote\" 🚢\\", "Board meeting", "A"] {
        keys.push(create(&old.streams(), title).await);
    }
    let text = dump(&old).await;
    let (new, scratch) = new;
    let restored = restore(&new, &text, Existing::Keep).await.expect("restore");
    assert_eq!(restored.tables_version, newest_version());
    let rows: Vec<_> = restored.tables.iter().filter(|it| it.rows > 0).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");

    let listed = old.streams().all(&Filter::default()).await.expect("list");
    assert_eq!(
        new.streams().all(&Filter::default()).await.expect("list"),
        listed
    );
    let snapshot = new.streams().keys().await.expect("keys");
    for (stream, key) in &keys {
        let grant = snapshot.find(key.reveal()).expect("the key opens it");
        assert_eq!(grant.stream, stream.id);
        assert_eq!(grant.srt_passphrase, stream.srt_passphrase);
    }
    assert_eq!(snapshot.all_private().count(), 1);
    // A server that knows either sees that this is newer.
    assert!(snapshot.revision > old.streams().revision().await.expect("revision"));
    // And it is a database like any other.
    new.close().await;
    create(&open(&scratch).await.streams(), "One more").await;
}

#[tokio::test]
async fn a_dump_moves_from_sqlite_to_sqlite() {
    a_dump_moves(Kind::Sqlite, Kind::Sqlite).await;
}

#[tokio::test]
async fn a_dump_moves_from_sqlite_to_postgres() {
    a_dump_moves(Kind::Sqlite, Kind::Postgres).await;
}

#[tokio::test]
async fn a_dump_moves_from_postgres_to_sqlite() {
    a_dump_moves(Kind::Postgres, Kind::Sqlite).await;
}

#[tokio::test]
async fn a_dump_moves_from_postgres_to_postgres() {
    a_dump_moves(Kind::Postgres, Kind::Postgres).await;
}

scratch::on_each_database! {
    async fn every_table_and_column_is_dumped(scratch) {
        let database = open(&scratch).await;
        let text = dump(&database).await;
        let model = schema::tables(newest_version()).await.expect("tables");
        assert!(model.len() >= 2);
        for table in &model {
            let head = format!("{{\"table\":\"{}\",\"columns\":[", table.name);
            assert!(text.contains(&head), "{}", table.name);
            // The model in memory is what the migrations make here too.
            let statement =
                format!("SELECT {} FROM {}", table.column_list(), schema::quoted(&table.name));
            let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(database.pool()).await;
            rows.expect("every column is there");
        }
    }

    async fn a_dump_is_one_moment_whoever_writes(scratch) {
        let database = open(&scratch).await;
        let done = Arc::new(AtomicBool::new(false));
        let writing = tokio::spawn({
            let (streams, done) = (database.streams(), Arc::clone(&done));
            async move {
                while !done.load(Ordering::Relaxed) {
                    create(&streams, "A").await;
                }
            }
        });
        for _ in 0..5 {
            let text = dump(&database).await;
            let rows = |table: &str| {
                let head = format!("{{\"table\":\"{table}\"");
                text.lines()
                    .skip_while(move |line| !line.starts_with(&head))
                    .skip(1)
                    .take_while(|line| line.starts_with('['))
            };
            // Each stream has raised the revision by one.
            let revision = rows("stream_revision").next().expect("its row");
            assert_eq!(revision, format!("[1,{}]", rows("streams").count()));
        }
        done.store(true, Ordering::Relaxed);
        writing.await.expect("the writer");
    }

    async fn what_is_there_is_kept_unless_it_may_be_replaced(scratch) {
        let database = open(&scratch).await;
        let (old, _) = create(&database.streams(), "Old").await;
        let text = dump(&database).await;
        database.streams().delete(&old.id).await.expect("delete");
        let (new, _) = create(&database.streams(), "New").await;
        let before = database.streams().revision().await.expect("revision");

        let error = restore(&database, &text, Existing::Keep).await.expect_err("not empty");
        assert!(matches!(error, Error::NotEmpty { ref table } if table == "streams"), "{error}");
        assert_eq!(database.streams().all(&Filter::default()).await.expect("list"), [new]);
        assert_eq!(database.streams().revision().await.expect("revision"), before);

        restore(&database, &text, Existing::Replace).await.expect("restore");
        assert_eq!(database.streams().all(&Filter::default()).await.expect("list"), [old]);
        assert!(database.streams().revision().await.expect("revision") > before);
    }

    async fn a_restoration_that_fails_halfway_has_changed_nothing(scratch) {
        let database = open(&scratch).await;
        let (kept, key) = create(&database.streams(), "Kept").await;
        let before = database.streams().revision().await.expect("revision");
        let head = r#"{"format":"millrace-dump-1","tables_version":1,"millrace":"0.1.0"}"#;
        let streams = r#"{"table":"streams","columns":["id","title","key_sha256","srt_passphrase","created_at_ms"]}"#;
        let row = r#"["a","A","00",null,1]"#;
        for (what, text) in [
            ("a table is missing", dump_of(&[head, streams, row], r#"[["streams",1]]"#)),
            ("an unknown table", dump_of(
                &[head, streams, row, r#"{"table":"ships","columns":["id"]}"#],
                r#"[["streams",1],["ships",0]]"#,
            )),
            ("an unknown column", dump_of(
                &[head, r#"{"table":"streams","columns":["id"]}"#, r#"["a"]"#],
                r#"[["streams",1]]"#,
            )),
            ("a wrong kind", dump_of(
                &[head, streams, r#"["a",7,"00",null,1]"#],
                r#"[["streams",1]]"#,
            )),
            ("a row twice", dump_of(&[head, streams, row, row], r#"[["streams",2]]"#)),
        ] {
            Dump::check(text.as_bytes()).expect(what);
            restore(&database, &text, Existing::Replace).await.expect_err(what);
            let listed = database.streams().all(&Filter::default()).await.expect("list");
            assert_eq!(listed, std::slice::from_ref(&kept), "{what}");
            let keys = database.streams().keys().await.expect("keys");
            assert!(keys.find(key.reveal()).is_some(), "{what}");
            assert_eq!(keys.revision, before, "{what}");
        }
    }

    async fn an_earlier_versions_dump_is_brought_up_to_date(scratch) {
        let database = open(&scratch).await;
        let hash = crate::KeyHash::of("mr_old").to_hex();
        let text = dump_of(
            &[
                r#"{"format":"millrace-dump-1","tables_version":1,"millrace":"0.1.0"}"#,
                r#"{"table":"stream_revision","columns":["only_row","value"]}"#,
                "[1,41]",
                r#"{"table":"streams","columns":["id","title","key_sha256","srt_passphrase","created_at_ms"]}"#,
                &format!(r#"["oldstream","Harbour","{hash}",null,1767225600123]"#),
            ],
            r#"[["stream_revision",1],["streams",1]]"#,
        );
        restore(&database, &text, Existing::Keep).await.expect("restore");
        let listed = database.streams().all(&Filter::default()).await.expect("list");
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].visibility, Visibility::Public);
        let keys = database.streams().keys().await.expect("keys");
        assert_eq!(keys.find("mr_old").expect("it opens").stream, listed[0].id);
    }

    async fn a_table_larger_than_one_statement_comes_back(scratch) {
        const STREAMS: usize = 700;
        let database = open(&scratch).await;
        let mut write = database.pool().begin().await.expect("begin");
        for index in 0..STREAMS {
            sqlx::query(
                "INSERT INTO streams (id, title, key_sha256, created_at_ms) VALUES ($1, $1, $1, 7)",
            )
            .bind(format!("s{index}"))
            .execute(&mut *write)
            .await
            .expect("insert");
        }
        write.commit().await.expect("commit");
        let text = dump(&database).await;
        restore(&database, &text, Existing::Replace).await.expect("restore");
        let sorted = |text: String| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.retain(|line| line.starts_with("[\""));
            lines.sort();
            lines
        };
        let (before, after) = (sorted(text), sorted(dump(&database).await));
        assert_eq!(after.len(), STREAMS);
        assert_eq!(before, after);
    }
}

#[tokio::test]
async fn no_part_of_a_dump_passes_for_a_whole_one() {
    let scratch = Scratch::new(Kind::Sqlite).await;
    let database = open(&scratch).await;
    create(&database.streams(), "A").await;
    let text = dump(&database).await;
    Dump::check(text.as_bytes()).expect("whole");
    for end in 0..text.len() {
        let error = Dump::check(&text.as_bytes()[..end]).expect_err("a part");
        assert!(matches!(error, Error::Invalid(_)), "{end}: {error}");
    }
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        // What says by which version it was written is for people alone, but it is signed too.
        Dump::check(changed.as_slice()).expect_err("a changed byte");
    }
    let twice = format!("{text}{text}");
    Dump::check(twice.as_bytes()).expect_err("something after the end");
}

#[test]
fn foreign_texts_and_later_versions_are_named() {
    for text in ["", "\n", "notes", "{}\n", "{\"format\":\"pg_dump\"}\n"] {
        let error = Dump::check(text.as_bytes()).expect_err("foreign");
        assert_eq!(error.to_string(), "this is no dump of a millrace database");
    }
    let later = dump_of(
        &[r#"{"format":"millrace-dump-1","tables_version":9999,"millrace":"9.0.0"}"#],
        "[]",
    );
    let error = Dump::check(later.as_bytes()).expect_err("newer");
    assert!(matches!(error, Error::Newer { dump: 9999, .. }), "{error}");
}
