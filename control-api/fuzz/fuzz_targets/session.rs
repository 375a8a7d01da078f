//! Who calls, as requests say it: the whole router on a database of its own, with any
//! `Authorization`, `Cookie`, `Origin`, `Sec-Fetch-Site`, `Host` and body. Nobody is somebody
//! without a token of this server's, nobody changes anything by a cookie that another server's page
//! made a browser send, and no answer is this server's own fault.
//!
//! The first byte chooses the route, the second what is added that chance does not find. Then come
//! lines.
#![no_main]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header, response};
use control_api::media::Pending;
use control_api::urls::PublishAddress;
use control_api::{
    Api, Audience, Broadcasts, Limits, Media, Options, Publisher, Registration, UploadLimits, Urls,
    WebOrigin,
    router,
};
use libfuzzer_sys::fuzz_target;
use media_core::{AssetId, RenditionName, StreamId};
use storage::access_token::{self, AccessSecret, Identity};
use storage::asset::Reserve;
use storage::streams::Keys;
use storage::{Database, UserId};
use tower_service::Service;

const ROUTES: [(&str, &str); 7] = [
    ("GET", "/api/v1/me"),
    ("PATCH", "/api/v1/me"),
    ("POST", "/api/v1/session/refresh"),
    ("DELETE", "/api/v1/session"),
    ("OPTIONS", "/api/v1/me"),
    ("GET", "/api/v1/users"),
    ("POST", "/api/v1/uploads"),
];

/// The one page elsewhere that may call.
const ALLOWED: &str = "https://app.example.org";

const IS_BEARER: u8 = 1;
const HAS_TOKEN: u8 = 1 << 1;
const HAS_COOKIE: u8 = 1 << 2;
const OF_HOST: u8 = 1 << 3;
const OF_ALLOWED: u8 = 1 << 4;
const SAME_ORIGIN: u8 = 1 << 5;
const IS_JSON: u8 = 1 << 6;

fuzz_target!(|input: &[u8]| {
    thread_local!(static SERVER: Server = Server::new());
    let [route, extras, text @ ..] = input else {
        return;
    };
    let has = |bit: u8| extras & bit != 0;
    SERVER.with(|server| {
        let token = server.secret.issue(&server.user, SystemTime::now());
        let mut lines = text.splitn(6, |&byte| byte == b'\n');
        let mut line = || lines.next().unwrap_or_default().to_vec();
        let mut authorization = line();
        if has(IS_BEARER) || has(HAS_TOKEN) {
            authorization.splice(..0, *b"Bearer ");
        }
        if has(HAS_TOKEN) {
            authorization.extend_from_slice(token.as_bytes());
        }
        let mut cookie = line();
        // Nothing before it could be another one.
        let is_known = cookie.is_empty() && has(HAS_COOKIE);
        if has(HAS_COOKIE) {
            cookie.extend_from_slice(format!("; millrace_access={token}").as_bytes());
        }
        let (mut origin, mut site, host) = (line(), line(), line());
        if has(OF_HOST) {
            origin = [b"http://", &host[..]].concat();
        } else if has(OF_ALLOWED) {
            origin.splice(..0, ALLOWED.bytes());
        }
        if has(SAME_ORIGIN) {
            site.splice(..0, *b"same-origin");
        }
        let mut fields = Vec::new();
        for (name, value) in [
            (header::AUTHORIZATION, authorization),
            (header::COOKIE, cookie),
            (header::ORIGIN, origin),
            (HeaderName::from_static("sec-fetch-site"), site),
            (header::HOST, host),
        ] {
            match HeaderValue::from_bytes(&value) {
                Ok(value) if !value.is_empty() => fields.push((name, value)),
                _ => {}
            }
        }
        if has(IS_JSON) {
            let json = HeaderValue::from_static("application/json");
            fields.push((header::CONTENT_TYPE, json));
        }
        let route = ROUTES[usize::from(*route) % ROUTES.len()];
        let asked = Asked {
            route,
            fields,
            has_token: has(HAS_TOKEN) || has(HAS_COOKIE),
            is_known,
        };
        let mut body = line();
        if body.is_empty() && has(IS_JSON) {
            body = b"{}".to_vec();
        }
        let (head, body) = server.ask(&asked, body);
        asked.check(&head, &body);
    });
});

struct Asked {
    route: (&'static str, &'static str),
    fields: Vec<(HeaderName, HeaderValue)>,
    /// Whether a token is anywhere in it.
    has_token: bool,
    /// Whether its cookie says who it is.
    is_known: bool,
}

impl Asked {
    fn field(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(it, _)| it.as_str() == name);
        found.map(|(_, value)| value.as_bytes())
    }

    /// Whether this may be the answer.
    fn check(&self, head: &response::Parts, body: &[u8]) {
        let status = head.status;
        let shown = || format!("{:?} {:?}: {head:?}", self.route, self.fields);
        assert!(status.as_u16() < 500, "{}", shown());
        if status.is_client_error() && self.route.0 != "OPTIONS" {
            let problem: serde_json::Value = serde_json::from_slice(body).expect("a problem");
            assert_eq!(problem["status"], status.as_u16(), "{}", shown());
        }
        let allowed = head.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert!(
            allowed.is_none_or(|it| it == ALLOWED && self.field("origin") == Some(it.as_bytes()))
        );
        let is_bearer = self.field("authorization").is_some_and(|value| {
            let scheme = value.get(..7);
            scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
        });
        match self.route {
            ("GET" | "PATCH", "/api/v1/me") if status.is_success() => {
                assert!(self.has_token, "{}", shown());
                let is_safe = self.route.0 == "GET";
                assert!(
                    is_safe || is_bearer || self.is_from_own_page(),
                    "{}",
                    shown()
                );
            }
            ("GET", "/api/v1/me") => assert!(is_bearer || !self.is_known, "{}", shown()),
            // Nobody here has a refresh token, is an admin or may upload.
            (_, "/api/v1/session/refresh" | "/api/v1/users" | "/api/v1/uploads") => {
                assert!(status.is_client_error(), "{}", shown());
                assert!(
                    !head.headers.contains_key(header::SET_COOKIE),
                    "{}",
                    shown()
                );
            }
            _ => {}
        }
    }

    /// Whether a browser says that the page may: what the API's own answer is held against.
    fn is_from_own_page(&self) -> bool {
        let origin = self.field("origin").and_then(|it| str::from_utf8(it).ok());
        let host = self.field("host").and_then(|it| str::from_utf8(it).ok());
        let is_of_host = origin
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|it| host.is_some_and(|host| place(it) == place(host)));
        let site = self.field("sec-fetch-site");
        matches!(site, Some(b"same-origin" | b"none")) || origin == Some(ALLOWED) || is_of_host
    }
}

/// A host and a port.
fn place(authority: &str) -> (String, u16) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    (host.to_ascii_lowercase(), port.parse().unwrap_or(80))
}

struct Server {
    runtime: tokio::runtime::Runtime,
    router: Router,
    secret: AccessSecret,
    user: Identity,
    _data: tempfile::TempDir,
}

impl Server {
    fn new() -> Self {
        // In memory where the machine has that.
        let data = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let data = data.expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let path = data.path();
        let database = Database::open(path.to_str().expect("UTF-8"));
        let database = runtime.block_on(database).expect("a database");
        let secret = access_token::load_or_create(path).expect("a secret");
        let router = router(Api::new(options(path, &database, &secret)));
        Self {
            user: runtime.block_on(user(&router, &database)),
            runtime,
            router,
            secret,
            _data: data,
        }
    }

    fn ask(&self, asked: &Asked, body: Vec<u8>) -> (response::Parts, Vec<u8>) {
        let (method, path) = asked.route;
        let mut request = Request::builder().method(method).uri(path);
        if method == "OPTIONS" {
            request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "PATCH");
        }
        for (name, value) in &asked.fields {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body)).expect("a request");
        self.runtime.block_on(answer(&self.router, request))
    }
}

async fn answer(router: &Router, request: Request<Body>) -> (response::Parts, Vec<u8>) {
    let answer = router.clone().call(request).await;
    let (head, body) = answer.expect("a router answers").into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("memory");
    (head, body.into())
}

/// A new viewer who is logged in.
async fn user(router: &Router, database: &Database) -> Identity {
    let account = r#"{"name": "mona", "email": "mona@example.org", "password": "saltwater 42"}"#;
    let request = Request::post("/api/v1/users").header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(account)).expect("a request");
    let (head, body) = answer(router, request).await;
    assert_eq!(head.status, StatusCode::CREATED, "{head:?}");
    let made: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let id = UserId::new(made["id"].as_str().expect("an id")).expect("an id");
    let accounts = database.accounts();
    let user = accounts
        .users
        .find(&id)
        .await
        .expect("a database")
        .expect("there");
    let hash = accounts.users.password(&id).await.expect("a database");
    let hash = hash.expect("a password");
    let opened = accounts.sessions.open(&id, &hash, SystemTime::now());
    let (session, _) = opened.await.expect("a database").expect("a session");
    Identity::of(&user, session)
}

fn options(data: &std::path::Path, database: &Database, secret: &AccessSecret) -> Options {
    let reserve = Reserve {
        bytes: 0,
        percent: 0,
    };
    Options {
        streams: database.streams(),
        recordings: database.recordings(),
        videos: database.videos(),
        media: Arc::new(Nothing),
        accounts: database.accounts(),
        audit: database.audit(),
        webhooks: database.webhooks(),
        uploads: storage::uploads::Folder::open(data, reserve).expect("a folder"),
        upload_limits: UploadLimits {
            bytes_max: 1 << 20,
            owner_bytes_max: 1 << 20,
        },
        broadcasts: Arc::new(Nothing),
        admin_token: storage::admin_token::load_or_create(data).expect("a token"),
        playback_secret: storage::playback_token::load_or_create(data).expect("a secret"),
        access_secret: secret.clone(),
        urls: Urls {
            http: None,
            rtmp: PublishAddress::SameHost { port: 1935 },
            srt: PublishAddress::SameHost { port: 8890 },
        },
        registration: Registration::Open,
        cors_origins: vec![WebOrigin::new(ALLOWED).expect("an origin")],
        limits: Limits {
            requests_per_minute: NonZeroU32::MAX,
            ..Limits::default()
        },
    }
}

/// Nothing is live, and nothing is stored.
struct Nothing;

impl Media for Nothing {
    fn renditions(&self, _: &AssetId) -> Pending<Vec<RenditionName>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

impl Broadcasts for Nothing {
    fn live_since(&self, _: &StreamId) -> Option<SystemTime> {
        None
    }

    fn audience(&self, _: &StreamId) -> Option<Audience> {
        None
    }

    fn publishers(&self, _: &StreamId) -> Vec<Publisher> {
        Vec::new()
    }

    fn rewind(&self, _: &StreamId) -> Option<Duration> {
        None
    }

    fn has_thumbnail(&self, _: &StreamId) -> bool {
        false
    }

    fn page_plays(&self, _: &StreamId) {}

    fn live_streams(&self) -> Vec<StreamId> {
        Vec::new()
    }

    fn live_count(&self) -> usize {
        0
    }

    fn keys_changed(&self, _: Keys) {}

    fn disconnect(&self, _: &StreamId) {}

    fn kick(&self, _: &StreamId, _: Duration) -> bool {
        false
    }

    fn end(&self, _: &StreamId) {}

    fn recording_deleted(&self) {}
}
