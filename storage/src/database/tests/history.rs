//! The tables' history: released migrations stay as they are, and a database of any earlier version
//! becomes one of the newest with what was in it.

use super::*;
use crate::key::KeyHash;
use crate::stream::Visibility;
use crate::streams::{Change, Filter};

/// Each released migration and the SHA-384 that databases remember of it: after an edit, however
/// small, no database that has run it opens any more. A migration is added here when it is released.
const RELEASED: &[(i64, &str)] = &[
    (
        1,
        "df3158716d8ef4f6dadf0870e898c9b038e0a8c9a06067973956640bbc1767e0ff59d8b3545a2ad516bade9d6fd0e88b",
    ),
    (
        2,
        "3e1de64e953b33f5b53a2619ef059ff439714267b6fee2079a9f8c48a1b2933b11751012e456a3c47bb2a401eac718ec",
    ),
];

/// What an installation may have had in its tables at the version in which they could hold it.
const ROWS: &[(i64, &str)] = &[
    (
        1,
        "INSERT INTO streams (id, title, key_sha256, srt_passphrase, created_at_ms) \
         VALUES ('first', 'Harbour', $1, 'saltwater42', 1767225600123)",
    ),
    (
        2,
        "INSERT INTO streams (id, title, key_sha256, srt_passphrase, created_at_ms, private) \
         VALUES ('second', 'Board meeting', $1, NULL, 1767225600124, 1)",
    ),
];

#[test]
fn released_migrations_are_frozen() {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|it| format!("{it:02x}")).collect() };
    let mut migrations = MIGRATIONS.iter();
    for (version, checksum) in RELEASED {
        let migration = migrations.next().expect("a released migration is gone");
        assert_eq!(migration.version, *version);
        assert_eq!(hex(&migration.checksum), *checksum, "{version} was edited");
    }
}

/// The key of the stream that a row of `version` is.
fn key(version: i64) -> String {
    format!("mr_{version}")
}

/// Makes the database as `version` had it.
async fn make(scratch: &scratch::Scratch, version: i64) {
    let location = Location::parse(scratch.url()).expect("a location");
    let pool = match &location.0 {
        Place::Sqlite(path) => {
            data_dir::open_private(path).expect("file");
            sqlite::connect(path).await.expect("connect")
        }
        Place::Postgres(address) => postgres::connect(address).expect("connect"),
    };
    MIGRATIONS.run_to(version, &pool).await.expect("migrate");
    for (since, row) in ROWS.iter().filter(|(since, _)| *since <= version) {
        sqlx::query(*row)
            .bind(KeyHash::of(&key(*since)).to_hex())
            .execute(&pool)
            .await
            .expect("insert");
    }
    pool.close().await;
}

scratch::on_each_database! {
    async fn the_first_version_becomes_the_newest(scratch) {
        make(&scratch, 1).await;
        let streams = Database::open(scratch.url()).await.expect("open").streams();
        let listed = streams.all(&Filter::default()).await.expect("list");
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].id.as_str(), "first");
        assert_eq!(listed[0].title.as_str(), "Harbour");
        assert_eq!(listed[0].visibility, Visibility::Public);
        let keys = streams.keys().await.expect("keys");
        let grant = keys.find(&key(1)).expect("the key still opens it");
        assert_eq!(grant.stream, listed[0].id);
        assert_eq!(keys.private("first"), None);
        let change = Change {
            visibility: Some(Visibility::Private),
            ..Change::default()
        };
        let changed = streams.change(&listed[0].id, &change).await.expect("change");
        assert_eq!(changed.visibility, Visibility::Private);
    }

    async fn the_second_version_becomes_the_newest(scratch) {
        make(&scratch, 2).await;
        let streams = Database::open(scratch.url()).await.expect("open").streams();
        let listed = streams.all(&Filter::default()).await.expect("list");
        let ids: Vec<_> = listed.iter().map(|stream| stream.id.as_str()).collect();
        assert_eq!(ids, ["first", "second"]);
        assert_eq!(listed[1].visibility, Visibility::Private);
        let keys = streams.keys().await.expect("keys");
        for (version, stream) in [(1, &listed[0]), (2, &listed[1])] {
            let grant = keys.find(&key(version)).expect("the key still opens it");
            assert_eq!(grant.stream, stream.id);
            assert_eq!(grant.srt_passphrase, stream.srt_passphrase);
        }
    }
}
