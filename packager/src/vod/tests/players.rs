//! A real player on real pictures and sound. Others play them in the tests of the whole server.

use std::path::Path;

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
