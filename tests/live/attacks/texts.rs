//! Paths that lead elsewhere, and line ends where a name is expected.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::beside::attack;
use crate::http;
use crate::program::output;
use crate::rtmp_peer::{HANG_UP_MAX, dial, publish, until_hung_up};
use crate::server::ADMIN_TOKEN;

/// What a file on the server's disk would give away.
const SECRET: &str = "nobody-may-read-this";

/// Sends bytes as they are; all that is answered.
fn raw(server: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server).expect("a connection");
    stream
        .set_read_timeout(Some(HANG_UP_MAX))
        .expect("an option");
    stream.write_all(request).expect("taken");
    let mut answer = Vec::new();
    // Reset where not all was read.
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn no_path_leads_out_of_what_is_served() {
    attack("path traversal", |server| {
        fs::write(server.data().join("secret"), SECRET).expect("written");
        let ups = [
            "../",
            "..%2f",
            "%2e%2e/",
            "%2e%2e%2f",
            "..\\",
            "..%5c",
            "..;/",
            "%c0%ae%c0%ae/",
        ];
        for base in [
            "/",
            "/live/",
            "/live/x/",
            "/live/x/90p/",
            "/vod/",
            "/vod/x/",
            "/vod/x/90p/",
            "/vod/x/thumbnails/",
            "/vod/x/subtitles/",
            "/watch/",
            "/api/",
            "/api/v1/streams/",
            "/api/v1/uploads/",
            "/api/v1/recordings/",
            "/assets/",
        ] {
            for up in ups {
                for file in ["secret", "admin-token", "data/secret", "etc/passwd"] {
                    let path = format!("{base}{}{file}", up.repeat(6));
                    let request =
                        format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                    let answer = raw(server.http, request.as_bytes());
                    // The watch page is there for every stream that may begin.
                    let is_page = answer.starts_with("HTTP/1.1 200") && base == "/watch/";
                    let is_refused = ["HTTP/1.1 4", "HTTP/1.1 3"]
                        .iter()
                        .any(|start| answer.starts_with(start));
                    assert!(is_page || is_refused, "{path}: {answer}");
                    for secret in [SECRET, ADMIN_TOKEN, "root:x:"] {
                        assert!(!answer.contains(secret), "{path}");
                    }
                }
            }
        }
        let before = names(&server.data());
        for key in [
            "../../escaped",
            "/etc/passwd",
            "..",
            "a/../../b",
            "%2e%2e/%2e%2e/x",
        ] {
            let mut peer = dial(server.rtmp);
            peer.write_all(&publish(key)).expect("taken");
            until_hung_up(peer);
            let url = format!("srt://{}?streamid=publish:{key}", server.srt);
            let mut caller = std::process::Command::new("srt-live-transmit");
            let refused = output(caller.args(["-t:2", "file:///dev/null", &url]));
            assert!(!refused.status.success() || !server.log_has(&["publishing", key]));
        }
        assert_eq!(names(&server.data()), before);
    });
}

/// What is in a folder.
fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names.map(|it| it.to_string_lossy().into_owned()).collect();
    // SQLite's own come and go.
    names.retain(|name| !name.starts_with("millrace.db"));
    names.sort();
    names
}

#[test]
fn no_line_of_a_peers_becomes_a_header_or_a_line_of_the_log() {
    attack("header injection", |server| {
        for ends in [
            "%0d%0a",
            "%0a",
            "\r",
            "%00",
            "\u{e5}\u{98}\u{8a}",
            "%e5%98%8a%e5%98%8d",
        ] {
            for path in [
                format!("/live/{ends}X-Injected:1/master.m3u8"),
                format!("/live/x/90p/playlist.m3u8?token={ends}X-Injected:1"),
                format!("/vod/{ends}X-Injected:1/90p/download.mp4"),
                format!("/watch/{ends}X-Injected:1"),
                format!("//example.org/{ends}X-Injected:1"),
                format!("/api/v1/recordings/{ends}X-Injected:1/download"),
            ] {
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: a{ends}X-Injected:1\r\n\
                     X-Forwarded-For: 1.2.3.4{ends}X-Injected:1\r\n\
                     X-Forwarded-Proto: https{ends}X-Injected:1\r\n\
                     Origin: http://a{ends}X-Injected:1\r\nConnection: close\r\n\r\n"
                );
                let answer = raw(server.http, request.as_bytes());
                let head = answer.split("\r\n\r\n").next().unwrap_or_default();
                let lines = head.split(['\r', '\n']);
                let injected =
                    lines.filter(|line| line.to_ascii_lowercase().starts_with("x-injected"));
                assert_eq!(injected.count(), 0, "{path}: {head}");
            }
        }
        // A name that is sent back as a file's is one line, whatever its owner called the stream.
        for title in ["a\r\nX-Injected: 1", "a\u{0}b", "\u{2028}"] {
            let body = serde_json::json!({ "title": title }).to_string();
            let token = format!("Authorization: Bearer {ADMIN_TOKEN}\r\n");
            let answer = http::request(server.http, "POST", "/api/v1/streams", &token, Some(&body));
            let answer = answer.expect("an answer");
            assert!(
                [201, 400, 422].contains(&answer.status),
                "{}",
                answer.text()
            );
            assert_eq!(answer.header("x-injected"), None);
        }
        let key = "key\nINFO forged: publishing";
        let mut peer = dial(server.rtmp);
        peer.write_all(&publish(key)).expect("taken");
        until_hung_up(peer);
        let log = server.log();
        assert!(
            !log.lines().any(|line| line.starts_with("INFO forged")),
            "{log}"
        );
    });
}
