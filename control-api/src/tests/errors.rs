//! Every error: its status, its media type, and what it names.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::body::BODY_BYTES_MAX;

#[track_caller]
pub(super) fn assert_problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(
        answer.header(header::CONTENT_TYPE),
        "application/problem+json"
    );
    assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["code"], code);
    assert_eq!(problem["type"], format!("/api/v1/problems/{code}"));
    assert_eq!(
        problem["title"].as_str(),
        answer.status.canonical_reason(),
        "{problem}"
    );
    assert!(!text(&problem["detail"]).is_empty());
    problem
}

scratch::on_each_database! {
    async fn without_the_token_nothing_is_told_or_done(scratch) {
        let server = Server::on(scratch).await;
        let (id, _) = server.create("Pier").await;
        server.broadcasts.take_told();
        let routes = [
            ("GET", "/api/v1/streams".to_owned()),
            ("POST", "/api/v1/streams".to_owned()),
            ("GET", format!("/api/v1/streams/{id}")),
            ("DELETE", format!("/api/v1/streams/{id}")),
            ("POST", format!("/api/v1/streams/{id}/key")),
            ("PATCH", format!("/api/v1/streams/{id}")),
            ("POST", format!("/api/v1/streams/{id}/playback-tokens")),
            // Not even whether a stream is there.
            ("GET", "/api/v1/streams/nothere".to_owned()),
        ];
        for (method, path) in &routes {
            let answer = server.stranger(method, path).await;
            assert_problem(&answer, 401, "unauthorized");
            let challenge = answer.header(header::WWW_AUTHENTICATE);
            assert_eq!(challenge, r#"Bearer realm="millrace""#);

            let mut wrong = server.token.reveal().to_owned();
            wrong.replace_range(wrong.len() - 1.., "-");
            for guess in [wrong.as_str(), "x", &format!("{wrong}-")] {
                let request = request(method, path)
                    .header(header::AUTHORIZATION, format!("Bearer {guess}"))
                    .body(Body::empty());
                let answer = server.send(request.expect("request")).await;
                assert_problem(&answer, 401, "unauthorized");
                let challenge = answer.header(header::WWW_AUTHENTICATE);
                assert!(challenge.ends_with(r#"error="invalid_token""#));
                assert!(!answer.text.contains(server.token.reveal()));
            }
        }
        assert_eq!(server.broadcasts.take_told(), []);
        let shown = server.admin("GET", &format!("/api/v1/streams/{id}")).await;
        assert_eq!(shown.status, StatusCode::OK);
    }

    async fn the_token_in_the_query_opens_nothing(scratch) {
        let server = Server::on(scratch).await;
        let token = server.token.reveal();
        for name in ["token", "access_token"] {
            let path = format!("/api/v1/streams?{name}={token}");
            let answer = server.stranger("GET", &path).await;
            assert_problem(&answer, 401, "unauthorized");
        }
    }

    async fn unknown_addresses_are_problems_too(scratch) {
        let server = Server::on(scratch).await;
        for path in [
            "/api",
            "/api/v1",
            "/api/v2/streams",
            "/api/v1/streams/",
            "/nothing",
        ] {
            let answer = server.admin("GET", path).await;
            assert_problem(&answer, 404, "no_such_route");
        }
        for id in [
            "nothere",
            "UPPER",
            "..",
            "%2e%2e%2f",
            "%ff",
            &"x".repeat(500),
        ] {
            let answer = server.admin("GET", &format!("/api/v1/streams/{id}")).await;
            assert_problem(&answer, 404, "no_such_stream");
            let path = format!("/api/v1/invitations/{id}");
            let answer = server.admin("DELETE", &path).await;
            assert_problem(&answer, 404, "no_such_invitation");
            let answer = server.stranger("GET", &format!("/api/v1/watch/{id}")).await;
            assert_problem(&answer, 404, "no_such_stream");
        }
    }

    async fn a_wrong_method_is_told_the_right_ones(scratch) {
        let server = Server::on(scratch).await;
        for (method, path, allowed) in [
            ("DELETE", "/api/v1/streams", vec!["GET", "HEAD", "POST"]),
            (
                "PUT",
                "/api/v1/streams/a",
                vec!["DELETE", "GET", "HEAD", "PATCH"],
            ),
            ("GET", "/api/v1/streams/a/key", vec!["POST"]),
            ("POST", "/health", vec!["GET", "HEAD"]),
            ("POST", "/api/v1/watch/a", vec!["GET", "HEAD"]),
        ] {
            let answer = server.admin(method, path).await;
            assert_problem(&answer, 405, "method_not_allowed");
            let mut allow: Vec<&str> = answer.header(header::ALLOW).split(',').collect();
            allow.sort_unstable();
            assert_eq!(allow, allowed, "{method} {path}");
        }
    }

    async fn a_body_that_is_not_declared_as_json_is_not_read(scratch) {
        let server = Server::on(scratch).await;
        for content_type in [
            None,
            Some("text/plain"),
            Some("application/jsonx"),
            Some(""),
        ] {
            let mut request = server.admin_request("POST", "/api/v1/streams");
            if let Some(content_type) = content_type {
                request = request.header(header::CONTENT_TYPE, content_type);
            }
            let request = request
                .body(Body::from(r#"{"title": "Pier"}"#))
                .expect("request");
            assert_problem(&server.send(request).await, 415, "unsupported_media_type");
        }
        for content_type in ["Application/JSON; charset=utf-8", "application/merge+json"] {
            let request = server
                .admin_request("POST", "/api/v1/streams")
                .header(header::CONTENT_TYPE, content_type)
                .body(Body::from(r#"{"title": "Pier"}"#));
            let answer = server.send(request.expect("request")).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{content_type}");
        }
    }

    async fn malformed_json_is_400(scratch) {
        let server = Server::on(scratch).await;
        for body in [
            "",
            "{",
            "title=A",
            "{\"title\": \"A\"} x",
            "{\"title\": \"\u{1}\"}",
        ] {
            let answer = server.post_json(body).await;
            assert_problem(&answer, 400, "malformed_json");
        }
        let deep = "[".repeat(50_000);
        assert_eq!(server.post_json(deep).await.status, StatusCode::BAD_REQUEST);
        let answer = server.post_json(&b"{\"title\": \"\xff\"}"[..]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }

    async fn a_field_that_cannot_be_read_is_named(scratch) {
        let server = Server::on(scratch).await;
        for (body, field) in [
            (r#"{"title": 5}"#, "title"),
            (
                r#"{"title": "Pier", "retention": {"weeks": 2}}"#,
                "retention.weeks",
            ),
            (
                r#"{"title": "Pier", "retention": {"days": -1}}"#,
                "retention.days",
            ),
            (
                r#"{"title": "Pier", "srt_passphrase": ["x"]}"#,
                "srt_passphrase",
            ),
            (
                r#"{"title": "Pier", "srt_passprase": "a good secret"}"#,
                "srt_passprase",
            ),
            // Neither is it left public then.
            (r#"{"title": "Pier", "visibility": null}"#, "visibility"),
            (r#"{"title": "Pier", "private": true}"#, "private"),
            (r#"{"title": "Pier", "title": "B"}"#, "body"),
            (r#"["A", null]"#, "body"),
            ("\"A\"", "body"),
            ("null", "body"),
        ] {
            let answer = server.post_json(body.to_owned()).await;
            let problem = assert_problem(&answer, 400, "invalid_request");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
            assert_eq!(
                text(&problem["detail"]),
                format!("{field}: {}", text(&problem["errors"][0]["detail"]))
            );
            assert!(!answer.text.contains("a good secret"), "{problem}");
        }
        let listed = server.admin("GET", "/api/v1/streams").await.json();
        assert_eq!(listed["items"], json!([]));
    }

    async fn every_field_with_a_faulty_value_is_named(scratch) {
        let server = Server::on(scratch).await;
        let many = json!({
            "title": "x".repeat(101),
            "description": "\u{7}",
            "tags": ["a", "A"],
            "srt_passphrase": "short",
            "visibility": "hidden",
            "publishers": ["localhost"],
            "reconnect_s": 3601,
            "record_renditions": ["a b"],
            "retention": { "bytes": 1_u64 << 53 },
        });
        let all = [
            "title",
            "description",
            "tags",
            "srt_passphrase",
            "visibility",
            "publishers",
            "retention.bytes",
            "record_renditions",
            "reconnect_s",
        ];
        for (body, fields) in [
            ("{}", &all[..1]),
            (r#"{"title": null}"#, &all[..1]),
            (r#"{"title": ""}"#, &all[..1]),
            (r#"{"title": "AB"}"#, &all[..1]),
            (r#"{"title": "two\nlines"}"#, &all[..1]),
            (&many.to_string(), &all),
        ] {
            let answer = server.post_json(body.to_owned()).await;
            let problem = assert_problem(&answer, 422, "invalid_fields");
            let errors = problem["errors"].as_array().expect("errors");
            let named: Vec<String> = errors.iter().map(|it| text(&it["field"])).collect();
            assert_eq!(named, fields, "{problem}");
            assert!(!answer.text.contains("short"), "{problem}");
        }
        let listed = server.admin("GET", "/api/v1/streams").await.json();
        assert_eq!(listed["items"], json!([]));
    }

    async fn a_faulty_parameter_is_named(scratch) {
        let server = Server::on(scratch).await;
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("limit=-1", "limit"),
            ("limit=many", "limit"),
            ("limit=", "limit"),
            ("cursor=nothere", "cursor"),
            ("cursor=../..", "cursor"),
            ("sort=size", "sort"),
            ("status=gone", "status"),
            ("owner=nobody", "owner"),
            ("q=%01", "q"),
        ] {
            let answer = server
                .admin("GET", &format!("/api/v1/streams?{query}"))
                .await;
            let problem = assert_problem(&answer, 400, "invalid_request");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
        let answer = server.admin("GET", "/api/v1/streams?limit=1&limit=2").await;
        let problem = assert_problem(&answer, 400, "invalid_request");
        assert!(text(&problem["detail"]).contains("limit"), "{problem}");
    }

    async fn a_large_body_is_refused(scratch) {
        let server = Server::on(scratch).await;
        let padded = |bytes: usize| {
            let body = r#"{"title": "Pier"}"#;
            format!("{body}{}", " ".repeat(bytes - body.len()))
        };
        let answer = server.post_json(padded(BODY_BYTES_MAX)).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        let answer = server.post_json(padded(BODY_BYTES_MAX + 1)).await;
        assert_problem(&answer, 413, "body_too_large");
    }
}

/// The body of a caller who sends headers and falls silent.
pub(super) struct NeverComes;

impl axum::body::HttpBody for NeverComes {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_awaited_for_ever() {
    let request = Request::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::new(NeverComes))
        .expect("request");
    let error = crate::body::read::<Value, _>(request, &(), Duration::from_millis(1))
        .await
        .expect_err("too slow");
    let response = axum::response::IntoResponse::into_response(error);
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}

scratch::on_each_database! {
    async fn a_request_without_a_host_creates_nothing(scratch) {
        let server = Server::on(scratch).await;
        for host in [
            None,
            Some("user@media.test"),
            Some("media.test/<b>"),
            Some("a'b"),
        ] {
            let mut request = Request::builder()
                .method("POST")
                .uri("/api/v1/streams")
                .header(header::CONTENT_TYPE, "application/json")
                .header(
                    header::AUTHORIZATION,
                    format!("Bearer {}", server.token.reveal()),
                );
            if let Some(host) = host {
                request = request.header(header::HOST, host);
            }
            let request = request
                .body(Body::from(r#"{"title": "Pier"}"#))
                .expect("request");
            let answer = server.send(request).await;
            assert_problem(&answer, 400, "invalid_request");
        }
        let listed = server.admin("GET", "/api/v1/streams").await.json();
        assert_eq!(listed["items"], json!([]));
    }

    async fn a_database_that_is_gone_is_503_without_its_inside(scratch) {
        let server = Server::on(scratch).await;
        let (id, _) = server.create("Pier").await;
        server.database.close().await;
        for (method, path) in [
            ("GET", "/api/v1/streams".to_owned()),
            ("DELETE", format!("/api/v1/streams/{id}")),
            ("GET", format!("/api/v1/watch/{id}")),
        ] {
            let answer = server.admin(method, &path).await;
            let problem = assert_problem(&answer, 503, "database_unavailable");
            assert_eq!(answer.header(header::RETRY_AFTER), "5");
            assert!(!text(&problem["detail"]).contains("pool"), "{problem}");
        }
        let answer = server.stranger("GET", "/health").await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_database_that_goes_away_is_503_until_it_is_back() {
    let server = Server::on(Scratch::new(Kind::Postgres).await).await;
    let (id, _) = server.create("Pier").await;
    let path = format!("/api/v1/streams/{id}");
    server.scratch.cut();
    let answer = server.admin("GET", &path).await;
    assert_problem(&answer, 503, "database_unavailable");
    assert_eq!(answer.header(header::RETRY_AFTER), "5");
    server.scratch.mend();
    let answer = server.admin("GET", &path).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}
