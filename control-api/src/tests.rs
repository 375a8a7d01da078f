//! The whole router on a real database, called over sockets; what it tells the process around it is
//! recorded.

mod accounts;
mod admins;
mod browsers;
mod capacity;
mod docs;
mod errors;
mod limits;
mod owners;
mod powers;
mod private;
mod public;
mod publishers;
mod recordings;
mod refusals;
mod socket;
mod streams;
mod uploads;
mod videos;
mod webhooks;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use media_core::{AssetId, RenditionName, StreamId};
use scratch::{Kind, Scratch};
use serde_json::Value;
use storage::asset::{Folder, Reserve};
use storage::streams::Keys;
use storage::{AdminToken, Database, Networks, PlaybackSecret};

use crate::media::Pending;
use crate::urls::{PublishAddress, Urls};
use crate::{
    Api, Audience, Broadcasts, Capacity, Guesses, LastRefusal, Limits, Media, Options, Publisher,
    Registration, UploadLimits,
};

const HOST: &str = "media.test:8080";

/// The tests' disk may be as full as it likes.
const NO_RESERVE: Reserve = Reserve {
    bytes: 0,
    percent: 0,
};

/// How long a file may be.
const UPLOAD_BYTES_MAX: u64 = 8 << 20;

/// What the process was told, in order.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    KeysChanged,
    Disconnect(StreamId),
    Kick(StreamId, Duration),
    End(StreamId),
    RecordingDeleted,
    PagePlays(StreamId),
}

#[derive(Default)]
struct RecordedBroadcasts {
    live: Mutex<HashMap<StreamId, SystemTime>>,
    /// Of every broadcast that runs.
    audience: Mutex<Option<Audience>>,
    publishers: Mutex<Vec<Publisher>>,
    rewind: Mutex<Option<Duration>>,
    refused: Mutex<HashMap<StreamId, LastRefusal>>,
    has_thumbnail: AtomicBool,
    keys: Mutex<Option<Keys>>,
    told: Mutex<Vec<Told>>,
}

impl RecordedBroadcasts {
    fn tell(&self, told: Told) {
        self.told.lock().expect("lock").push(told);
    }

    fn take_told(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().expect("lock"))
    }

    fn go_live(&self, stream: &str, since: SystemTime) {
        let stream = StreamId::new(stream).expect("id");
        self.live.lock().expect("lock").insert(stream, since);
    }

    /// Every broadcast that runs has a picture.
    fn show_thumbnails(&self) {
        self.has_thumbnail.store(true, Ordering::Relaxed);
    }

    fn is_live(&self, stream: &StreamId) -> bool {
        self.live.lock().expect("lock").contains_key(stream)
    }

    /// The stream that `key` opens in the keys that the process has.
    fn opens(&self, key: &str) -> Option<StreamId> {
        let keys = self.keys.lock().expect("lock");
        let grant = keys.as_ref().expect("keys were announced").find(key)?;
        Some(grant.stream.clone())
    }
}

impl Broadcasts for RecordedBroadcasts {
    fn live_since(&self, stream: &StreamId) -> Option<SystemTime> {
        self.live.lock().expect("lock").get(stream).copied()
    }

    fn audience(&self, stream: &StreamId) -> Option<Audience> {
        let audience = *self.audience.lock().expect("lock");
        audience.filter(|_| self.is_live(stream))
    }

    fn publishers(&self, stream: &StreamId) -> Vec<Publisher> {
        let publishers = self.publishers.lock().expect("lock").clone();
        match self.is_live(stream) {
            true => publishers,
            false => Vec::new(),
        }
    }

    fn last_refusal(&self, stream: &StreamId) -> Option<LastRefusal> {
        self.refused.lock().expect("lock").get(stream).cloned()
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            cores: 8,
            megapixels_per_core_s: Some(92.4),
            needed_cores: None,
            cores_max: 7.6,
            admission: crate::capacity::Admission::Refuse,
            shed: crate::capacity::Shed::TopRung,
        }
    }

    fn rewind(&self, stream: &StreamId) -> Option<Duration> {
        let rewind = *self.rewind.lock().expect("lock");
        rewind.filter(|_| self.is_live(stream))
    }

    fn has_thumbnail(&self, stream: &StreamId) -> bool {
        self.has_thumbnail.load(Ordering::Relaxed) && self.is_live(stream)
    }

    fn page_plays(&self, stream: &StreamId) {
        self.tell(Told::PagePlays(stream.clone()));
    }

    fn live_streams(&self) -> Vec<StreamId> {
        self.live.lock().expect("lock").keys().cloned().collect()
    }

    fn live_count(&self) -> usize {
        self.live.lock().expect("lock").len()
    }

    fn keys_changed(&self, keys: Keys) {
        *self.keys.lock().expect("lock") = Some(keys);
        self.tell(Told::KeysChanged);
    }

    fn disconnect(&self, stream: &StreamId) {
        self.tell(Told::Disconnect(stream.clone()));
    }

    fn kick(&self, stream: &StreamId, refuse_for: Duration) -> bool {
        self.tell(Told::Kick(stream.clone(), refuse_for));
        self.is_live(stream)
    }

    fn recording_deleted(&self) {
        self.tell(Told::RecordingDeleted);
    }

    fn end(&self, stream: &StreamId) {
        self.tell(Told::End(stream.clone()));
    }
}

/// Media in a folder, and nowhere else.
struct OnDisk(Folder);

impl Media for OnDisk {
    fn renditions(&self, asset: &AssetId) -> Pending<Vec<RenditionName>> {
        let names = storage::asset::names(&self.0, asset);
        Box::pin(std::future::ready(names.unwrap_or_default()))
    }
}

struct Server {
    scratch: Arc<Scratch>,
    database: Database,
    broadcasts: Arc<RecordedBroadcasts>,
    token: AdminToken,
    secret: PlaybackSecret,
    socket: socket::Socket,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: header::HeaderName) -> &str {
        let value = self.headers.get(&name);
        let value = value.unwrap_or_else(|| panic!("no {name} in {self:?}"));
        value.to_str().expect("text")
    }
}

impl Server {
    /// For what does not depend on the database.
    async fn start() -> Self {
        Self::on(Scratch::new(Kind::Sqlite).await).await
    }

    async fn on(scratch: impl Into<Arc<Scratch>>) -> Self {
        Self::open(scratch, |_| {}).await
    }

    /// With what `change` makes of the options.
    async fn open(scratch: impl Into<Arc<Scratch>>, change: impl FnOnce(&mut Options)) -> Self {
        let scratch = scratch.into();
        let data_dir = scratch.folder().join("data");
        let database = Database::open(scratch.url()).await.expect("database");
        let token = storage::admin_token::load_or_create(&data_dir).expect("token");
        let broadcasts = Arc::new(RecordedBroadcasts::default());
        let urls = Urls {
            http: None,
            rtmp: PublishAddress::SameHost { port: 1935 },
            srt: PublishAddress::SameHost { port: 8890 },
        };
        let secret = storage::playback_token::load_or_create(&data_dir).expect("secret");
        let mut options = Options {
            streams: database.streams(),
            recordings: database.recordings(),
            videos: database.videos(),
            media: Arc::new(OnDisk(Folder::open(&data_dir).expect("folder"))),
            accounts: database.accounts(),
            audit: database.audit(),
            webhooks: database.webhooks(),
            uploads: storage::uploads::Folder::open(&data_dir, NO_RESERVE).expect("folder"),
            upload_limits: UploadLimits {
                bytes_max: UPLOAD_BYTES_MAX,
                owner_bytes_max: u64::MAX,
            },
            broadcasts: broadcasts.clone(),
            admin_token: token.clone(),
            playback_secret: secret.clone(),
            access_secret: storage::access_token::load_or_create(&data_dir).expect("secret"),
            urls,
            registration: Registration::Open,
            cors_origins: Vec::new(),
            guesses: Guesses::new(Networks::default()),
            limits: Limits {
                logins_per_minute: NonZeroU32::new(1000).expect("not 0"),
                registrations_per_hour: NonZeroU32::new(1000).expect("not 0"),
                ..Limits::default()
            },
        };
        change(&mut options);
        let socket = socket::Socket::open(crate::router(Api::new(options))).await;
        Self {
            scratch,
            database,
            broadcasts,
            token,
            secret,
            socket,
        }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.socket.send(request).await.into_parts();
        let body = body.collect().await.expect("body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).expect("UTF-8"),
        }
    }

    /// A request of somebody without the token.
    async fn stranger(&self, method: &str, path: &str) -> Answer {
        self.send(request(method, path).body(Body::empty()).expect("request"))
            .await
    }

    fn admin_request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let bearer = format!("Bearer {}", self.token.reveal());
        request(method, path).header(header::AUTHORIZATION, bearer)
    }

    async fn admin(&self, method: &str, path: &str) -> Answer {
        let request = self.admin_request(method, path).body(Body::empty());
        self.send(request.expect("request")).await
    }

    async fn post_json(&self, body: impl Into<Body>) -> Answer {
        self.admin_json("POST", "/api/v1/streams", body).await
    }

    async fn admin_json(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let request = self
            .admin_request(method, path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into());
        self.send(request.expect("request")).await
    }

    /// A new stream's id and key.
    async fn create(&self, title: &str) -> (String, String) {
        let body = serde_json::json!({ "title": title }).to_string();
        let answer = self.post_json(body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let json = answer.json();
        (text(&json["id"]), text(&json["stream_key"]))
    }
}

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, HOST)
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}
