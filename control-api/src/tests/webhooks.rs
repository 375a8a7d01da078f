//! Webhooks and their log by the API. Nothing is sent here: that is the process around it.

use std::time::{Duration, SystemTime};

use media_core::WebhookId;
use serde_json::json;
use storage::webhooks::{Attempt, Event, EventType, Outcome};

use super::errors::assert_problem;
use super::*;

const WEBHOOKS: &str = "/api/v1/webhooks";

async fn create(server: &Server) -> Value {
    let body = json!({ "url": "https://example.org/hook", "events": ["broadcast.ended"] });
    let answer = server.admin_json("POST", WEBHOOKS, body.to_string()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let json = answer.json();
    let location = format!("{WEBHOOKS}/{}", text(&json["id"]));
    assert_eq!(answer.header(header::LOCATION), location);
    json
}

async fn path_of_new(server: &Server) -> String {
    format!("{WEBHOOKS}/{}", text(&create(server).await["id"]))
}

scratch::on_each_database! {
    async fn a_webhook_is_created_changed_and_deleted_and_its_secret_shown_once(scratch) {
        let server = Server::on(scratch).await;
        let mut created = create(&server).await;
        let secret = created["secret"].take();
        assert!(text(&secret).starts_with("whsec_"));
        let expected = json!({
            "id": created["id"],
            "owner": null,
            "url": "https://example.org/hook",
            "events": ["broadcast.ended"],
            "active": true,
            "created_at": created["created_at"],
        });
        let path = format!("{WEBHOOKS}/{}", text(&created["id"]));
        assert_eq!(server.admin("GET", &path).await.json(), expected);

        let change = json!({ "active": false, "events": ["video.ready", "video.failed"] });
        let changed = server.admin_json("PATCH", &path, change.to_string()).await;
        assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
        assert_eq!(changed.json()["active"], false);
        assert_eq!(
            changed.json()["events"],
            json!(["video.ready", "video.failed"])
        );
        assert_eq!(changed.json()["url"], expected["url"]);
        let listed = server.admin("GET", WEBHOOKS).await.json();
        assert_eq!(
            listed,
            json!({ "items": [changed.json()], "next_cursor": null })
        );

        let deleted = server.admin("DELETE", &path).await;
        assert_eq!(
            (deleted.status, deleted.text.as_str()),
            (StatusCode::NO_CONTENT, "")
        );
        for (method, path) in [
            ("GET", path.clone()),
            ("DELETE", path.clone()),
            ("POST", format!("{path}/ping")),
            ("GET", format!("{path}/deliveries")),
            ("GET", format!("{WEBHOOKS}/NoId")),
        ] {
            let answer = server.admin(method, &path).await;
            assert_problem(&answer, 404, "no_such_webhook");
        }
        let answer = server
            .admin("POST", &format!("{path}/deliveries/nothere/redeliver"))
            .await;
        assert_problem(&answer, 404, "no_such_webhook");
    }

    async fn webhooks_are_listed_page_by_page(scratch) {
        let server = Server::on(scratch).await;
        let mut created = Vec::new();
        for _ in 0..3 {
            created.push(text(&create(&server).await["id"]));
        }
        let mut listed = Vec::new();
        let mut path = format!("{WEBHOOKS}?limit=2");
        loop {
            let page = server.admin("GET", &path).await.json();
            let items = page["items"].as_array().expect("items");
            listed.extend(items.iter().map(|item| text(&item["id"])));
            if page["next_cursor"].is_null() {
                break;
            }
            path = format!("{WEBHOOKS}?limit=2&cursor={}", text(&page["next_cursor"]));
        }
        created.sort();
        listed.sort();
        assert_eq!(listed, created);
        for query in [
            "limit=0",
            "limit=501",
            "limit=x",
            "cursor=nothere",
            "cursor=!",
        ] {
            let answer = server.admin("GET", &format!("{WEBHOOKS}?{query}")).await;
            let problem = assert_problem(&answer, 400, "invalid_request");
            let field = query.split('=').next().expect("a name");
            assert_eq!(problem["errors"][0]["field"], field);
        }
    }

    async fn what_is_wrong_with_a_webhook_is_named_by_its_field(scratch) {
        let server = Server::on(scratch).await;
        let path = path_of_new(&server).await;
        let good = "https://example.org/";
        for (method, path, body, field) in [
            (
                "POST",
                WEBHOOKS,
                json!({ "events": ["video.ready"] }),
                "url",
            ),
            ("POST", WEBHOOKS, json!({ "url": good }), "events"),
            (
                "POST",
                WEBHOOKS,
                json!({ "url": good, "events": [] }),
                "events",
            ),
            (
                "POST",
                WEBHOOKS,
                json!({ "url": good, "events": ["ping"] }),
                "events",
            ),
            (
                "POST",
                WEBHOOKS,
                json!({ "url": "ftp://a/", "events": ["video.ready"] }),
                "url",
            ),
            (
                "PATCH",
                &path,
                json!({ "url": "https://a:b@example.org/" }),
                "url",
            ),
            ("PATCH", &path, json!({ "events": ["video"] }), "events"),
        ] {
            let answer = server.admin_json(method, path, body.to_string()).await;
            let problem = assert_problem(&answer, 422, "invalid_fields");
            assert_eq!(problem["errors"][0]["field"], field, "{body}");
        }
        for (body, field) in [
            (json!({ "active": null }), "active"),
            (json!({ "secret": "whsec_mine" }), "secret"),
        ] {
            let answer = server.admin_json("PATCH", &path, body.to_string()).await;
            let problem = assert_problem(&answer, 400, "invalid_request");
            assert_eq!(problem["errors"][0]["field"], field, "{body}");
        }
    }

    async fn a_ping_is_logged_read_by_status_and_sent_again(scratch) {
        let server = Server::on(scratch).await;
        let path = path_of_new(&server).await;
        let answer = server.admin("POST", &format!("{path}/ping")).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        let pinged = answer.json();
        assert_eq!(
            (&pinged["event_type"], &pinged["status"]),
            (&json!("ping"), &json!("pending"))
        );
        let payload: Value = serde_json::from_str(&text(&pinged["payload"])).expect("JSON");
        let expected = json!({
            "id": pinged["event_id"],
            "type": "ping",
            "created_at": payload["created_at"],
            "data": {},
        });
        assert_eq!(payload, expected);

        // What the process around the API does with it.
        let webhooks = server.database.webhooks();
        let now = SystemTime::now() + Duration::from_secs(1);
        let claims = webhooks.claim(now, now, |_| true).await.expect("claim");
        let attempt = Attempt {
            status: Some(503),
            error: Some("the answer was 503 Service Unavailable".to_owned()),
            answer: Some("busy".to_owned()),
        };
        let given_up = webhooks.finish(&claims[0], &attempt, Outcome::Failed, now);
        assert!(given_up.await.expect("finish"));
        let failed = server
            .admin("GET", &format!("{path}/deliveries?status=failed"))
            .await
            .json();
        assert_eq!(failed["next_cursor"], Value::Null);
        let item = &failed["items"][0];
        assert_eq!(
            (&item["last_status"], &item["attempts"]),
            (&json!(503), &json!(1))
        );
        assert_eq!(
            (&item["last_answer"], &item["next_at"]),
            (&json!("busy"), &Value::Null)
        );

        let again = format!("{path}/deliveries/{}/redeliver", text(&item["id"]));
        let answer = server.admin("POST", &again).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        assert_eq!(
            (&answer.json()["status"], &answer.json()["attempts"]),
            (&json!("pending"), &json!(0))
        );
        assert_eq!(answer.json()["event_id"], pinged["event_id"]);
        let failed = server
            .admin("GET", &format!("{path}/deliveries?status=failed"))
            .await
            .json();
        assert_eq!(failed["items"], json!([]));
        for query in ["status=lost", "cursor=nothere", "limit=0"] {
            let answer = server
                .admin("GET", &format!("{path}/deliveries?{query}"))
                .await;
            assert_problem(&answer, 400, "invalid_request");
        }
        let other = path_of_new(&server).await;
        let not_its = format!("{other}/deliveries/{}/redeliver", text(&item["id"]));
        assert_problem(
            &server.admin("POST", &not_its).await,
            404,
            "no_such_delivery",
        );
    }

    async fn deliveries_are_listed_from_the_newest_on(scratch) {
        let server = Server::on(scratch).await;
        let path = path_of_new(&server).await;
        let id = WebhookId::new(path.rsplit('/').next().expect("an id")).expect("an id");
        let mut events = Vec::new();
        for second in 1..=3 {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second);
            let event = Event::new(EventType::Ping, "{}", at).expect("random");
            let webhooks = server.database.webhooks();
            webhooks.send_to(&id, &event, at).await.expect("queued");
            events.insert(0, event.id);
        }
        let page = server
            .admin("GET", &format!("{path}/deliveries?limit=2"))
            .await
            .json();
        let cursor = text(&page["next_cursor"]);
        let rest = server
            .admin("GET", &format!("{path}/deliveries?limit=2&cursor={cursor}"))
            .await
            .json();
        let items = [&page, &rest].map(|page| page["items"].as_array().expect("items"));
        let listed: Vec<_> = items
            .into_iter()
            .flatten()
            .map(|item| text(&item["event_id"]))
            .collect();
        assert_eq!(listed, events);
        assert_eq!(rest["next_cursor"], Value::Null);
    }

    async fn strangers_learn_nothing_of_webhooks(scratch) {
        let server = Server::on(scratch).await;
        let path = path_of_new(&server).await;
        for (method, path) in [
            ("GET", WEBHOOKS.to_owned()),
            ("POST", WEBHOOKS.to_owned()),
            ("GET", path.clone()),
            ("PATCH", path.clone()),
            ("DELETE", path.clone()),
            ("POST", format!("{path}/ping")),
            ("GET", format!("{path}/deliveries")),
            ("POST", format!("{path}/deliveries/x/redeliver")),
            ("GET", format!("{WEBHOOKS}/nothere")),
        ] {
            let answer = server.stranger(method, &path).await;
            assert_problem(&answer, 401, "unauthorized");
        }
    }
}
