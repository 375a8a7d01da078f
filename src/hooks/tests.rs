//! Recorder and dispatcher on real databases, with a real receiver on a socket.

mod receiver;

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use scratch::Scratch;
use serde_json::{Value, json};
use sha2::Sha256;
use storage::accounts::users::NewUser;
use storage::accounts::{Email, Password, Role, UserName};
use storage::listing::{ByTime, PAGE_MAX, Paging};
use storage::webhooks::{Delivery, EventSet, EventType, HookUrl, Status, Webhook};
use storage::{Accounts, Database, Webhooks};

use self::receiver::{Receiver, Reply};
use super::addresses::Reach;
use super::client::{ANSWER_BYTES_MAX, Client, Error};
use super::*;

/// Two more attempts, at once: only the database's poll is between them.
const SOON: Schedule = Schedule {
    pauses: &[Duration::from_millis(1), Duration::from_millis(1)],
};

/// How long a test waits for what must come; far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    accounts: Accounts,
    webhooks: Webhooks,
    hooks: Hooks,
}

impl Running {
    async fn start(scratch: &Scratch) -> Self {
        Self::reaching(scratch, Reach::Internet).await
    }

    /// Users' webhooks reach as far as `users` says.
    async fn reaching(scratch: &Scratch, users: Reach) -> Self {
        let database = Database::open(scratch.url()).await.expect("open");
        let webhooks = database.webhooks();
        let tls = tls::client::config().expect("TLS");
        let hooks = Hooks::with(webhooks.clone(), &tls, SOON, users);
        let accounts = database.accounts();
        Self {
            accounts,
            webhooks,
            hooks,
        }
    }

    /// A streamer's id.
    async fn streamer(&self, name: &str) -> String {
        let password = Password::new("saltwater 42").expect("a password");
        let password = self.accounts.hasher.hash(password).await;
        let new = NewUser {
            name: UserName::new(name).expect("a name"),
            email: Email::new(&format!("{name}@example.org")).expect("an address"),
            password: password.expect("hashed"),
            role: Role::Streamer,
        };
        let user = self.accounts.users.create(new, None, SystemTime::now());
        user.await.expect("create").id.to_string()
    }

    /// A webhook that wants broadcasts, and its secret.
    async fn webhook(&self, url: &str, owner: Option<&str>) -> (Webhook, String) {
        let url = HookUrl::new(url).expect("a URL");
        let events = EventSet::of(["broadcast.started", "broadcast.ended"]).expect("events");
        let owner = owner.map(str::to_owned);
        let now = SystemTime::now();
        let created = self.webhooks.create(url, events, true, owner, now).await;
        let (webhook, secret) = created.expect("create");
        (webhook, secret.reveal().to_owned())
    }

    /// The webhook's log once it has `count` entries with `status`.
    async fn log(&self, webhook: &Webhook, status: Status, count: usize) -> Vec<Delivery> {
        let poll = async {
            loop {
                let all = Paging {
                    limit: PAGE_MAX,
                    after: None,
                };
                let listed =
                    self.webhooks
                        .deliveries(&webhook.id, Some(status), ByTime::Newest, &all);
                let listed = listed.await.expect("list").items;
                if listed.len() >= count {
                    return listed;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, poll).await;
        found.unwrap_or_else(|_| panic!("never {count} deliveries {status:?}"))
    }
}

/// Checks a request as its receiver would, by Standard Webhooks 1.0.0.
fn assert_signed(request: &receiver::Seen, secret: &str) {
    let key = secret.strip_prefix("whsec_").expect("a prefix");
    let key = BASE64_STANDARD.decode(key).expect("base64");
    let signed = format!(
        "{}.{}.{}",
        request.header("webhook-id"),
        request.header("webhook-timestamp"),
        request.body
    );
    let signature = request.header("webhook-signature");
    let signature = signature.strip_prefix("v1,").expect("version 1");
    let signature = BASE64_STANDARD.decode(signature).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
    mac.update(signed.as_bytes());
    mac.verify_slice(&signature)
        .expect("the signature is right");
    let sent: u64 = request
        .header("webhook-timestamp")
        .parse()
        .expect("seconds");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    assert!(now.expect("after 1970").as_secs().abs_diff(sent) < 120);
}

scratch::on_each_database! {
    async fn events_arrive_signed_and_in_order(scratch) {
        let running = Running::start(&scratch).await;
        let receiver = Receiver::start(Reply::status(204)).await;
        let (webhook, secret) = running.webhook(&receiver.url("/hook?a=b"), None).await;
        let events = running.hooks.events();
        for number in 0..4 {
            let event_type = match number % 2 {
                0 => EventType::BroadcastStarted,
                _ => EventType::BroadcastEnded,
            };
            events.tell(event_type, None, json!({ "number": number }));
        }
        // Nobody wants this one.
        events.tell(EventType::VideoReady, None, json!({}));
        let log = running.log(&webhook, Status::Delivered, 4).await;
        let seen = receiver.seen();
        assert_eq!(seen.len(), 4);
        for (number, request) in seen.iter().enumerate() {
            assert_signed(request, &secret);
            assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/hook?a=b"));
            assert_eq!(request.header("content-type"), "application/json");
            let payload: Value = serde_json::from_str(&request.body).expect("JSON");
            assert_eq!(payload["data"], json!({ "number": number }));
            assert_eq!(payload["id"], request.header("webhook-id"));
            let expected = ["broadcast.started", "broadcast.ended"][number % 2];
            assert_eq!(payload["type"], expected);
            // The log has it the other way round.
            assert_eq!(log[3 - number].payload, request.body);
            assert_eq!((log[3 - number].last_status, log[3 - number].attempts), (Some(204), 1));
        }
        assert_eq!(receiver.connections(), 1, "the connection is kept");
        running.hooks.close().await;
    }

    async fn what_fails_is_tried_again_and_given_up_in_the_end(scratch) {
        let running = Running::start(&scratch).await;
        let flaky = Receiver::start(Reply::status(500).then(Reply::status(200))).await;
        // A redirection is not followed: it would lead past the check of the address.
        let moved = Receiver::start(Reply::redirect(&flaky.url("/elsewhere"))).await;
        let (recovers, _) = running.webhook(&flaky.url("/"), None).await;
        let (fails, _) = running.webhook(&moved.url("/"), None).await;
        running.hooks.events().tell(EventType::BroadcastStarted, None, json!({}));
        let delivered = running.log(&recovers, Status::Delivered, 1).await;
        assert_eq!((delivered[0].attempts, delivered[0].last_status), (2, Some(200)));
        let seen = flaky.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
        assert_eq!(seen[0].body, seen[1].body);
        let failed = running.log(&fails, Status::Failed, 1).await;
        assert_eq!((failed[0].attempts, failed[0].last_status), (3, Some(307)));
        let error = failed[0].last_error.as_deref();
        assert_eq!(error, Some("the answer was 307 Temporary Redirect"));
        assert_eq!(moved.seen().len(), 3);
        running.hooks.close().await;
    }

    async fn a_receiver_that_hangs_holds_up_nobody_else(scratch) {
        let running = Running::start(&scratch).await;
        let hanging = Receiver::start(Reply::never()).await;
        let quick = Receiver::start(Reply::status(200)).await;
        let (stuck, _) = running.webhook(&hanging.url("/"), None).await;
        let (well, _) = running.webhook(&quick.url("/"), None).await;
        for _ in 0..3 {
            running.hooks.events().tell(EventType::BroadcastStarted, None, json!({}));
        }
        running.log(&well, Status::Delivered, 3).await;
        running.log(&stuck, Status::Pending, 3).await;
        assert_eq!(hanging.seen().len(), 1, "one at a time");
        running.hooks.close().await;
    }

    async fn receivers_that_hang_hold_up_their_owners_webhooks_alone(scratch) {
        const HANGING: usize = storage::webhooks::WEBHOOKS_OF_OWNER_MAX as usize;
        const { assert!(HANGING > dispatcher::OPERATORS_MAX) };
        let running = Running::reaching(&scratch, Reach::Anywhere).await;
        let (ann, bob) = (running.streamer("ann").await, running.streamer("bob").await);
        let hanging = Receiver::start(Reply::never()).await;
        for _ in 0..HANGING {
            running.webhook(&hanging.url("/"), Some(&ann)).await;
        }
        let tell = |owner: &str| {
            let events = running.hooks.events();
            events.tell(EventType::BroadcastStarted, Some(owner.to_owned()), json!({}));
        };
        tell(&ann);
        let full = async {
            while hanging.seen().len() < dispatcher::OF_USER_MAX {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, full).await.expect("they hang");

        let quick = Receiver::start(Reply::status(200)).await;
        let (operators, _) = running.webhook(&quick.url("/operator"), None).await;
        let (bobs, _) = running.webhook(&quick.url("/bob"), Some(&bob)).await;
        tell(&bob);
        let delivered = running.log(&bobs, Status::Delivered, 1).await;
        assert_eq!(delivered[0].attempts, 1);
        running.log(&operators, Status::Delivered, 1).await;
        assert_eq!(hanging.seen().len(), dispatcher::OF_USER_MAX);
        running.hooks.close().await;
    }

    async fn what_was_recorded_is_sent_after_a_restart(scratch) {
        let mut running = Running::start(&scratch).await;
        let receiver = Receiver::start(Reply::status(200)).await;
        let (webhook, _) = running.webhook(&receiver.url("/"), None).await;
        running.hooks.dispatcher.abort();
        let stopped = (&mut running.hooks.dispatcher).await;
        assert!(stopped.is_err_and(|error| error.is_cancelled()));
        running.hooks.events().tell(EventType::BroadcastStarted, None, json!({}));
        running.log(&webhook, Status::Pending, 1).await;
        assert!(receiver.seen().is_empty());
        let again = Running::start(&scratch).await;
        again.log(&webhook, Status::Delivered, 1).await;
        assert_eq!(receiver.seen().len(), 1);
        again.hooks.close().await;
    }
}

#[tokio::test]
async fn the_last_events_are_recorded_before_the_end() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let running = Running::start(&scratch).await;
    let (webhook, _) = running.webhook("http://127.0.0.1:9/", None).await;
    let events = running.hooks.events();
    running.hooks.dispatcher.abort();
    for _ in 0..50 {
        events.tell(EventType::BroadcastEnded, None, json!({}));
    }
    running.hooks.closing.send_replace(true);
    running.hooks.recorder.await.expect("no panic");
    let all = Paging {
        limit: PAGE_MAX,
        after: None,
    };
    let listed = running
        .webhooks
        .deliveries(&webhook.id, None, ByTime::Newest, &all)
        .await;
    assert_eq!(listed.expect("list").items.len(), 50);
}

#[tokio::test]
async fn a_users_webhook_does_not_reach_this_machine() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let running = Running::start(&scratch).await;
    let user = running.streamer("ann").await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let by_name = receiver.url("/").replace("127.0.0.1", "localhost");
    for url in [receiver.url("/"), by_name] {
        let (webhook, _) = running.webhook(&url, Some(&user)).await;
        let data = json!({});
        let ann = Some(user.clone());
        running
            .hooks
            .events()
            .tell(EventType::BroadcastStarted, ann, data);
        let failed = running.log(&webhook, Status::Failed, 1).await;
        let error = failed[0].last_error.as_deref().expect("an error");
        assert!(error.contains("not on the public internet"), "{error}");
        running.webhooks.delete(&webhook.id).await.expect("delete");
    }
    assert_eq!(receiver.connections(), 0);
    running.hooks.close().await;
}

#[tokio::test]
async fn answers_are_bounded_in_size_and_time() {
    let tls = tls::client::config().expect("TLS");
    let client = Client::new(tls, Reach::Anywhere);
    let url = |receiver: &Receiver| HookUrl::new(&receiver.url("/")).expect("a URL");
    let post = async |receiver: &Receiver, within| {
        let headers = http::HeaderMap::new();
        client
            .post(&url(receiver), headers, "{}".to_owned(), within)
            .await
    };
    let talkative = Receiver::start(Reply::text("a\0b".repeat(100_000))).await;
    let answer = post(&talkative, PATIENCE).await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text.chars().count(), ANSWER_BYTES_MAX);
    assert!(
        answer.text.starts_with("a\u{fffd}b"),
        "PostgreSQL stores no NUL"
    );
    let hanging = Receiver::start(Reply::never()).await;
    let error = post(&hanging, Duration::from_millis(50)).await;
    assert!(matches!(error, Err(Error::Timeout(_))), "{error:?}");
    // The status has come: it counts, whether the body's end does or not.
    let endless = Receiver::start(Reply::endless("so far")).await;
    let answer = post(&endless, Duration::from_millis(500)).await;
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.status.as_u16(), answer.text.as_str()),
        (200, "so far")
    );
    let gone = HookUrl::new("http://127.0.0.1:9/").expect("a URL");
    let error = client
        .post(&gone, http::HeaderMap::new(), String::new(), PATIENCE)
        .await;
    assert!(matches!(error, Err(Error::Request(_))), "{error:?}");
}
