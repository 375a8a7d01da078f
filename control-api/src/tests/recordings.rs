//! Recordings by the API: who sees which, and what may be done to them.

use media_core::BroadcastId;
use serde_json::json;
use storage::recording::{End, Reason};

use super::errors::assert_problem;
use super::*;

const RECORDINGS: &str = "/api/v1/recordings";

impl Server {
    /// A recording of `stream`, whose broadcast runs; its id.
    pub(super) async fn begin_recording(
        &self,
        stream: &str,
        asset: &str,
        began_s: u64,
    ) -> storage::recording::Recording {
        self.begin_recording_of(stream, asset, began_s, &["720p", "audio"])
            .await
    }

    async fn begin_recording_of(
        &self,
        stream: &str,
        asset: &str,
        began_s: u64,
        renditions: &[&str],
    ) -> storage::recording::Recording {
        let stream = StreamId::new(stream).expect("an id");
        let broadcast = BroadcastId::new("b7").expect("an id");
        let asset = AssetId::new(asset).expect("an id");
        let renditions = renditions.iter();
        let renditions = renditions.map(|name| RenditionName::new(name).expect("a name"));
        let renditions: Vec<_> = renditions.collect();
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(began_s);
        let recordings = self.database.recordings();
        let begun = recordings
            .begin(&stream, &broadcast, &asset, &renditions, began)
            .await;
        begun.expect("begin")
    }

    /// One that has ended; its id.
    pub(super) async fn recorded(&self, stream: &str, asset: &str, began_s: u64) -> String {
        let running = self.begin_recording(stream, asset, began_s).await;
        let ended = running.started_at + Duration::from_secs(90);
        let recordings = self.database.recordings();
        recordings
            .finish(&running.id, whole(), ended)
            .await
            .expect("finish");
        running.id.to_string()
    }
}

/// An end that was noted in order.
fn whole() -> End {
    End::Playable {
        bytes: 1000,
        duration: Duration::from_millis(90_061),
        cut_short: None,
    }
}

fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let items = answer.json()["items"].as_array().expect("items").clone();
    items.iter().map(|item| text(&item["id"])).collect()
}

scratch::on_each_database! {
    async fn a_recording_is_shown_with_all_its_addresses(scratch) {
        let server = Server::on(scratch).await;
        let (stream, _) = server.create("Harbour").await;
        let id = server.recorded(&stream, "a1", 1_767_225_600).await;
        let shown = server.stranger("GET", &format!("{RECORDINGS}/{id}")).await;
        let base = format!("http://media.test:8080/vod/{id}");
        let thumbnails = [1, 2, 3].map(|number| format!("{base}/thumbnails/thumbnail-{number}.jpg"));
        let expected = json!({
            "id": id, "stream_id": stream, "broadcast_id": "b7", "title": "Harbour",
            "visibility": "public", "status": "ready", "reason": null, "protected": false,
            "started_at": "2026-01-01T00:00:00.000Z", "ended_at": "2026-01-01T00:01:30.000Z",
            "duration_ms": 90_061, "bytes": 1000, "renditions": ["720p", "audio"],
            "playback": {
                "hls": format!("{base}/master.m3u8"),
                "thumbnails": thumbnails,
                "sprite": format!("{base}/thumbnails/sprites.vtt"),
                "download": {
                    "720p": format!("{base}/720p/download.mp4"),
                    "audio": format!("{base}/audio/download.mp4"),
                },
            },
        });
        assert_eq!(shown.json(), expected);
        assert_problem(&server.stranger("GET", &format!("{RECORDINGS}/nothere")).await, 404, "no_such_recording");
    }

    async fn a_recording_of_sound_alone_has_no_addresses_of_pictures(scratch) {
        let server = Server::on(scratch).await;
        let (stream, _) = server.create("Harbour").await;
        let running = server.begin_recording_of(&stream, "a1", 100, &["audio"]).await;
        let recordings = server.database.recordings();
        recordings.finish(&running.id, whole(), running.started_at).await.expect("finish");
        let shown = server.stranger("GET", &format!("{RECORDINGS}/{}", running.id)).await.json();
        let playback = &shown["playback"];
        assert_eq!((&playback["thumbnails"], &playback["sprite"]), (&json!([]), &Value::Null));
        assert!(playback["download"]["audio"].is_string(), "{shown}");
    }

    async fn lists_show_everybody_what_they_may_see(scratch) {
        let server = Server::on(scratch).await;
        let (mona, nils) = (server.new_streamer("mona").await, server.new_streamer("nils").await);
        let (public, _) = server.create("Harbour").await;
        let private = json!({ "title": "Cellar", "visibility": "private" });
        let private = server.stream_of(&mona, private).await;
        let first = server.recorded(&public, "a1", 100).await;
        let hidden = server.recorded(&private, "a2", 200).await;
        let running = server.begin_recording(&public, "a3", 300).await.id.to_string();
        let everybody = [running.clone(), first.clone()];
        let all = [running.clone(), hidden.clone(), first.clone()];
        assert_eq!(ids(&server.stranger("GET", RECORDINGS).await), everybody);
        assert_eq!(ids(&server.as_user(&nils.access, "GET", RECORDINGS, None).await), everybody);
        assert_eq!(ids(&server.as_user(&mona.access, "GET", RECORDINGS, None).await), all);
        assert_eq!(ids(&server.admin("GET", RECORDINGS).await), all);
        for (query, found) in [
            (format!("stream_id={private}"), vec![&hidden]),
            ("status=recording".to_owned(), vec![&running]),
            ("q=HARB&sort=started_at".to_owned(), vec![&first, &running]),
            ("q=%25".to_owned(), vec![]),
        ] {
            let listed = server.admin("GET", &format!("{RECORDINGS}?{query}")).await;
            assert_eq!(ids(&listed).iter().collect::<Vec<_>>(), found, "{query}");
        }
        for (query, field) in [("status=gone", "status"), ("sort=size", "sort"), ("stream_id=a/b", "stream_id"), ("limit=0", "limit")] {
            let answer = server.admin("GET", &format!("{RECORDINGS}?{query}")).await;
            let problem = assert_problem(&answer, 400, "invalid_request");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
        // Of the private one only its owner is told, with addresses that open it.
        let path = format!("{RECORDINGS}/{hidden}");
        assert_problem(&server.stranger("GET", &path).await, 404, "no_such_recording");
        assert_problem(&server.as_user(&nils.access, "DELETE", &path, None).await, 404, "no_such_recording");
        let own = server.as_user(&mona.access, "GET", &path, None).await.json();
        assert!(text(&own["playback"]["hls"]).contains("?token=v1."), "{own}");
        // Also once its stream is deleted.
        let deleted = server.as_user(&mona.access, "DELETE", &format!("/api/v1/streams/{private}"), None).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        assert_eq!(server.as_user(&mona.access, "GET", &path, None).await.status, StatusCode::OK);
    }

    async fn a_recording_is_renamed_protected_and_deleted_by_its_owner(scratch) {
        let server = Server::on(scratch).await;
        let (mona, nils) = (server.new_streamer("mona").await, server.new_streamer("nils").await);
        let stream = server.stream_of(&mona, json!({ "title": "Harbour" })).await;
        let id = server.recorded(&stream, "a1", 100).await;
        let path = format!("{RECORDINGS}/{id}");
        let change = json!({ "title": "Dawn", "protected": true });
        for method in ["PATCH", "DELETE"] {
            let refused = server.as_user(&nils.access, method, &path, Some(change.clone())).await;
            assert_problem(&refused, 403, "forbidden");
            assert_problem(&server.stranger(method, &path).await, 401, "unauthorized");
        }
        let changed = server.as_user(&mona.access, "PATCH", &path, Some(change)).await.json();
        assert_eq!((&changed["title"], &changed["protected"]), (&json!("Dawn"), &json!(true)));
        for (body, status, code) in [
            (json!({ "title": "x" }), 422, "invalid_fields"),
            (json!({ "protected": null }), 400, "invalid_request"),
            (json!({ "name": "x" }), 400, "invalid_request"),
        ] {
            let refused = server.as_user(&mona.access, "PATCH", &path, Some(body)).await;
            assert_problem(&refused, status, code);
        }
        server.broadcasts.take_told();
        let deleted = server.as_user(&mona.access, "DELETE", &path, None).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        assert_eq!(server.broadcasts.take_told(), [Told::RecordingDeleted]);
        assert_problem(&server.admin("DELETE", &path).await, 404, "no_such_recording");
        let running = server.begin_recording(&stream, "a2", 200).await.id;
        let path = format!("{RECORDINGS}/{running}");
        assert_problem(&server.admin("DELETE", &path).await, 409, "recording_runs");
        assert_eq!(server.admin("GET", &path).await.json()["playback"], Value::Null);
        assert_eq!(server.broadcasts.take_told(), []);
        let logged = server.admin("GET", "/api/v1/audit").await.json();
        assert_eq!(logged["items"][0]["action"], "DELETE /api/v1/recordings/{id}");
        assert_eq!(logged["items"][0]["subject"], id);
    }

    async fn a_download_leads_to_one_rendition(scratch) {
        let server = Server::on(scratch).await;
        let (stream, _) = server.create("Harbour").await;
        let id = server.recorded(&stream, "a1", 100).await;
        let path = format!("{RECORDINGS}/{id}/download");
        for (query, rendition) in [("", "720p"), ("?rendition=audio", "audio")] {
            let answer = server.stranger("GET", &format!("{path}{query}")).await;
            assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT, "{answer:?}");
            let expected = format!("http://media.test:8080/vod/{id}/{rendition}/download.mp4");
            assert_eq!(answer.header(header::LOCATION), expected);
        }
        for query in ["?rendition=1080p", "?rendition=../x"] {
            let answer = server.stranger("GET", &format!("{path}{query}")).await;
            assert_problem(&answer, 400, "invalid_request");
        }
        let private = json!({ "visibility": "private" }).to_string();
        server.admin_json("PATCH", &format!("/api/v1/streams/{stream}"), private).await;
        assert_problem(&server.stranger("GET", &path).await, 404, "no_such_recording");
        let answer = server.admin("GET", &path).await;
        let (_, token) = answer.header(header::LOCATION).split_once("?token=").expect("a token");
        let stream_id = StreamId::new(&stream).expect("an id");
        server.secret.check(&stream_id, token, SystemTime::now()).expect("it opens the stream");
        let failed = server.begin_recording(&stream, "a2", 200).await;
        let recordings = server.database.recordings();
        let end = End::Failed(Reason::NoSegment);
        recordings.finish(&failed.id, end, failed.started_at).await.expect("finish");
        let answer = server.admin("GET", &format!("{RECORDINGS}/{}/download", failed.id)).await;
        assert_problem(&answer, 409, "nothing_to_download");
    }
}
