//! HTTPS and RTMPS, with curl and ffmpeg: protocols, addresses, and a certificate that is renewed
//! while the server runs.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::clip::Clip;
use crate::encoder;
use crate::http;
use crate::program::{Program, wait_at_most, wait_for};
use crate::server::{ADMIN_TOKEN, SMALL_LADDER, Server, free_tcp};

/// The server looks every two seconds; a machine under load has its own idea of them.
const RELOAD_MAX: Duration = Duration::from_secs(20);

/// curl's code for a certificate that is not trusted.
const NOT_TRUSTED: i32 = 60;

/// A server with TLS, and the folder where its certificate is.
struct Secured {
    server: Server,
    https: SocketAddr,
    rtmps: SocketAddr,
    folder: TempDir,
}

impl Secured {
    /// The way certbot keeps them: `live` leads to the certificate and key of now.
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (https, rtmps) = (free_tcp(), free_tcp());
        let first = new_pair(folder.path(), "1");
        let live = folder.path().join("live");
        symlink(first, &live).expect("a link");
        let path = |name| live.join(name).to_string_lossy().into_owned();
        let server = Server::with(&[
            ("MILLRACE_LADDER_RUNGS", SMALL_LADDER),
            ("MILLRACE_HTTPS", &https.to_string()),
            ("MILLRACE_RTMPS", &rtmps.to_string()),
            ("MILLRACE_TLS_CERTIFICATE", &path("cert.pem")),
            ("MILLRACE_TLS_KEY", &path("key.pem")),
            ("MILLRACE_TLS_HSTS_S", "300"),
        ]);
        Self {
            server,
            https,
            rtmps,
            folder,
        }
    }

    /// Leads `live` to another folder, in one step.
    fn lead_to(&self, pair: &Path) {
        let [next, live] = ["next", "live"].map(|name| self.folder.path().join(name));
        symlink(pair, &next).expect("a link");
        fs::rename(next, live).expect("a link renamed");
    }

    /// curl, which trusts the certificate in `pair` and no other.
    fn curl(&self, pair: &Path, arguments: &[&str], path: &str) -> Curl {
        curl(pair, arguments, self.https, path)
    }

    fn first(&self) -> PathBuf {
        self.folder.path().join("1")
    }
}

/// What curl said and how it ended.
struct Curl {
    code: i32,
    said: Vec<u8>,
}

impl Curl {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }
}

fn curl(pair: &Path, arguments: &[&str], server: SocketAddr, path: &str) -> Curl {
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "20", "--cacert"])
        .arg(pair.join("cert.pem"))
        .args(arguments)
        .arg(format!("https://localhost:{}{path}", server.port()))
        .output()
        .expect("curl is installed: see make test");
    Curl {
        code: output.status.code().expect("an exit code"),
        said: output.stdout,
    }
}

/// A new certificate for localhost and its key, in a folder of their own.
fn new_pair(folder: &Path, name: &str) -> PathBuf {
    let pair = folder.join(name);
    fs::create_dir(&pair).expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
    fs::write(pair.join("cert.pem"), made.cert.pem()).expect("a certificate");
    fs::write(pair.join("key.pem"), made.signing_key.serialize_pem()).expect("a key");
    pair
}

#[test]
fn media_is_the_same_by_every_protocol_and_says_where_it_is_secure() {
    let secured = Secured::start();
    let (server, pair) = (&secured.server, secured.first());
    let authorization = format!("Authorization: Bearer {ADMIN_TOKEN}");
    let created = secured.curl(
        &pair,
        &[
            "--http2",
            "--json",
            r#"{"title":"A stream"}"#,
            "--header",
            &authorization,
        ],
        "/api/v1/streams",
    );
    let created: serde_json::Value = serde_json::from_str(&created.text()).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    server.keep_secret(&text(&created["stream_key"]));
    let base = format!("https://localhost:{}", secured.https.port());
    let id = text(&created["id"]);
    let master = format!("{base}/live/{id}/master.m3u8");
    assert_eq!(text(&created["playback"]["hls"]), master);
    // The plain port answers this machine as before, and with its own addresses.
    let plain = server.admin("GET", &format!("/api/v1/streams/{id}"), None);
    let expected = format!("http://{}/live/{id}/master.m3u8", server.http);
    assert_eq!(text(&plain.json()["playback"]["hls"]), expected);

    let clip = Clip::new(30 * 5).file();
    let key = text(&created["stream_key"]);
    let rtmps = format!("rtmps://localhost:{}/live/{key}", secured.rtmps.port());
    encoder::rtmp(&clip, &rtmps).finish();
    server.wait_for_log(&["publishing", "protocol=rtmps"]);
    let playlist = format!("/live/{id}/180p/playlist.m3u8");
    let ended = || http::get(server.http, &playlist).expect("an answer").text();
    wait_for("the playlist's end", || ended().contains("#EXT-X-ENDLIST"));

    let mut paths = vec![playlist.clone()];
    let uris = ended();
    let uris = uris.lines().filter(|line| !line.starts_with('#'));
    paths.extend(uris.map(|uri| format!("/live/{id}/180p/{uri}")));
    assert!(paths.len() > 2, "{paths:?}");
    for path in &paths {
        let plain = http::get(server.http, path).expect("an answer");
        assert_eq!(plain.status, 200, "{path}");
        for (flag, version) in [("--http2", "HTTP/2 200"), ("--http1.1", "HTTP/1.1 200 OK")] {
            let head = secured.curl(&pair, &[flag, "--head"], path).text();
            assert!(head.starts_with(version), "{path}: {head}");
            let head = head.to_lowercase();
            for line in [
                "strict-transport-security: max-age=300".to_owned(),
                format!("content-length: {}", plain.body.len()),
            ] {
                assert!(
                    head.lines().any(|it| it == line),
                    "{path}: {line} in {head}"
                );
            }
            let got = secured.curl(&pair, &[flag], path);
            assert_eq!((got.code, got.said.len()), (0, plain.body.len()), "{path}");
            assert!(got.said == plain.body, "{path} by {version}");
            let slice = secured.curl(&pair, &[flag, "--range", "10-99"], path);
            let expected = match path == &playlist {
                true => &plain.body[..],
                false => &plain.body[10..100],
            };
            assert!(slice.said == expected, "{path} by {version}");
        }
    }
    let head = Command::new("curl")
        .args([
            "--silent",
            "--head",
            &format!("http://{}{playlist}", server.http),
        ])
        .output()
        .expect("curl");
    let head = String::from_utf8_lossy(&head.stdout).to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(!head.contains("strict-transport-security"), "{head}");
    secured.server.stop();
}

#[test]
fn a_renewed_certificate_is_shown_on_both_ports_and_a_broken_one_is_not() {
    let secured = Secured::start();
    let (folder, server) = (secured.folder.path(), &secured.server);
    let ports = [secured.https, secured.rtmps];
    // RTMPS does not answer HTTP: what counts is that the handshake went well.
    let trusted = |pair: &Path| ports.map(|port| curl(pair, &[], port, "/health").code);
    let first = secured.first();
    assert!(!trusted(&first).contains(&NOT_TRUSTED));
    assert_eq!(secured.curl(&first, &[], "/health").code, 0);

    let second = new_pair(folder, "2");
    assert_eq!(trusted(&second), [NOT_TRUSTED; 2]);
    secured.lead_to(&second);
    wait_at_most(RELOAD_MAX, "the second certificate", || {
        !trusted(&second).contains(&NOT_TRUSTED)
    });
    assert_eq!(trusted(&first), [NOT_TRUSTED; 2]);
    assert_eq!(secured.curl(&second, &[], "/health").code, 0);
    server.wait_for_log(&["certificate changed", "expires="]);

    let broken = new_pair(folder, "3");
    fs::copy(first.join("key.pem"), broken.join("key.pem")).expect("another's key");
    secured.lead_to(&broken);
    let refused = ["WARN", "not usable", "do not fit each other"];
    wait_at_most(RELOAD_MAX, "the warning", || server.log_has(&refused));
    assert!(!trusted(&second).contains(&NOT_TRUSTED));

    // Written over in place, too.
    let fourth = new_pair(folder, "4");
    for name in ["cert.pem", "key.pem"] {
        fs::copy(fourth.join(name), broken.join(name)).expect("a copy");
    }
    wait_at_most(RELOAD_MAX, "the fourth certificate", || {
        !trusted(&fourth).contains(&NOT_TRUSTED)
    });
    assert_eq!(server.log_count(&refused), 1, "it is said once");
    secured.server.stop();
}

#[test]
fn sigterm_lets_an_answer_by_http2_be_read_that_is_waited_for() {
    let secured = Secured::start();
    let (server, pair) = (&secured.server, secured.first());
    let stream = server.stream();
    let publisher = encoder::rtmp(&Clip::new(30 * 40).file(), &stream.rtmp);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    let playlist = format!("/live/{}/180p/playlist.m3u8", stream.id);
    let text = http::get(server.http, &playlist).expect("an answer").text();
    let sequence = text
        .lines()
        .find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"))
        .expect("a media sequence number");
    let segments = text
        .lines()
        .filter(|line| line.starts_with("#EXTINF"))
        .count() as u64;
    // The segment after the one under way: nobody has it before the end.
    let awaited = sequence.parse::<u64>().expect("a number") + segments + 1;
    let got = secured.folder.path().join("got.m3u8");
    let mut waiting = Command::new("curl");
    waiting
        .args(["--silent", "--http2", "--fail", "--cacert"])
        .arg(pair.join("cert.pem"))
        .arg("--output")
        .arg(&got)
        .arg(format!(
            "https://localhost:{}{playlist}?_HLS_msn={awaited}",
            secured.https.port()
        ));
    let waiting = Program::start(&mut waiting);
    server.terminate();
    waiting.finish();
    let text = fs::read_to_string(got).expect("an answer");
    assert!(text.contains("#EXT-X-ENDLIST"), "{text}");
    secured.server.stopped();
    drop(publisher);
}
