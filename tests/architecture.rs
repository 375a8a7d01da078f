//! Holds the dependency rules of design/architecture.md from the manifests and the sources: which
//! crate may know which, which outside library has which home, which modules are free of I/O.
//! It also holds what the documents say about folders and files. It does not look at what code
//! does, and tests may use whatever they like.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every crate of the workspace and the workspace's crates that it may depend on. The root package
/// joins them all.
const CRATES: &[(&str, &[&str])] = &[
    ("media-core", &[]),
    ("ingest", &["media-core", "netproxy"]),
    // Bad networks for tests, and for nothing else.
    ("netproxy", &[]),
    ("packager", &["media-core"]),
    ("storage", &["media-core", "scratch"]),
    // Databases and S3 servers for tests, and for nothing else.
    ("scratch", &[]),
    ("control-api", &["media-core", "storage", "scratch"]),
    ("web", &[]),
    // It judges other servers as it judges ours: it must not know how ours works.
    ("check", &[]),
    // The benchmarks' load generator: nothing may depend on it, and it sees the server as a viewer
    // does.
    ("load", &[]),
    (
        ROOT,
        &[
            "media-core",
            "ingest",
            "packager",
            "storage",
            "control-api",
            "scratch",
            "netproxy",
            "web",
            "check",
        ],
    ),
];

/// Where a crate lies: in the folder of its name, but for these.
fn folder(name: &str) -> &str {
    match name {
        ROOT => "",
        "load" => "benches/load",
        "scratch" => "storage/scratch",
        "netproxy" => "ingest/netproxy",
        name => name,
    }
}

/// The root package.
const ROOT: &str = "millrace";

/// An outside library's home.
struct Home {
    /// The package, or how the names of several begin (`gst*`).
    library: &'static str,
    /// The crates that may depend on it.
    crates: &'static [&'static str],
    /// How the paths begin at which sources may name it.
    sources: &'static [&'static str],
}

const HOMES: &[Home] = &[
    Home {
        library: "gst*",
        crates: &["media-core"],
        sources: &["media-core/src/graph/"],
    },
    Home {
        library: "rml_rtmp",
        crates: &["ingest"],
        // Publishes (in `millrace demo`), never listens.
        sources: &["ingest/src/client.rs"],
    },
    Home {
        library: "srt*",
        crates: &["ingest"],
        sources: &["ingest/src/srt/"],
    },
    Home {
        library: "m3u8-rs",
        crates: &["packager"],
        sources: &["packager/src/"],
    },
    Home {
        library: "sqlx",
        crates: &["storage"],
        sources: &["storage/src/"],
    },
    Home {
        library: "object_store",
        crates: &["storage"],
        sources: &["storage/src/objects/"],
    },
    Home {
        library: "crc32fast",
        crates: &["storage"],
        sources: &["storage/src/asset/"],
    },
    Home {
        library: "ipnet",
        crates: &["storage"],
        sources: &["storage/src/networks.rs"],
    },
    Home {
        library: "tar",
        crates: &[ROOT],
        sources: &["src/archive/"],
    },
    Home {
        library: "axum",
        crates: &["control-api", ROOT],
        // The listener hands requests to the API's router and passes its bodies on.
        sources: &["control-api/src/", "src/listener"],
    },
    Home {
        library: "utoipa*",
        crates: &["control-api"],
        sources: &["control-api/src/"],
    },
    Home {
        library: "jpeg-encoder",
        crates: &["media-core"],
        sources: &["media-core/src/thumbnail/jpeg.rs"],
    },
    Home {
        library: "tower-http",
        crates: &["control-api"],
        sources: &["control-api/src/cors.rs"],
    },
    Home {
        library: "argon2",
        crates: &["storage"],
        sources: &["storage/src/accounts/password.rs"],
    },
    Home {
        library: "email_address",
        crates: &["storage"],
        sources: &["storage/src/accounts/user.rs"],
    },
    Home {
        library: "prometheus-client*",
        crates: &[ROOT],
        // Everything else counts with atomics of its own and knows no format.
        sources: &["src/metrics"],
    },
    Home {
        library: "rustls",
        // The checker and the store are clients, and have to be told whom to believe.
        crates: &[ROOT, "check", "storage"],
        sources: &[
            "src/tls",
            "src/listener",
            "check/src/shell/tls.rs",
            "storage/src/objects/http_client.rs",
        ],
    },
    Home {
        library: "x509-parser",
        crates: &[ROOT],
        sources: &["src/tls/"],
    },
    Home {
        library: "h2",
        crates: &[ROOT],
        // Only the listener knows which protocol a request came by.
        sources: &["src/listener/"],
    },
    Home {
        library: "httparse",
        crates: &[ROOT],
        // Heads that are delivery's; all others are hyper's to read.
        sources: &["src/listener/http1/head.rs"],
    },
    Home {
        library: "hyper-rustls",
        // Whoever calls others by HTTPS: the checker, the object store, and the root for its hooks.
        crates: &[ROOT, "check", "storage"],
        sources: &[
            "src/hooks/client.rs",
            "check/src/shell/client.rs",
            "storage/src/objects/http_client.rs",
        ],
    },
    Home {
        library: "rustls-native-certs",
        crates: &[ROOT, "check", "storage"],
        sources: &[
            "src/tls/client.rs",
            "check/src/shell/tls.rs",
            "storage/src/objects/http_client.rs",
        ],
    },
    Home {
        library: "url",
        // Addresses of hooks are checked where they are stored, and called by the root.
        crates: &[ROOT, "storage", "check"],
        sources: &[
            "storage/src/webhooks/address.rs",
            "storage/src/objects",
            "src/hooks/",
            "check/src/",
        ],
    },
    Home {
        library: "mp4-atom",
        crates: &["check"],
        sources: &["check/src/media/fmp4.rs"],
    },
    Home {
        library: "h264-reader",
        crates: &["check"],
        sources: &["check/src/media/bitstream.rs"],
    },
    Home {
        library: "tokio-rustls",
        // The RTMP shell is given an acceptor; it knows nothing of certificates.
        crates: &[ROOT, "ingest"],
        sources: &[
            "src/tls.rs",
            "src/listener",
            "ingest/src/rtmp/listener.rs",
            "ingest/src/rtmp/connection.rs",
            "ingest/src/rtmp/wire.rs",
        ],
    },
];

/// `ingest::srt` has the protocol's name, with which libraries like `srt-tokio` begin too.
const MODULE_OF_OURS: &str = "srt";

/// The crates whose logic is sans-IO, and in them the shells that are not.
const CORES: &[&str] = &[
    "media-core/src/",
    "ingest/src/",
    "packager/src/",
    "check/src/",
];
const SHELLS: &[&str] = &[
    "media-core/src/graph/",
    "ingest/src/client.rs",
    "ingest/src/rtmp/connection.rs",
    "ingest/src/rtmp/listener.rs",
    "ingest/src/rtmp/wire.rs",
    "ingest/src/srt/listener.rs",
    "ingest/src/srt/sys/",
    "packager/src/delivery/",
    "packager/src/disk.rs",
    "packager/src/vod/",
    "check/src/shell/",
];

/// What a core must not name: a runtime, a clock, a socket, a thread, a file.
const NOT_IN_A_CORE: &[&str] = &[
    "tokio::",
    "Instant::now",
    "SystemTime::now",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "thread::",
    "fs::",
];

/// Names that say nothing about what a module is for.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helpers", "misc", "types"];

#[test]
fn crates_know_only_those_below_them() {
    for (name, manifest) in manifests() {
        let allowed = CRATES.iter().find(|(it, _)| *it == name);
        let Some((_, allowed)) = allowed else {
            panic!("{name} is a crate of the workspace without a place in the picture: add it here")
        };
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for dependency in packages(&manifest, section) {
                let ours = CRATES.iter().any(|(it, _)| *it == dependency);
                assert!(
                    !ours || allowed.contains(&dependency.as_str()),
                    "{name} must not depend on {dependency} ({section})"
                );
            }
        }
    }
}

#[test]
fn each_outside_library_has_one_home() {
    for (name, manifest) in manifests() {
        for dependency in packages(&manifest, "dependencies") {
            for home in HOMES.iter().filter(|home| home.is_of(&dependency)) {
                assert!(
                    home.crates.contains(&name.as_str()),
                    "{name} depends on {dependency}, whose home is {}",
                    home.crates.join(", ")
                );
            }
        }
    }
    let mut strays = Vec::new();
    for (path, code) in sources() {
        for home in HOMES {
            let at_home = home.sources.iter().any(|prefix| path.starts_with(prefix));
            if let Some(line) = code.lines().find(|line| !at_home && home.is_named_in(line)) {
                strays.push(format!("{path} names {}: {}", home.library, line.trim()));
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn cores_take_time_as_an_argument_and_touch_no_io() {
    let in_one_of = |path: &str, prefixes: &[&str]| prefixes.iter().any(|it| path.starts_with(it));
    let mut cores = 0;
    for (path, code) in sources() {
        if !in_one_of(&path, CORES) || in_one_of(&path, SHELLS) {
            continue;
        }
        cores += 1;
        for forbidden in NOT_IN_A_CORE {
            let line = code.lines().find(|line| line.contains(forbidden));
            assert!(line.is_none(), "{path} is a core and has {line:?}");
        }
    }
    assert!(cores > 20, "only {cores} files were looked at");
    for shell in SHELLS {
        assert!(root().join(shell).exists(), "{shell} is gone: take it out");
    }
}

#[test]
fn modules_say_what_they_are_for() {
    for (path, _) in sources() {
        let empty = Path::new(&path)
            .iter()
            .filter_map(|part| Path::new(part).file_stem()?.to_str())
            .find(|part| EMPTY_NAMES.contains(part));
        assert!(empty.is_none(), "{path}: {empty:?} is no name for a module");
    }
}

#[test]
fn the_picture_of_the_folders_is_true() {
    let text = read(&root().join("design/architecture.md"));
    let picture = text.split("```").find(|block| block.contains("\nsrc/"));
    let listed: BTreeSet<&str> = picture
        .expect("design/architecture.md has a block that lists src/")
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.strip_suffix('/'))
        .collect();
    for folder in &listed {
        assert!(
            root().join(folder).is_dir(),
            "design/architecture.md lists {folder}/, which is not there"
        );
    }
    for (name, _) in CRATES.iter().filter(|(name, _)| *name != ROOT) {
        let folder = folder(name);
        assert!(
            listed.contains(folder),
            "design/architecture.md does not list {folder}/"
        );
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = Vec::new();
    files(&root(), "md", &mut documents);
    let mut broken = Vec::new();
    for document in &documents {
        let text = read(document);
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = target.split('#').next().unwrap_or_default();
            let outside =
                path.is_empty() || target.contains("://") || target.starts_with("mailto:");
            let folder = document.parent().unwrap_or(document);
            if !outside && !folder.join(path).exists() {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A lock file that names somebody's own mirror works for nobody else.
#[test]
fn lock_files_name_the_public_registries_only() {
    let mut locks = Vec::new();
    files(&root(), "lock", &mut locks);
    files(&root(), "json", &mut locks);
    locks.retain(|path| path.ends_with("Cargo.lock") || path.ends_with("package-lock.json"));
    assert!(locks.len() >= 2, "{locks:?}");
    for lock in locks {
        for line in read(&lock).lines().map(str::trim) {
            let public = match line.split_once(['=', ':']) {
                Some(("source ", source)) => {
                    source == " \"registry+https://github.com/rust-lang/crates.io-index\""
                }
                Some(("\"resolved\"", url)) => url.starts_with(" \"https://registry.npmjs.org/"),
                _ => true,
            };
            assert!(public, "{}: {line}", lock.display());
        }
    }
}

impl Home {
    /// Whether `name` is the library, as a package (`m3u8-rs`) or as a path (`m3u8_rs`).
    fn is_of(&self, name: &str) -> bool {
        let name = name.replace('_', "-");
        let library = self.library.replace('_', "-");
        match library.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == library,
        }
    }

    /// Whether a line has a path that begins with the library: `gst::init()`, `use gstreamer as …`.
    fn is_named_in(&self, line: &str) -> bool {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let mut rest = line;
        while let Some(start) = rest.find(is_part) {
            let length = rest[start..].find(|c| !is_part(c));
            let end = length.map_or(rest.len(), |length| start + length);
            let (before, name, after) = (&rest[..start], &rest[start..end], &rest[end..]);
            let begins_path = !before.ends_with("::") && !before.ends_with('"');
            let used = after.starts_with("::") || line.trim_start().starts_with("use ");
            if begins_path && used && self.is_of(name) && name != MODULE_OF_OURS {
                return true;
            }
            rest = after;
        }
        false
    }
}

/// The manifests of the workspace, each with its package's name.
fn manifests() -> Vec<(String, toml::Table)> {
    let workspace = manifest(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array();
    let members: Vec<PathBuf> = members
        .expect("members is an array")
        .iter()
        .filter_map(toml::Value::as_str)
        .map(|member| root().join(member).join("Cargo.toml"))
        .collect();
    members
        .iter()
        .map(|path| manifest(path))
        .chain([workspace.clone()])
        .map(|manifest| {
            let name = manifest["package"]["name"].as_str();
            (name.expect("a package has a name").to_owned(), manifest)
        })
        .collect()
}

fn manifest(path: &Path) -> toml::Table {
    read(path)
        .parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn packages(manifest: &toml::Table, section: &str) -> Vec<String> {
    let section = manifest.get(section).and_then(toml::Value::as_table);
    section
        .map(|section| section.keys().cloned().collect())
        .unwrap_or_default()
}

/// The code of every source file that is no test, by its path from the root, without comments and
/// without the tests at its end.
fn sources() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for folder in CRATES.iter().map(|(name, _)| folder(name)) {
        files(&root().join(folder).join("src"), "rs", &mut paths);
    }
    let found: Vec<(String, String)> = paths
        .into_iter()
        .filter_map(|path| {
            let name = path.strip_prefix(root()).ok()?.to_str()?.to_owned();
            let is_test =
                name.contains("/tests") || test_only().iter().any(|it| name.starts_with(it));
            (!is_test).then(|| (name, code(&read(&path))))
        })
        .collect();
    assert!(found.len() > 60, "only {} sources were found", found.len());
    found
}

/// Files that their parent declares under `#[cfg(test)]` and that are not called tests.
fn test_only() -> &'static [&'static str] {
    &[
        "packager/src/reread.rs",
        "packager/src/synthetic.rs",
        "packager/src/synthetic/",
        "check/src/synthetic.rs",
        "check/src/synthetic/",
    ]
}

fn code(text: &str) -> String {
    text.lines()
        .take_while(|line| !line.starts_with("mod tests {"))
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| line.split(" // ").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// All files below `folder` with this extension, but for what was built, installed or recorded.
fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().and_then(|name| name.to_str());
        let skipped = [
            "target",
            "node_modules",
            "data",
            "dist",
            "generated",
            ".git",
        ];
        if path.is_dir() {
            if !name.is_some_and(|name| skipped.contains(&name)) {
                files(&path, extension, found);
            }
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
