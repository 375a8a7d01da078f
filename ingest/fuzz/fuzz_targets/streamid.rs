//! Stream IDs of strangers: whatever is taken for a key is one.
#![no_main]

use ingest::gate::STREAM_KEY_LENGTH_MAX;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(name) = ingest::srt::streamid::parse(text) {
        let key = name.key;
        assert!(!key.reveal().is_empty());
        assert!(key.reveal().len() <= STREAM_KEY_LENGTH_MAX);
        assert!(!key.reveal().chars().any(char::is_control));
    }
});
