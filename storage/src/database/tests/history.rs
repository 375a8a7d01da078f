//! The tables' history: released migrations stay as they are, and a database of any earlier version
//! becomes one of the newest with what was in it.

use media_core::{RecordingId, VideoId, WebhookId};
use scratch::Scratch;

use super::*;
use crate::accounts::UserId;
use crate::dump::Existing;
use crate::key::KeyHash;
use crate::stream::{ReconnectWindow, Reconnection, Visibility};
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
    (
        3,
        "ff362508eb15d1ecee910a43d0c48637be0b0994e90a959aea0e6bee9bd412cd53e78d934b36affce2bf5fb0f30a3ab8",
    ),
    (
        4,
        "4a36266bb18bb4be1df76be3f7581a29b9ab71e6691c30627120735a3ed0297e82fbe445d4ee16e82726fbd76c7d4aa9",
    ),
    (
        5,
        "5c7fe25692b607496f4d02a5f6b6ddf88271110272818738412acb52404f032d967330fde151bf949f516c23b38f3aa6",
    ),
    (
        6,
        "a5e93b1e4766b2459f3385619b9f5ff096b7af33eef19b52cc7e0810cda528644ee7d4306a5de7d23eefacab32872017",
    ),
    (
        7,
        "5627b35c5585d3b9e29f12a0d7693a1bbeeb6cfd9f4becee4eb8da9b3d9dcb543b112881651e7194bd0830a6b0654fa9",
    ),
    (
        8,
        "1cfada439d694370522655352419f3745170b0e026ce3801a3a58bf3185af34a066203dac4227eabb1e23f5b214a01f9",
    ),
];

/// The id of the user in [`ROWS`].
const ANN: &str = "aaaabbbbccccdd";

/// What an installation may have had in its tables at the version in which they could hold it. `$1`
/// is the hash of that version's stream key.
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
    (
        3,
        "INSERT INTO users (id, name, name_lower, email, email_lower, password_hash, role, created_at_ms) \
         VALUES ('aaaabbbbccccdd', 'Ann', 'ann', 'Ann@example.org', 'ann@example.org', 'a hash', 'streamer', 3)",
    ),
    (
        3,
        "INSERT INTO streams (id, title, key_sha256, created_at_ms, private, owner_id) \
         VALUES ('third', 'Pier', $1, 1767225600125, 0, 'aaaabbbbccccdd')",
    ),
    (
        4,
        "INSERT INTO assets (id, status, place, bytes, duration_ms, created_at_ms) \
         VALUES ('media', 'whole', 'local', 7000, 4000, 4)",
    ),
    (
        4,
        "INSERT INTO recordings (id, asset_id, stream_id, stream_title, broadcast_id, started_at_ms, \
         ended_at_ms, status, private) \
         VALUES ('taken', 'media', 'third', 'Pier', 'b1', 4, 4004, 'ready', 0)",
    ),
    (
        5,
        "INSERT INTO videos (id, owner_id, asset_id, recording_id, title, title_lower, description, \
         description_lower, visibility, status, progress_permille, duration_ms, size_bytes, views, \
         likes, created_at_ms) VALUES ('film', 'aaaabbbbccccdd', 'media', 'taken', 'At Dawn', 'at dawn', '', \
         '', 'unlisted', 'ready', 1000, 4000, 7000, 12, 0, 5)",
    ),
    (
        6,
        "INSERT INTO webhooks (id, owner_id, url, secret, events, active, created_at_ms) VALUES \
         ('hook', 'aaaabbbbccccdd', 'https://example.org/', 'whsec_QQ==', 'recording.ready video.failed', 1, 6)",
    ),
    (
        7,
        "INSERT INTO streams (id, title, key_sha256, created_at_ms, private, tags, publishers) \
         VALUES ('fourth', 'Quay', $1, 1767225600126, 0, '\nsea\n', '192.0.2.0/24')",
    ),
    (
        8,
        "INSERT INTO streams (id, title, key_sha256, created_at_ms, private, reconnect_s, backup_publisher) \
         VALUES ('fifth', 'Dock', $1, 1767225600127, 0, 300, 1)",
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
    assert_eq!(
        migrations.next().map(|it| it.version),
        None,
        "not frozen yet"
    );
}

/// The key of the stream that a row of `version` is.
fn key(version: i64) -> String {
    format!("mr_{version}")
}

/// Makes the database as `version` had it.
async fn make(scratch: &Scratch, version: i64) {
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
        let mut insert = sqlx::query(*row);
        if row.contains("$1") {
            insert = insert.bind(KeyHash::of(&key(*since)).to_hex());
        }
        insert.execute(&pool).await.expect("insert");
    }
    pool.close().await;
}

/// Finds in the newest version what was in the database when it was `version`.
async fn check(database: &Database, version: i64) {
    let streams = database.streams();
    let keys = streams.keys().await.expect("keys");
    let found = Filter {
        text: Some("HARB".into()),
        ..Filter::default()
    };
    let found = streams.all(&found).await.expect("list").len();
    assert_eq!(found, usize::from(version < 7), "{version}");
    for stream in streams.all(&Filter::default()).await.expect("list") {
        let since = match stream.id.as_str() {
            "first" => 1,
            "second" => 2,
            "third" => 3,
            "fourth" => 7,
            _ => 8,
        };
        let grant = keys.find(&key(since)).expect("the key still opens it");
        assert_eq!(grant.stream, stream.id);
        assert_eq!(grant.srt_passphrase, stream.srt_passphrase);
        let visibility = match since {
            2 => Visibility::Private,
            _ => Visibility::Public,
        };
        assert_eq!(stream.visibility, visibility, "{since}");
        let owner = stream.owner.as_ref().map(UserId::as_str);
        assert_eq!(owner, (since == 3).then_some(ANN), "{since}");
        assert_eq!(stream.tags.as_slice().len(), usize::from(since == 7));
        let reconnection = match since {
            8 => Reconnection {
                window: Some(ReconnectWindow::from_secs(300).expect("a window")),
                backup: true,
            },
            _ => Reconnection::default(),
        };
        assert_eq!(stream.reconnection, reconnection, "{since}");
        let change = Change {
            visibility: Some(Visibility::Private),
            ..Change::default()
        };
        let changed = streams.change(&stream.id, &change).await.expect("change");
        assert_eq!(changed.visibility, Visibility::Private);
    }
    if version < 3 {
        return;
    }
    let ann = UserId::new(ANN).expect("an id");
    let users = database.accounts().users;
    let (user, _) = users
        .find_by_login("ANN@example.org")
        .await
        .expect("find")
        .expect("a user");
    assert_eq!((&user.id, user.name.as_str()), (&ann, "Ann"));
    if version < 4 {
        return;
    }
    let taken = RecordingId::new("taken").expect("an id");
    let recording = database.recordings().find(&taken).await.expect("find");
    let recording = recording.expect("a recording");
    // Version 7 has given it to whoever has its stream.
    let owner = (version < 7).then_some(&ann);
    assert_eq!(recording.owner.as_ref(), owner, "{version}");
    assert_eq!((recording.bytes, recording.duration.as_secs()), (7000, 4));
    let found = crate::recordings::Filter {
        text: Some("PIER".into()),
        ..Default::default()
    };
    let found = database.recordings().all(&found).await.expect("list").len();
    // What version 7 has to say itself, these rows leave out.
    assert_eq!(found, usize::from(version < 7), "{version}");
    if version < 5 {
        return;
    }
    let film = VideoId::new("film").expect("an id");
    let video = database.videos().find(&film).await.expect("find");
    let video = video.expect("a video");
    assert_eq!((video.title.as_str(), video.views), ("At Dawn", 12));
    assert_eq!(video.owner.as_ref(), Some(&ann));
    if version < 6 {
        return;
    }
    let hook = WebhookId::new("hook").expect("an id");
    let webhook = database.webhooks().find(&hook).await.expect("find");
    assert_eq!(webhook.owner.as_deref(), Some(ANN));
    assert_eq!(webhook.events.names().count(), 2);
}

scratch::on_each_database! {
    async fn every_earlier_version_becomes_the_newest_with_what_it_has(scratch) {
        for (version, _) in RELEASED {
            let scratch = Scratch::new(scratch.kind()).await;
            make(&scratch, *version).await;
            let database = Database::open(scratch.url()).await.expect("open");
            let streams = database.streams().all(&Filter::default()).await.expect("list");
            let expected = ROWS.iter().filter(|(since, row)| {
                since <= version && row.contains("INTO streams")
            });
            assert_eq!(streams.len(), expected.count(), "{version}");
            check(&database, *version).await;
            database.close().await;
        }
    }

    async fn an_earlier_version_is_dumped_as_it_is_and_not_brought_up_to_date(scratch) {
        for (version, _) in RELEASED {
            let old = Scratch::new(scratch.kind()).await;
            make(&old, *version).await;
            let location = Location::parse(old.url()).expect("a location");
            let mut dump = Vec::new();
            for _ in 0..2 {
                let database = Database::open_existing_at(&location).await.expect("open");
                dump.clear();
                let dumped = database.dump(&mut dump).await.expect("dump");
                assert_eq!(dumped.tables_version, *version);
                database.close().await;
            }
            let new = Scratch::new(scratch.kind()).await;
            let database = Database::open(new.url()).await.expect("open");
            let restored = database.restore(|| Ok(dump.as_slice()), Existing::Keep).await;
            assert_eq!(restored.expect("restore").tables_version, *version);
            check(&database, *version).await;
            database.close().await;
        }
    }

    async fn what_has_no_tables_of_ours_is_not_dumped(scratch) {
        let location = Location::parse(scratch.url()).expect("a location");
        if let Place::Sqlite(path) = &location.0 {
            data_dir::open_private(path).expect("an empty file");
        }
        let database = Database::open_existing_at(&location).await.expect("open");
        let error = database.dump(Vec::new()).await.expect_err("nothing to dump");
        assert!(matches!(error, crate::dump::Error::NoTables), "{error}");
        database.close().await;
    }
}
