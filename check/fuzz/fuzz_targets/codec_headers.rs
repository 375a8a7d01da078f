//! Coded pictures as a server sends them: NAL units behind start codes and lengths, sequence parameter
//! sets, with the right header and with any.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| check::read_any_pictures(bytes));
