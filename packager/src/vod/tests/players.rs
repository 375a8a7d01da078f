//! Real players on real pictures and sound.

use std::path::Path;
use std::process::Command;

use super::sockets::serve;
use super::*;
use crate::synthetic::encoded::{decoded, pictures, sound};

/// A title of seven seconds, and the URL of its folder.
async fn title(folder: &Path) -> (Stage, String) {
    let stage = Stage::of(vec![pictures(folder), sound(folder, 0)]);
    let address = serve(stage.delivery.clone()).await;
    (stage, format!("http://{address}/vod/public"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_decodes_the_same_from_playlists_and_from_a_download() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let (_stage, url) = title(folder).await;
    for (stream, rendition, frames) in [("0:v", "180p", 210), ("0:a", "audio", 330)] {
        let [file, playlist, master, download] = [
            format!("{url}/{rendition}.mp4"),
            format!("{url}/{rendition}/playlist.m3u8"),
            format!("{url}/master.m3u8"),
            format!("{url}/180p/download.mp4"),
        ]
        .map(|input| decoded(&input, stream, folder));
        assert_eq!(file.len(), frames, "{rendition}");
        assert_eq!(playlist, file);
        assert_eq!(master, file);
        assert_eq!(download, file);
    }
}

/// As a visitor does who has the page open: plays, seeks, and plays to the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "asks for Chromium and web/node_modules, which the browser tests install"]
async fn chromium_plays_and_seeks_the_download_and_hls_js_the_playlists() {
    let scratch = tempfile::tempdir().unwrap();
    let (_stage, url) = title(scratch.path()).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/browser/stored.mjs");
    let done = Command::new("node").args([script, &url]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("Hello"), "{said}");
}
