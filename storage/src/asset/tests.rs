//! Assets on a real file system, and what is left of them after every kind of death.

mod damage;
mod death;
mod size;
mod writing;

use std::time::Duration;

use media_core::{AssetId, MediaTime, SampleRun};
use tempfile::TempDir;

use super::synthetic::{NO_RESERVE, init, name, segment};
use super::*;

fn id() -> AssetId {
    AssetId::new("a1").expect("an id")
}

fn assets(data: &TempDir) -> Folder {
    Folder::open(data.path()).expect("writable")
}
