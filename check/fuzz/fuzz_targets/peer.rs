//! Whatever a server sends: read as playlists, as a transport stream, as fragmented MP4. Reading
//! ends, without a panic and within the memory that the bytes justify.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| check::read_anything(bytes));
