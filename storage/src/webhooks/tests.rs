//! Webhooks and their queue in real databases. Time is an argument: nothing here waits.

use scratch::Scratch;
use std::collections::BTreeSet;

use super::*;
use crate::Database;
use crate::listing::PAGE_MAX;

async fn open(scratch: &Scratch) -> Webhooks {
    let database = Database::open(scratch.url()).await.expect("open");
    database.webhooks()
}

fn at(unix_ms: i64) -> SystemTime {
    from_unix_ms(unix_ms)
}

fn url(text: &str) -> HookUrl {
    HookUrl::new(text).expect("valid")
}

fn events(names: &[&str]) -> EventSet {
    EventSet::of(names.iter().copied()).expect("valid")
}

fn event(id: &str, event_type: EventType) -> Event {
    Event {
        id: id.to_owned(),
        event_type,
        payload: format!(r#"{{"id":"{id}"}}"#),
    }
}

/// A webhook of the operator's that wants broadcasts' starts and ends.
async fn hook(webhooks: &Webhooks) -> Webhook {
    let wanted = events(&["broadcast.started", "broadcast.ended"]);
    let created = webhooks
        .create(url("https://example.org/hook"), wanted, true, None, at(1))
        .await;
    created.expect("create").0
}

/// A user of this name, which is the id too, and what may be said of one.
async fn user(webhooks: &Webhooks, name: &str, role: &str) {
    sqlx::query(
        "INSERT INTO users (id, name, name_lower, email, email_lower, password_hash, role, \
         created_at_ms) VALUES ($1, $1, $1, $1, $1, '', $2, 0)",
    )
    .bind(name)
    .bind(role)
    .execute(&webhooks.pool)
    .await
    .expect("insert");
}

/// What is due at `now_ms`, taken up for 100 ms.
async fn claim(webhooks: &Webhooks, now_ms: i64) -> Vec<Claim> {
    let claims = webhooks.claim(at(now_ms), at(now_ms + 100), |_| true).await;
    claims.expect("claim")
}

/// The attempt was answered with 200 at `now_ms`.
async fn delivered(webhooks: &Webhooks, claim: &Claim, now_ms: i64) {
    let good = Attempt {
        status: Some(200),
        ..Attempt::default()
    };
    let written = webhooks
        .finish(claim, &good, Outcome::Delivered, at(now_ms))
        .await;
    assert!(written.expect("finish"));
}

fn ids(claims: &[Claim]) -> Vec<(&str, u32)> {
    let of = |claim| -> (&str, u32) {
        let claim: &Claim = claim;
        (&claim.event.id, claim.attempt)
    };
    claims.iter().map(of).collect()
}

/// The first `limit` rows of a list.
fn first(limit: u32) -> Paging {
    Paging { limit, after: None }
}

async fn log(webhooks: &Webhooks, hook: &Webhook) -> Vec<Delivery> {
    let listed = webhooks
        .deliveries(&hook.id, None, ByTime::Newest, &first(100))
        .await;
    listed.expect("list").items
}

scratch::on_each_database! {
    async fn a_webhook_comes_back_as_it_was_created_and_changed(scratch) {
        let webhooks = open(&scratch).await;
        user(&webhooks, "ann", "streamer").await;
        let wanted = events(&["video.ready", "broadcast.ended"]);
        let (created, secret) = webhooks
            .create(url("https://example.org/a?b=c"), wanted, false, Some("ann".into()), at(1234))
            .await
            .expect("create");
        assert!(secret.reveal().starts_with("whsec_"));
        assert_eq!(created.created_at, at(1234));
        assert_eq!(webhooks.find(&created.id).await.expect("find"), created);
        let change = Change { active: Some(true), ..Change::default() };
        let changed = webhooks.change(&created.id, &change).await.expect("change");
        assert_eq!(changed, Webhook { active: true, ..created.clone() });
        let change = Change {
            url: Some(url("http://127.0.0.1:9/")),
            events: Some(events(&["video.failed"])),
            active: None,
        };
        let changed = webhooks.change(&created.id, &change).await.expect("change");
        assert_eq!((changed.url.as_str(), changed.active), ("http://127.0.0.1:9/", true));
        assert_eq!(changed.events, events(&["video.failed"]));
        webhooks.delete(&created.id).await.expect("delete");
        for error in [
            webhooks.find(&created.id).await.expect_err("gone"),
            webhooks.change(&created.id, &change).await.expect_err("gone"),
            webhooks.delete(&created.id).await.expect_err("gone"),
            webhooks.deliveries(&created.id, None, ByTime::Newest, &first(1)).await.expect_err("gone"),
        ] {
            assert!(matches!(error, Error::UnknownWebhook(_)), "{error}");
        }
    }

    async fn webhooks_are_listed_page_by_page(scratch) {
        let webhooks = open(&scratch).await;
        let mut created = Vec::new();
        for _ in 0..3 {
            // All in one millisecond.
            created.push(hook(&webhooks).await);
        }
        created.sort_by(|a, b| a.id.cmp(&b.id));
        let page = webhooks.list(None, ByTime::Oldest, &first(2)).await.expect("list");
        let rest = Paging { limit: 2, after: page.next };
        let rest = webhooks.list(None, ByTime::Oldest, &rest).await.expect("list");
        assert_eq!(rest.next, None);
        assert_eq!([page.items, rest.items].concat(), created);
    }

    async fn an_event_is_queued_for_those_who_want_it(scratch) {
        let webhooks = open(&scratch).await;
        let operators = hook(&webhooks).await;
        user(&webhooks, "ann", "streamer").await;
        user(&webhooks, "bob", "admin").await;
        let wanted = || events(&["broadcast.started"]);
        let of = |owner: &str, active| {
            let owner = Some(owner.to_owned());
            webhooks.create(url("https://example.org/"), wanted(), active, owner, at(2))
        };
        let (anns, _) = of("ann", true).await.expect("create");
        let (bobs, _) = of("bob", true).await.expect("create");
        let (idle, _) = of("ann", false).await.expect("create");
        let started = event("e1", EventType::BroadcastStarted);
        let recorded = webhooks.record(&started, Some("ann"), at(10)).await.expect("record");
        assert_eq!(recorded, Recorded { queued: 2, overflowed: 0 });
        let ready = event("e2", EventType::VideoReady);
        let recorded = webhooks.record(&ready, None, at(11)).await.expect("record");
        assert_eq!(recorded, Recorded::default());
        for (hook, count) in [(&operators, 1), (&anns, 1), (&bobs, 0), (&idle, 0)] {
            assert_eq!(log(&webhooks, hook).await.len(), count);
        }
        let delivery = &log(&webhooks, &anns).await[0];
        assert_eq!(delivery.payload, started.payload);
        assert_eq!((delivery.status, delivery.attempts), (Status::Pending, 0));
        assert_eq!((delivery.next_at, delivery.created_at), (Some(at(10)), at(10)));
        webhooks.delete(&anns.id).await.expect("delete");
        let claims = claim(&webhooks, 10).await;
        assert_eq!(claims.len(), 1, "what was pending went with its webhook");
    }

    async fn events_leave_in_order_one_at_a_time_a_webhook(scratch) {
        let webhooks = open(&scratch).await;
        let hooks = [hook(&webhooks).await, hook(&webhooks).await];
        for (id, event_type, now) in [
            ("e1", EventType::BroadcastStarted, 10),
            ("e2", EventType::BroadcastEnded, 11),
        ] {
            webhooks.record(&event(id, event_type), None, at(now)).await.expect("record");
        }
        assert!(claim(&webhooks, 9).await.is_empty(), "nothing is due");
        let first = claim(&webhooks, 20).await;
        assert_eq!(ids(&first), [("e1", 1), ("e1", 1)]);
        let claimed: BTreeSet<_> = first.iter().map(|claim| claim.webhook.clone()).collect();
        assert_eq!(claimed, hooks.iter().map(|hook| hook.id.clone()).collect());
        // Of another process too: the first event is still under way.
        let other = open(&scratch).await;
        assert!(claim(&other, 20).await.is_empty());
        let of_second = first.iter().find(|claim| claim.webhook == hooks[1].id);
        delivered(&webhooks, of_second.expect("taken up"), 21).await;
        let second = claim(&other, 21).await;
        assert_eq!(ids(&second), [("e2", 1)]);
        assert_eq!(second[0].webhook, hooks[1].id);
    }

    async fn an_attempt_is_written_down(scratch) {
        let webhooks = open(&scratch).await;
        let hook = hook(&webhooks).await;
        let started = event("e1", EventType::BroadcastStarted);
        webhooks.record(&started, None, at(10)).await.expect("record");
        let first = claim(&webhooks, 10).await;
        let failed = Attempt {
            status: Some(500),
            error: Some("the answer was 500".into()),
            answer: Some("Ärger".into()),
        };
        let later = Outcome::Retry(at(5010));
        assert!(webhooks.finish(&first[0], &failed, later, at(20)).await.expect("finish"));
        let delivery = log(&webhooks, &hook).await.remove(0);
        assert_eq!((delivery.status, delivery.attempts), (Status::Pending, 1));
        assert_eq!(delivery.next_at, Some(at(5010)));
        assert_eq!((delivery.last_status, &delivery.last_error), (Some(500), &failed.error));
        assert_eq!(delivery.last_answer, failed.answer);
        assert!(claim(&webhooks, 5009).await.is_empty(), "not before its time");

        let second = claim(&webhooks, 5010).await;
        assert_eq!(ids(&second), [("e1", 2)]);
        assert_eq!(second[0].event, started);
        let good = Attempt { status: Some(204), ..Attempt::default() };
        let delivered = Outcome::Delivered;
        assert!(webhooks.finish(&second[0], &good, delivered, at(5020)).await.expect("finish"));
        let delivery = log(&webhooks, &hook).await.remove(0);
        assert_eq!((delivery.status, delivery.attempts), (Status::Delivered, 2));
        assert_eq!((delivery.next_at, delivery.finished_at), (None, Some(at(5020))));
        assert_eq!((delivery.last_status, delivery.last_error), (Some(204), None));
        assert!(claim(&webhooks, 99_999).await.is_empty());
    }

    async fn what_a_dead_process_took_up_is_sent_by_another(scratch) {
        let webhooks = open(&scratch).await;
        hook(&webhooks).await;
        for (id, now) in [("e1", 10), ("e2", 11)] {
            let started = event(id, EventType::BroadcastStarted);
            webhooks.record(&started, None, at(now)).await.expect("record");
        }
        let dead = claim(&webhooks, 10).await;
        assert!(claim(&webhooks, 109).await.is_empty(), "its attempt may still run");
        let other = open(&scratch).await;
        let taken = claim(&other, 110).await;
        assert_eq!(ids(&taken), [("e1", 2)]);
        // It was not dead, only slow: the other's attempt counts.
        let good = Attempt { status: Some(200), ..Attempt::default() };
        let written = webhooks.finish(&dead[0], &good, Outcome::Delivered, at(120)).await;
        assert!(!written.expect("finish"));
        let written = other.finish(&taken[0], &good, Outcome::Failed, at(120)).await;
        assert!(written.expect("finish"));
    }

    async fn processes_that_claim_at_once_share_the_work(scratch) {
        let webhooks = open(&scratch).await;
        for _ in 0..5 {
            hook(&webhooks).await;
        }
        let started = event("e1", EventType::BroadcastStarted);
        webhooks.record(&started, None, at(10)).await.expect("record");
        let processes = [open(&scratch).await, open(&scratch).await, webhooks];
        let claiming = processes.map(|process| {
            tokio::spawn(async move { claim(&process, 10).await })
        });
        let mut taken = Vec::new();
        for claims in claiming {
            taken.extend(claims.await.expect("no panic"));
        }
        let hooks: BTreeSet<_> = taken.iter().map(|claim| claim.webhook.clone()).collect();
        assert_eq!((taken.len(), hooks.len()), (5, 5), "each once");
    }

    async fn a_webhook_that_is_switched_off_waits_and_can_be_tried_out(scratch) {
        let webhooks = open(&scratch).await;
        let hook = hook(&webhooks).await;
        let started = event("e1", EventType::BroadcastStarted);
        webhooks.record(&started, None, at(10)).await.expect("record");
        let switched = |active| Change { active: Some(active), ..Change::default() };
        webhooks.change(&hook.id, &switched(false)).await.expect("change");
        assert!(claim(&webhooks, 10).await.is_empty());
        let ping = event("p1", EventType::Ping);
        let queued = webhooks.send_to(&hook.id, &ping, at(11)).await.expect("ping");
        assert_eq!((queued.event_type.as_str(), queued.status), ("ping", Status::Pending));
        assert_eq!(ids(&claim(&webhooks, 11).await), [("p1", 1)]);
        webhooks.change(&hook.id, &switched(true)).await.expect("change");
        assert_eq!(ids(&claim(&webhooks, 111).await), [("e1", 1)]);
    }

    async fn a_receiver_that_is_gone_does_not_fill_the_disk(scratch) {
        let webhooks = open(&scratch).await;
        let hook = hook(&webhooks).await;
        let started = event("e1", EventType::BroadcastStarted);
        let mut write = webhooks.pool.begin().await.expect("begin");
        for index in 0..queue::PENDING_MAX {
            sqlx::query(
                "INSERT INTO webhook_deliveries (id, webhook_id, event_id, event_type, payload, \
                 attempts, next_at_ms, status, created_at_ms) \
                 VALUES ($1, $2, 'e', 'broadcast.started', '{}', 0, 0, 'pending', 0)",
            )
            .bind(index.to_string())
            .bind(hook.id.as_str())
            .execute(&mut *write)
            .await
            .expect("insert");
        }
        write.commit().await.expect("commit");
        let recorded = webhooks.record(&started, None, at(10)).await.expect("record");
        assert_eq!(recorded, Recorded { queued: 0, overflowed: 1 });
        let ping = event("p1", EventType::Ping);
        let refused = webhooks.send_to(&hook.id, &ping, at(11)).await.expect_err("no room");
        assert!(matches!(refused, Error::TooManyPending), "{refused}");
        let [claimed] = &claim(&webhooks, 12).await[..] else { panic!("one") };
        delivered(&webhooks, claimed, 13).await;
        webhooks.send_to(&hook.id, &ping, at(14)).await.expect("room");
    }

    async fn who_has_no_room_is_passed_over_by_the_next(scratch) {
        let webhooks = open(&scratch).await;
        user(&webhooks, "ann", "streamer").await;
        let wanted = || events(&["broadcast.started"]);
        for _ in 0..3 {
            let address = url("https://example.org/");
            let created = webhooks.create(address, wanted(), true, Some("ann".into()), at(1));
            created.await.expect("create");
        }
        let started = event("e1", EventType::BroadcastStarted);
        webhooks.record(&started, Some("ann"), at(10)).await.expect("record");
        hook(&webhooks).await;
        webhooks.record(&event("e2", EventType::BroadcastStarted), None, at(11)).await.expect("record");
        let mut anns = 0;
        let one_of_ann = |owner: Option<&str>| {
            anns += usize::from(owner == Some("ann"));
            owner.is_none() || anns == 1
        };
        let claims = webhooks.claim(at(20), at(120), one_of_ann).await.expect("claim");
        assert_eq!(ids(&claims), [("e1", 1), ("e2", 1)]);
    }

    async fn a_user_who_may_have_no_streams_any_more_is_told_nothing(scratch) {
        let webhooks = open(&scratch).await;
        user(&webhooks, "ann", "streamer").await;
        let wanted = events(&["broadcast.started"]);
        let created = webhooks.create(url("https://example.org/"), wanted, true, Some("ann".into()), at(1));
        let (hook, _) = created.await.expect("create");
        let started = event("e1", EventType::BroadcastStarted);
        let tell = async |now| webhooks.record(&started, Some("ann"), at(now)).await.expect("record");
        tell(10).await;
        for statement in [
            "UPDATE users SET disabled = 1",
            "UPDATE users SET disabled = 0, role = 'viewer'",
        ] {
            sqlx::query(statement).execute(&webhooks.pool).await.expect("update");
            assert_eq!(tell(11).await, Recorded::default(), "{statement}");
            assert!(claim(&webhooks, 20).await.is_empty(), "{statement}");
        }
        sqlx::query("UPDATE users SET role = 'admin'").execute(&webhooks.pool).await.expect("update");
        assert_eq!(ids(&claim(&webhooks, 20).await), [("e1", 1)]);

        sqlx::query("DELETE FROM users").execute(&webhooks.pool).await.expect("delete");
        let gone = webhooks.find(&hook.id).await.expect_err("gone");
        assert!(matches!(gone, Error::UnknownWebhook(_)), "{gone}");
        let events = events(&["broadcast.started"]);
        let created = webhooks.create(url("https://example.org/"), events, true, Some("ann".into()), at(1));
        let error = created.await.expect_err("nobody's");
        assert!(matches!(error, Error::UnknownOwner), "{error}");
    }

    async fn a_damaged_webhook_costs_no_others_their_events(scratch) {
        let webhooks = open(&scratch).await;
        let broken = hook(&webhooks).await;
        hook(&webhooks).await;
        sqlx::query("UPDATE webhooks SET events = 'nonsense' WHERE id = $1")
            .bind(broken.id.as_str())
            .execute(&webhooks.pool)
            .await
            .expect("update");
        let started = event("e1", EventType::BroadcastStarted);
        let recorded = webhooks.record(&started, None, at(10)).await.expect("record");
        assert_eq!(recorded, Recorded { queued: 1, overflowed: 0 });
    }

    async fn a_delivery_that_cannot_be_read_holds_up_no_other_event_of_its_webhook(scratch) {
        let webhooks = open(&scratch).await;
        let hook = hook(&webhooks).await;
        for (id, now) in [("e1", 10), ("e2", 11)] {
            let started = event(id, EventType::BroadcastStarted);
            webhooks.record(&started, None, at(now)).await.expect("record");
        }
        let name = async |name: &str| {
            sqlx::query("UPDATE webhook_deliveries SET event_type = $1 WHERE event_id = 'e1'")
                .bind(name)
                .execute(&webhooks.pool)
                .await
                .expect("update");
        };
        // As a newer version writes it, of which a process runs beside this one.
        name("broadcast.paused").await;
        assert!(claim(&webhooks, 20).await.is_empty());
        let claims = claim(&webhooks, 21).await;
        assert_eq!(ids(&claims), [("e2", 1)]);
        delivered(&webhooks, &claims[0], 22).await;

        let hour_ms = 60 * 60 * 1000;
        assert!(claim(&webhooks, 20 + hour_ms - 1).await.is_empty());
        let listed = log(&webhooks, &hook).await;
        let waiting = listed.iter().find(|delivery| delivery.event == "e1").expect("listed");
        assert_eq!(waiting.event_type, "broadcast.paused");
        assert_eq!((waiting.status, waiting.attempts), (Status::Pending, 0));
        assert_eq!(waiting.next_at, Some(at(20 + hour_ms)));
        name("broadcast.started").await;
        assert_eq!(ids(&claim(&webhooks, 20 + hour_ms).await), [("e1", 1)]);
    }

    async fn webhooks_that_cannot_be_read_do_not_silence_their_owners_others(scratch) {
        let webhooks = open(&scratch).await;
        let broken = hook(&webhooks).await;
        let started = event("e1", EventType::BroadcastStarted);
        webhooks.record(&started, None, at(10)).await.expect("record");
        sqlx::query("UPDATE webhooks SET secret = 'damaged' WHERE id = $1")
            .bind(broken.id.as_str())
            .execute(&webhooks.pool)
            .await
            .expect("update");
        hook(&webhooks).await;
        let started = event("e2", EventType::BroadcastStarted);
        webhooks.record(&started, None, at(11)).await.expect("record");
        // One place, for which the webhook that has waited longest comes first.
        let one = async |now_ms| {
            let mut places = 1;
            let admit = |_: Option<&str>| std::mem::replace(&mut places, 0) == 1;
            webhooks.claim(at(now_ms), at(now_ms + 100), admit).await.expect("claim")
        };
        assert!(one(20).await.is_empty());
        assert_eq!(ids(&one(21).await), [("e2", 1)]);
        assert!(claim(&webhooks, 22).await.is_empty(), "neither is due again");
    }

    async fn the_log_is_read_from_the_newest_on_by_status_and_page(scratch) {
        let webhooks = open(&scratch).await;
        let hook = hook(&webhooks).await;
        for now in 10..15 {
            let one = event(&format!("e{now}"), EventType::BroadcastStarted);
            webhooks.record(&one, None, at(now)).await.expect("record");
        }
        let of = |page: &[Delivery]| -> Vec<String> {
            page.iter().map(|delivery| delivery.event.clone()).collect()
        };
        let list = async |status, paging: Paging| {
            webhooks.deliveries(&hook.id, status, ByTime::Newest, &paging).await.expect("list")
        };
        let newest = list(None, first(2)).await;
        assert_eq!(of(&newest.items), ["e14", "e13"]);
        let rest = list(None, Paging { limit: 9, after: newest.next }).await;
        assert_eq!(of(&rest.items), ["e12", "e11", "e10"]);

        let claims = claim(&webhooks, 20).await;
        let attempt = Attempt { error: Some("no answer".into()), ..Attempt::default() };
        webhooks.finish(&claims[0], &attempt, Outcome::Failed, at(21)).await.expect("finish");
        let failed = list(Some(Status::Failed), first(9)).await.items;
        assert_eq!(of(&failed), ["e10"]);
        assert_eq!(failed[0].last_error.as_deref(), Some("no answer"));
        assert_eq!(list(Some(Status::Pending), first(9)).await.items.len(), 4);
        assert!(list(Some(Status::Delivered), first(9)).await.items.is_empty());

        let pruned = webhooks.prune(at(12)).await.expect("prune");
        assert_eq!(pruned, 2);
        assert_eq!(of(&log(&webhooks, &hook).await), ["e14", "e13", "e12"]);
    }

    async fn what_was_given_up_is_sent_again_by_hand(scratch) {
        let webhooks = open(&scratch).await;
        let hook = hook(&webhooks).await;
        let started = event("e1", EventType::BroadcastStarted);
        webhooks.record(&started, None, at(10)).await.expect("record");
        let claims = claim(&webhooks, 10).await;
        let attempt = Attempt::default();
        let later = Outcome::Retry(at(100_000));
        webhooks.finish(&claims[0], &attempt, later, at(11)).await.expect("finish");
        let id = log(&webhooks, &hook).await.remove(0).id;
        // Pending: it does not wait any longer, but its attempts count on.
        let again = webhooks.redeliver(&hook.id, &id, at(12)).await.expect("redeliver");
        assert_eq!((again.attempts, again.next_at), (1, Some(at(12))));
        let claims = claim(&webhooks, 12).await;
        assert_eq!(ids(&claims), [("e1", 2)]);
        webhooks.finish(&claims[0], &attempt, Outcome::Failed, at(13)).await.expect("finish");
        // Given up: as often as a new one.
        let again = webhooks.redeliver(&hook.id, &id, at(14)).await.expect("redeliver");
        assert_eq!((again.attempts, again.status), (0, Status::Pending));
        assert_eq!(again.finished_at, None);
        assert_eq!(ids(&claim(&webhooks, 14).await), [("e1", 1)]);
        let other = WebhookId::new("other").expect("id");
        let error = webhooks.redeliver(&other, &id, at(15)).await.expect_err("not its");
        assert!(matches!(error, Error::UnknownDelivery(_)), "{error}");
    }

    async fn there_is_a_bound_of_webhooks(scratch) {
        let webhooks = open(&scratch).await;
        let mut write = webhooks.pool.begin().await.expect("begin");
        for index in 0..WEBHOOKS_MAX {
            sqlx::query(
                "INSERT INTO webhooks (id, url, secret, events, active, created_at_ms) \
                 VALUES ($1, 'https://example.org/', 'whsec_QQ==', 'video.ready', 1, 0)",
            )
            .bind(index.to_string())
            .execute(&mut *write)
            .await
            .expect("insert");
        }
        write.commit().await.expect("commit");
        let one_more = webhooks
            .create(url("https://example.org/"), events(&["video.ready"]), true, None, at(1))
            .await;
        assert!(matches!(one_more, Err(Error::TooManyWebhooks)));
        let listed = webhooks.list(None, ByTime::Oldest, &first(10_000)).await.expect("list");
        assert_eq!(listed.items.len(), PAGE_MAX as usize);
    }
}

#[tokio::test]
async fn no_poll_and_no_event_reads_through_the_whole_log() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let webhooks = open(&scratch).await;
    for statement in [queue::WAITING, queue::LISTENING] {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!(
            "EXPLAIN QUERY PLAN {statement}"
        )))
        .bind(0)
        .fetch_all(&webhooks.pool)
        .await
        .expect("a plan");
        let steps = plan
            .iter()
            .map(|row| row.try_get("detail").expect("a text"));
        let steps: Vec<String> = steps.collect();
        let of_log = steps.iter().filter(|step| step.contains(" d "));
        let sought: Vec<_> = of_log.collect();
        assert!(!sought.is_empty(), "{steps:?}");
        for step in sought {
            assert!(
                step.starts_with("SEARCH d USING COVERING INDEX"),
                "{steps:?}"
            );
        }
    }
}

/// Its attempt was counted, and nothing was sent for it.
#[tokio::test]
async fn what_was_taken_up_is_sent_though_the_database_then_falls_silent() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let webhooks = open(&scratch).await;
    for (id, now) in [("e1", 10), ("e2", 11), ("e3", 12)] {
        let hook = hook(&webhooks).await;
        let ping = event(id, EventType::Ping);
        webhooks
            .send_to(&hook.id, &ping, at(now))
            .await
            .expect("queued");
    }
    // What SQLite gives that has no types: no damage that this crate knows, and so an error.
    sqlx::query("UPDATE webhook_deliveries SET attempts = 'none' WHERE event_id = 'e2'")
        .execute(&webhooks.pool)
        .await
        .expect("update");
    assert_eq!(ids(&claim(&webhooks, 20).await), [("e1", 1)]);
    // Nothing was taken up: then the error is told.
    let failed = webhooks.claim(at(20), at(120), |_| true).await;
    assert!(matches!(failed, Err(Error::Database(_))), "{failed:?}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_keeps_no_others_events_back() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let webhooks = open(&scratch).await;
    let broken = hook(&webhooks).await;
    hook(&webhooks).await;
    let started = event("e1", EventType::BroadcastStarted);
    webhooks
        .record(&started, None, at(10))
        .await
        .expect("record");
    sqlx::query("UPDATE webhooks SET secret = 'damaged' WHERE id = $1")
        .bind(broken.id.as_str())
        .execute(&webhooks.pool)
        .await
        .expect("update");
    assert_eq!(claim(&webhooks, 10).await.len(), 1);
    assert_eq!(claim(&webhooks, 1000).await.len(), 1);
}
