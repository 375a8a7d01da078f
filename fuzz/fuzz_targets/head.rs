//! Heads of HTTP/1.1 requests: whatever comes is judged without a panic, no head is taken before its
//! last byte, and what is taken does not depend on what comes behind it.
#![no_main]

// The binary has no library to link: the parser alone is compiled in.
#[path = "../../src/listener/http1/head.rs"]
mod head;

use head::{Parsed, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    check(input);
    // Most of what is random is no request at all.
    check(&[b"GET /live/", input].concat());
    check(&[b"GET /live/s/x HTTP/1.1\r\nHost: a\r\n", input, b"\r\n\r\n"].concat());
});

fn check(input: &[u8]) {
    let Parsed::Delivery(head) = parse(input) else {
        return;
    };
    let taken = &input[..head.len_bytes];
    assert!(taken.ends_with(b"\n"));
    let request = head.request();
    assert!(request.path.starts_with("/live/"));
    assert!(request.path.is_ascii() && request.query.is_ascii());
    let has = |name: &[u8]| {
        let lines = taken.split(|&byte| byte == b'\n');
        let names = lines.filter_map(|line| line.get(..name.len()));
        names.filter(|it| it.eq_ignore_ascii_case(name)).count()
    };
    assert_eq!(has(b"host:"), 1);
    assert_eq!(has(b"content-length:") + has(b"transfer-encoding:"), 0);
    for end in 0..taken.len() {
        assert!(matches!(parse(&taken[..end]), Parsed::Partial), "{end}");
    }
    let Parsed::Delivery(alone) = parse(taken) else {
        panic!("taken only with what comes behind");
    };
    assert_eq!(
        (alone.len_bytes, alone.is_last),
        (head.len_bytes, head.is_last)
    );
    let alone = alone.request();
    assert_eq!((alone.path, alone.query), (request.path, request.query));
}
