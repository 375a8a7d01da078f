//! Files on their way into the library: tus 1.0 and ranges, what they refuse, and what stays of an
//! upload that breaks off.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{self, StreamExt};
use media_core::{UploadId, VideoId};
use sha1::{Digest, Sha1};
use storage::videos::Status;

use super::*;
use crate::uploads::places::EACH_MAX;

const PIECE_TYPE: &str = "application/offset+octet-stream";

/// A file that begins as an MP4 does.
pub(super) fn film(len: usize) -> Vec<u8> {
    let mut film = b"\0\0\0\x20ftypisom\0\0\x02\0".to_vec();
    film.extend((film.len()..len).map(|at| (at * 31 % 251) as u8));
    film
}

fn metadata(name: &str, value: &str) -> String {
    format!("{name} {}", STANDARD.encode(value))
}

impl Server {
    fn tus(&self, method: &str, path: &str) -> axum::http::request::Builder {
        self.admin_request(method, path)
            .header("Tus-Resumable", "1.0.0")
    }

    /// Begins an upload of so many bytes.
    async fn begin(&self, length: usize) -> Answer {
        let request = self
            .tus("POST", "/api/v1/uploads")
            .header("Upload-Length", length)
            .header("Upload-Metadata", metadata("filename", "a film.mp4"))
            .body(Body::empty());
        self.send(request.expect("request")).await
    }

    /// A new upload's path.
    pub(super) async fn begun(&self, length: usize) -> String {
        let answer = self.begin(length).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.header(header::LOCATION).to_owned()
    }

    async fn patch(&self, path: &str, offset: usize, bytes: impl Into<Body>) -> Answer {
        let request = self.piece(path, offset).body(bytes.into());
        self.send(request.expect("request")).await
    }

    /// A piece of an upload, without its bytes.
    fn piece(&self, path: &str, offset: usize) -> axum::http::request::Builder {
        self.tus("PATCH", path)
            .header("Upload-Offset", offset)
            .header(header::CONTENT_TYPE, PIECE_TYPE)
    }

    async fn offset(&self, path: &str) -> String {
        let request = self.tus("HEAD", path).body(Body::empty());
        let answer = self.send(request.expect("request")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        said(&answer, "upload-offset").to_owned()
    }

    /// A video that waits for its file.
    async fn waiting_video(&self) -> VideoId {
        let path = self.begun(1).await;
        let request = self.tus("HEAD", &path).body(Body::empty());
        let answer = self.send(request.expect("request")).await;
        let video = VideoId::new(said(&answer, "millrace-video")).expect("an id");
        let request = self.tus("DELETE", &path).body(Body::empty());
        let answer = self.send(request.expect("request")).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
        video
    }

    async fn put(&self, video: &VideoId, range: Option<&str>, bytes: &[u8]) -> Answer {
        let path = format!("/api/v1/videos/{video}/file");
        let mut request = self.admin_request("PUT", &path);
        if let Some(range) = range {
            request = request.header(header::CONTENT_RANGE, range);
        }
        let request = request.header(header::CONTENT_LENGTH, bytes.len());
        let request = request.body(Body::from(bytes.to_vec()));
        self.send(request.expect("request")).await
    }

    fn file(&self, path: &str) -> std::path::PathBuf {
        let id = path.rsplit('/').next().expect("an id");
        self.scratch.folder().join("data/uploads").join(id)
    }

    async fn status(&self, video: &VideoId) -> Status {
        let video = self.database.videos().find(video).await.expect("database");
        video.expect("a video").status
    }
}

/// A body that ends nowhere.
fn that_stops(sent: &[u8]) -> Body {
    let sent = Ok::<_, std::convert::Infallible>(axum::body::Bytes::copy_from_slice(sent));
    let sent = stream::once(std::future::ready(sent));
    Body::from_stream(sent.chain(stream::pending()))
}

fn assert_problem(answer: &Answer, status: StatusCode, code: &str) {
    super::errors::assert_problem(answer, status.as_u16(), code);
}

fn said<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let value = answer.headers.get(name);
    let value = value.unwrap_or_else(|| panic!("no {name} in {answer:?}"));
    value.to_str().expect("text")
}

scratch::on_each_database! {
    async fn a_file_comes_in_pieces_and_its_video_is_queued(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let film = film(300_000);
        let made = server.begin(film.len()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        assert_eq!(said(&made, "tus-resumable"), "1.0.0");
        assert!(said(&made, "upload-expires").ends_with("GMT"));
        let path = made.header(header::LOCATION).to_owned();
        let video = VideoId::new(said(&made, "millrace-video")).expect("an id");
        assert_eq!(server.status(&video).await, Status::Uploading);
        assert_eq!(server.offset(&path).await, "0");
        for (begin, end) in [(0, 1000), (1000, 1001), (1001, 250_000)] {
            let taken = server.patch(&path, begin, film[begin..end].to_vec()).await;
            assert_eq!(taken.status, StatusCode::NO_CONTENT, "{taken:?}");
            assert_eq!(said(&taken, "upload-offset"), end.to_string());
            assert_eq!(server.offset(&path).await, end.to_string());
        }
        let wrong = server.patch(&path, 7, vec![0; 5]).await;
        assert_problem(&wrong, StatusCode::CONFLICT, "wrong_offset");
        let last = server.patch(&path, 250_000, film[250_000..].to_vec()).await;
        assert_eq!(last.status, StatusCode::NO_CONTENT, "{last:?}");
        assert_eq!(std::fs::read(server.file(&path)).expect("the file"), film);
        assert_eq!(server.status(&video).await, Status::Queued);
        let stored = server.database.videos().find(&video).await.expect("database").expect("it");
        assert_eq!((stored.title.as_str(), stored.source_name.as_deref()), ("a film", Some("a film.mp4")));
        assert_eq!(server.offset(&path).await, film.len().to_string());
        let more = server.patch(&path, film.len(), vec![1]).await;
        assert_problem(&more, StatusCode::GONE, "upload_gone");
    }

    async fn an_upload_that_breaks_off_goes_on_where_it_was(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let film = film(60_000);
        let path = server.begun(film.len()).await;
        let piece = server.piece(&path, 0).body(()).expect("request");
        server.socket.hang_up(&piece, film.len(), &film[..40_000]).await;
        assert_eq!(server.offset(&path).await, "40000");
        // A disk that lost the file's end.
        let file = std::fs::OpenOptions::new().write(true).open(server.file(&path));
        file.and_then(|file| file.set_len(12_345)).expect("truncated");
        assert_eq!(server.offset(&path).await, "12345");
        let refused = server.patch(&path, 40_000, film[40_000..].to_vec()).await;
        assert_problem(&refused, StatusCode::CONFLICT, "wrong_offset");
        let rest = server.patch(&path, 12_345, film[12_345..].to_vec()).await;
        assert_eq!(rest.status, StatusCode::NO_CONTENT, "{rest:?}");
        assert_eq!(std::fs::read(server.file(&path)).expect("the file"), film);
    }

    async fn a_connection_that_breaks_behind_the_last_byte_leaves_nobody_waiting(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let film = film(60_000);
        let made = server.begin(film.len()).await;
        let path = made.header(header::LOCATION).to_owned();
        let video = VideoId::new(said(&made, "millrace-video")).expect("an id");
        // It said that one byte more would come, as a proxy does that adds a line's end.
        let piece = server.piece(&path, 0).body(()).expect("request");
        server.socket.hang_up(&piece, film.len() + 1, &film).await;
        assert_eq!(server.offset(&path).await, "60000");
        assert_eq!(server.status(&video).await, Status::Queued);
    }

    async fn a_file_comes_in_ranges_or_at_once(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let film = film(30_000);
        let video = server.waiting_video().await;
        let nothing = server.put(&video, Some("bytes */30000"), b"").await;
        assert_eq!(nothing.status, StatusCode::PERMANENT_REDIRECT);
        assert!(!nothing.headers.contains_key(header::RANGE));
        let early = server.put(&video, Some("bytes 5-9/30000"), &film[5..10]).await;
        assert_problem(&early, StatusCode::CONFLICT, "wrong_offset");
        let first = server.put(&video, Some("bytes 0-9999/30000"), &film[..10_000]).await;
        assert_eq!(first.status, StatusCode::PERMANENT_REDIRECT, "{first:?}");
        assert_eq!(first.header(header::RANGE), "bytes=0-9999");
        let asked = server.put(&video, Some("bytes */30000"), b"").await;
        assert_eq!(asked.header(header::RANGE), "bytes=0-9999");
        let other = server.put(&video, Some("bytes 10000-19999/40000"), &film[10_000..20_000]).await;
        assert_problem(&other, StatusCode::CONFLICT, "wrong_offset");
        let last = server.put(&video, Some("bytes 10000-29999/30000"), &film[10_000..]).await;
        assert_eq!(last.status, StatusCode::CREATED, "{last:?}");
        assert_eq!(server.status(&video).await, Status::Queued);
        // Whose answer was lost asks, and hears that nothing is missing.
        let asked = server.put(&video, Some("bytes */30000"), b"").await;
        assert_eq!(asked.status, StatusCode::OK, "{asked:?}");
        let again = server.put(&video, None, &film).await;
        assert_problem(&again, StatusCode::CONFLICT, "video_has_file");

        let video = server.waiting_video().await;
        let whole = server.put(&video, None, &film).await;
        assert_eq!(whole.status, StatusCode::CREATED, "{whole:?}");
        assert_eq!(server.status(&video).await, Status::Queued);
    }

    async fn a_whole_file_that_is_sent_again_begins_anew(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let film = film(30_000);
        let video = server.waiting_video().await;
        let whole = server.admin_request("PUT", &format!("/api/v1/videos/{video}/file")).body(());
        server.socket.hang_up(&whole.expect("request"), film.len(), &film[..20_000]).await;
        let again = server.put(&video, None, &film).await;
        assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
        assert_eq!(server.status(&video).await, Status::Queued);
    }

    async fn a_file_that_begins_by_put_is_in_the_audit_log_and_its_later_pieces_are_not(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let film = film(30_000);
        let video = server.waiting_video().await;
        let actions = async || {
            let log = server.admin("GET", &format!("/api/v1/audit?subject={video}")).await.json();
            let items = log["items"].as_array().expect("items").clone();
            items.iter().map(|item| text(&item["action"])).collect::<Vec<_>>()
        };
        let put = "PUT /api/v1/videos/{id}/file";
        assert_eq!(actions().await, [""; 0]);
        for (range, bytes, logged) in [
            (Some("bytes */30000"), &film[..0], 0),
            (Some("bytes 0-9999/30000"), &film[..10_000], 1),
            (Some("bytes 10000-19999/30000"), &film[10_000..20_000], 1),
            // Refused: it is the length of another file.
            (Some("bytes 20000-20999/21000"), &film[..1000], 1),
            // What came before is thrown away.
            (None, &film[..], 2),
        ] {
            server.put(&video, range, bytes).await;
            assert_eq!(actions().await, vec![put; logged], "{range:?}");
        }
        let whole = server.waiting_video().await;
        let unfinished = server.admin_request("PUT", &format!("/api/v1/videos/{whole}/file")).body(());
        server.socket.hang_up(&unfinished.expect("request"), film.len(), &film[..20_000]).await;
        let log = server.admin("GET", &format!("/api/v1/audit?subject={whole}")).await.json();
        assert_eq!(log["items"][0]["action"], put, "also where its bytes never come: {log}");
    }

    async fn an_owners_files_have_a_bound_together_and_the_operators_have_none(scratch) {
        let server = Server::open(scratch, |options| options.upload_limits.owner_bytes_max = 100_000).await;
        let streamer = server.streamer("mona").await.access;
        let begin = |length: usize| {
            let request = request("POST", "/api/v1/uploads")
                .header(header::AUTHORIZATION, format!("Bearer {streamer}"))
                .header("Tus-Resumable", "1.0.0")
                .header("Upload-Length", length)
                .header("Upload-Metadata", metadata("filename", "a film.mp4"))
                .body(Body::empty());
            server.send(request.expect("request"))
        };
        assert_eq!(begin(60_000).await.status, StatusCode::CREATED);
        assert_problem(&begin(60_000).await, StatusCode::CONFLICT, "upload_quota");
        assert_eq!(begin(40_000).await.status, StatusCode::CREATED);
        assert_eq!(server.begin(200_000).await.status, StatusCode::CREATED);
    }

    async fn files_that_begin_by_put_are_counted_as_any_other_request(scratch) {
        let server = Server::open(scratch, |options| {
            options.limits.requests_per_minute = NonZeroU32::new(30).expect("not 0");
        })
        .await;
        let streamer = server.streamer("mona").await.access;
        let body = r#"{"title": "A film"}"#;
        let made = request("POST", "/api/v1/videos")
            .header(header::AUTHORIZATION, format!("Bearer {streamer}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body));
        let made = server.send(made.expect("request")).await;
        let path = format!("/api/v1/videos/{}/file", text(&made.json()["id"]));
        let mut begun = 0;
        let refused = loop {
            // As many bytes as were not sent the last time, so that each begins anew.
            let length = 2 + begun % 2;
            let put = request("PUT", &path)
                .header(header::AUTHORIZATION, format!("Bearer {streamer}"))
                .header(header::CONTENT_RANGE, format!("bytes 0-0/{length}"))
                .header(header::CONTENT_LENGTH, 1)
                .body(Body::from("a"));
            let answer = server.send(put.expect("request")).await;
            if answer.status != StatusCode::PERMANENT_REDIRECT {
                break answer;
            }
            begun += 1;
            assert!(begun < 100, "nothing counts them");
        };
        assert_problem(&refused, StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
    }

    async fn a_file_name_that_no_database_keeps_is_refused(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let request = server
            .tus("POST", "/api/v1/uploads")
            .header("Upload-Length", 50)
            .header("Upload-Metadata", metadata("filename", "a\0film.mp4"))
            .body(Body::empty());
        let refused = server.send(request.expect("request")).await;
        assert_problem(&refused, StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn a_failed_video_is_encoded_again_as_long_as_its_file_is_kept(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let film = film(30_000);
        let video = server.waiting_video().await;
        let path = format!("/api/v1/videos/{video}/retry");
        assert_problem(&server.admin("POST", &path).await, StatusCode::CONFLICT, "nothing_to_retry");
        let whole = server.put(&video, None, &film).await;
        assert_eq!(whole.status, StatusCode::CREATED, "{whole:?}");
        let jobs = server.database.videos().jobs();
        let mut now = SystemTime::now();
        for _ in 0..storage::videos::jobs::ATTEMPTS_MAX {
            let claim = jobs.claim("here", now).await.expect("database").expect("due");
            let next = jobs.failed(&claim, "the server's disk is full", false, now).await;
            if let storage::videos::jobs::Next::Retry(at) = next.expect("database") {
                now = at;
            }
        }
        assert_eq!(server.status(&video).await, Status::Failed);
        assert_problem(&server.stranger("POST", &path).await, StatusCode::UNAUTHORIZED, "unauthorized");
        let queued = server.admin("POST", &path).await;
        assert_eq!(queued.json()["status"], "queued", "{queued:?}");
        let claim = jobs.claim("here", SystemTime::now()).await.expect("database").expect("due");
        jobs.failed(&claim, "this is no video", true, SystemTime::now()).await.expect("database");
        assert_problem(&server.admin("POST", &path).await, StatusCode::CONFLICT, "nothing_to_retry");
    }

    async fn only_an_uploads_owner_and_admins_have_to_do_with_it(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let tokens = [server.streamer("mona").await.access, server.streamer("leo").await.access];
        let viewer = server.member("viewer").await.access;
        let create = |token: &str| {
            request("POST", "/api/v1/uploads")
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .header("Tus-Resumable", "1.0.0")
                .header("Upload-Length", "50")
                .header("Upload-Metadata", metadata("title", "A film"))
                .body(Body::empty())
                .expect("request")
        };
        assert_problem(&server.send(create(&viewer)).await, StatusCode::FORBIDDEN, "forbidden");
        let stranger = server.stranger("POST", "/api/v1/uploads").await;
        assert_problem(&stranger, StatusCode::UNAUTHORIZED, "unauthorized");
        let made = server.send(create(&tokens[0])).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let path = made.header(header::LOCATION).to_owned();
        for (token, status) in [(&tokens[0], StatusCode::OK), (&tokens[1], StatusCode::NOT_FOUND)] {
            let head = request("HEAD", &path)
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .header("Tus-Resumable", "1.0.0")
                .body(Body::empty());
            assert_eq!(server.send(head.expect("request")).await.status, status);
        }
        assert_eq!(server.offset(&path).await, "0");
        let video = said(&made, "millrace-video");
        let path = format!("/api/v1/videos/{video}/file");
        let foreign = request("PUT", &path)
            .header(header::AUTHORIZATION, format!("Bearer {}", tokens[1]))
            .header(header::CONTENT_LENGTH, 50)
            .body(Body::from(film(50)));
        let foreign = server.send(foreign.expect("request")).await;
        assert_problem(&foreign, StatusCode::NOT_FOUND, "no_such_video");
        let mut limit = 0;
        while server.send(create(&tokens[1])).await.status == StatusCode::CREATED {
            limit += 1;
        }
        assert_eq!(limit, storage::videos::uploads::OPEN_MAX);
    }
}

scratch::on_each_database! {
    async fn what_is_offered_is_said_also_where_pages_of_other_origins_may_call(scratch) {
        let app = "https://app.example.org";
        let server = Server::open(scratch, |options| {
            options.cors_origins = vec![crate::WebOrigin::new(app).expect("origin")];
        })
        .await;
        let options = || request("OPTIONS", "/api/v1/uploads").header(header::ORIGIN, app);
        let asked = options().body(Body::empty()).expect("request");
        let offered = server.send(asked).await;
        assert_eq!(offered.status, StatusCode::NO_CONTENT, "{offered:?}");
        assert_eq!(said(&offered, "tus-version"), "1.0.0");
        assert_eq!(said(&offered, "access-control-allow-origin"), app);
        let preflight = options()
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .body(Body::empty());
        let preflight = server.send(preflight.expect("request")).await;
        assert!(!preflight.headers.contains_key("tus-version"));
        assert!(said(&preflight, "access-control-allow-methods").contains("POST"));
    }

    async fn a_creation_may_bring_the_whole_file(scratch) {
        let server = Server::on(scratch).await;
        let film = film(30_000);
        let request = server
            .tus("POST", "/api/v1/uploads")
            .header("Upload-Length", film.len())
            .header("Upload-Metadata", metadata("filename", "a film.mp4"))
            .header(header::CONTENT_TYPE, PIECE_TYPE)
            .body(Body::from(film.clone()));
        let made = server.send(request.expect("request")).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        assert_eq!(said(&made, "upload-offset"), "30000");
        let path = made.header(header::LOCATION);
        assert_eq!(std::fs::read(server.file(path)).expect("the file"), film);
        let video = VideoId::new(said(&made, "millrace-video")).expect("an id");
        assert_eq!(server.status(&video).await, Status::Queued);
    }

    async fn an_upload_that_nothing_came_of_is_gone_and_no_cache_keeps_how_it_was(scratch) {
        let server = Server::on(scratch).await;
        let path = server.begun(100).await;
        let head = || server.tus("HEAD", &path).body(Body::empty());
        let open = server.send(head().expect("request")).await;
        assert_eq!(open.header(header::CACHE_CONTROL), "no-store");
        let expired = server.database.videos().uploads();
        let id = UploadId::new(path.rsplit('/').next().expect("an id")).expect("an id");
        let past = SystemTime::now() - Duration::from_secs(1);
        let noted = expired.advance(&id, 0, 0, past, past).await;
        noted.expect("database");
        let gone = server.send(head().expect("request")).await;
        assert_eq!(gone.status, StatusCode::GONE);
        assert_problem(
            &server.patch(&path, 0, film(100)).await,
            StatusCode::GONE,
            "upload_gone",
        );
    }

    async fn a_full_disk_is_said_before_a_file_comes(scratch) {
        let full = Reserve {
            bytes: u64::MAX,
            percent: 100,
        };
        let data = scratch.folder().join("data");
        let server = Server::open(scratch, |options| {
            options.uploads = storage::uploads::Folder::open(&data, full).expect("folder");
        })
        .await;
        let refused = server.begin(100).await;
        assert_problem(&refused, StatusCode::INSUFFICIENT_STORAGE, "disk_full");
        let videos = server.admin("GET", "/api/v1/videos").await.json();
        assert_eq!(
            videos["items"],
            serde_json::json!([]),
            "the new video is not left"
        );
    }

    async fn what_is_offered_is_said_to_everybody(scratch) {
        let server = Server::on(scratch).await;
        let answer = server.stranger("OPTIONS", "/api/v1/uploads").await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
        assert_eq!(said(&answer, "tus-version"), "1.0.0");
        assert_eq!(said(&answer, "tus-max-size"), UPLOAD_BYTES_MAX.to_string());
        assert_eq!(said(&answer, "tus-checksum-algorithm"), "sha1,sha256");
        assert_eq!(
            said(&answer, "tus-extension"),
            "creation,creation-with-upload,expiration,termination,checksum"
        );
    }

    async fn a_piece_with_a_checksum_counts_whole_or_not_at_all(scratch) {
        let server = Server::on(scratch).await;
        let film = film(20_000);
        let path = server.begun(film.len()).await;
        let piece = |offset: usize, checksum: &str| {
            let piece = server.piece(&path, offset);
            piece.header("Upload-Checksum", checksum)
        };
        let patch = |offset: usize, checksum: String, body: Body| {
            let request = piece(offset, &checksum).body(body);
            server.send(request.expect("request"))
        };
        let sha1 = |bytes: &[u8]| format!("sha1 {}", STANDARD.encode(Sha1::digest(bytes)));
        let right = sha1(&film[..5000]);
        let wrong = patch(0, right.clone(), Body::from(film[..5001].to_vec())).await;
        // The protocol's own status, which has no name elsewhere.
        assert_eq!(wrong.status.as_u16(), 460, "{wrong:?}");
        assert_eq!(wrong.json()["code"], "checksum_mismatch");
        assert_eq!(server.offset(&path).await, "0");
        let broken = piece(0, &right).body(()).expect("request");
        server.socket.hang_up(&broken, 5001, &film[..5000]).await;
        assert_eq!(server.offset(&path).await, "0");
        let taken = patch(0, right, Body::from(film[..5000].to_vec())).await;
        assert_eq!(taken.status, StatusCode::NO_CONTENT, "{taken:?}");
        let unknown = patch(5000, "crc32 AAAAAA==".into(), Body::empty()).await;
        assert_problem(&unknown, StatusCode::BAD_REQUEST, "invalid_request");
        let rest = patch(5000, sha1(&film[5000..]), Body::from(film[5000..].to_vec())).await;
        assert_eq!(said(&rest, "upload-offset"), "20000");
    }

    async fn every_refusal_of_the_protocol_has_its_answer(scratch) {
        let server = Server::on(scratch).await;
        let send = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
            let mut request = server.admin_request(method, path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            server.send(request.body(Body::from(body.to_vec())).expect("request"))
        };
        let version = ("tus-resumable", "1.0.0");
        let path = server.begun(100).await;
        let old = send(
            "POST",
            "/api/v1/uploads",
            &[("tus-resumable", "0.2.2")],
            b"",
        )
        .await;
        assert_problem(&old, StatusCode::PRECONDITION_FAILED, "tus_version");
        assert_eq!(said(&old, "tus-version"), "1.0.0");
        let large = (UPLOAD_BYTES_MAX + 1).to_string();
        let title = metadata("title", "ab");
        let missing = metadata("video", "nothere");
        let name = metadata("filename", "film.mp4");
        for (headers, status, code) in [
            (&[version][..], StatusCode::BAD_REQUEST, "invalid_request"),
            (
                &[
                    version,
                    ("upload-length", &large),
                    ("upload-metadata", &name),
                ],
                StatusCode::PAYLOAD_TOO_LARGE,
                "upload_too_large",
            ),
            (
                &[version, ("upload-length", "5")],
                StatusCode::BAD_REQUEST,
                "invalid_request",
            ),
            (
                &[version, ("upload-length", "5"), ("upload-metadata", &title)],
                StatusCode::BAD_REQUEST,
                "invalid_request",
            ),
            (
                &[
                    version,
                    ("upload-length", "5"),
                    ("upload-metadata", &missing),
                ],
                StatusCode::NOT_FOUND,
                "no_such_video",
            ),
            (
                &[
                    version,
                    ("upload-length", "5"),
                    ("upload-concat", "partial"),
                ],
                StatusCode::BAD_REQUEST,
                "invalid_request",
            ),
        ] {
            assert_problem(
                &send("POST", "/api/v1/uploads", headers, b"").await,
                status,
                code,
            );
        }
        let piece = ("content-type", PIECE_TYPE);
        let at_0 = ("upload-offset", "0");
        for (headers, status, code) in [
            (
                &[piece, at_0][..],
                StatusCode::PRECONDITION_FAILED,
                "tus_version",
            ),
            (
                &[version, at_0, ("content-type", "video/mp4")],
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
            ),
            (
                &[version, piece],
                StatusCode::BAD_REQUEST,
                "invalid_request",
            ),
            (
                &[version, piece, ("upload-offset", "1")],
                StatusCode::CONFLICT,
                "wrong_offset",
            ),
        ] {
            assert_problem(&send("PATCH", &path, headers, b"abc").await, status, code);
        }
        let beyond = server.patch(&path, 0, film(101)).await;
        assert_problem(&beyond, StatusCode::PAYLOAD_TOO_LARGE, "piece_too_large");
        let unknown = server.patch("/api/v1/uploads/nothere", 0, vec![]).await;
        assert_problem(&unknown, StatusCode::NOT_FOUND, "no_such_upload");
        let over = [version, piece, at_0, ("x-http-method-override", "PATCH")];
        let taken = send("POST", &path, &over, &film(10)).await;
        assert_eq!(taken.status, StatusCode::NO_CONTENT, "{taken:?}");
        let none = send("POST", &path, &[version], b"").await;
        assert_problem(&none, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
        let gone = send("DELETE", &path, &[version], b"").await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
        let head = server
            .tus("HEAD", &path)
            .body(Body::empty())
            .expect("request");
        assert_eq!(server.send(head).await.status, StatusCode::GONE);
    }

    async fn what_is_no_video_is_known_by_its_first_bytes(scratch) {
        let server = Server::on(scratch).await;
        let path = server.begun(1 << 20).await;
        let text = "not a film, a text ".repeat(1000).into_bytes();
        let refused = server.patch(&path, 0, text).await;
        assert_problem(&refused, StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_media");
        let head = server
            .tus("HEAD", &path)
            .body(Body::empty())
            .expect("request");
        assert_eq!(server.send(head).await.status, StatusCode::GONE);
    }

    async fn two_never_send_one_upload_at_once(scratch) {
        let server = Server::on(scratch).await;
        let film = film(50_000);
        let path = server.begun(film.len()).await;
        let folder = server.scratch.folder().join("data");
        let files = storage::uploads::Folder::open(&folder, NO_RESERVE).expect("folder");
        let id = UploadId::new(path.rsplit('/').next().expect("an id")).expect("an id");
        let lock = files.lock(&id).expect("nobody else");
        let busy = server.patch(&path, 0, film.clone()).await;
        assert_problem(&busy, StatusCode::LOCKED, "upload_busy");
        drop(lock);
        let (one, other) = tokio::join!(
            server.patch(&path, 0, film.clone()),
            server.patch(&path, 0, film.clone())
        );
        let statuses = [one.status, other.status];
        assert!(statuses.contains(&StatusCode::NO_CONTENT), "{statuses:?}");
        let refusals = [StatusCode::LOCKED, StatusCode::CONFLICT, StatusCode::GONE];
        assert!(
            statuses.iter().any(|status| refusals.contains(status)),
            "{statuses:?}"
        );
        assert_eq!(std::fs::read(server.file(&path)).expect("the file"), film);
    }
}

/// Four of them kept all places for as long as they liked, and everybody else was told to come again.
#[tokio::test]
async fn one_user_leaves_places_to_others() {
    let server = Server::start().await;
    let (mona, nils) = (server.streamer("mona").await, server.streamer("nils").await);
    let asked = |token: &str, method: &str, path: &str| {
        request(method, path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header("Tus-Resumable", "1.0.0")
    };
    let begin = async |token: &str| {
        let create = asked(token, "POST", "/api/v1/uploads")
            .header("Upload-Length", 2000)
            .header("Upload-Metadata", metadata("title", "A film"))
            .body(Body::empty());
        let made = server.send(create.expect("request")).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        made
    };
    let piece = |token: &str, path: &str| {
        asked(token, "PATCH", path)
            .header("Upload-Offset", 0)
            .header(header::CONTENT_TYPE, PIECE_TYPE)
    };
    let mut slow = Vec::new();
    for _ in 0..EACH_MAX {
        let path = begin(&mona.access).await;
        let path = path.header(header::LOCATION);
        let request = piece(&mona.access, path).body(()).expect("request");
        slow.push(server.socket.begin(&request, 2000, &film(1000)).await);
    }
    let one_more = begin(&mona.access).await;
    let path = one_more.header(header::LOCATION);
    let nothing = async |token: &str, path: &str| {
        let request = piece(token, path).body(Body::empty());
        server.send(request.expect("request")).await
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let eventually = async |wanted: StatusCode| loop {
        let answer = nothing(&mona.access, path).await;
        if answer.status == wanted {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // Until all of them have come.
    let refused = eventually(StatusCode::TOO_MANY_REQUESTS).await;
    assert_problem(&refused, StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
    assert_eq!(refused.header(header::RETRY_AFTER), "5");
    let video = said(&one_more, "millrace-video");
    let put = asked(&mona.access, "PUT", &format!("/api/v1/videos/{video}/file"))
        .header(header::CONTENT_RANGE, "bytes 0-9/2000")
        .body(Body::from(film(10)));
    let put = server.send(put.expect("request")).await;
    assert_problem(&put, StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
    let others = begin(&nils.access).await;
    let taken = nothing(&nils.access, others.header(header::LOCATION)).await;
    assert_eq!(taken.status, StatusCode::NO_CONTENT, "{taken:?}");
    drop(slow);
    eventually(StatusCode::NO_CONTENT).await;
}

/// Waits for half a minute.
#[tokio::test]
async fn a_piece_that_stops_coming_is_refused_and_what_came_of_it_counts() {
    let server = Server::start().await;
    let (patched, posted) = (server.begun(2000).await, server.begun(2000).await);
    let video = server.waiting_video().await;
    let file = format!("/api/v1/videos/{video}/file");
    let piece = |method: &str, path: &str| {
        let piece = server.tus(method, path).header("Upload-Offset", 0);
        piece.header(header::CONTENT_TYPE, PIECE_TYPE)
    };
    let requests = [
        piece("PATCH", &patched),
        piece("POST", &posted).header("X-HTTP-Method-Override", "PATCH"),
        piece("POST", "/api/v1/uploads")
            .header("Upload-Length", 2000)
            .header("Upload-Metadata", metadata("title", "A film")),
        server
            .admin_request("PUT", &file)
            .header(header::CONTENT_RANGE, "bytes 0-1999/2000"),
    ];
    let began = std::time::Instant::now();
    let sending = requests.map(|request| {
        let request = request.body(that_stops(&film(1000)));
        server.send(request.expect("request"))
    });
    // All at once: each takes as long.
    for answer in futures_util::future::join_all(sending).await {
        assert_problem(&answer, StatusCode::REQUEST_TIMEOUT, "body_too_slow");
    }
    assert!(began.elapsed() >= crate::uploads::receive::PROGRESS_WAIT_MAX);
    for path in [patched, posted] {
        assert_eq!(server.offset(&path).await, "1000");
    }
    let asked = server.put(&video, Some("bytes */2000"), b"").await;
    assert_eq!(asked.header(header::RANGE), "bytes=0-999");
}
