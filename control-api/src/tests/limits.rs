//! How much one address may ask.

use axum::http::request::Builder;
use serde_json::json;

use super::accounts::PASSWORD;
use super::errors::assert_problem;
use super::*;
use crate::Peer;

fn limits(requests: u32, logins: u32) -> Limits {
    Limits {
        requests_per_minute: NonZeroU32::new(requests).expect("not 0"),
        logins_per_minute: NonZeroU32::new(logins).expect("not 0"),
        login_ban: Duration::from_secs(900),
        ..Limits::default()
    }
}

fn from(request: Builder, peer: &str) -> Builder {
    request.extension(Peer(peer.parse().expect("address")))
}

/// Seconds.
fn retry_after(answer: &Answer) -> u64 {
    answer.header(header::RETRY_AFTER).parse().expect("seconds")
}

scratch::on_each_database! {
    async fn an_address_that_asks_too_much_is_told_when_to_come_back(scratch) {
        let server = Server::open(scratch, |options| options.limits = limits(3, 5)).await;
        let ask = |peer: &'static str| {
            let request = from(request("GET", "/api/v1/openapi.json"), peer).body(Body::empty());
            server.send(request.expect("request"))
        };
        for _ in 0..3 {
            assert_eq!(ask("[2001:db8:1:2::1]:1000").await.status, StatusCode::OK);
        }
        // The same network.
        let answer = ask("[2001:db8:1:2::2]:2000").await;
        assert_problem(&answer, 429, "too_many_requests");
        assert!((1..=20).contains(&retry_after(&answer)), "{answer:?}");
        assert_eq!(ask("[2001:db8:1:3::1]:1000").await.status, StatusCode::OK);
        // Those of whom nothing is known share a budget.
        for _ in 0..3 {
            let answer = server.stranger("GET", "/api/v1/openapi.json").await;
            assert_eq!(answer.status, StatusCode::OK);
        }
        let answer = server.stranger("GET", "/api/v1/me").await;
        assert_problem(&answer, 429, "too_many_requests");
        // The operator, health checks and watch pages are not counted.
        for _ in 0..10 {
            assert_eq!(server.admin("GET", "/api/v1/streams").await.status, StatusCode::OK);
            assert_eq!(server.stranger("GET", "/health").await.status, StatusCode::OK);
            let watch = server.stranger("GET", "/api/v1/watch/nothere").await;
            assert_eq!(watch.status, StatusCode::NOT_FOUND);
        }
    }

    async fn whoever_tries_too_many_passwords_is_banned(scratch) {
        let server = Server::open(scratch, |options| options.limits = limits(100, 5)).await;
        server.register("mona").await;
        let log_in = |peer: &'static str, password: &str| {
            let body = json!({ "login": "mona", "password": password });
            let request = from(request("POST", "/api/v1/session"), peer)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string()));
            server.send(request.expect("request"))
        };
        for _ in 0..5 {
            let answer = log_in("192.0.2.7:1", "wrong one 1").await;
            assert_problem(&answer, 401, "wrong_credentials");
        }
        // Also the right one.
        let answer = log_in("192.0.2.7:2", PASSWORD).await;
        assert_problem(&answer, 429, "too_many_logins");
        assert!((880..=900).contains(&retry_after(&answer)), "{answer:?}");
        assert_eq!(log_in("192.0.2.8:1", PASSWORD).await.status, StatusCode::OK);
    }

    async fn no_web_page_bans_its_visitor(scratch) {
        let server = Server::open(scratch, |options| options.limits = limits(100, 5)).await;
        server.register("mona").await;
        let send = |content_type: &str, body: String| {
            let request = from(request("POST", "/api/v1/session"), "192.0.2.7:1")
                .header(header::CONTENT_TYPE, content_type)
                .body(Body::from(body));
            server.send(request.expect("request"))
        };
        let right = json!({ "login": "mona", "password": PASSWORD }).to_string();
        for _ in 0..6 {
            // All that a page of another server can have a browser send.
            let answer = send("text/plain", right.clone()).await;
            assert_problem(&answer, 415, "unsupported_media_type");
            assert_problem(&send("application/json", "{".to_owned()).await, 400, "malformed_json");
            assert_problem(&send("application/json", "{}".to_owned()).await, 422, "invalid_fields");
        }
        for _ in 0..7 {
            assert_eq!(send("application/json", right.clone()).await.status, StatusCode::OK);
        }
    }

    async fn an_address_makes_so_many_accounts_an_hour_and_the_operator_as_many_as_it_likes(scratch) {
        let server = Server::open(scratch, |options| {
            options.limits = Limits {
                registrations_per_hour: NonZeroU32::new(2).expect("not 0"),
                ..limits(100, 5)
            };
        })
        .await;
        let register = |name: &str| {
            let email = format!("{name}@example.org");
            let body = json!({ "name": name, "email": email, "password": PASSWORD });
            let request = from(request("POST", "/api/v1/users"), "192.0.2.7:1")
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string()));
            server.send(request.expect("request"))
        };
        for _ in 0..3 {
            assert_problem(&register("x").await, 422, "invalid_fields");
        }
        assert_eq!(register("mona").await.status, StatusCode::CREATED);
        assert_eq!(register("nils").await.status, StatusCode::CREATED);
        let answer = register("otto").await;
        assert_problem(&answer, 429, "too_many_registrations");
        assert!((1700..=1800).contains(&retry_after(&answer)), "{answer:?}");
        for name in ["otto", "pia", "quin"] {
            let body = json!({ "name": name, "email": format!("{name}@example.org"), "password": PASSWORD });
            let answer = server.admin_json("POST", "/api/v1/users", body.to_string()).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        }
    }
}
