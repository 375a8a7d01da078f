//! The whole router on a database of its own, for what is asked of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header, response};
use control_api::capacity::{Admission, Shed};
use control_api::media::Pending;
use control_api::urls::PublishAddress;
use control_api::{
    Api, Audience, Broadcasts, Capacity, Guesses, LastRefusal, Limits, Media, Options, Publisher,
    Registration, UploadLimits, Urls, WebOrigin, router,
};
use media_core::{AssetId, RenditionName, StreamId};
use storage::access_token::{self, AccessSecret, Identity};
use storage::asset::Reserve;
use storage::streams::Keys;
use storage::{Database, Networks, UserId};
use tower_service::Service;

/// The one page elsewhere that may call.
pub(crate) const ALLOWED: &str = "https://app.example.org";

/// The API on a database of its own.
pub(crate) struct Server {
    runtime: tokio::runtime::Runtime,
    router: Router,
    pub(crate) secret: AccessSecret,
    pub(crate) admin_token: String,
    /// A viewer who is logged in.
    pub(crate) user: Identity,
    _data: tempfile::TempDir,
}

impl Server {
    pub(crate) fn new() -> Self {
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
        let options = options(path, &database, &secret);
        let admin_token = options.admin_token.reveal().to_owned();
        let router = router(Api::new(options));
        Self {
            user: runtime.block_on(user(&router, &database)),
            runtime,
            router,
            secret,
            admin_token,
            _data: data,
        }
    }

    /// The head and the body of the answer.
    pub(crate) fn answer(&self, request: Request<Body>) -> (response::Parts, Vec<u8>) {
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
        guesses: Guesses::new(Networks::default()),
        limits: Limits {
            requests_per_minute: NonZeroU32::MAX,
            registrations_per_hour: NonZeroU32::MAX,
            logins_per_minute: NonZeroU32::MAX,
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

    fn last_refusal(&self, _: &StreamId) -> Option<LastRefusal> {
        None
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            cores: 1,
            megapixels_per_core_s: None,
            needed_cores: None,
            cores_max: 1.0,
            admission: Admission::Refuse,
            shed: Shed::Nothing,
        }
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
