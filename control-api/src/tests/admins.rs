//! Who may do what, and what admins do with users, invitations and the audit log.

use serde_json::json;

use super::accounts::{Member, PASSWORD};
use super::errors::assert_problem;
use super::*;

impl Server {
    /// A new admin, who has logged in again after becoming one.
    pub(super) async fn new_admin(&self, name: &str) -> Member {
        let member = self.member(name).await;
        let path = format!("/api/v1/users/{}", member.id);
        let changed = self
            .admin_json("PATCH", &path, r#"{"role": "admin"}"#)
            .await;
        assert_eq!(changed.json()["role"], "admin", "{changed:?}");
        let tokens = self.refresh(&member.refresh).await.json();
        Member {
            id: member.id,
            access: text(&tokens["access_token"]),
            refresh: text(&tokens["refresh_token"]),
        }
    }
}

/// The field `name` of every item.
fn each(answer: &Answer, name: &str) -> Vec<Value> {
    let items = answer.json()["items"].as_array().expect("items").clone();
    items.iter().map(|item| item[name].clone()).collect()
}

scratch::on_each_database! {
    async fn lists_by_time_go_both_ways(scratch) {
        let server = Server::on(scratch).await;
        let webhook = json!({ "url": "https://example.org/", "events": ["video.ready"] }).to_string();
        let mut deliveries = String::new();
        for _ in 0..3 {
            server.admin("POST", "/api/v1/invitations").await;
            let made = server.admin_json("POST", "/api/v1/webhooks", webhook.clone()).await.json();
            deliveries = format!("/api/v1/webhooks/{}", text(&made["id"]));
        }
        for _ in 0..3 {
            server.admin("POST", &format!("{deliveries}/ping")).await;
        }
        deliveries.push_str("/deliveries");
        for (path, sort) in [
            ("/api/v1/invitations", "created_at"),
            ("/api/v1/webhooks", "created_at"),
            (deliveries.as_str(), "created_at"),
            ("/api/v1/audit", "at"),
        ] {
            let list = async |sort: String| {
                let listed = server.admin("GET", &format!("{path}?sort={sort}")).await.json();
                listed["items"].as_array().expect("items").clone()
            };
            let mut forwards = list(sort.to_owned()).await;
            assert!(forwards.len() >= 3, "{path}");
            assert!(forwards.is_sorted_by_key(|item| text(&item[sort])), "{path}: {forwards:?}");
            forwards.reverse();
            assert_eq!(list(format!("-{sort}")).await, forwards, "{path}");
            let answer = server.admin("GET", &format!("{path}?sort=size")).await;
            assert_problem(&answer, 400, "invalid_request");
        }
    }

    async fn what_is_the_operators_is_an_admins_and_nobody_elses(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let viewer = server.member("viewer").await;
        let streamer = server.register("streamer").await;
        let path = format!("/api/v1/users/{streamer}");
        server.admin_json("PATCH", &path, r#"{"role": "streamer"}"#).await;
        let streamer = text(&server.log_in("streamer", PASSWORD).await.json()["access_token"]);
        let admin = server.new_admin("boss").await;
        let routes = [
            ("GET", "/api/v1/users".to_owned()),
            ("GET", path.clone()),
            ("PATCH", path.clone()),
            ("DELETE", path),
            ("POST", "/api/v1/invitations".to_owned()),
            ("GET", "/api/v1/invitations".to_owned()),
            ("DELETE", "/api/v1/invitations/nothere".to_owned()),
            ("GET", "/api/v1/audit".to_owned()),
        ];
        for (method, path) in &routes {
            for access in [&viewer.access, &streamer] {
                let answer = server.as_user(access, method, path, None).await;
                assert_problem(&answer, 403, "forbidden");
            }
            assert_problem(&server.stranger(method, path).await, 401, "unauthorized");
        }
        let body = json!({ "title": "Harbour" });
        let created = server.as_user(&admin.access, "POST", "/api/v1/streams", Some(body)).await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        let listed = server.as_user(&admin.access, "GET", "/api/v1/users", None).await;
        assert_eq!(listed.status, StatusCode::OK);
    }

    async fn users_are_listed_by_page_filter_and_sort(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        for name in ["cleo", "ada", "bea"] {
            server.register(name).await;
        }
        let list = |query: &str| {
            let path = format!("/api/v1/users{query}");
            let server = &server;
            async move { server.admin("GET", &path).await }
        };
        assert_eq!(each(&list("").await, "name"), ["cleo", "ada", "bea"]);
        assert_eq!(list("").await.json()["next_cursor"], Value::Null);
        assert_eq!(each(&list("?sort=-name").await, "name"), ["cleo", "bea", "ada"]);
        assert_eq!(each(&list("?q=EA&role=viewer").await, "name"), ["bea"]);
        assert_eq!(each(&list("?role=admin").await, "name"), Vec::<Value>::new());
        let first = list("?sort=name&limit=2").await;
        assert_eq!(each(&first, "name"), ["ada", "bea"]);
        let cursor = text(&first.json()["next_cursor"]);
        let second = list(&format!("?sort=name&limit=2&cursor={cursor}")).await;
        assert_eq!(each(&second, "name"), ["cleo"]);
        assert_eq!(second.json()["next_cursor"], Value::Null);
        for (query, field) in [
            ("?limit=0", "limit"),
            ("?limit=501", "limit"),
            ("?limit=x", "limit"),
            ("?cursor=x", "cursor"),
            // Of another order.
            (&format!("?cursor={cursor}"), "cursor"),
            ("?sort=age", "sort"),
            ("?role=king", "role"),
            ("?q=a%00b", "q"),
        ] {
            let problem = assert_problem(&list(query).await, 400, "invalid_request");
            assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
        }
        assert_problem(&list("?limit=1&limit=2").await, 400, "invalid_request");
    }

    async fn a_user_is_changed_disabled_and_deleted(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let mona = server.member("mona").await;
        let kurt = server.member("kurt").await;
        let path = format!("/api/v1/users/{}", mona.id);
        let change = |body: Value| server.admin_json("PATCH", &path, body.to_string());
        let answer = change(json!({ "role": "streamer", "bio": "Harbours" })).await;
        assert_eq!((&answer.json()["role"], &answer.json()["bio"]), (&json!("streamer"), &json!("Harbours")));
        assert_eq!(server.admin("GET", &path).await.json(), answer.json());
        assert_problem(&change(json!({ "email": "kurt@example.org" })).await, 409, "taken");
        for body in [json!({ "role": 1 }), json!({ "role": null }), json!({ "disabled": 1 })] {
            assert_problem(&change(body).await, 400, "invalid_request");
        }
        let answer = change(json!({ "password": "short", "role": "king", "email": "x" })).await;
        let problem = assert_problem(&answer, 422, "invalid_fields");
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(3));

        let answer = change(json!({ "disabled": true })).await;
        assert_eq!(answer.json()["disabled"], true);
        assert_problem(&server.refresh(&mona.refresh).await, 401, "refresh_refused");
        assert_problem(&server.log_in("mona", PASSWORD).await, 403, "account_disabled");
        // Whoever does not know the password learns nothing.
        assert_problem(&server.log_in("mona", "wrong one 1").await, 401, "wrong_credentials");
        let me = server.as_user(&mona.access, "GET", "/api/v1/me", None).await;
        assert_problem(&me, 401, "unauthorized");
        change(json!({ "disabled": false, "password": "a new one 1" })).await;
        assert_eq!(server.log_in("mona", "a new one 1").await.status, StatusCode::OK);

        let answer = server.admin("DELETE", &path).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        for (method, body) in [("GET", None), ("DELETE", None), ("PATCH", Some("{}"))] {
            let answer = match body {
                Some(body) => server.admin_json(method, &path, body).await,
                None => server.admin(method, &path).await,
            };
            assert_problem(&answer, 404, "no_such_user");
        }
        assert_problem(&server.admin("GET", "/api/v1/users/..").await, 404, "no_such_user");
        assert_problem(&server.log_in("mona", "a new one 1").await, 401, "wrong_credentials");
        let me = server.as_user(&kurt.access, "GET", "/api/v1/me", None).await;
        assert_eq!(me.status, StatusCode::OK);
    }

    async fn invitations_are_shown_once_listed_and_deleted(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let answer = server.admin("POST", "/api/v1/invitations").await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let invitation = answer.json();
        assert_eq!(invitation["role"], "viewer");
        let path = format!("/api/v1/invitations/{}", text(&invitation["id"]));
        assert_eq!(answer.header(header::LOCATION), path);
        let listed = server.admin("GET", "/api/v1/invitations").await;
        assert_eq!(each(&listed, "id"), [invitation["id"].clone()]);
        assert!(!listed.text.contains(&text(&invitation["code"])));
        for (body, field) in [
            (r#"{"role": "admin"}"#, "role"),
            (r#"{"role": "king"}"#, "role"),
            (r#"{"expires_in_s": 0}"#, "expires_in_s"),
            (r#"{"expires_in_s": 7776001}"#, "expires_in_s"),
        ] {
            let answer = server.admin_json("POST", "/api/v1/invitations", body).await;
            let problem = assert_problem(&answer, 422, "invalid_fields");
            assert_eq!(problem["errors"][0]["field"], field);
        }
        assert_eq!(server.admin("DELETE", &path).await.status, StatusCode::NO_CONTENT);
        assert_problem(&server.admin("DELETE", &path).await, 404, "no_such_invitation");
    }

    async fn every_change_is_in_the_audit_log_and_nothing_else(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let admin = server.new_admin("boss").await;
        let created = server.create("Harbour").await.0;
        let path = format!("/api/v1/streams/{created}");
        let request = server
            .admin_request("DELETE", &path)
            .extension(crate::Peer("[::ffff:192.0.2.7]:5000".parse().expect("address")))
            .body(Body::empty());
        server.send(request.expect("request")).await;
        server.as_user(&admin.access, "POST", "/api/v1/invitations", None).await;
        // Neither a refusal nor a look nor a refresh is a change.
        assert_eq!(server.admin("DELETE", &path).await.status, StatusCode::NOT_FOUND);
        server.admin("GET", "/api/v1/streams").await;
        let log = server.admin("GET", "/api/v1/audit").await;
        assert_eq!(
            each(&log, "action"),
            [
                "POST /api/v1/invitations",
                "DELETE /api/v1/streams/{id}",
                "POST /api/v1/streams",
                "PATCH /api/v1/users/{id}",
                "POST /api/v1/session",
                "POST /api/v1/users",
            ]
        );
        let boss = json!(admin.id);
        let operator = json!("operator");
        let anonymous = json!("anonymous");
        assert_eq!(
            each(&log, "actor"),
            [&boss, &operator, &operator, &operator, &anonymous, &anonymous].map(Value::clone)
        );
        let subjects = each(&log, "subject");
        assert_eq!(subjects[1..], [json!(created), json!(created), boss.clone(), boss.clone(), boss.clone()]);
        let items = log.json()["items"].clone();
        assert_eq!((&items[0]["actor_name"], &items[0]["address"]), (&json!("boss"), &Value::Null));
        assert_eq!(items[1]["address"], "192.0.2.7");
        for (query, expected) in [
            (format!("?actor={}", admin.id), 1),
            ("?actor=operator".to_owned(), 3),
            (format!("?subject={created}"), 2),
            ("?limit=4".to_owned(), 4),
        ] {
            let log = server.admin("GET", &format!("/api/v1/audit{query}")).await;
            assert_eq!(each(&log, "at").len(), expected, "{query}");
        }
    }
}
