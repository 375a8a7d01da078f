//! An ordinary HTTP cache in front: nginx with the configuration that is shipped. However many
//! watch through it, the server is asked for each resource once.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::thread;

use crate::clip::Clip;
use crate::encoder;
use crate::http;
use crate::program::{Program, wait_for};
use crate::server::{Server, free_tcp};
use crate::viewer::attribute;

const VIEWERS: usize = 100;

/// Parts that each viewer follows.
const PARTS: usize = 8;

/// nginx in front of `origin`; it logs what it fetched from there and what it had.
fn start_nginx(folder: &Path, origin: SocketAddr) -> (Program, SocketAddr) {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/nginx.conf");
    let shipped = fs::read_to_string(shipped).expect("the configuration");
    let address = free_tcp();
    let cache = folder.join("cache");
    let of_here = shipped
        .replace("listen 80;", &format!("listen {address};"))
        .replace("127.0.0.1:8080", &origin.to_string())
        .replace("/var/cache/nginx/millrace", &cache.display().to_string());
    assert!(of_here.contains(&origin.to_string()) && of_here.contains(&address.to_string()));
    let file = folder.join("nginx.conf");
    let folder = folder.display();
    let whole = format!(
        "daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
         log_format fetches '$upstream_cache_status $request_uri';\n\
         access_log {folder}/access.log fetches;\n\
         client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n\
         fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         {of_here}}}\n"
    );
    fs::write(&file, whole).expect("a file");
    let mut command = Command::new("/usr/sbin/nginx");
    // As root it would give its work to a user who may not write here.
    command.arg("-c").arg(&file).args(["-g", "user root;"]);
    let nginx = Program::start(&mut command);
    wait_for("nginx", || http::get(address, "/health").is_ok());
    (nginx, address)
}

/// Follows a rendition as a low-latency player does, from the part after the latest on.
fn watch(cache: SocketAddr, folder: &str) {
    let fetch = |path: &str| {
        let answer = http::get(cache, &format!("{folder}/{path}")).expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    };
    let mut playlist = fetch("playlist.m3u8").text();
    for _ in 0..PARTS {
        let hint = playlist
            .lines()
            .find(|line| line.starts_with("#EXT-X-PRELOAD-HINT"))
            .and_then(|line| attribute(line, "URI="))
            .expect("a hint")
            .to_owned();
        let (_, place) = hint.rsplit_once('/').expect("a path");
        let (msn, part) = place
            .strip_suffix(".m4s")
            .and_then(|it| it.split_once('.'))
            .expect("a part");
        assert!(!fetch(&hint).body.is_empty());
        playlist = fetch(&format!("playlist.m3u8?_HLS_msn={msn}&_HLS_part={part}")).text();
        assert!(
            playlist.contains(&format!("URI=\"{hint}\"")),
            "{hint} in {playlist}"
        );
    }
}

#[test]
fn a_hundred_viewers_behind_nginx_cost_one_request_a_resource() {
    let file = Clip::new(30 * 40).file();
    let server = Server::with(&[("MILLRACE_LADDER_RUNGS", "90p 160x90 200k")]);
    let stream = server.stream();
    let publisher = encoder::rtmp(&file, &stream.rtmp);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    let folder = tempfile::tempdir().expect("a folder");
    let (nginx, cache) = start_nginx(folder.path(), server.http);

    let begin = Arc::new(Barrier::new(VIEWERS));
    let viewers: Vec<_> = (0..VIEWERS)
        .map(|index| {
            let rendition = ["90p", "audio"][index % 2];
            let path = format!("/live/{}/{rendition}", stream.id);
            let begin = Arc::clone(&begin);
            thread::spawn(move || {
                begin.wait();
                watch(cache, &path);
            })
        })
        .collect();
    for viewer in viewers {
        viewer
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }

    let log = fs::read_to_string(folder.path().join("access.log")).expect("a log");
    let mut asked: HashMap<&str, (usize, usize)> = HashMap::new();
    for line in log.lines().filter(|line| line.contains("/live/")) {
        let (status, uri) = line.split_once(' ').expect("two words");
        let (times, fetched) = asked.entry(uri).or_default();
        *times += 1;
        *fetched += usize::from(status != "HIT");
    }
    let (latest, named): (Vec<_>, Vec<_>) = asked
        .iter()
        .partition(|(uri, _)| uri.ends_with("playlist.m3u8"));
    // All came at once: the first had it fetched.
    for (uri, (times, fetched)) in latest {
        assert_eq!((*times, *fetched), (VIEWERS / 2, 1), "{uri}");
    }
    assert!(named.len() >= 2 * 2 * PARTS, "{asked:?}");
    let shared = named.iter().filter(|(_, (times, _))| *times > 1).count();
    assert!(shared >= 2 * 2 * PARTS, "{asked:?}");
    for (uri, (_, fetched)) in named {
        assert_eq!(*fetched, 1, "{uri}");
    }

    // A range of what is there is no new request to the server.
    let (segment, _) = asked
        .iter()
        .find(|(uri, _)| uri.ends_with(".m4s"))
        .expect("media");
    let range = http::request(cache, "GET", segment, "Range: bytes=0-9\r\n", None);
    let range = range.expect("an answer");
    assert_eq!((range.status, range.body.len()), (206, 10));
    drop(nginx);
    drop(publisher);
    server.stop();
}
