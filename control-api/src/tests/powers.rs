//! What somebody may do no more, and from when on.

use axum::body::Bytes;
use futures_util::stream;
use serde_json::json;
use tokio::sync::oneshot;

use super::accounts::{Member, PASSWORD};
use super::errors::assert_problem;
use super::*;

/// How long the head of a request is given to be read.
const HEAD_IS_READ: Duration = Duration::from_millis(300);

impl Server {
    /// A change in JSON whose head comes at once, and whose body once `meanwhile` has happened.
    async fn change_late(
        &self,
        member: &Member,
        path: &str,
        body: &Value,
        meanwhile: impl Future<Output = ()>,
    ) -> Answer {
        let (rest, rest_comes) = oneshot::channel::<Bytes>();
        let request = request("PATCH", path)
            .header(header::AUTHORIZATION, format!("Bearer {}", member.access))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from_stream(stream::once(rest_comes)));
        let changing = self.send(request.expect("request"));
        let (answer, ()) = tokio::join!(changing, async {
            tokio::time::sleep(HEAD_IS_READ).await;
            meanwhile.await;
            // Whoever is refused already needs no body.
            let _ = rest.send(body.to_string().into());
        });
        answer
    }

    async fn change_user(&self, member: &Member, change: Value) {
        let path = format!("/api/v1/users/{}", member.id);
        let answer = self.admin_json("PATCH", &path, change.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    /// Tries to become an admin for good, and to look around, with an access token that is still
    /// valid.
    async fn assert_no_admin(&self, admin: &Member, (status, code): (u16, &str)) {
        let path = format!("/api/v1/users/{}", admin.id);
        let again = json!({ "role": "admin", "disabled": false });
        for (method, path, body) in [
            ("PATCH", path.as_str(), Some(again)),
            ("GET", "/api/v1/users", None),
            ("POST", "/api/v1/invitations", Some(json!({}))),
        ] {
            let answer = self.as_user(&admin.access, method, path, body).await;
            assert_problem(&answer, status, code);
        }
        let private = r#"{"title": "Board meeting", "visibility": "private"}"#;
        let private = text(&self.post_json(private).await.json()["id"]);
        let path = format!("/api/v1/streams/{private}");
        let answer = self.as_user(&admin.access, "GET", &path, None).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
    }
}

scratch::on_each_database! {
    async fn an_admin_who_is_disabled_has_no_power_left(scratch) {
        let server = Server::on(scratch).await;
        let boss = server.new_admin("boss").await;
        assert_eq!(server.as_user(&boss.access, "GET", "/api/v1/users", None).await.status, StatusCode::OK);
        server.change_user(&boss, json!({ "disabled": true })).await;
        server.assert_no_admin(&boss, (401, "unauthorized")).await;
    }

    async fn an_admin_who_is_demoted_cannot_become_one_again(scratch) {
        let server = Server::on(scratch).await;
        let boss = server.new_admin("boss").await;
        server.change_user(&boss, json!({ "role": "viewer" })).await;
        server.assert_no_admin(&boss, (403, "forbidden")).await;
        let me = server.as_user(&boss.access, "GET", "/api/v1/me", None).await;
        assert_eq!(me.json()["role"], "viewer");
    }

    async fn an_admin_does_not_become_one_again_by_a_request_that_was_open_already(scratch) {
        let server = Server::on(scratch).await;
        let again = json!({ "role": "admin", "disabled": false });
        for (name, taken, refused) in [
            ("boss", json!({ "role": "viewer" }), (403, "forbidden")),
            ("chief", json!({ "disabled": true }), (401, "unauthorized")),
        ] {
            let boss = server.new_admin(name).await;
            let path = format!("/api/v1/users/{}", boss.id);
            let demotion = server.change_user(&boss, taken.clone());
            let answer = server.change_late(&boss, &path, &again, demotion).await;
            let (status, code) = refused;
            assert_problem(&answer, status, code);
            let now = server.admin("GET", &path).await.json();
            for (field, value) in taken.as_object().expect("fields") {
                assert_eq!(&now[field], value, "{now}");
            }
        }
    }

    async fn a_streamer_changes_nothing_by_a_request_that_was_open_already(scratch) {
        let server = Server::on(scratch).await;
        let mona = server.new_streamer("mona").await;
        let stream = server.stream_of(&mona, json!({ "title": "Harbour" })).await;
        let path = format!("/api/v1/streams/{stream}");
        let demotion = server.change_user(&mona, json!({ "role": "viewer" }));
        let answer = server.change_late(&mona, &path, &json!({ "title": "Pier" }), demotion).await;
        assert_problem(&answer, 403, "forbidden");
        assert_eq!(server.admin("GET", &path).await.json()["title"], "Harbour");
    }

    async fn an_admin_who_is_deleted_has_no_power_left(scratch) {
        let server = Server::on(scratch).await;
        let boss = server.new_admin("boss").await;
        let path = format!("/api/v1/users/{}", boss.id);
        assert_eq!(server.admin("DELETE", &path).await.status, StatusCode::NO_CONTENT);
        server.assert_no_admin(&boss, (401, "unauthorized")).await;
    }

    async fn an_admin_who_has_logged_out_has_no_power_left(scratch) {
        let server = Server::on(scratch).await;
        let boss = server.new_admin("boss").await;
        let answer = server.as_user(&boss.access, "DELETE", "/api/v1/session", None).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
        server.assert_no_admin(&boss, (401, "unauthorized")).await;
        let again = server.as_user(&boss.access, "DELETE", "/api/v1/session", None).await;
        assert_eq!(again.status, StatusCode::NO_CONTENT, "{again:?}");
        // Another log-in is another session.
        let tokens = server.log_in("boss", PASSWORD).await.json();
        let listed = server.as_user(&text(&tokens["access_token"]), "GET", "/api/v1/users", None).await;
        assert_eq!(listed.status, StatusCode::OK);
    }

    async fn a_new_password_ends_an_admins_power_by_the_old_one(scratch) {
        let server = Server::on(scratch).await;
        let boss = server.new_admin("boss").await;
        server.change_user(&boss, json!({ "password": "another good 1" })).await;
        server.assert_no_admin(&boss, (401, "unauthorized")).await;
    }

    async fn whoever_is_no_streamer_any_more_changes_nothing(scratch) {
        let server = Server::on(scratch).await;
        let mona = server.new_streamer("mona").await;
        let stream = server.stream_of(&mona, json!({ "title": "Harbour" })).await;
        let hook = json!({ "url": "https://example.org/", "events": ["broadcast.ended"] });
        let hook = server.as_user(&mona.access, "POST", "/api/v1/webhooks", Some(hook)).await;
        let hook = text(&hook.json()["id"]);
        let path = format!("/api/v1/streams/{stream}");
        let rotated = server.as_user(&mona.access, "POST", &format!("{path}/key"), None).await;
        let key = text(&rotated.json()["stream_key"]);
        assert!(server.broadcasts.opens(&key).is_some());

        server.change_user(&mona, json!({ "role": "viewer" })).await;
        assert_eq!(server.broadcasts.opens(&key), None, "nobody publishes to it");
        for (method, path, body) in [
            ("PATCH", path.clone(), Some(json!({ "title": "Pier" }))),
            ("POST", format!("{path}/key"), None),
            ("POST", format!("{path}/kick"), None),
            ("POST", format!("{path}/playback-tokens"), None),
            ("DELETE", path.clone(), None),
            ("PATCH", format!("/api/v1/webhooks/{hook}"), Some(json!({ "active": false }))),
            ("POST", format!("/api/v1/webhooks/{hook}/ping"), None),
            ("DELETE", format!("/api/v1/webhooks/{hook}"), None),
            ("POST", "/api/v1/videos".to_owned(), Some(json!({ "title": "A film" }))),
        ] {
            let answer = server.as_user(&mona.access, method, &path, body).await;
            assert_problem(&answer, 403, "forbidden");
        }
        let shown = server.as_user(&mona.access, "GET", &path, None).await;
        assert_eq!(shown.json()["title"], "Harbour");

        server.change_user(&mona, json!({ "role": "streamer" })).await;
        assert!(server.broadcasts.opens(&key).is_some());
        server.change_user(&mona, json!({ "disabled": true })).await;
        assert_eq!(server.broadcasts.opens(&key), None, "nobody publishes to it");
        let answer = server.as_user(&mona.access, "DELETE", &path, None).await;
        assert_problem(&answer, 401, "unauthorized");
    }

    async fn the_audit_log_says_what_was_changed(scratch) {
        let server = Server::on(scratch).await;
        let mona = server.member("mona").await;
        server.change_user(&mona, json!({ "role": "admin", "disabled": false, "bio": "Boats" })).await;
        server.post_json(r#"{"title": "Pier", "visibility": "private"}"#).await;
        let body = json!({ "refresh_token": mona.refresh });
        server.json("DELETE", "/api/v1/session", &body).await;
        let upload = server.begun(100).await;
        let given_up = server
            .admin_request("POST", &upload)
            .header("Tus-Resumable", "1.0.0")
            .header("X-HTTP-Method-Override", "DELETE")
            .body(Body::empty());
        let answer = server.send(given_up.expect("request")).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");

        let log = server.admin("GET", "/api/v1/audit?limit=5").await.json();
        let said = |index: usize, name: &str| log["items"][index][name].clone();
        assert_eq!(said(0, "action"), "DELETE /api/v1/uploads/{id}");
        assert_eq!(said(0, "subject"), upload.rsplit('/').next().expect("an id"));
        assert_eq!(said(1, "action"), "POST /api/v1/uploads");
        assert_eq!(said(1, "detail"), Value::Null);
        assert_eq!(said(2, "action"), "DELETE /api/v1/session");
        assert_eq!((said(2, "subject"), said(2, "detail")), (json!(mona.id), json!("refresh_token")));
        assert_eq!(said(3, "detail"), "title, visibility=private");
        assert_eq!(said(4, "detail"), "bio, disabled=false, role=admin");
        assert!(!log.to_string().contains("Boats"), "values are nobody's business");
    }
}
