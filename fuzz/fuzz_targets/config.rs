//! A configuration file and variables: of any text settings come that are within their bounds, or one
//! line that names what is wrong.
//!
//! What stands before the first NUL is the file; behind it come variables, a line each.
#![no_main]
#![allow(
    dead_code,
    reason = "modules of the binary, of which not all is needed here"
)]

// The binary has no library to link: its configuration alone is compiled in.
#[path = "../../src/config/mod.rs"]
pub(crate) mod config;

/// What it names of the rest of the binary.
pub(crate) mod hooks {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum OnFailure {
        Deny,
        Allow,
    }

    impl std::str::FromStr for OnFailure {
        type Err = &'static str;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            match text {
                "deny" => Ok(Self::Deny),
                "allow" => Ok(Self::Allow),
                _ => Err("deny or allow is expected"),
            }
        }
    }
}

/// See [`hooks`].
pub(crate) mod overload {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Admission {
        Refuse,
        Source,
        Off,
    }

    impl std::str::FromStr for Admission {
        type Err = &'static str;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            match text {
                "refuse" => Ok(Self::Refuse),
                "source" => Ok(Self::Source),
                "off" => Ok(Self::Off),
                _ => Err("refuse, source or off is expected"),
            }
        }
    }
}

/// See [`hooks`].
pub(crate) mod recordings {
    use media_core::RenditionName;
    use storage::asset::Reserve;
    use storage::objects::Playback;
    use storage::retention::Policy;

    #[derive(Clone, Debug)]
    pub(crate) struct Defaults {
        pub(crate) record: bool,
        pub(crate) renditions: Vec<RenditionName>,
        pub(crate) reserve: Reserve,
        pub(crate) retention: Policy,
    }

    #[derive(Clone, Debug)]
    pub(crate) struct ObjectsChoice {
        pub(crate) url: String,
        pub(crate) playback: Playback,
        pub(crate) keep_local_bytes: u64,
    }
}

use std::path::PathBuf;

use config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    thread_local!(static FOLDER: tempfile::TempDir = folder());
    let at = input.iter().position(|byte| *byte == 0);
    let (file, variables) = input.split_at(at.unwrap_or(input.len()));
    let variables = String::from_utf8_lossy(variables);
    let lines = variables.trim_start_matches('\0').lines();
    let variables = lines.filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let path: PathBuf = FOLDER.with(|folder| folder.path().join("millrace.toml"));
    std::fs::write(&path, file).expect("a file");
    match Config::load(Some(&path), variables, config::Flags::default()) {
        Ok(config) => {
            assert!(config.ingest.broadcasts_max > 0);
            assert!(config.hls.part <= config.hls.segment);
        }
        Err(error) => assert!(!error.to_string().trim().is_empty()),
    }
});

fn folder() -> tempfile::TempDir {
    // In memory where the machine has that.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    folder.expect("a folder")
}
