//! Entries, their order, and how long they are kept.

use super::*;
use crate::Database;

fn entry(actor: Actor, subject: Option<&str>, at_s: u64) -> Entry {
    Entry {
        actor,
        action: "PATCH /api/v1/users/{id}".to_owned(),
        subject: subject.map(str::to_owned),
        detail: Some("role=admin, email".to_owned()),
        address: Some("192.0.2.7".to_owned()),
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(at_s),
    }
}

fn all() -> Paging {
    Paging {
        limit: 100,
        after: None,
    }
}

scratch::on_each_database! {
    async fn entries_come_back_the_newest_first_and_by_who_and_what(scratch) {
        let audit = Database::open(scratch.url()).await.expect("open").audit();
        let mona = Actor::User {
            id: UserId::new("k3f7a2mzq7xw2b").expect("id"),
            name: "mona".to_owned(),
        };
        let entries = [
            entry(Actor::Operator, Some("a"), 1000),
            entry(mona, Some("b"), 1001),
            entry(Actor::Anonymous, None, 1002),
        ];
        for entry in &entries {
            audit.record(entry).await.expect("record");
        }
        let page = audit.list(&Filter::default(), ByTime::Newest, &all()).await.expect("list");
        let [first, second, third] = entries;
        assert_eq!(page.items, [third.clone(), second.clone(), first.clone()]);
        assert_eq!(page.next, None);
        for (actor, subject, expected) in [
            (Some("operator"), None, &first),
            (Some("k3f7a2mzq7xw2b"), None, &second),
            (Some("anonymous"), None, &third),
            (None, Some("a"), &first),
        ] {
            let filter = Filter {
                actor: actor.map(str::to_owned),
                subject: subject.map(str::to_owned),
            };
            let page = audit.list(&filter, ByTime::Newest, &all()).await.expect("list");
            assert_eq!(page.items.iter().collect::<Vec<_>>(), [expected]);
        }
    }

    async fn pages_go_backwards_in_time_without_gap_or_repeat(scratch) {
        let audit = Database::open(scratch.url()).await.expect("open").audit();
        for index in 0..7 {
            // Two of each time, so that the id has to decide.
            let subject = index.to_string();
            let entry = entry(Actor::Operator, Some(&subject), 1000 + index / 2);
            audit.record(&entry).await.expect("record");
        }
        let mut seen = Vec::new();
        let mut paging = Paging { limit: 3, after: None };
        loop {
            let page = audit.list(&Filter::default(), ByTime::Newest, &paging).await.expect("list");
            seen.extend(page.items);
            match page.next {
                Some(next) => paging.after = Some(next.to_string().parse().expect("cursor")),
                None => break,
            }
        }
        assert!(seen.is_sorted_by(|a, b| a.at >= b.at));
        let mut subjects: Vec<_> = seen.into_iter().filter_map(|entry| entry.subject).collect();
        subjects.sort();
        assert_eq!(subjects, ["0", "1", "2", "3", "4", "5", "6"]);
    }

    async fn what_is_older_than_ninety_days_is_forgotten(scratch) {
        let audit = Database::open(scratch.url()).await.expect("open").audit();
        let kept_s = KEPT_FOR.as_secs();
        for (subject, at_s) in [("old", 999), ("kept", 1000), ("new", 1000 + kept_s)] {
            let entry = entry(Actor::Operator, Some(subject), at_s);
            audit.record(&entry).await.expect("record");
        }
        let page = audit.list(&Filter::default(), ByTime::Newest, &all()).await.expect("list");
        let subjects: Vec<_> = page.items.iter().map(|entry| entry.subject.as_deref()).collect();
        assert_eq!(subjects, [Some("new"), Some("kept")]);
    }
}
