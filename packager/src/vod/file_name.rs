//! What a browser calls a download (RFC 6266), whatever its title is.

use std::fmt::Write;

use http::HeaderValue;

/// Most characters of a title in a file's name: every file system takes 255 bytes, of which four
/// may be one character.
const NAME_CHARS_MAX: usize = 50;

/// The `Content-Disposition` of a download called `name`, of this rendition.
pub(super) fn disposition(name: &str, rendition: &str, extension: &str) -> HeaderValue {
    let name = format!("{} {rendition}.{extension}", plain(name));
    let name = name.trim_start();
    let is_quotable = |letter: &char| letter.is_ascii() && !matches!(letter, '"' | '\\');
    let ascii: String = name
        .chars()
        .map(|letter| Some(letter).filter(is_quotable).unwrap_or('_'))
        .collect();
    let mut value = format!("attachment; filename=\"{ascii}\"");
    if ascii != name {
        value += "; filename*=UTF-8''";
        push_extended(&mut value, name);
    }
    HeaderValue::try_from(value).expect("printable ASCII")
}

/// Without what a path or a shell would take for something else.
fn plain(name: &str) -> String {
    let safe = |letter: char| match letter {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => ' ',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    let name: String = name.chars().map(safe).take(NAME_CHARS_MAX).collect();
    name.trim_matches(|letter| letter == ' ' || letter == '.')
        .to_owned()
}

/// RFC 8187 §3.2.1.
fn push_extended(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => write!(out, "%{byte:02X}").expect("writing to a String cannot fail"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_title_is_a_safe_file_name() {
        for (title, expected) in [
            ("Friday", r#"attachment; filename="Friday 720p.mp4""#),
            ("", r#"attachment; filename="720p.mp4""#),
            (
                "..//etc/passwd",
                r#"attachment; filename="etc passwd 720p.mp4""#,
            ),
            (
                "a\"b\r\nSet-Cookie: x",
                r#"attachment; filename="a b  Set-Cookie  x 720p.mp4""#,
            ),
            (
                "Füße",
                "attachment; filename=\"F__e 720p.mp4\"; filename*=UTF-8''F%C3%BC%C3%9Fe%20720p.mp4",
            ),
        ] {
            let value = disposition(title, "720p", "mp4");
            assert_eq!(value.to_str().unwrap(), expected, "{title:?}");
        }
        let long = disposition(&"x".repeat(1000), "720p", "mp4");
        assert!(long.len() < 100);
    }
}
