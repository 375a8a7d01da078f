//! Cursors of lists: what is taken for one is written in the same letters again, and every place that
//! a list could have is taken.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use storage::listing::Cursor;

/// The longest that is looked at.
const CURSOR_CHARS_MAX: usize = 2048;

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = str::from_utf8(input) {
        check(text);
    }
    let text = URL_SAFE_NO_PAD.encode(input);
    let is_place = str::from_utf8(input).is_ok_and(|place| {
        !place.contains('\0') && place.bytes().filter(|&byte| byte == b'\n').count() >= 2
    });
    assert_eq!(check(&text), is_place && text.len() <= CURSOR_CHARS_MAX);
});

/// Whether it is a cursor.
fn check(text: &str) -> bool {
    let Ok(cursor) = text.parse::<Cursor>() else {
        return false;
    };
    assert!(text.len() <= CURSOR_CHARS_MAX);
    assert_eq!(cursor.to_string(), text);
    true
}
