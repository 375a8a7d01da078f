//! Private streams: made so, changed to it, and opened by tokens.

use serde_json::json;
use storage::playback_token::Lifetime;

use super::errors::assert_problem;
use super::*;

impl Server {
    /// A new private stream's id.
    async fn create_private(&self, title: &str) -> String {
        let body = json!({ "title": title, "visibility": "private" }).to_string();
        let answer = self.post_json(body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert_eq!(answer.json()["visibility"], "private");
        text(&answer.json()["id"])
    }

    async fn change(&self, id: &str, change: impl Into<Body>) -> Answer {
        let path = format!("/api/v1/streams/{id}");
        self.admin_json("PATCH", &path, change).await
    }

    async fn issue(&self, id: &str, body: impl Into<Body>) -> Answer {
        let path = format!("/api/v1/streams/{id}/playback-tokens");
        self.admin_json("POST", &path, body).await
    }

    async fn watch(&self, id: &str, query: &str) -> Answer {
        self.stranger("GET", &format!("/api/v1/watch/{id}{query}"))
            .await
    }

    /// Whether the process was told that the stream is private.
    fn announced_private(&self, id: &str) -> bool {
        let keys = self.broadcasts.keys.lock().expect("lock");
        keys.as_ref().expect("keys").private(id).is_some()
    }
}

/// `time` of an answer in seconds since 1970.
fn unix_s(time: &Value) -> u64 {
    let time = humantime::parse_rfc3339(&text(time)).expect("RFC 3339");
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

scratch::on_each_database! {
    async fn a_private_stream_is_shown_as_such_to_its_owner_and_announced(scratch) {
        let server = Server::on(scratch).await;
        let id = server.create_private("Board meeting").await;
        assert!(server.announced_private(&id));
        let shown = server.admin("GET", &format!("/api/v1/streams/{id}")).await;
        assert_eq!(shown.json()["visibility"], "private");
        let listed = server.admin("GET", "/api/v1/streams").await.json();
        assert_eq!(listed["items"], json!([shown.json()]));
        let rotated = server
            .admin("POST", &format!("/api/v1/streams/{id}/key"))
            .await;
        assert_eq!(rotated.json()["visibility"], "private");
    }

    async fn without_a_token_a_stranger_learns_nothing_but_that_it_needs_one(scratch) {
        let server = Server::on(scratch).await;
        let id = server.create_private("Board meeting").await;
        let other = server.create_private("Another").await;
        let elsewhere = server.issue(&other, "{}").await.json();
        let elsewhere = text(&elsewhere["token"]);
        for query in [
            String::new(),
            "?token=".to_owned(),
            "?token=guess".to_owned(),
            "?access_token=x".to_owned(),
            format!("?token={elsewhere}"),
        ] {
            let answer = server.watch(&id, &query).await;
            assert_problem(&answer, 403, "playback_token_required");
            assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
            assert!(!answer.text.contains("Board"), "{answer:?}");
        }
        let twice = server.watch(&id, "?token=a&token=b").await;
        assert_problem(&twice, 400, "invalid_request");
        // Not the operator's business either: this is the viewers' address.
        let token = server.token.reveal();
        let answer = server.watch(&id, &format!("?token={token}")).await;
        assert_problem(&answer, 403, "playback_token_required");
    }

    async fn a_token_opens_its_stream_and_goes_on_in_every_address(scratch) {
        let server = Server::on(scratch).await;
        let id = server.create_private("Board meeting").await;
        let answer = server.issue(&id, r#"{"expires_in_s": 60}"#).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let issued = answer.json();
        let token = text(&issued["token"]);
        let playback = json!({
            "hls": format!("http://media.test:8080/live/{id}/master.m3u8?token={token}"),
            "dvr": null,
            "page": format!("http://media.test:8080/watch/{id}?token={token}"),
            "thumbnail": null,
        });
        assert_eq!(
            issued,
            json!({
                "token": token,
                "expires_at": issued["expires_at"],
                "visibility": "private",
                "playback": playback,
            })
        );
        let expected = json!({
            "id": id,
            "title": "Board meeting",
            "description": "",
            "status": "offline",
            "playback": playback,
            "live_since": null,
            "rewind_s": null,
            "viewers": null,
            "viewers_peak": null,
        });
        let answer = server.watch(&id, &format!("?token={token}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json(), expected);

        server.broadcasts.go_live(&id, SystemTime::now());
        *server.broadcasts.rewind.lock().expect("lock") = Some(Duration::from_secs(60));
        server.broadcasts.show_thumbnails();
        let answer = server.watch(&id, &format!("?token={token}")).await;
        let thumbnail = format!("http://media.test:8080/live/{id}/thumbnail.jpg?token={token}");
        assert_eq!(answer.json()["playback"]["thumbnail"], thumbnail);
        let dvr = format!("http://media.test:8080/live/{id}/master.m3u8?dvr=1&token={token}");
        assert_eq!(answer.json()["playback"]["dvr"], dvr);
        // Who may not watch does not count either.
        server.broadcasts.take_told();
        let answer = server.watch(&id, "?playing=1&token=guess").await;
        assert_problem(&answer, 403, "playback_token_required");
        assert_eq!(server.broadcasts.take_told(), []);
    }

    async fn an_expired_token_is_told_apart_from_a_wrong_one(scratch) {
        let server = Server::on(scratch).await;
        let id = server.create_private("Board meeting").await;
        let stream = StreamId::new(&id).expect("id");
        let second = Lifetime::new(Duration::from_secs(1)).expect("lifetime");
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let expired = server.secret.issue(&stream, second, long_ago);
        let expired = expired.reveal();
        let answer = server.watch(&id, &format!("?token={expired}")).await;
        assert_problem(&answer, 403, "playback_token_expired");
        assert!(!answer.text.contains("Board"), "{answer:?}");
        let mangled = expired.replacen("v1.1", "v1.2", 1);
        let answer = server.watch(&id, &format!("?token={mangled}")).await;
        assert_problem(&answer, 403, "playback_token_required");
    }

    async fn a_token_expires_when_its_answer_says(scratch) {
        let server = Server::on(scratch).await;
        let id = server.create_private("Pier").await;
        let path = format!("/api/v1/streams/{id}/playback-tokens");
        let before = unix_s(&json!(crate::time::rfc3339(SystemTime::now())));
        // Without a body, with an empty one, and with a time.
        for (answer, seconds) in [
            (server.admin("POST", &path).await, 21_600),
            (server.issue(&id, "{}").await, 21_600),
            (server.issue(&id, r#"{"expires_in_s": 1}"#).await, 1),
            (
                server.issue(&id, r#"{"expires_in_s": 31536000}"#).await,
                31_536_000,
            ),
        ] {
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            let issued = answer.json();
            let expires_s = unix_s(&issued["expires_at"]);
            let after = unix_s(&json!(crate::time::rfc3339(SystemTime::now())));
            assert!((before + seconds..=after + seconds).contains(&expires_s));
            let token = text(&issued["token"]);
            assert_eq!(token.split('.').nth(1), Some(&*expires_s.to_string()));
        }
    }

    async fn a_token_for_a_public_stream_counts_once_it_is_private(scratch) {
        let server = Server::on(scratch).await;
        let (id, _) = server.create("Harbour").await;
        let issued = server.issue(&id, "{}").await;
        assert_eq!(issued.status, StatusCode::CREATED);
        assert_eq!(issued.json()["visibility"], "public");
        let query = format!("?token={}", text(&issued.json()["token"]));
        // Public: the token is neither needed nor handed on.
        for query in ["", "?token=guess", &query] {
            let answer = server.watch(&id, query).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert!(!answer.text.contains("token"), "{answer:?}");
        }
        let changed = server.change(&id, r#"{"visibility": "private"}"#).await;
        assert_eq!(changed.status, StatusCode::OK);
        assert_problem(&server.watch(&id, "").await, 403, "playback_token_required");
        assert_eq!(server.watch(&id, &query).await.status, StatusCode::OK);
    }

    async fn a_change_is_announced_before_it_is_answered(scratch) {
        let server = Server::on(scratch).await;
        let (id, key) = server.create("Harbour").await;
        server.broadcasts.take_told();
        let before = server.admin("GET", &format!("/api/v1/streams/{id}")).await;
        let mut expected = before.json();
        for (body, visibility, title) in [
            (r#"{"visibility": "private"}"#, "private", "Harbour"),
            (r#"{"title": "Häfen"}"#, "private", "Häfen"),
            ("{}", "private", "Häfen"),
            (r#"{"title": "Pier", "visibility": "public"}"#, "public", "Pier"),
        ] {
            let answer = server.change(&id, body).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            expected["visibility"] = json!(visibility);
            expected["title"] = json!(title);
            assert_eq!(answer.json(), expected);
            // The publisher stays: nothing but the keys is told.
            assert_eq!(server.broadcasts.take_told(), [Told::KeysChanged]);
            assert_eq!(server.announced_private(&id), visibility == "private");
        }
        assert!(server.broadcasts.opens(&key).is_some());
    }

    async fn a_faulty_change_changes_nothing_and_names_its_field(scratch) {
        let server = Server::on(scratch).await;
        let id = server.create_private("Board meeting").await;
        server.broadcasts.take_told();
        for (body, field) in [
            (r#"{"title": null}"#, "title"),
            (r#"{"visibility": null}"#, "visibility"),
            (r#"{"title": "Pier", "visibility": 0}"#, "visibility"),
            (r#"{"private": false}"#, "private"),
            (r#"{"tags": null}"#, "tags"),
            (r#"{"retention": null}"#, "retention"),
            ("[]", "body"),
        ] {
            let answer = server.change(&id, body).await;
            let problem = assert_problem(&answer, 400, "invalid_request");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
        let body = r#"{"title": "", "srt_passphrase": "short", "visibility": "open"}"#;
        let problem = assert_problem(&server.change(&id, body).await, 422, "invalid_fields");
        let errors = problem["errors"].as_array().expect("errors");
        let mut fields: Vec<String> = errors.iter().map(|it| text(&it["field"])).collect();
        fields.sort();
        assert_eq!(fields, ["srt_passphrase", "title", "visibility"], "{problem}");
        let shown = server.admin("GET", &format!("/api/v1/streams/{id}")).await;
        assert_eq!(shown.json()["title"], "Board meeting");
        assert_eq!(shown.json()["visibility"], "private");
        assert_eq!(server.broadcasts.take_told(), []);
        let answer = server.change("nothere", "{}").await;
        assert_problem(&answer, 404, "no_such_stream");
    }

    async fn a_faulty_lifetime_is_named_and_a_body_must_be_declared(scratch) {
        let server = Server::on(scratch).await;
        let id = server.create_private("Pier").await;
        for (body, field) in [
            (r#"{"expires_in_s": 18446744073709551616}"#, "expires_in_s"),
            (r#"{"expires_in_s": -1}"#, "expires_in_s"),
            (r#"{"expires_in_s": 1.5}"#, "expires_in_s"),
            (r#"{"expires_in_s": "6h"}"#, "expires_in_s"),
            (r#"{"expires_in": 60}"#, "expires_in"),
            ("60", "body"),
        ] {
            let answer = server.issue(&id, body).await;
            let problem = assert_problem(&answer, 400, "invalid_request");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
        for seconds in [0, 31_536_001, u64::MAX] {
            let body = json!({ "expires_in_s": seconds }).to_string();
            let problem = assert_problem(&server.issue(&id, body).await, 422, "invalid_fields");
            assert_eq!(problem["errors"][0]["field"], "expires_in_s", "{problem}");
        }
        let path = format!("/api/v1/streams/{id}/playback-tokens");
        let undeclared = server
            .admin_request("POST", &path)
            .body(Body::from(r#"{"expires_in_s": 60}"#))
            .expect("request");
        let answer = server.send(undeclared).await;
        assert_problem(&answer, 415, "unsupported_media_type");
        assert_problem(&server.issue("nothere", "{}").await, 404, "no_such_stream");
    }
}
