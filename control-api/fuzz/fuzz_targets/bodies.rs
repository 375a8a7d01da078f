//! Bodies of JSON and of subtitles, as the operator and a user send them to every route that takes one:
//! what is taken is answered by JSON, what is not by a problem, and nothing is this server's own
//! fault.
//!
//! The first byte chooses the route; its highest bit, who asks. The rest is the body.
#![no_main]

mod stage;

use std::time::SystemTime;

use axum::body::Body;
use axum::http::{Request, header};
use libfuzzer_sys::fuzz_target;
use stage::Server;

/// What does not exist is found out only once the body is read: ids are of the right form.
const ROUTES: [(&str, &str); 20] = [
    ("POST", "/api/v1/streams"),
    ("PATCH", "/api/v1/streams/abcdefghijkl"),
    ("POST", "/api/v1/streams/abcdefghijkl/playback-tokens"),
    ("POST", "/api/v1/streams/abcdefghijkl/kick"),
    ("POST", "/api/v1/users"),
    ("PATCH", "/api/v1/users/abcdefghijkl"),
    ("POST", "/api/v1/session"),
    ("POST", "/api/v1/session/refresh"),
    ("PATCH", "/api/v1/me"),
    ("PUT", "/api/v1/me/password"),
    ("POST", "/api/v1/invitations"),
    ("POST", "/api/v1/webhooks"),
    ("PATCH", "/api/v1/webhooks/abcdefghijkl"),
    ("PATCH", "/api/v1/recordings/abcdefghijkl"),
    ("POST", "/api/v1/videos"),
    ("PATCH", "/api/v1/videos/abcdefghijkl"),
    ("PUT", "/api/v1/videos/abcdefghijkl/chapters"),
    ("PUT", "/api/v1/videos/abcdefghijkl/subtitles/en"),
    ("POST", "/api/v1/videos/abcdefghijkl/views"),
    ("POST", "/api/v1/videos/abcdefghijkl/playback-tokens"),
];

/// Who asks is a user.
const IS_USER: u8 = 1 << 7;

fuzz_target!(|input: &[u8]| {
    thread_local!(static SERVER: Server = Server::new());
    let [choice, body @ ..] = input else {
        return;
    };
    SERVER.with(|server| {
        let token = match choice & IS_USER {
            0 => server.admin_token.clone(),
            _ => server.secret.issue(&server.user, SystemTime::now()),
        };
        let (method, path) = ROUTES[usize::from(choice & !IS_USER) % ROUTES.len()];
        let kind = match path.contains("/subtitles/") {
            true => "text/vtt",
            false => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body.to_vec()))
            .expect("a request");
        let (head, answer) = server.answer(request);
        let status = head.status;
        assert!(status.as_u16() < 500, "{method} {path}: {head:?}");
        if status.is_client_error() {
            let problem: serde_json::Value = serde_json::from_slice(&answer).expect("a problem");
            assert_eq!(problem["status"], status.as_u16(), "{method} {path}");
        } else if !answer.is_empty() {
            let _json: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        }
    });
});
