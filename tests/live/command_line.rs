//! The command line's contract: one clear line and an exit code, and streams without the API.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::json;

use crate::clip::Clip;
use crate::encoder;
use crate::http;
use crate::program::{output, wait_at_most, wait_for};
use crate::server::{Server, free_tcp, free_udp, millrace};

/// A running server sees what another process wrote to the database by then.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

fn serve(data: &Path, further: &[&str]) -> Output {
    let mut command = millrace();
    command.arg("serve").arg("--data").arg(data);
    for (flag, address) in [
        ("--http", free_tcp()),
        ("--rtmp", free_tcp()),
        ("--srt", free_udp()),
    ] {
        if !further.contains(&flag) {
            command.args([flag, &address.to_string()]);
        }
    }
    output(command.args(further))
}

/// It fails with one line that has all of `words`.
fn assert_one_line(output: &Output, words: &[&str]) {
    assert!(!output.status.success(), "it succeeded");
    let said = String::from_utf8_lossy(&output.stderr);
    // What it logged before, of its encoder and listeners, is no error.
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| !line.contains(" INFO "))
        .collect();
    assert_eq!(lines.len(), 1, "{said}");
    for word in words {
        assert!(lines[0].contains(word), "no {word:?} in: {}", lines[0]);
    }
}

#[test]
fn a_busy_port_is_one_line_for_each_listener() {
    let folder = tempfile::tempdir().expect("a folder");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (tcp_port, udp_port) = (
        tcp.local_addr().expect("bound"),
        udp.local_addr().expect("bound"),
    );
    for (flag, address) in [
        ("--http", tcp_port),
        ("--rtmp", tcp_port),
        ("--srt", udp_port),
    ] {
        let failed = serve(folder.path(), &[flag, &address.to_string()]);
        assert_one_line(
            &failed,
            &[&address.port().to_string(), "in use", &flag[2..]],
        );
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    // Below a regular file nobody can make one, root neither.
    let file = folder.path().join("file");
    fs::write(&file, "").expect("room for it");
    let data = file.join("data");
    assert_one_line(&serve(&data, &[]), &[&data.to_string_lossy()]);
}

#[test]
fn a_wrong_setting_is_one_line_wherever_it_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("millrace.toml");
    let config = file.to_string_lossy().into_owned();
    for (text, words) in [
        (
            "[hls]\npart_mss = 200\n",
            ["hls.part_mss", "did you mean hls.part_ms?"],
        ),
        ("[hls]\npart_ms = \"short\"\n", ["hls.part_ms", "short"]),
        ("[hls\n", ["millrace.toml", "line 1"]),
    ] {
        fs::write(&file, text).expect("room for it");
        assert_one_line(&serve(folder.path(), &["--config", &config]), &words);
    }
    let mut command = millrace();
    command.arg("serve").env("MILLRACE_HLS_PART_MSS", "200");
    assert_one_line(&output(&mut command), &["MILLRACE_HLS_PART_MSS"]);
    let mut command = millrace();
    command.args(["serve", "--http", "nowhere"]);
    assert_one_line(&output(&mut command), &["http", "nowhere", "--http"]);
}

#[test]
fn flags_beat_variables_and_variables_beat_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("millrace.toml");
    fs::write(&file, "http = \"file\"\n").expect("room for it");
    let run = |variable: bool, flag: bool| {
        let mut command = millrace();
        command.arg("serve").arg("--config").arg(&file);
        if variable {
            command.env("MILLRACE_HTTP", "variable");
        }
        if flag {
            command.args(["--http", "flag"]);
        }
        output(&mut command)
    };
    assert_one_line(&run(false, false), &["\"file\""]);
    assert_one_line(&run(true, false), &["\"variable\""]);
    assert_one_line(&run(true, true), &["\"flag\""]);
}

#[test]
fn version_and_help_are_complete() {
    let version = output(millrace().arg("--version"));
    let said = String::from_utf8_lossy(&version.stdout).into_owned();
    assert_eq!(said.trim(), concat!("millrace ", env!("CARGO_PKG_VERSION")));
    let help = output(millrace().args(["serve", "--help"]));
    let said = String::from_utf8_lossy(&help.stdout).into_owned();
    let example = include_str!("../../millrace.example.toml");
    let names = example.lines().filter_map(|line| line.split_once(" = "));
    for (name, _) in names.filter(|(name, _)| !name.contains(' ') || name.starts_with("# ")) {
        let name = name.trim_start_matches("# ");
        assert!(said.contains(name), "no {name} in the help");
    }
}

#[test]
fn a_generated_admin_token_is_for_its_owner_alone_and_opens_the_api() {
    // An empty one is none: the server makes its own.
    let server = Server::with(&[("MILLRACE_ADMIN_TOKEN", "")]);
    let file = server.data().join("admin-token");
    let mode = fs::metadata(&file).expect("the token").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = fs::read_to_string(&file).expect("the token");
    let token = token.trim();
    server.keep_secret(token);
    let ask = |header: &str| {
        http::request(server.http, "GET", "/api/v1/streams", header, None).expect("an answer")
    };
    assert_eq!(ask("").status, 401);
    assert_eq!(ask("Authorization: Bearer wrong\r\n").status, 401);
    assert_eq!(
        ask(&format!("Authorization: Bearer {token}\r\n")).status,
        200
    );
    server.stop();
}

/// The value behind `name` in what `millrace stream` printed.
fn field(output: &Output, name: &str) -> String {
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {said}"))
        .trim()
        .to_owned()
}

#[test]
fn streams_made_beside_a_running_server_become_valid_and_void() {
    let clip = Clip::new(30 * 20).file();
    let server = Server::start();
    let stream = |arguments: &[&str]| {
        let mut command = millrace();
        command.arg("stream").args(arguments).arg("--data");
        output(command.arg(server.data()))
    };
    let created = stream(&["create", "Beside"]);
    let (id, key) = (field(&created, "id "), field(&created, "key "));
    server.keep_secret(&key);
    let list = stream(&["list"]);
    assert_eq!(
        String::from_utf8_lossy(&list.stdout),
        format!("{id}  Beside\n")
    );
    let path = format!("/api/v1/streams/{id}");
    let status = || server.admin("GET", &path, None).json()["status"].clone();
    assert_eq!(status(), json!("offline"));

    // Refused until the server has looked again.
    let publish = |key: &str, publications: usize| {
        let url = format!("rtmp://{}/live/{key}", server.rtmp);
        let mut publisher = encoder::rtmp(&clip, &url);
        wait_at_most(SEEN_WITHIN, "the key to be valid", || {
            if !publisher.runs() {
                publisher = encoder::rtmp(&clip, &url);
            }
            server.log_count(&["publishing", &id]) == publications
        });
        publisher
    };
    let mut publisher = publish(&key, 1);
    wait_for("a playable playlist", || status() == json!("live"));

    let rotated = stream(&["rotate-key", &id]);
    let new = field(&rotated, "key ");
    server.keep_secret(&new);
    assert_ne!(new, key);
    wait_at_most(SEEN_WITHIN, "the old key's publisher to go", || {
        !publisher.runs()
    });

    let mut publisher = publish(&new, 2);
    assert!(stream(&["delete", &id]).status.success());
    wait_at_most(SEEN_WITHIN, "the broadcast's end", || !publisher.runs());
    assert_eq!(server.admin("GET", &path, None).status, 404);
    assert_one_line(&stream(&["delete", &id]), &[&id]);
    server.stop();
}

#[test]
fn a_token_made_beside_a_running_server_opens_its_private_stream() {
    let server = Server::start();
    let stream = |arguments: &[&str]| {
        let mut command = millrace();
        command.arg("stream").args(arguments).arg("--data");
        output(command.arg(server.data()))
    };
    let created = stream(&["create", "Board meeting", "--private"]);
    let id = field(&created, "id ");
    let list = stream(&["list"]);
    assert_eq!(
        String::from_utf8_lossy(&list.stdout),
        format!("{id}  Board meeting  (private)\n")
    );

    let printed = stream(&["token", &id, "--expires-in", "90m"]);
    let token = field(&printed, "token ");
    server.keep_secret(&token);
    let watch = field(&printed, "watch ");
    assert!(
        watch.ends_with(&format!("/watch/{id}?token={token}")),
        "{watch}"
    );
    let until = field(&printed, "until ");
    assert!(until.starts_with("20") && until.ends_with('Z'), "{until}");

    let ask = |query: &str| {
        let path = format!("/api/v1/watch/{id}{query}");
        http::get(server.http, &path).expect("an answer")
    };
    assert_eq!(ask("").status, 403);
    let told = ask(&format!("?token={token}"));
    assert_eq!(told.json()["title"], "Board meeting");
    // Playback has seen it within a second too.
    let master = |query: &str| {
        let path = format!("/live/{id}/master.m3u8{query}");
        http::get(server.http, &path).expect("an answer").status
    };
    wait_at_most(SEEN_WITHIN, "the stream to be private", || {
        master("") == 403
    });
    assert_eq!(
        master(&format!("?token={token}")),
        404,
        "it is not live yet"
    );

    for (arguments, word) in [
        (["token", "nothere", "--expires-in", "6h"], "nothere"),
        (["token", &id, "--expires-in", "0s"], "--expires-in"),
        (["token", &id, "--expires-in", "2years"], "31536000"),
    ] {
        assert_one_line(&stream(&arguments), &[word]);
    }
    server.stop();
}
