//! Every refusal that the API's own document declares, of every operation: what goes for many of them
//! is provoked in loops ([`loops`]), the others one by one ([`each`]), and what cannot be provoked over
//! HTTP stands in [`EXEMPT`] with its reason. A pair that the document declares and nobody provokes
//! fails.

mod each;
mod loops;
mod ordinary;

use std::collections::BTreeSet;

use axum::http::request::Builder;

use super::accounts::Member;
use super::*;
use ordinary::{Ordinary, Sent};

/// An operation, and a status with which it refuses.
type Pair = (String, u16);

/// What cannot be provoked over HTTP, or not in a test's time: operations (by the end of their name,
/// empty: all), statuses, and why.
const EXEMPT: &[(&str, u16, &str)] = &[
    ("", 500, "our own fault: nothing that is sent provokes it"),
    (
        "GET /api/v1/openapi.json",
        503,
        "asks no database; the document says it of its whole group",
    ),
    (
        "GET /api/v1/capacity",
        503,
        "asks no database; the document says it of its whole group",
    ),
    (
        "GET /api/v1/problems",
        503,
        "asks no database; the document says it of its whole group",
    ),
    (
        "GET /api/v1/problems/{code}",
        503,
        "asks no database; the document says it of its whole group",
    ),
    (
        "GET /api/v1/webhooks",
        403,
        "whoever is logged in lists the own ones",
    ),
    (
        "GET /api/v1/webhooks/{id}",
        403,
        "nobody is told that somebody else's is there",
    ),
    (
        "GET /api/v1/webhooks/{id}/deliveries",
        403,
        "nobody is told that somebody else's is there",
    ),
    ("POST /api/v1/invitations", 409, "after 10,000 invitations"),
    ("POST /api/v1/webhooks/{id}/ping", 409, "after 10,000 pings"),
    (
        "POST /api/v1/videos/{id}/subtitles",
        408,
        "after 60 seconds",
    ),
];

fn exemption(operation: &str, status: u16) -> Option<usize> {
    EXEMPT
        .iter()
        .position(|(exempt, it, _)| *it == status && (exempt.is_empty() || *exempt == operation))
}

/// A server that has one of everything, and somebody of each kind.
struct World {
    server: Server,
    boss: Member,
    mona: Member,
    nils: Member,
    vera: Member,
    /// Mona's, public.
    stream: String,
    /// The operator's.
    private_stream: String,
    recording: String,
    running: String,
    video: String,
    /// A video without a file.
    waiting: String,
    webhook: String,
    delivery: String,
    invitation: String,
    /// A path.
    upload: String,
}

impl World {
    async fn new(scratch: Scratch) -> Self {
        let server = Server::open(scratch, |options| {
            options.limits.requests_per_minute = NonZeroU32::MAX;
        })
        .await;
        let boss = server.new_admin("boss").await;
        let mona = server.new_streamer("mona").await;
        let nils = server.new_streamer("nils").await;
        let vera = server.member("vera").await;
        let title = serde_json::json!({ "title": "Harbour" });
        let stream = server.stream_of(&mona, title.clone()).await;
        let private = r#"{"title": "Board meeting", "visibility": "private"}"#;
        let private_stream = text(&server.post_json(private).await.json()["id"]);
        let recording = server.recorded(&stream, "a1", 1_767_225_600).await;
        let running = server.begin_recording(&stream, "a2", 1_767_225_600).await;
        let made = |path: &'static str, body: &'static str| server.admin_json("POST", path, body);
        let film = made("/api/v1/videos", r#"{"title": "A film"}"#).await;
        let waiting = made("/api/v1/videos", r#"{"title": "A film to come"}"#).await;
        let hook = r#"{"url": "https://example.org/", "events": ["broadcast.ended"]}"#;
        let webhook = text(&made("/api/v1/webhooks", hook).await.json()["id"]);
        let ping = format!("/api/v1/webhooks/{webhook}/ping");
        let delivery = text(&server.admin("POST", &ping).await.json()["id"]);
        let invitation = made("/api/v1/invitations", "{}").await;
        let upload = server.begun(100).await;
        Self {
            boss,
            mona,
            nils,
            vera,
            stream,
            private_stream,
            recording,
            running: running.id.to_string(),
            video: text(&film.json()["id"]),
            waiting: text(&waiting.json()["id"]),
            webhook,
            delivery,
            invitation: text(&invitation.json()["id"]),
            upload,
            server,
        }
    }

    /// What the document declares: operations and the statuses with which they refuse.
    async fn document(&self) -> Vec<Declared> {
        let document = self.server.stranger("GET", "/api/v1/openapi.json").await;
        let document = document.json();
        let mut declared = Vec::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                declared.push(Declared::of(method, path, operation));
            }
        }
        assert!(declared.len() > 60, "{}", declared.len());
        declared
    }

    /// Sends an operation's ordinary request as it is, with what `change` adds.
    async fn ordinary(&self, wanted: &str, change: impl FnOnce(Builder) -> Builder) -> Answer {
        let ordinary = self.of(wanted);
        let body = ordinary.sent.body();
        let request = change(ordinary.request()).body(body);
        self.server.send(request.expect("request")).await
    }

    fn of(&self, operation: &str) -> Ordinary {
        let mut all = ordinary::all(self).into_iter();
        let found = all.find(|ordinary| ordinary.operation == operation);
        found.unwrap_or_else(|| panic!("no ordinary request of {operation}"))
    }

    /// By whom an operation is ordinarily called: users by Mona, everything else by the operator.
    fn bearer(&self, declared: &Declared) -> String {
        match declared.is_for_users {
            true => format!("Bearer {}", self.mona.access),
            false => format!("Bearer {}", self.server.token.reveal()),
        }
    }
}

/// An operation as the document has it.
#[derive(Debug)]
struct Declared {
    /// `GET /api/v1/streams`.
    operation: String,
    refusals: BTreeSet<u16>,
    is_secured: bool,
    /// The operator has no account.
    is_for_users: bool,
    takes_json: bool,
    is_paged: bool,
}

impl Declared {
    fn of(method: &str, path: &str, operation: &Value) -> Self {
        let responses = operation["responses"].as_object().expect("responses");
        let statuses = responses
            .keys()
            .map(|status| status.parse().expect("a status"));
        let security = operation["security"].as_array();
        let opens = |scheme: &str| {
            let mut schemes = security.into_iter().flatten();
            schemes.any(|it| it.get(scheme).is_some())
        };
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        Self {
            operation: format!("{} {path}", method.to_uppercase()),
            refusals: statuses.filter(|status: &u16| *status >= 400).collect(),
            is_secured: opens("access_token"),
            is_for_users: opens("access_token") && !opens("admin_token"),
            takes_json: operation["requestBody"]["content"]
                .get("application/json")
                .is_some(),
            is_paged: parameters.any(|it| it["name"] == "limit"),
        }
    }

    fn is_safe(&self) -> bool {
        self.operation.starts_with("GET ") || self.operation.starts_with("HEAD ")
    }
}

/// Holds an answer's status, and its code, but of `HEAD`, whose answers have no body.
#[track_caller]
fn assert_refused(operation: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status.as_u16(), status, "{operation}: {answer:?}");
    if !operation.starts_with("HEAD ") {
        let problem = answer.json();
        // tus's own 460 has no registered name to hold the title against.
        if answer.status.canonical_reason().is_some() {
            super::errors::assert_problem(answer, status, &text(&problem["code"]));
        }
        let told = text(&problem["code"]);
        assert!(
            told.starts_with(code),
            "{operation}: {told} instead of {code}"
        );
    }
}

scratch::on_each_database! {
    async fn every_refusal_that_is_declared_is_provoked(scratch) {
        let world = World::new(scratch).await;
        let declared = world.document().await;
        let mut provoked: BTreeSet<Pair> = each::provoke(&world).await;
        let mut exempt = BTreeSet::new();
        let mut missing = Vec::new();
        for declared in &declared {
            for status in &declared.refusals {
                let pair = (declared.operation.clone(), *status);
                let is_provoked = provoked.remove(&pair) || loops::provoke(declared, *status);
                match exemption(&declared.operation, *status) {
                    Some(reason) if !is_provoked => drop(exempt.insert(reason)),
                    None if !is_provoked => missing.push(pair),
                    _ => {}
                }
            }
        }
        assert!(missing.is_empty(), "declared and never provoked: {missing:#?}");
        assert!(provoked.is_empty(), "answered and not declared: {provoked:#?}");
        let needless: Vec<_> = (0..EXEMPT.len()).filter(|it| !exempt.contains(it)).collect();
        assert!(needless.is_empty(), "exempt for nothing: {:?}", needless.iter().map(|it| EXEMPT[*it]).collect::<Vec<_>>());
    }
}
