//! The least that serves a folder: HTTP/1.1, one request a connection, no ranges, nothing said to
//! caches. What other people's HLS writers are served with here, so that all that is found is theirs
//! or is known to be missing from this.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Nobody here is slower.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// Serves `folder` until the test's process ends.
pub(crate) fn serve(folder: &Path) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let folder = folder.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            thread::spawn(move || {
                // A client that leaves is no failure.
                let _ = answer(stream, &folder);
            });
        }
    });
    address
}

fn answer(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_MAX))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (head, body) = match read(folder, path) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", Vec::new()),
    };
    let kind = match path.ends_with(".m3u8") {
        true => "application/vnd.apple.mpegurl",
        false => "application/octet-stream",
    };
    write!(
        stream,
        "HTTP/1.1 {head}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

/// A file directly in the folder.
fn read(folder: &Path, path: &str) -> Option<Vec<u8>> {
    let name = path.split('?').next()?.strip_prefix('/')?;
    let plain = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
    let file: PathBuf = folder.join(name);
    plain.then(|| fs::read(file).ok()).flatten()
}
