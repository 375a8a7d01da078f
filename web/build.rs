//! Embeds `web/dist` (made by `make web`) as Rust source, so that the pages are part of the binary.
//!
//! It never runs npm: a machine without Node builds the server all the same, and the server then
//! says how to build the pages. Writes into `OUT_DIR` a copy of every file, named by its content,
//! and `embedded.rs`: one array of `File` literals that include the copies. The compiler thus never
//! looks at `dist`, which `make web` may be emptying and filling at that moment.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Content by path below `dist`, with slashes.
type Files = BTreeMap<String, Vec<u8>>;

fn main() -> io::Result<()> {
    let dist = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("dist");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));

    // A path that does not exist counts as always changed: without the folder every `cargo build`
    // would compile this crate and link the server anew. A read-only checkout pays that price.
    let _ = fs::create_dir_all(&dist);
    println!("cargo::rerun-if-changed=dist");
    println!("cargo::rerun-if-changed=build.rs");

    let mut files = Files::new();
    read_folder(&dist, "", &mut files)?;

    let copies = out.join("embedded");
    match fs::remove_dir_all(&copies) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(&copies)?,
    }
    let mut source = String::from("&[\n");
    for (name, content) in &files {
        if name.ends_with(".gz") || name.ends_with(".br") {
            continue;
        }
        let sibling = |suffix: &str| {
            let compressed = files.get(&format!("{name}.{suffix}"));
            compressed.map_or(Ok("None".to_owned()), |bytes| {
                copy(bytes, &copies).map(|included| format!("Some({included})"))
            })
        };
        let _ = writeln!(
            source,
            "    crate::site::File {{ name: {name:?}, tag: \"{}\", plain: {}, gzip: {}, brotli: {} }},",
            tag(content),
            copy(content, &copies)?,
            sibling("gz")?,
            sibling("br")?,
        );
    }
    source.push(']');
    fs::write(out.join("embedded.rs"), source)
}

/// Reads all files below `folder`. What vanishes meanwhile counts as never there: `dist` is being
/// written anew, and its change makes cargo run this again.
fn read_folder(folder: &Path, prefix: &str, files: &mut Files) -> io::Result<()> {
    let Some(entries) = unless_gone(fs::read_dir(folder))? else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        let Some(file_name) = path.file_name() else {
            continue;
        };
        let name = format!("{prefix}{}", file_name.to_string_lossy());
        if path.is_dir() {
            read_folder(&path, &format!("{name}/"), files)?;
        } else if let Some(content) = unless_gone(fs::read(&path))? {
            files.insert(name, content);
        }
    }
    Ok(())
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes `content` among the copies; the expression that includes it.
fn copy(content: &[u8], copies: &Path) -> io::Result<String> {
    let path = copies.join(tag(content));
    fs::write(&path, content)?;
    Ok(format!("include_bytes!({path:?})"))
}

fn tag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
