//! Streams in real databases, from one and from two processes' connections.

use std::path::Path;

use scratch::Scratch;

use super::*;
use crate::Database;
use crate::stream::{Description, Publishers, Tags, Title};

async fn open(scratch: &Scratch) -> Streams {
    Database::open(scratch.url()).await.expect("open").streams()
}

fn title(text: &str) -> Title {
    Title::stored(text).expect("title")
}

fn at(unix_ms: i64) -> SystemTime {
    from_unix_ms(unix_ms)
}

/// Everything that the database has on disk.
fn bytes_on_disk(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        bytes.extend(std::fs::read(entry.expect("entry").path()).expect("file"));
    }
    bytes
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|at| at == text.as_bytes())
}

/// Somebody who may own streams.
async fn user(streams: &Streams) -> UserId {
    let id = UserId::new("aaaaaaaaaaaaaa").expect("an id");
    sqlx::query(
        "INSERT INTO users (id, name, name_lower, email, email_lower, password_hash, role, \
         created_at_ms) VALUES ($1, 'm', 'm', 'm', 'm', 'h', 'streamer', 1)",
    )
    .bind(id.as_str())
    .execute(&streams.pool)
    .await
    .expect("a user");
    id
}

/// The whole list, read in pages of three.
async fn list(streams: &Streams, filter: &Filter, sort: Sort) -> Vec<Stream> {
    let mut paging = Paging {
        limit: 3,
        after: None,
    };
    let mut listed = Vec::new();
    loop {
        let page = streams.list(filter, sort, &paging).await.expect("list");
        assert!(page.items.len() <= 3);
        listed.extend(page.items);
        paging.after = page.next;
        if paging.after.is_none() {
            return listed;
        }
    }
}

#[tokio::test]
async fn a_key_is_not_on_disk() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let streams = open(&scratch).await;
    let (stream, key) = streams
        .create(NewStream::titled(title("A")), at(1))
        .await
        .expect("create");
    let disk = bytes_on_disk(scratch.folder());
    assert!(contains(&disk, stream.id.as_str()), "the search finds text");
    assert!(contains(&disk, &KeyHash::of(key.reveal()).to_hex()));
    assert!(!contains(&disk, key.reveal()));
    let random = key.reveal().strip_prefix("mr_").expect("prefix");
    assert!(!contains(&disk, random));
}

scratch::on_each_database! {
    async fn a_stream_comes_back_as_it_was_created(scratch) {
        let streams = open(&scratch).await;
        let passphrase = SrtPassphrase::new("correct horse battery").expect("valid");
        let (created, _) = streams
            .create(NewStream { srt_passphrase: Some(passphrase.clone()), visibility: Visibility::Private, ..NewStream::titled(title("Häfen & 'Boote' 🚢")) }, at(1_767_225_600_123))
            .await
            .expect("create");
        assert_eq!(created.id.as_str().len(), ID_CHARS);
        assert_eq!(created.created_at, at(1_767_225_600_123));
        assert_eq!(created.srt_passphrase, Some(passphrase));
        assert_eq!(created.visibility, Visibility::Private);
        let found = streams.find(&created.id).await.expect("find");
        assert_eq!(found, Some(created));
        let other = StreamId::new("nothere").expect("id");
        assert_eq!(streams.find(&other).await.expect("find"), None);
    }

    async fn the_key_opens_its_stream(scratch) {
        let streams = open(&scratch).await;
        let passphrase = SrtPassphrase::new("readable by design").expect("valid");
        let (plain, key) = streams
            .create(NewStream::titled(title("Plain")), at(1))
            .await
            .expect("create");
        let (encrypted, encrypted_key) = streams
            .create(NewStream { srt_passphrase: Some(passphrase.clone()), ..NewStream::titled(title("Encrypted")) }, at(2))
            .await
            .expect("create");

        let keys = streams.keys().await.expect("keys");
        assert_eq!(keys.len(), 2);
        assert!(!keys.is_empty());
        let grant = keys.find(key.reveal()).expect("grant");
        assert_eq!(
            (&grant.stream, &grant.srt_passphrase),
            (&plain.id, &None::<SrtPassphrase>)
        );
        let grant = keys.find(encrypted_key.reveal()).expect("grant");
        assert_eq!(
            (&grant.stream, &grant.srt_passphrase),
            (&encrypted.id, &Some(passphrase))
        );
        assert_eq!(keys.find("mr_guess"), None);
        assert_eq!(keys.find(""), None);
    }

    async fn a_rotated_key_replaces_the_old_one(scratch) {
        let streams = open(&scratch).await;
        let (created, old) = streams
            .create(NewStream::titled(title("A")), at(1))
            .await
            .expect("create");
        let (rotated, new) = streams.rotate_key(&created.id).await.expect("rotate");
        assert_eq!(rotated, created);
        let keys = streams.keys().await.expect("keys");
        assert_eq!(keys.find(old.reveal()), None);
        assert_eq!(
            keys.find(new.reveal()).expect("grant").stream.as_str(),
            created.id.as_str()
        );
        assert_eq!(keys.len(), 1);
    }

    async fn a_change_leaves_alone_what_it_does_not_name(scratch) {
        let streams = open(&scratch).await;
        let passphrase = SrtPassphrase::new("readable by design").expect("valid");
        let (created, key) = streams
            .create(NewStream { srt_passphrase: Some(passphrase), ..NewStream::titled(title("A")) }, at(1))
            .await
            .expect("create");
        let (other, _) = streams
            .create(NewStream::titled(title("B")), at(2))
            .await
            .expect("create");
        let mut expected = created.clone();
        for (change, visibility, text) in [
            (Change::default(), Visibility::Public, "A"),
            (
                Change {
                    visibility: Some(Visibility::Private),
                    ..Change::default()
                },
                Visibility::Private,
                "A",
            ),
            (
                Change {
                    title: Some(title("Häfen")),
                    ..Change::default()
                },
                Visibility::Private,
                "Häfen",
            ),
            (
                Change {
                    title: Some(title("A")),
                    visibility: Some(Visibility::Public),
                    ..Change::default()
                },
                Visibility::Public,
                "A",
            ),
        ] {
            expected.visibility = visibility;
            expected.title = title(text);
            let changed = streams.change(&created.id, &change).await.expect("change");
            assert_eq!(changed, expected);
            assert_eq!(
                streams.find(&created.id).await.expect("find"),
                Some(changed)
            );
        }
        assert_eq!(streams.find(&other.id).await.expect("find"), Some(other));
        let keys = streams.keys().await.expect("keys");
        let grant = keys.find(key.reveal()).expect("the key is as it was");
        assert_eq!(grant.srt_passphrase, created.srt_passphrase);
    }

    async fn the_keys_know_which_streams_are_private(scratch) {
        let streams = open(&scratch).await;
        let (private, _) = streams
            .create(NewStream { visibility: Visibility::Private, ..NewStream::titled(title("A")) }, at(1))
            .await
            .expect("create");
        let (public, _) = streams
            .create(NewStream::titled(title("B")), at(2))
            .await
            .expect("create");
        let mut keys = streams.keys().await.expect("keys");
        assert_eq!(keys.private(private.id.as_str()), Some(&private.id));
        assert_eq!(keys.private(public.id.as_str()), None);
        assert_eq!(keys.private("nothere"), None);
        assert_eq!(keys.all_private().collect::<Vec<_>>(), [&private.id]);

        streams.delete(&private.id).await.expect("delete");
        let after = streams.keys().await.expect("keys");
        assert_eq!(after.private(private.id.as_str()), None);
        keys = after;
        keys.keep_private([private.id.clone()]);
        assert_eq!(keys.private(private.id.as_str()), Some(&private.id));
    }

    async fn a_deleted_stream_is_gone_with_its_key(scratch) {
        let streams = open(&scratch).await;
        let (kept, _) = streams
            .create(NewStream::titled(title("A")), at(1))
            .await
            .expect("create");
        let (created, key) = streams
            .create(NewStream::titled(title("B")), at(2))
            .await
            .expect("create");
        streams.delete(&created.id).await.expect("delete");
        assert_eq!(streams.find(&created.id).await.expect("find"), None);
        assert_eq!(streams.keys().await.expect("keys").find(key.reveal()), None);
        let listed = list(&streams, &Filter::default(), Sort::default()).await;
        assert_eq!(listed, [kept]);
    }

    async fn what_is_not_there_cannot_be_changed_and_does_not_raise_the_revision(scratch) {
        let streams = open(&scratch).await;
        let id = StreamId::new("nothere").expect("id");
        let before = streams.revision().await.expect("revision");
        let error = streams.rotate_key(&id).await.expect_err("unknown");
        assert!(matches!(error, Error::UnknownStream(ref unknown) if *unknown == id));
        let error = streams
            .change(&id, &Change::default())
            .await
            .expect_err("unknown");
        assert!(matches!(error, Error::UnknownStream(ref unknown) if *unknown == id));
        let error = streams.delete(&id).await.expect_err("unknown");
        assert_eq!(error.to_string(), "there is no stream nothere");
        assert_eq!(streams.revision().await.expect("revision"), before);
    }

    async fn each_write_of_another_process_raises_the_revision(scratch) {
        let server = open(&scratch).await;
        let tool = open(&scratch).await;
        let mut seen = vec![server.revision().await.expect("revision")];
        let (stream, key) = tool
            .create(NewStream::titled(title("A")), at(1))
            .await
            .expect("create");
        seen.push(server.revision().await.expect("revision"));
        let keys = server.keys().await.expect("keys");
        assert_eq!(Some(&keys.revision), seen.last());
        assert!(keys.find(key.reveal()).is_some());
        tool.rotate_key(&stream.id).await.expect("rotate");
        seen.push(server.revision().await.expect("revision"));
        let change = Change {
            visibility: Some(Visibility::Private),
            ..Change::default()
        };
        tool.change(&stream.id, &change).await.expect("change");
        seen.push(server.revision().await.expect("revision"));
        tool.delete(&stream.id).await.expect("delete");
        seen.push(server.revision().await.expect("revision"));
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
        assert_eq!(server.revision().await.ok().as_ref(), seen.last());
    }

    async fn two_processes_write_at_once_and_lose_nothing(scratch) {
        const WRITES_EACH: i64 = 20;
        let before = open(&scratch).await.revision().await.expect("revision");
        let mut tasks = Vec::new();
        for process in 0..2 {
            let streams = open(&scratch).await;
            for write in 0..WRITES_EACH {
                let streams = streams.clone();
                tasks.push(tokio::spawn(async move {
                    let title = title(&format!("{process}/{write}"));
                    streams
                        .create(NewStream::titled(title), at(write))
                        .await
                        .expect("create")
                }));
            }
        }
        for task in tasks {
            task.await.expect("task");
        }
        let streams = open(&scratch).await;
        let keys = streams.keys().await.expect("keys");
        assert_eq!(keys.len(), 2 * WRITES_EACH as usize);
        assert_eq!(keys.revision.0 - before.0, 2 * WRITES_EACH);
    }

    async fn pages_follow_creation_without_gap_or_repeat(scratch) {
        let streams = open(&scratch).await;
        let mut created = Vec::new();
        // Two of each time, so that the id has to decide.
        for index in 0..7 {
            let (stream, _) = streams
                .create(NewStream::titled(title(&format!("{index}"))), at(index / 2))
                .await
                .expect("create");
            created.push(stream);
        }
        created.sort_by_key(|stream| (stream.created_at, stream.id.clone()));

        let listed = list(&streams, &Filter::default(), Sort::Oldest).await;
        assert_eq!(listed, created);
        let mut newest_first = list(&streams, &Filter::default(), Sort::Newest).await;
        newest_first.reverse();
        assert_eq!(newest_first, created);
    }

    async fn lists_are_filtered_and_sorted_by_title(scratch) {
        let streams = open(&scratch).await;
        let owner = user(&streams).await;
        let mut ids = Vec::new();
        for (text, tags, visibility, owner) in [
            ("Harbour 100%", vec!["Sea", "live_cam"], Visibility::Public, None),
            ("harbour 2", vec![], Visibility::Private, Some(owner.clone())),
            ("Airport", vec!["sea view"], Visibility::Public, Some(owner.clone())),
        ] {
            let new = NewStream {
                tags: Tags::new(&tags).expect("tags"),
                visibility,
                owner,
                ..NewStream::titled(title(text))
            };
            ids.push(streams.create(new, at(1)).await.expect("create").0.id);
        }
        let of = |text: &str| Some(text.to_owned());
        let all = Filter::default();
        for (filter, found) in [
            (Filter { text: of("HARB"), ..all.clone() }, vec![0, 1]),
            (Filter { text: of("0%"), ..all.clone() }, vec![0]),
            (Filter { text: of("_"), ..all.clone() }, vec![]),
            (Filter { tag: of("sEA"), ..all.clone() }, vec![0]),
            (Filter { tag: of("live_cam"), ..all.clone() }, vec![0]),
            (Filter { tag: of("liveXcam"), ..all.clone() }, vec![]),
            (Filter { owner: Some(owner.clone()), ..all.clone() }, vec![1, 2]),
            (Filter { visibility: Some(Visibility::Private), ..all.clone() }, vec![1]),
            (Filter { among: Some(Among::These(vec![ids[0].clone(), ids[2].clone()])), ..all.clone() }, vec![0, 2]),
            (Filter { among: Some(Among::Others(vec![ids[0].clone()])), ..all.clone() }, vec![1, 2]),
            (Filter { among: Some(Among::These(Vec::new())), ..all.clone() }, vec![]),
            (Filter { among: Some(Among::Others(Vec::new())), text: of("air"), ..all.clone() }, vec![2]),
        ] {
            let mut expected: Vec<&StreamId> = found.iter().map(|index| &ids[*index]).collect();
            expected.sort();
            let listed = list(&streams, &filter, Sort::Title).await;
            let mut listed: Vec<&StreamId> = listed.iter().map(|stream| &stream.id).collect();
            listed.sort();
            assert_eq!(listed, expected, "{filter:?}");
        }
        let by_title = list(&streams, &all, Sort::Title).await;
        assert_eq!(by_title.len(), 3);
        let mut reversed = list(&streams, &all, Sort::TitleReversed).await;
        reversed.reverse();
        assert_eq!(by_title, reversed);
        let stale = Paging { limit: 1, after: Some("YQpiCmM".parse().expect("a cursor")) };
        let error = streams.list(&all, Sort::Oldest, &stale).await.expect_err("of another list");
        assert!(matches!(error, Error::Cursor(_)), "{error}");
    }

    async fn case_matters_in_no_list_whatever_the_letters(scratch) {
        let streams = open(&scratch).await;
        for text in ["beta", "Alpha", "Gamma ÄRGER"] {
            let tags = Tags::new(&["Öl"]).expect("tags");
            let new = NewStream { tags, ..NewStream::titled(title(text)) };
            streams.create(new, at(1)).await.expect("create");
        }
        let titles = async |filter: &Filter| -> Vec<String> {
            let listed = list(&streams, filter, Sort::Title).await;
            listed.iter().map(|stream| stream.title.as_str().to_owned()).collect()
        };
        assert_eq!(titles(&Filter::default()).await, ["Alpha", "beta", "Gamma ÄRGER"]);
        let text = Filter { text: Some("ärg".into()), ..Filter::default() };
        assert_eq!(titles(&text).await, ["Gamma ÄRGER"]);
        let tag = Filter { tag: Some("öl".into()), ..Filter::default() };
        assert_eq!(titles(&tag).await.len(), 3);
        let gamma = streams.all(&text).await.expect("list").remove(0);
        let change = Change { title: Some(title("Übrig")), ..Change::default() };
        streams.change(&gamma.id, &change).await.expect("change");
        assert!(titles(&text).await.is_empty());
    }

    async fn everything_about_a_stream_can_be_changed_and_taken_back(scratch) {
        let streams = open(&scratch).await;
        let passphrase = SrtPassphrase::new("readable by design").expect("valid");
        let (created, key) = streams.create(NewStream::titled(title("A")), at(1)).await.expect("create");
        let publishers = Publishers::new(&["192.0.2.0/24"]).expect("networks");
        let change = Change {
            description: Some(Description::new("One.\nTwo 🚢").expect("text")),
            tags: Some(Tags::new(&["Sea", "ß"]).expect("tags")),
            srt_passphrase: Some(Some(passphrase.clone())),
            publishers: Some(publishers.clone()),
            ..Change::default()
        };
        let changed = streams.change(&created.id, &change).await.expect("change");
        assert_eq!(streams.find(&created.id).await.expect("find").as_ref(), Some(&changed));
        assert_eq!(Some(&changed.description), change.description.as_ref());
        assert_eq!(Some(&changed.tags), change.tags.as_ref());
        let keys = streams.keys().await.expect("keys");
        let grant = keys.find(key.reveal()).expect("a grant");
        assert_eq!((&grant.publishers, &grant.srt_passphrase), (&publishers, &Some(passphrase)));
        let back = Change {
            description: Some(Description::default()),
            tags: Some(Tags::default()),
            srt_passphrase: Some(None),
            publishers: Some(Publishers::default()),
            ..Change::default()
        };
        assert_eq!(streams.change(&created.id, &back).await.expect("change"), created);
    }

    async fn a_user_has_no_more_than_so_many_streams(scratch) {
        let streams = open(&scratch).await;
        let owner = UserId::new("aaaaaaaaaaaaaa").expect("an id");
        let new = NewStream { owner: Some(owner.clone()), ..NewStream::titled(title("A")) };
        let error = streams.create(new.clone(), at(1)).await.expect_err("no such user");
        assert!(matches!(error, Error::UnknownOwner(_)), "{error}");
        assert_eq!(user(&streams).await, owner);
        for _ in 0..STREAMS_OF_OWNER_MAX {
            streams.create(new.clone(), at(1)).await.expect("create");
        }
        let error = streams.create(new, at(1)).await.expect_err("one too many");
        assert!(matches!(error, Error::TooManyOfOwner), "{error}");
        streams.create(NewStream::titled(title("A")), at(1)).await.expect("the operator's");
    }

    async fn a_row_that_was_tampered_with_is_named_without_its_secret(scratch) {
        let streams = open(&scratch).await;
        let (stream, _) = streams
            .create(NewStream::titled(title("A")), at(1))
            .await
            .expect("create");
        sqlx::query("UPDATE streams SET srt_passphrase = 'tooshort'")
            .execute(&streams.pool)
            .await
            .expect("tamper");
        for error in [
            streams.find(&stream.id).await.expect_err("damaged"),
            streams.keys().await.expect_err("damaged"),
        ] {
            let message = error.to_string();
            assert!(message.contains(stream.id.as_str()), "{message}");
            assert!(!message.contains("tooshort"), "{message}");
        }
    }
}
