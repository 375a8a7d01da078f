//! What streamers have: streams and webhooks of their own, and nobody else's.

use serde_json::json;

use super::accounts::{Member, PASSWORD};
use super::errors::assert_problem;
use super::*;

impl Server {
    /// A new streamer, who has logged in again after becoming one.
    pub(super) async fn new_streamer(&self, name: &str) -> Member {
        let id = self.register(name).await;
        let path = format!("/api/v1/users/{id}");
        self.admin_json("PATCH", &path, r#"{"role": "streamer"}"#)
            .await;
        let tokens = self.log_in(name, PASSWORD).await.json();
        Member {
            id,
            access: text(&tokens["access_token"]),
            refresh: text(&tokens["refresh_token"]),
        }
    }

    /// A stream of somebody's; its id.
    pub(super) async fn stream_of(&self, owner: &Member, body: Value) -> String {
        let created = self
            .as_user(&owner.access, "POST", "/api/v1/streams", Some(body))
            .await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        let created = created.json();
        assert_eq!(created["owner"], owner.id);
        text(&created["id"])
    }
}

/// The titles of a list.
fn titles(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let items = answer.json()["items"].as_array().expect("items").clone();
    items.iter().map(|item| text(&item["title"])).collect()
}

scratch::on_each_database! {
    async fn a_deleted_users_token_makes_no_stream(scratch) {
        let server = Server::on(scratch).await;
        let mona = server.new_streamer("mona").await;
        let path = format!("/api/v1/users/{}", mona.id);
        assert_eq!(server.admin("DELETE", &path).await.status, StatusCode::NO_CONTENT);
        let new = json!({ "title": "Harbour" });
        let answer = server
            .as_user(&mona.access, "POST", "/api/v1/streams", Some(new))
            .await;
        assert_problem(&answer, 401, "unauthorized");
    }

    async fn a_streamers_streams_are_the_own_ones(scratch) {
        let server = Server::on(scratch).await;
        let (mona, nils) = (server.new_streamer("mona").await, server.new_streamer("nils").await);
        let viewer = server.member("viewer").await;
        let public = server.stream_of(&mona, json!({ "title": "Harbour" })).await;
        let private = json!({ "title": "Cellar", "visibility": "private" });
        let private = server.stream_of(&mona, private).await;
        server.create("Operator's").await;
        let body = json!({ "title": "Pier" });
        let refused = server.as_user(&viewer.access, "POST", "/api/v1/streams", Some(body)).await;
        assert_problem(&refused, 403, "forbidden");

        for path in ["/api/v1/streams", "/api/v1/streams/own"] {
            let own = server.as_user(&mona.access, "GET", path, None).await;
            assert_eq!(titles(&own), ["Harbour", "Cellar"]);
            let none = server.as_user(&nils.access, "GET", path, None).await;
            assert_eq!(titles(&none), [""; 0]);
        }
        assert_problem(&server.admin("GET", "/api/v1/streams/own").await, 403, "no_account");
        assert_eq!(titles(&server.admin("GET", "/api/v1/streams").await).len(), 3);
        let of_mona = format!("/api/v1/streams?owner={}", mona.id);
        assert_eq!(titles(&server.admin("GET", &of_mona).await), ["Harbour", "Cellar"]);
        let refused = server.as_user(&nils.access, "GET", &of_mona, None).await;
        assert_problem(&refused, 403, "forbidden");

        for (method, suffix, body) in [
            ("GET", "", None),
            ("GET", "/publishers", None),
            ("PATCH", "", Some(json!({ "title": "Mine now" }))),
            ("POST", "/key", None),
            ("POST", "/kick", None),
            ("POST", "/playback-tokens", None),
            ("DELETE", "", None),
        ] {
            let ask = |access: &str, id: &str| {
                let (access, path) = (access.to_owned(), format!("/api/v1/streams/{id}{suffix}"));
                let (server, body) = (&server, body.clone());
                async move { server.as_user(&access, method, &path, body).await }
            };
            assert_problem(&ask(&nils.access, &public).await, 403, "forbidden");
            assert_problem(&ask(&nils.access, &private).await, 404, "no_such_stream");
            let path = format!("/api/v1/streams/{public}{suffix}");
            assert_problem(&server.stranger(method, &path).await, 401, "unauthorized");
            let own = ask(&mona.access, &private).await;
            assert!(own.status.is_success(), "{method} {suffix}: {own:?}");
        }
    }

    async fn all_that_is_said_about_a_stream_can_be_changed(scratch) {
        let server = Server::on(scratch).await;
        let mona = server.new_streamer("mona").await;
        let settings = json!({
            "title": "Harbour", "description": "One.\nTwo <b>", "tags": ["Sea", "cam"],
            "publishers": ["192.0.2.7", "10.1.2.3/8"], "record": true,
            "record_renditions": ["720p", "audio"], "retention": { "days": 7, "bytes": 0 },
            "srt_passphrase": "salt and water", "reconnect_s": 300, "backup_publisher": true,
        });
        let id = server.stream_of(&mona, settings).await;
        let path = format!("/api/v1/streams/{id}");
        let shown = server.as_user(&mona.access, "GET", &path, None).await.json();
        let expected = json!({
            "description": "One.\nTwo <b>", "tags": ["Sea", "cam"],
            "publishers": ["192.0.2.7", "10.0.0.0/8"], "record": true,
            "record_renditions": ["720p", "audio"], "retention": { "days": 7, "bytes": 0 },
            "srt_encrypted": true, "reconnect_s": 300, "backup_publisher": true,
        });
        for (field, value) in expected.as_object().expect("an object") {
            assert_eq!(&shown[field], value, "{field}");
        }
        let change = json!({
            "record": null, "retention": { "days": null }, "srt_passphrase": null,
            "reconnect_s": null, "backup_publisher": false,
        });
        let changed = server.as_user(&mona.access, "PATCH", &path, Some(change)).await.json();
        assert_eq!(changed["record"], Value::Null);
        assert_eq!(changed["retention"], json!({ "days": null, "bytes": 0 }));
        assert_eq!(changed["srt_encrypted"], false);
        assert_eq!(changed["reconnect_s"], Value::Null);
        assert_eq!(changed["backup_publisher"], false);
        assert_eq!(changed["tags"], shown["tags"]);
        let keys = server.broadcasts.keys.lock().expect("lock").take().expect("keys");
        let (_, grant) = keys.of(&StreamId::new(&id).expect("an id")).expect("a grant");
        assert_eq!(grant.owner.as_ref().map(|owner| owner.as_str()), Some(mona.id.as_str()));
        assert!(grant.publishers.allow("10.9.9.9".parse().expect("an address")));
        assert!(!grant.publishers.allow("127.0.0.1".parse().expect("an address")));
    }

    async fn streams_are_found_by_title_tag_and_status(scratch) {
        let server = Server::on(scratch).await;
        for (title, tags) in [("Harbour", "sea"), ("harbour 2", "cam"), ("Airport", "cam")] {
            let body = json!({ "title": title, "tags": [tags] }).to_string();
            assert_eq!(server.post_json(body).await.status, StatusCode::CREATED);
        }
        let list = |query: &str| {
            let path = format!("/api/v1/streams{query}");
            let server = &server;
            async move { server.admin("GET", &path).await }
        };
        assert_eq!(titles(&list("?q=HARB").await), ["Harbour", "harbour 2"]);
        assert_eq!(titles(&list("?tag=CAM&sort=-created_at").await), ["Airport", "harbour 2"]);
        let all = list("").await.json();
        let live = text(&all["items"][1]["id"]);
        server.broadcasts.go_live(&live, SystemTime::now());
        assert_eq!(titles(&list("?status=live").await), ["harbour 2"]);
        assert_eq!(titles(&list("?status=offline&sort=title&q=air").await), ["Airport"]);
        let page = list("?limit=2&sort=title").await.json();
        let cursor = text(&page["next_cursor"]);
        let rest = list(&format!("?limit=2&sort=title&cursor={cursor}")).await;
        assert_eq!(rest.json()["items"].as_array().map(Vec::len), Some(1));
        assert_problem(&list(&format!("?cursor={cursor}")).await, 400, "invalid_request");
    }

    async fn everybody_sees_public_streams_that_play(scratch) {
        let server = Server::on(scratch).await;
        let (shown, key) = server.create("Harbour").await;
        let (offline, _) = server.create("Offline").await;
        let body = json!({ "title": "Cellar", "visibility": "private" }).to_string();
        let hidden = text(&server.post_json(body).await.json()["id"]);
        for stream in [&shown, &hidden] {
            server.broadcasts.go_live(stream, SystemTime::now());
        }
        *server.broadcasts.audience.lock().expect("lock") = Some(Audience { now: 2, peak: 9 });
        let answer = server.stranger("GET", "/api/v1/streams/live").await;
        assert_eq!(titles(&answer), ["Harbour"]);
        assert_eq!(answer.json()["items"][0]["viewers"], 2);
        for secret in [&key, &offline, &hidden, &"publishers".to_owned(), &"srt".to_owned()] {
            assert!(!answer.text.contains(secret.as_str()), "{secret}");
        }
    }

    async fn a_kick_says_what_becomes_of_the_publisher_and_the_broadcast(scratch) {
        let server = Server::on(scratch).await;
        let (id, _) = server.create("Harbour").await;
        let stream = StreamId::new(&id).expect("an id");
        let path = format!("/api/v1/streams/{id}/kick");
        server.broadcasts.take_told();
        let answer = server.admin("POST", &path).await;
        assert_eq!(answer.json()["disconnected"], false);
        server.broadcasts.go_live(&id, SystemTime::now());
        let body = r#"{"for_s": 60, "end": true}"#;
        let answer = server.admin_json("POST", &path, body).await.json();
        assert_eq!(answer["disconnected"], true);
        assert!(text(&answer["refused_until"]).ends_with('Z'));
        let told = [
            Told::Kick(stream.clone(), Duration::from_secs(10)),
            Told::Kick(stream.clone(), Duration::from_secs(60)),
            Told::End(stream),
        ];
        assert_eq!(server.broadcasts.take_told(), told);
        for (body, field) in [(r#"{"for": 1}"#, "for"), (r#"{"end": 1}"#, "end")] {
            let answer = server.admin_json("POST", &path, body).await;
            let problem = assert_problem(&answer, 400, "invalid_request");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
        let answer = server.admin_json("POST", &path, r#"{"for_s": 3601}"#).await;
        let problem = assert_problem(&answer, 422, "invalid_fields");
        assert_eq!(problem["errors"][0]["field"], "for_s", "{problem}");
        assert_eq!(server.broadcasts.take_told(), []);
        let logged = server.admin("GET", "/api/v1/audit").await.json();
        assert_eq!(logged["items"][0]["action"], "POST /api/v1/streams/{id}/kick");
        assert_eq!(logged["items"][0]["subject"], id);
    }

    async fn a_streamers_webhooks_are_the_own_ones_and_go_with_the_account(scratch) {
        let server = Server::on(scratch).await;
        let (mona, nils) = (server.new_streamer("mona").await, server.new_streamer("nils").await);
        let viewer = server.member("viewer").await;
        let body = json!({ "url": "https://example.org/hook", "events": ["broadcast.ended"] });
        let create = |access: &str| {
            let (server, access, body) = (&server, access.to_owned(), body.clone());
            async move { server.as_user(&access, "POST", "/api/v1/webhooks", Some(body)).await }
        };
        assert_problem(&create(&viewer.access).await, 403, "forbidden");
        let created = create(&mona.access).await.json();
        assert_eq!(created["owner"], mona.id);
        let path = format!("/api/v1/webhooks/{}", text(&created["id"]));
        for (method, path) in [
            ("GET", path.clone()),
            ("DELETE", path.clone()),
            ("POST", format!("{path}/ping")),
            ("GET", format!("{path}/deliveries")),
            ("POST", format!("{path}/deliveries/nothere/redeliver")),
        ] {
            let answer = server.as_user(&nils.access, method, &path, None).await;
            assert_problem(&answer, 404, "no_such_webhook");
        }
        let list = |access: &str| {
            let (server, access) = (&server, access.to_owned());
            async move { server.as_user(&access, "GET", "/api/v1/webhooks", None).await.json() }
        };
        assert_eq!(list(&nils.access).await["items"], json!([]));
        assert_eq!(list(&mona.access).await["items"].as_array().map(Vec::len), Some(1));
        let own = server.as_user(&mona.access, "POST", &format!("{path}/ping"), None).await;
        assert_eq!(own.status, StatusCode::ACCEPTED);

        let stream = server.stream_of(&mona, json!({ "title": "Harbour" })).await;
        let user = format!("/api/v1/users/{}", mona.id);
        assert_eq!(server.admin("DELETE", &user).await.status, StatusCode::NO_CONTENT);
        let left = server.admin("GET", "/api/v1/webhooks").await.json();
        assert_eq!(left["items"], json!([]));
        let keys = server.broadcasts.keys.lock().expect("lock").take().expect("keys");
        let (_, grant) = keys.of(&StreamId::new(&stream).expect("an id")).expect("a grant");
        assert_eq!(grant.owner, None);
    }
}
