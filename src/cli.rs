//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{Flags, help_table};

/// A media server in one process: SRT and RTMP in, four renditions of low-latency HLS out.
#[derive(Parser)]
#[command(name = "millrace", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start the server.
    #[command(after_long_help = help_table(), after_help = "All settings: millrace serve --help")]
    Serve {
        #[command(flatten)]
        settings: SettingFlags,
        /// Make sure that a stream of this title exists, and print where to publish and watch.
        #[arg(long, value_name = "TITLE")]
        stream: Option<String>,
    },
    /// Start the server with a test pattern as its publisher.
    #[command(after_long_help = help_table())]
    Demo {
        #[command(flatten)]
        settings: SettingFlags,
    },
    /// Work on the streams in the database, whether a server runs or not.
    Stream {
        #[command(flatten)]
        settings: SettingFlags,
        #[command(subcommand)]
        action: StreamAction,
    },
    /// Write the database and the secrets to one file, while a server runs or not.
    ///
    /// The file is a tar, readable for its owner alone: a dump of all tables as they are at one
    /// moment, and from the data folder the admin token and the secrets that playback and access
    /// tokens are signed with. Uploads that are not encoded yet are not in it. A file that is there
    /// already is not replaced.
    Backup {
        #[command(flatten)]
        settings: SettingFlags,
        /// The file to write.
        file: PathBuf,
        /// Also the media: all files in the data folder's assets/.
        #[arg(long)]
        media: bool,
    },
    /// Put a backup in place of what is in the database and the data folder. Stop the server first.
    ///
    /// The backup may come from another kind of database: this is also how one moves between SQLite
    /// and PostgreSQL. It may be of an earlier version. It is read to its end before anything is
    /// changed, and the database then has all of it or, where that fails, what it had before.
    Restore {
        #[command(flatten)]
        settings: SettingFlags,
        /// What millrace backup wrote.
        file: PathBuf,
        /// Replace what is there. Without it, only an empty database is filled.
        #[arg(long)]
        force: bool,
    },
    /// Follow an HLS stream, of this server or another, and report which rules it keeps.
    #[command(
        after_help = "Exit code 0: no rule broken; 1: one is; 2: there was nothing to judge."
    )]
    Check(CheckArguments),
    /// Print a commented configuration file with every setting.
    ExampleConfig,
}

/// What `millrace check` is asked.
#[derive(Args)]
pub(crate) struct CheckArguments {
    /// URL of the multivariant playlist, or of one media playlist.
    pub(crate) url: String,
    /// For how many seconds to follow it.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: u64,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Count recommendations that are not followed as broken rules.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Believe any certificate.
    #[arg(long, conflicts_with = "ca")]
    pub(crate) insecure: bool,
    /// Believe the certificates that this file (PEM) has signed, and no others.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Use HTTP/1.1 even where HTTP/2 is offered.
    #[arg(long)]
    pub(crate) http1: bool,
}

/// The settings that have a flag; every other one is in the file or a variable.
#[derive(Args)]
pub(crate) struct SettingFlags {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "MILLRACE_CONFIG", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the database, the admin token and all media [default: ./data].
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<String>,
    /// Address of pages, API and playback [default: 0.0.0.0:8080].
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Address of the RTMP listener [default: 0.0.0.0:1935].
    #[arg(long, value_name = "ADDR")]
    rtmp: Option<String>,
    /// Address (UDP) of the SRT listener [default: 0.0.0.0:8890].
    #[arg(long, value_name = "ADDR")]
    srt: Option<String>,
}

impl SettingFlags {
    /// What was set: path, flag, text.
    pub(crate) fn flags(&self) -> Flags {
        [
            ("data", "--data", &self.data),
            ("http", "--http", &self.http),
            ("rtmp", "--rtmp", &self.rtmp),
            ("srt", "--srt", &self.srt),
        ]
        .into_iter()
        .filter_map(|(path, flag, text)| text.clone().map(|text| (path, flag, text)))
        .collect()
    }
}

#[derive(Subcommand)]
pub(crate) enum StreamAction {
    /// Create a stream and print its key, once.
    Create {
        /// Its title, for people.
        title: String,
        /// Passphrase that SRT publishers must encrypt with, 10 to 79 characters.
        #[arg(long)]
        srt_passphrase: Option<String>,
        /// Only viewers with a playback token may watch it.
        #[arg(long)]
        private: bool,
    },
    /// Print a playback token with which a viewer may watch a private stream, and its page.
    Token {
        /// The stream's id.
        id: String,
        /// For how long it is valid: `90m`, `6h`, `30days`; a year at the most.
        #[arg(long, value_name = "TIME", default_value = "6h", value_parser = humantime::parse_duration)]
        expires_in: Duration,
    },
    /// List all streams.
    List,
    /// Give a stream a new key and print it, once; the old one is void.
    RotateKey {
        /// The stream's id.
        id: String,
    },
    /// Delete a stream.
    Delete {
        /// The stream's id.
        id: String,
    },
}
