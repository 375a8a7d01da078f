//! Lists `web/dist` (made by `make web`) as Rust source, so that the pages are part of the binary.
//!
//! It never runs npm: a machine without Node builds the server all the same, and the server then
//! says how to build the pages. Writes `embedded.rs` into `OUT_DIR`: one array of `File` literals.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let dist = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("dist");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("embedded.rs");

    // A path that does not exist counts as always changed: without the folder every `cargo build`
    // would compile this crate and link the server anew. A read-only checkout pays that price.
    let _ = fs::create_dir_all(&dist);
    println!("cargo::rerun-if-changed=dist");
    println!("cargo::rerun-if-changed=build.rs");

    let mut paths = Vec::new();
    if dist.is_dir() {
        collect(&dist, &mut paths)?;
    }
    paths.sort();

    let mut source = String::from("&[\n");
    for path in &paths {
        if matches!(extension(path), "gz" | "br") {
            continue;
        }
        let name = path
            .strip_prefix(&dist)
            .map_err(io::Error::other)?
            .to_string_lossy()
            .replace('\\', "/");
        let mut hasher = DefaultHasher::new();
        fs::read(path)?.hash(&mut hasher);
        let _ = writeln!(
            source,
            "    crate::site::File {{ name: {name:?}, tag: \"{:016x}\", plain: include_bytes!({path:?}), gzip: {}, brotli: {} }},",
            hasher.finish(),
            encoded(path, "gz", &paths),
            encoded(path, "br", &paths),
        );
    }
    source.push(']');
    fs::write(out, source)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// The expression for the file's compressed sibling (`watch.html` → `watch.html.br`).
fn encoded(path: &Path, suffix: &str, paths: &[PathBuf]) -> String {
    let mut sibling = path.as_os_str().to_owned();
    sibling.push(".");
    sibling.push(suffix);
    let sibling = PathBuf::from(sibling);
    if paths.contains(&sibling) {
        format!("Some(include_bytes!({sibling:?}))")
    } else {
        "None".to_owned()
    }
}

fn extension(path: &Path) -> &str {
    path.extension()
        .and_then(|text| text.to_str())
        .unwrap_or("")
}
