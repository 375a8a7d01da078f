//! Refusals that go for many operations alike.

use super::*;
use crate::Peer;
use crate::body::{BODY_BYTES_MAX, BODY_WAIT_MAX};

/// Operations whose 401 is about something else than the caller's token.
const OF_CREDENTIALS: [&str; 3] = [
    "POST /api/v1/session",
    "DELETE /api/v1/session",
    "POST /api/v1/session/refresh",
];

/// Whether a test below provokes this refusal.
pub(super) fn provoke(declared: &Declared, status: u16) -> bool {
    match status {
        400 => declared.takes_json || declared.is_paged,
        401 => has_wrong_token(declared),
        403 => declared.is_secured && !declared.is_safe(),
        404 => declared.operation.contains('{') && !declared.operation.contains("/watch/"),
        408 => declared.takes_json || takes_piece(declared),
        413 | 415 | 422 => declared.takes_json,
        429 => is_counted(declared) || takes_piece(declared),
        503 => asks_database(declared),
        _ => false,
    }
}

fn has_wrong_token(declared: &Declared) -> bool {
    !OF_CREDENTIALS.contains(&declared.operation.as_str())
}

/// Pieces of files are not, but for giving an upload up by `POST`.
fn is_counted(declared: &Declared) -> bool {
    ![
        "HEAD /api/v1/uploads/{id}",
        "PATCH /api/v1/uploads/{id}",
        "PUT /api/v1/videos/{id}/file",
    ]
    .contains(&declared.operation.as_str())
}

/// The tests of uploads send pieces that stop coming, and more at once than there are places for.
fn takes_piece(declared: &Declared) -> bool {
    [
        "POST /api/v1/uploads",
        "PATCH /api/v1/uploads/{id}",
        "POST /api/v1/uploads/{id}",
        "PUT /api/v1/videos/{id}/file",
    ]
    .contains(&declared.operation.as_str())
}

fn asks_database(declared: &Declared) -> bool {
    let operation = declared.operation.as_str();
    let of_memory = ["GET /api/v1/openapi.json", "GET /api/v1/capacity"];
    !of_memory.contains(&operation) && !operation.starts_with("GET /api/v1/problems")
}

impl World {
    /// The operations that a loop provokes to this status.
    async fn refusing(&self, status: u16) -> Vec<Declared> {
        let mut declared = self.document().await;
        declared.retain(|it| it.refusals.contains(&status) && provoke(it, status));
        assert!(declared.len() > 10, "{status}: {declared:?}");
        declared
    }

    /// An access token of Mona's that was valid.
    async fn expired(&self) -> String {
        let data_dir = self.server.scratch.folder().join("data");
        let secret = storage::access_token::load_or_create(&data_dir).expect("secret");
        let id = storage::UserId::new(&self.mona.id).expect("id");
        let users = self.server.database.accounts().users;
        let user = users.find(&id).await.expect("find").expect("Mona");
        let now = SystemTime::now();
        let valid = secret.check(&self.mona.access, now).expect("valid");
        let identity = storage::access_token::Identity::of(&user, valid.session);
        secret.issue(&identity, now - storage::access_token::LIFETIME)
    }
}

fn bearing(request: Builder, token: &str) -> Builder {
    request.header(header::AUTHORIZATION, format!("Bearer {token}"))
}

scratch::on_each_database! {
    async fn no_operation_lets_in_whose_token_is_missing_wrong_or_expired(scratch) {
        let world = World::new(scratch).await;
        let expired = world.expired().await;
        for declared in world.refusing(401).await {
            let operation = declared.operation.as_str();
            if declared.is_secured {
                let answer = world.ordinary(operation, |request| request).await;
                assert_refused(operation, &answer, 401, "unauthorized");
                assert_eq!(answer.header(header::WWW_AUTHENTICATE), r#"Bearer realm="millrace""#);
            }
            for (token, code) in [("a.b.c", "unauthorized"), (&expired, "token_expired")] {
                let answer = world.ordinary(operation, |request| bearing(request, token)).await;
                assert_refused(operation, &answer, 401, code);
            }
        }
    }

    async fn no_operation_is_done_for_another_servers_page(scratch) {
        let world = World::new(scratch).await;
        let cookie = format!("millrace_access={}", world.boss.access);
        for declared in world.refusing(403).await {
            let operation = declared.operation.as_str();
            let answer = world.ordinary(operation, |request| {
                request
                    .header(header::COOKIE, &cookie)
                    .header(header::ORIGIN, "https://evil.example")
            });
            assert_refused(operation, &answer.await, 403, "cross_site_request");
        }
    }

    async fn nothing_is_found_that_is_not_there(scratch) {
        let world = World::new(scratch).await;
        for declared in world.refusing(404).await {
            let operation = declared.operation.as_str();
            let ordinary = world.of(operation);
            let request = ordinary
                .request_of_nothing()
                .header(header::AUTHORIZATION, world.bearer(&declared))
                .body(ordinary.sent.body());
            let answer = world.server.send(request.expect("request")).await;
            assert_refused(operation, &answer, 404, "no_such_");
        }
    }

    async fn every_list_names_a_faulty_parameter(scratch) {
        let world = World::new(scratch).await;
        for declared in world.refusing(400).await.iter().filter(|it| it.is_paged) {
            let operation = declared.operation.as_str();
            for query in ["limit=0", "cursor=nothere", "stauts=live"] {
                let request = world.of(operation).request_with_query(query);
                let request = request.header(header::AUTHORIZATION, world.bearer(declared));
                let request = request.body(Body::empty()).expect("request");
                let answer = world.server.send(request).await;
                assert_refused(operation, &answer, 400, "invalid_request");
                let field = query.split('=').next();
                assert_eq!(answer.json()["errors"][0]["field"].as_str(), field, "{operation}");
            }
        }
    }

    async fn every_json_body_is_checked(scratch) {
        let world = World::new(scratch).await;
        let large = format!("{{{}}}", " ".repeat(BODY_BYTES_MAX));
        for declared in world.document().await.iter().filter(|it| it.takes_json) {
            let operation = declared.operation.as_str();
            let ordinary = world.of(operation);
            assert!(matches!(ordinary.sent, Sent::Json(_)), "{operation}");
            let send = |body: String| {
                let request = ordinary.request().header(header::AUTHORIZATION, world.bearer(declared));
                world.server.send(request.body(Body::from(body)).expect("request"))
            };
            assert_refused(operation, &send("{".to_owned()).await, 400, "malformed_json");
            let unknown = send(r#"{"no_field_of_this_name": 1}"#.to_owned()).await;
            assert_refused(operation, &unknown, 400, "invalid_request");
            assert_refused(operation, &send(large.clone()).await, 413, "body_too_large");
            if declared.refusals.contains(&422) {
                let faulty = ordinary.faulty.unwrap_or_else(|| panic!("no faulty field: {operation}"));
                assert_refused(operation, &send(faulty.to_owned()).await, 422, "invalid_fields");
            }
            let mut undeclared = ordinary
                .request()
                .header(header::AUTHORIZATION, world.bearer(declared))
                .body(ordinary.sent.body())
                .expect("request");
            let plain = header::HeaderValue::from_static("text/plain");
            undeclared.headers_mut().insert(header::CONTENT_TYPE, plain);
            let answer = world.server.send(undeclared).await;
            assert_refused(operation, &answer, 415, "unsupported_media_type");
        }
    }

    async fn no_json_body_is_awaited_for_ever(scratch) {
        let world = World::new(scratch).await;
        let world = &world;
        let mut declared = world.refusing(408).await;
        declared.retain(|it| it.takes_json);
        let begun = std::time::Instant::now();
        let asking = declared.iter().map(|declared| {
            let ordinary = world.of(&declared.operation);
            let request = ordinary
                .request()
                .header(header::AUTHORIZATION, world.bearer(declared))
                .header(header::CONTENT_LENGTH, "2")
                .body(Body::new(super::super::errors::NeverComes));
            async move {
                let answer = world.server.send(request.expect("request")).await;
                assert_refused(&declared.operation, &answer, 408, "body_too_slow");
            }
        });
        // All at once: each takes as long.
        futures_util::future::join_all(asking).await;
        assert!(begun.elapsed() >= BODY_WAIT_MAX);
    }

    async fn whoever_asks_too_much_is_refused_everywhere(scratch) {
        let world = World::new(scratch).await;
        let limited = Server::open(world.server.scratch.clone(), |options| {
            options.limits.requests_per_minute = NonZeroU32::MIN;
        })
        .await;
        let mut declared = world.refusing(429).await;
        declared.retain(is_counted);
        for (number, declared) in declared.iter().enumerate() {
            let operation = declared.operation.as_str();
            let peer = std::net::SocketAddr::from(([192, 0, 2, number as u8], 1));
            let first = request("GET", "/api/v1/problems").extension(Peer(peer)).body(Body::empty());
            assert_eq!(limited.send(first.expect("request")).await.status, StatusCode::OK);
            let ordinary = world.of(operation);
            let mut request = ordinary.request().extension(Peer(peer)).body(ordinary.sent.body()).expect("request");
            if operation == "POST /api/v1/uploads/{id}" {
                let delete = header::HeaderValue::from_static("DELETE");
                request.headers_mut().insert("x-http-method-override", delete);
            }
            let answer = limited.send(request).await;
            assert_refused(operation, &answer, 429, "too_many_requests");
        }
    }

    async fn every_operation_says_so_where_the_database_is_away(scratch) {
        let world = World::new(scratch).await;
        let declared = world.refusing(503).await;
        world.server.database.close().await;
        for declared in declared {
            let operation = declared.operation.as_str();
            let bearer = world.bearer(&declared);
            let answer = world.ordinary(operation, |request| request.header(header::AUTHORIZATION, bearer));
            let answer = answer.await;
            assert_refused(operation, &answer, 503, "database_unavailable");
            assert_eq!(answer.header(header::RETRY_AFTER), "5", "{operation}");
        }
    }
}
