//! Users, invitations and sessions in a real database.

use std::time::{Duration, SystemTime};

use super::invitations::{InvitedAs, Lifetime};
use super::sessions::{REFRESH_LIFETIME, SESSIONS_PER_USER_MAX};
use super::users::{Change, Filter, NewUser, Sort};
use super::*;
use crate::Database;
use crate::listing::{ByTime, Page, Paging};
use crate::stream::Title;
use crate::streams::NewStream;

async fn open(scratch: &scratch::Scratch) -> (Database, Accounts) {
    let database = Database::open(scratch.url()).await.expect("open");
    let accounts = database.accounts();
    (database, accounts)
}

fn at(unix_s: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(unix_s)
}

fn no_password() -> PasswordHash {
    PasswordHash::from_database("none".to_owned())
}

/// With a hash that no password has: hashing is tested elsewhere, and slow.
fn new_user(name: &str, email: &str) -> NewUser {
    NewUser {
        name: UserName::new(name).expect("name"),
        email: Email::new(email).expect("email"),
        password: no_password(),
        role: Role::Viewer,
    }
}

impl Sessions {
    async fn opened(&self, user: &UserId, at: SystemTime) -> (SessionId, RefreshToken) {
        let opened = self.open(user, &no_password(), at).await.expect("open");
        opened.expect("nothing has changed")
    }
}

impl Accounts {
    async fn register(&self, name: &str) -> User {
        let new = new_user(name, &format!("{name}@example.org"));
        self.users.create(new, None, at(1000)).await.expect("user")
    }

    async fn names(&self, filter: &Filter, sort: Sort) -> Vec<String> {
        let paging = Paging {
            limit: 100,
            after: None,
        };
        names(&self.users.list(filter, sort, &paging).await.expect("list"))
    }
}

fn names(page: &Page<User>) -> Vec<String> {
    let names = page.items.iter().map(|user| user.name.as_str().to_owned());
    names.collect()
}

scratch::on_each_database! {
    async fn a_user_comes_back_as_registered_and_logs_in_by_either_name(scratch) {
        let (_, accounts) = open(&scratch).await;
        let new = new_user("Mona_7", "Mona@Example.org");
        let user = accounts.users.create(new, None, at(1000)).await.expect("user");
        assert_eq!((user.role, user.disabled), (Role::Viewer, false));
        assert_eq!(user.created_at, at(1000));
        let found = accounts.users.find(&user.id).await.expect("find");
        assert_eq!(found.as_ref(), Some(&user));
        for login in ["Mona_7", "mona_7", "MONA@example.ORG"] {
            let found = accounts.users.find_by_login(login).await.expect("find");
            assert_eq!(found.expect("found").0, user, "{login}");
        }
        for login in ["mona", "%", "Mona_7@example.org", "", "a\0b", "mona@example.org\n"] {
            let found = accounts.users.find_by_login(login).await.expect("find");
            assert_eq!(found, None, "{login:?}");
        }
    }

    async fn names_and_addresses_are_taken_whatever_their_case(scratch) {
        let (_, accounts) = open(&scratch).await;
        accounts.register("mona").await;
        let other = accounts.register("kurt").await;
        for (name, email, expected) in [
            ("MONA", "new@example.org", (true, false)),
            ("new", "Mona@Example.ORG", (false, true)),
            ("Mona", "MONA@example.org", (true, true)),
        ] {
            let created = accounts.users.create(new_user(name, email), None, at(1)).await;
            match created.expect_err("taken") {
                Error::Taken { name, email } => assert_eq!((name, email), expected),
                error => panic!("{error}"),
            }
        }
        let change = Change {
            email: Some(Email::new("MONA@EXAMPLE.ORG").expect("email")),
            ..Change::default()
        };
        let error = accounts.users.change(&other.id, &change, By::Operator).await.expect_err("taken");
        assert!(matches!(error, Error::Taken { name: false, email: true }), "{error}");
        // One's own in another case is no conflict.
        let change = Change {
            email: Some(Email::new("KURT@example.org").expect("email")),
            ..Change::default()
        };
        let changed = accounts.users.change(&other.id, &change, By::Operator).await.expect("change");
        assert_eq!(changed.email.as_str(), "KURT@example.org");
    }

    async fn a_change_leaves_alone_what_it_does_not_name(scratch) {
        let (_, accounts) = open(&scratch).await;
        let user = accounts.register("mona").await;
        let mut expected = user.clone();
        let changes = [
            Change::default(),
            Change { role: Some(Role::Admin), ..Change::default() },
            Change {
                display_name: Some(DisplayName::new("Möna 'M' <b>").expect("name")),
                bio: Some(Bio::new("two\nlines").expect("bio")),
                ..Change::default()
            },
            Change { disabled: Some(true), ..Change::default() },
            Change {
                bio: Some(Bio::default()),
                disabled: Some(false),
                ..Change::default()
            },
        ];
        for change in changes {
            expected.role = change.role.unwrap_or(expected.role);
            expected.disabled = change.disabled.unwrap_or(expected.disabled);
            if let Some(name) = &change.display_name {
                expected.display_name = name.clone();
            }
            if let Some(bio) = &change.bio {
                expected.bio = bio.clone();
            }
            let changed = accounts.users.change(&user.id, &change, By::Operator).await.expect("change");
            assert_eq!(changed, expected);
            let found = accounts.users.find(&user.id).await.expect("find");
            assert_eq!(found.as_ref(), Some(&expected));
        }
        let unknown = UserId::new("aaaaaaaaaaaaaa").expect("id");
        let error = accounts.users.change(&unknown, &Change::default(), By::Operator).await;
        assert!(matches!(error, Err(Error::UnknownUser(_))));
    }

    async fn users_are_found_by_text_and_role_and_sorted(scratch) {
        let (_, accounts) = open(&scratch).await;
        for (index, name) in ["Zoe", "anna", "Bob_1", "bobX1"].into_iter().enumerate() {
            let new = new_user(name, &format!("{name}@example.org"));
            let at = at(1000 + index as u64);
            accounts.users.create(new, None, at).await.expect("user");
        }
        let zoe = accounts.users.find_by_login("zoe").await.expect("find").expect("there").0;
        let change = Change { role: Some(Role::Admin), ..Change::default() };
        accounts.users.change(&zoe.id, &change, By::Operator).await.expect("change");
        let all = Filter::default();
        assert_eq!(accounts.names(&all, Sort::Oldest).await, ["Zoe", "anna", "Bob_1", "bobX1"]);
        assert_eq!(accounts.names(&all, Sort::Newest).await, ["bobX1", "Bob_1", "anna", "Zoe"]);
        let by_name = accounts.names(&all, Sort::Name).await;
        assert_eq!((&*by_name[0], &*by_name[3]), ("anna", "Zoe"));
        let mut backwards = accounts.names(&all, Sort::NameReversed).await;
        backwards.reverse();
        assert_eq!(backwards, by_name);
        for (text, expected) in [
            ("BOB", vec!["Bob_1", "bobX1"]),
            // An underscore is itself and no wildcard.
            ("b_1", vec!["Bob_1"]),
            ("%", vec![]),
            ("anna@", vec!["anna"]),
        ] {
            let filter = Filter { text: Some(text.to_owned()), role: None };
            assert_eq!(accounts.names(&filter, Sort::Oldest).await, expected, "{text}");
        }
        let admins = Filter { text: None, role: Some(Role::Admin) };
        assert_eq!(accounts.names(&admins, Sort::Oldest).await, ["Zoe"]);
    }

    async fn pages_by_name_have_no_gap_and_a_cursor_goes_with_its_order(scratch) {
        let (_, accounts) = open(&scratch).await;
        for name in ["ada", "Bea", "cleo", "Dora", "eva"] {
            accounts.register(name).await;
        }
        let all = Filter::default();
        let mut seen = Vec::new();
        let mut paging = Paging { limit: 2, after: None };
        loop {
            let page = accounts.users.list(&all, Sort::Name, &paging).await.expect("list");
            seen.extend(names(&page));
            match page.next {
                Some(next) => paging.after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, ["ada", "Bea", "cleo", "Dora", "eva"]);
        let error = accounts.users.list(&all, Sort::Newest, &paging).await;
        assert!(matches!(error, Err(Error::Cursor(_))));
    }

    async fn an_invitation_is_used_once_and_says_the_role(scratch) {
        let (_, accounts) = open(&scratch).await;
        let week = Lifetime::DEFAULT;
        let (invitation, code) = accounts
            .invitations
            .create(InvitedAs::Streamer, week, By::Operator, at(1000))
            .await
            .expect("invite");
        let presented = InvitationCode::presented(code.reveal()).expect("a code");
        let create = |name: &str, at_s| {
            let new = new_user(name, &format!("{name}@example.org"));
            accounts.users.create(new, Some(&presented), at(at_s))
        };
        let user = create("mona", 1001).await.expect("user");
        assert_eq!(user.role, Role::Streamer);
        let found = accounts.users.find(&user.id).await.expect("find");
        assert_eq!(found, Some(user.clone()));
        let again = create("kurt", 1002).await;
        assert!(matches!(again, Err(Error::NotInvited)));
        // Whoever was not invited is not there either.
        assert_eq!(accounts.users.find_by_login("kurt").await.expect("find"), None);

        let paging = Paging { limit: 10, after: None };
        let listed = accounts.invitations.list(ByTime::Newest, &paging).await.expect("list").items;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].id, invitation.id);
        assert_eq!(listed[0].used_by, Some(user.id.clone()));
        assert_eq!(listed[0].used_at, Some(at(1001)));
        accounts.users.delete(&user.id, By::Operator).await.expect("delete");
        let listed = accounts.invitations.list(ByTime::Newest, &paging).await.expect("list").items;
        assert_eq!((&listed[0].used_by, listed[0].used_at), (&None, Some(at(1001))));
        accounts.invitations.delete(&invitation.id, By::Operator).await.expect("delete");
        let again = accounts.invitations.delete(&invitation.id, By::Operator).await;
        assert!(matches!(again, Err(Error::UnknownInvitation(_))));
    }

    async fn what_is_no_invitation_s_id_is_not_asked_for(scratch) {
        let (_, accounts) = open(&scratch).await;
        for text in ["", "nothere", "\0", "aaaabbbbccccd\0", "AAAABBBBCCCCDD"] {
            assert_eq!(InvitationId::new(text), Err(invitations::InvalidInvitationId), "{text:?}");
        }
        let unknown = InvitationId::new("aaaabbbbccccdd").expect("an id");
        let refused = accounts.invitations.delete(&unknown, By::Operator).await;
        assert!(matches!(refused, Err(Error::UnknownInvitation(_))), "{refused:?}");
    }

    async fn the_keys_of_who_may_not_publish_open_nothing(scratch) {
        let (database, accounts) = open(&scratch).await;
        let streams = database.streams();
        let user = accounts.register("mona").await;
        let new = NewStream {
            owner: Some(user.id.clone()),
            visibility: crate::Visibility::Private,
            ..NewStream::titled(Title::new("Pier").expect("title"))
        };
        let (stream, key) = streams.create(new, at(1000)).await.expect("stream");
        let change = |role: Role, disabled: bool| {
            let change = Change { role: Some(role), disabled: Some(disabled), ..Change::default() };
            let (users, id) = (accounts.users.clone(), user.id.clone());
            async move { users.change(&id, &change, By::Operator).await.expect("change") }
        };
        let mut seen = streams.revision().await.expect("revision");
        for (role, disabled, opens) in [
            (Role::Streamer, false, true),
            (Role::Streamer, true, false),
            (Role::Admin, false, true),
            (Role::Viewer, false, false),
        ] {
            change(role, disabled).await;
            let keys = streams.keys().await.expect("keys");
            assert_eq!(keys.find(key.reveal()).is_some(), opens, "{role:?} {disabled}");
            // Nobody else may watch it meanwhile.
            assert!(keys.private(stream.id.as_str()).is_some());
            assert!(keys.revision > seen, "running processes notice");
            seen = keys.revision;
        }
    }

    async fn an_expired_or_refused_invitation_stays_unused(scratch) {
        let (_, accounts) = open(&scratch).await;
        accounts.register("mona").await;
        let second = Lifetime::from_secs(1).expect("lifetime");
        let (_, code) = accounts
            .invitations
            .create(InvitedAs::Viewer, second, By::Operator, at(1000))
            .await
            .expect("invite");
        let late = new_user("kurt", "kurt@example.org");
        let created = accounts.users.create(late, Some(&code), at(1001)).await;
        assert!(matches!(created, Err(Error::NotInvited)));
        // A name that is taken does not use it up.
        let taken = new_user("mona", "other@example.org");
        let created = accounts.users.create(taken, Some(&code), at(1000)).await;
        assert!(matches!(created, Err(Error::Taken { .. })));
        let new = new_user("kurt", "kurt@example.org");
        accounts.users.create(new, Some(&code), at(1000)).await.expect("still good");
    }

    async fn refresh_tokens_rotate_and_their_reuse_ends_the_family(scratch) {
        let (_, accounts) = open(&scratch).await;
        let user = accounts.register("mona").await;
        let sessions = &accounts.sessions;
        let (session, first) = sessions.opened(&user.id, at(1000)).await;
        let (_, elsewhere) = sessions.opened(&user.id, at(1000)).await;
        let (found, same, second) = sessions.refresh(first.reveal(), at(1900)).await.expect("next");
        assert_eq!((&found, &same), (&user, &session));
        assert_ne!(first, second);
        let (_, _, third) = sessions.refresh(second.reveal(), at(2800)).await.expect("next");
        let reused = sessions.refresh(first.reveal(), at(2801)).await;
        assert!(matches!(reused, Err(Error::RefreshReused)));
        // The newest of the family is void, and nothing of it is known any more.
        for token in [&third, &first] {
            let refused = sessions.refresh(token.reveal(), at(2802)).await;
            assert!(matches!(refused, Err(Error::RefreshRefused)));
        }
        sessions.refresh(elsewhere.reveal(), at(2803)).await.expect("another log-in");
        let guess = sessions.refresh("mrr_guess", at(2804)).await;
        assert!(matches!(guess, Err(Error::RefreshRefused)));
    }

    async fn of_two_uses_at_once_one_succeeds_and_the_family_ends(scratch) {
        let (_, accounts) = open(&scratch).await;
        let user = accounts.register("mona").await;
        let (_, token) = accounts.sessions.opened(&user.id, at(1000)).await;
        let refresh = || accounts.sessions.refresh(token.reveal(), at(1001));
        let (one, other) = tokio::join!(refresh(), refresh());
        let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
        assert!(matches!(lost, Err(Error::RefreshReused)), "{lost:?}");
        let (_, _, next) = won.expect("one of them");
        let refused = accounts.sessions.refresh(next.reveal(), at(1002)).await;
        assert!(matches!(refused, Err(Error::RefreshRefused)));
    }

    async fn a_refresh_token_is_valid_for_thirty_days_and_not_on_disk(scratch) {
        let (_, accounts) = open(&scratch).await;
        let user = accounts.register("mona").await;
        let sessions = &accounts.sessions;
        let (_, token) = sessions.opened(&user.id, at(1000)).await;
        let days = REFRESH_LIFETIME;
        let last = at(1000) + days - Duration::from_secs(1);
        let (_, _, next) = sessions.refresh(token.reveal(), last).await.expect("in time");
        let late = sessions.refresh(next.reveal(), last + days).await;
        assert!(matches!(late, Err(Error::RefreshRefused)));
        let rows = sqlx::query("SELECT sha256 FROM refresh_tokens")
            .fetch_all(&accounts.users.pool)
            .await
            .expect("rows");
        assert_eq!(rows.len(), 2);
        for row in &rows {
            let hash: String = row.try_get(0).expect("text");
            assert!(hash.len() == 64 && !next.reveal().contains(&hash));
        }
        // The next log-in forgets what has expired.
        sessions.opened(&user.id, last + days).await;
        let rows = sqlx::query("SELECT COUNT(*) FROM refresh_tokens")
            .fetch_one(&accounts.users.pool)
            .await
            .expect("count");
        assert_eq!(count(&rows).expect("number"), 1);
    }

    async fn logging_out_a_new_password_and_disabling_end_sessions(scratch) {
        let (_, accounts) = open(&scratch).await;
        let user = accounts.register("mona").await;
        let sessions = &accounts.sessions;
        let open = || sessions.opened(&user.id, at(1000));
        let refused = |token: RefreshToken| async move {
            let refreshed = sessions.refresh(token.reveal(), at(1001)).await;
            assert!(matches!(refreshed, Err(Error::RefreshRefused)), "{refreshed:?}");
        };
        let (session, token) = open().await;
        let (_, kept) = open().await;
        sessions.end(&session).await.expect("end");
        sessions.end(&session).await.expect("ended already");
        refused(token).await;
        let (_, token) = open().await;
        sessions.end_of(token.reveal()).await.expect("end");
        refused(token).await;
        let (_, _, kept) = sessions.refresh(kept.reveal(), at(1001)).await.expect("its own");

        let hash = PasswordHash::from_database("other".to_owned());
        let change = Change { password: Some(hash.clone()), ..Change::default() };
        accounts.users.change(&user.id, &change, By::Operator).await.expect("change");
        let stored = accounts.users.password(&user.id).await.expect("find");
        assert_eq!(stored, Some(hash.clone()));
        refused(kept).await;

        // Whoever logs in meanwhile has shown the password of before.
        let late = sessions.open(&user.id, &no_password(), at(1000)).await;
        assert_eq!(late.expect("open"), None);
        let opened = sessions.open(&user.id, &hash, at(1000)).await.expect("open");
        let (session, token) = opened.expect("the new password");
        let role = || sessions.role(&session, &user.id);
        assert_eq!(role().await.expect("role"), Some(Role::Viewer));
        let change = Change { disabled: Some(true), ..Change::default() };
        accounts.users.change(&user.id, &change, By::Operator).await.expect("disable");
        refused(token).await;
        assert_eq!(role().await.expect("role"), None);
        let late = sessions.open(&user.id, &hash, at(1000)).await;
        assert_eq!(late.expect("open"), None);
    }

    async fn a_refresh_shows_the_role_of_now(scratch) {
        let (_, accounts) = open(&scratch).await;
        let user = accounts.register("mona").await;
        let (_, token) = accounts.sessions.opened(&user.id, at(1000)).await;
        let change = Change { role: Some(Role::Streamer), ..Change::default() };
        accounts.users.change(&user.id, &change, By::Operator).await.expect("change");
        let refreshed = accounts.sessions.refresh(token.reveal(), at(1001)).await;
        assert_eq!(refreshed.expect("next").0.role, Role::Streamer);
    }

    async fn a_user_has_no_more_than_so_many_sessions(scratch) {
        let (_, accounts) = open(&scratch).await;
        let user = accounts.register("mona").await;
        let mut tokens = Vec::new();
        for index in 0..=SESSIONS_PER_USER_MAX {
            let at = at(1000 + index as u64);
            tokens.push(accounts.sessions.opened(&user.id, at).await.1);
        }
        let refresh = |index: usize| accounts.sessions.refresh(tokens[index].reveal(), at(2000));
        assert!(matches!(refresh(0).await, Err(Error::RefreshRefused)));
        refresh(1).await.expect("the oldest of those that are kept");
        refresh(tokens.len() - 1).await.expect("the newest");
    }

    async fn an_admin_who_was_demoted_while_its_request_waited_changes_nobody(scratch) {
        let (_, accounts) = open(&scratch).await;
        let boss = accounts.register("boss").await;
        let mona = accounts.register("mona").await;
        let second = Lifetime::from_secs(1).expect("lifetime");
        let invitations = &accounts.invitations;
        let invited = invitations.create(InvitedAs::Streamer, second, By::Operator, at(1000)).await;
        let invitation = invited.expect("invite").0;
        let admin = Change { role: Some(Role::Admin), disabled: Some(false), ..Change::default() };
        let became = accounts.users.change(&boss.id, &admin, By::Operator).await.expect("admin");
        let viewer = Change { role: Some(Role::Viewer), ..Change::default() };
        let disabled = Change { disabled: Some(true), ..Change::default() };
        for taken in [Some(viewer), Some(disabled), None] {
            accounts.users.change(&boss.id, &admin, By::Operator).await.expect("admin again");
            let (session, _) = accounts.sessions.opened(&boss.id, at(1000)).await;
            let by = By::Admin(&session, &boss.id);
            let changed = accounts.users.change(&boss.id, &admin, by).await;
            assert_eq!(changed.expect("an admin still"), became);
            match taken {
                Some(taken) => {
                    accounts.users.change(&boss.id, &taken, By::Operator).await.expect("taken");
                }
                None => accounts.sessions.end(&session).await.expect("log out"),
            }
            let before = accounts.users.find(&boss.id).await.expect("find");
            for refused in [
                accounts.users.change(&boss.id, &admin, by).await.map(drop),
                accounts.users.change(&mona.id, &admin, by).await.map(drop),
                accounts.users.delete(&mona.id, by).await,
                invitations.create(InvitedAs::Streamer, second, by, at(1000)).await.map(drop),
                invitations.delete(&invitation.id, by).await,
            ] {
                assert!(matches!(refused, Err(Error::NoRight)), "{refused:?}");
            }
            assert_eq!(accounts.users.find(&boss.id).await.expect("find"), before);
            assert_eq!(accounts.users.find(&mona.id).await.expect("find").as_ref(), Some(&mona));
        }
    }

    async fn of_two_admins_who_demote_each_other_one_is_left(scratch) {
        let (_, accounts) = open(&scratch).await;
        let (one, other) = (accounts.register("one").await.id, accounts.register("other").await.id);
        let admin = Change { role: Some(Role::Admin), ..Change::default() };
        let viewer = Change { role: Some(Role::Viewer), ..Change::default() };
        let renamed = Change { bio: Some(Bio::new("Boats").expect("bio")), ..Change::default() };
        let users = &accounts.users;
        for _ in 0..20 {
            for user in [&one, &other] {
                users.change(user, &admin, By::Operator).await.expect("admin");
            }
            let (ones, _) = accounts.sessions.opened(&one, at(1000)).await;
            let (others, _) = accounts.sessions.opened(&other, at(1000)).await;
            let (by_one, by_other) = (By::Admin(&ones, &one), By::Admin(&others, &other));
            // Neither waits for the other in a circle.
            let (first, second) = tokio::join!(
                users.change(&other, &renamed, by_one),
                users.change(&one, &renamed, by_other),
            );
            first.and(second).expect("both may");
            let (first, second) = tokio::join!(
                users.change(&other, &viewer, by_one),
                users.change(&one, &viewer, by_other),
            );
            match (first, second) {
                (Ok(_), Err(Error::NoRight)) | (Err(Error::NoRight), Ok(_)) => {}
                both => panic!("{both:?}"),
            }
        }
    }

    async fn a_new_password_does_not_replace_one_that_an_admin_has_given_since(scratch) {
        let (_, accounts) = open(&scratch).await;
        let mona = accounts.register("mona").await;
        let (session, _) = accounts.sessions.opened(&mona.id, at(1000)).await;
        let to = |text: &str| Change {
            password: Some(PasswordHash::from_database(text.to_owned())),
            ..Change::default()
        };
        // It has shown the old one; then its own is hashed, which takes a while.
        accounts.users.change(&mona.id, &to("reset"), By::Operator).await.expect("reset");
        let by = By::Oneself(&session, &mona.id);
        let late = accounts.users.change(&mona.id, &to("own"), by).await;
        assert!(matches!(late, Err(Error::NoRight)), "{late:?}");
        let kept = accounts.users.password(&mona.id).await.expect("find");
        assert_eq!(kept, to("reset").password);
    }

    async fn a_deleted_user_leaves_its_streams_to_the_operator(scratch) {
        let (database, accounts) = open(&scratch).await;
        let user = accounts.register("mona").await;
        let (_, token) = accounts.sessions.opened(&user.id, at(1000)).await;
        let streams = database.streams();
        let title = Title::new("Harbour").expect("title");
        let (stream, _) = streams
            .create(NewStream::titled(title), at(1))
            .await
            .expect("create");
        assert_eq!(stream.owner, None);
        let owner = || async {
            let found = streams.find(&stream.id).await.expect("find");
            found.expect("there").owner
        };
        streams.give_to(&stream.id, Some(&user.id)).await.expect("give");
        assert_eq!(owner().await, Some(user.id.clone()));
        accounts.users.delete(&user.id, By::Operator).await.expect("delete");
        assert_eq!(owner().await, None);
        let refused = accounts.sessions.refresh(token.reveal(), at(1001)).await;
        assert!(matches!(refused, Err(Error::RefreshRefused)));
        let again = accounts.users.delete(&user.id, By::Operator).await;
        assert!(matches!(again, Err(Error::UnknownUser(_))));
    }
}
