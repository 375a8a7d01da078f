//! The library in each database.

use std::time::Duration;

use media_core::{AssetId, BroadcastId};

use super::*;
use crate::accounts::users::NewUser;
use crate::accounts::{By, Email, Password, Role, User, UserName};
use crate::listing::{Cursor, Paging};
use crate::recording::{End, Place, Reason};
use crate::{Database, Recordings};

mod encoding;
mod sharing;

/// How long a transaction is given to come to where it waits for another one. Where it comes later,
/// nothing is tested that time.
const AS_FAR_AS_IT_GETS: Duration = Duration::from_millis(300);

async fn open(scratch: &scratch::Scratch) -> Database {
    Database::open(scratch.url()).await.expect("open")
}

fn at(unix_s: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(unix_s)
}

fn asset(text: &str) -> AssetId {
    AssetId::new(text).expect("an id")
}

fn unknown() -> VideoId {
    VideoId::new("nothere").expect("an id")
}

fn new(title: &str, owner: Option<&User>) -> NewVideo {
    NewVideo {
        owner: owner.map(|user| user.id.clone()),
        title: Title::new(title).expect("a title"),
        description: Description::default(),
        tags: Tags::default(),
        visibility: Visibility::Public,
    }
}

async fn user(database: &Database, name: &str) -> User {
    let accounts = database.accounts();
    let password = Password::new("saltwater 42").expect("valid");
    let new = NewUser {
        name: UserName::new(name).expect("valid"),
        email: Email::new(&format!("{name}@example.org")).expect("valid"),
        password: accounts.hasher.hash(password).await.expect("hashed"),
        role: Role::Streamer,
    };
    accounts
        .users
        .create(new, None, at(1))
        .await
        .expect("created")
}

fn titles(page: &crate::listing::Page<Video>) -> Vec<&str> {
    page.items
        .iter()
        .map(|video| video.title.as_str())
        .collect()
}

fn all(limit: u32, after: Option<Cursor>) -> Paging {
    Paging { limit, after }
}

scratch::on_each_database! {
    async fn a_video_is_made_changed_and_deleted(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let mona = user(&database, "mona").await;
        let mut wanted = new("Häfen <b>", Some(&mona));
        wanted.tags = Tags::new(["Sea", "boats"]).expect("valid");
        let made = videos.create(wanted, at(100)).await.expect("create");
        assert_eq!((made.status, made.visibility), (Status::Uploading, Visibility::Public));
        assert_eq!((made.title.as_str(), made.owner.as_ref()), ("Häfen <b>", Some(&mona.id)));
        assert_eq!((made.views, made.likes, made.bytes, made.asset.clone()), (0, 0, 0, None));
        let tags: Vec<_> = made.tags.iter().map(Tag::as_str).collect();
        assert_eq!(tags, ["Sea", "boats"]);
        assert_eq!(videos.find(&made.id).await.expect("find"), Some(made.clone()));

        let change = Change {
            description: Some(Description::new("two\nlines").expect("valid")),
            visibility: Some(Visibility::Private),
            ..Change::default()
        };
        let changed = videos.change(&made.id, &change).await.expect("change");
        assert_eq!(changed.description.as_str(), "two\nlines");
        assert_eq!(changed.visibility, Visibility::Private);
        assert_eq!((&changed.title, &changed.tags), (&made.title, &made.tags));
        let change = Change { tags: Some(Tags::new(["one"]).expect("valid")), ..Change::default() };
        assert_eq!(videos.change(&made.id, &change).await.expect("change").tags.len(), 1);
        assert_eq!(videos.change(&made.id, &Change::default()).await.expect("nothing").tags.len(), 1);

        assert_eq!(videos.add_views(&made.id, 2).await.expect("views"), 2);
        assert_eq!(videos.add_views(&made.id, 1).await.expect("views"), 3);
        videos.delete(&made.id).await.expect("delete");
        assert_eq!(videos.find(&made.id).await.expect("find"), None);
        let is_unknown = |error| matches!(error, Error::UnknownVideo(_));
        assert!(is_unknown(videos.delete(&made.id).await.expect_err("gone")));
        assert!(is_unknown(videos.change(&made.id, &change).await.expect_err("gone")));
        assert!(is_unknown(videos.add_views(&made.id, 1).await.expect_err("gone")));
        assert!(is_unknown(videos.chapters(&made.id).await.expect_err("gone")));
        assert!(is_unknown(videos.like(&made.id, &mona.id).await.expect_err("gone")));
    }

    async fn lists_show_what_somebody_may_see_in_every_order(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let (mona, kurt) = (user(&database, "mona").await, user(&database, "kurt").await);
        let mut made = Vec::new();
        for (title, owner, created) in [("Delta 50%", &mona, 1), ("alpha", &mona, 2), ("Charlie", &kurt, 2), ("BRAVO", &kurt, 3)] {
            let mut wanted = new(title, Some(owner));
            wanted.tags = Tags::new(if owner.id == mona.id { ["Sea"] } else { ["Land"] }).expect("valid");
            made.push(videos.create(wanted, at(created)).await.expect("create").id);
        }
        let operators = videos.create(new("Echo", None), at(4)).await.expect("create");
        // As an import makes it.
        sqlx::query("UPDATE videos SET status = 'ready' WHERE id <> $1")
            .bind(made[3].as_str())
            .execute(database.pool())
            .await
            .expect("ready");
        let unlisted = Change { visibility: Some(Visibility::Unlisted), ..Change::default() };
        videos.change(&made[2], &unlisted).await.expect("change");
        videos.add_views(&made[1], 7).await.expect("views");
        videos.like(&made[0], &kurt.id).await.expect("like");

        let everything = || Filter { seen: Seen::All, ..Filter::default() };
        for (filter, sort, wanted) in [
            (Filter::default(), Sort::Title, vec!["alpha", "Delta 50%", "Echo"]),
            (Filter { seen: Seen::By(kurt.id.clone()), ..Filter::default() }, Sort::Title, vec!["alpha", "BRAVO", "Charlie", "Delta 50%", "Echo"]),
            (Filter { seen: Seen::By(kurt.id.clone()), status: Some(Status::Uploading), ..Filter::default() }, Sort::Newest, vec!["BRAVO"]),
            (Filter { seen: Seen::By(mona.id.clone()), ..Filter::default() }, Sort::TitleReversed, vec!["Echo", "Delta 50%", "alpha"]),
            (Filter { owner: Some(Owner::User(mona.id.clone())), ..everything() }, Sort::Oldest, vec!["Delta 50%", "alpha"]),
            (Filter { owner: Some(Owner::Operator), ..everything() }, Sort::Newest, vec!["Echo"]),
            (Filter { tag: Some("SEA".to_owned()), ..everything() }, Sort::Newest, vec!["alpha", "Delta 50%"]),
            (Filter { text: Some("50%".to_owned()), ..everything() }, Sort::Newest, vec!["Delta 50%"]),
            (Filter { text: Some("bRaV".to_owned()), ..everything() }, Sort::Newest, vec!["BRAVO"]),
            (Filter { text: Some("_".to_owned()), ..everything() }, Sort::Newest, vec![]),
            (Filter { visibility: Some(Visibility::Unlisted), ..everything() }, Sort::Newest, vec!["Charlie"]),
            (Filter { status: Some(Status::Failed), ..everything() }, Sort::Newest, vec![]),
        ] {
            let page = videos.list(&filter, sort, &all(10, None)).await.expect("list");
            assert_eq!(titles(&page), wanted, "{filter:?}");
            assert_eq!(page.next, None);
        }
        for (sort, first) in [(Sort::MostViews, &made[1]), (Sort::MostLikes, &made[0]), (Sort::Newest, &operators.id)] {
            let page = videos.list(&everything(), sort, &all(1, None)).await.expect("list");
            assert_eq!(page.items[0].id, *first, "{sort:?}");
        }
        for sort in [Sort::Newest, Sort::Oldest, Sort::MostViews, Sort::FewestViews, Sort::MostLikes, Sort::FewestLikes, Sort::Title, Sort::TitleReversed] {
            let whole = videos.list(&everything(), sort, &all(10, None)).await.expect("list").items;
            let mut turned = Vec::new();
            let mut after = None;
            loop {
                let page = videos.list(&everything(), sort, &all(2, after)).await.expect("list");
                turned.extend(page.items);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(turned, whole, "{sort:?}");
            assert_eq!(turned.len(), 5);
            assert!(turned.iter().filter(|video| video.owner.is_some()).all(|video| video.tags.len() == 1));
        }
    }

    async fn no_user_takes_the_library_from_the_others(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let (mona, kurt) = (user(&database, "mona").await, user(&database, "kurt").await);
        sqlx::query(
            "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $1) \
             INSERT INTO videos (id, owner_id, title, title_lower, description, description_lower, \
             visibility, status, progress_permille, duration_ms, size_bytes, views, likes, created_at_ms) \
             SELECT 'v' || n, $2, 't', 't', '', '', 'public', 'uploading', 0, 0, 0, 0, 0, 0 FROM number",
        )
        .bind(i64::from(VIDEOS_OF_USER_MAX))
        .bind(mona.id.as_str())
        .execute(database.pool())
        .await
        .expect("many");
        let error = videos.create(new("one more", Some(&mona)), at(1)).await.expect_err("too many");
        assert!(matches!(error, Error::TooManyOwnVideos), "{error}");
        videos.create(new("Harbour", Some(&kurt)), at(1)).await.expect("another user's");
        videos.create(new("Harbour", None), at(1)).await.expect("the operator's");
    }

    async fn a_user_likes_a_video_once_and_takes_it_along(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let (mona, kurt) = (user(&database, "mona").await, user(&database, "kurt").await);
        let video = videos.create(new("Harbour", Some(&mona)), at(1)).await.expect("create").id;
        assert_eq!(videos.like(&video, &mona.id).await.expect("like"), 1);
        assert_eq!(videos.like(&video, &mona.id).await.expect("again"), 1);
        assert_eq!(videos.like(&video, &kurt.id).await.expect("like"), 2);
        assert!(videos.likes(&video, &kurt.id).await.expect("answer"));
        assert_eq!(videos.unlike(&video, &kurt.id).await.expect("unlike"), 1);
        assert_eq!(videos.unlike(&video, &kurt.id).await.expect("again"), 1);
        assert!(!videos.likes(&video, &kurt.id).await.expect("answer"));
        let nobody = UserId::new("aaaaaaaaaaaaaa").expect("an id");
        let error = videos.like(&video, &nobody).await.expect_err("unknown");
        assert!(matches!(error, Error::UnknownUser(_)), "{error}");

        database.accounts().users.delete(&mona.id, By::Operator).await.expect("delete");
        let left = videos.find(&video).await.expect("find").expect("there");
        assert_eq!((left.likes, left.owner), (0, None));
    }

    async fn a_user_is_deleted_while_a_file_begins_to_come_for_a_video_that_it_likes(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let mona = user(&database, "mona").await;
        let video = videos.create(new("Harbour", Some(&mona)), at(1)).await.expect("create").id;
        videos.like(&video, &mona.id).await.expect("like");
        // As an upload that begins.
        let mut upload = database.pool().begin().await.expect("begin");
        hold_owner(&mut upload, Some(&mona.id)).await.expect("held");
        let users = database.accounts().users;
        let deleting = tokio::spawn(async move { users.delete(&mona.id, By::Operator).await });
        tokio::time::sleep(AS_FAR_AS_IT_GETS).await;
        lock(&mut upload, &video).await.expect("nobody waits in a circle");
        upload.commit().await.expect("commit");
        deleting.await.expect("task").expect("deleted");
        let left = videos.find(&video).await.expect("find").expect("there");
        assert_eq!((left.likes, left.owner), (0, None));
    }

    async fn a_like_of_a_user_who_is_being_deleted_does_not_stay_counted(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let mona = user(&database, "mona").await;
        let video = videos.create(new("Harbour", None), at(1)).await.expect("create").id;
        // As a deletion, step by step.
        let mut deletion = database.pool().begin().await.expect("begin");
        hold_owner(&mut deletion, Some(&mona.id)).await.expect("held");
        likes::uncount_all_of(&mut deletion, &mona.id).await.expect("uncounted");
        let id = mona.id.clone();
        let liking = tokio::spawn({
            let (videos, video) = (videos.clone(), video.clone());
            async move { videos.like(&video, &id).await }
        });
        tokio::time::sleep(AS_FAR_AS_IT_GETS).await;
        sqlx::query("DELETE FROM users WHERE id = $1")
            .bind(mona.id.as_str())
            .execute(&mut *deletion)
            .await
            .expect("delete");
        deletion.commit().await.expect("commit");
        let liked = liking.await.expect("task");
        assert!(matches!(liked, Err(Error::UnknownUser(_))), "{liked:?}");
        assert_eq!(videos.find(&video).await.expect("find").expect("there").likes, 0);
    }

    async fn many_like_a_video_at_once(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let video = videos.create(new("Harbour", None), at(1)).await.expect("create").id;
        let mut users = Vec::new();
        for number in 0..4 {
            users.push(user(&database, &format!("user{number}")).await.id);
        }
        let liking: Vec<_> = users
            .into_iter()
            .map(|user| {
                let (videos, video) = (videos.clone(), video.clone());
                tokio::spawn(async move { videos.like(&video, &user).await })
            })
            .collect();
        for liked in liking {
            liked.await.expect("task").expect("like");
        }
        assert_eq!(videos.find(&video).await.expect("find").expect("there").likes, 4);
    }

    async fn chapters_are_replaced_together(scratch) {
        let videos = open(&scratch).await.videos();
        let video = videos.create(new("Harbour", None), at(1)).await.expect("create").id;
        assert_eq!(videos.chapters(&video).await.expect("read"), Chapters::default());
        for wanted in [vec![(0, "Start"), (90_061, "Fin <i>")], vec![(0, "All")], vec![]] {
            let chapters = Chapters::new(wanted).expect("valid");
            videos.set_chapters(&video, &chapters).await.expect("set");
            assert_eq!(videos.chapters(&video).await.expect("read"), chapters);
        }
        let error = videos.set_chapters(&unknown(), &Chapters::default()).await.expect_err("unknown");
        assert!(matches!(error, Error::UnknownVideo(_)), "{error}");
    }

    async fn subtitles_are_kept_by_name_and_one_is_the_default(scratch) {
        let videos = open(&scratch).await.videos();
        let video = videos.create(new("Harbour", None), at(1)).await.expect("create").id;
        let name = |text: &str| RenditionName::new(text).expect("a name");
        let subtitles = |text: &str, is_default| NewSubtitles {
            about: Subtitles {
                name: name(text),
                language: Language::new("de").expect("valid"),
                label: Label::new("Deutsch").expect("valid"),
                is_default,
            },
            webvtt: WebVtt::new(format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{text}\n").as_bytes()).expect("valid"),
        };
        for new in [subtitles("de", true), subtitles("en", true), subtitles("de", false)] {
            videos.put_subtitles(&video, &new).await.expect("put");
        }
        let kept = videos.subtitles(&video).await.expect("list");
        assert_eq!(kept, [subtitles("de", false).about, subtitles("en", true).about]);
        let text = videos.webvtt(&video, &name("en")).await.expect("read").expect("there");
        assert!(text.ends_with("\nen\n"));
        assert_eq!(videos.webvtt(&video, &name("fr")).await.expect("read"), None);
        videos.delete_subtitles(&video, &name("en")).await.expect("delete");
        let error = videos.delete_subtitles(&video, &name("en")).await.expect_err("gone");
        assert!(matches!(error, Error::UnknownSubtitles { .. }), "{error}");
        for number in 1..20 {
            videos.put_subtitles(&video, &subtitles(&format!("s{number}"), false)).await.expect("put");
        }
        let error = videos.put_subtitles(&video, &subtitles("more", true)).await.expect_err("full");
        assert!(matches!(error, Error::TooManySubtitles), "{error}");
        videos.put_subtitles(&video, &subtitles("de", true)).await.expect("the same name");
        assert_eq!(videos.subtitles(&video).await.expect("list").len(), 20);
    }
}
