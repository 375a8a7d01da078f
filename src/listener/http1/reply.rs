//! An answer's head as bytes (RFC 9112 §4, §5).

use std::io::Write;

use http::HeaderValue;
use packager::delivery::Reply;

use super::super::date;

/// What a head is at most about: none is longer, or one buffer a thread grows once.
pub(super) const HEAD_BYTES: usize = 1024;

/// What only the connection knows about an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framing<'a> {
    /// `Strict-Transport-Security`, where it is said.
    pub(super) hsts: Option<&'a HeaderValue>,
    /// No other request will be answered.
    pub(super) is_last: bool,
}

/// The head of a reply.
pub(super) fn write_head(head: &mut Vec<u8>, reply: &Reply, framing: Framing<'_>) {
    let status = reply.status();
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(status.as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    head.extend_from_slice(b"\r\n");
    reply.each_header(|name, value| line(head, name.as_str(), value.as_bytes()));
    if let Some(len) = reply.content_length() {
        write!(head, "content-length: {len}\r\n").expect("memory takes everything");
    }
    write_end(head, framing);
}

/// The whole answer to a request that names no host.
pub(super) fn write_no_host(answer: &mut Vec<u8>, framing: Framing<'_>) {
    let problem = r#"{"type":"/api/v1/problems/invalid_request","status":400,"title":"one header Host is needed","code":"invalid_request"}"#;
    answer.extend_from_slice(b"HTTP/1.1 400 Bad Request\r\n");
    line(answer, "content-type", b"application/problem+json");
    line(answer, "cache-control", b"no-store");
    line(
        answer,
        "content-length",
        problem.len().to_string().as_bytes(),
    );
    write_end(answer, framing);
    answer.extend_from_slice(problem.as_bytes());
}

fn write_end(head: &mut Vec<u8>, framing: Framing<'_>) {
    if let Some(hsts) = framing.hsts {
        line(head, "strict-transport-security", hsts.as_bytes());
    }
    if framing.is_last {
        line(head, "connection", b"close");
    }
    date::with(|date| line(head, "date", date.as_bytes()));
    head.extend_from_slice(b"\r\n");
}

fn line(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}
