//! FLV tag bodies, legacy and enhanced: any bytes are media, nothing, or an error.
#![no_main]

use bytes::Bytes;
use ingest::rtmp::flv::{self, Audio, Video};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let payload = Bytes::copy_from_slice(input);
    if let Ok(Video::Frame {
        composition_ms,
        data,
        ..
    }) = flv::video(&payload)
    {
        assert!(!data.is_empty() && data.len() < payload.len());
        assert!((-(1 << 23)..1 << 23).contains(&composition_ms));
    }
    if let Ok(Audio::Frame { data, .. }) = flv::audio(&payload) {
        assert!(!data.is_empty() && data.len() < payload.len());
    }
});
