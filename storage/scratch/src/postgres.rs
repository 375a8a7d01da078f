//! A PostgreSQL server of a test run's own, from the programs that Debian's package brings. No
//! server of the machine's is touched.
//!
//! `cargo nextest` starts a process a test: the first one that needs the server starts it, all the
//! others find it. It belongs to the process that runs the tests (nextest; with `cargo test` the
//! test binary) and ends with it, whatever way that ends.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the server may take to start: some seconds, more where every core compiles.
const START_WAIT_MAX: Duration = Duration::from_secs(120);

/// How often to look whether it has started.
const START_POLL: Duration = Duration::from_millis(50);

/// Where Debian's packages put the programs, a folder a version.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// Makes the server and ends it.
const KEEPER: &str = include_str!("postgres/keep.sh");

/// The server of this run.
#[derive(Clone, Debug)]
pub struct Server {
    programs: PathBuf,
    socket: PathBuf,
    port: u16,
}

impl Server {
    /// Finds it, or starts it. Blocks for as long as that takes.
    pub fn shared() -> Self {
        let owner = owner();
        let born = born(owner);
        let folder = std::env::temp_dir().join(format!("millrace-postgres-{owner}-{born}"));
        make_folder(&folder);
        // Only one starts it; it is unlocked when the file is closed.
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join("lock"))
            .expect("a lock file");
        lock.lock().expect("the lock");
        let programs = programs();
        let port_file = folder.join("port");
        if !port_file.exists() {
            start(&folder, &programs, owner);
        }
        let port = std::fs::read_to_string(&port_file).expect("the port");
        Self {
            programs,
            socket: folder.join("socket"),
            port: port.trim().parse().expect("a port"),
        }
    }

    /// The port on 127.0.0.1, where a password is asked for.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database as the superuser, who needs no password.
    pub fn url(&self, database: &str) -> String {
        let socket = self.socket.to_str().expect("UTF-8");
        let port = self.port;
        format!("postgres:///{database}?host={socket}&port={port}&user=postgres")
    }

    /// Has the superuser execute statements in a database, each by itself, and returns what they
    /// return: a row a line, columns separated by `|`. Blocks.
    pub fn execute(&self, database: &str, statements: &[&str]) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-U", "postgres", "-d", database, "-h"])
            .arg(&self.socket)
            .args(["-p", &self.port.to_string()]);
        for statement in statements {
            psql.args(["-c", statement]);
        }
        let output = psql.stdin(Stdio::null()).output().expect("psql starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements:?}: {errors}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

/// The process that the server belongs to: the one that runs the tests.
fn owner() -> u32 {
    match std::env::var_os("NEXTEST") {
        Some(_) => std::os::unix::process::parent_id(),
        None => std::process::id(),
    }
}

/// When a process began, in ticks since the machine's start (proc(5)): with its number it is
/// unmistakable.
fn born(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux's /proc");
    // The name, in parentheses, may have blanks in it; the start is the 20th after it.
    let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
    let field = rest.split_whitespace().nth(19).expect("the field");
    field.parse().expect("a number")
}

/// Nobody else may own it. Others may pass through, since PostgreSQL runs as another user where
/// the tests run as root.
fn make_folder(folder: &Path) {
    match DirBuilder::new().mode(0o711).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            panic!("{}: {error}", folder.display())
        }
        _ => {}
    }
    let owner = folder.metadata().expect("the folder").uid();
    let us = Path::new("/proc/self")
        .metadata()
        .expect("Linux's /proc")
        .uid();
    assert_eq!(owner, us, "{} is not ours", folder.display());
}

/// Where the newest version's programs are.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir(PROGRAMS).into_iter().flatten().flatten();
    let newest = versions
        .filter(|version| version.path().join("bin/initdb").exists())
        .max_by_key(|version| version.file_name().to_string_lossy().parse::<u32>().ok());
    match newest {
        Some(version) => version.path().join("bin"),
        None => panic!(
            "no PostgreSQL in {PROGRAMS}: run scripts/install-deps.sh test (Debian: apt-get \
             install postgresql)"
        ),
    }
}

#[expect(
    clippy::zombie_processes,
    reason = "the keeper outlives this process, and is nobody's to wait for"
)]
fn start(folder: &Path, programs: &Path, owner: u32) {
    let log = folder.join("log");
    let output = File::create(&log).expect("a log");
    let errors = output.try_clone().expect("a log");
    let mut keeper = Command::new("/bin/sh")
        .args(["-c", KEEPER, "keep.sh"])
        .arg(folder)
        .arg(programs)
        .arg(owner.to_string())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        // A signal that is meant for the test is not meant for all the others' server.
        .process_group(0)
        .spawn()
        .expect("sh starts");
    let began = Instant::now();
    while !folder.join("port").exists() {
        let ended = keeper.try_wait().expect("the keeper's state");
        let late = began.elapsed() >= START_WAIT_MAX;
        if ended.is_some() || late {
            // Its trap ends what it has started.
            let _gone = Command::new("kill").arg(keeper.id().to_string()).status();
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("PostgreSQL does not start ({ended:?}): {log}");
        }
        std::thread::sleep(START_POLL);
    }
}
