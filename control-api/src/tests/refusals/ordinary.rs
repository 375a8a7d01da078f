//! An ordinary request of each operation, which every refusal varies.

use super::*;

/// What a request brings.
#[derive(Clone, Copy)]
pub(super) enum Sent {
    Nothing,
    Json(&'static str),
    /// Headers and bytes.
    Other(&'static [(&'static str, &'static str)], &'static [u8]),
}

impl Sent {
    pub(super) fn body(self) -> Body {
        match self {
            Self::Nothing => Body::empty(),
            Self::Json(text) => Body::from(text),
            Self::Other(_, bytes) => Body::from(bytes),
        }
    }
}

pub(super) struct Ordinary {
    /// As the document has it: `GET /api/v1/streams/{id}`.
    pub(super) operation: &'static str,
    path: String,
    pub(super) sent: Sent,
    /// A JSON body with one faulty field.
    pub(super) faulty: Option<&'static str>,
}

impl Ordinary {
    fn method(&self) -> &'static str {
        let (method, _) = self.operation.split_once(' ').expect("a method and a path");
        method
    }

    /// Without a token and a body.
    pub(super) fn request(&self) -> Builder {
        self.request_at(&self.path)
    }

    /// The same of things that are not there.
    pub(super) fn request_of_nothing(&self) -> Builder {
        let (_, template) = self.operation.split_once(' ').expect("a method and a path");
        let parts = template.split('/').map(|part| match part.starts_with('{') {
            true => "aaaaaaaaaaaaaa",
            false => part,
        });
        let query = self.path.split_once('?').map(|(_, query)| query);
        let path = parts.collect::<Vec<_>>().join("/");
        let path = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        self.request_at(&path)
    }

    /// The same with another query.
    pub(super) fn request_with_query(&self, query: &str) -> Builder {
        let path = self.path.split('?').next().expect("a path");
        self.request_at(&format!("{path}?{query}"))
    }

    fn request_at(&self, path: &str) -> Builder {
        let request = request(self.method(), path);
        match self.sent {
            Sent::Nothing => request,
            Sent::Json(_) => request.header(header::CONTENT_TYPE, "application/json"),
            Sent::Other(headers, _) => headers.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            }),
        }
    }
}

/// How an MP4 begins.
const FILM: &[u8] = b"\0\0\0\x20ftypisom\0\0\x02\0";

const TUS: &[(&str, &str)] = &[("tus-resumable", "1.0.0")];

/// `filename film.mp4`.
const CREATION: &[(&str, &str)] = &[
    ("tus-resumable", "1.0.0"),
    ("upload-length", "100"),
    ("upload-metadata", "filename ZmlsbS5tcDQ="),
];

const PIECE: &[(&str, &str)] = &[
    ("tus-resumable", "1.0.0"),
    ("upload-offset", "0"),
    ("content-type", "application/offset+octet-stream"),
];

const PIECE_BY_POST: &[(&str, &str)] = &[
    ("tus-resumable", "1.0.0"),
    ("upload-offset", "0"),
    ("content-type", "application/offset+octet-stream"),
    ("x-http-method-override", "PATCH"),
];

/// Of every operation that refuses anything.
pub(super) fn all(world: &World) -> Vec<Ordinary> {
    let World {
        stream,
        recording,
        video,
        webhook,
        delivery,
        invitation,
        upload,
        ..
    } = world;
    let (user, waiting) = (&world.vera.id, &world.waiting);
    let plain = |operation: &'static str, path: String| Ordinary {
        operation,
        path,
        sent: Sent::Nothing,
        faulty: None,
    };
    let json = |operation, path, body, faulty| Ordinary {
        sent: Sent::Json(body),
        faulty,
        ..plain(operation, path)
    };
    let other = |operation, path, headers, bytes| Ordinary {
        sent: Sent::Other(headers, bytes),
        ..plain(operation, path)
    };
    let at = |path: &str| format!("/api/v1/{path}");
    let title = Some(r#"{"title": "x"}"#);
    vec![
        plain("GET /api/v1/openapi.json", at("openapi.json")),
        plain("GET /api/v1/problems", at("problems")),
        plain("GET /api/v1/problems/{code}", at("problems/taken")),
        plain("GET /api/v1/watch/{id}", at(&format!("watch/{stream}"))),
        plain("GET /api/v1/streams", at("streams")),
        json(
            "POST /api/v1/streams",
            at("streams"),
            r#"{"title": "Pier"}"#,
            title,
        ),
        plain("GET /api/v1/streams/live", at("streams/live")),
        plain("GET /api/v1/streams/own", at("streams/own")),
        plain("GET /api/v1/streams/{id}", at(&format!("streams/{stream}"))),
        json(
            "PATCH /api/v1/streams/{id}",
            at(&format!("streams/{stream}")),
            "{}",
            title,
        ),
        plain(
            "DELETE /api/v1/streams/{id}",
            at(&format!("streams/{stream}")),
        ),
        plain(
            "POST /api/v1/streams/{id}/key",
            at(&format!("streams/{stream}/key")),
        ),
        json(
            "POST /api/v1/streams/{id}/kick",
            at(&format!("streams/{stream}/kick")),
            "{}",
            Some(r#"{"for_s": 3601}"#),
        ),
        plain(
            "GET /api/v1/streams/{id}/publishers",
            at(&format!("streams/{stream}/publishers")),
        ),
        json(
            "POST /api/v1/streams/{id}/playback-tokens",
            at(&format!("streams/{stream}/playback-tokens")),
            "{}",
            Some(r#"{"expires_in_s": 0}"#),
        ),
        plain("GET /api/v1/recordings", at("recordings")),
        plain(
            "GET /api/v1/recordings/{id}",
            at(&format!("recordings/{recording}")),
        ),
        json(
            "PATCH /api/v1/recordings/{id}",
            at(&format!("recordings/{recording}")),
            "{}",
            title,
        ),
        plain(
            "DELETE /api/v1/recordings/{id}",
            at(&format!("recordings/{recording}")),
        ),
        plain(
            "GET /api/v1/recordings/{id}/download",
            at(&format!("recordings/{recording}/download")),
        ),
        plain("GET /api/v1/videos", at("videos")),
        json(
            "POST /api/v1/videos",
            at("videos"),
            r#"{"title": "A film"}"#,
            title,
        ),
        plain("GET /api/v1/videos/{id}", at(&format!("videos/{video}"))),
        json(
            "PATCH /api/v1/videos/{id}",
            at(&format!("videos/{video}")),
            "{}",
            title,
        ),
        plain("DELETE /api/v1/videos/{id}", at(&format!("videos/{video}"))),
        plain(
            "POST /api/v1/videos/{id}/retry",
            at(&format!("videos/{video}/retry")),
        ),
        plain(
            "GET /api/v1/videos/{id}/chapters",
            at(&format!("videos/{video}/chapters")),
        ),
        json(
            "PUT /api/v1/videos/{id}/chapters",
            at(&format!("videos/{video}/chapters")),
            r#"{"items": []}"#,
            Some(r#"{"items": [{"start_ms": 0, "title": ""}]}"#),
        ),
        plain(
            "GET /api/v1/videos/{id}/subtitles",
            at(&format!("videos/{video}/subtitles")),
        ),
        other(
            "POST /api/v1/videos/{id}/subtitles",
            at(&format!("videos/{video}/subtitles?language=en")),
            &[("content-type", "text/vtt")],
            b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n",
        ),
        plain(
            "GET /api/v1/videos/{id}/subtitles/{name}",
            at(&format!("videos/{video}/subtitles/en")),
        ),
        plain(
            "DELETE /api/v1/videos/{id}/subtitles/{name}",
            at(&format!("videos/{video}/subtitles/en")),
        ),
        plain(
            "POST /api/v1/videos/{id}/views",
            at(&format!("videos/{video}/views")),
        ),
        plain(
            "PUT /api/v1/videos/{id}/like",
            at(&format!("videos/{video}/like")),
        ),
        plain(
            "DELETE /api/v1/videos/{id}/like",
            at(&format!("videos/{video}/like")),
        ),
        json(
            "POST /api/v1/videos/{id}/playback-tokens",
            at(&format!("videos/{video}/playback-tokens")),
            "{}",
            Some(r#"{"expires_in_s": 0}"#),
        ),
        other(
            "PUT /api/v1/videos/{id}/file",
            at(&format!("videos/{waiting}/file")),
            &[],
            FILM,
        ),
        other("POST /api/v1/uploads", at("uploads"), CREATION, b""),
        other("HEAD /api/v1/uploads/{id}", upload.clone(), TUS, b""),
        other("PATCH /api/v1/uploads/{id}", upload.clone(), PIECE, FILM),
        other("DELETE /api/v1/uploads/{id}", upload.clone(), TUS, b""),
        other(
            "POST /api/v1/uploads/{id}",
            upload.clone(),
            PIECE_BY_POST,
            FILM,
        ),
        plain("GET /api/v1/webhooks", at("webhooks")),
        json(
            "POST /api/v1/webhooks",
            at("webhooks"),
            r#"{"url": "https://example.org/", "events": ["video.ready"]}"#,
            Some(r#"{"url": "ftp://example.org/", "events": []}"#),
        ),
        plain(
            "GET /api/v1/webhooks/{id}",
            at(&format!("webhooks/{webhook}")),
        ),
        json(
            "PATCH /api/v1/webhooks/{id}",
            at(&format!("webhooks/{webhook}")),
            "{}",
            Some(r#"{"events": []}"#),
        ),
        plain(
            "DELETE /api/v1/webhooks/{id}",
            at(&format!("webhooks/{webhook}")),
        ),
        plain(
            "POST /api/v1/webhooks/{id}/ping",
            at(&format!("webhooks/{webhook}/ping")),
        ),
        plain(
            "GET /api/v1/webhooks/{id}/deliveries",
            at(&format!("webhooks/{webhook}/deliveries")),
        ),
        plain(
            "POST /api/v1/webhooks/{id}/deliveries/{delivery}/redeliver",
            at(&format!(
                "webhooks/{webhook}/deliveries/{delivery}/redeliver"
            )),
        ),
        plain("GET /api/v1/users", at("users")),
        json(
            "POST /api/v1/users",
            at("users"),
            r#"{"name": "otto", "email": "otto@example.org", "password": "saltwater 42"}"#,
            Some(r#"{"name": "x"}"#),
        ),
        plain("GET /api/v1/users/{id}", at(&format!("users/{user}"))),
        json(
            "PATCH /api/v1/users/{id}",
            at(&format!("users/{user}")),
            "{}",
            Some(r#"{"email": "x"}"#),
        ),
        plain("DELETE /api/v1/users/{id}", at(&format!("users/{user}"))),
        plain("GET /api/v1/invitations", at("invitations")),
        json(
            "POST /api/v1/invitations",
            at("invitations"),
            "{}",
            Some(r#"{"expires_in_s": 0}"#),
        ),
        plain(
            "DELETE /api/v1/invitations/{id}",
            at(&format!("invitations/{invitation}")),
        ),
        plain("GET /api/v1/audit", at("audit")),
        plain("GET /api/v1/capacity", at("capacity")),
        plain("GET /api/v1/me", at("me")),
        json(
            "PATCH /api/v1/me",
            at("me"),
            "{}",
            Some(r#"{"email": "x"}"#),
        ),
        json(
            "PUT /api/v1/me/password",
            at("me/password"),
            r#"{"current_password": "saltwater 42", "new_password": "saltwater 42"}"#,
            Some(r#"{"current_password": "saltwater 42", "new_password": "x"}"#),
        ),
        json(
            "POST /api/v1/session",
            at("session"),
            r#"{"login": "vera", "password": "saltwater 42"}"#,
            Some("{}"),
        ),
        json(
            "DELETE /api/v1/session",
            at("session"),
            r#"{"refresh_token": "mrr_none"}"#,
            None,
        ),
        json(
            "POST /api/v1/session/refresh",
            at("session/refresh"),
            r#"{"refresh_token": "mrr_none"}"#,
            None,
        ),
    ]
}
