//! The owner's way: create, list, show, rotate, delete.

use std::time::Duration;

use serde_json::json;

use super::*;

scratch::on_each_database! {
    async fn a_created_stream_has_everything_to_publish_and_to_watch(scratch) {
        let server = Server::on(scratch).await;
        let answer = server.post_json(r#"{"title": "Häfen"}"#).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        let json = answer.json();
        let (id, key) = (text(&json["id"]), text(&json["stream_key"]));
        assert!(key.starts_with("mr_"));
        assert_eq!(
            answer.header(header::LOCATION),
            format!("/api/v1/streams/{id}")
        );
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        let expected = json!({
            "id": id,
            "title": "Häfen",
            "description": "",
            "tags": [],
            "owner": null,
            "publishers": [],
            "reconnect_s": null,
            "backup_publisher": false,
            "record": null,
            "record_renditions": [],
            "retention": { "days": null, "bytes": null },
            "visibility": "public",
            "status": "offline",
            "live_since": null,
            "last_refusal": null,
            "viewers": null,
            "viewers_peak": null,
            "created_at": json["created_at"],
            "srt_encrypted": false,
            "playback": {
                "hls": format!("http://media.test:8080/live/{id}/master.m3u8"),
                "dvr": null,
                "page": format!("http://media.test:8080/watch/{id}"),
                "thumbnail": null,
            },
            "stream_key": key,
            "publish": {
                "rtmp": format!("rtmp://media.test:1935/live/{key}"),
                "rtmp_server": "rtmp://media.test:1935/live",
                "srt": format!("srt://media.test:8890?streamid=publish:{key}"),
            },
        });
        assert_eq!(json, expected);
        let created_at = text(&json["created_at"]);
        assert!(created_at.starts_with("20") && created_at.ends_with('Z'));
    }

    async fn a_passphrase_is_in_the_srt_address_and_nowhere_else(scratch) {
        let server = Server::on(scratch).await;
        let body = json!({ "title": "Pier", "srt_passphrase": "salt & water" }).to_string();
        let json = server.post_json(body).await.json();
        let (id, key) = (text(&json["id"]), text(&json["stream_key"]));
        assert_eq!(
            json["publish"]["srt"],
            format!(
                "srt://media.test:8890?streamid=publish:{key}&passphrase=salt%20%26%20water&pbkeylen=16"
            )
        );
        assert_eq!(json["srt_encrypted"], true);
        let shown = server.admin("GET", &format!("/api/v1/streams/{id}")).await;
        assert_eq!(shown.json()["srt_encrypted"], true);
        for answer in [
            shown,
            server.admin("GET", "/api/v1/streams").await,
            server.stranger("GET", &format!("/api/v1/watch/{id}")).await,
        ] {
            assert_eq!(answer.status, StatusCode::OK);
            assert!(!answer.text.contains("salt"), "{answer:?}");
        }
    }

    async fn a_new_key_works_before_its_owner_has_it(scratch) {
        let server = Server::on(scratch).await;
        let (id, key) = server.create("Pier").await;
        assert_eq!(server.broadcasts.take_told(), [Told::KeysChanged]);
        let opened = server.broadcasts.opens(&key).expect("opens");
        assert_eq!(opened.as_str(), id);
    }

    async fn the_key_is_in_no_later_answer(scratch) {
        let server = Server::on(scratch).await;
        let (id, key) = server.create("Pier").await;
        for path in [
            "/api/v1/streams".to_owned(),
            format!("/api/v1/streams/{id}"),
            format!("/api/v1/watch/{id}"),
            "/health".to_owned(),
        ] {
            let answer = server.admin("GET", &path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert!(!answer.text.contains(&key), "{path}: {answer:?}");
            assert!(!answer.text.contains("mr_"), "{path}: {answer:?}");
            assert!(!answer.text.contains(r#""publish":"#), "{path}: {answer:?}");
        }
    }

    async fn a_live_stream_is_shown_live(scratch) {
        let server = Server::on(scratch).await;
        let (id, _) = server.create("Pier").await;
        let path = format!("/api/v1/streams/{id}");
        assert_eq!(server.admin("GET", &path).await.json()["status"], "offline");
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        server.broadcasts.go_live(&id, since);
        *server.broadcasts.audience.lock().expect("lock") = Some(Audience { now: 2, peak: 9 });
        *server.broadcasts.rewind.lock().expect("lock") = Some(Duration::from_secs(60));
        server.broadcasts.show_thumbnails();
        let shown = server.admin("GET", &path).await.json();
        assert_eq!(shown["status"], "live");
        let thumbnail = format!("http://media.test:8080/live/{id}/thumbnail.jpg");
        assert_eq!(shown["playback"]["thumbnail"], thumbnail);
        assert_eq!(
            (&shown["viewers"], &shown["viewers_peak"]),
            (&json!(2), &json!(9))
        );
        let dvr = format!("http://media.test:8080/live/{id}/master.m3u8?dvr=1");
        assert_eq!(shown["playback"]["dvr"], dvr);
        assert_eq!(shown["live_since"], "2026-01-01T00:00:00.000Z");
        let listed = server.admin("GET", "/api/v1/streams").await.json();
        assert_eq!(listed["items"], json!([shown]));
    }

    async fn a_listing_is_read_page_by_page(scratch) {
        let server = Server::on(scratch).await;
        let empty = server.admin("GET", "/api/v1/streams").await.json();
        assert_eq!(empty, json!({ "items": [], "next_cursor": null }));
        let mut created = Vec::new();
        for index in 0..5 {
            created.push(server.create(&format!("Stream {index}")).await.0);
        }
        let mut listed = Vec::new();
        let mut path = "/api/v1/streams?limit=2".to_owned();
        loop {
            let page = server.admin("GET", &path).await.json();
            let streams = page["items"].as_array().expect("list");
            assert!(streams.len() <= 2);
            listed.extend(streams.iter().map(|stream| text(&stream["id"])));
            if page["next_cursor"].is_null() {
                break;
            }
            path = format!(
                "/api/v1/streams?limit=2&cursor={}",
                text(&page["next_cursor"])
            );
        }
        created.sort();
        listed.sort();
        assert_eq!(listed, created);
    }

    async fn rotating_the_key_disconnects_whoever_has_the_old_one(scratch) {
        let server = Server::on(scratch).await;
        let (id, old) = server.create("Pier").await;
        server.broadcasts.take_told();
        let answer = server
            .admin("POST", &format!("/api/v1/streams/{id}/key"))
            .await;
        assert_eq!(answer.status, StatusCode::OK);
        let json = answer.json();
        let new = text(&json["stream_key"]);
        assert_ne!(new, old);
        assert_eq!(
            json["publish"]["rtmp"],
            format!("rtmp://media.test:1935/live/{new}")
        );
        assert_eq!(json["id"], id.as_str());
        assert_eq!(server.broadcasts.opens(&old), None);
        let stream = server.broadcasts.opens(&new).expect("opens");
        assert_eq!(
            server.broadcasts.take_told(),
            [Told::KeysChanged, Told::Disconnect(stream)]
        );
    }

    async fn deleting_a_stream_ends_its_broadcast(scratch) {
        let server = Server::on(scratch).await;
        let (id, key) = server.create("Pier").await;
        server.broadcasts.take_told();
        let path = format!("/api/v1/streams/{id}");
        let answer = server.admin("DELETE", &path).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(answer.text, "");
        assert_eq!(server.broadcasts.opens(&key), None);
        let stream = StreamId::new(&id).expect("id");
        assert_eq!(
            server.broadcasts.take_told(),
            [Told::KeysChanged, Told::End(stream)]
        );
        for (method, path) in [
            ("GET", path.clone()),
            ("DELETE", path.clone()),
            ("POST", format!("{path}/key")),
            ("POST", format!("{path}/playback-tokens")),
            ("GET", format!("/api/v1/watch/{id}")),
        ] {
            let answer = server.admin(method, &path).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
            assert_eq!(answer.json()["code"], "no_such_stream");
        }
        assert_eq!(server.broadcasts.take_told(), []);
    }

    async fn a_caller_who_hangs_up_does_not_leave_the_old_publisher_connected(scratch) {
        let server = Server::on(scratch).await;
        let (id, old) = server.create("Pier").await;
        server.broadcasts.take_told();
        let request = server
            .admin_request("POST", &format!("/api/v1/streams/{id}/key"))
            .body(())
            .expect("request");
        server.socket.hang_up(&request, 0, b"").await;

        let mut told = Vec::new();
        for _ in 0..1000 {
            told.extend(server.broadcasts.take_told());
            if told.len() == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let stream = StreamId::new(&id).expect("id");
        assert_eq!(told, [Told::KeysChanged, Told::Disconnect(stream)]);
        assert_eq!(server.broadcasts.opens(&old), None);
    }
}
