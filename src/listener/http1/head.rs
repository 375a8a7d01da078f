//! A request's head (RFC 9112 §2 to §6): whose it is, and what it asks.
//!
//! Only what leaves no doubt is taken for delivery. Whatever has a body or says anything about one,
//! asks for another protocol, or is not wholly regular goes to hyper, which reads the same bytes
//! anew and judges for itself.

use std::mem::MaybeUninit;

use http::Method;
use httparse::{Request, Status};
use packager::delivery::{self, Fields};

/// Most headers of a request that is answered here: browsers send twenty.
const HEADERS_MAX: usize = 64;

/// What the bytes of a connection begin with.
#[derive(Debug)]
pub(super) enum Parsed<'a> {
    /// A request for delivery.
    Delivery(Head<'a>),
    /// A head that goes on.
    Partial,
    /// Something for hyper.
    Other,
    /// No request that a server may answer: RFC 9112 §3.2, `Host` is missing or there are several.
    NoHost,
}

/// A request for delivery.
#[derive(Debug)]
pub(super) struct Head<'a> {
    /// Its length: what comes after is the next one.
    pub(super) len_bytes: usize,
    /// Whether the connection ends with the answer (§9.6).
    pub(super) is_last: bool,
    method: Method,
    path: &'a str,
    query: &'a str,
    fields: Fields<'a>,
}

impl<'a> Head<'a> {
    /// As delivery wants it.
    pub(super) fn request(&'a self) -> delivery::Request<'a> {
        delivery::Request {
            method: &self.method,
            path: self.path,
            query: self.query,
            fields: self.fields,
        }
    }
}

/// Looks at the bytes that came.
pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = Request::new(&mut []);
    let len_bytes = match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(Status::Complete(len_bytes)) => len_bytes,
        Ok(Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Other,
    };
    let method = match request.method {
        Some("GET") => Method::GET,
        Some("HEAD") => Method::HEAD,
        Some("OPTIONS") => Method::OPTIONS,
        _ => return Parsed::Other,
    };
    let target = request.path.filter(|target| is_for_delivery(target));
    // HTTP/1.0 has its own rules on when a connection ends.
    let (Some(target), Some(1)) = (target, request.version) else {
        return Parsed::Other;
    };
    let mut fields = Fields::default();
    let (mut hosts, mut is_last) = (0, false);
    for header in request.headers.iter() {
        match meaning(header.name) {
            Meaning::Field => fields.note(header.name, header.value),
            Meaning::Host => hosts += 1,
            Meaning::Connection => match connection(header.value) {
                Some(closes) => is_last |= closes,
                None => return Parsed::Other,
            },
            Meaning::Unusual => return Parsed::Other,
        }
    }
    if hosts != 1 {
        return Parsed::NoHost;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Parsed::Delivery(Head {
        len_bytes,
        is_last,
        method,
        path,
        query,
        fields,
    })
}

/// What a header is to the connection.
enum Meaning {
    /// Nothing.
    Field,
    Host,
    Connection,
    /// Hyper's matter.
    Unusual,
}

fn meaning(name: &str) -> Meaning {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    // By length first: a dozen headers come with each request.
    match name.len() {
        4 if is("host") => Meaning::Host,
        10 if is("connection") => Meaning::Connection,
        6 if is("expect") => Meaning::Unusual,
        7 if is("upgrade") || is("trailer") => Meaning::Unusual,
        14 if is("content-length") || is("http2-settings") => Meaning::Unusual,
        17 if is("transfer-encoding") => Meaning::Unusual,
        _ => Meaning::Field,
    }
}

/// Whether a value of `Connection` asks for its end; `None` where it asks for something else.
fn connection(value: &[u8]) -> Option<bool> {
    if value.eq_ignore_ascii_case(b"keep-alive") {
        return Some(false);
    }
    value.eq_ignore_ascii_case(b"close").then_some(true)
}

/// A path under `/live/` (RFC 9112 §3.2.1) of characters that a URI may have (RFC 3986 §2), so that
/// nothing downstream reads it in another way.
fn is_for_delivery(target: &str) -> bool {
    target.starts_with("/live/") && target.bytes().all(|byte| IN_TARGET[usize::from(byte)])
}

/// Which bytes may stand in a target, by a look and not a search: there are a hundred a request.
const IN_TARGET: [bool; 256] = {
    let mut allowed = [false; 256];
    let signs = b"/.?=&_-%~:@!$'()*+,;";
    let mut at = 0;
    while at < signs.len() {
        allowed[signs[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0u8;
    while byte < 128 {
        allowed[byte as usize] |= byte.is_ascii_alphanumeric();
        byte += 1;
    }
    allowed
};

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(bytes: &[u8]) -> &'static str {
        match parse(bytes) {
            Parsed::Delivery(_) => "delivery",
            Parsed::Partial => "partial",
            Parsed::Other => "other",
            Parsed::NoHost => "no host",
        }
    }

    #[test]
    fn a_head_is_partial_up_to_its_last_byte() {
        let head = b"GET /live/s/master.m3u8?a=b HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n";
        for end in 0..head.len() {
            assert_eq!(verdict(&head[..end]), "partial", "{end}");
        }
        let behind = [&head[..], b"GET"].concat();
        let Parsed::Delivery(found) = parse(&behind) else {
            panic!("not taken");
        };
        assert_eq!(found.len_bytes, head.len());
        assert!(!found.is_last);
        let request = found.request();
        assert_eq!(
            (request.path, request.query),
            ("/live/s/master.m3u8", "a=b")
        );
    }

    #[test]
    fn only_what_leaves_no_doubt_is_deliverys() {
        let many = "A: b\r\n".repeat(HEADERS_MAX);
        for (line, headers, expected) in [
            (
                "GET /live/s/x?a=b%20&c HTTP/1.1",
                "Connection: Keep-Alive\r\n",
                "delivery",
            ),
            ("HEAD /live/ HTTP/1.1", "", "delivery"),
            (
                "OPTIONS /live/x HTTP/1.1",
                "Connection: close\r\n",
                "delivery",
            ),
            // Another method, path or protocol.
            ("POST /live/x HTTP/1.1", "", "other"),
            ("get /live/x HTTP/1.1", "", "other"),
            ("GET /api HTTP/1.1", "", "other"),
            ("GET /live HTTP/1.1", "", "other"),
            ("GET /live/x HTTP/1.0", "", "other"),
            ("GET /live/x HTTP/2.0", "", "other"),
            ("GET http://a/live/x HTTP/1.1", "", "other"),
            ("OPTIONS * HTTP/1.1", "", "other"),
            ("GET /live/x", "", "other"),
            ("GET /live/x#y HTTP/1.1", "", "other"),
            ("GET /live/\u{e9} HTTP/1.1", "", "other"),
            ("GET /live/\\x HTTP/1.1", "", "other"),
            ("GET /live/x y HTTP/1.1", "", "other"),
            ("PRI * HTTP/2.0", "", "other"),
            // What says something about a body or about what comes after.
            ("GET /live/x HTTP/1.1", "Content-Length: 0\r\n", "other"),
            (
                "GET /live/x HTTP/1.1",
                "CONTENT-LENGTH: 1\r\ncontent-length: 2\r\n",
                "other",
            ),
            (
                "GET /live/x HTTP/1.1",
                "Transfer-Encoding: chunked\r\n",
                "other",
            ),
            ("GET /live/x HTTP/1.1", "Expect: 100-continue\r\n", "other"),
            ("GET /live/x HTTP/1.1", "Upgrade: h2c\r\n", "other"),
            ("GET /live/x HTTP/1.1", "Connection: upgrade\r\n", "other"),
            ("GET /live/x HTTP/1.1", "Connection: close, te\r\n", "other"),
            // What two readers may read in two ways.
            ("GET /live/x HTTP/1.1", "Range : bytes=0-1\r\n", "other"),
            ("GET /live/x HTTP/1.1", "A: b\r\n c\r\n", "other"),
            ("GET /live/x HTTP/1.1", "A: b\rc\r\n", "other"),
            ("GET /live/x HTTP/1.1", "A: b\0c\r\n", "other"),
            ("GET /live/x HTTP/1.1", "A\r\n", "other"),
            ("GET /live/x HTTP/1.1", &many, "other"),
            ("GET /live/x HTTP/1.1", "host: b\r\n", "no host"),
        ] {
            let head = format!("{line}\r\nHost: a\r\n{headers}\r\n");
            assert_eq!(verdict(head.as_bytes()), expected, "{head:?}");
        }
        assert_eq!(verdict(b"GET /live/x HTTP/1.1\r\n\r\n"), "no host");
        assert_eq!(verdict(&[0xff; 100]), "other");
    }
}
