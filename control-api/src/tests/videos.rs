//! The VOD library by the API: who sees and changes what, on both databases.

use std::time::SystemTime;

use media_core::{BroadcastId, RecordingId, VideoId};
use serde_json::json;
use storage::playback_token::Lifetime;
use storage::recording::{End, Reason};

use super::accounts::{Member, PASSWORD};
use super::errors::assert_problem;
use super::*;

const VIDEOS: &str = "/api/v1/videos";
const SUBTITLES: &str = "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n";

/// Media of sound alone, all of it.
struct SoundAlone;

impl Media for SoundAlone {
    fn renditions(&self, _: &AssetId) -> Pending<Vec<RenditionName>> {
        let audio = RenditionName::new("audio").expect("a name");
        Box::pin(std::future::ready(vec![audio]))
    }
}

impl Server {
    /// Somebody who may have videos.
    pub(super) async fn streamer(&self, name: &str) -> Member {
        let member = self.member(name).await;
        let path = format!("/api/v1/users/{}", member.id);
        let role = json!({ "role": "streamer" }).to_string();
        let answer = self.admin_json("PATCH", &path, role).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let tokens = self.log_in(name, PASSWORD).await.json();
        Member {
            access: text(&tokens["access_token"]),
            ..member
        }
    }

    async fn video(&self, owner: &Member, body: Value) -> Value {
        let answer = self
            .as_user(&owner.access, "POST", VIDEOS, Some(body))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let json = answer.json();
        let location = format!("{VIDEOS}/{}", text(&json["id"]));
        assert_eq!(answer.header(header::LOCATION), location);
        json
    }

    /// A recording of the operator's stream with this title.
    async fn recording(&self, title: &str, asset: &str, end: Option<End>) -> RecordingId {
        let (stream, _) = self.create(title).await;
        let stream = StreamId::new(&stream).expect("id");
        let recordings = self.database.recordings();
        let broadcast = BroadcastId::new("b1").expect("id");
        let asset = AssetId::new(asset).expect("id");
        let now = SystemTime::now();
        let begun = recordings
            .begin(&stream, &broadcast, &asset, &[], now)
            .await;
        let id = begun.expect("begin").id;
        if let Some(end) = end {
            recordings.finish(&id, end, now).await.expect("finish");
        }
        id
    }

    /// A ready video of the operator's.
    pub(super) async fn imported(&self, asset: &str, visibility: &str) -> Value {
        let recording = self.recording("Harbour camera", asset, playable()).await;
        let body = json!({ "recording_id": recording.as_str(), "visibility": visibility });
        let answer = self.admin_json("POST", VIDEOS, body.to_string()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()
    }

    pub(super) async fn webvtt(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = self
            .admin_request("POST", path)
            .header(header::CONTENT_TYPE, "text/vtt; charset=utf-8")
            .body(body.into());
        self.send(request.expect("request")).await
    }
}

fn playable() -> Option<End> {
    Some(End::Playable {
        bytes: 1000,
        duration: Duration::from_secs(90),
        cut_short: None,
    })
}

fn path(video: &Value) -> String {
    format!("{VIDEOS}/{}", text(&video["id"]))
}

fn titles(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let items = json["items"].as_array().expect("items");
    items.iter().map(|item| text(&item["title"])).collect()
}

scratch::on_each_database! {
    async fn a_video_is_made_read_changed_and_deleted_by_its_owner(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let mona = server.streamer("mona").await;
        let body = json!({ "title": "Häfen <b>", "description": "two\nlines", "tags": ["Sea"] });
        let video = server.video(&mona, body).await;
        assert_eq!(
            video,
            json!({
                "id": video["id"], "owner_id": mona.id, "title": "Häfen <b>",
                "description": "two\nlines", "tags": ["Sea"], "visibility": "public",
                "status": "uploading", "reason": null, "progress_permille": 0, "duration_ms": 0,
                "size_bytes": 0, "source_name": null, "recording_id": null, "views": 0, "likes": 0,
                "liked": null, "created_at": video["created_at"], "published_at": null,
                "playback": null,
            })
        );
        let path = path(&video);
        let change = json!({ "title": "Harbour", "tags": [], "visibility": "unlisted" });
        let answer = server.as_user(&mona.access, "PATCH", &path, Some(change)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let changed = answer.json();
        assert_eq!((&changed["title"], &changed["tags"]), (&json!("Harbour"), &json!([])));
        assert_eq!((&changed["visibility"], &changed["description"]), (&json!("unlisted"), &video["description"]));
        let shown = server.as_user(&mona.access, "GET", &path, None).await.json();
        assert_eq!((&shown["title"], &shown["liked"]), (&json!("Harbour"), &json!(false)));
        let answer = server.as_user(&mona.access, "DELETE", &path, None).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
        for method in ["GET", "DELETE"] {
            let answer = server.as_user(&mona.access, method, &path, None).await;
            assert_problem(&answer, 404, "no_such_video");
        }
        let log = server.admin("GET", &format!("/api/v1/audit?subject={}", text(&video["id"]))).await.json();
        let actions: Vec<_> = log["items"].as_array().expect("items").iter().map(|it| text(&it["action"])).collect();
        assert_eq!(actions.len(), 3, "{actions:?}");
        assert!(actions.contains(&"PATCH /api/v1/videos/{id}".to_owned()));
    }

    async fn what_is_wrong_with_a_video_is_said_field_by_field(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let mona = server.streamer("mona").await;
        let video = server.video(&mona, json!({ "title": "Harbour" })).await;
        let path = path(&video);
        let wrong = json!({
            "title": "ab", "description": "a\u{7}", "tags": ["a", "A"], "visibility": "secret",
        });
        for (method, path) in [("POST", VIDEOS), ("PATCH", &*path)] {
            let answer = server.as_user(&mona.access, method, path, Some(wrong.clone())).await;
            let problem = assert_problem(&answer, 422, "invalid_fields");
            let fields: Vec<_> = problem["errors"].as_array().expect("errors").iter().map(|it| text(&it["field"])).collect();
            assert_eq!(fields, ["title", "description", "tags", "visibility"]);
        }
        let answer = server.as_user(&mona.access, "POST", VIDEOS, Some(json!({}))).await;
        let problem = assert_problem(&answer, 422, "invalid_fields");
        assert_eq!(problem["errors"][0]["field"], "title");
        for body in [
            json!({ "title": "Harbour", "visibility": null }),
            json!({ "title": "Harbour", "views": 7 }),
            json!({ "title": 7 }),
        ] {
            for (method, path) in [("POST", VIDEOS), ("PATCH", &*path)] {
                let answer = server.as_user(&mona.access, method, path, Some(body.clone())).await;
                assert_problem(&answer, 400, "invalid_request");
            }
        }
        let answer = server.as_user(&mona.access, "PATCH", &path, Some(json!({ "title": null }))).await;
        assert_problem(&answer, 400, "invalid_request");
    }

    async fn streamers_make_videos_and_nobody_changes_another_s(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let (mona, kurt, eve) = (server.streamer("mona").await, server.streamer("kurt").await, server.member("eve").await);
        let body = json!({ "title": "Harbour" });
        assert_problem(&server.json("POST", VIDEOS, &body).await, 401, "unauthorized");
        let answer = server.as_user(&eve.access, "POST", VIDEOS, Some(body.clone())).await;
        assert_problem(&answer, 403, "forbidden");
        // One that is not ready is seen by its owner alone; one that is can be changed by no other.
        let hidden = path(&server.video(&mona, body.clone()).await);
        let public = path(&server.imported("a1", "public").await);
        for (method, sub, body) in [
            ("PATCH", "", Some(json!({ "title": "Pier" }))),
            ("DELETE", "", None),
            ("PUT", "/chapters", Some(json!({ "items": [] }))),
            ("DELETE", "/subtitles/de", None),
            ("POST", "/playback-tokens", None),
        ] {
            let answer = server.as_user(&kurt.access, method, &format!("{hidden}{sub}"), body.clone()).await;
            assert_problem(&answer, 404, "no_such_video");
            let answer = server.as_user(&kurt.access, method, &format!("{public}{sub}"), body).await;
            assert_problem(&answer, 403, "forbidden");
            assert_problem(&server.stranger(method, &format!("{public}{sub}")).await, 401, "unauthorized");
        }
        for sub in ["", "/chapters", "/subtitles"] {
            assert_problem(&server.stranger("GET", &format!("{hidden}{sub}")).await, 404, "no_such_video");
        }
        assert_eq!(server.admin("GET", &hidden).await.status, StatusCode::OK);
        assert_problem(&server.stranger("GET", &format!("{VIDEOS}/NoId")).await, 404, "no_such_video");
    }

    async fn a_private_recording_becomes_a_private_video_where_nothing_else_is_said(scratch) {
        let server = Server::on(scratch).await;
        let mona = server.new_streamer("mona").await;
        let cellar = json!({ "title": "Cellar", "visibility": "private" });
        let cellar = server.stream_of(&mona, cellar).await;
        let hidden = server.recorded(&cellar, "a1", 100).await;
        let harbour = server.stream_of(&mona, json!({ "title": "Harbour" })).await;
        let shown = server.recorded(&harbour, "a2", 200).await;
        for (body, visibility) in [
            (json!({ "recording_id": hidden }), "private"),
            (json!({ "recording_id": hidden, "visibility": "public" }), "public"),
            (json!({ "recording_id": shown }), "public"),
            (json!({ "title": "Harbour" }), "public"),
        ] {
            let video = server.video(&mona, body.clone()).await;
            assert_eq!(video["visibility"], visibility, "{body}");
        }
    }

    async fn a_recording_is_imported_by_its_owner_once_its_stream_is_deleted(scratch) {
        let server = Server::on(scratch).await;
        let (mona, nils) = (server.new_streamer("mona").await, server.new_streamer("nils").await);
        let stream = server.stream_of(&mona, json!({ "title": "Harbour" })).await;
        let recording = server.recorded(&stream, "a1", 100).await;
        let path = format!("/api/v1/streams/{stream}");
        let deleted = server.as_user(&mona.access, "DELETE", &path, None).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
        let body = json!({ "recording_id": recording });
        let others = json!({ "recording_id": recording, "title": "Mine now" });
        let refused = server.as_user(&nils.access, "POST", VIDEOS, Some(others)).await;
        let problem = assert_problem(&refused, 422, "invalid_fields");
        assert_eq!(problem["errors"][0]["field"], "recording_id");
        assert_eq!(server.video(&mona, body).await["status"], "ready");
    }

    async fn an_imported_recording_plays_and_says_where(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let video = server.imported("a1", "public").await;
        assert_eq!((&video["title"], &video["status"]), (&json!("Harbour camera"), &json!("ready")));
        assert_eq!((&video["duration_ms"], &video["size_bytes"]), (&json!(90_000), &json!(1000)));
        let id = text(&video["id"]);
        let base = format!("http://{HOST}/vod/{id}");
        assert_eq!(video["playback"]["hls"], json!(format!("{base}/master.m3u8")));
        assert_eq!(video["playback"]["sprite"], json!(format!("{base}/thumbnails/sprites.vtt")));
        assert_eq!(video["playback"]["thumbnails"][2], json!(format!("{base}/thumbnails/thumbnail-3.jpg")));
        let shown = server.stranger("GET", &path(&video)).await.json();
        assert_eq!((&shown["id"], &shown["recording_id"]), (&video["id"], &Value::Null));
        assert!(video["recording_id"].is_string());

        let running = server.recording("Pier", "a2", None).await;
        let failed = server.recording("Pier", "a3", Some(End::Failed(Reason::NoSegment))).await;
        for recording in [running, failed] {
            let body = json!({ "recording_id": recording.as_str() }).to_string();
            let answer = server.admin_json("POST", VIDEOS, body).await;
            assert_problem(&answer, 409, "recording_not_playable");
        }
        // Somebody else's recording is as one that is not there.
        let mona = server.streamer("mona").await;
        let others = text(&video["recording_id"]);
        for id in [others.as_str(), "nothere", "No/Id"] {
            let body = json!({ "recording_id": id, "title": "Mine now" });
            let answer = server.as_user(&mona.access, "POST", VIDEOS, Some(body)).await;
            let problem = assert_problem(&answer, 422, "invalid_fields");
            assert_eq!(problem["errors"][0]["field"], "recording_id");
        }
    }

    /// It had three addresses of pictures that there never were.
    async fn sound_alone_has_no_addresses_of_pictures(scratch) {
        let server = Server::open(scratch, |options| options.media = Arc::new(SoundAlone)).await;
        let video = server.imported("a1", "public").await;
        let shown = server.stranger("GET", &path(&video)).await.json();
        let playback = &shown["playback"];
        assert_eq!((&playback["thumbnails"], &playback["sprite"]), (&json!([]), &Value::Null));
        assert_eq!(playback["download"][0]["rendition"], "audio");
        assert_eq!(playback["download"][1], Value::Null);
    }

    async fn lists_show_public_videos_to_strangers_and_own_ones_to_their_owners(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let mona = server.streamer("mona").await;
        server.video(&mona, json!({ "title": "Coming soon", "tags": ["Sea"] })).await;
        let public = server.imported("a1", "public").await;
        server.imported("a2", "unlisted").await;
        server.imported("a3", "private").await;
        assert_eq!(titles(&server.stranger("GET", VIDEOS).await), ["Harbour camera"]);
        assert_eq!(titles(&server.as_user(&mona.access, "GET", &format!("{VIDEOS}?sort=title"), None).await), ["Coming soon", "Harbour camera"]);
        assert_eq!(titles(&server.as_user(&mona.access, "GET", &format!("{VIDEOS}?owner=me"), None).await), ["Coming soon"]);
        assert_eq!(titles(&server.admin("GET", VIDEOS).await).len(), 4);
        for (query, wanted) in [
            ("owner=me", 3), ("owner=operator", 3), ("status=uploading", 1), ("tag=sea", 1),
            ("q=SOON", 1), ("visibility=private", 1), ("visibility=private&q=soon", 0),
        ] {
            let answer = server.admin("GET", &format!("{VIDEOS}?{query}")).await;
            assert_eq!(titles(&answer).len(), wanted, "{query}");
        }
        let owner = format!("{VIDEOS}?owner={}", mona.id);
        assert!(titles(&server.stranger("GET", &owner).await).is_empty());
        let page = server.admin("GET", &format!("{VIDEOS}?limit=3&sort=-views")).await.json();
        let rest = format!("{VIDEOS}?limit=3&sort=-views&cursor={}", text(&page["next_cursor"]));
        assert_eq!(titles(&server.admin("GET", &rest).await).len(), 1);
        assert_problem(&server.stranger("GET", &format!("{VIDEOS}?owner=me")).await, 401, "unauthorized");
        for query in ["sort=name", "status=x", "visibility=x", "owner=x", "limit=0", "cursor=x", "tag=%00"] {
            let answer = server.stranger("GET", &format!("{VIDEOS}?{query}")).await;
            let problem = assert_problem(&answer, 400, "invalid_request");
            assert_eq!(problem["errors"][0]["field"], query.split('=').next().expect("a name"));
        }
        assert_eq!(public["visibility"], "public");
    }

    async fn a_private_video_opens_to_its_own_token_alone(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let video = server.imported("a1", "private").await;
        let (path, id) = (path(&video), text(&video["id"]));
        assert_problem(&server.stranger("GET", &path).await, 404, "no_such_video");
        let answer = server.admin_json("POST", &format!("{path}/playback-tokens"), r#"{"expires_in_s":60}"#).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let issued = answer.json();
        let token = text(&issued["token"]);
        let hls = format!("http://{HOST}/vod/{id}/master.m3u8?token={token}");
        assert_eq!(issued["playback"]["hls"], json!(hls));
        let shown = server.stranger("GET", &format!("{path}?token={token}")).await;
        assert_eq!(shown.json()["playback"]["hls"], json!(hls));
        for sub in ["/chapters", "/subtitles"] {
            let answer = server.stranger("GET", &format!("{path}{sub}?token={token}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        }
        let stream = StreamId::new(&id).expect("id");
        let other = VideoId::new("nothere").expect("id");
        let now = SystemTime::now();
        let of_stream = server.secret.issue(&stream, Lifetime::DEFAULT, now);
        let of_other = server.secret.issue(&other, Lifetime::DEFAULT, now);
        for wrong in [of_stream.reveal(), of_other.reveal(), "v1.1.x", ""] {
            let answer = server.stranger("GET", &format!("{path}?token={wrong}")).await;
            assert_problem(&answer, 404, "no_such_video");
        }
        let answer = server.admin_json("POST", &format!("{path}/playback-tokens"), r#"{"expires_in_s":0}"#).await;
        assert_problem(&answer, 422, "invalid_fields");
    }

    async fn a_user_likes_a_video_and_watching_counts_once(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let path = path(&server.imported("a1", "public").await);
        let eve = server.member("eve").await;
        let like = format!("{path}/like");
        for (method, likes, liked) in [("PUT", 1, true), ("PUT", 1, true), ("DELETE", 0, false), ("DELETE", 0, false), ("PUT", 1, true)] {
            let answer = server.as_user(&eve.access, method, &like, None).await;
            assert_eq!(answer.json(), json!({ "likes": likes, "liked": liked }));
        }
        assert_eq!(server.as_user(&eve.access, "GET", &path, None).await.json()["liked"], true);
        assert_problem(&server.stranger("PUT", &like).await, 401, "unauthorized");
        assert_problem(&server.admin("PUT", &like).await, 403, "no_account");
        let nothing = format!("{VIDEOS}/nothere/like");
        assert_problem(&server.as_user(&eve.access, "PUT", &nothing, None).await, 404, "no_such_video");

        let views = format!("{path}/views");
        let seen = |answer: Answer| (answer.json()["views"].clone(), answer.json()["counted"].clone());
        assert_eq!(seen(server.stranger("POST", &views).await), (json!(1), json!(true)));
        assert_eq!(seen(server.stranger("POST", &views).await), (json!(1), json!(false)));
        assert_eq!(seen(server.as_user(&eve.access, "POST", &views, None).await), (json!(2), json!(true)));
        assert_eq!(seen(server.as_user(&eve.access, "POST", &views, None).await), (json!(2), json!(false)));
        assert_eq!(server.stranger("GET", &path).await.json()["views"], 2);
        assert_problem(&server.stranger("POST", &format!("{VIDEOS}/nothere/views")).await, 404, "no_such_video");
        // Who watches is written down nowhere.
        let log = server.admin("GET", "/api/v1/audit").await;
        assert!(!log.text.contains("/views"), "{log:?}");
    }

    async fn a_deleted_user_s_token_makes_and_likes_nothing(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let path = path(&server.imported("a1", "public").await);
        let mona = server.streamer("mona").await;
        let own = server.video(&mona, json!({ "title": "Harbour" })).await;
        let answer = server.admin("DELETE", &format!("/api/v1/users/{}", mona.id)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
        let body = json!({ "title": "Once more" });
        let answer = server.as_user(&mona.access, "POST", VIDEOS, Some(body)).await;
        assert_problem(&answer, 401, "unauthorized");
        let answer = server.as_user(&mona.access, "PUT", &format!("{path}/like"), None).await;
        assert_problem(&answer, 401, "unauthorized");
        // It became the operator's.
        let left = server.admin("GET", &format!("{VIDEOS}/{}", text(&own["id"]))).await.json();
        assert_eq!(left["owner_id"], Value::Null);
    }

    async fn chapters_are_json_and_webvtt(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let path = format!("{}/chapters", path(&server.imported("a1", "public").await));
        let chapters = json!({ "items": [{ "start_ms": 0, "title": "Start" }, { "start_ms": 60_000, "title": "<i>" }] });
        let answer = server.admin_json("PUT", &path, chapters.to_string()).await;
        let listed = json!({ "items": chapters["items"], "next_cursor": null });
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, listed.clone()));
        assert_eq!(server.stranger("GET", &path).await.json(), listed);
        let wanted = request("GET", &path).header(header::ACCEPT, "text/vtt").body(Body::empty());
        let answer = server.send(wanted.expect("request")).await;
        assert_eq!(answer.header(header::CONTENT_TYPE), "text/vtt");
        assert_eq!(
            answer.text,
            "WEBVTT\n\n00:00:00.000 --> 00:01:00.000\nStart\n\n00:01:00.000 --> 00:01:30.000\n&lt;i&gt;\n"
        );
        for body in [
            json!({}),
            json!({ "items": [{ "start_ms": 1, "title": "A" }] }),
            json!({ "items": [{ "start_ms": 0, "title": "" }] }),
            json!({ "items": [{ "start_ms": 0, "title": "A" }, { "start_ms": 0, "title": "B" }] }),
        ] {
            let answer = server.admin_json("PUT", &path, body.to_string()).await;
            let problem = assert_problem(&answer, 422, "invalid_fields");
            assert_eq!(problem["errors"][0]["field"], "items");
        }
        let answer = server.admin_json("PUT", &path, r#"{"items":[{"start_ms":-1,"title":"A"}]}"#).await;
        assert_problem(&answer, 400, "invalid_request");
        assert_eq!(server.stranger("GET", &path).await.json(), listed);
        let answer = server.admin_json("PUT", &path, r#"{"items":[]}"#).await;
        assert_eq!(answer.json(), json!({ "items": [], "next_cursor": null }));
    }

    async fn subtitles_come_and_go_as_webvtt(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let path = format!("{}/subtitles", path(&server.imported("a1", "public").await));
        let answer = server.webvtt(&format!("{path}?language=pt-BR"), SUBTITLES).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert_eq!(answer.header(header::LOCATION), format!("{path}/pt-br"));
        assert_eq!(answer.json(), json!({ "name": "pt-br", "language": "pt-BR", "label": "pt-BR", "default": false }));
        let query = "language=de&label=Deutsch%20%3Cb%3E&default=true&name=german";
        let german = server.webvtt(&format!("{path}?{query}"), SUBTITLES).await.json();
        assert_eq!(german, json!({ "name": "german", "language": "de", "label": "Deutsch <b>", "default": true }));
        let listed = server.stranger("GET", &path).await.json();
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));
        assert_eq!(listed["items"][0], german);
        let file = server.stranger("GET", &format!("{path}/german")).await;
        assert_eq!((file.header(header::CONTENT_TYPE), file.text.as_str()), ("text/vtt", SUBTITLES));
        assert_eq!(server.admin("DELETE", &format!("{path}/german")).await.status, StatusCode::NO_CONTENT);
        for method in ["GET", "DELETE"] {
            for name in ["german", "No"] {
                let answer = server.admin(method, &format!("{path}/{name}")).await;
                assert_problem(&answer, 404, "no_such_subtitles");
            }
        }

        for (query, field) in [("", "language"), ("language=x_", "language"), ("language=de&name=A", "name"), ("language=de&label=%07", "label"), ("language=de&default=1", "default")] {
            let answer = server.webvtt(&format!("{path}?{query}"), SUBTITLES).await;
            let problem = assert_problem(&answer, 422, "invalid_fields");
            assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1));
            assert_eq!(problem["errors"][0]["field"], field);
        }
        let path = format!("{path}?language=de");
        let answer = server.webvtt(&path, "1\n00:00:01,000 --> 00:00:02,000\nsrt\n").await;
        let problem = assert_problem(&answer, 422, "invalid_fields");
        assert_eq!(problem["errors"][0]["field"], "body");
        let answer = server.webvtt(&path, vec![b'a'; 1024 * 1024 + 1]).await;
        assert_problem(&answer, 413, "body_too_large");
        assert_problem(&server.admin_json("POST", &path, "{}").await, 415, "unsupported_media_type");
        // Larger than any other body may be.
        let large = format!("{SUBTITLES}{}", "x".repeat(200_000));
        assert_eq!(server.webvtt(&path, large).await.status, StatusCode::CREATED);
    }
}
