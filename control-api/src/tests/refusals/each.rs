//! Refusals that are one operation's own.

use serde_json::json;
use storage::streams::NewStream;

use super::*;

/// Everything that is provoked here, done.
pub(super) async fn provoke(world: &World) -> BTreeSet<Pair> {
    let mut done = Done {
        world,
        pairs: BTreeSet::new(),
    };
    done.who_may_not().await;
    done.what_is_not_there().await;
    done.log_ins().await;
    done.what_is_taken().await;
    done.recordings().await;
    done.subtitles().await;
    done.uploads().await;
    done.files().await;
    done.full_disk().await;
    // At the end, since they fill what others use.
    done.what_is_full().await;
    done.pairs
}

struct Done<'a> {
    world: &'a World,
    pairs: BTreeSet<Pair>,
}

/// To which path, with which other headers, and which other body.
type Sending<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<Vec<u8>>);

/// By whom.
#[derive(Clone, Copy)]
enum By<'a> {
    Operator,
    User(&'a Member),
    Nobody,
}

impl Done<'_> {
    /// Sends the operation's ordinary request to `path` (empty: as it is) with other headers and
    /// another body, and holds how it is refused.
    async fn refused(
        &mut self,
        operation: &str,
        by: By<'_>,
        sent: Sending<'_>,
        answered: (u16, &str),
    ) {
        let server = &self.world.server;
        self.refused_by(server, operation, by, sent, answered).await;
    }

    /// The same of another server in the same world.
    async fn refused_by(
        &mut self,
        server: &Server,
        operation: &str,
        by: By<'_>,
        sent: Sending<'_>,
        (status, code): (u16, &str),
    ) {
        let (path, headers, body) = sent;
        let ordinary = self.world.of(operation);
        let bytes = body.map_or_else(|| ordinary.sent.body(), Body::from);
        let mut request = ordinary.request().body(bytes).expect("request");
        if !path.is_empty() {
            *request.uri_mut() = path.parse().expect("a path");
        }
        let bearer = match by {
            By::Operator => Some(server.token.reveal()),
            By::User(member) => Some(member.access.as_str()),
            By::Nobody => None,
        };
        if let Some(bearer) = bearer {
            let value = format!("Bearer {bearer}").parse().expect("a value");
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        for (name, value) in headers {
            let name: header::HeaderName = name.parse().expect("a name");
            match *value {
                "" => drop(request.headers_mut().remove(name)),
                value => drop(
                    request
                        .headers_mut()
                        .insert(name, value.parse().expect("a value")),
                ),
            }
        }
        let answer = server.send(request).await;
        assert_refused(operation, &answer, status, code);
        self.pairs.insert((operation.to_owned(), status));
    }

    async fn who_may_not(&mut self) {
        let World {
            mona,
            nils,
            vera,
            stream,
            private_stream,
            ..
        } = self.world;
        let forbidden = (403, "forbidden");
        for operation in [
            "GET /api/v1/users",
            "GET /api/v1/users/{id}",
            "GET /api/v1/invitations",
            "GET /api/v1/audit",
            "GET /api/v1/capacity",
        ] {
            for member in [mona, vera] {
                self.refused(operation, By::User(member), ("", &[], None), forbidden)
                    .await;
            }
        }
        let others = format!("/api/v1/streams?owner={}", mona.id);
        self.refused(
            "GET /api/v1/streams",
            By::User(nils),
            (&others, &[], None),
            forbidden,
        )
        .await;
        let stream = format!("/api/v1/streams/{stream}");
        self.refused(
            "GET /api/v1/streams/{id}",
            By::User(nils),
            (&stream, &[], None),
            forbidden,
        )
        .await;
        let publishers = format!("{stream}/publishers");
        self.refused(
            "GET /api/v1/streams/{id}/publishers",
            By::User(nils),
            (&publishers, &[], None),
            forbidden,
        )
        .await;
        for operation in ["GET /api/v1/me", "GET /api/v1/streams/own"] {
            self.refused(
                operation,
                By::Operator,
                ("", &[], None),
                (403, "no_account"),
            )
            .await;
        }
        let upload = "HEAD /api/v1/uploads/{id}";
        self.refused(upload, By::User(vera), ("", &[], None), forbidden)
            .await;
        let private = format!("/api/v1/watch/{private_stream}");
        let needed = (403, "playback_token_required");
        self.refused(
            "GET /api/v1/watch/{id}",
            By::Nobody,
            (&private, &[], None),
            needed,
        )
        .await;
        // Whoever is no streamer changes nothing, of whomever.
        for operation in [
            "PATCH /api/v1/streams/{id}",
            "DELETE /api/v1/streams/{id}",
            "POST /api/v1/streams/{id}/key",
            "POST /api/v1/webhooks/{id}/ping",
            "DELETE /api/v1/videos/{id}",
            "DELETE /api/v1/recordings/{id}",
        ] {
            self.refused(operation, By::User(vera), ("", &[], None), forbidden)
                .await;
        }
    }

    async fn what_is_not_there(&mut self) {
        let World { webhook, video, .. } = self.world;
        let nothing = "/api/v1/watch/nothere";
        let operation = "GET /api/v1/watch/{id}";
        self.refused(
            operation,
            By::Nobody,
            (nothing, &[], None),
            (404, "no_such_stream"),
        )
        .await;
        let operation = "POST /api/v1/webhooks/{id}/deliveries/{delivery}/redeliver";
        let path = format!("/api/v1/webhooks/{webhook}/deliveries/nothere/redeliver");
        self.refused(
            operation,
            By::Operator,
            (&path, &[], None),
            (404, "no_such_delivery"),
        )
        .await;
        let path = format!("/api/v1/videos/{video}/subtitles/fr");
        for operation in [
            "GET /api/v1/videos/{id}/subtitles/{name}",
            "DELETE /api/v1/videos/{id}/subtitles/{name}",
        ] {
            self.refused(
                operation,
                By::Operator,
                (&path, &[], None),
                (404, "no_such_subtitles"),
            )
            .await;
        }
        let path = "/api/v1/invitations/%00";
        let operation = "DELETE /api/v1/invitations/{id}";
        self.refused(
            operation,
            By::Operator,
            (path, &[], None),
            (404, "no_such_invitation"),
        )
        .await;
        let metadata = (
            "upload-metadata",
            "filename ZmlsbS5tcDQ=,video bm90aGVyZQ==",
        );
        let operation = "POST /api/v1/uploads";
        self.refused(
            operation,
            By::Operator,
            ("", &[metadata], None),
            (404, "no_such_video"),
        )
        .await;
    }

    async fn log_ins(&mut self) {
        let World {
            server, nils, mona, ..
        } = self.world;
        let body = |login: &str, password: &str| {
            let body = json!({ "login": login, "password": password });
            Some(body.to_string().into_bytes())
        };
        let log_in = "POST /api/v1/session";
        let wrong = body("mona", "not this one 1");
        self.refused(
            log_in,
            By::Nobody,
            ("", &[], wrong),
            (401, "wrong_credentials"),
        )
        .await;
        let refresh = "POST /api/v1/session/refresh";
        self.refused(
            refresh,
            By::Nobody,
            ("", &[], None),
            (401, "refresh_refused"),
        )
        .await;
        let by_cookie = |token: &str| format!("millrace_refresh={token}");
        let cookie = by_cookie(&mona.refresh);
        let elsewhere = [
            ("cookie", cookie.as_str()),
            ("origin", "https://evil.example"),
        ];
        let empty = || Some(b"{}".to_vec());
        for operation in [refresh, "DELETE /api/v1/session"] {
            self.refused(
                operation,
                By::Nobody,
                ("", &elsewhere, empty()),
                (403, "cross_site_request"),
            )
            .await;
        }
        let log_out = "DELETE /api/v1/session";
        self.refused(
            log_out,
            By::Nobody,
            ("", &[], empty()),
            (401, "unauthorized"),
        )
        .await;
        self.refused(
            log_out,
            By::Operator,
            ("", &[], empty()),
            (403, "no_account"),
        )
        .await;
        let path = format!("/api/v1/users/{}", nils.id);
        let disabled = server
            .admin_json("PATCH", &path, r#"{"disabled": true}"#)
            .await;
        assert_eq!(disabled.status, StatusCode::OK, "{disabled:?}");
        let right = body("nils", super::super::accounts::PASSWORD);
        self.refused(
            log_in,
            By::Nobody,
            ("", &[], right),
            (403, "account_disabled"),
        )
        .await;
        let server = Server::open(server.scratch.clone(), |options| {
            options.registration = Registration::Closed;
        });
        let ordinary = self.world.of("POST /api/v1/users");
        let request = ordinary
            .request()
            .body(ordinary.sent.body())
            .expect("request");
        let answer = server.await.send(request).await;
        assert_refused("POST /api/v1/users", &answer, 403, "registration_closed");
        self.pairs.insert(("POST /api/v1/users".to_owned(), 403));
    }

    async fn what_is_taken(&mut self) {
        let mona = &self.world.mona;
        let address = || Some(br#"{"email": "VERA@example.org"}"#.to_vec());
        let taken = (409, "taken");
        self.refused(
            "PATCH /api/v1/me",
            By::User(mona),
            ("", &[], address()),
            taken,
        )
        .await;
        let path = format!("/api/v1/users/{}", mona.id);
        self.refused(
            "PATCH /api/v1/users/{id}",
            By::Operator,
            (&path, &[], address()),
            taken,
        )
        .await;
        let body =
            json!({ "name": "Mona", "email": "new@example.org", "password": "saltwater 42" });
        let body = Some(body.to_string().into_bytes());
        self.refused("POST /api/v1/users", By::Operator, ("", &[], body), taken)
            .await;
    }

    async fn recordings(&mut self) {
        let World {
            running, recording, ..
        } = self.world;
        let path = format!("/api/v1/recordings/{running}");
        let operation = "DELETE /api/v1/recordings/{id}";
        self.refused(
            operation,
            By::Operator,
            (&path, &[], None),
            (409, "recording_runs"),
        )
        .await;
        let body = Some(json!({ "recording_id": running }).to_string().into_bytes());
        let operation = "POST /api/v1/videos";
        self.refused(
            operation,
            By::Operator,
            ("", &[], body),
            (409, "recording_not_playable"),
        )
        .await;
        let operation = "GET /api/v1/recordings/{id}/download";
        let path = format!("{path}/download");
        self.refused(
            operation,
            By::Nobody,
            (&path, &[], None),
            (409, "nothing_to_download"),
        )
        .await;
        let path = format!("/api/v1/recordings/{recording}/download?rendition=8k");
        self.refused(
            operation,
            By::Nobody,
            (&path, &[], None),
            (400, "invalid_request"),
        )
        .await;
    }

    async fn subtitles(&mut self) {
        let video = &self.world.video;
        let retry = "POST /api/v1/videos/{id}/retry";
        let not_failed = (409, "nothing_to_retry");
        self.refused(retry, By::Operator, ("", &[], None), not_failed)
            .await;
        for (operation, list) in [
            ("GET /api/v1/videos/{id}/chapters", "chapters"),
            ("GET /api/v1/videos/{id}/subtitles", "subtitles"),
        ] {
            let query = format!("/api/v1/videos/{video}/{list}?tokne=a");
            let invalid = (400, "invalid_request");
            self.refused(operation, By::Operator, (&query, &[], None), invalid)
                .await;
        }
        let operation = "POST /api/v1/videos/{id}/subtitles";
        let by = By::Operator;
        let query = format!("/api/v1/videos/{video}/subtitles?language=en&language=de");
        self.refused(operation, by, (&query, &[], None), (400, "invalid_request"))
            .await;
        let large = vec![b' '; storage::videos::webvtt::WEBVTT_BYTES_MAX + 1];
        self.refused(
            operation,
            by,
            ("", &[], Some(large)),
            (413, "body_too_large"),
        )
        .await;
        let plain = [("content-type", "text/plain")];
        self.refused(
            operation,
            by,
            ("", &plain, None),
            (415, "unsupported_media_type"),
        )
        .await;
        let other = Some(b"1\n00:01 --> 00:02\nHello\n".to_vec());
        self.refused(operation, by, ("", &[], other), (422, "invalid_fields"))
            .await;
    }

    async fn uploads(&mut self) {
        let World { server, upload, .. } = self.world;
        let by = By::Operator;
        let create = "POST /api/v1/uploads";
        self.refused(
            create,
            by,
            ("", &[("upload-length", "")], None),
            (400, "invalid_request"),
        )
        .await;
        let large = (UPLOAD_BYTES_MAX + 1).to_string();
        let large = [("upload-length", large.as_str())];
        self.refused(create, by, ("", &large, None), (413, "upload_too_large"))
            .await;
        let typed = [("content-type", "video/mp4")];
        self.refused(
            create,
            by,
            ("", &typed, Some(b"hello".to_vec())),
            (415, "unsupported_media_type"),
        )
        .await;
        // SHA-1 of nothing.
        let sum = ("upload-checksum", "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
        let piece = [sum, ("content-type", "application/offset+octet-stream")];
        self.refused(
            create,
            by,
            ("", &piece, Some(super::super::uploads::film(50))),
            (460, "checksum_mismatch"),
        )
        .await;
        let old = [("tus-resumable", "0.2.2")];
        let (append, by_post) = ("PATCH /api/v1/uploads/{id}", "POST /api/v1/uploads/{id}");
        let (show, delete) = ("HEAD /api/v1/uploads/{id}", "DELETE /api/v1/uploads/{id}");
        for operation in [create, show, append, by_post, delete] {
            self.refused(operation, by, ("", &old, None), (412, "tus_version"))
                .await;
        }
        let id = upload.rsplit('/').next().expect("an id");
        let id = media_core::UploadId::new(id).expect("an id");
        let folder = server.scratch.folder().join("data");
        let files = storage::uploads::Folder::open(&folder, NO_RESERVE).expect("folder");
        for operation in [append, by_post] {
            let nowhere = [("upload-offset", "")];
            self.refused(
                operation,
                by,
                ("", &nowhere, None),
                (400, "invalid_request"),
            )
            .await;
            let beyond = [("upload-offset", "7")];
            self.refused(operation, by, ("", &beyond, None), (409, "wrong_offset"))
                .await;
            let many = Some(super::super::uploads::film(101));
            self.refused(operation, by, ("", &[], many), (413, "piece_too_large"))
                .await;
            self.refused(
                operation,
                by,
                ("", &typed, None),
                (415, "unsupported_media_type"),
            )
            .await;
            self.refused(
                operation,
                by,
                ("", &[sum], None),
                (460, "checksum_mismatch"),
            )
            .await;
            let lock = files.lock(&id).expect("nobody else");
            self.refused(operation, by, ("", &[], None), (423, "upload_busy"))
                .await;
            drop(lock);
        }
        let none = [("x-http-method-override", "")];
        self.refused(by_post, by, ("", &none, None), (405, "method_not_allowed"))
            .await;
        let given_up = server.begun(100).await;
        let request = server.admin_request("DELETE", &given_up);
        let request = request.header("tus-resumable", "1.0.0").body(Body::empty());
        let answer = server.send(request.expect("request")).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
        for operation in [show, append, by_post, delete] {
            self.refused(operation, by, (&given_up, &[], None), (410, "upload_gone"))
                .await;
        }
    }

    async fn files(&mut self) {
        let World {
            server, waiting, ..
        } = self.world;
        let (put, by) = ("PUT /api/v1/videos/{id}/file", By::Operator);
        let range = |text| [("content-range", text)];
        self.refused(
            put,
            by,
            ("", &range("bytes 5-1/9"), None),
            (400, "invalid_request"),
        )
        .await;
        self.refused(
            put,
            by,
            ("", &range("bytes 5-9/10"), None),
            (409, "wrong_offset"),
        )
        .await;
        let large = format!("bytes 0-4/{}", UPLOAD_BYTES_MAX + 1);
        self.refused(
            put,
            by,
            ("", &range(&large), None),
            (413, "upload_too_large"),
        )
        .await;
        self.begin_nine_bytes().await;
        let id = media_core::VideoId::new(waiting).expect("an id");
        let open = server
            .database
            .videos()
            .uploads()
            .open_of(&id)
            .await
            .expect("find");
        let folder = server.scratch.folder().join("data");
        let files = storage::uploads::Folder::open(&folder, NO_RESERVE).expect("folder");
        let lock = files
            .lock(&open.expect("an upload").id)
            .expect("nobody else");
        self.refused(
            put,
            by,
            ("", &range("bytes 5-8/9"), Some(b"typi".to_vec())),
            (423, "upload_busy"),
        )
        .await;
        drop(lock);
        let no_film = "not a film, a text ".repeat(1000).into_bytes();
        self.refused(put, by, ("", &[], Some(no_film)), (415, "not_media"))
            .await;
        let video = server.imported("a3", "public").await;
        let metadata = format!(
            "filename ZmlsbS5tcDQ=,video {}",
            base64(&text(&video["id"]))
        );
        let of_another = [("upload-metadata", metadata.as_str())];
        self.refused(
            "POST /api/v1/uploads",
            by,
            ("", &of_another, None),
            (409, "video_has_file"),
        )
        .await;
    }

    /// Begins an upload to the video that waits, of which nobody else knows.
    async fn begin_nine_bytes(&self) {
        let World {
            server, waiting, ..
        } = self.world;
        let begun = server
            .admin_request("PUT", &format!("/api/v1/videos/{waiting}/file"))
            .header(header::CONTENT_RANGE, "bytes 0-4/9")
            .body(Body::from("\0\0\0\x20f"));
        let begun = server.send(begun.expect("request")).await;
        assert_eq!(begun.status, StatusCode::PERMANENT_REDIRECT, "{begun:?}");
    }

    /// Uploads that began while there was room, and one that begins when there is none.
    async fn full_disk(&mut self) {
        let server = &self.world.server;
        let all = Reserve {
            bytes: u64::MAX,
            percent: 100,
        };
        let data = server.scratch.folder().join("data");
        let full = Server::open(server.scratch.clone(), |options| {
            options.uploads = storage::uploads::Folder::open(&data, all).expect("folder");
        })
        .await;
        let (by, disk_full) = (By::Operator, (507, "disk_full"));
        let create = "POST /api/v1/uploads";
        self.refused_by(&full, create, by, ("", &[], None), disk_full)
            .await;
        let upload = server.begun(100).await;
        for operation in ["PATCH /api/v1/uploads/{id}", "POST /api/v1/uploads/{id}"] {
            self.refused_by(&full, operation, by, (&upload, &[], None), disk_full)
                .await;
        }
        let put = "PUT /api/v1/videos/{id}/file";
        self.refused_by(&full, put, by, ("", &[], None), disk_full)
            .await;
        self.begin_nine_bytes().await;
        let rest = (
            "",
            &[("content-range", "bytes 5-8/9")][..],
            Some(b"typi".to_vec()),
        );
        self.refused_by(&full, put, by, rest, disk_full).await;
    }

    async fn what_is_full(&mut self) {
        let World {
            server,
            mona,
            video,
            ..
        } = self.world;
        let owner = storage::UserId::new(&mona.id).expect("an id");
        let streams = server.database.streams();
        for _ in 1..storage::streams::STREAMS_OF_OWNER_MAX {
            let title = storage::Title::new("Pier").expect("a title");
            let new = NewStream {
                owner: Some(owner.clone()),
                ..NewStream::titled(title)
            };
            streams
                .create(new, SystemTime::now())
                .await
                .expect("create");
        }
        let by = By::User(mona);
        self.refused(
            "POST /api/v1/streams",
            by,
            ("", &[], None),
            (409, "too_many_streams"),
        )
        .await;
        let webhooks = "POST /api/v1/webhooks";
        for _ in 0..storage::webhooks::WEBHOOKS_OF_OWNER_MAX {
            let answer = self.world.ordinary(webhooks, |request| {
                request.header(header::AUTHORIZATION, format!("Bearer {}", mona.access))
            });
            assert_eq!(answer.await.status, StatusCode::CREATED);
        }
        self.refused(webhooks, by, ("", &[], None), (409, "too_many_webhooks"))
            .await;
        let subtitles =
            |name: usize| format!("/api/v1/videos/{video}/subtitles?language=en&name=n{name}");
        for name in 0..storage::videos::subtitles::SUBTITLES_MAX {
            let answer = server
                .webvtt(
                    &subtitles(name),
                    "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n",
                )
                .await;
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        }
        let operation = "POST /api/v1/videos/{id}/subtitles";
        let one_more = subtitles(storage::videos::subtitles::SUBTITLES_MAX);
        self.refused(
            operation,
            By::Operator,
            (&one_more, &[], None),
            (409, "too_many_subtitles"),
        )
        .await;
    }
}

fn base64(text: &str) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}
