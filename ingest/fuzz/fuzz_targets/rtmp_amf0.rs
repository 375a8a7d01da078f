//! AMF0: any bytes decode to a value or an error, and a value that was decoded encodes to bytes
//! that decode to the same.
#![no_main]

use bytes::BytesMut;
use ingest::rtmp::amf0;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(values) = amf0::decode(input) else {
        return;
    };
    let mut bytes = BytesMut::new();
    for value in &values {
        amf0::encode(value, &mut bytes);
    }
    let again = amf0::decode(&bytes).expect("own encoding");
    // By their text, since a NaN is not equal to itself.
    assert_eq!(format!("{values:?}"), format!("{again:?}"));
});
